"""The images of the small-data comparison, in memory."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmmix import Digits


@dataclass
class Images:
    """Normalised training and test images, ``(N, 3, side, side)``, and their labels.

    ``mean`` and ``std``, ``(1, 3, 1, 1)`` each, are those of the grey levels, which they were normalised by.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: int
    mean: Tensor
    std: Tensor

    def to(self, device: str) -> 'Images':
        """The same images in the memory of a device; labels stay, which hosts and data sets read."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def read(folder: Path, coarse: bool, side: int = 16) -> tuple[Tensor, Tensor, int]:
    """All images of a folder, so small by area averaging, and their labels; kept beside it once read."""
    cache = folder.with_name(f'{folder.name}_{side}px.pt')
    names = sorted(path.name for path in folder.iterdir())
    if not cache.exists():
        files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).glob('*.png'))]
        pixels = torch.from_numpy(np.stack([np.asarray(Image.open(path).convert('RGB')) for path, _ in files]))
        small = F.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2).float(), side)
        half = cache.with_suffix(f'.{os.getpid()}.tmp')
        torch.save(dict(images=small, labels=torch.tensor([label for _, label in files])), half)
        half.replace(cache)
    kept = torch.load(cache, weights_only=True)
    labels = kept['labels']
    if coarse:
        labels = torch.tensor([SUPERCLASS[name] for name in names])[labels]
    return kept['images'], labels, int(labels.max()) + 1


def split(labels: Tensor, count: int, tuning: bool, tail: float = 1.0) -> tuple[Tensor, Tensor]:
    """Which training images are for training, and which for testing, ``(N,)`` bool; as many of each class.

    Args:
        labels (Tensor): ``(N,)`` of all training images.
        count (int): How many are for training, if all classes had as many as the first.
        tuning (bool): Whether for tuning, which takes images that the table does not use; else none are for testing.
        tail (float): How many times as many images the first class has for training as the last one; from class to
            class they fall by the same factor. Defaults to 1.0.
    """
    classes = int(labels.max()) + 1
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(2026))
    rank = torch.zeros(len(labels), dtype=torch.long)
    for label in range(classes):
        rows = order[labels[order] == label]
        rank[rows] = torch.arange(len(rows))
    each = count // classes
    own = torch.tensor([round(each * tail ** (-label / (classes - 1))) for label in range(classes)])[labels]
    if tuning:
        return (rank >= each) & (rank < each + own), (rank >= 2 * each) & (rank < 4 * each)
    return rank < own, torch.zeros_like(rank, dtype=torch.bool)


def load_images(
    folder: Path, count: int, coarse: bool = False, tuning: bool = False, tail: float = 1.0, side: int = 16
) -> Images:
    """The images of a comparison: as many of each class; tuning has training and test images of its own.

    Args:
        folder (Path): ``train`` and ``test`` lie in it.
        count (int): How many training images.
        coarse (bool): Whether the labels are CIFAR-100's superclasses. Defaults to False.
        tuning (bool): Whether to take training images that the table does not use, for training and for testing.
            Defaults to False.
        tail (float): See :func:`split`. Defaults to 1.0.
        side (int): Pixels a side. Defaults to 16.
    """
    images, labels, classes = read(folder / 'train', coarse, side)
    mine, held = split(labels, count, tuning, tail)
    if tuning:
        test, test_labels = images[held], labels[held]
    else:
        test, test_labels, _ = read(folder / 'test', coarse, side)
    own = images[mine]
    mean, std = own.mean((0, 2, 3), keepdim=True), own.std((0, 2, 3), keepdim=True)
    test, own = ((part - mean) / std for part in (test, own))
    layout = torch.channels_last
    own, test = (part.contiguous(memory_format=layout) for part in (own, test))
    return Images(own, labels[mine], test, test_labels, classes, mean, std)


def load_digits(count: int, side: int = 16) -> Images:
    """Real digits, the first so many of the training split, and all of the test split; see :class:`mmmix.Digits`."""
    layout, parts = torch.channels_last, []
    for split_name, indices in (('train', count), ('test', None)):
        digits = Digits(split=split_name, size=side, indices=indices)
        infos = [digits.get_data_info(row) for row in range(len(digits))]
        pixels = torch.from_numpy(np.stack([info['img'] for info in infos])).permute(0, 3, 1, 2).float()
        parts.append((pixels, torch.tensor([info['gt_label'] for info in infos])))
    (own, labels), (test, test_labels) = parts
    mean, std = own.mean((0, 2, 3), keepdim=True), own.std((0, 2, 3), keepdim=True)
    own, test = (((part - mean) / std).contiguous(memory_format=layout) for part in (own, test))
    return Images(own, labels, test, test_labels, 10, mean, std)


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
