"""OpenMMLab is here: an import of this module fails with the command to run where it is missing.

The packages that need it import this module first. It warns when a version was never tried.
"""

import warnings
from importlib import metadata
from importlib.util import find_spec

from .distributions import FAMILY, bounds, numbers


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
                    f'"{distribution}{bounds(first, beyond)}".',
                    stacklevel=2,
                )
            break


check()
