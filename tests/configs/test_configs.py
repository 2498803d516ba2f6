"""Every config builds, and one for each backbone and head trains."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import EVALUATOR, HOOKS, PARAM_SCHEDULERS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from torch import nn

from mmmix.compat import register_config_scope

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
STUB = dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4)
#: Where learned masks look in the small networks; elsewhere in the third stage of a ResNet.
LOOKS_AT = {'VisionTransformer': 'backbone.layers.0', 'SwinTransformer': 'backbone.stages.2'}
register_config_scope()


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('mmpretrain')


@cache
def load(path: Path) -> Config:
    """Read a config once; who changes it takes a copy."""
    return Config.fromfile(path)


def mixer_of(config: Any) -> Any:
    """The one mixer of a config, whether it stands alone or in a list."""
    augments = config.model.train_cfg.augments
    (mixer,) = augments if isinstance(augments, list) else [augments]
    return mixer


def first_block(cfg: Any) -> None:
    """Let early heads look at the first block of the stub, wherever they look in their own network."""
    for value in cfg.values() if isinstance(cfg, dict) else cfg if isinstance(cfg, list) else ():
        first_block(value)
    if isinstance(cfg, dict) and cfg.get('type') == 'mmmix.EarlyHead':
        cfg['at'] = 'backbone.layer1'


def third_stage(cfg: Any, place: str) -> None:
    """Let learned masks look at a place that the small network has."""
    for value in cfg.values() if isinstance(cfg, dict) else cfg if isinstance(cfg, list) else ():
        third_stage(value, place)
    if isinstance(cfg, dict) and str(cfg.get('features', '')).startswith('backbone.'):
        cfg['features'] = place


@cache
def backbone_builds(text: str) -> bool:
    """Build a backbone; many configs share one, and it is built once."""
    MODELS.build(ConfigDict(eval(text)))
    return True


def datasets_of(cfg: Any) -> list[Any]:
    """The data set configs of a loader, through its wrappers."""
    inner = cfg.get('dataset') or cfg.get('datasets')
    if inner is None:
        return [cfg]
    return [found for each in (inner if isinstance(inner, list) else [inner]) for found in datasets_of(each)]


@pytest.mark.parametrize('path', CONFIGS, ids=[str(path.relative_to(ROOT / 'configs')) for path in CONFIGS])
def test_config_builds(path: Path) -> None:
    config = deepcopy(load(path))
    assert config.default_scope == 'mmpretrain'
    model_cfg = deepcopy(config.model)
    assert backbone_builds(repr(model_cfg.backbone.to_dict()))
    # The whole model, on a small backbone: what mixers and heads refuse shows here.
    # Transformers stay what they are, for methods that read attention.
    kind = model_cfg.backbone.type
    shrunk = {**model_cfg.backbone, **SMALL[kind][0]} if kind in ('VisionTransformer', 'SwinTransformer') else STUB
    small = ConfigDict({**model_cfg, 'backbone': shrunk, 'data_preprocessor': config.get('data_preprocessor')})
    small.pop('init_cfg', None)
    if shrunk is STUB:
        first_block(small)
    third_stage(small, LOOKS_AT.get(kind, 'backbone.layer3'))
    model = MODELS.build(small)
    classes = config.data_preprocessor.get('num_classes')
    assert classes is None or model.head.num_classes == classes
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for dataset in datasets_of(config[loader].dataset):
            assert DATASETS.get(dataset.type) is not None, dataset.type
            Compose(dataset.get('pipeline', []))
    net = nn.Linear(2, 2)
    optim = build_optim_wrapper(net, deepcopy(config.optim_wrapper))
    schedulers = config.param_scheduler if isinstance(config.param_scheduler, list) else [config.param_scheduler]
    for scheduler in schedulers:
        PARAM_SCHEDULERS.build(deepcopy(scheduler), default_args=dict(optimizer=optim, epoch_length=10))
    for hook in config.get('custom_hooks') or []:
        HOOKS.build(deepcopy(hook))
    evaluator = config.val_evaluator
    EVALUATOR.build(dict(type='Evaluator', metrics=deepcopy(evaluator)))
    assert config.randomness.diff_rank_seed
    if path.parent.name == 'sumix':
        assert schedulers[-1].end == config.train_cfg.max_epochs
        assert f'_{config.train_cfg.max_epochs}e-' in path.name


# ------------------------------------------------------------------------------------- two iterations of each kind

#: Backbone type -> what makes it small, the width of its features, and the image size.
SMALL: dict[str, tuple[dict, int, int]] = {
    'ResNet_CIFAR': (dict(stem_channels=4, base_channels=4), 32, 32),
    'ResNet': (dict(stem_channels=4, base_channels=4), 32, 64),
    'mmmix.ResNeXt_CIFAR': (dict(stem_channels=8, base_channels=8, groups=2), 256, 32),
    'ResNeXt': (dict(stem_channels=8, base_channels=8, groups=2), 256, 64),
    'mmmix.WideResNet_CIFAR': (dict(widen_factor=1), 64, 32),
    'VisionTransformer': (
        dict(arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32), img_size=32), 16, 32,
    ),
    'SwinTransformer': (
        dict(arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4), img_size=64, patch_size=2, window_size=4),
        64, 64,
    ),
}  # fmt: skip
TRAINED = [
    'resnet18_800e-cutmix_cifar100',
    'resnet18_800e-cutmix-sumix_cifar100',
    'resnet18_800e-puzzlemix-sumix_cifar100',
    'resnext50_800e-fmix-sumix_cifar100',
    'wrn28-8_400e-saliencymix-sumix_cifar100',
    'deit-small_200e-resizemix-sumix_cifar100',
    'deit-small_200e-cutmix_cifar100',
    'swin-tiny_200e-cutmix-sumix_cifar100',
    'resnet18_400e-saliencymix-sumix_tiny-imagenet',
    'resnet18_100e-cutmix-sumix_in1k',
    'resnext50_200e-resizemix-sumix_cub',
    'resnet18_200e-fmix-sumix_aircraft',
]


@pytest.mark.parametrize('name', TRAINED)
def test_config_trains_two_iterations(name: str, tmp_path: Path) -> None:
    trained(ROOT / 'configs' / 'sumix' / f'{name}.py', tmp_path)


def trained(path: Path, work_dir: Path) -> Runner:
    """Two iterations of a config, on a small network of its kind and random images."""
    config = deepcopy(load(path))
    third_stage(config.model, LOOKS_AT.get(config.model.backbone.type, 'backbone.layer3'))
    overrides, width, size = SMALL[config.model.backbone.type]
    config.model.backbone.update(overrides)
    config.model.backbone.pop('init_cfg', None)  # weights of others are not for tests to download
    # A ResNet of bottlenecks is four times as wide; ResNeXt's width says so already.
    wide = config.model.backbone.type == 'ResNet' and config.model.backbone.depth >= 50
    config.model.head.in_channels = 4 * width if wide else width
    classes = config.data_preprocessor.num_classes
    images = torch.randint(256, (8, 3, size, size), dtype=torch.uint8)
    data: Any = [
        dict(inputs=image, data_samples=DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % classes))
        for i, image in enumerate(images)
    ]
    runner = Runner(
        model=config.model,
        data_preprocessor=config.data_preprocessor,
        work_dir=str(work_dir),
        train_dataloader=torch.utils.data.DataLoader(data, batch_size=4, collate_fn=lambda batch: {
            'inputs': [each['inputs'] for each in batch], 'data_samples': [each['data_samples'] for each in batch]}),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=config.optim_wrapper,
        param_scheduler=config.param_scheduler,
        custom_hooks=config.get('custom_hooks'),
        default_scope='mmpretrain',
        experiment_name=path.stem,
        randomness=config.randomness,
        log_level='ERROR',
    )  # fmt: skip
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    assert runner.iter == 2
    after = runner.model.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith('backbone'))
    return runner


# ------------------------------------------------------------------------------------------- papers and metafiles


def test_metafiles_have_what_the_index_asks_for() -> None:
    names = []
    for path in (ROOT / 'configs').rglob('metafile.yml'):
        content = yaml.safe_load(path.read_text())
        collections = {entry['Name'] for entry in content['Collections']}
        for model in content['Models']:
            names.append(model['Name'])
            assert model['In Collection'] in collections
            assert (ROOT / model['Config']).stem == model['Name']
            for result in model.get('Results', []):
                assert {'Task', 'Dataset', 'Metrics'} <= set(result)
        for collection in content['Collections']:
            readme = collection.get('README', 'README.md')
            assert (ROOT / readme).is_file() or (path.parent / readme).is_file(), readme
    assert len(names) == len(set(names))


def test_readme_and_metafile_agree_on_sumix() -> None:
    folder = ROOT / 'configs' / 'sumix'
    readme, models = (folder / 'README.md').read_text(), yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    assert {model['Name'] for model in models} == {path.stem for path in folder.glob('*.py')}
    for model in models:
        row = next(line for line in readme.splitlines() if f'({model["Name"]}.py)' in line)
        for result in model.get('Results', []):
            (value,) = result['Metrics'].values()
            assert f'{value:.2f} (paper)' in row
        config = load(folder / f'{model["Name"]}.py')
        assert f'| {mixer_of(config).alpha} |' in row
        if 'gamma' in config.model.head:
            assert f'| {config.model.head.gamma}' in row
