"""Segmentation of scattered digits with mixed label maps: does a small network gain from them?

``python benchmarks/dense_labels.py`` trains each arm with each seed on 400 scenes of ``mmmix.ScatteredDigits`` whose
label maps are known (half a minute each on one free CPU core), prints the intersection over union of the digit on 445
scenes of other digits, and writes ``benchmarks/dense_labels.json`` and ``.md``. It is a plain loop of MMEngine:
everything that another segmentor needs is in this file.
"""

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.runner import Runner, set_random_seed
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor, nn

from mmmix import DenseMix, ScatteredDigits
from mmmix.evaluation.frame import hardware, mean_and_deviation, write_json

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 2  # all that lies around it, and the digit
ARMS: dict[str, dict | None] = {
    'none': None,
    'CutMix': dict(mixer=dict(type='mmmix.CutMix', alpha=1.0, prob=0.5, lam_mode='elem')),
    'Mixup, soft maps': dict(
        mixer=dict(type='mmmix.Mixup', alpha=0.2, prob=0.5, lam_mode='elem'), form='soft', num_classes=CLASSES
    ),
}


class Preprocessor(ImgDataPreprocessor):
    """Stack, normalise, and in training mix, as mmseg's does."""

    def __init__(self, augment: dict | None):
        super().__init__(mean=[60.3, 62.3, 63.5], std=[49.5, 50.2, 50.2])
        self.augment = None if augment is None else DenseMix(**augment)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Images and data samples."""
        data = super().forward(data, training)
        if training and self.augment is not None:
            data['inputs'], data['data_samples'] = self.augment(data['inputs'], data['data_samples'])
        return data


def block(channels: int, width: int) -> nn.Sequential:
    """Two convolutions."""
    layers = [
        layer
        for given in (channels, width)
        for layer in (nn.Conv2d(given, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    ]
    return nn.Sequential(*layers)


class Segmentor(BaseModel):
    """A small U of three scales, 67 k parameters."""

    def __init__(self, augment: dict | None):
        super().__init__(Preprocessor(augment))
        self.down = nn.ModuleList([block(3, 12), block(12, 24), block(24, 48)])
        self.up = nn.ModuleList([block(72, 24), block(36, 12)])
        self.classify = nn.Conv2d(12, CLASSES, 1)

    def forward(self, inputs: Tensor, data_samples: list[Any], mode: str = 'loss') -> Any:
        """The loss, or the data samples with ``pred``."""
        maps = []
        for layer in self.down:
            maps.append(layer(nn.functional.max_pool2d(maps[-1], 2) if maps else inputs))
        found = maps.pop()
        for layer in self.up:
            found = layer(torch.cat([nn.functional.interpolate(found, scale_factor=2.0), maps.pop()], 1))
        logits = self.classify(found)
        if mode == 'predict':
            for sample, each in zip(data_samples, logits.argmax(1), strict=True):
                sample.pred = each
            return data_samples
        truth = torch.stack([sample.gt_sem_seg.data for sample in data_samples])
        # Hard maps are (N, 1, H, W), soft ones (N, K, H, W): PyTorch's cross entropy takes both.
        return dict(loss=nn.functional.cross_entropy(logits, truth[:, 0].long() if truth.shape[1] == 1 else truth))


class DigitIoU(BaseMetric):
    """The intersection over union of the digit, in percent."""

    default_prefix = 'digit'

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Count pairs of classes."""
        for sample in data_samples:
            truth, found = sample['gt_sem_seg']['data'][0].long(), sample['pred']
            self.results.append((truth * CLASSES + found).flatten().bincount(minlength=CLASSES**2))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Over all scenes."""
        counts = torch.stack(results).sum(0).view(CLASSES, CLASSES).double()
        both = counts.diag()
        return dict(iou=100 * float((both / (counts.sum(0) + counts.sum(1) - both))[1:].mean()))


def scenes(**kwargs: Any) -> list[dict]:
    """Scenes with their label maps: where there is ink, the digit is."""
    data = ScatteredDigits(**kwargs)
    found = []
    for info in (data.get_data_info(i) for i in range(len(data))):
        labels = torch.from_numpy(info['ink'] > 64).long()[None]
        image = torch.from_numpy(info['img']).permute(2, 0, 1).contiguous()
        found.append(dict(inputs=image, data_samples=BaseDataElement(gt_sem_seg=PixelData(data=labels))))
    return found


def run(arm: str, seed: int, epochs: int, train: list[dict], test: list[dict]) -> float:
    """Train one arm with one seed; the IoU after the last epoch."""
    set_random_seed(seed)
    loader: dict = dict(collate_fn=dict(type='pseudo_collate'), num_workers=0)
    with tempfile.TemporaryDirectory() as work_dir:
        runner = Runner(
            model=Segmentor(ARMS[arm]),
            work_dir=work_dir,
            train_dataloader=dict(
                loader, dataset=train, batch_size=10, sampler=dict(type='DefaultSampler', shuffle=True)
            ),
            val_dataloader=dict(
                loader, dataset=test, batch_size=445, sampler=dict(type='DefaultSampler', shuffle=False)
            ),
            train_cfg=dict(by_epoch=True, max_epochs=epochs, val_begin=epochs),
            val_cfg=dict(),
            val_evaluator=[DigitIoU()],
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=1e-2)),
            param_scheduler=dict(type='CosineAnnealingLR', T_max=epochs, by_epoch=True),
            default_hooks=dict(checkpoint=None),
            randomness=dict(seed=seed),
            experiment_name=f'{arm}-{seed}',
            log_level='WARNING',
        )
        runner.train()
        return float(runner.message_hub.get_scalar('val/digit/iou').current())


PAGE = """# Mixed label maps on scattered digits

