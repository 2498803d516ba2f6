"""What the network said of samples when it saw them last, in place of a clean pass."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...ops.devices import send


@dataclass(frozen=True)
class Remembered:
    """The predictions of all rows of the pool, as they are remembered: what a head gets with ``clean_pass='memory'``.

    Attributes:
        logits (Tensor): ``(M, K)``, up to a constant of each row; they mean nothing where nothing is known.
        labels (Tensor): ``(M,)`` class indices; a soft label counts as its largest class.
        known (Tensor): ``(M,)`` bool, whether the sample was ever seen unmixed.
    """

    logits: Tensor
    labels: Tensor
    known: Tensor

    @classmethod
    def of(cls, step: Any) -> 'Remembered':
        """Look up what is known of a step's pool.

        Args:
            step (Step): The step, once its partners are drawn.

        Raises:
            RuntimeError: If nobody remembers.
            ValueError: If partners do not say who they are.
        """
        table, head = step.model.predictions, type(step.model.head).__name__
        if table is None:
            raise RuntimeError(
                f"{head}: clean_pass='memory' asks the memory of predictions: add "
                "dict(type='mmmix.PredictionMemoryHook') to `custom_hooks`."
            )
        idx = torch.tensor(step.sample_idx())
        if len(step.pool) > len(idx):
            partners = step.mixer.partners
            if partners.drawn is None:
                raise ValueError(
                    f"{head}: clean_pass='memory' must know who the partners are, and those of "
                    f"{type(partners).__name__} are no samples of the training set: use clean_pass='lowres'."
                )
            idx = torch.cat([idx, partners.drawn])
        device = step.pool_scores.device
        rows = send(table.rows(idx), device)
        probabilities = table.probabilities(rows, table.num_classes)
        return cls(
            logits=probabilities.clamp_min(torch.finfo(torch.float32).tiny).log(),
            labels=step.pool_scores.argmax(1),
            known=send(table.known(idx), device),
        )
