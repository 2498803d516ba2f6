"""Exported networks give what ours give: in torchvision, in timm where it is, in detectron2's and mmdet's names."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from detectron2_resnet import Detectron2ResNet
from mmengine.config import Config
from mmengine.model import PretrainedInit
from networks import classifier
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from mmmix.cli import build_classifier
from mmmix.commands import main
from mmmix.engine.checkpoint_config import config_in
from mmmix.engine.export import Export, export, largest_difference, load_weights, size_for
from mmmix.engine.export_lines import about_export
from mmmix.engine.foreign_forms import ExportError

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
TRANSFORMER = dict(
    arch=dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=96), img_size=48, patch_size=16
)
SWIN = dict(
    type='SwinTransformer',
    arch=dict(embed_dims=8, depths=[2, 2, 2, 1], num_heads=[1, 2, 2, 4]),
    img_size=112,
    patch_size=2,
)


def config(
    backbone: dict, channels: int = 512, head: str = 'LinearClsHead', pools: bool = True, to_rgb: bool = True
) -> Config:
    """A classifier of five classes that reads files."""
    model: dict[str, Any] = dict(
        type='ImageClassifier', backbone=backbone, head=dict(type=head, num_classes=5, in_channels=channels)
    )
    model['neck'] = dict(type='GlobalAveragePooling') if pools else None
    dataset = dict(type='ImageNet', pipeline=[dict(type='LoadImageFromFile')])
    loader = dict(test_dataloader=dict(dataset=dataset), default_scope='mmpretrain')
    return Config(dict(model=model, data_preprocessor=dict(mean=MEAN, std=STD, to_rgb=to_rgb), **loader))


def trained(settings: Config, seed: int = 1) -> Any:
    """A network whose norms, positions and biases are none of those it begins with."""
    model = build_classifier(settings, device='cpu')
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            for name, buffer in module.named_buffers(recurse=False):
                if name == 'running_mean':
                    buffer.normal_(0, 0.1, generator=generator)
                if name == 'running_var':
                    buffer.uniform_(0.5, 1.5, generator=generator)
            for name, weight in module.named_parameters(recurse=False):
                if weight.ndim == 1:
                    weight.add_(torch.rand(weight.shape, generator=generator) * 0.2)
                elif weight.ndim == 3 or 'relative' in name:
                    weight.normal_(0, 0.2, generator=generator)
    return model


def exported(settings: Config, to: str) -> tuple[Any, Export]:
    model = trained(settings)
    return model, export(model, settings, to)


RESNETS = {
    'resnet18': config(dict(type='ResNet', depth=18)),
    'caffe-of-basic-blocks': config(dict(type='ResNet', depth=18, style='caffe')),
    'resnet50-bgr': config(dict(type='ResNet', depth=50), 2048, to_rgb=False),
    'resnext': config(dict(type='ResNeXt', depth=50, groups=32, width_per_group=4), 2048),
    'wide': config(dict(type='ResNet', depth=50, base_channels=128, expansion=2), 2048),
}

LARGE = ('resnext', 'wide')


def cases(table: dict) -> list:
    """Their names; large networks take their time."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in table]


def pictures(size: tuple[int, int] = (64, 96)) -> Tensor:
    """RGB from 0 to 255."""
    return torch.randint(256, (2, 3, *size), generator=torch.Generator().manual_seed(5)).float()


def through_ours(model: Any, rgb: Tensor, indices: tuple[int, ...] | None = None) -> Any:
    """Files hold RGB, mmcv reads BGR, and the preprocessor does the rest: logits, or the maps of all stages."""
    inputs = model.data_preprocessor(dict(inputs=list(rgb.flip(1))))['inputs']
    if indices is None:
        return model(inputs, mode='tensor')
    model.backbone.out_indices = indices
    return model.backbone(inputs)


