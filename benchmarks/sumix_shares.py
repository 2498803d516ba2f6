"""What SUMix's learned shares do, and how large its regulariser's logits are.

``python benchmarks/sumix_shares.py CHECKPOINT`` takes a checkpoint of ``configs/quickstart/resnet_digits_none.py``,
mixes the test digits with CutMix and writes ``benchmarks/sumix_shares.json``:

- ``shares``: the partner's area share and its learned share, averaged over mixes whose pasted patch holds no ink at all
  (it shows nothing of the partner), and over mixes whose patch holds all of the partner's ink and leaves none of the
  own digit (they show nothing of the own image).
- ``regulariser``: what is left of the regulariser for K classes: the logits ``exp(-distance)``, the loss against
  ``log(K)``, and the gradient with respect to the uncertainties against that without distances.
"""

import json
import math
from argparse import ArgumentParser
from itertools import product
from pathlib import Path

import torch

from mmmix import CutMix, cli, sumix_terms
from mmmix.evaluation.frame import write_json
from mmmix.models.losses.sumix import unit_softmax

ROOT = Path(__file__).resolve().parent.parent


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
    found: dict[tuple, list] = {}
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
        for distance, scale in product(('signed', 'absolute'), (100.0, 10.0)):
            new = sumix_terms(
                logits, mixed_logits, zeros, zeros, labels, mix.partner, mix.lam,
                scale=scale, distance=distance, regularizer=None)['lam']  # fmt: skip
            for case, rows in cases.items():
                pair = torch.stack([mix.lam_partner[rows], 1 - new[rows]], 1)
                found.setdefault((case, distance, scale), []).append(pair)
    rows = []
    for (case, distance, scale), pairs in found.items():
        pair = torch.cat(pairs).double()
        area, learned = pair.mean(0).tolist()
        error = float((pair[:, 1] - pair[:, 0]).std() / math.sqrt(max(len(pair), 1)))
        rows.append(dict(
            case=case, distance=distance, scale=scale, mixes=len(pair), area_share=area, learned_share=learned,
            standard_error_of_difference=error))  # fmt: skip
    return dict(accuracy=float(accuracy), rounds=rounds, rows=rows)


def regulariser(distance: str, scale: float, classes: int, n: int = 256) -> dict:
    """The size of the regulariser for confident predictions: 0.9 on one class, mixes of half and half."""
    torch.manual_seed(0)
    labels, partner = torch.randint(classes, (n,)), torch.randperm(n)
    clean = torch.full((n, classes), 0.1 / (classes - 1)).scatter(1, labels[:, None], 0.9)
    mixed = 0.5 * (clean + clean[partner])
    uncertainty = [unit_softmax(torch.randn(n, classes)).requires_grad_() for _ in range(2)]
    common = (labels, partner, torch.full((n,), 0.5))
    gradients, losses = {}, {}
    for kind in ('both', 'uncertainty'):
        loss = sumix_terms(
            clean.log(), mixed.log(), *uncertainty, *common, scale=scale, distance=distance, regularizer=kind
        )['loss_reg']
        grads = torch.autograd.grad(loss, uncertainty)
        gradients[kind], losses[kind] = float(torch.stack([g.norm() for g in grads]).norm()), float(loss.detach())
    gap = (mixed - clean).abs() if distance == 'absolute' else mixed - clean
    distances = scale * unit_softmax(gap)
    logits = (-distances).exp()
    return dict(
        classes=classes,
        distance=distance,
        scale=scale,
        mean_distance=float(distances.mean()),
        mean_logit=float(logits.mean()),
        largest_logit=float(logits.max()),
        loss=losses['both'],
        log_classes=math.log(classes),
        gradient_against_no_distance=gradients['both'] / gradients['uncertainty'],
    )


def main() -> None:
    """Measure both and write them."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--rounds', type=int, default=20, help='how often the 445 test digits are mixed')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'sumix_shares.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = product(('absolute', 'signed'), (100.0, 10.0), (10, 100, 200, 1000))
    sizes = [regulariser(*setting) for setting in settings]
    result = dict(mark='ours', torch=torch.__version__, shares=shares(args.checkpoint, args.rounds), regulariser=sizes)
    write_json(args.output, result)
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
