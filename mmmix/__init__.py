"""Mixed-sample augmentation, for OpenMMLab and plain PyTorch: any mixer, any partners, any keep, any head.

An import is quick and needs PyTorch alone. What needs OpenMMLab says so when it is asked for.
"""

import ast
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .scope import register_config_scope
from .version import __version__

register_config_scope()

#: Packages whose ``__all__`` is reachable as ``mmmix.<name>``, imported when one of their names is first asked for.
_ROOMS = ('core', 'learned', 'mixers', 'partners', 'keeps', 'guides', 'labels')
#: Those among them that need OpenMMLab.
_HOSTED = ('models', 'datasets', 'engine', 'evaluation', 'visualization')


@cache
def _names(room: str) -> tuple[str, ...]:
    """The ``__all__`` of a package, read from its source: to import it takes its time, and may need OpenMMLab."""
    spec = find_spec(f'{__name__}.{room}')
    loader: Any = None if spec is None else spec.loader
    for node in ast.parse(loader.get_source(f'{__name__}.{room}')).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return tuple(ast.literal_eval(node.value))
    raise RuntimeError(f'mmmix/{room}/__init__.py has no __all__.')


def __getattr__(name: str) -> Any:
    if name in (*_ROOMS, *_HOSTED):
        return import_module(f'{__name__}.{name}')
    if not name.startswith('_'):
        for room in (*_ROOMS, *_HOSTED):
            if name in _names(room):
                return getattr(import_module(f'{__name__}.{room}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    hosted = _HOSTED if find_spec('mmpretrain') is not None else ()
    return sorted({name for room in (*_ROOMS, *hosted) for name in _names(room)} | {'__version__'})


__all__ = ['__version__']
