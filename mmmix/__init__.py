"""Mixed-sample augmentation for OpenMMLab classifiers: any mixer, any partners, any keep, any head."""

import warnings
from importlib import import_module, metadata
from importlib.util import find_spec

from .version import __version__

#: Import name -> (distributions that carry it, first version known to work, first version not known to work).
_FAMILY = {
    'mmengine': (('onedl-mmengine', 'mmengine'), (0, 10, 0), (0, 11)),
    'mmcv': (('onedl-mmcv', 'mmcv-lite', 'mmcv'), (2, 0, 0), (2, 4)),
    'mmpretrain': (('onedl-mmpretrain', 'mmpretrain'), (1, 2, 0), (1, 4)),
}


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``'2.3.0.post1'`` -> ``(2, 3, 0)``."""
    numbers = []
    for piece in text.split('.'):
        if not piece.isdigit():
            break
        numbers.append(int(piece))
    return tuple(numbers)


def _check_family() -> None:
    """Fail with the command to run when OpenMMLab is missing; warn when a version was never tried."""
    missing = [name for name in _FAMILY if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'mmmix needs {", ".join(missing)}: run `pip install "mmmix[onedl]"`, or `pip install "mmmix[openmmlab]"` '
            'for the original distributions.'
        )
    for distributions, first, beyond in _FAMILY.values():
        for distribution in distributions:
            try:
                found = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            if not first <= _numbers(found) < beyond:
                warnings.warn(
                    f'mmmix was not tried with {distribution} {found}: install '
                    f'"{distribution}>={".".join(map(str, first))},<{".".join(map(str, beyond))}".',
                    stacklevel=3,
                )
            break


_check_family()

from .scope import register_config_scope  # noqa: E402 - it imports mmengine, which must be there

register_config_scope()

#: Packages and modules whose ``__all__`` is reachable as ``mmmix.<name>``, imported when first asked for.
_ROOMS = (
    'core',
    'learned',
    'mixers',
    'partners',
    'keeps',
    'guides',
    'labels',
    'models',
    'datasets',
    'engine',
    'evaluation',
    'visualization',
)


def __getattr__(name: str):
    if name in _ROOMS:
        return import_module(f'{__name__}.{name}')
    if not name.startswith('_'):
        for room in _ROOMS:
            module = import_module(f'{__name__}.{room}')
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    names = {name for room in _ROOMS for name in import_module(f'{__name__}.{room}').__all__}
    return sorted(names | {'__version__'})


__all__ = ['__version__']
