"""Draw Grad-CAM maps: ``python tools/visualize_cam.py CONFIG CHECKPOINT IMAGE IMAGE...``, which is ``mmmix cam``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('cam')
