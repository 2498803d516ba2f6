"""What a head with SUMix refuses, and how much smoothing its loss does."""

import inspect
from typing import Any

from torch import nn


def smoothing_of(loss: nn.Module) -> float:
    """How much of each label ``LabelSmoothLoss`` spreads evenly over the classes."""
    value = getattr(loss, 'label_smooth_val', 0.0)
    return value / (1 + value) if getattr(loss, 'mode', 'original') == 'classy_vision' else value


#: What a stock config leaves behind where the type of its head alone is replaced, and what to write then.
LEFT_BEHIND = {
    'mid_channels': "write type='mmmix.SUMixStackedLinearClsHead'",
    'distillation': "write type='mmmix.SUMixLeViTClsHead' or 'mmmix.SUMixEfficientFormerClsHead', distillation=False",
    'hidden_dim': "write type='mmmix.SUMixVisionTransformerClsHead', or 'mmmix.SUMixVigClsHead'",
    'num_heads': 'keep CSRAClsHead, since SUMix has no shares of several labels an image',
    'thr': 'keep the head, since SUMix has no shares of several labels an image',
}


def check_names(head: type, args: tuple, given: dict[str, Any]) -> None:
    """Refuse arguments that neither SUMix nor the head behind it takes, and miss those that it needs.

    Args:
        head (type): The head.
        args (tuple): What is handed on to the head behind it by place.
        given (dict[str, Any]): What is handed on to it by name.

    Raises:
        TypeError: If it does not take one of them, needs another one, or belongs to a network of one branch.
    """
    known: dict[str, inspect.Parameter] = {}
    for base in head.__mro__:
        if '__init__' in vars(base) and base is not nn.Module:
            parameters = inspect.signature(vars(base)['__init__']).parameters.values()
            known.update({p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY or p.name != 'self'})
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    host = next(base for base in head.__mro__ if base.__module__.split('.')[0] == 'mmpretrain')
    names = [name for name in known if name not in ('args', 'kwargs')]
    unknown = [name for name in given if name not in names]
    if unknown:
        # Another of our heads would take them.
        advice = next((line for name, line in LEFT_BEHIND.items() if name in unknown), None)
        raise TypeError(
            f'{head.__name__} does not take `{"`, `".join(unknown)}`: it takes {", ".join(names)}; it stands in '
            f'the place of a {host.__name__}, so {advice + ", or" if advice else "write"} `_delete_=True` where '
            'it replaces another head.'
        )
    needs = [p.name for p in inspect.signature(host).parameters.values() if p.default is p.empty]
    missing = [name for name in needs[len(args) :] if name in ('num_classes', 'in_channels') and name not in given]
    if missing:
        raise TypeError(
            f'{head.__name__} needs `{"` and `".join(missing)}`: it stands in the place of a {host.__name__}; where a '
            'ClsHead leaves the last layer to the backbone (VGG, LeNet, InceptionV3), keep that head.'
        )
    if isinstance(given.get('in_channels'), (tuple, list)):
        raise TypeError(
            f'{head.__name__} takes features of one branch, but `in_channels` has {len(given["in_channels"])}: keep '
            'ConformerHead, which SUMix has no head for.'
        )


def check_loss(name: str, loss: nn.Module) -> None:
    """Refuse a loss that is no softmax cross entropy, or weighs classes.

    Args:
        name (str): Whose loss it is, for the error.
        loss (nn.Module): mmpretrain's.

    Raises:
        ValueError: If SUMix cannot weigh two of it.
    """
    kind = type(loss).__name__
    sigmoid = getattr(getattr(loss, 'ce', loss), 'use_sigmoid', False)
    weighs = getattr(getattr(loss, 'ce', loss), 'class_weight', None) is not None
    if weighs or getattr(loss, 'mode', 'original') == 'multi_label':
        raise ValueError(f"{name}: {kind} may neither weigh classes nor smooth labels in the mode 'multi_label'.")
    if sigmoid or kind not in ('CrossEntropyLoss', 'LabelSmoothLoss'):
        raise ValueError(
            f'{name} weighs two softmax cross entropies and cannot use {kind} with use_sigmoid={sigmoid}: '
            "set loss=dict(_delete_=True, type='CrossEntropyLoss') or LabelSmoothLoss."
        )
