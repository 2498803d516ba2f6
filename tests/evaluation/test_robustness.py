"""Robustness tools: attacks in pixel space, occlusion, corruptions, calibration, data sets and CAMs."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from PIL import Image

from mmmix import CutMix
from mmmix.evaluation import (
    FGSM,
    PGD,
    Corruption,
    Occlusion,
    PixelClassifier,
    evaluate,
    expected_calibration_error,
)
from mmmix.evaluation.corruptions import SEVERITIES
from mmmix.probes.modules import as_map
from mmmix.visualization import cam_maps, draw_cams

ROOT = Path(__file__).resolve().parents[2]
MEAN, STD = [120.0, 110.0, 100.0], [70.0, 60.0, 50.0]
RESNET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32, init_cfg=None),
)
VIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        img_size=32,
        patch_size=8,
    ),
    head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=16, init_cfg=None),
)
SWIN = dict(
    backbone=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
        img_size=64,
        patch_size=2,
        window_size=4,
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64, init_cfg=None),
)


def classifier(network: dict = RESNET, kind: str = 'mmpretrain.ImageClassifier', **preprocessor: Any) -> Any:
    torch.manual_seed(0)
    return MODELS.build(dict(type=kind, data_preprocessor=preprocessor or dict(mean=MEAN, std=STD), **network))


def loader(n: int = 6, size: int = 32) -> list[dict]:
    images = torch.randint(256, (n, 3, size, size), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i % 10) for i in range(n)]
    return [dict(inputs=list(images[i : i + 3]), data_samples=samples[i : i + 3]) for i in range(0, n, 3)]


def test_pixels_and_inputs_are_inverse_and_what_the_preprocessor_does():
    for options in (dict(mean=MEAN, std=STD), dict(mean=MEAN, std=STD, to_rgb=True), dict()):
        model = classifier(**options) if options else MODELS.build(dict(type='mmpretrain.ImageClassifier', **RESNET))
        wrapped = PixelClassifier(model)
        data = loader()[0]
        pixels, labels = wrapped.batch(data)
        raw = torch.stack(data['inputs']).float() / 255
        torch.testing.assert_close(pixels, raw.flip(1) if options.get('to_rgb') else raw, atol=1e-6, rtol=0)
        assert labels.tolist() == [0, 1, 2]
        expected = model.data_preprocessor(data, False)['inputs']
        torch.testing.assert_close(wrapped.to_inputs(pixels), expected.float(), atol=1e-4, rtol=1e-5)


# ------------------------------------------------------------------------------------------------------------- attacks


@pytest.mark.parametrize('kind', ['mmpretrain.ImageClassifier', 'mmmix.MixClassifier'])
@pytest.mark.parametrize('network', [RESNET, VIT], ids=['resnet', 'vit'])
def test_attacks_stay_in_the_ball_and_hurt(network, kind):
    model = classifier(network, kind)
    wrapped = PixelClassifier(model)
    pixels, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    pixels[0] = 0.0  # at the border of valid pixels
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    losses = []
    for attack in (lambda p, y: p, FGSM(wrapped, 8 / 255), PGD(wrapped, 8 / 255, steps=5)):
        moved = attack(pixels, labels)
        assert float((moved - pixels).abs().max()) <= 8 / 255 + 1e-6
        assert float(moved.min()) >= 0 and float(moved.max()) <= 1
        with wrapped.at_rest(), torch.no_grad():
            losses.append(float(F.cross_entropy(wrapped(moved), labels)))
    assert losses[1] > losses[0]
    assert losses[2] > losses[0]
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_fgsm_is_the_sign_of_the_gradient_in_pixels():
    """With a standard deviation that differs between channels, every pixel still moves by epsilon."""
    model = classifier()
    wrapped = PixelClassifier(model)
    pixels, labels = 0.25 + 0.5 * torch.rand(2, 3, 16, 16), torch.tensor([1, 2])
    moved = FGSM(wrapped, 0.01)(pixels, labels)
    torch.testing.assert_close((moved - pixels).abs(), torch.full_like(pixels, 0.01), atol=1e-6, rtol=0)
    # An independent reference: normalise by hand, differentiate by finite differences in one random direction.
    model.eval()
    inputs = (255 * pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    inputs.requires_grad_()
    F.cross_entropy(model(inputs, mode='tensor'), labels).backward()
    assert inputs.grad is not None
    torch.testing.assert_close((moved - pixels).sign(), inputs.grad.sign())


def test_pgd_without_random_start_of_one_large_step_is_fgsm():
    wrapped = PixelClassifier(classifier())
    pixels, labels = torch.rand(2, 3, 16, 16), torch.tensor([1, 2])
    one = PGD(wrapped, 0.02, step=0.02, steps=1, random_start=False)(pixels, labels)
    torch.testing.assert_close(one, FGSM(wrapped, 0.02)(pixels, labels))


# ------------------------------------------------------------------------------------------------ occlusion, corruption


@pytest.mark.parametrize('ratio', [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize('size', [(32, 32), (224, 224), (40, 23)])
def test_occlusion_masks_whole_patches(ratio, size):
    changed = Occlusion(ratio, grid=16)(torch.ones(3, 3, *size), torch.zeros(3))
    assert set(changed.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(changed[:, 0], changed[:, 2])
    if size[0] % 16 == size[1] % 16 == 0:
        patches = F.avg_pool2d(changed[:, :1], (size[0] // 16, size[1] // 16))
        assert set(patches.unique().tolist()) <= {0.0, 1.0}
        assert (1 - patches).sum((1, 2, 3)).tolist() == [round(ratio * 256)] * 3
    if 0 < ratio < 1:
        assert not torch.equal(changed[0], changed[1])


@pytest.mark.parametrize('name', SEVERITIES)
def test_corruptions_grow_with_severity(name):
    grid = torch.linspace(0, 1, 32)
    picture = torch.stack([grid[:, None].expand(32, 32), grid.expand(32, 32), (grid[:, None] * grid)])
    pixels = (0.5 * picture + 0.5 * torch.rand(3, 32, 32))[None].repeat(2, 1, 1, 1)
    before = pixels.clone()
    change = []
    for severity in range(1, 6):
        torch.manual_seed(0)
        corrupted = Corruption(name, severity)(pixels, torch.zeros(2))
        assert corrupted.shape == pixels.shape
        assert float(corrupted.min()) >= 0 and float(corrupted.max()) <= 1
        change.append(float((corrupted - pixels).abs().mean()))
    assert torch.equal(pixels, before)
    assert change[0] > 0
    assert change[4] > change[0]


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: Occlusion(1.5), r'`ratio` must lie in \[0, 1\]'),
        (lambda: Corruption('rain'), "`name` must be 'gaussian_noise', 'gaussian_blur'"),
        (lambda: Corruption('pixelate', 6), '`severity` must be 1'),
        (lambda: FGSM(PixelClassifier(classifier()), 8), r'`epsilon` must lie in \[0, 1\]'),
        (lambda: PGD(PixelClassifier(classifier()), steps=0), '`steps` must be a whole number of at least 1'),
        (lambda: evaluate(classifier(), []), 'gave no images'),
        (lambda: expected_calibration_error(torch.tensor([[3.0, 1.0]]), torch.tensor([0])), 'apply a softmax'),
    ],
)
def test_bad_arguments_name_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --------------------------------------------------------------------------------------------------------- calibration


def test_calibration_error_against_a_loop():
    scores, labels, bins = torch.rand(200, 4).softmax(1), torch.randint(4, (200,)), 7
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        index = next(b for b in range(bins) if b / bins < confidence <= (b + 1) / bins)
        members[index].append((confidence, row.index(confidence) == label))
    expected = 0.0
    for inside in members:
        if inside:
            gap = sum(hit for _, hit in inside) / len(inside) - sum(c for c, _ in inside) / len(inside)
            expected += abs(gap) * len(inside) / 200
    assert expected_calibration_error(scores, labels, bins) == pytest.approx(100 * expected, abs=1e-4)
    assert expected_calibration_error(torch.eye(4), torch.arange(4)) == 0
    assert expected_calibration_error(torch.eye(4), torch.arange(4).roll(1)) == 100


def test_calibration_metric_in_an_evaluator():
    evaluator = Evaluator(dict(type='mmmix.CalibrationError', bins=5))
    scores, labels = torch.rand(20, 3).softmax(1), torch.randint(3, (20,))
    samples = [DataSample().set_gt_label(int(y)).set_pred_score(s) for s, y in zip(scores, labels, strict=True)]
    evaluator.process(data_samples=samples)
    assert evaluator.evaluate(20)['calibration/ece'] == pytest.approx(
        expected_calibration_error(scores, labels, 5), abs=1e-5
    )


def test_evaluate_agrees_with_the_model_itself():
    model, data = classifier(), loader(6)
    result = evaluate(model, data)
    model.eval()
    scores = torch.cat([model(torch.stack(b['inputs']).float().sub(torch.tensor(MEAN).view(3, 1, 1)).div(
        torch.tensor(STD).view(3, 1, 1)), mode='tensor').softmax(1) for b in data])  # fmt: skip
    hits = (scores.argmax(1) == torch.arange(6)).double().mean()
    assert result.top1 == pytest.approx(100 * float(hits))
    assert result.images == 6
    assert evaluate(model, data, limit=3).images == 3


# ----------------------------------------------------------------------------------------------------------- data sets


def write_cifar_c(folder: Path, n: int = 4) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (5 * n, 32, 32, 3), dtype=np.uint8)
    np.save(folder / 'fog.npy', images)
    np.save(folder / 'labels.npy', np.tile(np.arange(n), 5))
    return images


@pytest.mark.parametrize(('name', 'classes'), [('CIFAR10C', 10), ('CIFAR100C', 100)])
def test_corrupted_cifar(tmp_path, name, classes):
    images = write_cifar_c(tmp_path)
    cfg = dict(type=f'mmmix.{name}', data_root=str(tmp_path), corruption='fog', severity=2)
    dataset = DATASETS.build({**cfg, 'pipeline': [dict(type='mmpretrain.PackInputs')]})
    assert len(dataset) == 4
    assert len(dataset.metainfo['classes']) == classes
    assert np.array_equal(dataset.get_data_info(1)['img'], images[5])
    assert dataset.get_gt_labels().tolist() == [0, 1, 2, 3]
    assert dataset[3]['inputs'].shape == (3, 32, 32)
    for change, error, message in (
        (dict(corruption='rain'), ValueError, "`corruption` must be 'gaussian_noise', 'shot_noise'"),
        (dict(severity=0), ValueError, '`severity` must be 1'),
        (dict(corruption='snow'), FileNotFoundError, 'snow.npy is missing: unpack CIFAR-10'),
    ):
        with pytest.raises(error, match=message):
            DATASETS.build({**cfg, **change})
    np.save(tmp_path / 'fog.npy', np.array([{'a': 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match='holds no plain array'):
        DATASETS.build(cfg)


def test_tiny_imagenet(tmp_path):
    (tmp_path / 'wnids.txt').write_text('n02\nn01\n')
    (tmp_path / 'words.txt').write_text('n01\tgoldfish, carp\nn02\tbee\nn03\tother\n')
    for wnid in ('n01', 'n02'):
        folder = tmp_path / 'train' / wnid / 'images'
        folder.mkdir(parents=True)
        for i in range(2):
            Image.new('RGB', (64, 64)).save(folder / f'{wnid}_{i}.JPEG')
    (tmp_path / 'val' / 'images').mkdir(parents=True)
    Image.new('RGB', (64, 64)).save(tmp_path / 'val' / 'images' / 'val_0.JPEG')
    (tmp_path / 'val' / 'val_annotations.txt').write_text('val_0.JPEG\tn02\t0\t0\t63\t63\n')
    cfg = dict(type='mmmix.TinyImageNet', data_root=str(tmp_path))
    train = DATASETS.build(cfg)
    assert train.get_gt_labels().tolist() == [0, 0, 1, 1]
    assert train.metainfo['classes'] == ('goldfish, carp', 'bee')
    pipeline = [dict(type='mmpretrain.LoadImageFromFile'), dict(type='mmpretrain.PackInputs')]
    val = DATASETS.build({**cfg, 'split': 'val', 'pipeline': pipeline})
    assert val[0]['data_samples'].gt_label.tolist() == [1]
    assert val[0]['inputs'].shape == (3, 64, 64)
    with pytest.raises(ValueError, match="`split` must be 'train' or 'val'"):
        DATASETS.build({**cfg, 'split': 'test'})
    with pytest.raises(FileNotFoundError, match=r'wnids\.txt is missing: unpack'):
        DATASETS.build({**cfg, 'data_root': str(tmp_path / 'none')})


# ---------------------------------------------------------------------------------------------------- CAM, tools


@pytest.mark.parametrize(('network', 'size'), [(RESNET, 32), (VIT, 32), (SWIN, 64)], ids=['resnet', 'vit', 'swin'])
def test_cam_maps_leave_no_trace(network, size):
    model = classifier(network).train()
    pixels = torch.rand(2, 3, size, size)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    maps = cam_maps(model, pixels, torch.tensor([0, 1]))
    assert maps.shape == (2, size, size)
    assert float(maps.min()) >= 0 and float(maps.max()) <= 1
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(ValueError, match='has no layer'):
        cam_maps(model, pixels, torch.tensor([0, 1]), layer='backbone.none')


def test_tokens_become_a_grid():
    tokens = torch.arange(12.0).view(1, 12, 1).repeat(2, 1, 3)
    grid = as_map(torch.cat([torch.full((2, 1, 3), -1.0), tokens], 1), 32, 24)
    assert grid.shape == (2, 3, 4, 3)
    assert grid[0, 0].flatten().tolist() == list(range(12))


def test_cam_picture(tmp_path, monkeypatch):
    pixels = torch.rand(3, 3, 16, 16)
    mix = CutMix().mix(pixels, torch.eye(3))
    maps = [torch.rand(3, 16, 16)] * 2
    titles = []
    monkeypatch.setattr('matplotlib.axes.Axes.set_title', lambda axis, title, **_: titles.append(title))
    draw_cams(mix, pixels, {'a': maps, 'b': maps}, tmp_path / 'cam.png')
    assert titles == ['own', 'partner', 'mixed', 'a: own', 'a: partner', 'b: own', 'b: partner']
    assert Image.open(tmp_path / 'cam.png').size[0] > 500


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Path:
    """A checkpoint of a tiny network and its config, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tiny.py').write_text(
        f'_base_ = {str(ROOT / "configs/quickstart/resnet_digits_none.py")!r}\n'
        'model = dict(backbone=dict(stem_channels=4, base_channels=4), head=dict(in_channels=32))\n'
        'test_dataloader = dict(batch_size=8, dataset=dict(indices=16))\n'
    )
    config = Config.fromfile('tiny.py')
    model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'tiny.pth')
    return tmp_path


