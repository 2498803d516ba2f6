"""A trained classifier of mmpretrain as weights of torchvision, mmdet, detectron2 or timm."""

import importlib
import io
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from . import foreign_networks as foreign
from .foreign_forms import Counterpart, ExportError, convolutions
from .foreign_names import merged_by_columns, renamed

#: The package -> who knows its counterpart of a network.
COUNTERPARTS = {
    'torchvision': foreign.torchvision_counterpart,
    'mmdet': foreign.mmdet_counterpart,
    'detectron2': foreign.detectron2_counterpart,
    'timm': foreign.timm_counterpart,
}
#: Those whose networks take RGB from 0 to 1.
UNIT_RGB = ('torchvision', 'timm')
#: Data sets that give arrays in RGB; those that read files give BGR, as mmcv reads them.
RGB_DATASETS = ('CIFAR10', 'CIFAR100')


@dataclass(frozen=True)
class Pixels:
    """What a network wants of an image.

    Attributes:
        order: ``'RGB'`` or ``'BGR'``.
        mean: Mean of each channel, in that order.
        std: Their standard deviations.
        scale: The largest value of a pixel, 1 or 255.
        source: How the order is known.

    Example:
        >>> from mmmix.engine.export import Pixels
        >>> Pixels('BGR', (102.0, 51.0, 0.0), (51.0, 51.0, 25.5), 255, '').as_unit_rgb().mean
        (0.0, 0.2, 0.4)
    """

    order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: int
    source: str

    def as_unit_rgb(self) -> 'Pixels':
        """The same for a network whose first convolution takes RGB from 0 to 1."""
        step = 1 if self.order == 'RGB' else -1
        mean, std = (tuple(value / self.scale for value in values[::step]) for values in (self.mean, self.std))
        return Pixels('RGB', mean, std, 1, self.source)


@dataclass(frozen=True)
class Export:
    """What is written.

    Attributes:
        to: The package.
        state: Its names and the weights.
        counterpart: Its network.
        pixels: What that wants of an image.
        classes: How many it tells apart; None without a head.
        flipped: Whether the first convolution was turned from BGR to RGB.
        weights: Whose they are.
        backbone: The config of the backbone, for lines that build it.
    """

    to: str
    state: dict[str, Tensor]
    counterpart: Counterpart
    pixels: Pixels
    classes: int | None
    flipped: bool
    weights: str
    backbone: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """What builds the network, all of it."""
        if self.classes is not None:
            return dict(**self.counterpart.arguments, num_classes=self.classes)
        return dict(**self.counterpart.arguments, **(dict(num_classes=0) if self.to == 'timm' else {}))

    def content(self) -> bytes:
        """The file."""
        content: Any = self.state
        if self.to == 'mmdet':
            content = dict(state_dict=self.state, meta={})
        if self.to == 'detectron2':
            content = dict(model=self.state, __author__='mmmix', matching_heuristics=True)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def build(self) -> nn.Module | None:
        """The network with these weights, in eval mode; None where it is a config's or its package is missing."""
        if not self.counterpart.call:
            return None
        package, name = self.counterpart.call.rsplit('.', 1)
        try:
            make = getattr(importlib.import_module(package), name)
        except ImportError:
            return None
        network: nn.Module = make(**self.arguments)
        if self.to == 'torchvision' and self.classes is None:
            network.fc = nn.Identity()
        network.load_state_dict(self.state)
        return network.eval()


def export(model: Any, config: Config, to: str, weights: str = 'the network') -> Export:
    """Weights of another package.

    Args:
        model (ImageClassifier): The classifier, with its weights.
        config (Config): Its config, which says how images are read.
        to (str): ``'torchvision'``, ``'mmdet'``, ``'detectron2'`` or ``'timm'``.
        weights (str): Whose weights they are, for the record. Defaults to ``'the network'``.

    Returns:
        Export: The weights, and what the other package must know of them.

    Raises:
        ExportError: If the package has no counterpart of the network.

    Example:
        >>> from mmengine.config import Config
        >>> from mmpretrain.models import ImageClassifier
        >>> from mmmix.engine.export import export
        >>> backbone = dict(type='ResNet', depth=18)
        >>> model = ImageClassifier(backbone=backbone)
        >>> found = export(model, Config(dict(model=dict(backbone=backbone))), 'detectron2')
        >>> 'res5.1.conv2.norm.weight' in found.state
        True
    """
    if not isinstance(getattr(model, 'backbone', None), nn.Module):
        raise ExportError(f'{type(model).__name__} has no backbone to export: name the checkpoint of a classifier.')
    if next(convolutions(model.backbone), None) is None:
        raise ExportError(f'{type(model.backbone).__name__} has no convolution: it is no network of images.')
    found = COUNTERPARTS[to](model)
    pixels = pixels_of(model, config)
    state = dict(model.backbone.state_dict())
    flipped = to in UNIT_RGB and pixels.order == 'BGR'
    if flipped:
        first = next(convolutions(model.backbone))
        key = next(name for name, value in model.backbone.named_parameters() if value is first.weight)
        state[key] = state[key].flip(1)
    state = renamed(merged_by_columns(state, found.merged), found.backbone)
    classes = None
    if found.head is not None:
        head = renamed(dict(model.head.state_dict()), found.head)
        state |= head
        classes = len(next(iter(head.values())))
    if to == 'mmdet':
        state = {f'backbone.{key}': value for key, value in state.items()}
    state = {key: value.detach().cpu().clone() for key, value in state.items()}
    if to in UNIT_RGB:
        pixels = pixels.as_unit_rgb()
    backbone = {name: value for name, value in deepcopy(config.model.backbone).items() if name != 'init_cfg'}
    return Export(to, state, found, pixels, classes, flipped, weights, backbone)


