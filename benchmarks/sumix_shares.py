"""What SUMix's learned shares do, and how large its regulariser's logits are.

``python benchmarks/sumix_shares.py CHECKPOINT`` takes a checkpoint of ``configs/quickstart/resnet_digits_none.py``,
mixes the test digits with CutMix and writes ``benchmarks/sumix_shares.json``:

- ``shares``: the partner's area share and its learned share, averaged over mixes whose pasted patch holds no ink at all
  (it shows nothing of the partner), and over mixes whose patch holds most of the partner's ink and leaves less than
  5 % of the own digit; and over all mixes of two classes the mean error against the partner's part of the visible ink,
  and how many of the new shares lie outside [.05, .95].
- ``regulariser``: what is left of the regulariser for K classes: the logits ``exp(-distance)``, the loss against
  ``log(K)``, and the gradient with respect to the uncertainties against that without distances.
"""

import json
import math
from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from typing import Any

import torch

from mmmix import CutMix, cli, sumix_terms
from mmmix.evaluation.frame import table, write_json
from mmmix.labels.sumix import unit_softmax

ROOT = Path(__file__).resolve().parent.parent
SETTINGS: dict[str, dict[str, Any]] = {
    'l2, T 1': dict(distance='l2'),
    'l2, T 0.5': dict(distance='l2', temperature=0.5),
    'l2, T 2': dict(distance='l2', temperature=2.0),
    'released, s 100': dict(distance='released', scale=100.0),
    'released, s 16': dict(distance='released', scale=16.0),
}


def digits_model(checkpoint: Path):
    """The trained network, the normalised test digits, their ink and their labels."""
    config = cli.read_config(str(ROOT / 'configs' / 'quickstart' / 'resnet_digits_none.py'))
    model = cli.build_classifier(config, str(checkpoint), device='cpu')
    batch = next(iter(cli.build_loader(config, batch_size=445)))
    raw = torch.stack(list(batch['inputs'])).float()
    data = model.data_preprocessor(batch)
    labels = torch.cat([sample.gt_label for sample in data['data_samples']])
    return model, data['inputs'], raw[:, :1] / 255, labels


@torch.no_grad()
def shares(checkpoint: Path, rounds: int) -> dict:
    """Area and learned shares of partners, where the patch shows nothing of them and where it shows only them."""
    model, images, ink, labels = digits_model(checkpoint)
    logits = model(images, mode='tensor')
    accuracy = (logits.argmax(1) == labels).double().mean()
    mixer = CutMix(alpha=1.0, lam_mode='elem')
    zeros = torch.zeros_like(logits)
    found: dict[tuple[str, str], list] = {}
    errors: dict[str, list] = {}
    outside: dict[str, list] = {}
    for seed in range(rounds):
        torch.manual_seed(seed)
        mix = mixer.mix(images, torch.eye(10)[labels])
        mixed_logits = model(mix.images, mode='tensor')
        pasted = 1 - mix.mask
        shown = (pasted * ink[mix.partner]).sum((1, 2, 3)) / ink[mix.partner].sum((1, 2, 3))
        own_shown = (mix.mask * ink).sum((1, 2, 3)) / ink.sum((1, 2, 3))
        other = labels != labels[mix.partner]
        cases = {
            'patch without ink': other & (shown == 0) & (mix.lam_partner > 0),
            'own ink covered': other & (own_shown < 0.05) & (shown > 0.5),
        }
        of_partner = (pasted * ink[mix.partner]).sum((1, 2, 3))
        of_own = (mix.mask * ink).sum((1, 2, 3))
        visible = of_partner / (of_partner + of_own)
        mixed = other & (mix.lam_partner > 0) & (of_partner + of_own > 0)
        errors.setdefault('area', []).append((mix.lam_partner - visible)[mixed].abs())
        outside.setdefault('area', []).append(((mix.lam < 0.05) | (mix.lam > 0.95))[mixed].double())
        for name, setting in SETTINGS.items():
            new = sumix_terms(
                logits, mixed_logits, zeros, zeros, labels, mix.partner, mix.lam, regularizer=None, **setting
            )['lam']
            errors.setdefault(name, []).append((1 - new - visible)[mixed].abs())
            outside.setdefault(name, []).append(((new < 0.05) | (new > 0.95))[mixed].double())
            for case, rows in cases.items():
                pair = torch.stack([mix.lam_partner[rows], 1 - new[rows]], 1)
                found.setdefault((case, name), []).append(pair)
    rows = []
    for (case, name), pairs in found.items():
        pair = torch.cat(pairs).double()
        area, learned = pair.mean(0).tolist()
        error = float((pair[:, 1] - pair[:, 0]).std() / math.sqrt(max(len(pair), 1)))
        rows.append(dict(
            case=case, setting=name, mixes=len(pair), area_share=area, learned_share=learned,
            standard_error_of_difference=error))  # fmt: skip
    every = [
        dict(
            setting=name,
            mixes=len(torch.cat(errors[name])),
            error_against_visible_ink=float(torch.cat(errors[name]).double().mean()),
            outside_05_95=float(torch.cat(outside[name]).mean()),
        )
        for name in errors
    ]
    return dict(accuracy=float(accuracy), rounds=rounds, rows=rows, every=every)


