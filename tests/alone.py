"""mmmix with PyTorch and NumPy alone: packages to see them without OpenMMLab, and what is run and timed there.

``python tests/alone.py see FOLDER`` puts links to PyTorch, NumPy and what they require into a folder, for a ``.pth``
file of another environment; nothing is fetched twice. ``python tests/alone.py run PAGE ...`` runs there: it makes sure
that OpenMMLab cannot be imported, times the imports, and runs the blocks of Python of these pages. It needs the
standard library alone.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

OPENMMLAB = ('mmengine', 'mmcv', 'mmpretrain')
#: How often imports are timed; the fastest counts, since others use the machine too.
TIMES = 5
TIMER = """
import time
start = time.perf_counter()
import torch
between = time.perf_counter()
from mmmix import CutMix
print(between - start, time.perf_counter() - between)
"""


def required(*names: str) -> set[str]:
    """The distributions that these require, themselves included, as far as they are installed."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [re.split(r'[^\w.-]', each, maxsplit=1)[0] for each in requires if 'extra ==' not in each]
    return found


def see(folder: Path) -> None:
    """Put links to PyTorch, NumPy and what they require into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in required('torch', 'numpy'):
        for file in distribution(name).files or ():
            top = file.parts[0]
            source = Path(str(file.locate())).parents[len(file.parts) - 1] / top
            if top not in ('..', '__pycache__') and not (folder / top).exists():
                (folder / top).symlink_to(source.resolve())


def blocks(page: Path) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r'^```python\n(.*?)^```', page.read_text(encoding='utf-8'), re.DOTALL | re.MULTILINE)


def imported(block: str) -> Iterator[str]:
    """The packages that a block imports."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split('.')[0]


def missing(block: str) -> list[str]:
    """The packages that a block imports and that are not installed."""
    return sorted({name for name in imported(block) if find_spec(name) is None})


def program(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The blocks of a page, the first one in front of each of the others, and what is missing to run them."""
    first, *others = blocks(page)
    for block in others or ['']:
        yield f'{first}\n{block}', missing(first + block)


def run(pages: list[Path]) -> None:
    """Time the imports, and run the blocks of these pages."""
    there = [name for name in OPENMMLAB if find_spec(name) is not None]
    if there:
        raise SystemExit(f'{", ".join(there)} can be imported here: this is to run without OpenMMLab.')
    timer = [sys.executable, '-I', '-c', TIMER]
    timed = [subprocess.run(timer, capture_output=True, text=True, check=True) for _ in range(TIMES)]
    torch_, mmmix_ = (min(column) for column in zip(*(map(float, each.stdout.split()) for each in timed), strict=True))
    spec = find_spec('mmmix')
    print(f'{None if spec is None else spec.origin} with no {", ".join(OPENMMLAB)}')
    print(f'import torch: {torch_:.2f} s; then `from mmmix import CutMix`: {mmmix_:.2f} s (the fastest of {TIMES})')
    for page in pages:
        for number, (text, without) in enumerate(program(page), 2):
            if without:
                print(f'{page.name}: block {number} not run, since there is no {", ".join(without)}')
                continue
            exec(compile(text, f'{page} (block {number})', 'exec'), {'__name__': 'block'})
            print(f'{page.name}: block {number} ran')


if __name__ == '__main__':
    command, *rest = sys.argv[1:]
    if command == 'see':
        see(Path(rest[0]))
    else:
        run([Path(each) for each in rest])