@pytest.mark.parametrize('name', cases(RESNETS))
@torch.no_grad()
def test_torchvision_gives_the_same_logits_and_stages(name: str) -> None:
    model, found = exported(RESNETS[name], 'torchvision')
    network = getattr(torchvision.models, found.counterpart.call.split('.')[-1])(**found.arguments)
    network.load_state_dict(found.state, strict=True)
    mean, std = (torch.tensor(values)[:, None, None] for values in (found.pixels.mean, found.pixels.std))
    rgb = pictures()
    inputs = (rgb / 255 - mean) / std
    torch.testing.assert_close(network.eval()(inputs), through_ours(model, rgb), rtol=1e-5, atol=1e-5)
    stages = create_feature_extractor(network, [f'layer{i}' for i in range(1, 5)])(inputs)
    for theirs, ours in zip(stages.values(), through_ours(model, rgb, (0, 1, 2, 3)), strict=True):
        assert float((theirs - ours).abs().max() / ours.abs().max()) < 1e-5
    if name != 'resnet18':
        return
    # The comparison of the command sees what is wrong.
    assert (right := largest_difference(found, model, (64, 96))) is not None and right < 1e-5
    found.state['conv1.weight'] = found.state['conv1.weight'].flip(1)
    assert (wrong := largest_difference(found, model, (64, 96))) is not None and wrong > 1e-3


def test_without_a_head_that_fits_the_backbone_goes_alone() -> None:
    settings = config(dict(type='ResNet', depth=18))
    settings.model.head = dict(type='StackedLinearClsHead', num_classes=5, in_channels=512, mid_channels=[8])
    model, found = exported(settings, 'torchvision')
    assert not [key for key in found.state if key.startswith('fc')]
    assert (difference := largest_difference(found, model, (64, 64))) is not None and difference < 1e-5
    lines = about_export(found, 'x.pth')['lines']
    assert 'network.fc = torch.nn.Identity()' in lines


# -------------------------------------------------------------- detectron2, in the network of detectron2_resnet.py

CAFFE = dict(RESNETS, caffe=config(dict(type='ResNet', depth=50, style='caffe'), 2048, to_rgb=False))


@pytest.mark.parametrize('name', cases(CAFFE))
@torch.no_grad()
def test_detectron2_gives_the_same_stages(name: str, tmp_path: Path) -> None:
    model, found = exported(CAFFE[name], 'detectron2')
    (tmp_path / 'x.pth').write_bytes(found.content())
    content = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert content['matching_heuristics'] is True and {'res2.0.conv1.weight', 'stem.conv1.norm.weight'} <= set(
        found.state
    )
    network = Detectron2ResNet(found.counterpart.settings).eval()
    missing, unexpected = network.load_state_dict(content['model'], strict=False)
    assert not unexpected and all(key.endswith('num_batches_tracked') for key in missing)
    rgb = pictures()
    images = rgb if found.pixels.order == 'RGB' else rgb.flip(1)  # INPUT.FORMAT
    mean, std = (torch.tensor(values)[:, None, None] for values in (found.pixels.mean, found.pixels.std))
    for theirs, ours in zip(network((images - mean) / std), through_ours(model, rgb, (0, 1, 2, 3)), strict=True):
        assert float((theirs - ours).abs().max() / ours.abs().max()) < 1e-5


# ---------------------------------------------------------------------------------------- mmdet, by MMEngine's own init


@torch.no_grad()
def test_mmdet_loads_by_the_documented_init(tmp_path: Path) -> None:
    settings = RESNETS['resnet18']
    model, found = exported(settings, 'mmdet')
    assert set(found.state) == {f'backbone.{key}' for key in model.backbone.state_dict()}
    (tmp_path / 'x.pth').write_bytes(found.content())
    other = build_classifier(settings, device='cpu').backbone
    PretrainedInit(str(tmp_path / 'x.pth'), prefix='backbone.')(other)
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)
    scope: dict = {}
    exec(about_export(found, 'x.pth')['lines'], scope)
    backbone = scope['model']['backbone']
    assert backbone == dict(
        type='ResNet',
        depth=18,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='x.pth', prefix='backbone.'),
    )
    assert scope['model']['data_preprocessor']['bgr_to_rgb'] is True


def test_mmdet_counts_a_deep_stem_and_pooled_shortcuts_otherwise() -> None:
    """Its stem is one sequence of convolution, norm and activation; its first shortcut has a pooling of one pixel."""
    model, found = exported(config(dict(type='ResNetV1d', depth=50), 2048), 'mmdet')
    ours = model.backbone.state_dict()
    for key, own in {
        'stem.0.weight': 'stem.0.conv.weight',
        'stem.4.running_var': 'stem.1.bn.running_var',
        'stem.7.bias': 'stem.2.bn.bias',
        'layer1.0.downsample.1.weight': 'layer1.0.downsample.0.weight',
        'layer1.0.downsample.2.bias': 'layer1.0.downsample.1.bias',
        'layer2.0.downsample.1.weight': 'layer2.0.downsample.1.weight',
        'layer2.0.downsample.2.bias': 'layer2.0.downsample.2.bias',
    }.items():
        assert torch.equal(found.state[f'backbone.{key}'], ours[own])
    assert len(found.state) == len(ours) and found.counterpart.settings['avg_down'] is True


