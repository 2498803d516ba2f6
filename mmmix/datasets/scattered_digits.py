"""Real digits somewhere on a cluttered canvas, of which it is known where they are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ..core import check
from ..core.fields import whole
from ..registry import DATASETS
from .digits import Digits, digits_of, enlarged


@DATASETS.register_module()
class ScatteredDigits(Digits):
    """Real digits of any place, size and colour among pieces of other digits, and the truth about where they are.

    An object somewhere in a larger picture, so that an area of it says little about how much of the object it shows:
    what a mixer hides, and what a label should say, can be counted. The digits are those of :class:`Digits`, with its
    split: no digit image, whole or in pieces, is in both. Each scene holds one digit, ``digit`` to half as much again
    pixels a side, whole inside the canvas, and below it ``clutter`` pieces of other digits of the split, half the least
    side high and wide. Each has a colour of its own, and the ground a dark one.

    What is known of a scene stands in its annotations (:meth:`get_data_info`) and, with ``meta_keys`` of
    ``PackInputs``, in the metainfo of a packed sample: ``ink``, the digit alone, ``(size, size)``, uint8, and ``box``,
    which is just around it: ``ink[top:bottom, left:right]``. Transforms that move pixels do not move them.

    Scene i depends on ``seed``, the split and i alone, and comes out alike everywhere. With ``scenes`` every digit is
    there several times, elsewhere each time: first come all digits once, then all of them again.

    Args:
        split (str): The part to load, "train" or "test". Defaults to "train".
        size (int): Height and width of the canvas. Defaults to 32.
        digit (int): The least side of a digit in pixels, two thirds of the largest. Defaults to 16.
        clutter (int): How many pieces of other digits lie around it. Defaults to 3.
        scenes (int): In how many scenes every digit is. Defaults to 1.
        seed (int): Which places, sizes and pieces. Defaults to 0.
        **kwargs: As :class:`Digits` takes them.

    Raises:
        ValueError: If an argument is out of range, or the largest digit is larger than the canvas.

    Example:
        >>> from mmmix.datasets import ScatteredDigits
        >>> scenes = ScatteredDigits(split='test', indices=10)
        >>> sample = scenes[3]
        >>> sample['img'].shape, sample['gt_label'], sample['ink'].shape
        ((32, 32, 3), 6, (32, 32))
        >>> top, bottom, left, right = sample['box']
        >>> bool((sample['ink'][top:bottom, left:right].sum() == sample['ink'].sum()))
        True
    """

    def __init__(
        self,
        split: str = 'train',
        size: int = 32,
        digit: int = 16,
        clutter: int = 3,
        scenes: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        size, self.digit, self.clutter, self.scenes, self.seed = check(
            self,
            size=(size, whole(default=32, least=1)),
            digit=(digit, whole(default=16, least=4)),
            clutter=(clutter, whole(default=3, least=0)),
            scenes=(scenes, whole(default=1, least=1)),
            seed=(seed, whole(default=0, least=0)),
        )
        if self.digit * 3 // 2 > size:
            raise ValueError(
                f'ScatteredDigits: digits of up to {self.digit * 3 // 2} pixels have no room on a canvas of '
                f'size={size}: set `digit` to at most {(2 * size + 1) // 3}, or a larger `size`.'
            )
        super().__init__(split, size, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Make the scenes of the split.

        Returns:
            list[dict]: One dict per scene: ``img``, ``(size, size, 3)``, uint8; ``gt_label``, an int; ``ink`` and
            ``box``, see the class.
        """
        digits = digits_of(self, self.split)
        return [self._scene(digits, i % len(digits), i) for i in range(self.scenes * len(digits))]

    def _scene(self, digits: list[tuple[np.ndarray, int]], row: int, number: int) -> dict:
        """One digit over what lies around it."""
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + 2 * number + (self.split == 'test'))
        draw = iter(torch.rand(9 * (self.clutter + 1), generator=generator, dtype=torch.float64).tolist())
        canvas = np.full((self.size, self.size, 3), 0.25 * _colour(draw))
        for _ in range(self.clutter):
            other = (row + 1 + _below(len(digits) - 1, draw)) % len(digits)
            piece = self._sized(digits[other][0], draw)
            side = self.digit // 2
            top, left = (_below(len(piece) - side + 1, draw) for _ in range(2))
            piece = piece[top : top + side, left : left + side]
            _paint(canvas[self._place(piece, draw)], piece, _colour(draw))
        image, label = digits[row]
        piece = self._sized(image, draw)
        place = self._place(piece, draw)
        _paint(canvas[place], piece, _colour(draw))
        ink = np.zeros((self.size, self.size), np.uint8)
        ink[place] = piece
        rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
        box = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        return {'img': np.rint(canvas).astype(np.uint8), 'gt_label': label, 'ink': ink, 'box': box}

    def _sized(self, image: np.ndarray, draw: Iterator[float]) -> np.ndarray:
        """A digit in one of the sizes that there are."""
        return enlarged(image, self.digit + _below(self.digit * 3 // 2 - self.digit + 1, draw))

    def _place(self, piece: np.ndarray, draw: Iterator[float]) -> tuple[slice, slice]:
        """Somewhere on the canvas where a piece lies whole."""
        top, left = (_below(self.size - side + 1, draw) for side in piece.shape)
        return slice(top, top + piece.shape[0]), slice(left, left + piece.shape[1])

    def extra_repr(self) -> list[str]:
        """Describe the scenes.

        Returns:
            list[str]: Lines for ``repr``.
        """
        sides = f'{self.digit} to {self.digit * 3 // 2}'
        return [*super().extra_repr(), f'Digits: \t{sides}', f'Clutter: \t{self.clutter}']


def _below(limit: int, draw: Iterator[float]) -> int:
    """A number from 0 to below the limit."""
    return int(limit * next(draw))


def _colour(draw: Iterator[float]) -> np.ndarray:
    """A bright colour: its largest channel is 255, its smallest 64."""
    colour = np.array([next(draw) for _ in range(3)])
    low, high = colour.min(), colour.max()
    return 64 + 191 * (colour - low) / (high - low)


def _paint(canvas: np.ndarray, ink: np.ndarray, colour: np.ndarray) -> None:
    """Paint over a part of a canvas as thickly as the ink says."""
    cover = ink[..., None] / 255
    canvas += cover * (colour - canvas)
