"""Bounds, rounding, and what ranks go on from after a resume."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hard_runs import PACK, greys
from mmengine import dist
from mmengine.dataset import Compose, pseudo_collate
from mmpretrain.registry import DATASETS
from networks import RESNET, classifier
from torch.utils.data import DataLoader

from mmmix import HardSampleHook, MixVisualizationHook
from mmmix.engine.agreement import SharedTable
from mmmix.engine.hooks import sample_memory_hook
from mmmix.engine.sampling import iterations_per_pass
from mmmix.engine.training_scan import look
from mmmix.partners import HardSampleTable


@pytest.mark.parametrize(('seen', 'hard'), [(1, 1), (2, 1), (7, 1), (8, 2), (12, 2), (13, 3), (20, 4)])
def test_the_hard_fraction_is_rounded_to_the_nearest_number(seen: int, hard: int) -> None:
    """A fifth of the seen samples, and one at least."""
    table = HardSampleTable(30, momentum=0.0, fraction=0.2)
    table.missed[:seen] = torch.arange(1, seen + 1).float()
    table.seen[:seen] = seen + 1.0
    assert int(table.hard_mask().sum()) == hard
    assert table.hard_mask()[seen - hard : seen].all(), 'the hardest ones'


def test_ranks_go_on_from_the_saved_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks, of which this one resumed and saw one miss, and the other another one."""
    shared = SharedTable(HardSampleTable(4, momentum=0.5))
    saved = dict(seen=torch.tensor([2.0, 1.0, 1.5, 0.0]), missed=torch.tensor([1.0, 1.0, 0.0, 0.0]))
    shared.load(saved)
    theirs = torch.tensor([[5, 3, 1]])

    def all_gather(mine: torch.Tensor) -> list[torch.Tensor]:
        return [mine, mine if mine.ndim == 1 else theirs]

    monkeypatch.setattr(dist, 'get_world_size', lambda: 2)
    monkeypatch.setattr(dist, 'all_gather', all_gather)
    shared.count(5, torch.tensor([0]), torch.tensor([True]))
    shared.agree()
    expected = HardSampleTable(4, momentum=0.5)
    expected.load_state_dict(saved)
    expected.update([0, 3], [True, True])
    assert torch.equal(shared.table.seen, expected.seen) and torch.equal(shared.table.missed, expected.missed)


@pytest.mark.parametrize(
    ('samples', 'batch_size', 'ranks', 'iterations'),
    [(40, 8, 1, 5), (41, 8, 1, 6), (40, 8, 2, 3), (3, 8, 1, 1), (3, 8, 4, 1), (0, 8, 1, 1)],
)
def test_iterations_of_a_pass(samples: int, batch_size: int, ranks: int, iterations: int) -> None:
    loader = SimpleNamespace(dataset=range(samples), batch_size=batch_size, batch_sampler=None)
    assert iterations_per_pass(loader, ranks) == iterations


def test_a_scan_knows_every_sample_and_looks_at_it_as_in_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sample too, and nothing that the preprocessor does in training alone."""
    model = classifier({**RESNET, 'head': dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64)})
    modes: list[bool] = []
    forward = model.data_preprocessor.forward

    def noted(data: dict, training: bool = False) -> dict:
        modes.append(training)
        return forward(data, training)

    monkeypatch.setattr(model.data_preprocessor, 'forward', noted)
    dataset: Any = DATASETS.build(greys(10, pipeline=PACK))
    loader: Any = DataLoader(dataset, batch_size=4, collate_fn=pseudo_collate)
    idx, missed = look(model, loader, Compose(PACK), lambda logits, scores: logits.argmax(1) != scores.argmax(1))
    assert idx.tolist() == list(range(10)) and missed.dtype == torch.bool and len(missed) == 10
    assert modes == [False] * 3


def test_pictures_of_mixes_come_every_thousand_iterations() -> None:
    assert MixVisualizationHook().interval == 1000 and MixVisualizationHook().rows == 6


def test_the_history_of_hardness_has_bins_from_never_to_always() -> None:
    hook: Any = HardSampleHook()
    table = HardSampleTable(5, momentum=0.9)
    hook._shared = SharedTable(table)
    for missed in ([0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]):
        table.update(range(4), torch.tensor(missed) > 0)
    runner = SimpleNamespace(
        logger=SimpleNamespace(info=lambda text: None), visualizer=SimpleNamespace(add_scalars=lambda *a, **k: None)
    )
    hook.report(runner, SimpleNamespace(mixers=lambda: iter(())), 7)
    ((iterations, counts),) = hook.history
    hardness = table.hardness()[:4].tolist()
    width = 1 / len(counts)
    expected = [sum(i == min(int(value / width), len(counts) - 1) for value in hardness) for i in range(len(counts))]
    assert iterations == 7 and counts.tolist() == expected
    assert counts[0] == counts[-1] == 1, 'the sample that was never missed, and the one that always was'


@pytest.mark.parametrize(('length', 'kept'), [(6, True), (7, False)])
def test_a_hook_that_runs_again_remembers_the_same_training_set(
    length: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_memory_hook, 'identify_samples', lambda loop: None)
    hook, model = HardSampleHook(), classifier()

    def run_of(samples: int) -> Any:
        loader = SimpleNamespace(dataset=range(samples))
        return SimpleNamespace(
            _train_loop=object(), train_loop=object(), model=model, hooks=[hook], train_dataloader=loader
        )

    hook.before_run(run_of(6))
    first = hook.table
    hook.before_run(run_of(length))
    assert (hook.table is first) == kept
    assert len(hook.table) == length
    assert model.hard_table is hook.table