def test_mmdet_builds_other_backbones_by_their_scope() -> None:
    _, found = exported(config(SWIN, 64), 'mmdet')
    lines = about_export(found, 'x.pth')['lines']
    assert "imports=['mmpretrain.models']" in lines and "type='mmpretrain.SwinTransformer'" in lines


# ------------------------------------------------------------------------------------------------------------- timm

TIMM = {
    **RESNETS,
    'deep-stem': config(dict(type='ResNetV1c', depth=18)),
    'v1d-bgr': config(dict(type='ResNetV1d', depth=50), 2048, to_rgb=False),
    'squeeze': config(dict(type='SEResNet', depth=50), 2048),
    'vit-bgr': config(dict(type='VisionTransformer', **TRANSFORMER), 32, 'VisionTransformerClsHead', False, False),
    'vit-sumix': config(
        dict(type='VisionTransformer', **TRANSFORMER), 32, 'mmmix.SUMixVisionTransformerClsHead', False
    ),
    'deit': config(dict(type='DistilledVisionTransformer', **TRANSFORMER), 32, 'DeiTClsHead', False),
    'swin': config(dict(SWIN, window_size=7), 64),
}


@pytest.mark.parametrize('name', cases(TIMM))
@torch.no_grad()
def test_timm_gives_the_same_logits(name: str) -> None:
    pytest.importorskip('timm')
    import timm

    model, found = exported(TIMM[name], 'timm')
    network = timm.create_model(**found.arguments).eval()
    network.load_state_dict(found.state, strict=True)
    mean, std = (torch.tensor(values)[:, None, None] for values in (found.pixels.mean, found.pixels.std))
    rgb = pictures(size_for(model))
    theirs, ours = network((rgb / 255 - mean) / std), through_ours(model, rgb)
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5 * float(ours.abs().max()))
    assert float((ours[0] - ours[1]).abs().max()) > 1e-3  # they look at the images


# ------------------------------------------------------------------------------------ what is read, and what is refused


@pytest.mark.parametrize(
    ('settings', 'to', 'words'),
    [
        (config(dict(type='ResNetV1d', depth=18)), 'torchvision', 'of this ResNetV1d: it has a stem of three'),
        (config(dict(type='ResNet', depth=18, deep_stem=True)), 'detectron2', 'a stem of three convolutions'),
        (CAFFE['caffe'], 'torchvision', "style='caffe'"),
        (CAFFE['caffe'], 'timm', "style='caffe'"),
        (config(dict(type='ResNet', depth=18, strides=(1, 2, 2, 1))), 'timm', 'strides (1, 2, 2, 1)'),
        (config(dict(type='ResNet', depth=18, base_channels=8), 64), 'torchvision', '8 channels after its first'),
        (config(dict(type='ResNet', depth=18, in_channels=1)), 'torchvision', '1 input channels'),
        (config(dict(type='ResNet', depth=18, norm_cfg=dict(type='BN', eps=1e-3))), 'timm', '`eps` 1e-5'),
        (config(dict(type='ResNet_CIFAR', depth=18)), 'torchvision', 'no counterpart of ResNet_CIFAR'),
        (config(SWIN, 64), 'detectron2', 'no counterpart of SwinTransformer'),
        (config(dict(type='mmmix.PreActResNet_CIFAR')), 'timm', 'no counterpart of mmmix.PreActResNet_CIFAR'),
        (config(dict(type='mmmix.MLP', in_features=4), 128), 'mmdet', 'MLP has no convolution'),
    ],
)
def test_what_has_no_counterpart_is_one_line(settings: Config, to: str, words: str) -> None:
    model = build_classifier(settings, device='cpu')
    with pytest.raises(ExportError) as error:
        export(model, settings, to)
    assert words in str(error.value) and '\n' not in str(error.value)


