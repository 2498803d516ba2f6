"""SUMix against a reference in plain Python loops, and what a step of it may and may not touch."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from mmmix import sumix_terms
from mmmix.labels.sumix import unit_softmax

# -------------------------------------------------------------------------- the reference, from METHODS and paper


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    weights = [math.exp(value - top) for value in row]
    return [weight / sum(weights) for weight in weights]


def unit(row: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in row))
    return [value / length for value in row]


def cross_entropy(logits: list[float], label: int, smoothing: float = 0.0) -> float:
    top = max(logits)
    log_sum = top + math.log(sum(math.exp(value - top) for value in logits))
    uniform = sum(log_sum - value for value in logits) / len(logits)
    return (1 - smoothing) * (log_sum - logits[label]) + smoothing * uniform


def reference(
    z, z_mixed, u, u_mixed, labels, partner, lam, lam_partner, *, distance, temperature=None, scale=None,
    lam_reduction=None, relabel=True, regularizer='both', smoothing=0.0,
):  # fmt: skip
    """One image after the other, one class after the other; new shares as the plain quotient of the two weights."""
    n, k = len(z_mixed), len(z[0])
    new, new_partner, ce, reg = [], [], [], []
    for i in range(n):
        a, b, share, other = labels[i], labels[partner[i]], lam[i], lam_partner[i]
        clean_a, clean_b, mixed = softmax(z[i]), softmax(z[partner[i]]), softmax(z_mixed[i])
        if distance == 'l2':
            t = 1.0 if temperature is None else temperature
            far_a = [t * math.sqrt(sum((mixed[c] - clean_a[c]) ** 2 for c in range(k)))] * k
            far_b = [t * math.sqrt(sum((mixed[c] - clean_b[c]) ** 2 for c in range(k)))] * k
        else:
            s = n if scale is None else scale
            clean_a[b] = 0.0
            clean_b[a] = 0.0
            far_a = [s * value for value in unit(softmax([mixed[c] - clean_a[c] for c in range(k)]))]
            far_b = [s * value for value in unit(softmax([mixed[c] - clean_b[c] for c in range(k)]))]
        w_a, w_b = share * math.exp(-far_a[a]), other * math.exp(-far_b[b])
        new.append(w_a / (w_a + w_b) if relabel else share)
        new_partner.append(w_b / (w_a + w_b) if relabel else other)
        ce.append((cross_entropy(z_mixed[i], a, smoothing), cross_entropy(z_mixed[i], b, smoothing)))
        if regularizer is None:
            reg.append(0.0)
            continue
        use_far, use_beta = regularizer in ('semantic', 'both'), regularizer in ('uncertainty', 'both')
        gap_a = [use_beta * (u[i][c] + u_mixed[i][c]) + use_far * far_a[c] for c in range(k)]
        gap_b = [use_beta * (u[partner[i]][c] + u_mixed[i][c]) + use_far * far_b[c] for c in range(k)]
        reg_a = cross_entropy([math.exp(-gap) for gap in gap_a], a)
        reg_b = cross_entropy([math.exp(-gap) for gap in gap_b], b)
        reg.append(share * reg_a + other * reg_b)
    if distance == 'released' or lam_reduction == 'batch':
        # The released code averages each cross entropy before it meets the shares.
        mean_a, mean_b = sum(pair[0] for pair in ce) / n, sum(pair[1] for pair in ce) / n
        loss_mix = sum(own * mean_a + other * mean_b for own, other in zip(new, new_partner, strict=True)) / n
    else:
        shares = zip(new, new_partner, ce, strict=True)
        loss_mix = sum(own * pair[0] + other * pair[1] for own, other, pair in shares) / n
    return loss_mix, sum(reg) / n, new


def scene(n: int = 6, m: int = 9, k: int = 5, spread: float = 3.0, dtype=torch.float64) -> dict[str, Tensor]:
    """Random logits and uncertainties of a pool that is larger than the batch, with pairs of one class in it."""
    labels = torch.randint(k, (m,))
    partner = torch.randint(m, (n,))
    labels[partner[0]] = labels[0]  # two images of one class
    if n > 2:
        partner[1] = 1  # an image that meets itself
        partner[2] = m - 1  # a partner from outside the batch
    return dict(
        pool_logits=(spread * torch.randn(m, k, dtype=torch.float64)).to(dtype),
        mixed_logits=(spread * torch.randn(n, k, dtype=torch.float64)).to(dtype),
        pool_uncertainty=unit_softmax(torch.randn(m, k, dtype=torch.float64)).to(dtype),
        mixed_uncertainty=unit_softmax(torch.randn(n, k, dtype=torch.float64)).to(dtype),
        pool_labels=labels,
        partner=partner,
        lam=torch.rand(n, dtype=torch.float64).to(dtype),
    )


READINGS: list[dict[str, Any]] = [
    dict(distance='l2'),
    dict(distance='l2', temperature=2.5),
    dict(distance='l2', lam_reduction='batch'),
    dict(distance='released'),
    dict(distance='released', scale=2.5),
    dict(distance='released', scale=40.0, lam_reduction='batch'),
]
OPTIONS = [
    dict(**each, relabel=relabel, regularizer=regularizer)
    for each, relabel, regularizer in product(READINGS, [True, False], ['semantic', 'uncertainty', 'both', None])
]


@pytest.mark.parametrize('options', OPTIONS, ids=lambda options: '-'.join(str(value) for value in options.values()))
def test_equals_the_loops_in_fp64(options: dict[str, Any]) -> None:
    """Every batch size, partners from outside the batch, pairs of one class, shares that need not add to 1."""
    slow: Any = reference
    for n in range(1, 8):
        given = scene(n=n)
        smoothing = 0.1 * (n % 2)
        told = torch.rand(n, dtype=torch.float64) if n % 3 == 0 else None
        terms = sumix_terms(**given, lam_partner=told, **options, label_smoothing=smoothing)
        other = 1 - given['lam'] if told is None else told
        expected = slow(*(value.tolist() for value in given.values()), other.tolist(), **options, smoothing=smoothing)
        assert float(terms['loss_mix']) == pytest.approx(expected[0], abs=1e-9)
        assert float(terms['loss_reg']) == pytest.approx(expected[1], abs=1e-9)
        assert terms['lam'].tolist() == pytest.approx(expected[2], abs=1e-9)
        assert terms['lam'].dtype == torch.float64


def test_raw_logits_as_uncertainties() -> None:
    """Where U are logits a gap may be negative: as the loops, and finite where its exponential is not."""
    slow: Any = reference
    given = scene()
    for name in ('pool_uncertainty', 'mixed_uncertainty'):
        given[name] = 2 * torch.randn_like(given[name])
    for options in (dict(distance='l2'), dict(distance='released', scale=3.0)):
        terms = sumix_terms(**given, **options)
        expected = slow(*(value.tolist() for value in given.values()), (1 - given['lam']).tolist(), **options)
        assert float(terms['loss_reg']) == pytest.approx(expected[1], abs=1e-9)
    for name in ('pool_uncertainty', 'mixed_uncertainty'):
        given[name] = (1e4 * given[name]).float().requires_grad_()
    loss = sumix_terms(**given)['loss_reg'].float()
    loss.backward()
    assert bool(torch.isfinite(loss))
    gradient = given['mixed_uncertainty'].grad
    assert gradient is not None and bool(torch.isfinite(gradient).all())


def test_arguments_of_the_other_reading_are_refused() -> None:
    given = scene()
    for options, words in [
        (dict(distance='signed'), "must be 'l2' or 'released', but got 'signed'"),
        (dict(distance='absolute'), "must be 'l2' or 'released', but got 'absolute'"),
        (dict(scale=100.0), "`scale` belongs to distance='released'"),
        (dict(distance='released', temperature=1.0), "`temperature` belongs to distance='l2'"),
        (dict(distance='released', lam_reduction='sample'), 'takes the batch mean of the shares'),
    ]:
        with pytest.raises(ValueError, match=words) as error:
            sumix_terms(**given, **options)  # type: ignore[arg-type]
        assert '\n' not in str(error.value)


def test_fp32_stays_close_to_fp64():
    given = scene()
    expected = sumix_terms(**given)
    single = {name: value.float() if value.is_floating_point() else value for name, value in given.items()}
    for name, value in sumix_terms(**single).items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-3, atol=1e-4)


def test_batch_reduction_uses_only_the_mean_of_the_new_shares():
    given = scene()
    sample, batch = (sumix_terms(**given, lam_reduction=how) for how in ('sample', 'batch'))
    torch.testing.assert_close(sample['lam'], batch['lam'])
    assert not torch.isclose(sample['loss_mix'], batch['loss_mix'])
    # With one share for the whole batch the two reductions are the same thing.
    given['lam'] = torch.full_like(given['lam'], 0.3)
    sample, batch = (sumix_terms(**given, lam_reduction=how, relabel=False) for how in ('sample', 'batch'))
    torch.testing.assert_close(sample['loss_mix'], batch['loss_mix'])


def test_odds_move_by_at_most_the_bound():
    """An alpha of the default is at least exp(-sqrt 2) = .243: odds move by at most 4.1, and the bound is reached."""
    given = scene(n=64, m=64, spread=40.0)
    given['mixed_logits'][0] = given['pool_logits'][0]
    lam, new = given['lam'], sumix_terms(**given)['lam']
    moved = ((new / (1 - new)) / (lam / (1 - lam))).log().abs()
    bound = math.sqrt(2)
    assert math.exp(-bound) == pytest.approx(0.243, abs=5e-4)
    assert math.exp(bound) == pytest.approx(4.1, abs=0.02)
    assert 0.99 * bound < float(moved.max()) <= bound + 1e-9


@pytest.mark.parametrize(('reading', 'towards_what_is_seen'), [('released', False), ('l2', True)])
def test_where_the_share_moves(reading: str, towards_what_is_seen: bool) -> None:
    """Own image of class 0, partner of class 1, and a mixed image that looks like one of them, or like neither.

    The paper says that the label of the image that is seen gains; the released difference has a sign and does the
    opposite.
    """
    logits = torch.tensor([[8.0, 0, 0], [0, 8, 0]])
    common = dict(
        pool_logits=logits,
        pool_uncertainty=torch.zeros(2, 3),
        mixed_uncertainty=torch.zeros(1, 3),
        pool_labels=torch.tensor([0, 1]),
        partner=torch.tensor([1]),
        lam=torch.tensor([0.5]),
    )
    options: dict[str, Any] = dict(scale=10.0) if reading == 'released' else {}
    like_own, like_partner, like_neither = (
        float(sumix_terms(mixed_logits=row[None], distance=reading, **options, **common)['lam'])
        for row in (logits[0], logits[1], torch.zeros(3))
    )
    assert like_neither == pytest.approx(0.5, abs=1e-6)
    assert like_own == pytest.approx(1 - like_partner, abs=1e-5)
    assert abs(like_own - 0.5) > 0.2
    assert (like_own > 0.5) == towards_what_is_seen


# ------------------------------------------------------------------------------------------- extremes stay finite


@pytest.mark.parametrize('regularizer', ['semantic', 'uncertainty', 'both', None])
@pytest.mark.parametrize(
    'options', [dict(), dict(temperature=1e4), dict(distance='released', scale=1e4), dict(distance='released')], ids=str
)
def test_extremes_are_finite(options, regularizer):
    k = 5
    for dtype, spread in product([torch.float32, torch.float16, torch.float64], [1e-3, 1e4]):
        given = scene(k=k, spread=1.0)
        given['pool_logits'] = given['pool_logits'].sign() * spread
        given['mixed_logits'] = given['mixed_logits'].sign() * spread
        given['mixed_logits'][3] = given['pool_logits'][3]
        given['partner'][3] = 3  # an identical pair
        given['lam'][:2] = torch.tensor([0.0, 1.0])
        given = {name: value.to(dtype) if value.is_floating_point() else value for name, value in given.items()}
        leaves = [
            given[name].requires_grad_()
            for name in ('pool_logits', 'mixed_logits', 'pool_uncertainty', 'mixed_uncertainty')
        ]
        terms = sumix_terms(**given, **options, regularizer=regularizer)
        assert all(bool(torch.isfinite(value).all()) for value in terms.values())
        assert terms['loss_mix'].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert terms['lam'][0] == 0
        assert terms['lam'][1] == 1
        assert bool(((terms['lam'] >= 0) & (terms['lam'] <= 1)).all())
        (terms['loss_mix'] + terms['loss_reg']).backward()
        assert all(leaf.grad is None or bool(torch.isfinite(leaf.grad).all()) for leaf in leaves)


def test_shares_that_do_not_add_to_one():
    given = scene()
    given['lam_partner'] = torch.rand(6, dtype=torch.float64)
    plain = sumix_terms(**given, relabel=False, regularizer=None)
    ce = torch.nn.functional.cross_entropy
    labels, partners = given['pool_labels'][:6], given['pool_labels'][given['partner']]
    expected = given['lam'] * ce(given['mixed_logits'], labels, reduction='none')
    expected = expected + given['lam_partner'] * ce(given['mixed_logits'], partners, reduction='none')
    torch.testing.assert_close(plain['loss_mix'], expected.mean())
    given['lam'][0] = given['lam_partner'][0] = 0
    learned = sumix_terms(**given)
    assert bool(torch.isfinite(learned['loss_mix']))
    assert learned['lam'][0] == 0.5


# ----------------------------------------------------------------------------------------------- gradients in terms


def test_distances_and_new_shares_have_no_graph():
    given = scene()
    given['pool_logits'].requires_grad_()
    given['mixed_logits'].requires_grad_()
    terms = sumix_terms(**given, regularizer='semantic')
    assert not terms['lam'].requires_grad
    assert not terms['loss_reg'].requires_grad  # made of distances alone
    terms['loss_mix'].backward()
    assert given['pool_logits'].grad is None  # only shares come from there
    # The gradient is that of a cross entropy whose shares are constants.
    mixed = given['mixed_logits'].detach().clone().requires_grad_()
    labels, partners = given['pool_labels'][:6], given['pool_labels'][given['partner']]
    ce_a, ce_b = (torch.nn.functional.cross_entropy(mixed, which, reduction='none') for which in (labels, partners))
    (terms['lam'] * ce_a + (1 - terms['lam']) * ce_b).mean().backward()
    torch.testing.assert_close(given['mixed_logits'].grad, mixed.grad)


def test_uncertainty_has_gradients_on_both_sides():
    given = scene()
    leaves = [given[name].requires_grad_() for name in ('pool_uncertainty', 'mixed_uncertainty')]
    sumix_terms(**given)['loss_reg'].backward()
    used = set(range(6)) | set(given['partner'].tolist())
    pool_grad = leaves[0].grad
    assert pool_grad is not None and leaves[1].grad is not None
    assert {i for i in range(9) if bool(pool_grad[i].any())} == used
    assert bool(leaves[1].grad.any(1).all())
