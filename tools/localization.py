"""Look where objects are: ``python tools/localization.py CONFIG CHECKPOINT``, which is ``mmmix localize``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('localize')
