"""mmpretrain's CIFAR ResNet in the depths of the ResNet paper, and ResNeXt with its stem."""

from typing import Any, ClassVar

from mmpretrain.models import ResNet_CIFAR as HostResNet_CIFAR
from mmpretrain.models import ResNeXt
from mmpretrain.models.backbones.resnet import BasicBlock

from ...registry import MODELS

_SMALL = {depth: (BasicBlock, ((depth - 2) // 6,) * 3) for depth in (20, 32, 44, 56, 110)}


@MODELS.register_module()
class ResNet_CIFAR(HostResNet_CIFAR):  # noqa: N801 - the name of its host
    """``ResNet_CIFAR`` with the depths that the `ResNet paper <https://arxiv.org/abs/1512.03385>`_ has for CIFAR.

    Depths 20, 32, 44, 56 and 110 have three stages of basic blocks with 16, 32 and 64 channels. Deviation from the
    paper: where a stage begins, the shortcut is a 1 x 1 convolution (its option B), as everywhere in mmpretrain, in
    place of zero padding; ResNet-110 has 1.7 M parameters either way. Depth 10 has four stages of one basic block, for
    small data. All other depths are the host's.

    Args:
        depth (int): 10, 20, 32, 44, 56, 110, or one of the host's: 18, 34, 50, 101, 152.
        **kwargs: As in mmpretrain's ``ResNet_CIFAR``. For depths of three stages ``num_stages`` is 3 and
            ``stem_channels`` and ``base_channels`` default to 16.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import ResNet_CIFAR
        >>> [maps.shape for maps in ResNet_CIFAR(depth=20)(torch.rand(2, 3, 32, 32))]
        [torch.Size([2, 64, 8, 8])]
    """

    arch_settings: ClassVar[dict] = {**HostResNet_CIFAR.arch_settings, **_SMALL, 10: (BasicBlock, (1, 1, 1, 1))}

    def __init__(self, depth: int, **kwargs: Any):
        if depth in _SMALL:
            small = dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,))
            kwargs = {**small, 'stem_channels': 16, 'base_channels': 16, **kwargs}
        super().__init__(depth, **kwargs)


@MODELS.register_module()
class ResNeXt_CIFAR(HostResNet_CIFAR, ResNeXt):  # noqa: N801 - named as its siblings
    """ResNeXt with the stem of ``ResNet_CIFAR``: a 3 x 3 convolution and no pooling.

    `Aggregated Residual Transformations for Deep Neural Networks <https://arxiv.org/abs/1611.05431>`_, the ImageNet
    network as OpenMixup uses it on CIFAR and Tiny-ImageNet; the paper's own CIFAR networks have three stages.

    Args:
        depth (int): 50, 101 or 152.
        groups (int): Groups of the 3 x 3 convolutions. Defaults to 32.
        width_per_group (int): Channels of each group in the first stage. Defaults to 4.
        **kwargs: As in mmpretrain's ``ResNeXt``.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import ResNeXt_CIFAR
        >>> [maps.shape for maps in ResNeXt_CIFAR(depth=50)(torch.rand(1, 3, 16, 16))]
        [torch.Size([1, 2048, 2, 2])]
    """
