"""What of a classifier of mmpretrain decides which network of another package is its counterpart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mmpretrain.models import LinearClsHead
from torch import nn

from . import foreign_names as names

#: Classes of mmpretrain that this table knows; what derives from them may be anything.
RESNETS = ('ResNet', 'ResNetV1c', 'ResNetV1d', 'ResNeXt', 'SEResNet', 'SEResNeXt')


class ExportError(ValueError):
    """What cannot be exported; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Counterpart:
    """A network of another package that takes the weights.

    Attributes:
        call: What builds it, e.g. ``'torchvision.models.resnet50'``; empty where there is a config instead.
        arguments: What that takes, without the number of classes.
        backbone: What the keys of the backbone become.
        head: What the keys of the head become; None if it does not fit.
        why_no_head: Why it does not.
        merged: Which keys of the backbone hold weights over merged patches.
        settings: What a config takes, for detectron2 and mmdet.
    """

    call: str = ''
    arguments: dict[str, Any] = field(default_factory=dict)
    backbone: names.Rules = ()
    head: names.Rules | None = None
    why_no_head: str = ''
    merged: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def kind_of(backbone: nn.Module) -> str:
    """The class of a backbone of mmpretrain, or the scope and class of another one."""
    scope, name = type(backbone).__module__.split('.')[0], type(backbone).__name__
    return name if scope == 'mmpretrain' else f'{scope}.{name}'


def linear_head(model: Any, rules: names.Rules) -> tuple[names.Rules | None, str]:
    """The rules if the head is one linear layer behind global pooling, else None; and why not."""
    if not isinstance(getattr(model, 'head', None), LinearClsHead) or not isinstance(model.head.fc, nn.Linear):
        return None, f'{type(getattr(model, "head", None)).__name__} is no single linear layer'
    if type(getattr(model, 'neck', None)).__name__ != 'GlobalAveragePooling':
        return None, 'its input is no global average'
    return ((r'^(?!fc\.)', None), *rules), ''


def convolutions(backbone: nn.Module) -> Iterator[nn.Conv2d]:
    """The convolutions of a network, the first one first."""
    return (module for module in backbone.modules() if isinstance(module, nn.Conv2d))


def widening(backbone: Any) -> int:
    """By how much mmdet's and torchvision's blocks widen."""
    return 1 if backbone.block.__name__ == 'BasicBlock' else 4


def epsilons(backbone: nn.Module, *kinds: type) -> set[float]:
    """The ``eps`` of all norms of these kinds."""
    norms: list[Any] = [module for module in backbone.modules() if isinstance(module, kinds)]
    return {norm.eps for norm in norms}


def needs(target: str, kind: str) -> Callable[[bool, str], None]:
    """What is called for each thing that a counterpart needs, with what there is instead."""

    def need(fine: bool, what: str) -> None:
        if not fine:
            raise ExportError(f'{target} has no counterpart of this {kind}: it has {what}.')

    return need


@dataclass(frozen=True)
class ResNetForm:
    """What there is to say of a ResNet.

    Attributes:
        target: Whose counterpart is looked for.
        kind: Its class.
        depth: Layers.
        groups: Groups of the 3x3 convolutions.
        width: Channels of a group in the first stage.
        out_channels: Of the first stage.
        caffe: Whether bottlenecks stride in the first 1x1 convolution.
        deep_stem: Whether the stem has three convolutions.
        avg_down: Whether shortcuts pool.
        squeezes: Whether blocks squeeze and excite.
    """

    target: str
    kind: str
    depth: int
    groups: int
    width: int
    out_channels: int
    caffe: bool
    deep_stem: bool
    avg_down: bool
    squeezes: bool

    @classmethod
    def of(cls, model: Any, target: str, known: tuple[str, ...]) -> 'ResNetForm':
        """Read it off the network, and refuse what only mmpretrain has."""
        backbone = model.backbone
        kind = kind_of(backbone)
        if kind not in RESNETS:
            raise ExportError(f'{target} has no counterpart of {kind} here: there are those of {", ".join(known)}.')
        block = backbone.layer1[0]
        groups = block.conv2.groups
        form = cls(
            target,
            kind,
            backbone.depth,
            groups,
            block.conv1.out_channels // groups,
            block.out_channels,
            backbone.style == 'caffe' and widening(backbone) == 4,
            backbone.deep_stem,
            backbone.avg_down,
            kind.startswith('SE'),
        )
        form.refuse(backbone.num_stages != 4, f'{backbone.num_stages} stages')
        form.refuse(tuple(backbone.strides) != (1, 2, 2, 2), f'strides {tuple(backbone.strides)}')
        form.refuse(set(backbone.dilations) != {1}, f'dilations {tuple(backbone.dilations)}')
        channels = next(convolutions(backbone)).in_channels
        form.refuse(channels != 3, f'{channels} input channels')
        form.refuse(backbone.conv_cfg is not None, 'convolutions of another type')
        norms = epsilons(backbone, nn.BatchNorm2d, nn.SyncBatchNorm)
        form.refuse(norms != {1e-5} or bool(epsilons(backbone, nn.GroupNorm)), 'no batch norms with `eps` 1e-5')
        form.refuse(backbone.stem_channels != 64, f'{backbone.stem_channels} stem channels')
        wanted = 64 * widening(backbone)
        form.refuse(form.out_channels != wanted, f'{form.out_channels} channels after its first stage, not {wanted}')
        form.refuse(widening(backbone) == 1 and form.width != 64, f'blocks of width {form.width}')
        return form

    def refuse(self, wrong: bool, what: str) -> None:
        """Say why there is no counterpart, if something is wrong."""
        needs(self.target, self.kind)(not wrong, what)

    @staticmethod
    def unless_default(**pairs: tuple[Any, Any]) -> dict[str, Any]:
        """The arguments that are not what the other package takes by itself."""
        return {name: value for name, (value, default) in pairs.items() if value != default}
