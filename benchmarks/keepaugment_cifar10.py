"""Cutout against KeepCutout at several lengths, on CIFAR-10 or any image folder of that shape.

Under test: the paper's Table 2 (KeepCutout gains more, the longer the square) and Figure 2 (training images that went
through KeepCutout stay easier to recognise). Both methods see the same initial weights, order and crops; only the
squares differ. Each cell is trained from scratch and written at once, so that a stopped run goes on where it was.

    python benchmarks/keepaugment_cifar10.py DATA --epochs 12

``DATA`` holds ``train/<class>/*.png`` and ``test/<class>/*.png``, 32 x 32 pixels.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from PIL import Image
from torch import Tensor

from mmmix import Cutout, KeepCutout, MixClassifier, Mixer
from mmmix.evaluation.frame import Results, hardware

MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
BATCH = 64
#: Fidelity is measured on this many training images.
FIDELITY = 2000


def load(folder: Path) -> tuple[Tensor, Tensor]:
    """All images of a folder, normalised, and their class indices."""
    classes = sorted(path.name for path in folder.iterdir())
    files = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob('*.png'))]
    pixels = np.stack([np.asarray(Image.open(path).convert('RGB')) for path, _ in files])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std, torch.tensor([label for _, label in files])


def network(augments: dict | None, **settings: Any) -> MixClassifier:
    """CIFAR's ResNet-18 with a quarter of its channels, as in configs/_base_/models/resnet_digits.py."""
    model = MixClassifier(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=16, base_channels=16),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=128),
        train_cfg=None if augments is None else dict(augments=augments),
        **settings,
    )
    model.init_weights()
    return model.to(memory_format=torch.channels_last)


def cropped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random crops after 4 pixels of zero padding, and flips: the same ones for both methods."""
    n, _, height, width = images.shape
    dy, dx = (torch.randint(9, (n, 1, 1), generator=generator) for _ in range(2))
    flip = torch.rand(n, 1, 1, generator=generator) < 0.5
    x = torch.arange(width).expand(n, 1, width)
    columns = torch.where(flip, width - 1 - x, x) + dx
    rows = torch.arange(height).view(1, height, 1) + dy
    padded = F.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    return padded[torch.arange(n).view(n, 1, 1), rows, columns].permute(0, 3, 1, 2)


def batches(images: Tensor, labels: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of full batches."""
    order = torch.randperm(len(images), generator=generator)
    for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
        yield cropped(images[rows], generator), labels[rows]


def predict(model: MixClassifier, images: Tensor) -> Tensor:
    """The predicted classes."""
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        return model.head(model.extract_feat(images)).argmax(1)


def accuracy(model: MixClassifier, images: Tensor, labels: Tensor, mixer: Mixer | None = None) -> float:
    """Percent right in eval mode, on images that went through ``mixer``."""
    model.eval()
    right = 0
    for batch, truth in zip(images.split(256), labels.split(256), strict=True):
        if mixer is not None:
            batch = mixer(batch, F.one_hot(truth, 10).float())[0]
        right += int((predict(model, batch) == truth).sum())
    return 100 * right / len(labels)


def train(mixer: Mixer, data: tuple[Tensor, Tensor], epochs: int, seed: int) -> tuple[MixClassifier, float]:
    """Train one network, and tell the seconds of an epoch."""
    torch.manual_seed(seed)
    model = network(dict(type='mmmix.Cutout'))
    model.data_preprocessor.batch_augments = mixer
    start = time.perf_counter()
    fit(model, data, epochs, seed, lambda images, labels: (images, [DataSample().set_gt_label(i) for i in labels]))
    return model, (time.perf_counter() - start) / epochs


def fit(
    model: MixClassifier,
    data: tuple[Tensor, Tensor],
    epochs: int,
    seed: int,
    prepare: Callable[[Tensor, Tensor], tuple[Tensor, list[DataSample]]],
) -> None:
    """Train a network; ``prepare`` makes of cropped images and their labels what goes into it."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, epochs * (len(data[0]) // BATCH), pct_start=0.15, cycle_momentum=False
    )
    model.train()
    for _ in range(epochs):
        for batch in batches(*data, generator):
            images, samples = prepare(*batch)
            with torch.autocast('cpu', dtype=torch.bfloat16):
                losses = model.loss(images.contiguous(memory_format=torch.channels_last), samples)
            optimizer.zero_grad()
            losses['loss'].backward()
            optimizer.step()
            schedule.step()


def main() -> None:
    """Train every cell that the JSON does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path)
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--lengths', type=int, nargs='+', default=[16, 24, 8])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1])
    parser.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--weights', type=Path, help='folder for the weights of each cell')
    args = parser.parse_args()
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('WARNING')
    data, test = load(args.data / 'train'), load(args.data / 'test')
    results = Results(args.out, about(data, test), names=('about', 'cells'), strict=False)
    wanted = (
        dict(method=kind.__name__, length=length, seed=seed, epochs=args.epochs)
        for seed, length, kind in product(args.seeds, args.lengths, (Cutout, KeepCutout))
    )
    results.complete(wanted, partial(cell, data, test, args.weights))


def cell(
    data: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    weights: Path | None,
    method: str,
    length: int,
    seed: int,
    epochs: int,
) -> dict:
    """Train one network, and ask it about test images and about training images that went through either method."""
    kinds = {kind.__name__: kind for kind in (Cutout, KeepCutout)}
    model, seconds = train(kinds[method](length=length), data, epochs, seed)
    found: dict = dict(test_accuracy=accuracy(model, *test), seconds_per_epoch=round(seconds, 1))
    rows = torch.randperm(len(data[0]), generator=torch.Generator().manual_seed(0))[:FIDELITY]
    some = data[0][rows], data[1][rows]
    found['train_accuracy_clean'] = accuracy(model, *some)
    for name, kind in kinds.items():
        mixer = kind(length=length)
        mixer.bind(model)
        found[f'train_accuracy_{name}'] = accuracy(model, *some, mixer)
    print(dict(method=method, length=length, seed=seed, epochs=epochs, **found), flush=True)
    if weights:
        weights.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), weights / f'{method}_{length}_{seed}.pth')
    return found


def about(data: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> dict:
    """What was run, and on what."""
    return dict(
        mark='ours',
        data=f'CIFAR-10 subset: {len(data[0])} training and {len(test[0])} test images',
        network='ResNet_CIFAR depth 18, stem_channels=16, base_channels=16 (0.7 M parameters)',
        recipe=f'SGD nesterov lr 0.1, weight decay 5e-4, batch {BATCH}, one-cycle, pad-4 crop, flip, bfloat16 autocast',
        guide='InputGradient, full resolution, float32; tau 0.6',
        hardware=hardware('CPU ({machine}), one thread of a shared machine', 'cpu') + f'; torch {torch.__version__}',
        fidelity=f'eval-mode accuracy on {FIDELITY} training images without crops or flips',
    )


if __name__ == '__main__':
    main()
