"""Summarise runs: ``python tools/summarize.py WORK_DIR...``, which is ``mmmix summarize``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('summarize')
