"""Mixers in ``benchmarks/fidelity.py``: an entry for each, the authors' law beside what ours and our switches draw.

A new mixer adds an entry to :func:`entries`. What is worked out and not drawn, in ``fidelity_given.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import fidelity_collages as collages
import fidelity_laws as laws
import fidelity_regions as regions
import fidelity_salience as salient
import numpy as np
import torch
from fidelity_laws import Array, Drawn, Law

from mmmix import Mix

# --------------------------------------------------------------------------------------------- a statistic of the mask


def number_of_edges(drawn: Drawn, maps: Array) -> float:
    """Changes from pixel to pixel down the columns, over those along the rows."""
    down = (drawn.mask[:, 1:] != drawn.mask[:, :-1]).mean()
    return float(down / (drawn.mask[:, :, 1:] != drawn.mask[:, :, :-1]).mean())


def at_border(drawn: Drawn, maps: Array) -> float:
    """The part of the boxes that touch the border."""
    cuts = drawn.mask < 1
    mixed = cuts.any((1, 2))
    edge = cuts[:, [0, -1]].any((1, 2)) | cuts[:, :, [0, -1]].any((1, 2))
    return float(edge[mixed].mean())


def kept_area(drawn: Drawn, maps: Array) -> float:
    """The part of the pixels that stay."""
    return float(drawn.mask.mean())


def spread(drawn: Drawn, maps: Array) -> float:
    """The standard deviation of the mask within an image."""
    return float(drawn.mask.std((1, 2)).mean())


def single(drawn: Drawn, maps: Array) -> float:
    """The part of the outputs that hold one input."""
    return float((drawn.lam > 0.999).mean())


def importance_gone(drawn: Drawn, maps: Array) -> float:
    """The part of the importance that lies where the own image is gone."""
    return float(((1 - drawn.mask) * maps).sum((1, 2)).mean() / maps.sum((1, 2)).mean())


def borders(drawn: Drawn, maps: Array) -> float:
    """The part of neighbouring pixels of which one is the own image's."""
    changes = (np.abs(np.diff(drawn.mask, axis=axis)).mean() for axis in (1, 2))
    return float(sum(changes) / 2)


# -------------------------------------------------------------------------------------------------------------- entries


def own_share(mix: Mix) -> torch.Tensor:
    """The own label's share."""
    return mix.lam


def strongest_share(mix: Mix) -> torch.Tensor:
    """The largest share of a label, where labels have several."""
    return mix.scores.amax(1)


class Views(torch.nn.Module):
    """A model that hands out the clean views: those of a batch that was mirrored."""

    def clean_views(self, images: torch.Tensor) -> torch.Tensor:
        """The clean views of these images."""
        return images.flip(3)


@dataclass(frozen=True)
class Entry:
    """One mixer beside the authors' law.

    Attributes:
        mixer (str): Its registered name.
        law (Law): What the authors do.
        source (str): Where that was read.
        args (dict): Ours, beside ``lam_mode='elem'``.
        switches (dict): Further arguments, each a row of its own.
        ours (str): What ours is called, where it is not the default.
        statistic (Callable): Of the mask or the place, given the maps too.
        label (str): The label rule of the authors, and ours where it differs.
        config (str): The committed config, whose settings are shown; empty for none.
        why (str): Why the default differs; empty for one that is the same.
        images (int): So many images are mixed; 0 for all.
        rounds (int): How often they are mixed.
        area (bool): Whether the kept area is compared, of mixers whose own label stays.
        given (bool): Whether ours is given the same maps as the law.
        fine (bool): Whether the law is given OpenCV's maps of the images as they are, pixel by pixel.
        share (Callable): What is compared of what ours mixed.
        model (Any): What ours is bound to.
    """

    mixer: str
    law: Law
    source: str
    args: dict[str, Any] = field(default_factory=dict)
    switches: dict[str, dict[str, Any]] = field(default_factory=dict)
    statistic: Callable[[Drawn, Array], float] = kept_area
    label: str = 'area'
    config: str = ''
    why: str = ''
    images: int = 0
    rounds: int = 2
    area: bool = False
    ours: str = 'ours'
    given: bool = False
    fine: bool = False
    share: Callable[[Mix], torch.Tensor] = own_share
    model: Any = None


PERMUTATION, AREA = dict(type='mmmix.Permutation'), dict(type='mmmix.Area')
ODD = 'boxes of an odd height or width keep it, theirs lose a row or column'


READING = 'our reading: the code is not public'
INSIDE, CLIPPED = regions.inside, regions.anywhere


