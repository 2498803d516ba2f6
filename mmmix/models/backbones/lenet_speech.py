"""A small network for spectrograms."""

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from ...core import check
from ...core.fields import number, whole
from ...registry import MODELS


@MODELS.register_module()
class SpeechLeNet(BaseBackbone):
    """LeNet for spectrograms: two convolutions of 5 x 5, each with 20 channels and a pooling, and a hidden layer.

    With the linear layer of the head it has two convolutional and two fully connected layers, as the LeNet of the
    speech experiments in `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_. Its widths
    are not told there; those here are ours.

    Args:
        size (tuple[int, int]): Height and width of the spectrograms. Defaults to (160, 101).
        in_channels (int): Their channels. Defaults to 1.
        width (int): Units of the hidden layer. Defaults to 1000.
        drop_rate (float): Dropout behind the second convolution and the hidden layer. Defaults to 0.5.
        init_cfg (dict, optional): See ``BaseModule``. Defaults to None, PyTorch's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import SpeechLeNet
        >>> [rows.shape for rows in SpeechLeNet()(torch.rand(2, 1, 160, 101))]
        [torch.Size([2, 1000])]
    """

    def __init__(
        self,
        size: tuple[int, int] = (160, 101),
        in_channels: int = 1,
        width: int = 1000,
        drop_rate: float = 0.5,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        in_channels, width, drop_rate = check(
            self,
            in_channels=(in_channels, whole(default=1, least=1)),
            width=(width, whole(default=1000, least=1)),
            drop_rate=(drop_rate, number(default=0.5, least=0, below=1)),
        )
        left = [((side - 4) // 2 - 4) // 2 for side in size]
        if min(left) < 1:
            raise ValueError(f'SpeechLeNet: nothing is left of {tuple(size)} pixels: it takes at least 16 x 16.')
        self.layer1 = nn.Sequential(nn.Conv2d(in_channels, 20, 5), nn.MaxPool2d(2), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(20, 20, 5), nn.Dropout2d(drop_rate), nn.MaxPool2d(2), nn.ReLU())
        hidden = nn.Linear(20 * left[0] * left[1], width)
        self.layer3 = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Dropout(drop_rate))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """``(N, in_channels, H, W)`` to ``(N, width)``."""
        return (self.layer3(self.layer2(self.layer1(images))),)
