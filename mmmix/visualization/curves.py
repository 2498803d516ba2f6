"""Curves, one panel for each quantity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .figures import figure_at

Points = Sequence[tuple[float, float]]


def draw_curves(
    curves: Mapping[str, Points | Mapping[str, Points]],
    settings: Mapping[str, Mapping[str, Any]],
    path: str | Path,
    panel: tuple[float, float] = (5, 3.5),
) -> None:
    """Draw curves side by side; nothing is written where there are none.

    Args:
        curves (Mapping[str, Points | Mapping[str, Points]]): The points of each quantity, or those of several lines by
            their names.
        settings (Mapping[str, Mapping[str, Any]]): For each quantity what Matplotlib's ``Axes.set`` takes: labels and
            limits.
        path (str | Path): Where the picture goes.
        panel (tuple[float, float]): Width and height of a panel in inches. Defaults to ``(5, 3.5)``.
    """
    if not curves:
        return
    width, height = panel
    with figure_at(path, 1, len(curves), (width * len(curves), height)) as (_, axes):
        for axis, (name, points) in zip(axes[0], curves.items(), strict=True):
            for label, line in points.items() if isinstance(points, Mapping) else [('', points)]:
                axis.plot(*zip(*line, strict=True), marker='.', label=label)
            if isinstance(points, Mapping):
                axis.legend()
            axis.set(**settings[name])
            axis.grid(alpha=0.3)
