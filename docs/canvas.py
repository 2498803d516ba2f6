"""Pictures pixel by pixel: photographs are put where they belong and not resampled, and text stays sharp."""

from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps, get_data_path
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

INK, QUIET, LINE = '#1b1f24', '#59636e', '#d1d9e0'
#: Own image, partner, and whoever else there is.
COLOURS = ('#9ecae9', '#ffbf79', '#b7dfa9', '#d6bfe3', '#e0e0e0')


def font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The one that Matplotlib brings along."""
    face = Path(get_data_path()) / 'fonts' / 'ttf' / f'DejaVuSans{"-Bold" if bold else ""}.ttf'
    return ImageFont.truetype(str(face), size)


class Canvas:
    """A white picture to draw on.

    Args:
        width (int): In pixels.
        height (int): In pixels.
    """

    def __init__(self, width: int, height: int):
        self.picture = Image.new('RGB', (width, height), 'white')
        self.draw = ImageDraw.Draw(self.picture)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size: int = 13,
        bold: bool = False,
        fill: str = INK,
        anchor: str = 'la',
    ) -> None:
        """Write a line; the anchor is Pillow's."""
        self.draw.text(at, text, fill=fill, font=font(size, bold), anchor=anchor)

    def width(self, text: str, size: int, bold: bool = False) -> float:
        """How wide a line is."""
        return self.draw.textlength(text, font(size, bold))

    def put(self, image: Tensor, at: tuple[int, int], side: int | None = None) -> None:
        """Put an image there, ``(3, H, W)`` grey levels, or ``(H, W)`` in [0, 1] of a mask."""
        levels = (image * 255).expand(3, *image.shape) if image.ndim == 2 else image
        pixels = levels.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        if side is not None and side != picture.width:
            picture = picture.resize(
                (side, side), Image.Resampling.BOX if image.ndim == 2 else Image.Resampling.LANCZOS
            )
        self.picture.paste(picture, at)
        self.frame(at, (picture.width, picture.height))

    def frame(self, at: tuple[int, int], size: tuple[int, int], fill: str = LINE) -> None:
        """A thin line around a place."""
        self.draw.rectangle((at[0], at[1], at[0] + size[0] - 1, at[1] + size[1] - 1), outline=fill)

    def bars(
        self, at: tuple[int, int], width: int, shares: list[tuple[str, float, str]], height: int = 22, size: int = 12
    ) -> None:
        """A bar for each share of a label: name, share, colour."""
        x, y = at
        for name, share, colour in shares:
            self.draw.rectangle((x, y, x + max(2, round(share * width)), y + height - 4), fill=colour)
            self.text((x + 5, y + (height - 4) / 2), f'{name}  {share:.2f}', size, anchor='lm')
            y += height

    def save(self, path: Path) -> None:
        """Write it with 256 colours: a third of the size."""
        found = self.picture.quantize(256, Image.Quantize.MEDIANCUT, kmeans=2)
        palette = (found.getpalette() or [])[: 3 * 256]
        white = found.getpixel((0, 0))
        palette[3 * white : 3 * white + 3] = [255, 255, 255]
        colours = Image.new('P', (1, 1))
        colours.putpalette(palette)
        # Only with a palette that is given does Pillow dither.
        drawn = self.picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
        blank = self.picture.convert('L').point(lambda level: 255 * (level == 255))
        drawn.paste(white, mask=blank)
        drawn.save(path, optimize=True)


def heat(importance: Tensor) -> Tensor:
    """A map in colours, ``(H, W)`` to ``(3, H, W)`` grey levels; the lowest value is the darkest."""
    low, high = importance.amin(), importance.amax()
    shares = ((importance - low) / (high - low).clamp(min=1e-12)).detach().cpu().numpy()
    return 255 * torch.from_numpy(colormaps['inferno'](shares)[..., :3]).float().permute(2, 0, 1)