def tool(monkeypatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def test_robustness_tool(trained, monkeypatch, capsys):
    tool(
        monkeypatch, 'robustness.py', 'tiny.py', 'tiny.pth', '--output', 'out', '--limit', 8, '--ratios', 0.5, 1,
        '--severities', 5, '--corruptions', 'pixelate', 'contrast')  # fmt: skip
    content = json.loads(Path('out/robustness.json').read_text())
    kinds = ['clean', 'occlusion', 'occlusion', 'fgsm', 'pgd', 'corruption', 'corruption']
    assert [r['test'] for r in content['results']] == kinds
    assert all(r['images'] == 8 for r in content['results'])
    assert f'| clean |  | 0 | {content["results"][0]["top1"]:.2f} |' in capsys.readouterr().out
    assert Path('out/robustness.png').stat().st_size > 0
    write_cifar_c(trained)
    given = '--tests corruption --cifar-c . --corruptions fog --severities 1 5'
    tool(monkeypatch, 'robustness.py', 'tiny.py', 'tiny.pth', *given.split())
    results = json.loads(Path('work_dirs/tiny/robustness/robustness.json').read_text())['results']
    assert [r['images'] for r in results] == [4, 4]
    with pytest.raises(SystemExit, match=r"robustness\.py: error: checkpoint 'none\.pth' does not exist"):
        tool(monkeypatch, 'robustness.py', 'tiny.py', 'none.pth')


def test_cam_tool(trained, monkeypatch, capsys):
    for i in range(3):
        Image.fromarray(np.full((32, 32, 3), 60 * i, dtype=np.uint8)).save(f'{i}.png')
    tool(
        monkeypatch, 'visualize_cam.py', 'tiny.py', 'tiny.pth', '0.png', '1.png', '2.png', '--against', 'tiny.py',
        'tiny.pth', '--output', 'cam.png')  # fmt: skip
    said = capsys.readouterr()
    assert 'Maps: cam.png' in said.out and 'Map of all images 4 of 4, about 0:00 left' in said.err
    assert Path('cam.png').is_file()
    with pytest.raises(SystemExit, match='mixing takes two images'):
        tool(monkeypatch, 'visualize_cam.py', 'tiny.py', 'tiny.pth', '0.png')
