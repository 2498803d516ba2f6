"""Export a classifier: ``python tools/export.py CHECKPOINT --to PACKAGE``, which is ``mmmix export``."""

from mmmix.commands import run

if __name__ == '__main__':
    run('export')
