"""Draw mixed batches: ``python tools/browse_mix.py CONFIG``, which is ``mmmix browse``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('browse')
