"""Pictures of mixed batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from mmmix import CutMix, Mix, draw_cams, draw_mix, to_pixels
from mmmix.commands import browse
from mmmix.visualization.sheet import draw_sheet

ROOT = Path(__file__).resolve().parents[2]


def test_pixels_come_back_from_normalisation() -> None:
    pixels = torch.randint(0, 256, (2, 3, 5, 4)).float()
    mean, std = torch.tensor([100.0, 120.0, 90.0]).view(3, 1, 1), torch.tensor([50.0, 60.0, 70.0]).view(3, 1, 1)
    shown = to_pixels((pixels - mean) / std, mean, std)
    assert shown.dtype == np.uint8
    assert np.array_equal(shown, pixels.permute(0, 2, 3, 1).numpy().astype(np.uint8))


def test_one_channel_without_statistics_is_stretched() -> None:
    shown = to_pixels(torch.tensor([0.0, 0.5, 1.0, 0.0]).view(1, 1, 2, 2) - 7)
    assert shown.shape == (1, 2, 2, 3) and shown.min() == 0 and shown.max() == 255


@pytest.mark.parametrize('rows', [1, 3, 99])
def test_a_row_per_image(rows: int) -> None:
    mix = CutMix().mix(torch.rand(4, 3, 16, 12), torch.eye(4))
    plain = draw_mix(mix, rows=rows)
    assert plain.dtype == np.uint8 and plain.shape[2] == 3
    assert plain.shape[0] > 150 * min(rows, 4)
    with_map = draw_mix(mix, rows=rows, maps={'guide': torch.rand(4, 1, 16, 12)})
    assert with_map.shape[1] > plain.shape[1], 'a map adds a column'


def test_an_unmixed_batch_can_be_drawn() -> None:
    assert draw_mix(Mix.unmixed(torch.rand(2, 1, 8, 8), torch.eye(2))).size > 0


@pytest.mark.parametrize('name', [r'$\frac$', '$5 or $6', 'a_b^c', 'plain'])
def test_names_of_classes_are_no_formulas(name: str, tmp_path: Path) -> None:
    """Everything that draws them shows them as they are."""
    mix = CutMix().mix(torch.rand(2, 3, 8, 8), torch.eye(2))
    assert draw_mix(mix, classes=[name] * 2, maps={name: torch.rand(2, 1, 8, 8)}, title=name).size > 0
    draw_sheet([np.zeros((8, 8, 3), np.uint8)], [f'label {name}'], tmp_path / 'sheet.png')
    pixels = torch.rand(2, 3, 8, 8)
    draw_cams(mix, pixels, {name: [torch.rand(2, 8, 8)] * 2}, tmp_path / 'cams.png')
    assert all((tmp_path / file).stat().st_size for file in ('sheet.png', 'cams.png'))


def test_a_class_without_a_name_is_shown_by_its_number() -> None:
    mix = CutMix().mix(torch.rand(4, 3, 8, 8), torch.eye(4))
    shown = [draw_mix(mix, classes=classes) for classes in (['0', '1'], ['0', '1', '2', '3'], None, [])]
    assert all(np.array_equal(each, shown[0]) for each in shown[1:])


def config(work_dir: Path, **hook) -> Config:
    cfg = Config.fromfile(ROOT / 'configs/quickstart/resnet_digits.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'train_dataloader.dataset.indices': 40,
            'train_dataloader.dataset.serialize_data': False,
            'train_dataloader.batch_size': 8,
            'train_cfg.max_epochs': 1,
            'default_hooks.draw': dict(type='mmmix.MixVisualizationHook', **hook),
            'default_hooks.checkpoint.interval': 100,
        }
    )
    for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
        cfg[key] = None
    cfg.model.backbone.base_channels = cfg.model.backbone.stem_channels = 4
    cfg.model.head.in_channels = 32
    return cfg


def test_the_hook_draws_mixed_training_batches(tmp_path: Path) -> None:
    Runner.from_cfg(config(tmp_path, interval=2, rows=2)).train()
    pictures = sorted(tmp_path.glob('*/vis_data/vis_image/train_mix_*.png'))
    assert [path.stem for path in pictures] == ['train_mix_0', 'train_mix_2', 'train_mix_4']
    assert np.asarray(Image.open(pictures[0])).std() > 0


@pytest.mark.parametrize('argument', ['interval', 'rows'])
def test_bad_arguments(argument: str) -> None:
    from mmmix import MixVisualizationHook

    with pytest.raises(ValueError, match=f'`{argument}`'):
        MixVisualizationHook(**{argument: 0})


def test_every_iteration_may_be_drawn_and_one_row_of_it(tmp_path: Path) -> None:
    cfg = config(tmp_path, interval=1, rows=1)
    cfg.train_dataloader.dataset.indices = 16
    cfg.experiment_name = tmp_path.name  # MMEngine tells runs apart by the second of their start
    Runner.from_cfg(cfg).train()
    pictures = sorted(tmp_path.glob('*/vis_data/vis_image/train_mix_*.png'))
    assert [path.stem for path in pictures] == ['train_mix_0', 'train_mix_1']
    one = draw_mix(CutMix().mix(torch.rand(2, 3, 16, 16), torch.eye(2)), rows=1)
    assert np.asarray(Image.open(pictures[0])).shape[0] == one.shape[0]


def test_the_stock_classifier_is_refused_before_training(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    cfg.model.type, cfg.custom_hooks = 'ImageClassifier', []
    cfg.model.head = dict(type='LinearClsHead', num_classes=10, in_channels=32)
    cfg.model.train_cfg = None
    with pytest.raises(TypeError, match='MixClassifier'):
        Runner.from_cfg(cfg).train()


def test_browse_mix_draws_the_mixers_of_a_config_and_where_a_keep_looked(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    one = browse.draw(cfg, None, rows=2, seed=0)
    assert one.dtype == torch.uint8 and one.shape[2] == 3
    cfg.model.train_cfg.augments.pop('keep')
    plain = browse.draw(cfg, None, rows=2, seed=0)
    assert one.shape[1] > plain.shape[1], 'importance, scores of the box and allowed places are columns'
    cfg.model.train_cfg.augments = [dict(type='mmmix.Mixup'), dict(type='mmmix.FMix')]
    assert browse.draw(cfg, None, rows=2, seed=0).shape[0] == 2 * plain.shape[0]


@pytest.mark.slow
def test_browse_mix_draws_every_mixer_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = browse.draw(config(tmp_path), None, rows=1, seed=0, everything=True)
    out = capsys.readouterr().out
    sits_out = {line.split()[0] for line in out.splitlines() if 'sits out' in line}
    assert sits_out == {'AttentiveMix', 'KeepPaste', 'MixPro', 'SMMix', 'TokenMix'}
    assert picture.shape[0] > 150 * 20
