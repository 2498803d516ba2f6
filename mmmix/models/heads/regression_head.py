"""A head for numbers instead of classes."""

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...registry import MODELS


class MeanSquaredError(nn.Module):
    """The mean squared error with the signature of mmpretrain's losses, in float32 or better."""

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of ``(N, K)`` numbers; ``weight`` is ``(N,)``, and the mean is over all numbers."""
        with torch.autocast(cls_score.device.type, enabled=False):
            dtype = torch.promote_types(cls_score.dtype, torch.float32)
            error = F.mse_loss(cls_score.to(dtype), label.to(dtype), reduction='none')
            error = error if weight is None else error * weight[:, None].to(dtype)
            return error if reduction_override == 'none' else error.mean()


@MODELS.register_module()
class RegressionHead(LinearClsHead):
    """A linear layer that predicts numbers, trained with the mean squared error.

    mmpretrain has heads for classes only; this one lets its networks predict an angle, an age or a count. The label of
    a sample is its ``gt_score``, ``(num_classes,)`` numbers, best near 0 with a spread of about 1; the prediction is
    its ``pred_score``. With :class:`mmmix.Mixup` and :class:`mmmix.NearLabels` under :class:`mmmix.MixClassifier` it is
    C-Mixup, and :class:`mmmix.RegressionError` is its metric. The log has ``mix_mae``, the mean absolute error on the
    mixed batch, in place of ``mix_acc``.

    Args:
        in_channels (int): Width of the features.
        num_classes (int): How many numbers are predicted. Defaults to 1.
        loss (dict | nn.Module, optional): Another loss of ``(N, K)`` predictions and labels. Defaults to None, the mean
            squared error.
        **kwargs: As in mmpretrain's ``LinearClsHead``.

    Example:
        >>> import torch
        >>> from mmmix import RegressionHead
        >>> head = RegressionHead(in_channels=8)
        >>> head((torch.rand(4, 8),)).shape
        torch.Size([4, 1])
    """

    def __init__(
        self, in_channels: int, num_classes: int = 1, loss: dict | nn.Module | None = None, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, in_channels, loss=MeanSquaredError() if loss is None else loss, **kwargs)

    def rate_mix(self, predicted: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """What the log says of the predictions on a mixed batch; asked by :class:`mmmix.MixClassifier`."""
        return dict(mix_mae=(predicted.detach().float() - scores.float()).abs().mean())

    def _get_predictions(self, cls_score: Tensor, data_samples: list[DataSample | None] | None) -> list[DataSample]:
        samples = data_samples or [None] * len(cls_score)
        return [
            (DataSample() if sample is None else sample).set_pred_score(numbers)
            for sample, numbers in zip(samples, cls_score.float(), strict=True)
        ]
