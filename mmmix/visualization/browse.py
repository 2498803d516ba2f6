"""One batch of a loader, as every mixer of a classifier would mix it."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from torch import Tensor

from .. import console
from ..core import Mix, Mixer
from ..keeps import QuantileKeep, choices_of
from ..models.classifiers.targets import scores_of
from ..registry import BATCH_AUGMENTS
from .draw_mix import draw_mix


def first_mix(mixer: Mixer, images: Tensor, scores: Tensor) -> Mix:
    """A mix in which something was mixed, whatever the mixer's ``prob``.

    Args:
        mixer (Mixer): The mixer.
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Returns:
        Mix: The mixed batch.
    """
    prob, mixer.prob = mixer.prob, 1.0
    try:
        return mixer.mix(images, scores)
    finally:
        mixer.prob = prob


def mix_and_maps(mixer: Any, images: Tensor, scores: Tensor) -> tuple[Mix, dict[str, Tensor]]:
    """Mix a batch, and tell what the mixer's guide and keep looked at.

    Args:
        mixer (Mixer): The mixer.
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)`` clean labels.

    Returns:
        tuple[Mix, dict[str, Tensor]]: The mix, and columns of the picture, ``(N, 1, H, W)`` each: what the guide says;
        with a keep also the importance of the box around each centre, and in the last one only where the box may fall.
    """
    keep, guide = getattr(mixer, 'keep', None), getattr(mixer, 'guide', None)
    if not isinstance(keep, QuantileKeep):
        mix = first_mix(mixer, images, scores)
        maps = {} if guide is None else {type(guide).__name__: guide(mix.pool[: len(scores)], scores)}
        return mix, maps
    with choices_of(keep) as choices:
        mix = first_mix(mixer, images, scores)
    (choice,) = choices
    nowhere = torch.tensor(float('nan'))
    return mix, {
        type(keep.guide).__name__: choice.importance,
        'box around': torch.where(choice.candidates, choice.sums, nowhere)[:, None],
        'allowed': torch.where(choice.allowed, choice.sums, nowhere)[:, None],
    }


def every_mixer(model: Any) -> Iterator[Mixer]:
    """All registered mixers with their defaults, as far as they fit the network; the others are named.

    Args:
        model (MixClassifier): What their guides look at.

    Yields:
        Mixer: A mixer in force in the model.
    """
    progress = console.Progress(len(BATCH_AUGMENTS.module_dict), 'Mixer', every=2)
    for name in sorted(BATCH_AUGMENTS.module_dict):
        try:
            model.data_preprocessor.batch_augments = RandomBatchAugment(dict(type=f'mmmix.{name}'))
            (mixer,) = model.mixers()
        except (TypeError, ValueError) as error:
            print(f'{name} sits out: {error}')
        else:
            yield mixer
        progress.step()


def arrange(pictures: Sequence[Tensor], columns: int) -> Tensor:
    """Put pictures into columns, reading from left to right, on white.

    Args:
        pictures (Sequence[Tensor]): ``(H, W, 3)`` each, uint8.
        columns (int): How many side by side.

    Returns:
        Tensor: ``(H, W, 3)``, uint8.
    """
    width = max(picture.shape[1] for picture in pictures)
    lines = []
    for start in range(0, len(pictures), columns):
        line = pictures[start : start + columns]
        height = max(picture.shape[0] for picture in line)
        line = [F.pad(p, (0, 0, 0, width - p.shape[1], 0, height - p.shape[0]), value=255) for p in line]
        lines.append(F.pad(torch.cat(line, 1), (0, 0, 0, width * (columns - len(line))), value=255))
    return torch.cat(lines)


def draw_batch(model: Any, loader: Any, rows: int, everything: bool = False) -> list[Tensor]:
    """Draw the first batch of a loader as the mixers of a classifier mix it.

    Args:
        model (MixClassifier): The classifier.
        loader (DataLoader): The training loader.
        rows (int): How many images of each mixer.
        everything (bool): Draw all registered mixers in place of the classifier's; one that does not fit is named.
            Defaults to False.

    Returns:
        list[Tensor]: A picture for each mixer, ``(H, W, 3)``, uint8.
    """
    mixers = every_mixer(model) if everything else iter(list(model.mixers()))
    batch = model.data_preprocessor(next(iter(loader)), training=True)
    images, scores = batch['inputs'], scores_of(batch['data_samples'], model.num_classes, batch['inputs'].device)
    classes = (getattr(loader.dataset, 'metainfo', None) or {}).get('classes')
    mean, std = (getattr(model.data_preprocessor, name, None) for name in ('mean', 'std'))
    pictures = []
    for mixer in mixers:
        with torch.no_grad():
            try:
                mix, maps = mix_and_maps(mixer, images, scores)
            except (RuntimeError, ValueError) as error:
                if not everything:
                    raise
                print(f'{type(mixer).__name__} sits out: {error}')
                continue
        pictures.append(torch.from_numpy(draw_mix(mix, mean, std, classes, maps, rows, title=type(mixer).__name__)))
    return pictures
