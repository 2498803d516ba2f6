"""PyramidNet for CIFAR, with or without ShakeDrop."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...core import check
from ...core.fields import number
from ...registry import MODELS
from .shake import ShakeDrop
from .staged import Block, Place, StagedBackbone, blocks_per_stage, conv1x1, conv3x3, norm


class PyramidBlock(Block):
    """A block without a ReLU at either end; the shortcut is average pooled and padded with zero channels.

    Args:
        place (Place): Where it stands.
        channels (int): Channels of the block; a bottleneck gives four times as many.
        bottleneck (bool): 1 x 1, 3 x 3, 1 x 1 in place of two 3 x 3 convolutions.
        keep (float): ShakeDrop's probability of leaving the block alone; 1 is no ShakeDrop.
        norm_cfg (dict): The norms.
        with_cp (bool): Whether to recompute in the backward pass.
    """

    def __init__(self, place: Place, channels: int, bottleneck: bool, keep: float, norm_cfg: dict, with_cp: bool):
        super().__init__(4 * channels if bottleneck else channels, with_cp)
        in_channels, stride = place.in_channels, place.stride
        if bottleneck:
            convs = [conv1x1(in_channels, channels), conv3x3(channels, channels, stride)]
            convs.append(conv1x1(channels, self.out_channels))
        else:
            convs = [conv3x3(in_channels, channels, stride), conv3x3(channels, channels)]
        layers: list[nn.Module] = [norm(norm_cfg, in_channels)]
        for i, conv in enumerate(convs):
            layers += [conv, norm(norm_cfg, conv.out_channels)]
            if i < len(convs) - 1:
                layers.append(nn.ReLU(inplace=True))
        self.residual = nn.Sequential(*layers)
        self.shake = ShakeDrop(keep) if keep < 1 else nn.Identity()
        self.stride = stride

    def run(self, maps: Tensor) -> Tensor:
        """Disturbed residual plus padded identity."""
        residual = self.shake(self.residual(maps))
        if self.stride > 1:
            maps = F.avg_pool2d(maps, self.stride, ceil_mode=True)
        return residual + F.pad(maps, (0, 0, 0, 0, 0, self.out_channels - maps.shape[1]))


@MODELS.register_module()
class PyramidNet_CIFAR(StagedBackbone):  # noqa: N801 - named as its siblings
    """PyramidNet: every block is a little wider than the one before; with ShakeDrop by default.

    `Deep Pyramidal Residual Networks <https://arxiv.org/abs/1610.02915>`_ and `ShakeDrop Regularization for Deep
    Residual Learning <https://arxiv.org/abs/1802.02375>`_. ShakeDrop's probability of leaving a block alone falls
    linearly from 1 to ``last_keep`` over the blocks. PyramidNet-272 (alpha 200, bottleneck) has 26.0 M parameters.

    Args:
        depth (int): 2 plus a multiple of 9 with ``bottleneck``, of 6 without. Defaults to 272.
        alpha (int): How many channels the last block has more than the stem's 16. Defaults to 200.
        bottleneck (bool): Whether blocks are bottlenecks. Defaults to True.
        last_keep (float): Probability of leaving the last block alone; 1 is no ShakeDrop. Defaults to 0.5.
        **common: ``strides``, ``out_indices``, ``norm_cfg``, ``norm_eval``, ``with_cp`` and ``init_cfg`` as in
            :class:`StagedBackbone`.

    Raises:
        ValueError: If there is no network of this depth, or ``last_keep`` is no probability.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import PyramidNet_CIFAR
        >>> [maps.shape for maps in PyramidNet_CIFAR(depth=11, alpha=30)(torch.rand(2, 3, 32, 32))]
        [torch.Size([2, 184, 8, 8])]
    """

    def __init__(
        self,
        depth: int = 272,
        alpha: int = 200,
        bottleneck: bool = True,
        last_keep: float = 0.5,
        **common: Any,
    ):
        super().__init__(**common)
        check(self, last_keep=(last_keep, number(default=0.5, least=0, most=1)))
        count = blocks_per_stage('PyramidNet_CIFAR', depth, fixed=2, per_block=3 if bottleneck else 2)

        def block(place: Place) -> PyramidBlock:
            width = 16 + alpha * place.done // place.total  # the floor, as in the paper
            keep = 1 - (1 - last_keep) * place.done / place.total
            return PyramidBlock(place, width, bottleneck, keep, self.norm_cfg, self.with_cp)

        self.assemble(lambda: self.normed(conv3x3(3, 16)), count, block, self.active)
