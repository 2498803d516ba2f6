"""What ``benchmarks/fidelity.py`` compares: an entry for each mixer, the authors' law beside ours and our switches.

A new mixer adds an entry to :data:`ENTRIES`, or says in :data:`WITHOUT` why there is nothing to hold it against.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import fidelity_laws as laws
import fidelity_salience as salient
import numpy as np
from fidelity_laws import Array, Drawn, Law

# --------------------------------------------------------------------------------------------- a statistic of the mask


def number_of_edges(drawn: Drawn) -> float:
    """Changes from pixel to pixel down the columns, over those along the rows."""
    down = (drawn.mask[:, 1:] != drawn.mask[:, :-1]).mean()
    return float(down / (drawn.mask[:, :, 1:] != drawn.mask[:, :, :-1]).mean())


def at_border(drawn: Drawn) -> float:
    """The part of the boxes that touch the border."""
    cuts = drawn.mask < 1
    mixed = cuts.any((1, 2))
    edge = cuts[:, [0, -1]].any((1, 2)) | cuts[:, :, [0, -1]].any((1, 2))
    return float(edge[mixed].mean())


def kept_area(drawn: Drawn) -> float:
    """The part of the pixels that stay."""
    return float(drawn.mask.mean())


def spread(drawn: Drawn) -> float:
    """The standard deviation of the mask within an image."""
    return float(drawn.mask.std((1, 2)).mean())


def single(drawn: Drawn) -> float:
    """The part of the outputs that hold one input."""
    return float((drawn.lam > 0.999).mean())


# -------------------------------------------------------------------------------------------------------------- entries


@dataclass(frozen=True)
class Entry:
    """One mixer beside the authors' law.

    Attributes:
        mixer (str): Its registered name.
        law (Law): What the authors do.
        source (str): Where that was read.
        args (dict): Ours, beside ``lam_mode='elem'``.
        switches (dict): Further arguments, each a row of its own.
        statistic (Callable): Of the mask or the place.
        label (str): The label rule of the authors, and ours where it differs.
        config (str): The committed config, whose settings are shown; empty for none.
        why (str): Why the default differs; empty for one that is the same.
        images (int): So many images are mixed; 0 for all.
        rounds (int): How often they are mixed.
        area (bool): Whether the kept area is compared, of mixers whose own label stays.
    """

    mixer: str
    law: Law
    source: str
    args: dict[str, Any] = field(default_factory=dict)
    switches: dict[str, dict[str, Any]] = field(default_factory=dict)
    statistic: Callable[[Drawn], float] = kept_area
    label: str = 'area'
    config: str = ''
    why: str = ''
    images: int = 0
    rounds: int = 2
    area: bool = False


#: Mixers that there is nothing to hold against, and why.
WITHOUT: dict[str, str] = {
    'GridMix': "the paper's code is not public; its law of the cells is our reading",
    'HardMix': 'the paper is public as an abstract only; its boxes are those of CutMix and SaliencyMix',
    'SaliencyGrafting': "the authors' code is not public",
    'KeepCutMix': "KeepAugment's code is not public; what its cuts spare is in keepaugment_fidelity.md",
    'KeepCutout': "KeepAugment's code is not public; what its cuts spare is in keepaugment_fidelity.md",
    'KeepRandomErasing': "KeepAugment's code is not public; what its cuts spare is in keepaugment_fidelity.md",
    'KeepPaste': "KeepAugment's code is not public; what it pastes is in keepaugment_fidelity.md",
    'MixPro': "its masks are MaskMix's; its labels need a trained network's attention",
    'SMMix': "its windows need a trained network's attention",
    'TokenMix': "its labels need a trained network's attention",
}

ODD = 'boxes of an odd height or width keep it, theirs lose a row or column'


def entries(pixels: Array) -> list[Entry]:
    """All entries.

    Args:
        pixels (Array): The images ``(N, 3, H, W)``, in [0, 1], for laws that look at pixels.
    """
    return [
        Entry('Mixup', laws.mixup(1.0), 'paper', statistic=spread, label='the share', config='mixup'),
        Entry('ManifoldMix', laws.mixup(2.0), 'code; the share alone', dict(alpha=2.0), statistic=spread,
              label='the share', config='manifoldmix'),
        Entry('AlignMix', laws.mixup(2.0), 'code; the share alone', dict(alpha=2.0), statistic=spread,
              label='the share', config='alignmix'),
        Entry('CutMix', laws.cutmix(1.0), 'code', dict(alpha=1.0), statistic=at_border, config='cutmix', why=ODD),
        Entry('SaliencyMix', laws.saliencymix(1.0), 'code; the map is the fine-grained saliency of the image',
              dict(alpha=1.0), {"guide='SpectralResidual'": dict(guide=dict(type='mmmix.SpectralResidual'))},
              at_border, config='saliencymix', images=150, rounds=20, why=ODD),
        Entry('ResizeMix', laws.resizemix(0.1, 0.8), 'code', {}, {'inside=False': dict(inside=False)}, at_border,
              config='resizemix'),
        Entry('RecursiveMix', laws.recursivemix(0.5), 'code', statistic=at_border, config='recursivemix', why=ODD),
        Entry('SnapMix', laws.snapmix(5.0), 'code', dict(alpha=5.0), statistic=at_border,
              label='sums of the maps in the boxes', config='snapmix', why=ODD, images=200, rounds=10),
        Entry('Cutout', laws.cutout(16), 'code', dict(length=16), statistic=at_border, label='stays', area=True),
        Entry('RandomErasing', laws.random_erasing(0.02, 0.33, 0.3), 'code',
              dict(prob=1.0, ratio=(0.3, 1 / 0.3)), statistic=at_border, label='stays', area=True,
              why="the logarithm of the ratio is uniform, as in torchvision; the authors' ratio itself is"),
        Entry('GridMask', laws.gridmask(14, 32, 0.6), 'code', dict(d_range=(14, 31)), statistic=kept_area,
              label='stays', config='gridmask', area=True,
              why='the grid turns exactly, theirs as a picture of whole pixels and degrees'),
        Entry('FMix', laws.fmix(1.0), 'code', {}, {"spectrum='two_columns'": dict(spectrum='two_columns')},
              number_of_edges, label='mean of the mask (code: the drawn share)', config='fmix',
              why='all directions are alike, as in the paper; in the code two columns of frequencies are left'),
        Entry('SmoothMix', laws.smoothmix, 'paper', statistic=spread, config='smoothmix'),
        Entry('MaskMix', laws.maskmix(8), 'code', statistic=kept_area),
        Entry('AttentiveMix', salient.attentivemix(6, 4), 'paper; the six best of 4 x 4 cells here',
              dict(grid=4, top_k=6), statistic=kept_area, config='attentivemix', images=200),
        Entry('StackMix', stackmix, 'paper, with images of double width', dict(keep_size=False),
              {'default': dict(keep_size=True)}, kept_area, config='stackmix'),
        Entry('GuidedMixup', salient.guidedmixup, 'code', {},
              {"guide='SpectralResidual'": dict(guide=dict(type='mmmix.SpectralResidual'))}, spread,
              config='guidedmixup', images=100, rounds=1),
        Entry('PuzzleMix', salient.puzzlemix(1.0, pixels), 'code, with the exact minimum in place of its swaps',
              dict(transport=False), {}, spread, config='puzzlemix', images=150, rounds=2,
              why='the masks are the same; a place that no cell moves to keeps its pixels, theirs turns grey'),
        Entry('CoMixup', salient.comixup(2.0), 'code; compared is the share of the strongest input', {}, {}, single,
              'areas of all inputs', 'comixup', images=100, rounds=1,
              why='sweeps in place of graph cuts; cells show no mean of two inputs; outputs with the same inputs are '
                  'not told apart'),
    ]  # fmt: skip


def stackmix(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
    """Both images side by side: half of each."""
    half = np.ones(images[:, 0].shape)
    return Drawn(np.full(len(images), 0.5), np.concatenate([half, 0 * half], 2))
