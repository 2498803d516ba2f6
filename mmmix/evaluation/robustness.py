"""Accuracy and calibration of any mmpretrain classifier under changes of its images."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from .calibration import expected_calibration_error
from .pixels import Change, PixelClassifier


@dataclass(frozen=True)
class Result:
    """What a classifier does under one change.

    Attributes:
        test (str): The kind of change, e.g. ``'occlusion'``.
        amount (float): How much of it; 0 for unchanged images.
        top1 (float): Accuracy in percent.
        ece (float): Expected calibration error in percent.
        images (int): How many images were looked at.
        detail (str): Tells apart changes of one kind, e.g. the name of the corruption.
    """

    test: str
    amount: float
    top1: float
    ece: float
    images: int
    detail: str = ''


def evaluate(
    model: nn.Module,
    loader: Iterable[dict],
    change: Change | None = None,
    *,
    test: str = 'clean',
    amount: float = 0.0,
    detail: str = '',
    limit: int | None = None,
    bins: int = 15,
) -> Result:
    """Top-1 accuracy and calibration of a classifier on changed images.

    Args:
        model (nn.Module): An mmpretrain classifier with its data preprocessor; it is left as it was.
        loader (Iterable[dict]): Batches as MMEngine's test loader gives them.
        change (Change, optional): ``(pixels, labels) -> pixels`` on images in [0, 1]: :class:`FGSM`, :class:`PGD`,
            :class:`Occlusion`, :class:`Corruption` or a function. Defaults to None, unchanged images.
        test (str): Name for the result. Defaults to ``'clean'``.
        amount (float): Amount for the result. Defaults to 0.0.
        detail (str): Detail for the result. Defaults to ``''``.
        limit (int, optional): Look at the first so many images. Defaults to None, all.
        bins (int): Bins of the calibration error. Defaults to 15.

    Returns:
        Result: Accuracy and calibration.

    Raises:
        ValueError: If the loader gives nothing.
    """
    classifier = PixelClassifier(model)
    scores, labels, seen = [], [], 0
    for data in loader:
        pixels, truth = classifier.batch(data)
        if limit is not None:
            pixels, truth = pixels[: limit - seen], truth[: limit - seen]
        if change is not None:
            pixels = change(pixels, truth)
        with classifier.at_rest(), torch.no_grad():
            scores.append(classifier(pixels).softmax(1).cpu())
        labels.append(truth.cpu())
        seen += len(truth)
        if limit is not None and seen >= limit:
            break
    if not labels:
        raise ValueError('The loader gave no images: look at `test_dataloader` in the config.')
    every, truth = torch.cat(scores), torch.cat(labels)
    top1 = 100 * float((every.argmax(1) == truth).double().mean())
    return Result(test, amount, top1, expected_calibration_error(every, truth, bins), len(truth), detail)
