"""How far a small look is from a full one: label shares, where cuts may fall, and which samples are hard.

``clean_pass='lowres'`` looks at copies of half the side, ``clean_pass='memory'`` at nothing: it remembers the largest
probabilities that a sample had when it was last seen. Networks trained on ``ScatteredDigits`` (those of
``label_truth.py``) are asked about its test scenes both ways.

    python benchmarks/small_look.py          # trains three networks unless label_truth.py did: minutes on one core

What is remembered is, here, what the same network says of another crop of the scene, so how old a memory is has no part
in these figures.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from label_truth_networks import ROOT, Scenes, config_of, read, trained
from label_truth_shares import HIDDEN, part
from scipy.stats import spearmanr
from torch import Tensor

from mmmix import CutMix, InputGradient, sumix_terms
from mmmix.engine import PredictionTable
from mmmix.evaluation.frame import environment, table, write_json
from mmmix.ops.boxes import box_sums
from mmmix.probes.gradients import smaller

EPOCHS, TOP, LENGTH = 16, 5, 12
LOOKS = {'half the side': 0.5, 'three quarters of the side': 0.75}


def shifted(images: Tensor, pixels: int = 4) -> Tensor:
    """Another crop of each image, as training draws them."""
    padded = F.pad(images, [pixels] * 4, mode='replicate')
    top, left = torch.randint(2 * pixels + 1, (2, len(images))).tolist()
    height, width = images.shape[2:]
    return torch.stack([each[:, y : y + height, x : x + width] for each, y, x in zip(padded, top, left, strict=True)])


@torch.no_grad()
def remembered(model: Any, images: Tensor) -> Tensor:
    """The logits, up to a constant, that a table gives back of another crop."""
    rows = PredictionTable.compact(model(shifted(images), mode='tensor'), TOP)
    return PredictionTable.probabilities(rows, 10).clamp_min(torch.finfo(torch.float32).tiny).log()


@torch.no_grad()
def looks(model: Any, scenes: Scenes) -> dict[str, Tensor]:
    """The logits of the clean scenes, by each way to look at them."""
    found = {'in full': model(scenes.images, mode='tensor')}
    for name, scale in LOOKS.items():
        found[name] = model(smaller(scenes.images, scale), mode='tensor')
    found['in full, another crop'] = model(shifted(scenes.images), mode='tensor')
    found['memory'] = remembered(model, scenes.images)
    return found


def quantiles(model: Any, scenes: Scenes, scale: float) -> Tensor:
    """For each scene and place, the quantile of the salience of a box there among all places, ``(N, P)``."""
    guide = InputGradient(scale=scale)
    guide.bind(model)
    side = torch.full((len(scenes.images),), LENGTH)
    sums, inside = box_sums(guide(scenes.images, scenes.scores), side, side)
    values = sums.flatten(1)[:, inside[0].flatten()]
    return values.argsort(1).argsort(1).double() / (values.shape[1] - 1)


def measured(model: Any, scenes: Scenes) -> list[dict[str, Any]]:
    """One entry for each way to look."""
    labels = scenes.scores.argmax(1)
    mix = CutMix(alpha=1.0, lam_mode='elem').mix(scenes.images, scenes.scores)
    of_own, of_partner = part(mix.mask, scenes.ink), part(1 - mix.mask, scenes.ink[mix.partner])
    truth = of_own / (of_own + of_partner)
    counts = (labels != labels[mix.partner]) & (mix.lam > 0) & (mix.lam < 1) & (of_own + of_partner >= HIDDEN)
    with torch.no_grad():
        mixed = model(mix.images, mode='tensor')
    none = torch.zeros_like(mixed)
    found, full_shares, full_missed, full_quantiles = [], None, None, quantiles(model, scenes, 1.0)
    for name, clean in looks(model, scenes).items():
        terms = sumix_terms(clean, mixed, none, none, labels, mix.partner, mix.lam, regularizer=None)
        shares, missed = terms['lam'][counts], clean.argmax(1) != labels
        full_shares, full_missed = (
            (shares, missed) if full_shares is None or full_missed is None else (full_shares, full_missed)
        )
        row: dict[str, Any] = dict(
            look=name,
            error=float((shares - truth[counts]).abs().mean()),
            share_moved=float((shares - full_shares).abs().mean()),
            share_rank=float(spearmanr(shares, full_shares).statistic),
            missed=100 * float(missed.double().mean()),
            agree=100 * float((missed == full_missed).double().mean()),
        )
        if name == 'in full' or name in LOOKS:
            own = quantiles(model, scenes, LOOKS.get(name, 1.0))
            row['quantile_moved'] = float((own - full_quantiles).abs().mean())
            ranks = [float(spearmanr(a, b).statistic) for a, b in zip(own, full_quantiles, strict=True)]
            row['quantile_rank'] = statistics.mean(ranks)
        found.append(row)
    area = dict(look='none: the share of the area', error=float((mix.lam[counts] - truth[counts]).abs().mean()))
    return [*found, area]


def page(runs: list[list[dict[str, Any]]], versions: dict[str, str]) -> str:
    """The means over the networks, and their spread."""

    def cell(of_networks: list[float | None], digits: int) -> str:
        values = [value for value in of_networks if value is not None]
        return f'{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}' if values else ''

    keys = dict(error=3, share_moved=3, share_rank=3, quantile_moved=3, quantile_rank=3, missed=1, agree=1)
    rows = [
        [rows[0]['look'], *(cell([row.get(key) for row in rows], digits) for key, digits in keys.items())]
        for rows in zip(*runs, strict=True)
    ]
    head = ['look', 'error to what is visible', 'shares: moved by', 'rank correlation']
    head += ['quantiles: moved by', 'rank correlation', 'missed, %', 'same verdict, %']
    return f"""# How far a small look is from a full one

{len(runs)} networks of 78 k parameters, trained on `ScatteredDigits` of 32 x 32 pixels with CutMix for {EPOCHS} epochs,
asked about its 890 test scenes. Mean and standard deviation over the networks; all numbers are `ours`, torch
{versions['torch']}, a CPU.

{table(head, rows)}

*Shares*: SUMix's with `distance='l2'` of CutMix's mixes: their error to the visible share of the two objects, the
mean absolute difference to those of a full look, and Spearman's correlation with them.
*Quantiles*: where among all places of a box of {LENGTH} pixels its salience stands by `InputGradient`, in [0, 1]; a
selective cut may fall below `tau`. *Missed*: what the memory of hard samples would count; the last column is how often
it counts the same.

`memory` keeps the {TOP} largest probabilities of another crop of the scene by the same network; `in full, another crop`
says what of its distance the crop makes. How old a memory is has no part in it.

`python benchmarks/small_look.py`
"""


def main() -> None:
    """Ask all networks, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=3, help='networks; default: 3')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'label_truth', help='for weights')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for seed in range(args.seeds):
        model, scenes = trained('resnet', seed, EPOCHS, args.work_dir), read(config_of('resnet', seed, EPOCHS))
        torch.manual_seed(seed)
        runs.append(measured(model, scenes))
    told = environment()
    write_json(args.output, dict(**told, epochs=EPOCHS, runs=runs))
    args.output.with_suffix('.md').write_text(page(runs, told['versions']), encoding='utf-8')


if __name__ == '__main__':
    main()