Mark: `ours`. A small U of 67 k parameters finds the pixels of the digit among pieces of others in
`mmmix.ScatteredDigits`: {train} scenes of 32 x 32 pixels, {epochs} epochs, intersection over union of the digit on
{test} scenes of other digits, in percent, after the last epoch. {hardware}, torch {torch}; seeds {seeds}, mean and
standard deviation. Per run: [dense_labels.json](dense_labels.json); again: `python benchmarks/dense_labels.py`.

| arm | IoU | ahead of `none` with |
| --- | --- | --- |
{rows}

It is a small and easy task: what mixing does for large segmentors on photographs is `not run`.
"""


def main() -> None:
    """Train, print, write."""
    parser = ArgumentParser(description='Segmentation with mixed label maps')
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--scenes', type=int, default=400)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks/dense_labels.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, test = scenes(split='train', indices=args.scenes), scenes(split='test')
    runs: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for seed in args.seeds:
        for arm, found in runs.items():
            found.append(round(run(arm, seed, args.epochs, train, test), 2))
            print(f'{arm}, seed {seed}: {found[-1]}', flush=True)
    rows = []
    for arm, found in runs.items():
        mean, spread = mean_and_deviation(found)
        ahead = sum(a > b for a, b in zip(found, runs['none'], strict=True))
        seeds = '' if arm == 'none' else f'{ahead} of {len(found)} seeds'
        rows.append(f'| {arm} | {mean:.2f} ± {spread or 0.0:.2f} | {seeds} |')
    facts = dict(hardware=hardware('{machine} CPU, 1 thread', 'cpu'), torch=torch.__version__, epochs=args.epochs)
    write_json(
        args.output,
        dict(mark='ours', what='IoU of the digit, percent', **facts, seeds=args.seeds, arms=ARMS, runs=runs),
    )
    page = PAGE.format(
        **facts, train=len(train), test=len(test), seeds=', '.join(map(str, args.seeds)), rows='\n'.join(rows)
    )
    args.output.with_suffix('.md').write_text(page, encoding='utf-8')
    print('\n'.join(rows))


if __name__ == '__main__':
    main()
