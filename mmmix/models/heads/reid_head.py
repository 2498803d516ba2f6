"""A head for re-identification."""

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...core import check
from ...core.fields import number
from ...registry import MODELS


def batch_hard_triplet(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The triplet loss of each sample with its farthest positive and its nearest negative in the batch, averaged.

    `In Defense of the Triplet Loss for Person Re-Identification <https://arxiv.org/abs/1703.07737>`_.

    Args:
        features (Tensor): ``(N, D)``.
        labels (Tensor): ``(N,)``.
        margin (float): By how much a negative must be farther away.

    Returns:
        Tensor: A scalar, float32; samples without a negative in the batch add nothing.
    """
    features = features.float()
    square = features.square().sum(1)
    # The root of 0 has no gradient.
    distances = (square[:, None] + square - 2 * features @ features.T).clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels
    farthest = torch.where(same, distances, -torch.inf).amax(1)
    nearest = torch.where(same, torch.inf, distances).amin(1)
    return (farthest - nearest + margin).clamp(min=0).mean()


@MODELS.register_module()
class ReIDHead(LinearClsHead):
    """The head of the strong re-identification baseline: a batch norm between the triplet loss and the classes.

    `Bag of Tricks and A Strong Baseline for Deep Person Re-identification <https://arxiv.org/abs/1903.07071>`_. The
    features in front of the norm get the batch-hard triplet loss, what comes out of it a linear layer without bias and
    the cross entropy; its shift is fixed. At inference what comes out of the norm is the ``feature`` that
    :class:`mmmix.Ranking` compares. A batch needs several samples of each class, see :class:`mmmix.SomeOfEach`; labels
    must not be mixed, so take mixers that leave them alone, such as :class:`mmmix.KeepRandomErasing`.

    Deviation from the paper: there is no center loss, one of its six tricks.

    Args:
        num_classes (int): Persons of the training split.
        in_channels (int): Width of the features.
        margin (float): Of the triplet loss. Defaults to 0.3.
        triplet_weight (float): Weight of the triplet loss. Defaults to 1.0.
        **kwargs: As ``LinearClsHead`` takes them, e.g. ``loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)``.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix.models import ReIDHead
        >>> head = ReIDHead(num_classes=3, in_channels=8, loss=dict(type='mmpretrain.CrossEntropyLoss'))
        >>> samples = [DataSample().set_gt_label(i // 2) for i in range(6)]
        >>> sorted(head.loss((torch.rand(6, 8),), samples))
        ['loss', 'loss_triplet']
    """

    def __init__(
        self, num_classes: int, in_channels: int, margin: float = 0.3, triplet_weight: float = 1.0, **kwargs: Any
    ):
        super().__init__(num_classes=num_classes, in_channels=in_channels, **kwargs)
        self.margin, self.triplet_weight = check(
            self,
            margin=(margin, number(default=0.3, least=0)),
            triplet_weight=(triplet_weight, number(default=1.0, least=0)),
        )
        self.norm = nn.BatchNorm1d(in_channels)
        self.norm.bias.requires_grad_(False)
        self.fc = nn.Linear(in_channels, num_classes, bias=False)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits ``(N, K)``."""
        return self.fc(self.norm(self.pre_logits(feats)))

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any) -> dict[str, Tensor]:
        """The cross entropy and the triplet loss; see ``ClsHead.loss``."""
        losses = super().loss(feats, data_samples, **kwargs)
        if 'gt_score' in data_samples[0]:
            labels = torch.stack([sample.gt_score for sample in data_samples]).argmax(1)
        else:
            labels = torch.cat([sample.gt_label for sample in data_samples])
        features = self.pre_logits(feats)
        triplet = batch_hard_triplet(features, labels.to(features.device), self.margin)
        return {**losses, 'loss_triplet': self.triplet_weight * triplet}

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Scores as any head's, and the ``feature`` of each image."""
        features = self.norm(self.pre_logits(feats))
        predictions = self._get_predictions(self.fc(features), data_samples)
        for sample, feature in zip(predictions, F.normalize(features), strict=True):
            sample.set_field(feature, 'feature')
        return predictions
