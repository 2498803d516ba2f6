"""OpenMMLab is here: an import of this module fails with the command to run where it is missing.

The packages that need it import this module first. It warns when a version was never tried.
"""

import warnings
from importlib import metadata
from importlib.util import find_spec

#: Import name -> (distributions that carry it, first version known to work, first version not known to work).
FAMILY = {
    'mmengine': (('onedl-mmengine', 'mmengine'), (0, 10, 0), (0, 11)),
    'mmcv': (('onedl-mmcv', 'mmcv-lite', 'mmcv'), (2, 0, 0), (2, 4)),
    'mmpretrain': (('onedl-mmpretrain', 'mmpretrain'), (1, 2, 0), (1, 4)),
}


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``'2.3.0.post1'`` -> ``(2, 3, 0)``."""
    found = []
    for piece in text.split('.'):
        if not piece.isdigit():
            break
        found.append(int(piece))
    return tuple(found)


def check() -> None:
    """Fail with the command to run when OpenMMLab is missing; warn when a version was never tried.

    Raises:
        ImportError: If one of its packages is not installed.
    """
    missing = [name for name in FAMILY if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'This part of mmmix needs {", ".join(missing)}: run `pip install "mmmix[onedl]"`, or `pip install '
            '"mmmix[openmmlab]"` for the original distributions. Mixers, guides and partners need PyTorch alone.'
        )
    for distributions, first, beyond in FAMILY.values():
        for distribution in distributions:
            try:
                found = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            if not first <= numbers(found) < beyond:
                warnings.warn(
                    f'mmmix was not tried with {distribution} {found}: install '
                    f'"{distribution}>={".".join(map(str, first))},<{".".join(map(str, beyond))}".',
                    stacklevel=2,
                )
            break


check()
