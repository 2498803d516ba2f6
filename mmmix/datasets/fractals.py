"""Pictures that nobody has to download: fractals of random affine iterated function systems."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: So many are drawn at once, from a generator of their own: a picture does not depend on how many there are.
_BLOCK = 64
#: Affine maps of a system, at most.
_MAPS = 6


def fractals(count: int, size: int = 64, seed: int = 0) -> np.ndarray:
    """Draw fractals in colour.

    Each is the attractor of two to six random affine maps, drawn by the chaos game: points jump by one map after the
    other and are counted where they land. A map has a colour, which its points take on by half with each jump; the
    brightness is the logarithm of the count, over a background of one colour. The same seed gives the same pictures,
    and the first ones are the same however many there are.

    Args:
        count (int): How many.
        size (int): Height and width. Defaults to 64.
        seed (int): Which ones. Defaults to 0.

    Returns:
        np.ndarray: ``(count, size, size, 3)``, uint8.

    Example:
        >>> from mmmix.datasets.fractals import fractals
        >>> fractals(2, size=16).shape
        (2, 16, 16, 3)
    """
    blocks = []
    for first in range(0, count, _BLOCK):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
        blocks.append(_render(*_systems(generator), size, generator))
    return torch.cat(blocks)[:count].numpy()


@lru_cache(maxsize=4)
def kept_fractals(count: int, size: int, seed: int, folder: str | None = None) -> np.ndarray:
    """The same, drawn once in a process, and once for all with a folder to keep them in.

    Args:
        count (int): As above.
        size (int): As above.
        seed (int): As above.
        folder (str, optional): Where they are kept as an array ``.npy``. Defaults to None, nowhere.
    """
    if folder is None:
        return fractals(count, size, seed)
    path = Path(folder) / f'fractals_{count}_{size}_{seed}.npy'
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may come here at once: each writes a file of its own, and the name is taken at one stroke.
        mine = path.with_name(f'{path.stem}_{os.getpid()}.npy')
        np.save(mine, fractals(count, size, seed))
        os.replace(mine, path)
    return np.load(path, mmap_mode='r')


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator)


def _systems(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random contracting maps and the chances of each, added up.

    Returns:
        tuple[Tensor, Tensor]: ``(B, M, 9)``, the linear part row by row, the shift and the colour of each map, and
        ``(B, M)``.
    """
    shape = _BLOCK, _MAPS
    used = torch.arange(_MAPS) < torch.randint(2, _MAPS + 1, (_BLOCK, 1), generator=generator)
    large = _uniform(generator, 0.4, 1.0, *shape)
    small = large * _uniform(generator, 0.15, 1.0, *shape)
    # The areas of all maps together say how much of the plane is filled: from dust to a blot.
    fill = _uniform(generator, 0.5, 1.1, _BLOCK, 1)
    scale = (fill / (large * small * used).sum(1, keepdim=True)).sqrt()
    large, small = (large * scale).clamp(max=0.95), (small * scale).clamp(max=0.95)
    turns = [_turn(_uniform(generator, -torch.pi, torch.pi, *shape)) for _ in range(2)]
    flips = torch.where(torch.rand(*shape, generator=generator) < 0.5, -1.0, 1.0)
    linear = turns[0] @ torch.diag_embed(torch.stack([large, small * flips], 2)) @ turns[1]
    shift, colour = _uniform(generator, -1, 1, *shape, 2), torch.rand(*shape, 3, generator=generator)
    chance = (large * small + 0.02) * used
    return torch.cat([linear.flatten(2), shift, colour], 2), (chance / chance.sum(1, keepdim=True)).cumsum(1)


def _turn(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def _render(maps: Tensor, chance: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Play the chaos game and count where points land; ``(B, size, size, 3)``, uint8."""
    count, points, kept = len(maps), 16 * size, 20
    state = torch.zeros(5, count, points)
    state[2:] = 0.5
    system = (_MAPS * torch.arange(count))[:, None]
    flat = maps.flatten(0, 1).T.contiguous()
    trail = []
    for jump in range(16 + kept):
        which = torch.searchsorted(chance, torch.rand(count, points, generator=generator)).clamp_(max=_MAPS - 1)
        a, b, c, d, across, down, *paint = flat[:, (which + system).flatten()].view(9, count, points)
        x, y = state[:2]
        state = torch.stack([a * x + b * y + across, c * x + d * y + down,
                             *(0.5 * (old + new) for old, new in zip(state[2:], paint, strict=True))])  # fmt: skip
        if jump >= 16:  # by then all are on the attractor
            trail.append(state)
    landed = torch.cat(trail, 2)
    low, high = landed[:2].amin(2, keepdim=True), landed[:2].amax(2, keepdim=True)
    column, row = ((landed[:2] - low) / (high - low).clamp(min=1e-6) * (size - 1e-3)).long().clamp_(0, size - 1)
    cell = (row * size + column + size * size * torch.arange(count)[:, None]).flatten()
    hits = torch.bincount(cell, minlength=count * size * size).float()
    paints = [torch.bincount(cell, each.flatten(), count * size * size) for each in landed[2:]]
    colour = (torch.stack(paints, 1) / hits.clamp(min=1)[:, None]).view(count, -1, 3)
    colour = colour / colour.amax((1, 2), keepdim=True).clamp(min=1e-6)
    bright = hits.view(count, -1, 1).log1p()
    bright = (bright / bright.amax(1, keepdim=True)).sqrt()
    ground = torch.rand(count, 1, 3, generator=generator) * torch.rand(count, 1, 1, generator=generator)
    picture = ground * (1 - bright) + colour * bright
    return (255 * picture).round().clamp(0, 255).to(torch.uint8).view(count, size, size, 3)
