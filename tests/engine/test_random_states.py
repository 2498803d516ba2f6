"""The states of all generators: written down and restored, seeded by numbers, a GPU's with them."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mmmix.engine.random_states import RandomState, seed_draws


class Gpu:
    """A generator that stands in for that of a GPU."""

    def __init__(self) -> None:
        self.generator = torch.Generator()

    def draw(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def get(self) -> Tensor:
        return self.generator.get_state()

    def set(self, state: Tensor) -> None:
        self.generator.set_state(state)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """PyTorch believes in it for as long as a test takes."""
    fake = Gpu()
    for name in ('is_available', 'is_initialized'):
        monkeypatch.setattr(torch.cuda, name, lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_rng_state', fake.get)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', fake.set)
    monkeypatch.setattr(torch.cuda, 'manual_seed', fake.generator.manual_seed)
    return fake


def sources(gpu: Gpu) -> dict[str, Callable[[], float]]:
    """One draw from each generator."""
    numbers = np.random.mtrand._rand
    return dict(
        torch=lambda: float(torch.rand(())),
        normal=lambda: float(torch.randn(())),
        numpy=lambda: float(numbers.random_sample()),
        gauss=lambda: float(numbers.standard_normal()),
        python=random.random,
        python_gauss=lambda: random.gauss(0, 1),
        gpu=gpu.draw,
    )


def test_every_generator_goes_on_where_it_was(gpu: Gpu) -> None:
    draws = sources(gpu)
    for draw in draws.values():  # half of a pair of normal numbers is left in some of them
        draw()
    state = RandomState.now()
    first = {name: [draw() for _ in range(3)] for name, draw in draws.items()}
    for again in (state, RandomState.of(state.plain())):
        again.restore()
        assert {name: [draw() for _ in range(3)] for name, draw in draws.items()} == first


def test_fresh_states_follow_from_every_number_and_those_in_force_stay(gpu: Gpu) -> None:
    draws = sources(gpu)
    before = RandomState.now()
    expected = {name: draw() for name, draw in draws.items()}
    found: dict[str, list[float]] = {name: [] for name in draws}
    keys = [(0, 2, 0, 5), (1, 2, 0, 5), (0, 3, 0, 5), (0, 2, 1, 5), (0, 2, 0, 6)]
    for key in keys:
        before.restore()
        fresh = RandomState.fresh(*key)
        assert {name: draw() for name, draw in draws.items()} == expected
        fresh.restore()
        drawn = {name: draw() for name, draw in draws.items()}
        for name, value in drawn.items():
            found[name].append(value)
        RandomState.fresh(*key).restore()
        assert {name: draw() for name, draw in draws.items()} == drawn
    assert all(len(set(values)) == len(keys) for values in found.values())


def test_the_gpu_can_be_left_out(gpu: Gpu) -> None:
    state = RandomState.now(accelerator=False)
    expected = float(torch.rand(()))
    after = [gpu.draw(), gpu.draw()]
    gpu.generator.manual_seed(gpu.generator.initial_seed())
    assert gpu.draw() == after[0]
    state.restore()
    assert state.cuda is None and float(torch.rand(())) == expected
    assert gpu.draw() == after[1], 'it went on'


def test_a_state_of_a_gpu_comes_to_a_machine_without_one(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    state = RandomState.now()
    expected = float(torch.rand(()))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', None)
    state.restore()
    assert float(torch.rand(())) == expected
    assert RandomState.now().cuda is None


def test_seeds_use_all_of_64_bits() -> None:
    """Both halves of PyTorch's seed follow from the key."""
    halves = []
    for number in range(20):
        seed_draws(number)
        halves.append((torch.initial_seed() >> 32, torch.initial_seed() % 2**32))
    assert all(len(set(half)) == 20 for half in zip(*halves, strict=True))
    assert max(high for high, _ in halves) > 2**31
