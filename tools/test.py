"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``, which is ``mmmix test``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('test')
