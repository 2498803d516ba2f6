"""A figure that becomes a file, without a window and without a global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@contextmanager
def figure_at(
    path: str | Path, rows: int, columns: int, size: tuple[float, float], dpi: int = 120
) -> Iterator[tuple[Figure, Any]]:
    """Draw into a grid of panels, which is written when the context ends.

    Args:
        path (str | Path): Where the picture goes.
        rows (int): Rows of panels.
        columns (int): Columns of panels.
        size (tuple[float, float]): Width and height in inches.
        dpi (int): Pixels per inch. Defaults to 120.

    Yields:
        tuple[Figure, np.ndarray]: The figure and its axes, ``(rows, columns)``.
    """
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    yield figure, figure.subplots(rows, columns, squeeze=False)
    figure.savefig(path, dpi=dpi)
