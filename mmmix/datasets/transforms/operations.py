"""The image operations of AugMix and PixMix, at a level drawn anew each time, on torchvision's functions."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as T

#: From a picture and a fraction of the operation's range to the changed picture.
Operation = Callable[[Image.Image, float], Image.Image]


def signed(value: float) -> float:
    """The number or its negative, with equal chance."""
    return -value if bool(torch.rand(()) < 0.5) else value


def moved(picture: Image.Image, across: float = 0.0, down: float = 0.0) -> Image.Image:
    """Shifted by whole pixels; what comes in is black."""
    return _affine(picture, translate=[int(across), int(down)])


def sheared(picture: Image.Image, across: float = 0.0, down: float = 0.0) -> Image.Image:
    """Sheared about the first pixel by so many pixels a row, or a column; what comes in is black."""
    return _affine(picture, shear=[math.degrees(math.atan(across)), math.degrees(math.atan(down))])


def _affine(picture: Image.Image, translate: list[int] | None = None, shear: list[float] | None = None) -> Image.Image:
    return T.affine(
        picture, angle=0.0, translate=translate or [0, 0], scale=1.0, shear=shear or [0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR, center=[0.0, 0.0],
    )  # fmt: skip


def rotated(picture: Image.Image, degrees: float) -> Image.Image:
    """Turned by whole degrees about the centre; what comes in is black."""
    return T.rotate(picture, int(degrees), interpolation=InterpolationMode.BILINEAR)


#: The nine that no benchmark of corruptions has.
GEOMETRY_AND_TONE: dict[str, Operation] = {
    'autocontrast': lambda picture, level: T.autocontrast(picture),
    'equalize': lambda picture, level: T.equalize(picture),
    'posterize': lambda picture, level: T.posterize(picture, 4 - int(4 * level)),
    'solarize': lambda picture, level: T.solarize(picture, 256 - int(256 * level)),
    'rotate': lambda picture, level: rotated(picture, signed(int(30 * level))),
    'shear_x': lambda picture, level: sheared(picture, across=signed(0.3 * level)),
    'shear_y': lambda picture, level: sheared(picture, down=signed(0.3 * level)),
    'translate_x': lambda picture, level: moved(picture, across=signed(int(picture.width / 3 * level))),
    'translate_y': lambda picture, level: moved(picture, down=signed(int(picture.height / 3 * level))),
}
#: The four that such benchmarks have too.
LIKE_CORRUPTIONS: dict[str, Operation] = {
    'color': lambda picture, level: T.adjust_saturation(picture, 0.1 + 1.8 * level),
    'contrast': lambda picture, level: T.adjust_contrast(picture, 0.1 + 1.8 * level),
    'brightness': lambda picture, level: T.adjust_brightness(picture, 0.1 + 1.8 * level),
    'sharpness': lambda picture, level: T.adjust_sharpness(picture, 0.1 + 1.8 * level),
}
#: The names of those that move pixels.
MOVERS = ('rotate', 'shear_x', 'shear_y', 'translate_x', 'translate_y')


def operations(all_ops: bool) -> list[Operation]:
    """The nine, or all thirteen."""
    return [*GEOMETRY_AND_TONE.values(), *(LIKE_CORRUPTIONS.values() if all_ops else ())]


def changed(picture: Image.Image, among: Sequence[Operation], severity: float) -> Image.Image:
    """The picture after one of the operations, at a level uniform in [0.1, severity] of 10."""
    chosen = among[int(torch.randint(len(among), ()))]
    return chosen(picture, (0.1 + (severity - 0.1) * float(torch.rand(()))) / 10)


def picture_of(image: np.ndarray, owner: str) -> Image.Image:
    """An image ``(H, W, C)`` or ``(H, W)`` of bytes as a picture.

    Raises:
        TypeError: If it does not hold bytes.
    """
    if image.dtype != np.uint8:
        raise TypeError(
            f'{owner} changes images of bytes, but got {image.dtype}: put it in front of transforms that normalise.'
        )
    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def array_of(picture: Image.Image, like: np.ndarray) -> np.ndarray:
    """A picture as floating point numbers of the shape of an image."""
    return np.asarray(picture, np.float32).reshape(like.shape)


def as_bytes(values: np.ndarray) -> np.ndarray:
    """Rounded to grey levels."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
