"""``mmmix doctor``: versions, devices, what would go wrong here, and the command that mends it.

It needs nothing but Python, so it also says what is missing where hardly anything is installed.
"""

import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any

from ..distributions import FAMILY, bounds, numbers
from ..version import __version__

HELP = 'Print versions, and what would go wrong here'

ONEDL, ORIGINAL = 'pip install "mmmix[onedl]"', 'pip install "mmmix[openmmlab]"'


class Environment:
    """What is installed, asked of the metadata alone: nothing is imported.

    Args:
        version (Callable, optional): The version of a distribution, or ``PackageNotFoundError``. Defaults to None,
            ``importlib.metadata.version``.
        find_spec (Callable, optional): Where a module is, or None. Defaults to None, ``importlib.util.find_spec``.
        python (tuple[int, int], optional): The version of Python. Defaults to None, this one.
    """

    def __init__(
        self,
        version: Callable[[str], str] | None = None,
        find_spec: Callable[[str], Any] | None = None,
        python: tuple[int, int] | None = None,
    ):
        self._version, self._find_spec = version or metadata.version, find_spec or util.find_spec
        self.python = python or sys.version_info[:2]

    def version(self, name: str) -> str | None:
        """The version of a distribution; None if it is not installed."""
        try:
            return self._version(name)
        except metadata.PackageNotFoundError:
            return None

    def has(self, module: str) -> bool:
        """Whether a module could be imported."""
        return self._find_spec(module) is not None

    def carriers(self, module: str) -> list[str]:
        """The distributions installed that carry a module of OpenMMLab."""
        return [name for name in FAMILY[module][0] if self.version(name) is not None]

    @property
    def maintained(self) -> list[str]:
        """The distributions of the maintained family that are installed."""
        return [names[0] for names, *_ in FAMILY.values() if self.version(names[0]) is not None]

    @property
    def originals(self) -> list[str]:
        """The distributions of the original family that are installed."""
        return [name for names, *_ in FAMILY.values() for name in names[1:] if self.version(name) is not None]


def problems(here: Environment) -> Iterator[tuple[str, str]]:
    """What would go wrong, and what mends it.

    Args:
        here (Environment): What is installed.
    """
    if not (3, 10) <= here.python < (3, 14):
        yield (
            f'Python {here.python[0]}.{here.python[1]} is not supported',
            'make an environment with Python 3.10 to 3.13',
        )
    torch = here.version('torch')
    if torch is None:
        yield 'PyTorch is missing', 'pip install torch'
    elif numbers(torch) < (2, 1):
        yield f'torch {torch} is older than 2.1', 'pip install --upgrade torch'
    yield from _of_families(here)
    if (here.maintained or here.originals) and here.version('torchvision') is None:
        yield 'torchvision is missing, which mmpretrain imports', 'pip install torchvision'
    if here.originals and not here.maintained:
        yield from _of_the_original(here, torch)


def _of_families(here: Environment) -> Iterator[tuple[str, str]]:
    maintained, originals = here.maintained, here.originals
    if maintained and originals:
        yield (
            f'both OpenMMLab families are installed, one over the other ({", ".join(maintained + originals)})',
            f'pip uninstall -y {" ".join(maintained + originals)} && {ONEDL}',
        )
        return
    install = ORIGINAL if originals else ONEDL
    missing = [name for name in FAMILY if not here.carriers(name) and not here.has(name)]
    if len(missing) == len(FAMILY):
        yield 'OpenMMLab is missing: mixers work in plain PyTorch, but there is nothing to train configs with', install
        return
    if missing:
        yield f'{", ".join(missing)} of OpenMMLab is missing', install
    for module, (_, first, beyond) in FAMILY.items():
        for name in here.carriers(module):
            found = here.version(name) or ''
            if not here.has(module):
                yield (
                    f'{name} {found} is installed, but `{module}` is not there',
                    f'pip install --force-reinstall --no-deps {name}=={found}',
                )
            elif not first <= numbers(found) < beyond:
                yield f'mmmix was not tried with {name} {found}', f'pip install "{name}{bounds(first, beyond)}"'


def _of_the_original(here: Environment, torch: str | None) -> Iterator[tuple[str, str]]:
    setuptools = here.version('setuptools')
    if setuptools is None or numbers(setuptools) >= (81,):
        which = 'none is installed' if setuptools is None else f'setuptools {setuptools} has it no more'
        yield f'the original OpenMMLab imports `pkg_resources`, and {which}', 'pip install "setuptools<81"'
    if torch is not None and numbers(torch) >= (2, 6):
        yield (
            f'the original mmengine cannot resume its own checkpoints with torch {torch} by itself',
            'train with `mmmix train`, or name a type of mmmix in the config, which lets it',
        )


def versions(here: Environment) -> Iterator[tuple[str, str]]:
    """What is installed, line by line."""
    yield 'python', f'{platform.python_version()} ({sys.executable})'
    yield 'mmmix', f'{__version__} ({Path(__file__).resolve().parents[1]})'
    for name in ('torch', 'torchvision', 'numpy', 'setuptools'):
        yield name, here.version(name) or 'not installed'
    for module in FAMILY:
        found = [f'{name} {here.version(name)}' for name in here.carriers(module)]
        yield module, ' and '.join(found) or ('of no known distribution' if here.has(module) else 'not installed')


def devices() -> str:
    """What PyTorch can compute on."""
    try:
        import torch
    except Exception as error:  # whatever is wrong with it is what one wants to know
        return f'unknown, since torch does not import ({type(error).__name__}: {str(error).splitlines()[0]})'
    found = [f'cpu ({torch.get_num_threads()} threads)']
    found += [f'cuda:{i} ({torch.cuda.get_device_name(i)})' for i in range(torch.cuda.device_count())]
    mps = getattr(torch.backends, 'mps', None)
    return ', '.join(found + (['mps'] if mps is not None and mps.is_available() else []))


def add_arguments(parser: ArgumentParser) -> None:
    """It takes none."""


def run(args: Namespace, here: Environment | None = None) -> None:
    """Print all of it; the exit status says whether something would go wrong.

    Args:
        args (Namespace): The arguments.
        here (Environment, optional): What is installed. Defaults to None, what is.
    """
    here = here or Environment()
    rows = [*versions(here), ('devices', devices() if here.version('torch') else 'unknown, since torch is missing')]
    for name, text in rows:
        print(f'{name:<12} {text}')
    found = list(problems(here))
    print()
    for what, command in found:
        print(f'- {what}: {command}')
    if found:
        sys.exit(1)
    print('Nothing is known that would go wrong.')
