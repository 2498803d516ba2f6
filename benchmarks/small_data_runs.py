"""One run of the small-data comparison: images in memory, MMEngine's runner, the score on all test images."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from small_data_arms import Arm
from small_data_images import Images
from small_data_views import Views, Worker
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmmix import HardSampleHook
from mmmix.evaluation.calibration import expected_calibration_error
from mmmix.evaluation.frame import clock

#: The score is the median over so many of the last epochs.
LAST = 5


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


def rarest_classes(labels: Tensor, classes: int) -> Tensor | None:
    """The third of the classes with the fewest images, ``(K // 3,)``; None where no class has twice another's."""
    counts = labels.bincount(minlength=classes)
    if classes < 3 or counts.max() < 2 * counts.min():
        return None
    return counts.argsort(stable=True)[: classes // 3]


def logits_of(model: Any, images: Tensor, bfloat16: bool) -> Tensor:
    """What the network says of images as they are, ``(N, K)``."""
    model.eval()
    with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
        logits = torch.cat([model.head(model.extract_feat(part)) for part in images.split(500)]).float().cpu()
    model.train()
    return logits


class Score(Hook):
    """Accuracy, likelihood and calibration on all test images after each of the last epochs."""

    def __init__(self, images: Images, first: int, bfloat16: bool):
        self.images = images
        self.first = first
        self.bfloat16 = bfloat16
        rare = rarest_classes(images.train_labels, images.classes)
        self._rows = None if rare is None else torch.isin(images.test_labels, rare)
        #: Top-1 in percent, negative log-likelihood and calibration error in percent, after each epoch.
        self.found: list[tuple[float, float, float]] = []
        #: Top-1 in percent on the rarest third of the classes, after each epoch; empty where classes are alike.
        self.rare: list[float] = []

    def after_train_epoch(self, runner: Runner) -> None:
        """Rate the network."""
        if runner.epoch < self.first:
            return
        logits = logits_of(runner.model, self.images.test, self.bfloat16)
        labels = self.images.test_labels
        hits = (logits.argmax(1) == labels).float()
        right = float(hits.mean())
        if self._rows is not None:
            self.rare.append(100 * float(hits[self._rows].mean()))
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
        rare: Top-1 in percent on the rarest third of the classes, after each of these epochs; empty where classes have
            about as many images.
    """

    scores: list[tuple[float, float, float]]
    predicted: Tensor
    hardness: Tensor | None
    seconds_a_step: float
    rare: Sequence[float] = ()

    def summary(self) -> dict[str, float]:
        """Medians over the last epochs: ``top1`` in percent, ``nll``, ``ece``, and ``rare``, see there."""
        top1, nll, ece = (float(torch.tensor(column).median()) for column in zip(*self.scores[-LAST:], strict=True))
        rare = dict(rare=round(float(torch.tensor(self.rare[-LAST:]).median()), 3)) if self.rare else {}
        cost = round(self.seconds_a_step, 5)
        return dict(top1=round(top1, 3), nll=round(nll, 4), ece=round(ece, 4), **rare, seconds_a_step=cost)


@dataclass(frozen=True)
class Regime:
    """What all arms of a comparison have in common.

    Attributes:
        backbone: The network.
        channels: How many features it gives.
        batch: Images a step.
        lr: The largest learning rate, of a one-cycle schedule.
        weight_decay: On everything.
        warm_up: The part of the steps in which the rate rises.
        floor: What is left of the rate in the end; None is next to nothing.
        crop: Random crops out of so many pixels of black around the image; 0 is none.
        bfloat16: Whether the network computes in it: on a CPU of today not faster for a network so small.
        device: Where the images lie and the network runs.
    """

    backbone: dict[str, Any]
    channels: int
    batch: int = 100
    lr: float = 0.1
    weight_decay: float = 5e-4
    warm_up: float = 0.15
    floor: float | None = None
    crop: int = 0
    bfloat16: bool = False
    device: str = 'cpu'

    def precision(self) -> dict[str, Any]:
        """The optimizer's wrapper."""
        if not self.bfloat16:
            return dict(type='OptimWrapper')
        if self.device == 'cpu':
            return dict(type='mmmix.AutocastOptimWrapper')
        return dict(type='AmpOptimWrapper', dtype='bfloat16')


SMALL = Regime(
    dict(type='mmmix.ResNet_CIFAR', depth=10, stem_channels=16, base_channels=16, strides=(2, 2, 2, 1)), channels=128
)


def train(arm: Arm, images: Images, seed: int, epochs: int, rated: int = LAST, regime: Regime = SMALL) -> Trained:
    """Train one network and rate it.

    Args:
        arm (Arm): How.
        images (Images): On what.
        seed (int): Fixes initialisation, order and views.
        epochs (int): How many.
        rated (int): After how many of the last epochs the network is rated. Defaults to 5.
        regime (Regime): What all arms have in common. Defaults to that of the small-data comparison.
    """
    dataset = InMemory(images.train_labels)
    views = Views(images.train, regime.crop, seed)
    collate = Worker(arm.transforms, images, views) if arm.transforms else views
    steps = epochs * (len(dataset) // regime.batch)
    score = Score(images, epochs - rated, regime.bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        runner = runner_of(arm, dataset, collate, images.classes, seed, epochs, regime, folder, [score])
        # On a CPU the seconds of this process, which has one thread: what else the machine does is not counted.
        now = clock(regime.device, own_work=True)
        start = now()
        runner.train()
        seconds = now() - start
    tables = [hook.table for hook in runner.hooks if isinstance(hook, HardSampleHook)]
    predicted = logits_of(runner.model, images.train, regime.bfloat16).argmax(1)
    return Trained(score.found, predicted, tables[0].hardness() if tables else None, seconds / steps, score.rare)


def runner_of(
    arm: Arm,
    dataset: Dataset,
    collate: Any,
    classes: int,
    seed: int,
    epochs: int,
    regime: Regime,
    folder: str,
    hooks: Sequence[Hook],
    preprocessor: dict[str, Any] | None = None,
) -> Runner:
    """MMEngine's runner for an arm.

    Args:
        arm (Arm): How to train.
        dataset (Dataset): On what.
        collate (Callable): Puts its samples together.
        classes (int): How many there are.
        seed (int): Fixes initialisation and order.
        epochs (int): How many.
        regime (Regime): What all arms have in common.
        folder (str): The work dir.
        hooks (Sequence[Hook]): Beside the arm's own.
        preprocessor (dict, optional): The data preprocessor's. Defaults to None, images are normalised already.
    """
    sampler = DefaultSampler(dataset, shuffle=True, seed=seed)
    steps = epochs * (len(dataset) // regime.batch)  # type: ignore[arg-type]
    head = dict(type='mmpretrain.LinearClsHead', num_classes=classes, in_channels=regime.channels)
    sgd = dict(type='SGD', lr=regime.lr, momentum=0.9, nesterov=True, weight_decay=regime.weight_decay)
    cycle = dict(eta_max=regime.lr, total_steps=steps, pct_start=regime.warm_up, by_epoch=False)
    if regime.floor is not None:
        cycle.update(div_factor=25.0, final_div_factor=1 / (25 * regime.floor))
    runner = Runner(
        model=dict(
            type='mmmix.MixClassifier',
            backbone=regime.backbone,
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head={**head, **arm.head},
            train_cfg=None if arm.augments is None else dict(augments=arm.augments),
            data_preprocessor=preprocessor,
        ),
        work_dir=folder,
        train_dataloader=DataLoader(dataset, regime.batch, sampler=sampler, collate_fn=collate, drop_last=True),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(**regime.precision(), optimizer=sgd),
        param_scheduler=dict(type='OneCycleLR', **cycle),
        default_hooks=dict(logger=None, checkpoint=None),
        custom_hooks=[*arm.hooks, *hooks],
        randomness=dict(seed=seed),
        experiment_name=Path(folder).name,
        default_scope='mmpretrain',
        log_level='ERROR',
    )
    runner.model.to(device=regime.device, memory_format=torch.channels_last)
    return runner
