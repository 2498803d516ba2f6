"""The digits data set: what is in it, that its split never moves, and that it feeds a pipeline."""

import doctest
import sys
from hashlib import sha256

import numpy as np
import pytest
from mmpretrain.registry import DATASETS

from mmmix.datasets import Digits, digits


@pytest.fixture(scope='module')
def splits() -> dict[str, Digits]:
    return {split: Digits(split=split) for split in ('train', 'test')}


def images_of(dataset: Digits) -> np.ndarray:
    return np.stack([dataset.get_data_info(i)['img'] for i in range(len(dataset))])


def test_images_and_labels_are_what_a_cifar_pipeline_expects(splits):
    assert [len(splits['train']), len(splits['test'])] == [1352, 445]
    for dataset in splits.values():
        images = images_of(dataset)
        assert images.shape[1:] == (32, 32, 3)
        assert images.dtype == np.uint8
        assert (images == images[..., :1]).all()
        assert images.max() > 200
        assert images.min() == 0
        assert type(dataset.get_data_info(0)['gt_label']) is int
    assert splits['train'].metainfo['classes'] == tuple('0123456789')


def test_split_is_stratified_disjoint_and_never_changes(splits):
    counts = {split: np.bincount(dataset.get_gt_labels()) for split, dataset in splits.items()}
    assert counts['test'].tolist() == [44, 45, 44, 45, 45, 45, 45, 44, 43, 45]
    share = counts['test'] / (counts['train'] + counts['test'])
    assert np.abs(share - 0.25).max() < 0.01
    images = {split: {image.tobytes() for image in images_of(dataset)} for split, dataset in splits.items()}
    assert not images['train'] & images['test']
    labels = bytes(splits['test'].get_gt_labels().tolist())
    assert sha256(labels).hexdigest()[:16] == '312924a2845c9ed4'


def test_images_are_the_digits_enlarged():
    from sklearn.datasets import load_digits

    original = np.rint(load_digits().images[0] * 255 / 16)
    plain = Digits(split='train', size=8)
    assert (plain.get_data_info(0)['img'][..., 0] == original).all()


def test_host_options_work(splits):
    assert len(Digits(indices=5)) == 5
    chosen = Digits(indices=[3, 1])
    assert [chosen.get_data_info(i)['gt_label'] for i in range(2)] == [
        splits['train'].get_data_info(i)['gt_label'] for i in (3, 1)
    ]
    lazy = Digits(split='test', lazy_init=True)
    assert not lazy._fully_initialized
    assert lazy.metainfo == splits['test'].metainfo
    assert lazy[0]['sample_idx'] == 0
    assert 'Split: \ttest' in repr(splits['test'])


def test_stock_pipeline_packs_it():
    pipeline = [dict(type='RandomCrop', crop_size=32, padding=4), dict(type='PackInputs')]
    dataset = DATASETS.build(dict(type='mmmix.Digits', split='test', test_mode=True, pipeline=pipeline))
    packed = dataset[7]
    assert packed['inputs'].shape == (3, 32, 32)
    assert packed['data_samples'].gt_label.item() == dataset.get_data_info(7)['gt_label']
    assert packed['data_samples'].sample_idx == 7


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(split='val'), r"^Digits: `split` must be 'train' or 'test', but got 'val'\.$"),
        (dict(size=0), r'^Digits: `size` must be a whole number of at least 1, e\.g\. size=32, but got 0\.$'),
        (
            dict(size=(32, 32)),
            r'^Digits: `size` must be a whole number of at least 1, e\.g\. size=32, but got \(32, 32\)\.$',
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Digits(**arguments)


def test_unknown_argument_is_an_error():
    with pytest.raises(TypeError, match='downlaod'):
        DATASETS.build(dict(type='mmmix.Digits', downlaod=True))


def test_missing_sklearn_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "mmmix\[quickstart\]"'):
        Digits()


def test_docstring_example_runs():
    result = doctest.testmod(digits)
    assert result.attempted > 0
    assert result.failed == 0
