"""The benchmarks that train: their splits, their statistics, and that a stopped command goes on where it was."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))
try:
    IMAGES: Any = import_module('small_data_images')
    NOISE: Any = import_module('small_data_noise')
    RUNS: Any = import_module('small_data_runs')
    TABLES: Any = import_module('small_data_tables')
    VIEWS: Any = import_module('small_data_views')
finally:
    sys.path.remove(str(ROOT / 'benchmarks'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """Sixty images of each of two classes for training, five for testing, each of one grey level."""
    made = tmp_path_factory.mktemp('images')
    for part, count in (('train', 60), ('test', 5)):
        for label in range(2):
            (made / part / str(label)).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((32, 32, 3), number + 110 * label + 50 * (part == 'test'), dtype=np.uint8)
                Image.fromarray(pixels).save(made / part / str(label) / f'{number:03}.png')
    return made


def test_tuning_shares_no_image_with_the_table() -> None:
    labels = torch.arange(400) % 4
    table, nobody = IMAGES.split(labels, 40, tuning=False)
    mine, held = IMAGES.split(labels, 40, tuning=True)
    assert not nobody.any()
    assert not (table & mine).any()
    assert not (table & held).any()
    assert not (mine & held).any()
    assert [labels[part].bincount().tolist() for part in (table, mine, held)] == [[10] * 4, [10] * 4, [20] * 4]


def test_a_long_tail_falls_by_one_factor() -> None:
    labels = torch.arange(4000) % 4
    table, _ = IMAGES.split(labels, 4 * 125, tuning=False, tail=125)
    mine, held = IMAGES.split(labels, 4 * 125, tuning=True, tail=125)
    assert not (table & mine).any() and not (mine & held).any()
    assert [labels[part].bincount().tolist() for part in (table, mine)] == [[125, 25, 5, 1]] * 2
    assert labels[held].bincount().tolist() == [250] * 4, 'it is rated on as many of each class'


def test_rare_classes_are_rated_apart() -> None:
    labels = torch.tensor([0] * 9 + [1] * 2 + [2] * 8 + [3] * 5 + [4] * 3 + [5] * 6 + [6])
    assert RUNS.rarest_classes(labels, 7).tolist() == [6, 1]
    assert RUNS.rarest_classes(torch.arange(60) % 6, 6) is None, 'all classes are alike'


def test_images_are_normalised_by_those_for_training(folder: Path) -> None:
    images = IMAGES.load_images(folder, 40)
    assert images.train.shape == (40, 3, 16, 16)
    assert images.classes == 2
    assert float(images.train.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.train.std()) == pytest.approx(1, abs=1e-3)
    # A test image is 50 grey levels lighter than its fellow of the training set.
    one, two = (IMAGES.load_images(folder, 120).test[:5, 0, 0, 0], IMAGES.load_images(folder, 120).train[:, 0, 0, 0])
    levels = (one[1] - one[0]) * 50
    assert float((two - (one[0] - levels)).abs().min()) < 1e-3


@pytest.mark.parametrize('part', [0.2, 0.8])
def test_so_many_labels_are_drawn_anew(folder: Path, part: float) -> None:
    images = IMAGES.load_images(folder, 120)
    noisy, wrong = NOISE.corrupted(images, part, seed=0)
    assert bool((wrong == (noisy.train_labels != images.train_labels)).all())
    # Of two classes half of the labels that are drawn anew come out as they were.
    assert part * 120 * 0.25 < int(wrong.sum()) < part * 120 * 0.75
    assert images.test_labels is noisy.test_labels


def test_the_interval_covers_the_truth_so_often() -> None:
    draws = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(400):
        mean, half = TABLES.interval(torch.randn(10, generator=draws).tolist())
        hits += abs(mean) < half
    assert 0.92 < hits / 400 < 0.98


def test_crops_hold_the_image_or_black() -> None:
    images = torch.arange(1, 17.0).view(1, 1, 4, 4).expand(64, 1, 4, 4)
    batch = VIEWS.Views(images, 1, seed=0)([dict(inputs=i, data_samples=i) for i in range(64)])
    seen = set()
    for view in batch['inputs'][:, 0]:
        rows, columns = (view > 0).any(1).nonzero().squeeze(1), (view > 0).any(0).nonzero().squeeze(1)
        part = view[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        steps = part[:, 1:] - part[:, :-1]
        assert set(steps.abs().unique().tolist()) == {1.0}
        assert set((part[1:] - part[:-1]).unique().tolist()) == {4.0}
        seen.add((len(rows), len(columns), bool(steps[0, 0] > 0)))
    # Whole, shifted by a row, by a column, by both; each of them flipped and not.
    assert len(seen) == 8
    assert batch['data_samples'] == list(range(64))


def test_transforms_see_pixels_and_send_the_clean_view_along(folder: Path) -> None:
    images = IMAGES.load_images(folder, 120)
    views = VIEWS.Views(images.train, 0, seed=0, flip=0.0)
    invert = dict(type='mmmix.KeepAugment', transforms=[dict(type='mmpretrain.Invert', prob=1.0)])
    samples = [dict(inputs=i, data_samples=DataSample()) for i in range(120)]
    batch = VIEWS.Worker([invert], images, views)(samples)
    assert batch['inputs'].shape == images.train.shape
    pixels = images.train * images.std + images.mean
    made = batch['inputs'] * images.std + images.mean
    assert torch.allclose(made, 255 - pixels, atol=1e-3), 'grey levels are whole numbers here'
    clean = torch.stack([sample.get('clean_view') for sample in batch['data_samples']])
    assert torch.allclose(clean, images.train, atol=1e-4)


def run(*command: object) -> str:
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_stopped_comparison_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / 'runs.json'
    tiny = ['benchmarks/small_data.py', folder, '--images', '120', '--output', output, '--arms', 'none', 'cutmix']
    run(*tiny, '--epochs', '5', '--seeds', '1')
    first = json.loads(output.read_text())
    assert [(each['arm'], each['seed']) for each in first['runs']] == [('none', 0), ('cutmix', 0)]
    run(*tiny, '--epochs', '5', '--seeds', '2')
    second = json.loads(output.read_text())
    assert second['runs'][:2] == first['runs']
    assert [(each['arm'], each['seed']) for each in second['runs'][2:]] == [('none', 1), ('cutmix', 1)]
    assert second['arms'][1]['top1_difference']['pairs'] == 2
    assert '| cutmix | none | 2 |' in output.with_suffix('.md').read_text()
    with pytest.raises(AssertionError, match='holds runs of another setting'):
        run(*tiny, '--epochs', '6', '--seeds', '1')
    assert json.loads(output.read_text()) == second


@pytest.mark.slow
def test_everything_that_needs_a_gpu_is_gone_through_on_a_cpu(tmp_path: Path) -> None:
    command = ['benchmarks/gpu.py', '--dry-run', '--minutes', '30', '--output', tmp_path / 'gpu.json']
    run(*command)
    found = json.loads((tmp_path / 'gpu.json').read_text())
    assert {step['step']: step['state'] for step in found['steps']} == dict.fromkeys(
        ['tests', 'mixers', 'channels_last', 'cost', 'learned_cost', 'small', 'cifar100'],
        'done',
    )
    assert run(*command).count('done before') == len(found['steps'])
    assert json.loads((tmp_path / 'gpu.json').read_text()) == found
