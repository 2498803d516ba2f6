"""How far predicted numbers are from the labels."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class RegressionError(BaseMetric):
    """Root mean squared and mean absolute error of ``pred_score`` against ``gt_score``, for a ``RegressionHead``.

    Args:
        **kwargs: As in MMEngine's ``BaseMetric``.

    Example:
        >>> val_evaluator = dict(type='mmmix.RegressionError')
    """

    default_prefix = 'regression'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the errors of a batch."""
        for sample in data_samples:
            if 'gt_score' not in sample:
                raise ValueError(
                    'RegressionError compares with `gt_score`, which a sample does not have: let a transform write it '
                    'in front of PackInputs.'
                )
            self.results.append((sample['pred_score'].cpu() - sample['gt_score'].cpu()).double())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Both errors over all numbers of all samples."""
        errors = torch.cat(results)
        return dict(rmse=float(errors.square().mean().sqrt()), mae=float(errors.abs().mean()))
