"""What a mixer may be given: images of which shape and type, and labels as scores or as class indices."""

from typing import Any, Protocol

import torch
from torch import Tensor

from .roles import Guide, Labels


class Taking(Protocol):
    """What the checks ask a mixer."""

    num_classes: int | None
    label_smoothing: float
    check_finite: bool

    def takes(self, images: Tensor) -> bool:
        """Whether it mixes batches of so many dimensions."""

    @property
    def picks(self) -> bool:
        """Whether every pixel goes into the mix as it is."""


def check_batch(mixer: Taking, images: Any, labels: Any) -> Tensor:
    """Refuse a batch that cannot be mixed, in one line that says what to do; else make its labels scores.

    Args:
        mixer (Taking): Who is to mix it.
        images (Tensor): What should be images: of a floating point type, or uint8 where the mixer picks pixels.
        labels (Tensor): What should be ``(N, K)`` scores or ``(N,)`` class indices.

    Returns:
        Tensor: ``(N, K)``, floating point.

    Raises:
        TypeError: If images or labels are of another type.
        ValueError: If they do not fit each other, or class indices do not fit ``num_classes``.
    """
    _check_images(mixer, images)
    if not isinstance(labels, Tensor):
        raise TypeError(
            f'Expected labels of shape (N, K) or (N,), but got {type(labels).__name__}: pass one-hot or soft scores, '
            'or class indices, e.g. `torch.tensor(labels)`.'
        )
    if labels.ndim != 2 and not is_indices(labels):
        raise ValueError(
            f'Expected labels of shape (N, K), or class indices of shape (N,), but got {labels.dtype} of shape '
            f'{tuple(labels.shape)}: make them one-hot first, e.g. `torch.nn.functional.one_hot(labels, num_classes)`.'
        )
    if labels.ndim == 2 and labels.shape[1] == 1 and not labels.is_floating_point():
        raise ValueError(
            f'Expected labels of shape (N, K), but got whole numbers of shape {tuple(labels.shape)}: class indices '
            f'must have the shape (N,), so pass `labels.flatten()`{"" if mixer.num_classes else " and `num_classes`"}, '
            'or `torch.nn.functional.one_hot(labels.flatten(), num_classes)`.'
        )
    if len(images) == 0:
        raise ValueError('The batch is empty: there is nothing to mix, so skip it or drop empty batches in the loader.')
    if len(images) != len(labels):
        raise ValueError(f'Got {len(images)} images but {len(labels)} labels: pass one row of scores per image.')
    if images.device != labels.device:
        raise ValueError(f'Images are on {images.device} but labels on {labels.device}: move both to one device.')
    if mixer.check_finite and not bool(torch.isfinite(images).all()):
        raise ValueError('Some images hold NaN or infinity: look at the data pipeline and at `mean` and `std`.')
    scores = _as_scores(mixer, labels)
    if mixer.label_smoothing and scores.shape[1] == 1:
        raise ValueError(
            f'{type(mixer).__name__}: `label_smoothing` spreads a label over classes, but labels {tuple(labels.shape)} '
            'have one: set label_smoothing=0.'
        )
    return scores


def is_indices(labels: Tensor) -> bool:
    """Whether labels are class indices: whole numbers of shape ``(N,)``."""
    kinds = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
    return labels.ndim == 1 and labels.dtype in kinds


def _check_images(mixer: Taking, images: Any) -> None:
    """Refuse images of a type or a shape that cannot be mixed."""
    name = type(mixer).__name__
    if not isinstance(images, Tensor):
        raise TypeError(
            f'Only floating point images can be mixed, but got {type(images).__name__}: pass a tensor, e.g. '
            '`torch.as_tensor(images).float()`.'
        )
    if not images.is_floating_point() and not (images.dtype == torch.uint8 and mixer.picks and not looks(mixer)):
        raise TypeError(
            f'Only floating point images can be mixed by this {name}, but got {images.dtype}: call `.float()` or '
            'normalise first.'
        )
    if mixer.takes(images):
        return
    if images.ndim == 5:
        raise ValueError(
            f'This {name} looks at images, and {tuple(images.shape)} are clips: mix their frames as images, or use a '
            'mixer that looks at nothing.'
        )
    raise ValueError(
        f'Expected images of shape (N, C, H, W), but got {tuple(images.shape)}: add the missing dimensions, e.g. '
        '`images[None]`.'
    )


def _as_scores(mixer: Taking, labels: Tensor) -> Tensor:
    """Labels as scores: class indices one-hot, whole numbers as floating point."""
    classes, name = mixer.num_classes, type(mixer).__name__
    if labels.ndim == 2:
        if classes is not None and labels.shape[1] != classes:
            raise ValueError(
                f'{name}: labels have {labels.shape[1]} classes, but num_classes={classes}: correct one of them.'
            )
        return labels if labels.is_floating_point() else labels.float()
    if classes is None:
        raise ValueError(
            f'{name} must know how many classes there are to take class indices: pass `num_classes`, e.g. '
            f'{name}(num_classes=10), or make labels one-hot with `torch.nn.functional.one_hot`.'
        )
    indices = labels.long()
    # Elsewhere the device itself refuses an index out of range, so that nobody waits for it.
    if labels.device.type == 'cpu' and not torch.compiler.is_compiling():
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f'{name}: class indices run from {low} to {high}, but num_classes={classes}: they must lie in '
                f'[0, {classes - 1}].'
            )
    return torch.zeros(len(labels), classes, device=labels.device).scatter_(1, indices[:, None], 1.0)


def looks(mixer: Any) -> bool:
    """Whether anything but the partners looks at images or at a model, so that a batch must be one of images."""
    asked = [mixer, *(part for part in mixer.parts() if isinstance(part, Guide | Labels))]
    return any(part.needs_model or isinstance(part, Guide) for part in asked)


def as_frames(maps: Tensor) -> Tensor:
    """Clips ``(N, C, T, H, W)`` as images whose channels are those of all frames; images as they are."""
    return maps.flatten(1, -3) if maps.ndim > 4 else maps


def as_clips(mixed: Tensor, mask: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """What was mixed as :func:`as_frames` as clips again, and its mask as one that is the same in all frames."""
    mask = mask[(None,) * (4 - mask.ndim)]
    return mixed.view(len(mixed), *clips.shape[1:]), mask[(slice(None), slice(None)) + (None,) * (clips.ndim - 4)]
