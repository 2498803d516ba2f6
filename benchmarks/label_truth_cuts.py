"""What cuts take away of the objects, by which guide and which places they spare."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from label_truth_networks import Scenes, config_of
from label_truth_shares import HIDDEN, part
from torch import Tensor

from mmmix import (
    Attention,
    ClassActivation,
    CutMix,
    Cutout,
    EarlyHead,
    FineGrained,
    Guide,
    InputGradient,
    Mixer,
    RandomErasing,
    SelectiveCut,
    SpectralResidual,
    Teacher,
)
from mmmix.evaluation.contenders import FixedGuide
from mmmix.registry import TASK_UTILS

#: The guides, by the kind of network that they look at.
GUIDES: dict[str, dict[str, Any]] = {
    'resnet': {
        'InputGradient': InputGradient,
        'InputGradient, half the resolution': lambda: InputGradient(scale=0.5),
        'InputGradient of the loss, rms': lambda: InputGradient(target='loss', reduction='rms'),
        'EarlyHead': EarlyHead,
        'ClassActivation of the label': ClassActivation,
        'ClassActivation of the prediction': lambda: ClassActivation(target='max'),
        'FineGrained': FineGrained,
        'SpectralResidual': SpectralResidual,
    },
    'vit': {
        'InputGradient, ViT': InputGradient,
        'ClassActivation of the label, ViT': lambda: ClassActivation(
            at='backbone.ln1', classifier='head.layers.head'
        ),
        'Attention, ViT': Attention,
    },
}  # fmt: skip
CUTS: dict[str, Any] = {
    'Cutout, length 12': lambda keep: Cutout(length=12, keep=keep),
    'CutMix': lambda keep: CutMix(alpha=1.0, lam_mode='elem', keep=keep),
    'RandomErasing': lambda keep: RandomErasing(prob=1.0, fill=0.0, keep=keep),
}


def not_asked(kinds: Sequence[str]) -> list[str]:
    """Registered guides that no row is about."""
    TASK_UTILS.import_from_location()
    known = {name for name, kind in TASK_UTILS.module_dict.items() if issubclass(kind, Guide)}
    asked = {type(make()).__name__ for kind in kinds for make in GUIDES[kind].values()}
    return sorted(known - asked - {'Teacher'})


def maps_of(model: Any, kind: str, scenes: Scenes, teacher: Path | None) -> dict[str, Tensor]:
    """What each guide says of the scenes, ``(N, 1, H, W)``.

    Args:
        model (MixClassifier): The network that they look at.
        kind (str): Which one it is.
        scenes (Scenes): What they look at.
        teacher (Path, optional): Weights of another network of the kind, which :class:`Teacher` looks with.
    """
    found = {}
    for name, make in GUIDES[kind].items():
        guide = make()
        guide.bind(model)
        found[name] = guide(scenes.images, scenes.scores)
    if teacher is not None:
        network = {**config_of(kind, 0, 1).model, 'type': 'mmpretrain.ImageClassifier', 'train_cfg': None}
        found['Teacher, another seed'] = Teacher(network, str(teacher), size=None)(scenes.images)
    return found


def taken(mixer: Mixer, scenes: Scenes, draws: int) -> dict[str, float]:
    """Means over the scenes: the share of the digit and of the area that is cut, and how often the digit is hidden."""
    torch.manual_seed(0)
    gone = [1 - mixer.mix(scenes.images, scenes.scores).mask for _ in range(draws)]
    ink = torch.stack([part(each, scenes.ink) for each in gone]).double()
    area = float(torch.stack([each.double().mean() for each in gone]).mean())
    return dict(ink=float(ink.mean()), area=area, hidden=float((ink > 1 - HIDDEN).double().mean()))


def measured(
    model: Any, kind: str, scenes: Scenes, teacher: Path | None = None, draws: int = 5
) -> list[dict[str, Any]]:
    """One row for each cut, guide and reading of the candidates."""
    maps = maps_of(model, kind, scenes, teacher)
    rows = []
    for cut, build in CUTS.items():
        if kind == 'resnet':
            rows.append(dict(cut=cut, guide='no keep', candidates='', **taken(build(None), scenes, draws)))
            maps['the ink itself'] = scenes.ink
        for guide, candidates in ((g, c) for g in maps for c in ('inside', 'clipped')):
            keep = SelectiveCut(guide=FixedGuide(maps[guide]), tau=0.6, candidates=candidates)
            rows.append(dict(cut=cut, guide=guide, candidates=candidates, **taken(build(keep), scenes, draws)))
    return rows
