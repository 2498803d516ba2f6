"""The hard-sample hook in whole runs of one process: what it counts, saves, resumes and scans."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hard_runs import Spy, config, greys, hook_of, train, unwrapped
from mmengine.dataset import DefaultSampler
from mmengine.runner import Runner
from torch.utils.data import DataLoader, DistributedSampler

from mmmix import HardSampleHook
from mmmix.engine.sampling import not_padding


def replay(observations: list[tuple[int, int, int]], length: int, momentum: float = 0.9) -> dict[str, torch.Tensor]:
    """The table by a slow count of what a spy saw, one observation at a time."""
    seen, missed = [0.0] * length, [0.0] * length
    for _, i, outcome in observations:
        if outcome >= 0:
            seen[i] = momentum * seen[i] + 1
            missed[i] = momentum * missed[i] + (outcome == 1)
    return dict(seen=torch.tensor(seen), missed=torch.tensor(missed))


def same(one: dict, two: dict, exact: bool = True) -> bool:
    compare = torch.equal if exact else torch.allclose
    return compare(one['seen'], two['seen']) and compare(one['missed'], two['missed'])


def by_iterations(max_iters: int, interval: int, **sampler: Any) -> dict:
    """Changes that make a run iteration-based."""
    settings = config('')
    loader = {**settings['train_dataloader'], 'sampler': dict(type='InfiniteSampler', shuffle=True, seed=1, **sampler)}
    return dict(
        train_dataloader=loader,
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=False)),
    )


def test_every_clean_prediction_is_counted_once(tmp_path: Path) -> None:
    runner, spy = train(config(tmp_path, prob=0.5))
    table = hook_of(runner).table
    assert len(table) == 40 and any(outcome == -1 for *_, outcome in spy.seen) and any(o == 1 for *_, o in spy.seen)
    assert same(table.state_dict(), replay(spy.seen, 40), exact=False)
    saved = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['hard_samples']
    assert same(saved, table.state_dict())
    assert saved['iterations'].tolist() == [5, 10, 15]
    assert saved['histogram'].sum(1).tolist() == [int((spy.tables[k]['seen'] > 0).sum()) for k in (1, 2, 3)]


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_the_table_is_over_the_set_that_the_sampler_sees(tmp_path: Path, wrapper: str) -> None:
    inner = greys(12)
    dataset = dict(type='RepeatDataset', dataset=inner, times=3)
    if wrapper == 'ConcatDataset':
        dataset = dict(type='ConcatDataset', datasets=[inner, greys(24, seed=1)])
    runner, spy = train(config(tmp_path, dataset, train_cfg=dict(by_epoch=True, max_epochs=2)))
    assert len(hook_of(runner).table) == 36
    assert sorted(i for _, i, _ in spy.seen) == sorted([*range(36)] * 2)
    torch.testing.assert_close(hook_of(runner).table.seen, torch.full((36,), 1.9))


def test_a_resumed_run_has_the_table_of_the_uninterrupted_one_at_every_epoch(tmp_path: Path) -> None:
    """Nothing in this run is drawn but the order, which depends on the epoch, so both runs see the same."""
    _, whole = train(config(tmp_path / 'whole'))
    _, again = train(config(tmp_path / 'again', load_from=str(tmp_path / 'whole/epoch_2.pth'), resume=True))
    assert same(again.start, whole.tables[2])
    assert list(again.tables) == [3]
    assert same(again.tables[3], whole.tables[3])
    assert not same(whole.tables[2], whole.tables[3])


def test_a_checkpoint_within_an_epoch_holds_the_table_of_the_last_agreement(tmp_path: Path) -> None:
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=7, by_epoch=False))
    _, spy = train(config(tmp_path, default_hooks=hooks))
    saved = torch.load(tmp_path / 'iter_7.pth', weights_only=False)['hard_samples']
    assert same(saved, spy.tables[1])


def test_infinite_sampler_in_an_iteration_based_loop(tmp_path: Path) -> None:
    runner, spy = train(config(tmp_path, **by_iterations(12, interval=7)))
    table = hook_of(runner).table
    assert same(table.state_dict(), replay(spy.seen, 40), exact=False)
    assert [iterations for iterations, _ in hook_of(runner).history] == [5, 10], 'one pass is five batches of eight'
    saved = torch.load(tmp_path / 'iter_7.pth', weights_only=False)['hard_samples']
    assert same(saved, replay(spy.seen[: 7 * 8], 40), exact=False), 'nothing before the checkpoint is lost'
    _, again = train(
        config(tmp_path / 'b', load_from=str(tmp_path / 'iter_7.pth'), resume=True, **by_iterations(12, 7))
    )
    assert same(again.start, saved)
    assert same(again.tables[1], spy.tables[1])


@pytest.mark.parametrize('iterations', [False, True])
def test_persistent_workers_and_a_switched_recipe(tmp_path: Path, iterations: bool) -> None:
    """Two data sets in one; each index must keep the label that it has, in workers that outlive epochs and recipes."""
    settings = config(tmp_path, **by_iterations(15, 99) if iterations else {})
    halves = dict(type='ConcatDataset', datasets=[greys(20), greys(20, seed=1)])
    settings['train_dataloader'].update(dataset=halves, num_workers=2, persistent_workers=True)
    larger = [dict(type='mmpretrain.Resize', scale=12), dict(type='mmpretrain.PackInputs')]
    switch = dict(
        action_epoch=2, train_pipeline=larger, batch_augments=dict(augments=dict(type='mmmix.CutMix', prob=0))
    )
    if not iterations:
        settings['custom_hooks'].append(dict(type='SwitchRecipeHook', schedule=[switch]))
    labels: dict[int, int] = {}
    sizes: list[int] = []

    class Look(Spy):
        def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
            sizes.append(data_batch['inputs'].shape[-1])
            for sample in data_batch['data_samples']:
                assert labels.setdefault(sample.sample_idx, int(sample.gt_label)) == int(sample.gt_label)

    runner = Runner.from_cfg({'experiment_name': f'workers{iterations}', **settings})
    runner.register_hook(Look())
    runner.train()
    # Left to the garbage collector, workers of an endless loop take their time.
    workers = getattr(runner.train_loop, 'dataloader_iterator', runner.train_dataloader)._iterator
    workers._shutdown_workers()
    dataset = runner.train_dataloader.dataset
    assert labels == {i: dataset.get_data_info(i)['gt_label'] for i in range(40)}
    assert sizes == ([8] * 15 if iterations else [8] * 5 + [12] * 10)
    torch.testing.assert_close(hook_of(runner).table.seen, torch.full((40,), 2.71))


@pytest.mark.parametrize('length', [9, 10, 11, 12, 2])
@pytest.mark.parametrize('kind', ['DefaultSampler', 'DistributedSampler', 'no round_up', 'drop_last'])
def test_padding_of_three_ranks_is_left_out(monkeypatch, length: int, kind: str) -> None:
    counted: list[int] = []
    drawn: list[int] = []
    dataset: Any = range(length)
    for rank in range(3):
        if kind == 'DistributedSampler':
            sampler: Any = DistributedSampler(dataset, 3, rank, seed=5)
        else:
            monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 3))
            sampler = DefaultSampler(dataset, seed=5, round_up=kind != 'no round_up')
        loader: Any = DataLoader(dataset, 2, sampler=sampler, drop_last=kind == 'drop_last')
        for epoch in range(2):
            for batch_idx, batch in enumerate(loader):
                # An iteration-based loop goes on counting in its second pass.
                real = not_padding(loader, batch_idx + epoch * len(loader), len(batch), rank, 3)
                drawn += batch.tolist()
                counted += batch[real].tolist()
    if kind == 'drop_last':
        assert max(map(counted.count, counted), default=0) <= 2
        assert set(drawn) == set(counted)
    else:
        assert sorted(counted) == sorted([*range(length)] * 2)
        assert len(drawn) > len(counted) or length % 3 == 0 or kind == 'no round_up'


@pytest.mark.parametrize('shared', [False, True])
def test_several_mixers_of_one_recipe(tmp_path: Path, shared: bool) -> None:
    settings = config(tmp_path)
    pool = dict(type='mmmix.HardPool', min_size=2)
    hard, mixup = dict(type='mmmix.HardMix', partners=pool), dict(type='mmmix.Mixup', partners=pool)
    settings['model']['train_cfg'] = dict(augments=[hard, mixup], probs=[0.5, 0.3])
    runner = Runner.from_cfg({'experiment_name': f'shared{shared}', **settings})
    one, two = unwrapped(runner).mixers()
    if shared:
        two.partners = one.partners
    calls = []
    observe = one.partners.observe

    def counting(*args: Any) -> None:
        calls.append(1)
        observe(*args)

    one.partners.observe = counting
    runner.train()
    assert len(calls) == 15, 'each batch is seen once'
    assert one.partners.fill >= 2 and two.partners.fill == one.partners.fill


def test_warm_up_counts_passes(tmp_path: Path) -> None:
    active = []

    class Look(Spy):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            active.append(unwrapped(runner).hard_table.active)

    for changes, expected in ((dict(), [False] * 10 + [True] * 5), (by_iterations(12, 99), [False] * 9 + [True] * 3)):
        active.clear()
        hook = [dict(type='mmmix.HardSampleHook', warmup_epochs=2)]
        runner = Runner.from_cfg(config(tmp_path, experiment_name=f'w{len(changes)}', custom_hooks=hook, **changes))
        runner.register_hook(Look())
        runner.train()
        assert active == expected


def test_resuming_with_another_data_set_names_both_lengths(tmp_path: Path) -> None:
    train(config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1)))
    with pytest.raises(ValueError, match=r'40 rows .* 24\s+samples'):
        train(config(tmp_path / 'b', greys(24), load_from=str(tmp_path / 'epoch_1.pth'), resume=True))


def test_a_checkpoint_without_a_table_resumes_with_a_warning(tmp_path: Path) -> None:
    train(config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1)))
    path = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    del checkpoint['hard_samples']
    torch.save(checkpoint, path)
    settings = config(tmp_path / 'b', load_from=str(path), resume=True, train_cfg=dict(by_epoch=True, max_epochs=2))
    runner, spy = train(settings)
    assert float(spy.start['seen'].sum()) == 0
    assert float(hook_of(runner).table.seen.sum()) == 40
    log = next((tmp_path / 'b').glob('*/*.log')).read_text()
    assert 'holds no hard-sample table' in log


def test_weights_alone_leave_the_table_empty(tmp_path: Path) -> None:
    train(config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1)))
    _, spy = train(config(tmp_path / 'b', load_from=str(tmp_path / 'epoch_1.pth')))
    assert float(spy.start['seen'].sum()) == 0


def test_a_scan_classifies_every_sample_once_with_the_test_pipeline(tmp_path: Path, capsys) -> None:
    """All batches are mixed, so the scans are all that the table can know."""
    hook = [dict(type='mmmix.HardSampleHook', scan_interval=2)]
    train_cfg = dict(by_epoch=True, max_epochs=4)
    settings = config(tmp_path, custom_hooks=hook, train_cfg=train_cfg)
    settings['model']['train_cfg'] = dict(augments=dict(type='mmmix.Mixup'))
    settings['train_dataloader']['dataset'] = dict(
        type='RepeatDataset',
        dataset=greys(20, pipeline=[dict(type='mmpretrain.Resize', scale=4), dict(type='mmpretrain.PackInputs')]),
        times=2,
    )
    runner, spy = train(settings)
    assert re.search(r'40/40[^\n]*\n', capsys.readouterr().out), 'the bar is told to its end, and the line ends'
    assert [float(spy.tables[k]['seen'].sum()) for k in (1, 2, 3, 4)] == pytest.approx([0, 40, 40, 76])
    model = unwrapped(runner).eval()
    plain = Runner.build_dataloader({**config(tmp_path)['test_dataloader'], 'dataset': greys(20)})
    missed = []
    for batch in plain:
        data = model.data_preprocessor(batch)
        labels = torch.cat([sample.gt_label for sample in data['data_samples']])
        missed.append((model(data['inputs'], mode='tensor').argmax(1) != labels).float())
    now = spy.tables[4]['missed'] - 0.9 * spy.tables[2]['missed']
    torch.testing.assert_close(now, torch.cat(missed).repeat(2), rtol=0, atol=1e-6)


def test_a_scan_counts_passes_in_an_iteration_based_loop(tmp_path: Path) -> None:
    """A pass is five iterations, so that every second one ends with the tenth and the twentieth."""
    hook = [dict(type='mmmix.HardSampleHook', scan_interval=2)]
    settings = config(tmp_path, custom_hooks=hook, **by_iterations(22, 99))
    settings['model']['train_cfg'] = dict(augments=dict(type='mmmix.Mixup'))
    runner, _ = train(settings)
    seen = [int(counts.sum()) for _, counts in hook_of(runner).history]
    assert [iterations for iterations, _ in hook_of(runner).history] == [5, 10, 15, 20] and seen == [0, 40, 40, 40]
    torch.testing.assert_close(hook_of(runner).table.seen, torch.full((40,), 1.9))


def test_a_scan_leaves_no_trace(tmp_path: Path) -> None:
    weights = []
    for name, interval in (('with', 1), ('without', 0)):
        hook = [dict(type='mmmix.HardSampleHook', scan_interval=interval, warmup_epochs=99)]
        runner, _ = train(config(tmp_path / name, prob=0.5, custom_hooks=hook))
        assert unwrapped(runner).training
        weights.append(runner.model.state_dict())
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_nothing_seen_is_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    settings = config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1))
    settings['model']['train_cfg'] = dict(augments=dict(type='mmmix.Mixup'))
    train(settings)
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'scan_interval=1' in log


def test_pool_fill_and_hardness_reach_the_visualizer(tmp_path: Path) -> None:
    train(
        config(
            tmp_path, prob=0.5, visualizer=dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
        )
    )
    lines = next(tmp_path.glob('*/vis_data/*.json')).parent.joinpath('scalars.json').read_text()
    assert lines.count('hard_samples/hardness') == lines.count('hard_samples/pool_fill') == 3
    assert '"hard_samples/pool_fill": 0, "step": 5' in lines, 'the pool is closed before the first bound'


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='before CheckpointHook'):
        train(config(tmp_path, custom_hooks=[dict(type='mmmix.HardSampleHook', priority='LOWEST')]))
    scanning = [dict(type='mmmix.HardSampleHook', scan_interval=1)]
    blind = config(tmp_path, custom_hooks=scanning, test_dataloader=None, test_cfg=None, test_evaluator=None)
    with pytest.raises(ValueError, match='val_dataloader'):
        train(blind)
    stock = config(tmp_path)
    stock['model'] = {**stock['model'], 'type': 'ImageClassifier', 'train_cfg': None}
    with pytest.raises(TypeError, match=r'mmmix\.MixClassifier'):
        train(stock)
    for args in (dict(warmup_epochs=-1), dict(scan_interval=1.5), dict(momentum=1.0)):
        with pytest.raises(ValueError, match=next(iter(args))):
            HardSampleHook(**args)
    with pytest.raises(RuntimeError, match='when training begins'):
        _ = HardSampleHook().table
