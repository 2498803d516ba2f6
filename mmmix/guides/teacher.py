"""What a frozen pretrained network looks at."""

from copy import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arguments import check
from ..core.fields import whole
from ..core.host import host
from ..core.roles import Guide
from ..ops.devices import eager, without_autocast


class Teacher(Guide):
    """The mean over the channels of a frozen network's last feature map.

    `Attentive CutMix <https://arxiv.org/abs/2003.13048>`_ uses a pretrained ResNet-50. The network is any of
    mmpretrain's with a feature map at the end of its backbone. It sees the images as the student does, normalised by
    the student's data preprocessor, always in eval mode and without gradients. It is in no checkpoint, no optimizer and
    no copy: an EMA of the student shares it.

    Args:
        model (str | dict): A model name that mmpretrain knows (``'resnet50_8xb32_in1k'``), the path of a config, or the
            ``model`` part of a config.
        checkpoint (str | bool): Path or address of the weights; True takes those that mmpretrain lists for the name;
            False leaves the network as it was initialised. Defaults to True.
        size (int, optional): Images are resized to this height and width first, since pretrained networks want
            their resolution. Defaults to 224; None leaves images as they are.

    Raises:
        TypeError: If ``model`` is neither a string nor a dict.
        ValueError: If there is no checkpoint for a ``model`` given as a dict, or the backbone gives no feature map.

    Example:
        >>> import torch
        >>> from mmmix import Teacher
        >>> net = dict(
        ...     type='mmpretrain.ImageClassifier',
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
        ... )
        >>> guide = Teacher(net, checkpoint=False, size=32)
        >>> guide(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, model: str | dict, checkpoint: str | bool = True, size: int | None = 224):
        if not isinstance(model, (str, dict)):
            raise TypeError(
                f'Teacher: `model` must be a model name, the path of a config or a dict, but got {model!r}.'
            )
        if isinstance(model, dict) and checkpoint is True:
            raise ValueError(
                'Teacher: mmpretrain lists no weights for a `model` given as a dict: set `checkpoint` to '
                'their path or address, or to False for random weights.'
            )
        self.teacher = model
        self.checkpoint = checkpoint
        (self.size,) = check(self, size=(size, whole(least=1, optional=True, like=224)))
        self._network: Any = None
        self._device: torch.device | None = None

    @property
    def network(self) -> Any:
        """The frozen network, built and loaded when it is first asked for: not to evaluate a student."""
        if self._network is None:
            # Weights that are about to be overwritten must not move the random numbers of the training.
            with torch.random.fork_rng(devices=[]):
                self._network = host().network(self.teacher, self.checkpoint).eval().requires_grad_(False)
        return self._network

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        # A copy of the student, as an EMA makes it, needs no second teacher.
        return copy(self)

    def __repr__(self) -> str:
        model = self.teacher if isinstance(self.teacher, str) else self.teacher.get('type')
        return f'Teacher(model={model!r}, checkpoint={self.checkpoint!r}, size={self.size!r})'

    @eager
    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        if self._device != images.device:
            self.network.to(images.device)
            self._device = images.device
        seen = images.detach().float()
        if self.size is not None and seen.shape[-2:] != (self.size, self.size):
            seen = F.interpolate(seen, (self.size, self.size), mode='bilinear', align_corners=False)
        with without_autocast(images):
            maps = self.network.extract_feat(seen, stage='backbone')[-1]
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            raise ValueError(
                f'Teacher: the backbone of {self.teacher!r} gives no feature map (N, C, H, W): take a '
                "convolutional one, or set out_type='featmap' in its backbone."
            )
        maps = maps.float().mean(1, keepdim=True)
        return F.interpolate(maps - maps.amin((2, 3), keepdim=True), images.shape[-2:], mode='nearest-exact')
