"""What a mixer makes of two photographs: drawn by the package itself, kept in `docs/_build/pictures`."""

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.image import imsave
from sklearn.datasets import load_sample_image
from torch import Tensor

from mmmix import Area, Permutation, SpectralResidual
from mmmix.core import Part, Preserving
from mmmix.visualization.browse import mix_and_maps
from mmmix.visualization.draw_mix import draw_mix

FOLDER = Path(__file__).resolve().parent / '_build' / 'pictures'
NAMES = ('temple', 'flower')
MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])

#: What takes the place of a part that looks at a network.
STAND_INS: dict[str, Any] = dict(guide=SpectralResidual(), partners=Permutation(), labels=Area())


@cache
def photographs() -> tuple[Tensor, Tensor]:
    """Both photographs, the left and the right square of each, normalised, and their labels."""
    squares = []
    for cut in (slice(None, 427), slice(-427, None)):
        for name in ('china.jpg', 'flower.jpg'):
            pixels = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1).float()
            squares.append(F.interpolate(pixels[None, :, :, cut], (160, 160), mode='area')[0])
    images = (torch.stack(squares) - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    return images, torch.eye(2)[[0, 1, 0, 1]]


def mixed(mixer: Any) -> Any:
    """Of twelve draws the first in which each image meets the other one and both are well seen, or the nearest."""
    images, scores = photographs()
    best, found = -1.0, None
    for seed in range(12):
        torch.manual_seed(seed)
        drawn = mix_and_maps(mixer, images, scores)
        share = drawn[0].mask[:2].mean((1, 2, 3))
        met = isinstance(mixer, Preserving) or bool((drawn[0].partner[:2] % 2 == torch.tensor([1, 0])).all())
        balance = float(torch.minimum(share, 1 - share).amin()) if met else -0.5
        if balance > best:
            best, found = balance, drawn
        if best > 0.25:
            break
    return found


def picture_of(kind: Any) -> str:
    """Markdown of the picture of a mixer with its defaults; what would ask a network is told and replaced."""
    takes = inspect.signature(kind.__init__).parameters
    must = {
        name: STAND_INS[name] for name in STAND_INS if name in takes and takes[name].default is inspect.Parameter.empty
    }
    mixer = kind(**must)
    if mixer.learns:
        return (
            'There is no picture: what it draws is learned with the network. `mmmix browse CONFIG --checkpoint '
            'CHECKPOINT` draws it from a training of yours.'
        )
    asks = [name for name in STAND_INS if name in takes and needs_network(getattr(mixer, name))]
    stand_ins = {name: STAND_INS[name] for name in {*must, *asks}}
    mix, maps = mixed(kind(**stand_ins))
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = f'{kind.__name__.lower()}.png'
    imsave(FOLDER / name, draw_mix(mix, MEAN, STD, NAMES, maps, rows=2))
    told = ', '.join(f'`{slot}` is `{type(part).__name__}`' for slot, part in stand_ins.items())
    note = f'\n\nIn this picture {told}, which needs no network.' if told else ''
    return f'![What {kind.__name__} makes of two photographs](/docs/_build/pictures/{name}){note}'


def needs_network(part: Any) -> bool:
    """Whether a part of a mixer, or one that it holds, looks at a network."""
    return isinstance(part, Part) and any(each.needs_model for each in part.parts())
