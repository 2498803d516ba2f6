"""Ranks that must run as many passes as each other toss the coins of a batch alike, and nothing else."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from coin_runs import SCENES, passes
from mmengine.logging import MessageHub
from networks import GUIDED, RESNET, SUMIX, classifier
from ranks import two_ranks

from mmmix.models.classifiers import coins
from mmmix.models.classifiers.coins import CommonCoins, looks_at_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_two_ranks_run_as_many_collectives(tmp_path: Path) -> None:
    """They wait for each other in every pass: with coins of their own one would wait for good, or until a timeout."""
    files = [tmp_path / f'{rank}.json' for rank in range(2)]
    two_ranks('coin_runs.py', files, 90)
    one, two = (json.loads(file.read_text()) for file in files)
    for scene in SCENES:
        assert one[scene]['passes'] == two[scene]['passes'], scene
        assert one[scene]['mixed'] == two[scene]['mixed'], scene
        # What does not decide about passes stays each rank's own.
        shares = [pair for pair in zip(one[scene]['lam'], two[scene]['lam'], strict=True) if pair != (1.0, 1.0)]
        assert len(shares) > 2 and sum(first != second for first, second in shares) > len(shares) / 2, scene


@pytest.mark.parametrize('scene', SCENES)
def test_left_alone_the_ranks_would_not(scene: str) -> None:
    """The same steps with the draws of a single process: two seeds come to different numbers of passes."""
    assert passes(scene, 0)['passes'] != passes(scene, 1)['passes']


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two ranks in one process: the first one's seed is what both are given."""
    told = SimpleNamespace(seed=None, broadcasts=0)

    def broadcast(tensor: torch.Tensor) -> None:
        told.broadcasts += 1
        told.seed = tensor.clone() if told.seed is None else told.seed
        tensor.copy_(told.seed)

    monkeypatch.setattr(coins, 'get_world_size', lambda: 2)
    monkeypatch.setattr(coins, 'broadcast', broadcast)
    return told


def tosses(common: CommonCoins, model: Any, first: int, count: int) -> list[float]:
    hub = MessageHub.get_current_instance()
    found = []
    for iteration in range(first, first + count):
        hub.update_info('iter', iteration)
        found.append(float(torch.rand((), generator=common.of_step(model.head, model.recipe))))
    return found


def test_coins_follow_from_seed_and_iteration(ranks: SimpleNamespace) -> None:
    """Alike on all ranks, whatever they drew; other in each step; after a resume those of the uninterrupted run."""
    model = classifier(SUMIX)
    one, two, resumed = CommonCoins(), CommonCoins(), CommonCoins()
    torch.manual_seed(5)
    first = tosses(one, model, 0, 8)
    torch.manual_seed(6)
    torch.rand(3)
    assert tosses(two, model, 0, 8) == first
    assert len(set(first)) == 8
    assert tosses(resumed, model, 4, 4) == first[4:]
    assert ranks.broadcasts == 3, 'once a rank'
    before = torch.get_rng_state()
    again = [float(torch.rand((), generator=one.of_step(model.head, model.recipe))) for _ in range(8)]
    assert len({*again, first[-1]}) == 9, 'outside a runner, or twice in an iteration, it is another coin'
    assert torch.equal(torch.get_rng_state(), before)


def test_coins_are_fair(ranks: SimpleNamespace) -> None:
    torch.manual_seed(0)
    found = torch.tensor(tosses(CommonCoins(), classifier(SUMIX), 0, 2000))
    assert abs(float(found.mean()) - 0.5) < 0.03
    assert abs(float((found[1:] * found[:-1]).mean()) - 0.25) < 0.03


def test_who_looks_at_nothing_draws_for_itself(ranks: SimpleNamespace) -> None:
    plain = classifier(augments=dict(type='mmmix.CutMix', prob=0.5))
    assert not looks_at_model(plain.head, plain.recipe)
    assert CommonCoins().of_step(plain.head, plain.recipe) is None
    assert ranks.broadcasts == 0
    for network, augments in ((RESNET, GUIDED), (SUMIX, dict(type='mmmix.CutMix')), (RESNET, [GUIDED, None])):
        model = classifier(network, augments)
        assert CommonCoins().of_step(model.head, model.recipe) is not None


def test_one_process_draws_from_torch_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(SUMIX)
    monkeypatch.setattr(coins, 'broadcast', lambda tensor: pytest.fail('there is nobody to tell'))
    assert CommonCoins().of_step(model.head, model.recipe) is None
