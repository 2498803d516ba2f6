"""How far a network's confidence is from its accuracy."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..core import check
from ..core.fields import whole
from ..registry import METRICS

_BINS = whole(default=15, least=1)


def expected_calibration_error(scores: Tensor, labels: Tensor, bins: int = 15) -> float:
    """The expected calibration error, in percent, over bins of equal width.

    `On Calibration of Modern Neural Networks <https://arxiv.org/abs/1706.04599>`_: the gap between mean confidence and
    accuracy in each bin of confidence, weighed by how many predictions fall into it.

    Args:
        scores (Tensor): ``(N, K)`` probabilities.
        labels (Tensor): ``(N,)`` classes.
        bins (int): How many. Defaults to 15.

    Returns:
        float: Between 0 and 100.

    Raises:
        ValueError: If there are no predictions, no bins, or the scores are no probabilities.

    Example:
        >>> import torch
        >>> from mmmix.evaluation import expected_calibration_error
        >>> scores = torch.tensor([[0.75, 0.25]] * 4)
        >>> expected_calibration_error(scores, torch.tensor([0, 0, 0, 1]))
        0.0
    """
    check('expected_calibration_error', bins=(bins, _BINS))
    if scores.ndim != 2 or len(scores) == 0 or len(scores) != len(labels):
        raise ValueError(f'Expected (N, K) probabilities and (N,) labels, but got {scores.shape} and {labels.shape}.')
    confidence, predicted = scores.double().max(1)
    if float(scores.min()) < 0 or float(confidence.max()) > 1 + 1e-4:
        raise ValueError('`scores` must be probabilities: apply a softmax to logits first.')
    right = (predicted == labels).double()
    # The bins are (0, 1/bins], ..., (1 - 1/bins, 1].
    which = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gap = torch.zeros(bins, dtype=torch.float64, device=scores.device).index_add_(0, which, right - confidence)
    return 100 * float(gap.abs().sum() / len(scores))


@METRICS.register_module()
class CalibrationError(BaseMetric):
    """The expected calibration error as a metric for ``val_evaluator`` and ``test_evaluator``, in percent.

    Args:
        bins (int): Bins of equal width. Defaults to 15.
        **kwargs: As in MMEngine's ``BaseMetric``.

    Raises:
        ValueError: If there are no bins.

    Example:
        ``test_evaluator = [dict(type='Accuracy'), dict(type='mmmix.CalibrationError')]``
    """

    default_prefix = 'calibration'

    def __init__(self, bins: int = 15, **kwargs: Any):
        super().__init__(**kwargs)
        (self.bins,) = check(self, bins=(bins, _BINS))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the scores and the label of each sample."""
        for sample in data_samples:
            self.results.append((sample['pred_score'].cpu(), int(sample['gt_label'])))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Work out the error over all samples."""
        scores = torch.stack([score for score, _ in results])
        return dict(ece=expected_calibration_error(scores, torch.tensor([label for _, label in results]), self.bins))
