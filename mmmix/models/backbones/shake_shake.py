"""The Shake-Shake network for CIFAR."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from .shake import ShakeShake
from .staged import Block, Place, StagedBackbone, blocks_per_stage, conv1x1, conv3x3, norm


class ShiftedShortcut(nn.Module):
    """Halve the size without losing half of the pixels: two 1 x 1 convolutions, one of them sees the map shifted.

    Args:
        in_channels (int): Channels that come in.
        out_channels (int): Channels that go out.
        stride (int): By what the size is divided.
        norm_cfg (dict): The norm.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict):
        super().__init__()
        half = out_channels // 2
        self.stride = stride
        self.straight = conv1x1(in_channels, half)
        self.shifted = conv1x1(in_channels, out_channels - half)
        self.norm = norm(norm_cfg, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Two samplings of the map, one pixel apart."""
        maps, s = F.relu(maps), self.stride
        moved = F.pad(maps, (-1, 1, -1, 1))
        both = (self.straight(maps[..., ::s, ::s]), self.shifted(moved[..., ::s, ::s]))
        return self.norm(torch.cat(both, 1))


class ShakeShakeBlock(Block):
    """Two equal branches of two 3 x 3 convolutions, blended at random.

    Args:
        place (Place): Where it stands.
        out_channels (int): Channels that go out.
        norm_cfg (dict): The norms.
        with_cp (bool): Whether to recompute in the backward pass.
    """

    def __init__(self, place: Place, out_channels: int, norm_cfg: dict, with_cp: bool):
        super().__init__(out_channels, with_cp)
        in_channels, stride = place.in_channels, place.stride
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                conv3x3(in_channels, out_channels, stride),
                norm(norm_cfg, out_channels),
                nn.ReLU(inplace=True),
                conv3x3(out_channels, out_channels),
                norm(norm_cfg, out_channels),
            )
            for _ in range(2)
        )
        self.shake = ShakeShake()
        same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else ShiftedShortcut(in_channels, out_channels, stride, norm_cfg)

    def run(self, maps: Tensor) -> Tensor:
        """Blended branches plus shortcut."""
        first, second = (branch(maps) for branch in self.branches)
        return self.shake(first, second) + self.shortcut(maps)


@MODELS.register_module()
class ShakeShake_CIFAR(StagedBackbone):  # noqa: N801 - named as its siblings
    """The three-branch network of `Shake-Shake regularization <https://arxiv.org/abs/1705.07485>`_.

    Shake-Shake-26 2x96d has 26.2 M parameters with its linear layer for CIFAR-10. Coefficients differ from image to
    image and between the passes ("Shake-Shake-Image").

    Args:
        depth (int): 2 plus a multiple of 6. Defaults to 26.
        base_channels (int): Channels of the first stage; the later ones have twice and four times as many.
            Defaults to 96.
        **common: ``strides``, ``out_indices``, ``norm_cfg``, ``norm_eval``, ``with_cp`` and ``init_cfg`` as in
            :class:`StagedBackbone`.

    Raises:
        ValueError: If there is no network of this depth.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import ShakeShake_CIFAR
        >>> [maps.shape for maps in ShakeShake_CIFAR(depth=8, base_channels=8)(torch.rand(2, 3, 32, 32))]
        [torch.Size([2, 32, 8, 8])]
    """

    def __init__(
        self,
        depth: int = 26,
        base_channels: int = 96,
        **common: Any,
    ):
        super().__init__(**common)
        count = blocks_per_stage('ShakeShake_CIFAR', depth, fixed=2, per_block=2)

        def block(place: Place) -> ShakeShakeBlock:
            return ShakeShakeBlock(place, base_channels * 2**place.stage, self.norm_cfg, self.with_cp)

        self.assemble(lambda: self.normed(conv3x3(3, 16)), count, block, lambda channels: nn.ReLU())