def test_the_order_of_channels_follows_the_data() -> None:
    settings = config(dict(type='ResNet', depth=18), to_rgb=False)
    settings.test_dataloader.dataset = dict(type='CIFAR10', pipeline=[dict(type='PackInputs')])
    model = build_classifier(settings, device='cpu')
    assert export(model, settings, 'detectron2').pixels.order == 'RGB'
    settings.test_dataloader.dataset.type = 'Unheard'
    assert export(model, settings, 'detectron2').pixels.source.startswith('assumed')


def test_a_config_in_a_checkpoint_is_read_and_not_run() -> None:
    settings = RESNETS['resnet18']
    assert config_in(dict(meta=dict(cfg=settings.pretty_text))).model == settings.model
    for text in ("model = dict(type=print('ran'))", "model = __import__('os')", 'model = dict(', 'a = 1'):
        with pytest.raises(ExportError, match='--config'):
            config_in(dict(meta=dict(cfg=text)))
    with pytest.raises(ExportError, match='--config'):
        config_in(dict(state_dict={}))
    # What is not needed may be anything.
    assert config_in(dict(meta=dict(cfg='hooks = run()\nmodel = dict(a={"b": -1})'))).model.a == {'b': -1}


@pytest.mark.parametrize('shown', [True, False])
def test_a_teacher_is_exported_where_inference_would_use_it(shown: bool) -> None:
    settings = config(dict(type='ResNet', depth=18))
    network = {key: value for key, value in settings.model.items() if key != 'type'}
    model = classifier(network, [dict(type='mmmix.AutoMix')], data_preprocessor=settings.data_preprocessor)
    teacher = model.learned['automix'].teacher
    teacher.follow(model, 0.9)
    nn.init.normal_(model.backbone.conv1.weight)
    teacher.follow(model, 0.9)
    state = deepcopy(model.state_dict())
    student, followed = state['backbone.conv1.weight'], state['learned.automix.teacher.backbone.conv1.weight']
    if shown:
        teacher.show_in(state, 'learned.automix.teacher.')
    plain = build_classifier(settings, device='cpu')
    whose = load_weights(plain, dict(state_dict=state))
    found = export(plain, settings, 'torchvision', whose)
    assert not torch.equal(student, followed) and ('the teacher of automix' in whose) == shown
    assert torch.equal(found.state['conv1.weight'], followed if shown else student)
    plain_state = {key: value for key, value in state.items() if not key.startswith('learned.')}
    assert load_weights(plain, dict(state_dict=plain_state)) == 'the network'
    # EMAHook saves the average in front, too.
    assert 'EMAHook' in load_weights(plain, dict(state_dict=plain_state, ema_state_dict={}))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """As MMEngine writes it."""
    settings = RESNETS['resnet18']
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=trained(settings).state_dict(), meta=dict(cfg=settings.pretty_text)), path)
    return path


def test_the_command(checkpoint: Path, capsys: pytest.CaptureFixture) -> None:
    for to in ('torchvision', 'mmdet', 'detectron2'):
        main(['export', str(checkpoint), '--to', to])
        about = json.loads((checkpoint.parent / f'epoch_1-{to}.json').read_text())
        assert about['preprocessing']['channels'] == 'RGB' and about['lines'] in capsys.readouterr().out
        torch.load(checkpoint.parent / f'epoch_1-{to}.pth', weights_only=True)
    lines = json.loads((checkpoint.parent / 'epoch_1-torchvision.json').read_text())['lines']
    scope: dict = {}
    exec(lines, scope)
    assert scope['network'].fc.weight.shape == (5, 512)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ('half', 'is no whole checkpoint'),
        ('other', "the checkpoint does not fit its config: it has no 'backbone.layer1.2.conv1.weight'"),
        ('bare', 'comes without its config: name it with --config'),
        ('onto itself', 'is the checkpoint itself'),
    ],
)
def test_bad_input_is_one_line(change: str, words: str, checkpoint: Path) -> None:
    arguments = ['export', str(checkpoint), '--to', 'torchvision']
    if change == 'half':
        checkpoint.write_bytes(checkpoint.read_bytes()[:100_000])
    if change == 'other':
        arguments += ['--cfg-options', 'model.backbone.depth=34']
    if change == 'bare':
        torch.save(dict(state_dict={}), checkpoint)
    if change == 'onto itself':
        arguments += ['--output', str(checkpoint)]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    line = str(stop.value.code)
    assert words in line and '\n' not in line and line.startswith('mmmix export: error: ')
    assert {path.name for path in checkpoint.parent.iterdir()} == {'epoch_1.pth'}
