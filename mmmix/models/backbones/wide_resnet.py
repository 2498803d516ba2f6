"""Wide residual networks for CIFAR."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ...registry import MODELS
from .staged import Block, Place, StagedBackbone, blocks_per_stage, conv1x1, conv3x3, norm


class WideBlock(Block):
    """Two 3 x 3 convolutions, each behind its norm and ReLU; a changed width goes through a 1 x 1 convolution.

    Args:
        place (Place): Where it stands.
        out_channels (int): Channels that go out.
        drop_rate (float): Dropout between the convolutions.
        norm_cfg (dict): The norms.
        with_cp (bool): Whether to recompute in the backward pass.
    """

    def __init__(self, place: Place, out_channels: int, drop_rate: float, norm_cfg: dict, with_cp: bool):
        super().__init__(out_channels, with_cp)
        in_channels, stride = place.in_channels, place.stride
        self.norm1, self.conv1 = norm(norm_cfg, in_channels), conv3x3(in_channels, out_channels, stride)
        self.norm2, self.conv2 = norm(norm_cfg, out_channels), conv3x3(out_channels, out_channels)
        alike = in_channels == out_channels and stride == 1
        self.shortcut = None if alike else conv1x1(in_channels, out_channels, stride)
        self.drop_rate = drop_rate

    def run(self, maps: Tensor) -> Tensor:
        """Residual plus identity, or plus the projected activation where width or resolution changes."""
        active = F.relu(self.norm1(maps))
        residual = F.relu(self.norm2(self.conv1(active)))
        residual = self.conv2(F.dropout(residual, self.drop_rate, self.training))
        return residual + (maps if self.shortcut is None else self.shortcut(active))


@MODELS.register_module()
class WideResNet_CIFAR(StagedBackbone):  # noqa: N801 - named as its siblings
    """WRN-d-k: few layers, many channels, activations in front of convolutions.

    `Wide Residual Networks <https://arxiv.org/abs/1605.07146>`_. With its linear layer for CIFAR, WRN-28-10 has 36.5 M
    parameters, WRN-28-8 23.4 M and WRN-28-2 1.5 M.

    Args:
        depth (int): 4 plus a multiple of 6. Defaults to 28.
        widen_factor (int): ``k``; the stages have ``16 k``, ``32 k`` and ``64 k`` channels. Defaults to 10.
        drop_rate (float): Dropout inside each block; the paper tried 0.3. Defaults to 0.0.
        **common: ``strides``, ``out_indices``, ``norm_cfg``, ``norm_eval``, ``with_cp`` and ``init_cfg`` as in
            :class:`StagedBackbone`.

    Raises:
        ValueError: If there is no network of this depth.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import WideResNet_CIFAR
        >>> [maps.shape for maps in WideResNet_CIFAR(depth=10, widen_factor=2)(torch.rand(2, 3, 32, 32))]
        [torch.Size([2, 128, 8, 8])]
    """

    def __init__(
        self,
        depth: int = 28,
        widen_factor: int = 10,
        drop_rate: float = 0.0,
        **common: Any,
    ):
        super().__init__(**common)
        count = blocks_per_stage('WideResNet_CIFAR', depth, fixed=4, per_block=2)

        def block(place: Place) -> WideBlock:
            width = 16 * widen_factor * 2**place.stage
            return WideBlock(place, width, drop_rate, self.norm_cfg, self.with_cp)

        self.assemble(lambda: conv3x3(3, 16), count, block, self.active)
