"""The pre-activation residual network of the Mixup paper."""

from typing import Any

from ...core import check
from ...core.fields import number, whole
from ...registry import MODELS
from .staged import Place, StagedBackbone, conv3x3
from .wide_resnet import WideBlock


@MODELS.register_module()
class PreActResNet_CIFAR(StagedBackbone):  # noqa: N801 - named as its siblings
    """PreAct ResNet-18 for CIFAR: four stages of two blocks with activations in front of convolutions.

    `Identity Mappings in Deep Residual Networks <https://arxiv.org/abs/1603.05027>`_; the network of the CIFAR and of
    the corrupted-label experiments in `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_,
    where dropout is between the two convolutions of each block. With its linear layer for CIFAR it has 11.2 M
    parameters. The last block is followed by a norm and a ReLU, as in the paper on such networks.

    Args:
        base_channels (int): Channels of the first stage; each other one has twice as many. Defaults to 64.
        blocks (int): Blocks in each stage. Defaults to 2.
        drop_rate (float): Dropout inside each block. Defaults to 0.0.
        **common: ``strides`` (of four stages), ``out_indices``, ``norm_cfg``, ``norm_eval``, ``with_cp`` and
            ``init_cfg`` as in :class:`StagedBackbone`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import PreActResNet_CIFAR
        >>> [maps.shape for maps in PreActResNet_CIFAR(base_channels=4)(torch.rand(2, 3, 32, 32))]
        [torch.Size([2, 32, 4, 4])]
    """

    n_stages = 4

    def __init__(self, base_channels: int = 64, blocks: int = 2, drop_rate: float = 0.0, **common: Any):
        super().__init__(**{'strides': (1, 2, 2, 2), 'out_indices': (3,), **common})
        base_channels, blocks, drop_rate = check(
            self,
            base_channels=(base_channels, whole(default=64, least=1)),
            blocks=(blocks, whole(default=2, least=1)),
            drop_rate=(drop_rate, number(default=0.0, least=0, below=1)),
        )

        def block(place: Place) -> WideBlock:
            return WideBlock(place, base_channels * 2**place.stage, drop_rate, self.norm_cfg, self.with_cp)

        self.assemble(lambda: conv3x3(3, base_channels), blocks, block, self.active, base_channels)
