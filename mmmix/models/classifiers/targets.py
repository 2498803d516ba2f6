"""Labels as the classifier needs them, and what comes of them."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models import DeiTClsHead, DistilledVisionTransformer
from mmpretrain.structures import DataSample, MultiTaskDataSample
from torch import Tensor, nn


def classes_of(head: Any, preprocessor: Any) -> int:
    """How many classes there are, as the head or the preprocessor says; the preprocessor is told if it does not know.

    Args:
        head (nn.Module): The head.
        preprocessor (nn.Module): The data preprocessor.

    Raises:
        ValueError: If there is no head, or nobody knows, or they do not agree.
    """
    if head is None:
        raise ValueError('MixClassifier mixes labels, so it needs a `head`.')
    told = getattr(head, 'num_classes', None), getattr(preprocessor, 'num_classes', None)
    if all(told) and told[0] != told[1]:
        raise ValueError(
            f'MixClassifier: the head has {told[0]} classes but the data preprocessor {told[1]}: set `num_classes` '
            'alike in `head` and `data_preprocessor`.'
        )
    known = told[0] or told[1]
    if known is None:
        raise ValueError(
            'MixClassifier must know the number of classes: set `num_classes` in `head` or in `data_preprocessor`.'
        )
    if getattr(preprocessor, 'num_classes', known) is None:
        preprocessor.num_classes = known
    return int(known)


def check_tokens(backbone: Any, head: Any) -> None:
    """Refuse a head that takes one token where the backbone gives two, or two where it gives one.

    Args:
        backbone (nn.Module): The backbone.
        head (nn.Module): The head.

    Raises:
        ValueError: If they do not fit each other.
    """
    name, kind = type(head).__name__, type(backbone).__name__
    gives_two = isinstance(backbone, DistilledVisionTransformer) and backbone.out_type == 'cls_token'
    if gives_two and not isinstance(head, DeiTClsHead):
        of_two = 'mmmix.SUMixDeiTClsHead' if name.startswith('SUMix') else 'DeiTClsHead'
        raise ValueError(
            f'{name} takes one token, but {kind} gives a class and a distillation token: use {of_two}, or with '
            f'{name} the backbone VisionTransformer.'
        )
    if isinstance(head, DeiTClsHead) and not gives_two:
        raise ValueError(
            f'{name} takes a class and a distillation token, but {kind} does not give two: use the backbone '
            "DistilledVisionTransformer with out_type='cls_token', or VisionTransformerClsHead."
        )


def takes_views(head: Any) -> bool:
    """Whether the loss of a head compares further views of the images, and takes logits of them."""
    return getattr(getattr(head, 'loss_module', None), 'takes_views', False)


def rated(head: Any, logits: Tensor, scores: Tensor) -> dict[str, Tensor]:
    """What the log says of the predictions on a mixed batch: what the head makes of them, or their accuracy."""
    rate = getattr(head, 'rate_mix', None)
    return dict(mix_acc=mix_accuracy(logits, scores)) if rate is None else rate(logits, scores)


def missed(logits: Tensor, scores: Tensor) -> Tensor:
    """Whether the surest class of each image is none of its labels, ``(N,)``; of soft labels the largest count."""
    return scores.gather(1, logits.argmax(1, keepdim=True)).squeeze(1) < scores.amax(1)


def mix_accuracy(logits: Tensor, scores: Tensor) -> Tensor:
    """The share of the label that each prediction gets, averaged, in percent."""
    return 100 * scores.gather(1, logits.detach().argmax(1, keepdim=True)).mean()


def soft_samples(scores: Tensor) -> list[DataSample]:
    """Data samples that carry mixed labels and nothing else, so that the caller's stay as they are."""
    return [DataSample().set_gt_score(score) for score in scores]


def scores_of(data_samples: Sequence[Any] | None, num_classes: int, device: torch.device) -> Tensor:
    """The labels of a batch as ``(N, K)`` scores.

    Args:
        data_samples (Sequence[DataSample]): With ``gt_score``, or a ``gt_label`` of one class.
        num_classes (int): ``K``.
        device (torch.device): Where the scores belong.

    Raises:
        TypeError: If the samples are of several tasks.
        ValueError: If labels are missing, ambiguous or of a wrong width.
    """
    if not data_samples:
        raise ValueError('Mixing needs labels: pass data samples with `gt_label` or `gt_score`.')
    if isinstance(data_samples[0], MultiTaskDataSample):
        raise TypeError(
            'A MultiTaskDataSample has one label per task, so it has no single label to mix: train it with '
            "'ImageClassifier' and without mixers."
        )
    if all('gt_score' in sample for sample in data_samples):
        scores = torch.stack([sample.gt_score for sample in data_samples]).to(device)
        scores = scores if scores.is_floating_point() else scores.float()
    else:
        for i, sample in enumerate(data_samples):
            if 'gt_label' not in sample:
                raise ValueError(
                    f'Sample {i} has neither `gt_label` nor `gt_score`: load the annotations of the training set.'
                )
            if sample.gt_label.numel() != 1:
                raise ValueError(
                    f'Sample {i} has {sample.gt_label.numel()} labels: set `to_onehot=True` and `num_classes` in the '
                    '`data_preprocessor`, or give it a `gt_score`.'
                )
        labels = torch.cat([sample.gt_label for sample in data_samples]).to(device)
        scores = F.one_hot(labels, num_classes).float()
    if scores.shape[1] != num_classes:
        raise ValueError(
            f'Labels have {scores.shape[1]} classes but the head has {num_classes}: set `num_classes` alike in '
            '`head` and `data_preprocessor`.'
        )
    return scores


def whole_logits(output: Tensor | Sequence[Tensor]) -> Tensor:
    """The logits of a head; those of two branches (ConformerHead) are added, as it adds them to predict."""
    return output if isinstance(output, Tensor) else sum(output[1:], output[0])


class recorded_logits:  # noqa: N801 - a context manager, read like a function
    """Listen to what a head's ``forward`` gives while its loss runs: a list that ends in the logits."""

    def __init__(self, head: nn.Module):
        self.head = head
        self.heard: list[Tensor] = []

    def __enter__(self) -> list[Tensor]:
        self._handle = self.head.register_forward_hook(
            lambda module, args, output: self.heard.append(whole_logits(output))
        )
        return self.heard

    def __exit__(self, *_: Any) -> None:
        self._handle.remove()
