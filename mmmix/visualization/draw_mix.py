"""Pictures of mixed batches: own, partner, what guided the cut, mask, mixed, soft label."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ..core import Mix
from ..datasets.names import class_name

__all__ = ['draw_mix', 'to_pixels']


def to_pixels(images: Tensor, mean: Tensor | None = None, std: Tensor | None = None) -> np.ndarray:
    """Undo the normalisation of the data preprocessor.

    Args:
        images (Tensor): ``(N, C, H, W)`` normalised images, RGB or of one channel.
        mean (Tensor, optional): Mean per channel, in pixel values. Defaults to None, 0.
        std (Tensor, optional): Standard deviation per channel. Defaults to None, 1.

    Returns:
        np.ndarray: ``(N, H, W, 3)``, uint8. Images without a mean are stretched from their least to their largest
            value.
    """
    pixels = images.detach().float().cpu()
    if mean is not None and std is not None:
        pixels = pixels * std.detach().float().cpu().view(-1, 1, 1) + mean.detach().float().cpu().view(-1, 1, 1)
    else:
        low, high = pixels.amin(), pixels.amax()
        pixels = (pixels - low) / (high - low).clamp(min=1e-12) * 255
    if pixels.shape[1] != 3:
        pixels = pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return pixels.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def draw_mix(
    mix: Mix,
    mean: Tensor | None = None,
    std: Tensor | None = None,
    classes: Sequence[str] | None = None,
    maps: Mapping[str, Tensor] | None = None,
    rows: int = 6,
    title: str | None = None,
) -> np.ndarray:
    """Draw the first images of a mix, one row each.

    The columns are the own image, its partner, the maps, the own mask, the mixed image and the largest shares of its
    label.

    Args:
        mix (Mix): The mixed batch.
        mean (Tensor, optional): The data preprocessor's mean, to undo it. Defaults to None.
        std (Tensor, optional): The data preprocessor's standard deviation. Defaults to None.
        classes (Sequence[str], optional): Names of the classes, shown as they are. Defaults to None; a class without a
            name is shown by its number.
        maps (Mapping[str, Tensor], optional): Further columns: a name and ``(N, 1, H, W)`` each, e.g. what a guide
            said. Defaults to None.
        rows (int): How many images at most. Defaults to 6.
        title (str, optional): A line above. Defaults to None.

    Returns:
        np.ndarray: The picture, ``(H, W, 3)``, uint8, RGB.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, draw_mix
        >>> picture = draw_mix(CutMix().mix(torch.rand(4, 3, 16, 16), torch.eye(4)), rows=2)
        >>> picture.ndim, picture.dtype
        (3, dtype('uint8'))
    """
    rows = min(rows, len(mix.images))
    maps = dict(maps or {})
    own, mixed = (to_pixels(images[:rows], mean, std) for images in (mix.pool, mix.images))
    partners = to_pixels(mix.pool[mix.partner[:rows]], mean, std)
    columns = ['own', 'partner', *maps, 'mask', 'mixed', 'label']
    figure = Figure(figsize=(1.5 * len(columns), 1.55 * rows + 0.4), dpi=110, layout='constrained')
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for i in range(rows):
        pictures = [
            own[i],
            partners[i],
            *(heat[i, 0].detach().cpu().numpy() for heat in maps.values()),
            mix.mask[i, 0].cpu().numpy(),
            mixed[i],
        ]
        for k, (axis, picture) in enumerate(zip(axes[i], pictures, strict=False)):
            is_mask = columns[k] == 'mask'
            axis.imshow(picture, cmap='gray' if is_mask else 'inferno', **(dict(vmin=0, vmax=1) if is_mask else {}))
            axis.set(xticks=[], yticks=[])
        _draw_label(axes[i, -1], mix.scores[i], classes)
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name, fontsize=10, parse_math=False)
    if title:
        figure.suptitle(title, fontsize=10, parse_math=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_label(axis, scores: Tensor, classes: Sequence[str] | None) -> None:
    """Bars for the largest label shares that are not zero."""
    values, labels = scores.detach().float().cpu().topk(min(3, len(scores)))
    names = [class_name(label, classes) for label in labels.tolist()]
    shown = [(name, value) for name, value in zip(names, values.tolist(), strict=True) if value > 0]
    axis.barh(range(len(shown)), [value for _, value in shown], color='0.75')
    for y, (name, value) in enumerate(shown):
        axis.text(0.03, y, f'{name}  {value:.2f}', va='center', fontsize=9, parse_math=False)
    axis.set(xlim=(0, 1), ylim=(2.6, -0.6))
    axis.set_axis_off()
