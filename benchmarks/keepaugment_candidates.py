"""Which places compete: what a selective cut spares under both readings of KeepAugment's candidates.

Three networks are trained on CIFAR-10 images with crops and flips alone. Then, on images that they were trained on,
each method cuts, with the own saliency of the network (the vanilla gradient of the logit of the label): the mean share
of the saliency and of the area that is gone, and the one over the other, where 1 is a cut that does not look.

    python benchmarks/keepaugment_candidates.py DATA --epochs 8

``DATA`` is as for ``keepaugment_cifar10.py``. Networks are trained and rated one by one; those that the JSON holds are
not trained again.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from keepaugment_cifar10 import BATCH, batches, load
from mmengine.logging import MMLogger
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmix import CutMix, Cutout, InputGradient, KeepCutMix, KeepCutout, Mixer
from mmmix.evaluation.contenders import FixedGuide
from mmmix.evaluation.frame import Results, environment, renew, table

POOLED = dict(type='mmpretrain.GlobalAveragePooling')
LINEAR = dict(type='mmpretrain.LinearClsHead', num_classes=10)
NETWORKS: dict[str, dict[str, Any]] = {
    'ResNet-18, width 16': dict(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=16, base_channels=16),
        neck=POOLED,
        head=dict(in_channels=128, **LINEAR),
    ),
    'WRN-16-2': dict(
        backbone=dict(type='mmmix.WideResNet_CIFAR', depth=16, widen_factor=2),
        neck=POOLED,
        head=dict(in_channels=128, **LINEAR),
    ),
    'ViT, 4 blocks of 64': dict(
        backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(embed_dims=64, num_layers=4, num_heads=4, feedforward_channels=128),
            img_size=32,
            patch_size=4,
        ),
        head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=64),
    ),
}
TAUS, LENGTHS, DRAWS = (0.3, 0.6, 0.9), (8, 16), 5
PAGE = Path(__file__).with_name('keepaugment_fidelity.md')


def fit(model: nn.Module, data: tuple[Tensor, Tensor], epochs: int, transformer: bool) -> None:
    """Train a network with a one-cycle schedule."""
    generator = torch.Generator().manual_seed(0)
    steps = epochs * (len(data[0]) // BATCH)
    if transformer:
        optimizer: Any = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    top = optimizer.param_groups[0]['lr']
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, top, steps, pct_start=0.15, cycle_momentum=False)
    model.train()
    for _ in range(epochs):
        for images, labels in batches(*data, generator):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()


def methods(maps: Tensor) -> dict[tuple[str, str], Mixer]:
    """Method and reading -> mixer."""
    found: dict[tuple[str, str], Mixer] = {}
    guide = FixedGuide(maps)
    for name, plain, keep in (
        *((f'Cutout, length {n}', Cutout(length=n), dict(kind=KeepCutout, length=n)) for n in LENGTHS),
        ('CutMix', CutMix(lam_mode='elem'), dict(kind=KeepCutMix, lam_mode='elem')),
    ):
        found[name, 'no keep'] = plain
        kind: Any = keep.pop('kind')
        for candidates in ('inside', 'clipped'):
            for tau in TAUS:
                found[name, f'{candidates}, tau {tau}'] = kind(guide=guide, tau=tau, candidates=candidates, **keep)
    return found


def rate(network: str, data: tuple[Tensor, Tensor], epochs: int, count: int) -> dict[str, Any]:
    """Train a network, and measure what is cut by its saliency."""
    torch.manual_seed(0)
    model: Any = MODELS.build(dict(type='mmpretrain.ImageClassifier', **NETWORKS[network]))
    model.init_weights()
    fit(model, data, epochs, network.startswith('ViT'))
    model.eval()
    images, scores = data[0][:count], F.one_hot(data[1][:count], 10).float()
    with torch.no_grad():
        right = torch.cat([model(part) for part in images.split(250)]).argmax(1) == data[1][:count]
    guide = InputGradient()
    guide.bind(model)
    maps = torch.cat([guide(*rows) for rows in zip(images.split(250), scores.split(250), strict=True)])
    mass = maps / maps.sum((2, 3), keepdim=True)
    rows = []
    for (method, reading), mixer in methods(maps).items():
        torch.manual_seed(0)
        gone = torch.stack([1 - mixer.mix(images, scores).mask for _ in range(DRAWS)])
        saliency, area = float((mass * gone).sum((2, 3, 4)).mean()), float(gone.mean())
        rows.append(dict(method=method, reading=reading, saliency=round(saliency, 4), area=round(area, 4)))
    return dict(rows=rows, accuracy=round(100 * float(right.float().mean()), 1))


def page(runs: list[dict[str, Any]]) -> str:
    """One table for all networks: the shares that are gone, and their ratio."""
    lines = []
    for run in runs:
        for row in run['rows']:
            ratio = f'{row["saliency"] / row["area"]:.2f}'
            lines.append([run['network'], row['method'], row['reading'], row['saliency'], row['area'], ratio])
    return table(['network', 'method', 'candidates', 'saliency gone', 'area gone', 'saliency per area'], lines)


def main() -> None:
    """Train, measure, write the JSON and renew the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path)
    parser.add_argument('--epochs', type=int, default=8)
    parser.add_argument('--images', type=int, default=1000, help='training images that are cut')
    parser.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('ERROR')
    images, labels = load(args.data / 'train')
    # Images of all classes first, so that any number of them is balanced.
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:5000]
    data = images[order], labels[order]
    setting = dict(mark='ours', images=len(order), rated=args.images, epochs=args.epochs, draws=DRAWS, **environment())
    results = Results(args.out, setting, strict=False)
    results.complete(
        (dict(network=network) for network in NETWORKS),
        lambda network: rate(network, data, args.epochs, args.images),
    )
    renew(PAGE, page(results.runs), 'candidates')
    print(page(results.runs))


if __name__ == '__main__':
    main()
