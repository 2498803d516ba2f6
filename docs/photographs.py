"""Five photographs that scikit-image ships, and a small network that learned to tell crops of them apart.

Their authors gave all of them to the public domain; the docstrings of `skimage.data` say so. The training is a real
one, by MMEngine's runner with `MixClassifier`, `SUMixHead` and `HardSampleHook`; it takes a minute or two of one CPU
core and is no measure of anything: five scenes, and nothing but their own crops.
"""

import tempfile
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, TRANSFORMS
from mmpretrain.structures import DataSample
from torch import Tensor

#: What is on each photograph, and the square of it that is shown: its top, left and size.
SQUARES = {
    'cat': ('chelsea', (0, 60, 300)),
    'cup': ('coffee', (0, 120, 400)),
    'astronaut': ('astronaut', (0, 60, 440)),
    'rocket': ('rocket', (0, 105, 427)),
    'galaxies': ('hubble_deep_field', (0, 0, 872)),
}
NAMES = tuple(SQUARES)
#: Pictures have so many pixels a side, and the network, which sees crops, learns at so many.
SIZE, TRAINED = 224, 112
#: Each photograph is known by so many crops of it, whose sides are these shares of the square's.
CROPS, SIDES = 64, (0.1, 0.8)
MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


@cache
def square(name: str) -> Tensor:
    """The square of a photograph, ``(3, size, size)``, grey levels."""
    from skimage import data

    source, (top, left, size) = SQUARES[name]
    pixels = torch.from_numpy(getattr(data, source)().copy()).permute(2, 0, 1).float()
    return pixels[:, top : top + size, left : left + size]


def shown(name: str, size: int = SIZE) -> Tensor:
    """A whole square at the size of a picture, normalised, ``(3, size, size)``."""
    return normalised(resized(square(name), size))


def batch(names: tuple[str, ...], size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Whole squares and their labels."""
    return torch.stack([shown(name, size) for name in names]), torch.eye(len(NAMES))[
        [NAMES.index(each) for each in names]
    ]


def normalised(pixels: Tensor) -> Tensor:
    """As networks get it."""
    return (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


def pixels(image: Tensor) -> Tensor:
    """Grey levels again."""
    return image * STD.view(3, 1, 1) + MEAN.view(3, 1, 1)


@cache
def crops() -> list[tuple[str, int, int, int]]:
    """All crops, always the same ones: of which photograph, and top, left and side in its square."""
    draws, found = torch.Generator().manual_seed(0), []
    for name in NAMES:
        whole = square(name).shape[1]
        for _ in range(CROPS):
            share, down, right = torch.rand(3, generator=draws).tolist()
            side = round((SIDES[0] + share * (SIDES[1] - SIDES[0])) * whole)
            found.append((name, int(down * (whole - side)), int(right * (whole - side)), side))
    return found


def crop(index: int, size: int = SIZE) -> Tensor:
    """A crop, ``(3, size, size)``, grey levels."""
    name, top, left, side = crops()[index]
    return resized(square(name)[:, top : top + side, left : left + side], size)


def resized(pixels: Tensor, size: int) -> Tensor:
    """Another size, smoothly."""
    return F.interpolate(pixels[None], (size, size), mode='bicubic', antialias=True)[0].clamp(0, 255)


def hardest(table: Any, count: int, size: int = SIZE) -> tuple[Tensor, Tensor, list[int]]:
    """The crops that were missed most, normalised, with their labels and indices."""
    found = table.hardness().topk(count).indices.tolist()
    labels = torch.eye(len(NAMES))[[NAMES.index(crops()[index][0]) for index in found]]
    return torch.stack([normalised(crop(index, size)) for index in found]), labels, found


@DATASETS.register_module()
class Crops(BaseDataset):
    """The crops, which `Jitter` changes."""

    METAINFO: ClassVar[dict] = dict(classes=NAMES)

    def load_data_list(self) -> list[dict]:
        """Every crop is a sample."""
        return [dict(crop=index, gt_label=NAMES.index(name)) for index, (name, *_) in enumerate(crops())]


@cache
def small(index: int) -> Tensor:
    """A crop as it is trained on."""
    return crop(index, TRAINED)


@TRANSFORMS.register_module()
class Jitter:
    """The pixels of a crop: turned round at random, with another brightness and contrast."""

    def __call__(self, sample: dict) -> dict:
        """Change a sample."""
        image = small(sample['crop'])
        image = image.flip(2) if torch.rand(()) < 0.5 else image
        grey, shift = image.mean(), 40 * (torch.rand(()) - 0.5)
        image = ((image - grey) * (0.7 + 0.6 * torch.rand(())) + grey + shift).clamp(0, 255)
        packed = DataSample(metainfo=dict(sample_idx=sample['sample_idx'])).set_gt_label(sample['gt_label'])
        return dict(inputs=image, data_samples=packed)


def settings(epochs: int = 20) -> dict:
    """The config of the training."""
    return dict(
        model=dict(
            type='mmmix.MixClassifier',
            backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='mmmix.SUMixHead', num_classes=len(NAMES), in_channels=128, clean_pass='detached'),
            train_cfg=dict(augments=[dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)]),
        ),
        data_preprocessor=dict(num_classes=len(NAMES), mean=MEAN.tolist(), std=STD.tolist()),
        train_dataloader=dict(
            batch_size=32,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='Crops', pipeline=[dict(type='Jitter')], serialize_data=False),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.02)),
        param_scheduler=dict(
            type='OneCycleLR', eta_max=2e-3, total_steps=epochs, by_epoch=True, convert_to_iter_based=True
        ),
        custom_hooks=[dict(type='mmmix.HardSampleHook')],
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=10)),
        randomness=dict(seed=0),
        default_scope='mmpretrain',
    )


@cache
def trained() -> tuple[Any, Any]:
    """The network in eval mode, and the table of the samples that it missed."""
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner.from_cfg(Config(dict(settings(), work_dir=folder)))
        model = runner.train()
    return model.eval(), model.hard_table