def regulariser(name: str, classes: int, n: int = 256) -> dict:
    """The size of the regulariser for confident predictions: 0.9 on one class, mixes of half and half."""
    torch.manual_seed(0)
    labels, partner = torch.randint(classes, (n,)), torch.randperm(n)
    clean = torch.full((n, classes), 0.1 / (classes - 1)).scatter(1, labels[:, None], 0.9)
    mixed = 0.5 * (clean + clean[partner])
    uncertainty = [unit_softmax(torch.randn(n, classes)).requires_grad_() for _ in range(2)]
    common = (labels, partner, torch.full((n,), 0.5))
    gradients, losses = {}, {}
    for kind in ('both', 'uncertainty'):
        loss = sumix_terms(clean.log(), mixed.log(), *uncertainty, *common, regularizer=kind, **SETTINGS[name])[
            'loss_reg'
        ]
        grads = torch.autograd.grad(loss, uncertainty)
        gradients[kind], losses[kind] = float(torch.stack([g.norm() for g in grads]).norm()), float(loss.detach())
    return dict(
        classes=classes,
        setting=name,
        loss=losses['both'],
        log_classes=math.log(classes),
        gradient_against_no_distance=gradients['both'] / gradients['uncertainty'],
    )


def markdown(result: dict) -> str:
    """The result as a page."""
    shares, names = result['shares'], list(SETTINGS)
    rows = []
    for case in ('patch without ink', 'own ink covered'):
        of_case = {row['setting']: row for row in shares['rows'] if row['case'] == case}
        first = of_case[names[0]]
        cells = [f'{of_case[name]["learned_share"]:.3f}' for name in names]
        rows.append([case, first['mixes'], f'{first["area_share"]:.3f}', *cells])
    every = [
        [row['setting'], f'{row["error_against_visible_ink"]:.3f}', f'{100 * row["outside_05_95"]:.0f} %']
        for row in shares['every']
    ]
    sizes = {(row['classes'], row['setting']): row for row in result['regulariser']}
    left = [
        [classes, *(f'{sizes[classes, name]["gradient_against_no_distance"]:.2g}' for name in names)]
        for classes in sorted({row['classes'] for row in result['regulariser']})
    ]
    return (
        "# What SUMix's learned shares do, and how large its regulariser is\n\n"
        '`python benchmarks/sumix_shares.py CHECKPOINT`; numbers in [sumix_shares.json](sumix_shares.json), all '
        f'`{result["mark"]}`. Network: `configs/quickstart/resnet_digits_none.py`, seed 0, '
        f'{100 * shares["accuracy"]:.1f} % top-1 on the 445 test digits, which are mixed {shares["rounds"]} times by '
        f'CutMix (alpha 1, one box an image). PyTorch {result["torch"]}, CPU.\n\n'
        "## The partner's share where one of the two is hidden\n\n"
        f'{table(["mixes", "count", "area share", *names], rows)}\n\n'
        '`patch without ink`: the patch shows nothing of the partner, which should lose its share. `own ink covered`: '
        "less than 5 % of the own ink is left and more than half of the partner's, which should gain. The released "
        'difference has a sign, and gives the label to the image that is hidden; the released code takes the batch '
        'mean of these shares, which hides most of it.\n\n'
        '## All mixes of two classes\n\n'
        f'{table(["share", "mean error against the visible ink", "outside [.05, .95]"], every)}\n\n'
        "The visible ink: the partner's part of all ink in the mixed image.\n\n"
        '## What is left of the regulariser\n\n'
        'Predictions of 0.9 on one class, mixes of half and half: the norm of the gradient with respect to the '
        "uncertainties, as a fraction of that with `regularizer='uncertainty'` (no distances).\n\n"
        f'{table(["K", *names], left)}\n'
    )


def main() -> None:
    """Measure both and write them."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--rounds', type=int, default=20, help='how often the 445 test digits are mixed')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'sumix_shares.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = product(SETTINGS, (10, 100, 200, 1000))
    sizes = [regulariser(*setting) for setting in settings]
    result = dict(mark='ours', torch=torch.__version__, shares=shares(args.checkpoint, args.rounds), regulariser=sizes)
    write_json(args.output, result)
    args.output.with_suffix('.md').write_text(markdown(result))
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
