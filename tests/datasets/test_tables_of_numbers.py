"""Tables: split, scale and words as they should be, against scikit-learn and by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from mmmix import MLP, Table
from mmmix.cli import build_runner

ROOT = Path(__file__).resolve().parents[2]


def values(table: Table) -> tuple[np.ndarray, list[int]]:
    rows = [table.get_data_info(i) for i in range(len(table))]
    return np.stack([row['img'] for row in rows]), [row['gt_label'] for row in rows]


@pytest.mark.parametrize('source', ['iris', 'wine', 'breast_cancer', 'digits'])
def test_split_is_whole_disjoint_and_even(source: str) -> None:
    train, test = (
        Table(source, split=split, test_fraction=0.25, seed=3, standardize=False) for split in ('train', 'test')
    )
    (rows, labels), (other, tested) = values(train), values(test)
    from sklearn import datasets

    data = getattr(datasets, f'load_{source}')()
    both = np.concatenate([rows, other])
    expected = data.data.astype(np.float32)
    assert sorted(map(tuple, both)) == sorted(map(tuple, expected))
    for label in np.unique(data.target):
        assert tested.count(label) == round(0.25 * (data.target == label).sum())
    assert train.metainfo['classes'] == tuple(map(str, data.target_names))
    assert labels != sorted(labels) or len(set(labels)) > 1


def test_scale_is_that_of_the_training_split() -> None:
    raw = [values(Table('iris', split=split, seed=1, standardize=False))[0] for split in ('train', 'test')]
    scaler = StandardScaler().fit(raw[0].astype(np.float64))
    for split, rows in zip(('train', 'test'), raw, strict=True):
        found, _ = values(Table('iris', split=split, seed=1))
        np.testing.assert_allclose(found, scaler.transform(rows), atol=1e-5)
    assert len(load_iris().data) == len(raw[0]) + len(raw[1])


def test_seeds_draw_other_rows_and_the_same_again() -> None:
    first, again, other = (values(Table('iris', seed=seed, standardize=False))[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


CSV = """sex, length, kind , rings
M, 1.0, a, 9
F, ?, b, 10
M, 3.0, , 9
F, 5.0, a, 10
I, 1.0, b, 9
I, 5.0, b, 10
"""


def test_words_gaps_and_labels_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / 'shells.csv'
    path.write_text(CSV)
    table = Table(str(path), target='rings', test_fraction=0.0, standardize=False)
    rows, labels = values(table)
    # sex: F, I, M; length with the mean of the five known; kind: a, b with the mean share of each.
    expected = [
        [0, 0, 1, 1, 1, 0],
        [1, 0, 0, 3, 0, 1],
        [0, 0, 1, 3, 0.4, 0.6],
        [1, 0, 0, 5, 1, 0],
        [0, 1, 0, 1, 0, 1],
        [0, 1, 0, 5, 0, 1],
    ]
    np.testing.assert_allclose(rows, np.array(expected), rtol=1e-6)
    assert labels == [0, 1, 0, 1, 0, 1] and table.metainfo['classes'] == ('9', '10')
    assert len(Table(str(path), target=-1, split='test', test_fraction=1 / 3)) == 2
    assert Table(str(path), target=0).metainfo['classes'] == ('F', 'I', 'M')


@pytest.mark.parametrize(
    ('text', 'options', 'words'),
    [
        (CSV, dict(target='ring'), "`target` must name the column of the label, one of .*'rings'"),
        (CSV, dict(target=4), '`target` must name'),
        ('a,b\n1\n', {}, 'has 1 cells in row 2'),
        ('a,b\n', {}, 'has no rows'),
        ('', {}, 'has no rows'),
        ('a,b\n1,\n', {}, "a label in column 'b' .* is missing"),
        ('a,b\n1,2\n', dict(test_fraction=0.9), 'smaller `test_fraction`'),
        (CSV, dict(test_fraction=1.0), r'`test_fraction` must lie in \[0, 1\)'),
    ],
)
def test_bad_tables_are_told(text: str, options: dict, words: str, tmp_path: Path) -> None:
    path = tmp_path / 'table.csv'
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        Table(str(path), **options)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(FileNotFoundError, match='it has iris, wine, breast_cancer, digits'):
        Table('abalone')


def test_mlp_against_its_own_layers() -> None:
    net = MLP(6, widths=(5, 3))
    rows = torch.rand(4, 6)
    first, second = (getattr(net, f'layer{i}')[0] for i in (1, 2))
    by_hand = ((rows @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias).clamp(min=0)
    torch.testing.assert_close(net(rows)[0], by_hand)
    torch.testing.assert_close(net(rows.view(4, 2, 3, 1))[0], by_hand)
    assert sum(parameter.numel() for parameter in MLP(4).parameters()) == 4 * 128 + 128 + 128 * 128 + 128


@pytest.mark.parametrize('name', ['mlp_10e_iris', 'mlp_10e-mixup_iris', 'mlp_10e-manifoldmix_iris'])
def test_configs_learn(name: str, tmp_path: Path) -> None:
    """From start to end as they are; chance is a third."""
    config = Config.fromfile(ROOT / 'configs' / 'tables' / f'{name}.py')
    config.update(work_dir=str(tmp_path), launcher='none', log_level='ERROR', experiment_name=name)
    runner = build_runner(config)
    runner.train()
    assert float(runner.message_hub.get_scalar('val/accuracy/top1').current()) > 70
