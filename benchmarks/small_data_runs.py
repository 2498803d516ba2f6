"""One run of the small-data comparison: images in memory, MMEngine's runner, the score on all test images."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from PIL import Image
from small_data_arms import Arm
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmmix import HardSampleHook
from mmmix.evaluation.calibration import expected_calibration_error

BATCH, SIDE, LAST = 100, 16, 5
#: bfloat16 where the CPU computes in it, which elsewhere is several times slower than float32.
BFLOAT16: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()


@dataclass
class Images:
    """Normalised training and test images, ``(N, 3, 16, 16)``, and their labels."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: int


def read(folder: Path, coarse: bool) -> tuple[Tensor, Tensor, int]:
    """All images of a folder, 16 pixels a side by area averaging, and their labels; kept beside it once read."""
    cache = folder.with_name(f'{folder.name}_{SIDE}px.pt')
    names = sorted(path.name for path in folder.iterdir())
    if not cache.exists():
        files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).glob('*.png'))]
        pixels = torch.from_numpy(np.stack([np.asarray(Image.open(path).convert('RGB')) for path, _ in files]))
        small = F.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2).float(), SIDE)
        half = cache.with_suffix(f'.{os.getpid()}.tmp')
        torch.save(dict(images=small, labels=torch.tensor([label for _, label in files])), half)
        half.replace(cache)
    kept = torch.load(cache, weights_only=True)
    labels = kept['labels']
    if coarse:
        labels = torch.tensor([SUPERCLASS[name] for name in names])[labels]
    return kept['images'], labels, int(labels.max()) + 1


def load_images(folder: Path, count: int, coarse: bool, tuning: bool) -> Images:
    """The images of a comparison: as many of each class; tuning has training and test images of its own.

    Args:
        folder (Path): ``train`` and ``test`` lie in it.
        count (int): How many training images.
        coarse (bool): Whether the labels are CIFAR-100's superclasses.
        tuning (bool): Whether to take training images that the table does not use, for training and for testing.
    """
    images, labels, classes = read(folder / 'train', coarse)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(2026))
    rank = torch.zeros(len(labels), dtype=torch.long)
    for label in range(classes):
        rows = order[labels[order] == label]
        rank[rows] = torch.arange(len(rows))
    each = count // classes
    mine = (rank >= each) & (rank < 2 * each) if tuning else rank < each
    if tuning:
        held = (rank >= 2 * each) & (rank < 4 * each)
        test, test_labels = images[held], labels[held]
    else:
        test, test_labels, _ = read(folder / 'test', coarse)
    own = images[mine]
    mean, std = own.mean((0, 2, 3), keepdim=True), own.std((0, 2, 3), keepdim=True)
    test, own = ((part - mean) / std for part in (test, own))
    layout = torch.channels_last
    return Images(
        own.contiguous(memory_format=layout), labels[mine], test.contiguous(memory_format=layout), test_labels, classes
    )


