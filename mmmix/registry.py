"""The registries of mmmix: children of mmpretrain's, with the scope ``mmmix``.

A stock mmpretrain config names a type of mmmix as ``type='mmmix.CutMix'``. MMEngine then imports this module by itself
and the registries import their ``locations`` when they are first asked, so ``custom_imports`` is never needed.

Guides, partners, keeps and labels are registered in :data:`TASK_UTILS`, mixers in :data:`BATCH_AUGMENTS`.
"""

from mmengine.registry import Registry
from mmpretrain import registry as host

from .compat import allow_checkpoint_types

SCOPE = 'mmmix'


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(host, name)
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child('MODELS', 'mmmix.models')
BATCH_AUGMENTS = _child('BATCH_AUGMENTS', 'mmmix.mixers')
TASK_UTILS = _child(
    'TASK_UTILS', 'mmmix.partners', 'mmmix.partners_history', 'mmmix.keep', 'mmmix.guides', 'mmmix.labels'
)
DATASETS = _child('DATASETS', 'mmmix.datasets')
TRANSFORMS = _child('TRANSFORMS', 'mmmix.datasets')
HOOKS = _child('HOOKS', 'mmmix.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'mmmix.engine')
METRICS = _child('METRICS', 'mmmix.evaluation')
VISUALIZERS = _child('VISUALIZERS', 'mmmix.visualization')

# A run that names a type of mmmix can then be resumed in plain mmengine as well.
allow_checkpoint_types()
