"""The registries of mmmix: children of mmpretrain's, with the scope ``mmmix``.

A stock mmpretrain config names a type of mmmix as ``type='mmmix.CutMix'``. MMEngine then imports this module by itself
and the registries import their ``locations`` when they are first asked, so ``custom_imports`` is never needed.

Mixers, guides, partners, keeps and labels know nothing of MMEngine. They are entered here: mixers in
:data:`BATCH_AUGMENTS`, the others in :data:`TASK_UTILS`.
"""

from types import ModuleType

from mmengine.registry import Registry
from mmpretrain import registry as host

from . import guides, keeps, labels, mixers, partners
from .compat import allow_checkpoint_types
from .core import Part

SCOPE = 'mmmix'


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(host, name)
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


def _enter(registry: Registry, room: ModuleType) -> None:
    """Enter the parts of a room."""
    for name in room.__all__:
        found = getattr(room, name)
        if isinstance(found, type) and issubclass(found, Part) and not found.is_abstract:
            registry.register_module(module=found)


MODELS = _child('MODELS', 'mmmix.models')
BATCH_AUGMENTS = _child('BATCH_AUGMENTS', 'mmmix.mixers')
TASK_UTILS = _child('TASK_UTILS', 'mmmix.guides')
DATASETS = _child('DATASETS', 'mmmix.datasets')
TRANSFORMS = _child('TRANSFORMS', 'mmmix.datasets')
HOOKS = _child('HOOKS', 'mmmix.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'mmmix.engine')
METRICS = _child('METRICS', 'mmmix.evaluation')
VISUALIZERS = _child('VISUALIZERS', 'mmmix.visualization')

_enter(BATCH_AUGMENTS, mixers)
for _room in (guides, partners, keeps, labels):
    _enter(TASK_UTILS, _room)

# A run that names a type of mmmix can then be resumed in plain mmengine as well.
allow_checkpoint_types()
