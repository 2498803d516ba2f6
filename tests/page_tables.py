"""The tables of arguments on the pages for people who come from other packages."""

import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / 'docs'


def rows_of(page: str) -> Iterator[list[str]]:
    """The rows of the tables of a page."""
    for line in (DOCS / page).read_text(encoding='utf-8').splitlines():
        if line.startswith('| `'):
            yield [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
