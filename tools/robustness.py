"""Test robustness: ``python tools/robustness.py CONFIG CHECKPOINT``, which is ``mmmix robustness``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('robustness')
