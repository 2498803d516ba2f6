"""Draw the pictures of the README and of the site: ``python tools/draw_pictures.py``, which is ``make pictures``.

A network is trained for them, a small one for a few minutes; see ``docs/photographs.py``. What the pictures were drawn
from is noted in ``docs/pictures.json``, so that a test can tell when they are stale.
"""

import hashlib
import inspect
import json
import sys
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
NOTE = DOCS / 'pictures.json'
PICTURES = ('three_systems.png', 'gallery.png')
#: The programs that draw them.
SOURCES = ('canvas.py', 'first_picture.py', 'gallery.py', 'photographs.py', 'pictures.py')


def drawn_from() -> str:
    """A digest of what makes a picture stale: the programs that draw, and every method with its defaults."""
    from mmmix import mixers

    told = [(DOCS / name).read_text(encoding='utf-8') for name in SOURCES]
    for name in sorted(mixers.__all__):
        takes = inspect.signature(getattr(mixers, name).__init__).parameters.values()
        told.append(f'{name}: {sorted((each.name, repr(each.default)) for each in takes)}')
    return hashlib.sha256('\n'.join(told).encode()).hexdigest()


def draw() -> dict[str, Any]:
    """Train, draw both, and tell the numbers in the first one."""
    sys.path.insert(0, str(DOCS))
    first_picture, gallery, of = (import_module(name) for name in ('first_picture', 'gallery', 'photographs'))
    model, table = of.trained()
    told = first_picture.draw(DOCS / PICTURES[0], model, table)
    images = of.batch(of.NAMES[:4], gallery.SIZE)[0]
    gallery.draw(DOCS / PICTURES[1], images, model, of.hardest(table, 12, gallery.SIZE))
    return told


def main() -> None:
    """Draw, and note what from."""
    parser = ArgumentParser(description='Draw the pictures of the README and of the site')
    parser.add_argument('--check', action='store_true', help='draw nothing, say whether the pictures are fresh')
    args = parser.parse_args()
    if args.check:
        fresh = json.loads(NOTE.read_text(encoding='utf-8'))['drawn_from'] == drawn_from()
        sys.exit(None if fresh else 'docs/*.png were drawn by other code or of other methods: run `make pictures`')
    from importlib.metadata import version

    note = dict(drawn_from=drawn_from(), scikit_image=version('scikit-image'), torch=version('torch'), numbers=draw())
    note['files'] = {name: hashlib.sha256((DOCS / name).read_bytes()).hexdigest() for name in PICTURES}
    NOTE.write_text(json.dumps(note, indent=1) + '\n', encoding='utf-8')
    print(f'Wrote {", ".join(PICTURES)} in {DOCS}')


if __name__ == '__main__':
    main()
