"""Samples say which index of the training set they are, under every wrapper, sampler and worker."""

import pickle
from typing import Any

import pytest
import torch
from hard_runs import PACK, greys
from mmengine.dataset import Compose, ConcatDataset, InfiniteSampler, RepeatDataset, default_collate
from mmengine.runner import Runner
from mmpretrain.engine import SwitchRecipeHook
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader

from mmmix.engine.sample_identity import UNKNOWN, IdentifiedFetch, identify_samples
from mmmix.engine.training_scan import with_pipeline


class Loop:
    """As much of a training loop as matters here."""

    def __init__(self, dataset, **args) -> None:
        args = {'batch_size': 4, 'collate_fn': default_collate, **args}
        self.dataloader = DataLoader(dataset, **args)


def build(kind: str):
    """A wrapped data set, and the label of each of its samples by an independent count."""
    a, b = greys(6), greys(5, seed=1)
    labels_a, labels_b = (
        [info['gt_label'] for info in DATASETS.build(cfg)] for cfg in (dict(a, pipeline=[]), dict(b, pipeline=[]))
    )
    if kind == 'plain':
        return DATASETS.build(a), labels_a
    if kind == 'concat':
        return ConcatDataset([DATASETS.build(a), DATASETS.build(b)]), labels_a + labels_b
    if kind == 'repeat':
        return RepeatDataset(DATASETS.build(a), times=3), labels_a * 3
    if kind == 'nested':
        wrapped = dict(
            type='RepeatDataset', dataset=dict(type='mmmix.CorruptedLabels', dataset=a, fraction=0.0), times=2
        )
        return DATASETS.build(wrapped), labels_a * 2
    if kind == 'balanced':
        dataset = DATASETS.build(dict(type='ClassBalancedDataset', dataset=a, oversample_thr=0.9))
        return dataset, [labels_a[i] for i in dataset.repeat_indices]
    if kind == 'kfold':
        dataset = DATASETS.build(dict(type='KFoldDataset', dataset=a, fold=1, num_splits=3, seed=0))
        return dataset, [labels_a[i] for i in dataset._ori_indices]
    raise ValueError(kind)


def labels_by_index(batches) -> list[tuple[int, int]]:
    return [(s.sample_idx, int(s.gt_label)) for batch in batches for s in batch['data_samples']]


@pytest.mark.parametrize('kind', ['plain', 'concat', 'repeat', 'nested', 'balanced', 'kfold'])
def test_every_wrapper(kind: str) -> None:
    dataset, labels = build(kind)
    loop = Loop(dataset, shuffle=True)
    identify_samples(loop)
    assert sorted(labels_by_index(loop.dataloader)) == list(enumerate(labels))


def test_persistent_workers_over_two_epochs() -> None:
    dataset, labels = build('concat')
    loop = Loop(dataset, shuffle=True, num_workers=2, persistent_workers=True)
    identify_samples(loop)
    for _ in range(2):
        assert sorted(labels_by_index(loop.dataloader)) == list(enumerate(labels))
    loop.dataloader._iterator._shutdown_workers()  # type: ignore[union-attr]


def test_workers_that_get_a_pickled_copy() -> None:
    dataset, labels = build('concat')
    identify_samples(Loop(dataset))
    copy = pickle.loads(pickle.dumps(dataset))
    assert sorted(labels_by_index(Loop(copy, shuffle=True).dataloader)) == list(enumerate(labels))


def test_workers_that_run_already_are_started_again_and_lose_nothing() -> None:
    """MMEngine 0.10.7 starts the workers of an iteration-based loop before any hook runs."""
    dataset, labels = build('concat')

    def loop_of(sampler) -> Loop:
        loop = Loop(dataset, sampler=sampler, num_workers=1)
        loop.dataloader_iterator = type('Eager', (), dict(_iterator=iter(loop.dataloader)))()  # type: ignore[attr-defined]
        return loop

    plain = loop_of(InfiniteSampler(dataset, seed=3))
    expected = [next(plain.dataloader_iterator._iterator) for _ in range(5)]  # type: ignore[attr-defined]
    plain.dataloader_iterator._iterator._shutdown_workers()  # type: ignore[attr-defined]
    loop = loop_of(InfiniteSampler(dataset, seed=3))
    identify_samples(loop)
    got = [next(loop.dataloader_iterator._iterator) for _ in range(5)]  # type: ignore[attr-defined]
    assert all(torch.equal(a['inputs'], b['inputs']) for a, b in zip(expected, got, strict=True))
    assert all(labels[i] == label for i, label in labels_by_index(got))
    assert {i for i, _ in labels_by_index(got)} == set(range(len(dataset)))
    loop.dataloader_iterator._iterator._shutdown_workers()  # type: ignore[attr-defined]


