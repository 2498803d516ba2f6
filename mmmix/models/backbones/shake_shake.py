"""The Shake-Shake network for CIFAR."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from .shake import ShakeShake
from .staged import Block, StagedBackbone, blocks_per_stage, conv1x1, conv3x3, norm


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
        in_channels (int): Channels that come in.
        out_channels (int): Channels that go out.
        stride (int): Stride of the first convolutions.
        norm_cfg (dict): The norms.
        with_cp (bool): Whether to recompute in the backward pass.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict, with_cp: bool):
        super().__init__(with_cp)
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
        strides (Sequence[int]): Of the three stages. Defaults to ``(1, 2, 2)``.
        out_indices (Sequence[int]): From which stages maps are given. Defaults to ``(2, )``.
        norm_cfg (dict): The norms. Defaults to ``dict(type='BN')``.
        norm_eval (bool): Whether norms stay in eval mode. Defaults to False.
        with_cp (bool): Whether blocks are recomputed in the backward pass. Defaults to False.
        init_cfg (dict | list[dict], optional): Initialization. Defaults to Kaiming's.

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
        strides: Sequence[int] = (1, 2, 2),
        out_indices: Sequence[int] = (2,),
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(out_indices, norm_eval, init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        count = blocks_per_stage('ShakeShake_CIFAR', depth, fixed=2, per_block=2)
        channels = 16
        self.stem = nn.Sequential(conv3x3(3, channels), norm(norm_cfg, channels))
        self.stages = nn.ModuleList()
        for width, stride in zip((base_channels, 2 * base_channels, 4 * base_channels), strides, strict=True):
            blocks = []
            for i in range(count):
                blocks.append(ShakeShakeBlock(channels, width, stride if i == 0 else 1, norm_cfg, with_cp))
                channels = width
            self.stages.append(nn.Sequential(*blocks))
        self.tail = nn.ReLU()
        self.feat_dim = channels
