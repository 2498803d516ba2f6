"""Look at hard samples: ``python tools/hard_samples.py WORK_DIR``, which is ``mmmix hard-samples``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('hard-samples')
