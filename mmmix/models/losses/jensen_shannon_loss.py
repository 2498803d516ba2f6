"""The loss of AugMix: that of the labels, and how far the predictions of several views are from each other."""

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS as HOST
from torch import Tensor, nn

from ...core import check
from ...core.fields import number
from ...registry import MODELS


@MODELS.register_module()
class JensenShannonLoss(nn.Module):
    r"""The loss of the images, and the Jensen-Shannon divergence between what the network says of their views.

    `AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty <https://arxiv.org/abs/1912.02781>`_:

    .. math::
        L(p_1, y) + w \frac{1}{V} \sum_{v=1}^{V} \mathrm{KL}(p_v \,\|\, m), \qquad m = \frac{1}{V} \sum_{v=1}^{V} p_v.

    It takes the place of the loss of any head, ``head=dict(loss=dict(type='mmmix.JensenShannonLoss'))``, under
    :class:`mmmix.MixClassifier`, which sends the images and their ``views`` through the network together, so that batch
    statistics are those of all of them. :class:`mmmix.AugMix` makes views; any transform may that adds ``views``. In
    evaluation it is the loss of the labels alone. There is no deviation from the authors' code.

    Args:
        weight (float): Weight of the divergence. Defaults to 12.0.
        loss (dict | nn.Module, optional): The loss of the labels. Defaults to None, mmpretrain's ``CrossEntropyLoss``.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: In training, if there are no views.

    Example:
        >>> import torch
        >>> from mmmix import JensenShannonLoss
        >>> logits = torch.zeros(3 * 2, 4)  # three views of two images, view after view
        >>> round(float(JensenShannonLoss()(logits, torch.eye(4)[:2])), 4)  # log(4): the views agree
        1.3863
    """

    #: Asks :class:`mmmix.MixClassifier` for logits of the views behind those of the images.
    takes_views = True

    def __init__(self, weight: float = 12.0, loss: dict | nn.Module | None = None):
        super().__init__()
        (self.weight,) = check(self, weight=(weight, number(least=0, like=12.0)))
        inner: Any = dict(type='mmpretrain.CrossEntropyLoss') if loss is None else loss
        self.loss = inner if isinstance(inner, nn.Module) else HOST.build(inner)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            cls_score (Tensor): ``(V * N, K)`` logits, view after view; ``(N, K)`` in evaluation.
            label (Tensor): ``(N, K)`` soft labels, or ``(N,)`` class indices.
            weight (Tensor, optional): ``(N,)`` weights of the images in the loss of the labels. Defaults to None.
            avg_factor (float, optional): Not used: heads give the number of logits, which counts views too.
            reduction_override (str, optional): Handed to the loss of the labels. Defaults to None.

        Returns:
            Tensor: A scalar.
        """
        count = len(label)
        own = self.loss(cls_score[:count], label, weight=weight, reduction_override=reduction_override)
        if len(cls_score) > count:
            return own + self.weight * jensen_shannon(cls_score.unflatten(0, (-1, count)))
        if self.training:
            raise RuntimeError(
                "JensenShannonLoss got no views: train with type='mmmix.MixClassifier', dict(type='mmmix.AugMix') in "
                "the pipeline and dict(type='PackInputs', algorithm_keys=('views',)) behind it."
            )
        return own


def jensen_shannon(logits: Tensor) -> Tensor:
    """The divergence of ``(V, N, K)`` logits of V views from their mean, averaged over images; in float32 or better."""
    with torch.autocast(logits.device.type, enabled=False):
        log_prob = F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=2)
        prob = log_prob.exp()
        # As in the authors' code, the mean stays away from 0.
        mean = prob.mean(0).clamp(min=1e-7, max=1).log()
        return (prob * (log_prob - mean)).sum(2).mean()
