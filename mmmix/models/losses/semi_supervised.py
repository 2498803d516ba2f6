"""Losses of semi-supervised training: what unlabelled images are compared with, and labels that are held back."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core import check
from ...core.fields import choice, number
from ...core.host import host
from ...registry import MODELS


def pseudo_labels(logits: Tensor, form: str, temperature: float, threshold: float) -> tuple[Tensor, Tensor]:
    """What the network makes of unlabelled images, as labels of them.

    Args:
        logits (Tensor): ``(N, K)``.
        form (str): ``'soft'``, the probabilities sharpened by the temperature, as in UDA, or ``'hard'``, the class of
            the largest, as in FixMatch.
        temperature (float): By which logits are divided for soft labels; below 1 it sharpens.
        threshold (float): From which probability on, without temperature, an image counts.

    Returns:
        tuple[Tensor, Tensor]: Labels ``(N, K)`` and whether each counts, ``(N,)``, both float32 without a graph.
    """
    logits = logits.detach().float()
    largest, label = logits.softmax(1).max(1)
    labels = F.one_hot(label, logits.shape[1]).float() if form == 'hard' else (logits / temperature).softmax(1)
    return labels, (largest >= threshold).float()


def consistency(logits: Tensor, labels: Tensor) -> Tensor:
    """The divergence of predictions from labels that may add up to less than 1, averaged over all images.

    For labels that add up to 1 it is the Kullback-Leibler divergence, for hard ones the cross entropy; for an image
    that does not count, whose label is 0, it is 0.

    Args:
        logits (Tensor): ``(N, K)``.
        labels (Tensor): ``(N, K)``, at least 0.

    Returns:
        Tensor: A scalar, float32.
    """
    log_probs = logits.float().log_softmax(1)
    return (torch.xlogy(labels, labels) - labels * log_probs).sum(1).mean()


def annealed_threshold(progress: float, classes: int, schedule: str) -> float:
    """Up to which probability of its label a sample still counts, from ``1 / classes`` to 1.

    Args:
        progress (float): How much of the training is done, in [0, 1].
        classes (int): ``K``.
        schedule (str): ``'linear'``, ``'log'`` (soon much) or ``'exp'`` (late much).
    """
    grown = dict(linear=progress, log=1 - math.exp(-5 * progress), exp=math.exp(5 * (progress - 1)))[schedule]
    return grown * (1 - 1 / classes) + 1 / classes


@MODELS.register_module()
class TrainingSignalAnnealing(nn.Module):
    """Cross entropy over those samples only of whose label the network is not too sure yet.

    Training signal annealing of `Unsupervised Data Augmentation for Consistency Training
    <https://arxiv.org/abs/1904.12848>`_: the limit goes from ``1 / K`` to 1 over the run of MMEngine's runner, so that
    few labels are not learned by heart early on. The mean is over the samples that count. Of a mixed label the
    probability is the mean over its classes by their shares, which is ours. Without a runner the limit is 1.

    Args:
        schedule (str): ``'linear'``, ``'log'`` or ``'exp'``. Defaults to ``'linear'``.
        loss_weight (float): Weight of the loss. Defaults to 1.0.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.models.losses import TrainingSignalAnnealing
        >>> head = dict(
        ...     type='LinearClsHead', num_classes=10, in_channels=128, loss=dict(type='mmmix.TrainingSignalAnnealing')
        ... )
        >>> TrainingSignalAnnealing()(torch.zeros(2, 10), torch.tensor([3, 4]))
        tensor(2.3026)
    """

    def __init__(self, schedule: str = 'linear', loss_weight: float = 1.0):
        super().__init__()
        self.schedule, self.loss_weight = check(
            self,
            schedule=(schedule, choice('linear', 'log', 'exp', default='linear')),
            loss_weight=(loss_weight, number(default=1.0, least=0)),
        )

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits ``(N, K)`` and labels ``(N,)`` or ``(N, K)``; ``avg_factor`` is not used."""
        scores = label if label.ndim == 2 else F.one_hot(label, cls_score.shape[1])
        log_probs = cls_score.float().log_softmax(1)
        progress = host().progress()
        limit = 1.0 if progress is None else annealed_threshold(progress, cls_score.shape[1], self.schedule)
        scores = scores.to(log_probs)
        counts = ((log_probs.detach().exp() * scores).sum(1) <= limit).float()
        if weight is not None:
            counts = counts * weight
        losses = -(scores * log_probs).sum(1) * counts
        if reduction_override == 'none':
            return self.loss_weight * losses
        return self.loss_weight * losses.sum() / counts.sum().clamp(min=1)
