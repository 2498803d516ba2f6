"""Train a model: ``python tools/train.py CONFIG``, which is ``mmmix train``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('train')
