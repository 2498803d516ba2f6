"""Configs that stand beside the paper's figures are made of the released code."""

from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
#: The data at the end of a config's name -> the authors' batch size a GPU.
SCALES = {'cifar100': 100, 'tiny-imagenet': 100, 'cub': 16, 'aircraft': 16, 'in1k': 64}


@pytest.mark.parametrize('data', SCALES)
def test_configs_beside_figures_of_the_paper_are_as_released(data: str) -> None:
    paths = sorted((ROOT / 'configs' / 'sumix').glob(f'*-sumix_{data}.py'))
    assert len(paths) >= 4
    for path in paths:
        head = Config.fromfile(path).model.head
        assert head.distance == 'released' and head.scale == SCALES[data], path.name
        assert head.get('raw_uncertainty', False) == (data == 'in1k'), path.name
        assert not {'temperature', 'lam_reduction'} & set(head), path.name
