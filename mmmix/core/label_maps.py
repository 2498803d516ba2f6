"""Labels of the pixels of a mixed batch."""

import torch
from torch import Tensor

from .sources import Layer, Sources


def mix_label_maps(
    sources: Sources, maps: Tensor, form: str = 'majority', ignore_index: int = 255, num_classes: int | None = None
) -> Tensor:
    """The labels of the pixels of a mixed batch.

    Args:
        sources (Sources): What :func:`mmmix.core.sources.trace` gave.
        maps (Tensor): ``(N, H, W)`` class indices of the clean batch.
        form (str): ``'majority'`` gives each pixel the label of the image that it shows most of, the own one where both
            are equal; where the mask is binary, as CutMix's, that is all of it. ``'soft'`` gives shares of classes.
            Defaults to ``'majority'``.
        ignore_index (int): The index of pixels without a label. Pixels that show no image, as behind Cutout, get it
            too. Defaults to 255.
        num_classes (int, optional): Needed for ``'soft'``. Defaults to None.

    Returns:
        Tensor: ``(N, H, W)`` class indices in the dtype of ``maps``, or ``(N, num_classes, H, W)`` shares, float32;
        there a pixel that is ignored in part adds up to less than 1.

    Raises:
        TypeError: If the maps are no class indices.
        ValueError: If the maps do not fit the images, or the form is unknown or lacks its classes.

    Example:
        >>> import torch
        >>> from mmmix import CutMix
        >>> from mmmix.core.label_maps import mix_label_maps
        >>> from mmmix.core.sources import trace
        >>> maps = torch.arange(4)[:, None, None].expand(4, 8, 8)
        >>> images = maps[:, None].float()  # painted with their class
        >>> sources = trace(CutMix(), images)
        >>> torch.equal(mix_label_maps(sources, maps), sources.mix.images[:, 0].long())
        True
    """
    if form not in ('majority', 'soft'):
        raise ValueError(f"`form` must be 'majority' or 'soft', but got {form!r}.")
    if form == 'soft' and num_classes is None:
        raise ValueError("Soft label maps have a plane for each class: pass `num_classes`, or form='majority'.")
    if maps.is_floating_point() or maps.dtype == torch.bool:
        raise TypeError(f'Expected maps of class indices, but got {maps.dtype}: pass whole numbers, e.g. int64.')
    clean = sources.mix.pool
    if maps.shape != (len(clean), *clean.shape[2:]):
        raise ValueError(
            f'Expected label maps of shape {(len(clean), *clean.shape[2:])}, one for each image and pixel, but got '
            f'{tuple(maps.shape)}: resize and crop them with the images.'
        )
    labels = [_looked_up(layer, maps, ignore_index) for layer in sources.layers]
    if form == 'majority':
        return torch.where(sources.own.weight >= 0.5, labels[0], labels[1])
    soft = torch.zeros(len(maps), num_classes, *labels[0].shape[1:], device=maps.device)  # type: ignore[arg-type]
    for layer, label in zip(sources.layers, labels, strict=True):
        known = label != ignore_index
        index = torch.where(known, label, 0).long()[:, None]
        soft.scatter_add_(1, index, (layer.weight * known)[:, None])
    return soft


def _looked_up(layer: Layer, maps: Tensor, ignore_index: int) -> Tensor:
    """The label of each pixel of a layer."""
    return maps[layer.nearest(*maps.shape[1:])].masked_fill(layer.row < 0, ignore_index)