def test_a_sample_that_another_one_stood_in_for_is_unknown() -> None:
    class Broken:
        """A pipeline that has nothing for the first sample of each data set."""

        def __init__(self) -> None:
            self.pack = Compose(PACK)

        def __call__(self, results: dict):
            return None if results['sample_idx'] == 0 else self.pack(results)

    dataset, labels = build('repeat')
    dataset.dataset.pipeline = Broken()
    loop = Loop(dataset)
    identify_samples(loop)
    got = [(s.sample_idx, int(s.gt_label)) for batch in loop.dataloader for s in batch['data_samples']]
    assert len(got) == 18
    for place, (index, label) in enumerate(got):
        assert index == (UNKNOWN if place % 6 == 0 else place)
        assert index == UNKNOWN or label == labels[index]


def test_a_switched_pipeline_and_a_number_of_batches() -> None:
    loader = dict(
        batch_size=4,
        num_workers=0,
        num_batch_per_epoch=2,
        dataset=dict(type='RepeatDataset', dataset=greys(6), times=2),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )
    loop = Loop([0])
    loop.dataloader = Runner.build_dataloader(loader)
    identify_samples(loop)
    assert [i for i, _ in labels_by_index(loop.dataloader)] == list(range(8))
    sliced: Any = loop.dataloader.dataset
    inner = type('Loop', (), dict(dataloader=DataLoader(sliced._dataset)))
    runner = type('Runner', (), dict(train_loop=inner))
    SwitchRecipeHook._switch_train_pipeline(runner, Compose([dict(type='mmpretrain.Resize', scale=4), *PACK]))
    batch = next(iter(loop.dataloader))
    assert batch['inputs'].shape[-1] == 4
    assert [s.sample_idx for s in batch['data_samples']] == [0, 1, 2, 3]


@pytest.mark.parametrize('kind', ['plain', 'concat', 'nested', 'balanced', 'kfold'])
def test_a_view_with_another_pipeline_leaves_the_data_set_alone(kind: str) -> None:
    dataset, labels = build(kind)
    view = with_pipeline(dataset, Compose([dict(type='mmpretrain.Resize', scale=4), *PACK]))
    assert [int(view[i]['data_samples'].gt_label) for i in range(len(view))] == labels
    assert view[0]['inputs'].shape[-1] == 4 and dataset[0]['inputs'].shape[-1] == 8
    leaf = dataset
    while not hasattr(leaf, 'data_list'):
        leaf = getattr(leaf, 'dataset', None) or leaf.datasets[0]
    copy = view
    while not hasattr(copy, 'data_list'):
        copy = getattr(copy, 'dataset', None) or copy.datasets[0]
    assert copy.data_list is leaf.data_list, 'annotations are not copied'


def test_a_view_of_a_data_set_that_is_trained_on_fetches_by_itself() -> None:
    """While training, whole batches are asked for at another place, which would run the training pipeline."""
    dataset, labels = build('concat')
    dataset.__getitems__ = IdentifiedFetch(dataset)
    view = with_pipeline(dataset, Compose([dict(type='mmpretrain.Resize', scale=4), *PACK]))
    samples = [sample for batch in DataLoader(view, 3, collate_fn=list) for sample in batch]
    assert {sample['inputs'].shape[-1] for sample in samples} == {4}
    assert [int(sample['data_samples'].gt_label) for sample in samples] == labels
    assert dataset.__getitems__([0])[0]['inputs'].shape[-1] == 8


def test_a_data_set_without_a_pipeline_is_refused() -> None:
    with pytest.raises(TypeError, match='scan_interval'):
        with_pipeline(type('Plain', (), {})(), None)
