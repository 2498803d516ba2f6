"""mmpretrain's own configs, as a child config of somebody's would use them.

As a program it renews the table of all families in ``docs/stock_configs.md``.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mmpretrain
import torch
from mmengine.config import Config
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from mmmix.evaluation.frame import renew

ROOT = Path(__file__).resolve().parents[1]
STOCK = Path(mmpretrain.__file__).parent / '.mim' / 'configs'
PAGE = ROOT / 'docs' / 'stock_configs.md'
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def blocks() -> tuple[str, str]:
    """The README's two configs without their base: the headline line, and the three systems at once."""
    found = [part.split('```')[0] for part in README.split('```python\n')[1:]]
    headline, three = [block.split('\n', 1)[1] for block in found if '_base_' in block]
    return headline, three


def load(path: Path) -> Config | None:
    """A stock config; None for one that mmpretrain itself cannot read, or that needs mmdet."""
    try:
        return Config.fromfile(path)
    except (KeyError, ModuleNotFoundError, RuntimeError):
        return None


def name_of(config: Any) -> str:
    """The type of something in a config, which is a name or, in configs of the new style, a class."""
    kind = config.get('type') if config else None
    return kind if isinstance(kind, str) else getattr(kind, '__name__', '')


@cache
def classifiers() -> dict[str, dict[str, Config]]:
    """All stock configs of an ``ImageClassifier``: folder -> path -> config."""
    found: dict[str, dict[str, Config]] = defaultdict(dict)
    for path in sorted(STOCK.rglob('*.py')):
        relative = path.relative_to(STOCK)
        config = None if relative.parts[0] == '_base_' else load(path)
        if config is not None and name_of(config.get('model')) == 'ImageClassifier':
            found[relative.parts[0]][str(relative)] = config
    return found


def child(path: Path, base: str, text: str) -> Config:
    """A config of somebody's own on top of a stock one."""
    path.write_text(f"_base_ = 'mmpretrain::{base}'\n{text}", encoding='utf-8')
    return Config.fromfile(path)


@DATASETS.register_module()
class Noise(BaseDataset):
    """So many images of noise; with several labels each, or one."""

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, count: int, size: int, several: bool = False) -> None:
        self.count, self.size, self.several = count, size, several
        super().__init__('', pipeline=[dict(type='mmpretrain.PackInputs')], serialize_data=False)

    def load_data_list(self) -> list[dict]:
        draw = torch.Generator().manual_seed(0)
        images = torch.randint(256, (self.count, self.size, self.size, 3), generator=draw).byte()
        labels = [[i % 10, (i + 3) % 10] if self.several else i % 10 for i in range(self.count)]
        return [dict(img=image.numpy(), gt_label=label) for image, label in zip(images, labels, strict=True)]


def two_steps(config: Config, work_dir: Path, size: int, several: bool = False) -> Config:
    """The config with its data replaced by noise, for two steps on batches of four."""
    config.train_dataloader = dict(
        batch_size=4,
        num_workers=0,
        dataset=dict(type='mmpretrain.Noise', count=8, size=size, several=several),
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type='default_collate'),
    )
    config.train_cfg, config.param_scheduler = dict(by_epoch=True, max_epochs=1), None
    config.work_dir = str(work_dir)
    config.experiment_name = os.urandom(4).hex()
    config.log_level = 'WARNING'
    config.default_hooks.checkpoint = None
    for part in ('val', 'test'):
        config.update({f'{part}_cfg': None, f'{part}_dataloader': None, f'{part}_evaluator': None})
    config.model.backbone.pop('init_cfg', None)  # weights to start from, which nobody has here
    return config


def augments_of(config: Config) -> Iterator[Any]:
    """What the config's ``train_cfg`` mixes with."""
    given = (config.model.get('train_cfg') or {}).get('augments') or []
    yield from given if isinstance(given, list) else [given]


# ------------------------------------------------------------------------------------------------ what the page says

#: The head of a stock config -> that with SUMix.
SUMIX = {
    'LinearClsHead': 'SUMixHead',
    'MultiLabelLinearClsHead': 'SUMixHead',
    'VisionTransformerClsHead': 'SUMixVisionTransformerClsHead',
    'StackedLinearClsHead': 'SUMixStackedLinearClsHead',
    'DeiTClsHead': 'SUMixDeiTClsHead',
    'LeViTClsHead': 'SUMixLeViTClsHead',
    'EfficientFormerClsHead': 'SUMixEfficientFormerClsHead',
    'VigClsHead': 'SUMixVigClsHead',
}


def kind_of(config: Config) -> tuple[str, str, bool]:
    """What decides how a family is used: backbone, head, and whether the loss is a binary cross entropy."""
    head = config.model.get('head') or {}
    return name_of(config.model.backbone), name_of(head), bool((head.get('loss') or {}).get('use_sigmoid'))


def line_for(kind: tuple[str, str, bool]) -> str | None:
    """The line of a child config that turns the head of a stock one into that with SUMix; None if it has none."""
    _, head, sigmoid = kind
    if head not in SUMIX:
        return None
    kind_with = f"type='mmmix.{SUMIX[head]}'"
    loss = "loss=dict(_delete_=True, type='CrossEntropyLoss')" if sigmoid else ''
    distilled = 'distillation=False' if head in ('LeViTClsHead', 'EfficientFormerClsHead') else ''
    return f'head=dict({", ".join(filter(None, [kind_with, distilled, loss]))})'


def verdict(kind: tuple[str, str, bool]) -> tuple[str, str]:
    """The cells of the page: whether the headline line works, and what the three systems need."""
    _, head, _ = kind
    if not head:
        return 'no head, nothing to train', 'no head, nothing to train'
    one = 'with `head=dict(distillation=False)`' if head in ('LeViTClsHead', 'EfficientFormerClsHead') else 'yes'
    line = line_for(kind)
    if line is not None:
        return one, f'`{line}`'
    why = {
        'ConformerHead': 'two branches',
        'ClsHead': "the last layer is the backbone's",
        'CSRAClsHead': 'several labels an image',
        'MultiLabelClsHead': 'several labels an image',
    }[head]
    return one, f'without SUMix: {why}'


def kinds() -> dict[tuple[str, tuple[str, str, bool]], list[str]]:
    """The configs of each folder, by what decides how they are used."""
    found = defaultdict(list)
    for folder, configs in classifiers().items():
        for path, config in configs.items():
            found[folder, kind_of(config)].append(path)
    return found


def table() -> str:
    """The table of all families, as the page has it."""
    rows = [
        '| folder | configs | backbone | head | one mixer | three systems |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    for (folder, kind), paths in sorted(kinds().items()):
        backbone, head, sigmoid = kind
        head = f'`{head}`{", binary cross entropy" if sigmoid and head == "LinearClsHead" else ""}' if head else ''
        rows.append(f'| {folder} | {len(paths)} | `{backbone}` | {head} | {" | ".join(verdict(kind))} |')
    return '\n'.join(rows)


if __name__ == '__main__':
    renew(PAGE, table(), 'families')
