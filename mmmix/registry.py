"""The registries of mmmix: children of mmpretrain's, with the scope ``mmmix``.

A stock mmpretrain config names a type of mmmix as ``type='mmmix.CutMix'``. MMEngine then imports this module by itself
and the registries import their ``locations`` when they are first asked, so ``custom_imports`` is never needed.

Mixers, guides, partners, keeps and labels know nothing of MMEngine. They are entered here: mixers in
:data:`BATCH_AUGMENTS`, the others in :data:`TASK_UTILS`.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from mmengine.registry import Registry
from mmpretrain import registry as host

from . import guides, keeps, labels, mixers, partners
from .compat import allow_checkpoint_types
from .core import Part

SCOPE = 'mmmix'


class UnknownNameError(KeyError):
    """A name of mmmix that there is not, or that belongs elsewhere; its message is one line."""

    def __str__(self) -> str:
        return str(self.args[0])


class OwnRegistry(Registry):
    """A child registry that tells what to do about a name with our scope that it does not have.

    A name without a scope is looked up in the parents too, as in any registry: a config with ``default_scope='mmmix'``
    finds mmpretrain's types. ``mmmix.X`` is ours or an error. MMEngine cannot tell the two apart, since a parent asks
    its child for ``X`` alone: what parents know by our scope is therefore a :class:`_Door` in front of this registry.

    Args:
        parent (Registry): Whose child it is.
        locations (list[str]): The modules that register its types.
        what (str): What its types are, as the error says it: ``'transform'``.
        use (str): Where a config names them, as the error says it.
    """

    def __init__(self, parent: Registry, locations: list[str], what: str, use: str):
        super().__init__(parent.name, parent=parent, scope=SCOPE, locations=locations)
        self.what, self.use = what, use
        door = _Door(self)
        for ancestor in self._ancestors():
            ancestor.children[SCOPE] = door

    def get(self, key: str) -> Any:
        """The type of that name; see ``Registry.get``.

        Raises:
            UnknownNameError: If the name has our scope and is not here.
        """
        scope, name = self.split_scope_key(key) if isinstance(key, str) else (None, key)
        if scope == SCOPE:
            return self.get_own(name)
        # MMEngine looks into parents as they are; what nobody has asked for yet would be missing there.
        for ancestor in self._ancestors():
            ancestor.import_from_location()
        return super().get(key)

    def get_own(self, name: str) -> Any:
        """The type that ``mmmix.<name>`` stands for in this registry; None for the path of a module's attribute.

        Raises:
            UnknownNameError: If there is none of that name.
        """
        self.import_from_location()
        if name in self.module_dict or '.' in name:
            return self.module_dict.get(name)
        raise UnknownNameError(self._advice(name))

    def _advice(self, name: str) -> str:
        """The line of the error: where the name belongs, or which names are like it."""
        theirs = self._of_parents(name)
        others = [] if theirs is None else [f'{theirs}.{name} ({theirs} has its own)']
        for home in _homes_of(name):
            instead = ''.join(f', or take {other}' for other in others)
            return f'{SCOPE}.{name} is a {home.what}, not a {self.what}: name it in {home.use}{instead}.'
        near = _nearest(name, [self]) or _nearest(name, _ALL)
        found = [*others, *(f'{SCOPE}.{known}{"" if own is self else f" (a {own.what})"}' for known, own in near)]
        hint = f'did you mean {" or ".join(found)}?' if found else f'there are {", ".join(sorted(self.module_dict))}.'
        return f'{SCOPE} has no {self.what} {name}: {hint}'

    def _of_parents(self, name: str) -> str | None:
        """The scope of the nearest ancestor that has the name."""
        for ancestor in self._ancestors():
            ancestor.import_from_location()
            if name in ancestor.module_dict:
                return ancestor.scope
        return None

    def _ancestors(self) -> Iterator[Registry]:
        """The parent, and those above it."""
        ancestor = self.parent
        while ancestor is not None:
            yield ancestor
            ancestor = ancestor.parent


class _Door(Registry):
    """What parents know of a registry of ours: it gives out our types and nobody else's."""

    def __init__(self, own: OwnRegistry):
        super().__init__(own.name, scope=SCOPE, locations=own._locations)
        self._own, self._module_dict = own, own.module_dict

    def get(self, key: str) -> Any:
        """The type that ``mmmix.<key>`` stands for, see :meth:`OwnRegistry.get_own`."""
        return self._own.get_own(key)

    def _search_child(self, scope: str) -> Registry | None:
        """A default scope asks for the registry itself, which looks in its parents too."""
        return self._own._search_child(scope)


def _child(name: str, location: str, what: str, use: str) -> OwnRegistry:
    return OwnRegistry(getattr(host, name), [location], what, use)


def _nearest(name: str, registries: Sequence[OwnRegistry]) -> list[tuple[str, OwnRegistry]]:
    """The types with the most similar names, whatever the case, and where they are."""
    known = {each.lower(): (each, registry) for registry in registries for each in registry.module_dict}
    return [known[each] for each in get_close_matches(name.lower(), known, cutoff=0.7)]


def _homes_of(name: str) -> Iterator[OwnRegistry]:
    """The registries of ours that have a type of this name."""
    for registry in _ALL:
        registry.import_from_location()
        if name in registry.module_dict:
            yield registry


def _enter(registry: Registry, room: ModuleType) -> None:
    """Enter the parts of a room."""
    for name in room.__all__:
        found = getattr(room, name)
        if isinstance(found, type) and issubclass(found, Part) and not found.is_abstract:
            registry.register_module(module=found)


MODELS = _child('MODELS', 'mmmix.models', 'network, head or loss', '`model`')
BATCH_AUGMENTS = _child('BATCH_AUGMENTS', 'mmmix.mixers', 'mixer', '`model.train_cfg.augments`')
TASK_UTILS = _child('TASK_UTILS', 'mmmix.guides', 'part of mixers', 'a mixer, e.g. as its `guide` or `partners`')
DATASETS = _child('DATASETS', 'mmmix.datasets', 'data set', '`dataset` of a data loader')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'mmmix.datasets', 'sampler', '`sampler` of a data loader')
TRANSFORMS = _child('TRANSFORMS', 'mmmix.datasets', 'transform', '`pipeline` of a data set')
HOOKS = _child('HOOKS', 'mmmix.engine', 'hook', '`custom_hooks`')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'mmmix.engine', 'wrapper of optimizers', '`optim_wrapper`')
METRICS = _child('METRICS', 'mmmix.evaluation', 'metric', '`val_evaluator` or `test_evaluator`')
VISUALIZERS = _child('VISUALIZERS', 'mmmix.visualization', 'visualizer', '`visualizer`')
_ALL = (
    MODELS,
    BATCH_AUGMENTS,
    TASK_UTILS,
    DATASETS,
    DATA_SAMPLERS,
    TRANSFORMS,
    HOOKS,
    OPTIM_WRAPPERS,
    METRICS,
    VISUALIZERS,
)

_enter(BATCH_AUGMENTS, mixers)
for _room in (guides, partners, keeps, labels):
    _enter(TASK_UTILS, _room)

# A run that names a type of mmmix can then be resumed in plain mmengine as well.
allow_checkpoint_types()