def entries(pixels: Array) -> list[Entry]:
    """All entries.

    Args:
        pixels (Array): The images ``(N, 3, H, W)``, in [0, 1], for laws that look at pixels.
    """
    residual = {"guide='SpectralResidual'": dict(guide=dict(type='mmmix.SpectralResidual'))}
    return [
        Entry('Mixup', laws.mixup(1.0), 'paper', statistic=spread, label='the share', config='mixup'),
        Entry('ManifoldMix', laws.mixup(2.0), 'code; the share alone', dict(alpha=2.0), statistic=spread,
              label='the share', config='manifoldmix'),
        Entry('RegMixup', laws.mixup(10.0), 'paper', statistic=spread, label='the share', config='regmixup',
              model=SimpleNamespace(learned={})),
        Entry('AlignMix', laws.mixup(2.0), 'code; the share alone', dict(alpha=2.0), statistic=spread,
              label='the share', config='alignmix'),
        Entry('CutMix', laws.cutmix(1.0), 'code', dict(alpha=1.0), statistic=at_border, config='cutmix', why=ODD),
        Entry('HardMix', laws.cutmix(1.0), 'abstract; the box is our reading', dict(partners=PERMUTATION),
              statistic=at_border, config='hardmix', why=ODD),
        Entry('SaliencyMix', laws.saliencymix(1.0), 'code; the map is the fine-grained saliency of the image',
              dict(alpha=1.0), residual, at_border, config='saliencymix', images=150, rounds=20, why=ODD, fine=True),
        Entry('HardMix', laws.saliencymix(1.0), 'abstract; the salient box is that of the authors\' SaliencyMix',
              dict(partners=PERMUTATION), statistic=at_border, images=150, rounds=20, why=ODD, given=True,
              ours="guide='FineGrained'"),
        Entry('ResizeMix', laws.resizemix(0.1, 0.8), 'code', {}, {'inside=False': dict(inside=False)}, at_border,
              config='resizemix'),
        Entry('RecursiveMix', laws.recursivemix(0.5), 'code', statistic=at_border, config='recursivemix', why=ODD),
        Entry('SnapMix', laws.snapmix(5.0), 'code', dict(alpha=5.0), statistic=at_border, given=True,
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
        Entry('GridMix', regions.gridmix(4), READING, statistic=borders, config='gridmix'),
        Entry('GridHoles', regions.gridholes((2, 6), (0.5, 1), (0.5, 2)), "OpenMixup's code", statistic=borders,
              config='gridholes'),
        Entry('MaskMix', laws.maskmix(8), 'code', statistic=kept_area),
        Entry('MixPro', laws.maskmix(8), 'code; its labels: ProgressiveAttention', dict(labels=AREA),
              statistic=borders, config='mixpro'),
        Entry('TokenMix', regions.tokenmix(8), 'code, with 8 x 8 tokens', dict(patch_size=4), statistic=borders,
              label='importance that is left (code: not divided by its sum)', config='tokenmix', given=True, images=500,
              why='the two shares of a label add to 1'),
        Entry('SMMix', regions.smmix(8), 'code, with 8 x 8 tokens', dict(patch_size=4), statistic=importance_gone,
              config='smmix', given=True),
        Entry('MergeMix', regions.mergemix(8), 'code, with 8 x 8 patches and lam_scale=False', dict(patch_size=4),
              statistic=kept_area, config='mergemix', images=500, given=True),
        Entry('AttentiveMix', salient.attentivemix(6, 4), 'paper; the six best of 4 x 4 cells here',
              dict(grid=4, top_k=6), statistic=kept_area, config='attentivemix', images=200, given=True),
        Entry('SaliencyGrafting', regions.saliency_grafting(8), READING + ' (cells, norms and temperature)',
              dict(grid=8), statistic=importance_gone, label='norms of the maps that are left', given=True, images=500,
              config='saliencygrafting'),
        Entry('RICAP', collages.ricap(0.3), 'code', statistic=kept_area, label='areas of all four', config='ricap'),
        Entry('Mosaic', collages.mosaic(0.25, 0.75), 'our reading for classification', statistic=kept_area,
              label='areas of all four', config='mosaic'),
        Entry('CutThumbnail', collages.cutthumbnail(0.5), 'paper; the place is our reading', statistic=at_border,
              config='cutthumbnail'),
        Entry('StackMix', stackmix, 'paper, with images of double width', dict(keep_size=False),
              {'default': dict(keep_size=True)}, kept_area, config='stackmix'),
        Entry('GuidedMixup', salient.guidedmixup, 'code', {}, residual, spread, config='guidedmixup', images=100,
              rounds=1),
        Entry('PuzzleMix', salient.puzzlemix(1.0, pixels), 'code, with the exact minimum in place of its swaps',
              dict(transport=False), {}, spread, config='puzzlemix', images=150, rounds=2, given=True,
              why='the masks are the same; a place that no cell moves to keeps its pixels, theirs turns grey'),
        Entry('CoMixup', salient.comixup(2.0), 'code; compared is the share of the strongest input', {}, {}, single,
              'areas of all inputs', 'comixup', images=100, rounds=1, given=True, share=strongest_share,
              why='sweeps in place of graph cuts; cells show no mean of two inputs; outputs with the same inputs are '
                  'not told apart'),
        *keeps(),
    ]  # fmt: skip


def keeps() -> list[Entry]:
    """KeepAugment's mixers, by both readings of what a candidate is, given the same maps."""
    paper = "paper; candidates are the base method's own places, clipped"
    found = []
    for mixer, side_of, label, args in (
        ('KeepCutMix', lambda rng: np.sqrt(1 - rng.beta(1.0, 1.0)), 'area', {}),
        ('KeepCutout', lambda rng: 0.5, 'stays', dict(length=16)),
    ):
        common: dict[str, Any] = dict(
            statistic=importance_gone, label=label, given=True, images=200, area=label == 'stays'
        )
        found += [
            Entry(mixer, regions.keep_cut(INSIDE, side_of, label), 'paper; candidates lie inside', args, **common),
            Entry(mixer, regions.keep_cut(CLIPPED, side_of, label), paper, {**args, 'candidates': 'clipped'},
                  ours="candidates='clipped'", **common),
        ]  # fmt: skip
    common = dict(statistic=importance_gone, label='stays', area=True, given=True, images=200)
    erasing = regions.keep_erasing(0.02, 0.33, 1 / 3.3)
    found += [
        Entry('KeepRandomErasing', erasing, 'paper', dict(ratio=(1 / 3.3, 3.3)), **common),
        Entry('KeepPaste', regions.keep_paste(16), 'paper', dict(length=16), model=Views(), **common),
    ]
    return found


def stackmix(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
    """Both images side by side: half of each."""
    half = np.ones(images[:, 0].shape)
    return Drawn(np.full(len(images), 0.5), np.concatenate([half, 0 * half], 2))