def pixels_of(model: Any, config: Config) -> Pixels:
    """What a classifier wants of an image.

    Args:
        model (ImageClassifier): The classifier, with its ``data_preprocessor``.
        config (Config): Its config, whose test pipeline says in which order pixels are read.
    """
    asked = model.data_preprocessor
    loader = config.get('test_dataloader') or config.get('val_dataloader') or {}
    dataset = loader.get('dataset', {})
    reads = any(step.get('type', '').split('.')[-1] == 'LoadImageFromFile' for step in dataset.get('pipeline', []))
    kind = dataset.get('type', '')
    if reads:
        given, source = 'BGR', 'LoadImageFromFile reads BGR'
    elif str(kind).split('.')[-1] in RGB_DATASETS:
        given, source = 'RGB', f'{kind} gives RGB'
    else:
        given = 'BGR' if getattr(asked, 'to_rgb', False) else 'RGB'
        source = f'assumed: nothing says in which order {kind or "the data set"} gives channels'
    turned = bool(getattr(asked, 'to_rgb', False))
    order = {'RGB': 'BGR', 'BGR': 'RGB'}[given] if turned else given
    if not source.startswith('assumed'):
        source += f', and to_rgb={turned}'
    mean, std = (
        tuple(value.flatten().tolist()) if isinstance(value, Tensor) else (default,)
        for value, default in ((getattr(asked, 'mean', None), 0.0), (getattr(asked, 'std', None), 1.0))
    )
    channels = next(convolutions(model.backbone)).in_channels
    return Pixels(order, mean * (channels // len(mean)), std * (channels // len(std)), 255, source)


@torch.no_grad()
def largest_difference(exported: Export, model: Any, size: Sequence[int]) -> float | None:
    """How far the other network is from ours on random pixels, from pixels to logits, or to features without a head.

    Args:
        exported (Export): What was exported.
        model (ImageClassifier): The classifier, in eval mode.
        size (Sequence[int]): Height and width of the images.

    Returns:
        float | None: The largest absolute difference over the largest absolute value; None if the other network cannot
        be built here.
    """
    network = exported.build()
    if network is None:
        return None
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (2, 3, *size), generator=generator).float()
    mean, std = (torch.tensor(values)[:, None, None] for values in (exported.pixels.mean, exported.pixels.std))
    theirs = network((rgb / 255 - mean) / std)
    asked = model.data_preprocessor
    seen = rgb.flip(1) if exported.flipped else rgb
    if getattr(asked, 'mean', None) is not None:
        seen = (seen - asked.mean.cpu()) / asked.std.cpu()
    if exported.classes is not None:
        ours = model(seen, mode='tensor')
    else:
        ours = model.backbone(seen)[-1]
        ours = ours.mean((2, 3)) if ours.ndim == 4 else ours
    return float((theirs - ours).abs().max() / ours.abs().max().clamp_min(1e-12))


def load_weights(model: Any, checkpoint: dict) -> str:
    """Load what inference would use, the weights in front; refuse a checkpoint of another network.

    Args:
        model (ImageClassifier): The classifier, changed in place.
        checkpoint (dict): What the file holds.

    Returns:
        str: Whose weights they are.

    Raises:
        ExportError: If the checkpoint holds no state of this network.
    """
    state = checkpoint.get('state_dict', checkpoint)
    own = model.state_dict()
    for key in [key for key in own if key.startswith(('backbone.', 'neck.', 'head.'))]:
        if key not in state and not key.endswith('num_batches_tracked'):
            raise ExportError(f'the checkpoint does not fit its config: it has no {key!r}')
        if key in state and state[key].shape != own[key].shape:
            shapes = f'{tuple(state[key].shape)}, not {tuple(own[key].shape)}'
            raise ExportError(f'the checkpoint does not fit its config: {key!r} is {shapes}')
    model.load_state_dict({key: value for key, value in state.items() if key in own}, strict=False)
    teachers = {
        match[1]: bool(value)
        for key, value in state.items()
        if (match := re.fullmatch(r'learned\.(\w+)\.teacher\.shown', key))
    }
    for name, shown in teachers.items():
        if shown:
            return f'the teacher of {name}, which TeacherHook saved in front'
    if teachers:
        return f'the student of {", ".join(teachers)}, which is in front'
    return 'the moving average of EMAHook, which is in front' if 'ema_state_dict' in checkpoint else 'the network'


def size_for(model: Any) -> tuple[int, int]:
    """A size of images that a classifier takes: its own, or a small one where any will do."""
    own = getattr(model.backbone, 'img_size', None)
    if own is None and hasattr(model.backbone, 'patch_embed'):
        own = model.backbone.patch_embed.init_input_size
    height, width = own or (96, 128)
    return int(height), int(width)
