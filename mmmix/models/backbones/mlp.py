"""A multilayer perceptron, for rows of a table."""

from collections.abc import Sequence

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from ...core import check
from ...core.fields import number, several, whole
from ...registry import MODELS


@MODELS.register_module()
class MLP(BaseBackbone):
    """Fully connected layers with ReLU; images are flattened.

    The default is the network of the UCI experiments in `mixup: Beyond Empirical Risk Minimization
    <https://arxiv.org/abs/1710.09412>`_, two hidden layers of 128 units, without the linear layer of the head. The
    layers are ``layer1``, ``layer2``, ..., places to mix at for :class:`mmmix.ManifoldMix`.

    Args:
        in_features (int): Features of a row.
        widths (Sequence[int]): Units of each layer. Defaults to (128, 128).
        drop_rate (float): Dropout behind each layer. Defaults to 0.0.
        init_cfg (dict, optional): See ``BaseModule``. Defaults to None, PyTorch's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.models.backbones import MLP
        >>> [rows.shape for rows in MLP(4)(torch.rand(3, 4))]
        [torch.Size([3, 128])]
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int] = (128, 128),
        drop_rate: float = 0.0,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        in_features, self.widths, drop_rate = check(
            self,
            in_features=(in_features, whole(least=1, like=4)),
            widths=(widths, several(default=(128, 128), least=1)),
            drop_rate=(drop_rate, number(default=0.0, least=0, below=1)),
        )
        for i, (given, width) in enumerate(zip((in_features, *self.widths), self.widths, strict=False), 1):
            dropout = [nn.Dropout(drop_rate)] if drop_rate else []
            self.add_module(f'layer{i}', nn.Sequential(nn.Linear(given, width), nn.ReLU(), *dropout))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """``(N, in_features)``, or what has as many values, to ``(N, widths[-1])``."""
        rows = images.flatten(1)
        for i in range(1, len(self.widths) + 1):
            rows = getattr(self, f'layer{i}')(rows)
        return (rows,)
