"""Pictures of hard samples: a contact sheet, and hardness over the course of training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .figures import figure_at


def picture(inputs: Tensor, to_rgb: bool) -> np.ndarray:
    """An image as the network gets it, before normalisation, for Matplotlib.

    Args:
        inputs (Tensor): ``(C, H, W)``, in [0, 255].
        to_rgb (bool): Whether its channels are blue, green, red.

    Returns:
        np.ndarray: ``(H, W, 3)`` or, with one channel, ``(H, W)``, uint8.
    """
    image = inputs.float()
    if to_rgb and len(image) == 3:
        image = image.flip(0)
    levels = image.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return levels[..., 0] if levels.shape[-1] == 1 else levels


def draw_sheet(
    images: Sequence[np.ndarray], titles: Sequence[str], path: str | Path, marked: Sequence[bool] | None = None
) -> None:
    """Draw a contact sheet.

    Args:
        images (Sequence[np.ndarray]): As :func:`picture` gives them.
        titles (Sequence[str]): A line or more above each, shown as they are.
        path (str | Path): Where it goes.
        marked (Sequence[bool], optional): Whose title is red. Defaults to None, nobody's.
    """
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    with figure_at(path, rows, columns, (1.7 * columns, 2.1 * rows)) as (_, axes):
        for axis in axes.flat:
            axis.axis('off')
        for axis, image, title, mark in zip(axes.flat, images, titles, marked or [False] * len(images), strict=False):
            axis.imshow(image, cmap='gray', vmin=0, vmax=255)
            axis.set_title(title, fontsize=7, color='red' if mark else 'black', parse_math=False)


def draw_histogram(iterations: Tensor, histogram: Tensor, path: str | Path) -> None:
    """Draw hardness over the course of training: one column for each agreement of the ranks, usually an epoch.

    Args:
        iterations (Tensor): ``(n,)`` when they agreed.
        histogram (Tensor): ``(n, bins)`` how many samples there were in each bin of hardness.
        path (str | Path): Where it goes.
    """
    share = histogram.float() / histogram.sum(1, keepdim=True).clamp(min=1)
    with figure_at(path, 1, 1, (6, 3.5)) as (figure, axes):
        axis = axes[0, 0]
        # Logarithmic, as most samples are easy before long.
        drawn = axis.imshow(
            share.clamp(min=1e-4).log10().T.numpy(),
            origin='lower',
            aspect='auto',
            extent=(0.5, len(share) + 0.5, 0, 1),
            vmin=-4,
            vmax=0,
        )
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel=f'epoch ({int(iterations[-1])} iterations in all)', ylabel='hardness')
        bar = figure.colorbar(drawn, label='share of the samples')
        bar.set_ticks([-4, -3, -2, -1, 0], labels=['0.01 % or less', '0.1 %', '1 %', '10 %', '100 %'])
