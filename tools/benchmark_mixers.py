"""Time mixers: ``python tools/benchmark_mixers.py``, which is ``mmmix bench``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('bench')
