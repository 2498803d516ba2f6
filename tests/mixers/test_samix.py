"""SAMix: its block and its loss on the mask beside slow references."""

import math
from typing import Any

import pytest
import torch
from networks import RESNET, SUMIX, classifier
from test_automix import step, total
from torch import Tensor

import mmmix
from mmmix.learned import SAMixBlock
from mmmix.learned.samix_block import bent


def slow_mask(block: Any, own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """The own masks on the grid of the features, place by place, in float64."""
    query, key = (conv.weight.double()[:, :, 0, 0] for conv in (block.query, block.key))
    first, _, last = block.value
    n, _, rows, columns = own.shape
    places = [(r, c) for r in range(rows) for c in range(columns)]
    masks = torch.zeros(n, 1, rows, columns, dtype=torch.float64)
    for i in range(n):
        lam = float(share[i])
        r = (4 / 3 * lam**3 - 2 * lam**2 + 1.25 * lam) / (0.25 + 1 / 3)
        mine, theirs = own[i].double() * (1 + r), other[i].double() * (2 - r)
        both = [torch.cat([mine[:, y, x], theirs[:, y, x]]) for y, x in places]
        keys = torch.stack([key @ place + block.key.bias.double() for place in both])
        values = []
        for y, x in places:
            hidden = first.weight.double()[:, :, 0, 0] @ theirs[:, y, x] + first.bias.double()
            hidden = hidden.clamp(min=0)
            values.append(last.weight.double()[0, :, 0, 0] @ hidden + last.bias.double()[0])
        for (y, x), place in zip(places, both, strict=True):
            asked = keys @ (query @ place + block.query.bias.double()) / math.sqrt(len(query))
            masks[i, 0, y, x] = 1 - (asked.softmax(0) * torch.stack(values)).sum().sigmoid()
    return masks


def test_the_mask_equals_loops() -> None:
    torch.manual_seed(0)
    block = SAMixBlock(6).eval()
    for parameter in block.parameters():
        parameter.data.normal_(std=0.5)
    own, other, share = torch.randn(3, 6, 3, 3), torch.randn(3, 6, 3, 3), torch.rand(3)
    with torch.no_grad():
        found = block(own, other, share, (3, 3))
        torch.testing.assert_close(found.double(), slow_mask(block, own, other, share), rtol=0, atol=1e-6)


def test_the_curve_goes_from_0_to_1_and_rises() -> None:
    shares = torch.linspace(0, 1, 21)
    found = bent(shares, 0.25)
    assert float(found[0]) == 0 and float(found[-1]) == pytest.approx(1, abs=1e-6) and bool((found.diff() > 0).all())
    torch.testing.assert_close(found + found.flip(0), torch.ones(21))
    assert bent(shares, None) is shares


def test_the_loss_on_the_mask_equals_a_loop() -> None:
    torch.manual_seed(0)
    mask, share = torch.rand(5, 1, 4, 6), torch.rand(5)
    expected = 0.0
    for i in range(5):
        pixels = [float(value) for value in mask[i].flatten()]
        mean = sum(pixels) / len(pixels)
        spread = sum((value - mean) ** 2 for value in pixels) / len(pixels)
        expected += (max(abs(mean - float(share[i])) - 0.1, 0) - 2 * spread) / 5
    assert float(mmmix.SAMix().mask_loss(mask, share)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('network', [RESNET, SUMIX], ids=['linear', 'sumix'])
def test_it_trains_and_sees_the_share(network: dict) -> None:
    torch.manual_seed(0)
    model = classifier(network, dict(type='mmmix.SAMix', dropout=0.1)).train()
    losses, mix = step(model)
    total(losses).backward()
    assert all((p.grad is None) == ('.teacher.' in name) for name, p in model.named_parameters())
    assert bool((mix.lam == mix.lam[0]).all())
    learner = model.learned['samix']
    for parameter in learner.block.parameters():
        parameter.data.normal_(std=0.2)
    seen = learner.look(torch.rand(4, 3, 32, 32))
    low, high = (learner.block(seen, seen.flip(0), torch.full((4,), lam), (32, 32)) for lam in (0.1, 0.9))
    assert not torch.equal(low, high)