class InMemory(Dataset):
    """Training images that lie in memory: a sample is its number and its annotation."""

    def __init__(self, labels: Tensor):
        self.samples = [
            DataSample(metainfo=dict(sample_idx=i)).set_gt_label(int(label)) for i, label in enumerate(labels)
        ]
        self.metainfo: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A fresh annotation, since the preprocessor writes into it."""
        return dict(inputs=index, data_samples=self.samples[index].clone())


def logits_of(model: Any, images: Tensor) -> Tensor:
    """What the network says of images as they are, ``(N, K)``."""
    model.eval()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=BFLOAT16):
        logits = torch.cat([model.head(model.extract_feat(part)) for part in images.split(500)]).float()
    model.train()
    return logits


class Score(Hook):
    """Accuracy, likelihood and calibration on all test images after each of the last epochs."""

    def __init__(self, images: Images, first: int):
        self.images = images
        self.first = first
        #: Top-1 in percent, negative log-likelihood and calibration error in percent, after each epoch.
        self.found: list[tuple[float, float, float]] = []

    def after_train_epoch(self, runner: Runner) -> None:
        """Rate the network."""
        if runner.epoch < self.first:
            return
        logits = logits_of(runner.model, self.images.test)
        labels = self.images.test_labels
        right = float((logits.argmax(1) == labels).float().mean())
        error = float(expected_calibration_error(logits.softmax(1), labels))
        self.found.append((100 * right, float(F.cross_entropy(logits, labels)), error))


@dataclass
class Trained:
    """What came out of a run.

    Attributes:
        scores: Top-1, negative log-likelihood and calibration error after each of the epochs that were rated.
        predicted: ``(N,)`` classes of the training images, as the network sees them in the end.
        hardness: ``(N,)`` of the training images, by ``HardSampleHook``; None without it.
        seconds_a_step: CPU seconds.
    """

    scores: list[tuple[float, float, float]]
    predicted: Tensor
    hardness: Tensor | None
    seconds_a_step: float

    def summary(self) -> dict[str, float]:
        """Medians over the last epochs: ``top1`` in percent, ``nll`` and ``ece``; and ``seconds_a_step``."""
        top1, nll, ece = (float(torch.tensor(column).median()) for column in zip(*self.scores[-LAST:], strict=True))
        return dict(
            top1=round(top1, 3), nll=round(nll, 4), ece=round(ece, 4), seconds_a_step=round(self.seconds_a_step, 5)
        )


def train(arm: Arm, images: Images, seed: int, epochs: int, rated: int = LAST) -> Trained:
    """Train one network and rate it.

    Args:
        arm (Arm): How.
        images (Images): On what.
        seed (int): Fixes initialisation, order and flips.
        epochs (int): How many.
        rated (int): After how many of the last epochs the network is rated. Defaults to 5.
    """
    flips = torch.Generator().manual_seed(seed)

    def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        batch = images.train[[sample['inputs'] for sample in samples]]
        turned = torch.rand(len(batch), 1, 1, 1, generator=flips) < 0.5
        batch = torch.where(turned, batch.flip(3), batch).contiguous(memory_format=torch.channels_last)
        return dict(inputs=batch, data_samples=[sample['data_samples'] for sample in samples])

    dataset = InMemory(images.train_labels)
    sampler = DefaultSampler(dataset, shuffle=True, seed=seed)
    steps = epochs * (len(dataset) // BATCH)
    score = Score(images, epochs - rated)
    head = dict(type='mmpretrain.LinearClsHead', num_classes=images.classes, in_channels=128)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            model=dict(
                type='mmmix.MixClassifier',
                backbone=dict(
                    type='mmmix.ResNet_CIFAR', depth=10, stem_channels=16, base_channels=16, strides=(2, 2, 2, 1)
                ),
                neck=dict(type='mmpretrain.GlobalAveragePooling'),
                head={**head, **arm.head},
                train_cfg=None if arm.augments is None else dict(augments=arm.augments),
            ),
            work_dir=folder,
            train_dataloader=DataLoader(dataset, BATCH, sampler=sampler, collate_fn=collate, drop_last=True),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(
                type='mmmix.AutocastOptimWrapper' if BFLOAT16 else 'OptimWrapper',
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
            ),
            param_scheduler=dict(type='OneCycleLR', eta_max=0.1, total_steps=steps, pct_start=0.15, by_epoch=False),
            default_hooks=dict(logger=None, checkpoint=None),
            custom_hooks=[*arm.hooks, score],
            randomness=dict(seed=seed),
            experiment_name=f'{Path(folder).name}',
            default_scope='mmpretrain',
            log_level='ERROR',
        )
        runner.model.to(memory_format=torch.channels_last)
        # CPU seconds of this process, which has one thread: what else the machine does at the time is not counted.
        start = time.process_time()
        runner.train()
        seconds = time.process_time() - start
    tables = [hook.table for hook in runner.hooks if isinstance(hook, HardSampleHook)]
    predicted = logits_of(runner.model, images.train).argmax(1)
    return Trained(score.found, predicted, tables[0].hardness() if tables else None, seconds / steps)


_GROUPS = (
    'beaver dolphin otter seal whale', 'aquarium_fish flatfish ray shark trout', 'orchid poppy rose sunflower tulip',
    'bottle bowl can cup plate', 'apple mushroom orange pear sweet_pepper',
    'clock keyboard lamp telephone television',
    'bed chair couch table wardrobe', 'bee beetle butterfly caterpillar cockroach', 'bear leopard lion tiger wolf',
    'bridge castle house road skyscraper', 'cloud forest mountain plain sea',
    'camel cattle chimpanzee elephant kangaroo',
    'fox porcupine possum raccoon skunk', 'crab lobster snail spider worm', 'baby boy girl man woman',
    'crocodile dinosaur lizard snake turtle', 'hamster mouse rabbit shrew squirrel',
    'maple_tree oak_tree palm_tree pine_tree willow_tree', 'bicycle bus motorcycle pickup_truck train',
    'lawn_mower rocket streetcar tank tractor',
)  # fmt: skip
#: CIFAR-100's fine classes and the superclass of each.
SUPERCLASS = {name: number for number, group in enumerate(_GROUPS) for name in group.split()}
