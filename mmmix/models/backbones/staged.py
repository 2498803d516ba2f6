"""What the CIFAR networks of this package have in common: a stem, stages of residual blocks, and a tail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.utils.checkpoint as cp
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

_INIT = (
    dict(type='Kaiming', layer=['Conv2d']),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
)


def norm(norm_cfg: dict, channels: int) -> nn.Module:
    """Build a normalisation layer."""
    return build_norm_layer(norm_cfg, channels)[1]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size, or divides it by the stride."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 1 x 1 convolution."""
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)


class Block(BaseModule):
    """A residual block that may be recomputed in the backward pass to save memory.

    Args:
        out_channels (int): Channels that it gives.
        with_cp (bool): Whether to recompute. Random coefficients are then drawn again from the same state, so the
            result is the same. Defaults to False.
    """

    def __init__(self, out_channels: int, with_cp: bool = False):
        super().__init__()
        self.out_channels = out_channels
        self.with_cp = with_cp

    def run(self, maps: Tensor) -> Tensor:
        """The block itself, ``(N, C, H, W)`` to ``(N, C', H', W')``."""
        raise NotImplementedError

    def forward(self, maps: Tensor) -> Tensor:
        """Run the block, under checkpointing if asked to."""
        if self.with_cp and maps.requires_grad:
            return cp.checkpoint(self.run, maps, use_reentrant=False)
        return self.run(maps)


@dataclass(frozen=True)
class Place:
    """Where a block stands in its network.

    Attributes:
        stage (int): The stage, from 0.
        done (int): How many blocks of the network there are up to this one, itself counted.
        total (int): How many there are in all.
        in_channels (int): Channels that come in.
        stride (int): That of the stage for its first block, else 1.
    """

    stage: int
    done: int
    total: int
    in_channels: int
    stride: int


class StagedBackbone(BaseBackbone):
    """A stem, three stages of residual blocks (or ``n_stages``) and a tail behind the last one.

    A subclass takes the arguments below as keywords and calls :meth:`assemble`.

    Args:
        strides (Sequence[int]): Of the three stages. Defaults to ``(1, 2, 2)``.
        out_indices (Sequence[int]): From which stages maps are given. Defaults to ``(2, )``, the last of three.
        norm_cfg (dict): The norms. Defaults to ``dict(type='BN')``.
        norm_eval (bool): Whether batch normalisation uses and keeps its statistics in training. Defaults to False.
        with_cp (bool): Whether blocks are recomputed in the backward pass. Defaults to False.
        init_cfg (dict | list[dict], optional): Initialization. Defaults to Kaiming's for convolutions, 1 for norms.

    Raises:
        ValueError: If there are not three strides, or ``out_indices`` names other stages than 0, 1 and 2.
    """

    #: How many stages there are.
    n_stages: ClassVar[int] = 3
    stem: nn.Module
    stages: nn.ModuleList
    tail: nn.Module
    #: Channels of the last map.
    feat_dim: int

    def __init__(
        self,
        strides: Sequence[int] = (1, 2, 2),
        out_indices: Sequence[int] = (2,),
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__([dict(part) for part in _INIT] if init_cfg is None else init_cfg)
        name, count = type(self).__name__, self.n_stages
        if not out_indices or any(not 0 <= index < count for index in out_indices):
            told = f'{", ".join(map(str, range(count - 1)))} and {count - 1}'
            raise ValueError(f'{name} has stages {told}, but `out_indices` is {out_indices!r}.')
        if len(strides) != count:
            word = {3: 'three', 4: 'four'}[count]
            raise ValueError(f'{name} has {word} stages and takes a stride for each, but `strides` is {strides!r}.')
        self.strides = tuple(strides)
        self.out_indices = tuple(out_indices)
        self.norm_cfg = norm_cfg or dict(type='BN')
        self.norm_eval = norm_eval
        self.with_cp = with_cp

    def assemble(
        self,
        stem: Callable[[], nn.Module],
        count: int,
        block: Callable[[Place], Block],
        tail: Callable[[int], nn.Module],
        channels: int = 16,
    ) -> None:
        """Build the network, in the order in which images go through it.

        Args:
            stem (Callable[[], nn.Module]): Builds what is in front of the stages.
            count (int): How many blocks each stage has.
            block (Callable[[Place], Block]): Builds a block.
            tail (Callable[[int], nn.Module]): Builds what is behind the stages, for so many channels.
            channels (int): Channels of the stem. Defaults to 16.
        """
        self.stem = stem()
        self.stages = nn.ModuleList()
        done = 0
        for stage, stride in enumerate(self.strides):
            blocks: list[Block] = []
            for i in range(count):
                done += 1
                blocks.append(block(Place(stage, done, self.n_stages * count, channels, stride if i == 0 else 1)))
                channels = blocks[-1].out_channels
            self.stages.append(nn.Sequential(*blocks))
        self.tail = tail(channels)
        self.feat_dim = channels

    def normed(self, stem: nn.Conv2d) -> nn.Module:
        """A stem with its norm."""
        return nn.Sequential(stem, norm(self.norm_cfg, stem.out_channels))

    def active(self, channels: int) -> nn.Module:
        """A tail of a norm and a ReLU."""
        return nn.Sequential(norm(self.norm_cfg, channels), nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Extract features.

        Args:
            images (Tensor): ``(N, 3, H, W)``.

        Returns:
            tuple[Tensor, ...]: One ``(N, C, H', W')`` map for each of ``out_indices``.
        """
        maps, outs = self.stem(images), []
        for i, stage in enumerate(self.stages):
            maps = stage(maps)
            if i == len(self.stages) - 1:
                maps = self.tail(maps)
            if i in self.out_indices:
                outs.append(maps)
        return tuple(outs)

    def train(self, mode: bool = True) -> Any:
        """Switch the mode; with ``norm_eval`` the norms stay in eval mode."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def blocks_per_stage(name: str, depth: int, fixed: int, per_block: int) -> int:
    """How many blocks each of three stages has.

    Args:
        name (str): The network, for the error.
        depth (int): Number of weighted layers.
        fixed (int): Layers outside the blocks.
        per_block (int): Layers of one block.

    Raises:
        ValueError: If there is no such depth.
    """
    count, rest = divmod(depth - fixed, 3 * per_block)
    if rest or count < 1:
        first = fixed + 3 * per_block
        raise ValueError(
            f'{name}: `depth` must be {fixed} plus a multiple of {3 * per_block}, e.g. {first}, but got {depth}.'
        )
    return count
