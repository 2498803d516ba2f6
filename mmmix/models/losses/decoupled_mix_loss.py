"""DecoupledMix: a regulariser that lets both classes of a mixed image be predicted with confidence."""

import torch
from torch import Tensor, nn

from ...core import check
from ...core.fields import choice, flag, number
from ...registry import MODELS


@MODELS.register_module()
class DecoupledMixLoss(nn.Module):
    r"""Cross entropy with a term in which the two classes of a mixed image do not compete.

    `Harnessing Hard Mixed Samples with Decoupled Regularizer <https://arxiv.org/abs/2203.10761>`_. For an image with
    the classes a and b, the loss is the cross entropy with the soft label plus

    .. math::
        \eta \left( -\lambda \log \frac{e^{z_a}}{\sum_{c \ne b} e^{z_c}}
        - (1 - \lambda) \log \frac{e^{z_b}}{\sum_{c \ne a} e^{z_c}} \right).

    It takes the place of the loss of any head, ``head=dict(loss=dict(type='mmmix.DecoupledMixLoss'))``, with any mixer,
    under ``ImageClassifier`` as well as :class:`mmmix.MixClassifier`: a and b are the two largest entries of the soft
    label, so smoothed labels are fine. A label with one class, also that of an image that was mixed with one of its own
    class, adds nothing to the second term.

    Deviations from OpenMixup's code: pairs are told apart sample by sample, so that ratios may differ within a batch
    and be one half, where theirs drops the term.

    Args:
        eta (float): Weight of the second term. Defaults to 0.1.
        weighted (bool): Whether the two parts of the second term are weighted by the label's shares, ``lam`` and
            ``1 - lam``. False gives both full weight, as in OpenMixup's code. Defaults to True.
        threshold (float): A class whose entry does not exceed this above the smallest entry of the label is not part of
            the mix. Defaults to 0.001.
        reduction (str): ``'mean'``, ``'sum'`` or ``'none'``. Defaults to ``'mean'``.
        loss_weight (float): Weight of the whole loss. Defaults to 1.0.

    Raises:
        ValueError: If an argument is out of range, or the label has class indices of a wrong shape.

    Example:
        >>> import torch
        >>> from mmmix import DecoupledMixLoss
        >>> logits = torch.zeros(1, 4)
        >>> scores = torch.tensor([[0.7, 0.3, 0.0, 0.0]])
        >>> round(float(DecoupledMixLoss(eta=0.1)(logits, scores)), 4)  # log(4) + 0.1 * log(3)
        1.4962
    """

    def __init__(
        self,
        eta: float = 0.1,
        weighted: bool = True,
        threshold: float = 1e-3,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
    ):
        super().__init__()
        self.eta, self.weighted, self.threshold, self.reduction, self.loss_weight = check(
            self,
            eta=(eta, number(least=0, like=0.1)),
            weighted=(weighted, flag()),
            threshold=(threshold, number(least=0, below=0.5, like=0.001)),
            reduction=(reduction, choice('mean', 'sum', 'none')),
            loss_weight=(loss_weight, number(like=1.0)),
        )

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
            cls_score (Tensor): ``(N, K)`` logits.
            label (Tensor): ``(N, K)`` soft labels, or ``(N,)`` class indices, which have no second term.
            weight (Tensor, optional): ``(N,)`` weights of the samples. Defaults to None.
            avg_factor (float, optional): What the mean divides by in place of N. Defaults to None.
            reduction_override (str, optional): In place of ``reduction``. Defaults to None.

        Returns:
            Tensor: A scalar, or ``(N,)`` with ``'none'``.
        """
        reduction = reduction_override or self.reduction
        if avg_factor is not None and reduction == 'sum':
            raise ValueError("DecoupledMixLoss: `avg_factor` goes with reduction='mean' only.")
        with torch.autocast(cls_score.device.type, enabled=False):
            logits = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
            if label.ndim == 1:
                label = nn.functional.one_hot(label, logits.shape[1])
            loss = decoupled_mix_loss(logits, label.to(logits.dtype), self.eta, self.weighted, self.threshold)
            if weight is not None:
                loss = loss * weight.to(loss.dtype)
            if reduction == 'mean':
                loss = loss.sum() / (len(logits) if avg_factor is None else avg_factor)
            elif reduction == 'sum':
                loss = loss.sum()
        return self.loss_weight * loss


def decoupled_mix_loss(logits: Tensor, scores: Tensor, eta: float, weighted: bool, threshold: float) -> Tensor:
    """:class:`DecoupledMixLoss` of each sample: ``(N, K)`` logits and soft labels -> ``(N,)``."""
    log_prob = logits.log_softmax(1)
    soft = -(scores * log_prob).sum(1)
    if logits.shape[1] < 2:
        return soft
    shares, classes = scores.topk(2, dim=1)
    mixed = shares[:, 1] > scores.amin(1) + threshold if scores.shape[1] > 2 else shares[:, 1] > threshold
    chosen = logits.gather(1, classes)
    # The sum over all classes but the rival's, for a and for b.
    without_rival = torch.stack(
        [logits.scatter(1, classes[:, i : i + 1], -float('inf')).logsumexp(1) for i in (1, 0)], dim=1
    )
    parts = without_rival - chosen
    if weighted:
        parts = parts * shares / shares.sum(1, keepdim=True)
    return soft + eta * torch.where(mixed, parts.sum(1), 0.0)
