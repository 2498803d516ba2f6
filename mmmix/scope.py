"""The scope of the configs: the one thing that an import of mmmix does, so it must be quick."""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: The module whose table says for which packages ``package::`` is resolved in configs.
TABLE = 'mmengine.config.utils'


def register_config_scope() -> None:
    """Let configs inherit from those of mmmix: ``_base_ = 'mmmix::quickstart/resnet_digits.py'``.

    MMEngine resolves ``package::`` only for the packages in its table. It takes a second to import, so it is not: where
    nobody has imported it yet, mmmix is entered in the moment when somebody does.
    """
    table = sys.modules.get(TABLE)
    if table is not None and hasattr(table, 'MODULE2PACKAGE'):
        _enter(table)
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _enter(table: Any) -> None:
    """Enter mmmix in MMEngine's table."""
    table.MODULE2PACKAGE.setdefault('mmmix', 'mmmix')


class _Waiting(MetaPathFinder):
    """Finds nothing by itself: it has one module loaded by who finds it, and enters mmmix there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is, as the other finders say, with a loader that enters mmmix."""
        if fullname != TABLE:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Entering(spec.loader)
                return spec
        return None


class _Entering(Loader):
    """Loads MMEngine's module as its own loader does, and leaves that one in its place."""

    def __init__(self, loader: Loader):
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module, still empty."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, enter mmmix in its table, and wait no longer."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _enter(module)
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Waiting)]
