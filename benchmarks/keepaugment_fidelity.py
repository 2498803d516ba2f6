"""How much of the images survives: accuracy on augmented training images, and the share of saliency that is cut.

The argument of the paper's Figure 2, measured in three tables:

- ``randaugment``: two networks are trained alike, one with RandAugment and one with KeepRandAugment (the transform in
  front, ``KeepPaste`` on the device), and each is asked about training images augmented both ways.
- ``magnitude``: the network that was trained with RandAugment, on images augmented by either at several magnitudes.
- ``mass``: the share of the saliency of a network that Cutout and CutMix remove, with a selective cut and without: of
  that network, or of one that ``keepaugment_cifar10.py --weights`` saved.

    python benchmarks/keepaugment_fidelity.py DATA --epochs 8

``DATA`` is as for ``keepaugment_cifar10.py``, whose network and crops these are.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from keepaugment_cifar10 import BATCH, MEAN, STD, fit, load, network, predict
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from torch import Tensor

from mmmix import CutMix, Cutout, InputGradient, KeepCutMix, KeepCutout, MixClassifier, SelectivePaste
from mmmix.datasets.transforms import KeepRandAugment
from mmmix.evaluation.contenders import FixedGuide
from mmmix.evaluation.frame import hardware, write_json
from mmmix.ops.boxes import box_mask, centred

PASTE = dict(type='mmmix.KeepPaste', length=16, tau=0.6)


def augmented(pixels: Tensor, labels: Tensor, transform: KeepRandAugment) -> dict:
    """A collated batch of what the transform makes of uint8 images."""
    inputs, samples = [], []
    for image, label in zip(pixels, labels, strict=True):
        results = transform(dict(img=image.permute(1, 2, 0).numpy()))
        assert results is not None
        inputs.append(torch.from_numpy(results['img']).permute(2, 0, 1))
        sample = DataSample().set_gt_label(int(label))
        sample.set_field(results['clean_view'], 'clean_view')
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def normalised(paste: bool) -> MixClassifier:
    """The network of ``keepaugment_cifar10.py``, which gets its images through its preprocessor."""
    preprocessor = dict(mean=MEAN, std=STD, num_classes=10)
    return network(PASTE if paste else None, data_preprocessor=preprocessor)


def train(paste: bool, data: tuple[Tensor, Tensor], epochs: int, seed: int, magnitude: float) -> MixClassifier:
    """Train one network."""
    torch.manual_seed(seed)
    model, transform = normalised(paste), KeepRandAugment(magnitude_level=magnitude)

    def prepare(pixels: Tensor, labels: Tensor) -> tuple[Tensor, list[DataSample]]:
        batch = model.data_preprocessor(augmented(pixels, labels, transform), training=True)
        return batch['inputs'], batch['data_samples']

    fit(model, data, epochs, seed, prepare)
    return model


def accuracy(model: MixClassifier, data: tuple[Tensor, Tensor], magnitude: float | None, keep: bool) -> float:
    """Percent right in eval mode on images that RandAugment changed, with a clean box pasted if ``keep``."""
    torch.manual_seed(0)
    model.eval()
    transform, guide, right = KeepRandAugment(magnitude_level=magnitude or 0), InputGradient(), 0
    guide.bind(model)
    paste = SelectivePaste(guide=guide, tau=0.6)
    for pixels, labels in zip(data[0].split(250), data[1].split(250), strict=True):
        clean = model.data_preprocessor(dict(inputs=pixels))['inputs']
        images = clean
        if magnitude is not None:
            batch = augmented(pixels, labels, transform)
            images = model.data_preprocessor(dict(inputs=torch.stack(batch['inputs'])))['inputs']
        if keep:
            side = torch.full((len(images),), 16)
            centre = paste(guide(clean, F.one_hot(labels, 10).float()), side, side)
            images = torch.where(box_mask(centred(*centre, side, side), 32, 32), images, clean)
        right += int((predict(model, images) == labels).sum())
    return round(100 * right / len(data[1]), 2)


def removed_mass(model: MixClassifier, data: tuple[Tensor, Tensor], draws: int = 5) -> list[dict]:
    """The mean share of each image's saliency, and of its area, that mixers remove."""
    model.eval()
    guide = InputGradient()
    guide.bind(model)
    images, scores = model.data_preprocessor(dict(inputs=data[0]))['inputs'], F.one_hot(data[1], 10).float()
    maps = torch.cat([guide(*rows) for rows in zip(images.split(250), scores.split(250), strict=True)])
    mass = maps / maps.sum((2, 3), keepdim=True)
    pairs = [(f'Cutout, length {n}', Cutout(n), KeepCutout(FixedGuide(maps), length=n)) for n in (8, 16, 24)]
    pairs.append(('CutMix', CutMix(lam_mode='elem'), KeepCutMix(FixedGuide(maps), lam_mode='elem')))
    rows = []
    for name, plain, keep in pairs:
        row: dict = dict(method=name)
        for key, mixer in (('plain', plain), ('keep', keep)):
            torch.manual_seed(0)
            gone = [1 - mixer.mix(images, scores).mask for _ in range(draws)]
            row[f'saliency_{key}'] = round(
                float(torch.stack([(mass * g).sum((1, 2, 3)).mean() for g in gone]).mean()), 4
            )
            row[f'area_{key}'] = round(float(torch.stack([g.mean() for g in gone]).mean()), 4)
        rows.append(row)
    return rows


def main() -> None:
    """Train, measure and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path)
    parser.add_argument('--epochs', type=int, default=8)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--images', type=int, default=1000, help='training images that are asked about')
    parser.add_argument('--magnitude', type=float, default=9)
    parser.add_argument('--mass-weights', type=Path, help='weights of the network whose saliency is cut')
    parser.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('WARNING')
    normal, labels = load(args.data / 'train')
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    data = (normal * std + mean).round().to(torch.uint8), labels
    rows = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[: args.images]
    some = data[0][rows], labels[rows]
    models = {
        name: train(paste, data, args.epochs, args.seed, args.magnitude)
        for name, paste in (('RandAugment', False), ('KeepRandAugment', True))
    }
    table = [
        dict(
            trained_with=name,
            clean=accuracy(model, some, None, False),
            RandAugment=accuracy(model, some, args.magnitude, False),
            KeepRandAugment=accuracy(model, some, args.magnitude, True),
        )
        for name, model in models.items()
    ]
    one = models['RandAugment']
    magnitudes = []
    for level in (3, 6, 9):
        plain, keep = (accuracy(one, some, level, pasted) for pasted in (False, True))
        magnitudes.append(dict(magnitude=level, RandAugment=plain, KeepRandAugment=keep))
    about = dict(
        mark='ours',
        data=f'CIFAR-10 subset: {len(labels)} training images, {args.images} of them asked about, eval mode',
        network='ResNet_CIFAR depth 18, stem_channels=16, base_channels=16 (0.7 M parameters)',
        recipe=f'{args.epochs} epochs, batch {BATCH}, seed {args.seed}, two policies of magnitude {args.magnitude:g}',
        hardware=hardware('CPU, one thread of a shared machine', 'cpu') + f'; torch {torch.__version__}',
    )
    if args.mass_weights is not None:
        one = normalised(False)
        one.load_state_dict(torch.load(args.mass_weights, weights_only=True))
        about['mass'] = f'saliency of the network {args.mass_weights.stem} of keepaugment_cifar10.py'
    result = dict(about=about, randaugment=table, magnitude=magnitudes, mass=removed_mass(one, some))
    print(json.dumps(result, indent=2))
    write_json(args.out, result)


if __name__ == '__main__':
    main()
