"""AdAutoMix: its losses beside slow references, when the block works against the teacher, the story of many images."""

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from networks import DEIT, RESNET, SUMIX, classifier
from test_automix import gradients, run_of_100, step, total  # noqa: F401 - run_of_100 is a fixture
from torch import Tensor

import mmmix
from mmmix.learned import AdAutoMixBlock

NAME = 'learned.adautomix'


def build(network: dict = RESNET, seed: int = 0, **args: Any) -> Any:
    """A small classifier with AdAutoMix, whose block is no longer that of the beginning."""
    torch.manual_seed(seed)
    model = classifier(network, dict(type='mmmix.AdAutoMix', **args)).train()
    for parameter in model.learned['adautomix'].block.parameters():
        parameter.data.normal_(std=0.15)
    return model


# --------------------------------------------------------------------------------------------------- slow references


def slow_bilinear(grid: Tensor, size: int) -> Tensor:
    """Pixels between the centres of cells ``(r, c)``, the border's beyond them."""
    rows, columns = grid.shape
    pixels = torch.empty(size, size, dtype=grid.dtype)
    for y in range(size):
        for x in range(size):
            r = min(max((y + 0.5) * rows / size - 0.5, 0), rows - 1)
            c = min(max((x + 0.5) * columns / size - 0.5, 0), columns - 1)
            r0, c0 = int(r), int(c)
            r1, c1 = min(r0 + 1, rows - 1), min(c0 + 1, columns - 1)
            top = grid[r0, c0] * (1 - (c - c0)) + grid[r0, c1] * (c - c0)
            low = grid[r1, c0] * (1 - (c - c0)) + grid[r1, c1] * (c - c0)
            pixels[y, x] = top * (1 - (r - r0)) + low * (r - r0)
    return pixels


def slow_masks(block: Any, features: list[Tensor], shares: Tensor, size: int) -> Tensor:
    """The masks ``(N, n, H, W)`` place by place, in float64."""
    count, (rows, columns) = len(features), features[0].shape[2:]
    places = [(r, c) for r in range(rows) for c in range(columns)]
    query, key = (part[0].weight.double()[:, :, 0, 0] for part in (block.query, block.key))
    of_query, of_key = block.query[0].bias.double(), block.key[0].bias.double()
    worth, start = block.value.weight.double()[0, :, 0, 0], block.value.bias.double()[0]
    masks = []
    for sample in range(len(shares)):
        seen = [
            [torch.cat([each[sample, :, r, c].double(), shares[sample, i].double().view(1)]) for r, c in places]
            for i, each in enumerate(features)
        ]
        maps = []
        for i in range(count):
            others = []
            for there in range(len(places)):
                asked = [(key @ seen[j][there] + of_key).clamp(min=0) for j in range(count) if j != i]
                others.append(torch.stack(asked).sum(0))
            values = torch.stack([worth @ place + start for place in seen[i]])
            cells = []
            for place in seen[i]:
                answers = torch.stack(others) @ (query @ place + of_query).clamp(min=0) / math.sqrt(len(query))
                cells.append((answers.softmax(0) * values).sum())
            maps.append(slow_bilinear(torch.stack(cells).view(rows, columns), size).exp())
        masks.append(torch.stack([each / torch.stack(maps).sum(0) for each in maps]))
    return torch.stack(masks)


@pytest.mark.parametrize('count', [2, 3, 4])
def test_the_masks_equal_loops(count: int) -> None:
    torch.manual_seed(0)
    block = AdAutoMixBlock(5)
    for parameter in block.parameters():
        parameter.data.normal_()
    features, shares = list(torch.randn(count, 3, 5, 3, 3)), torch.rand(3, count).softmax(1)
    with torch.no_grad():
        found = block(features, shares, (9, 9))
        torch.testing.assert_close(found.double(), slow_masks(block, features, shares, 9), rtol=0, atol=1e-6)
        torch.testing.assert_close(found.sum(1), torch.ones(3, 9, 9))
        # Before anything is learned all images have about as much.
        first = AdAutoMixBlock(5)(features, shares, (9, 9))
    assert float((first - 1 / count).abs().max()) < 0.02


@pytest.mark.parametrize(('count', 'mode', 'before'), [(3, 'batch', 1), (3, 'elem', 2), (2, 'elem', 2)])
def test_the_losses_equal_slow_references(count: int, mode: str, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With so many steps before: the block works against the teacher in the first step and the third one."""
    model = build(n_images=count, lam_mode=mode, mask_slack=0.01, lam_margin=0, beta=0.4)
    mixer = next(model.mixers())
    for seed in range(before):
        step(model, seed=seed, n=2)
    n, frozen, drawn = 4, deepcopy(model), []
    rows = torch.tensor([[0, 2, 1], [1, 0, 3], [2, 1, 1], [3, 3, 0]])[:, :count]
    shares = torch.tensor([[5.0, 1, 2], [1, 1, 6], [3, 3, 3], [2, 7, 1]])[:, :count].softmax(1)
    monkeypatch.setattr(mixer, 'block_draw', lambda images: (rows, shares))
    blend = mixer.blend

    def noted(*args: Any) -> Any:
        found = blend(*args)
        drawn.append(mixer._drawn)
        return found

    monkeypatch.setattr(mixer, 'blend', noted)
    losses, mix = step(model, n=n)
    learner = frozen.learned['adautomix']
    teacher, block = learner.teacher, learner.block
    teacher.follow(frozen, 0.999)
    images, labels = mix.pool, torch.arange(n) % 5
    maps: list[Tensor] = []
    handle = teacher.backbone.layer3.register_forward_hook(lambda module, args, out: maps.append(out.detach()))

    def logits_of(net: Any, images: Tensor) -> Tensor:
        return net.head(net.neck(net.backbone(images))).double()

    def blended(masks: Tensor, rows: Tensor) -> Tensor:
        found = [sum(masks[i, j] * images[rows[i, j]].double() for j in range(count)) for i in range(n)]
        return torch.stack([each for each in found if isinstance(each, Tensor)]).float()

    def cross_entropy(logits: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
        log = logits.log_softmax(1)
        return (
            -sum((shares[i, j] * log[i, labels[rows[i, j]]] for i in range(n) for j in range(count)), log.new_zeros(()))
            / n
        )

    with torch.no_grad():
        clean = logits_of(teacher, images)
        handle.remove()
        (student_rows, student_shares) = drawn[0]
        assert torch.equal(student_rows[:, 0], torch.arange(n))
        torch.testing.assert_close(student_shares.sum(1), torch.ones(n))
        assert len(student_shares.unique(dim=0)) == (1 if mode == 'batch' else n)
        student_masks = slow_masks(block, [maps[0][each] for each in student_rows.t()], student_shares, 32)
        masks = slow_masks(block, [maps[0][each] for each in rows.t()], shares, 32)
        torch.testing.assert_close(mix.images, blended(student_masks, student_rows), rtol=0, atol=2e-6)
        expected = dict(loss=cross_entropy(logits_of(frozen, mix.images), student_rows, student_shares))
        of_clean = frozen.neck(frozen.backbone(images))[-1] @ learner.clean_head.weight.T + learner.clean_head.bias
        right = of_clean.double().log_softmax(1).gather(1, labels[:, None])
        expected['loss_clean'] = -right.mean()
        if count > 2:
            flat = blended(student_shares[:, :, None, None, None].double(), student_rows)
            plain = cross_entropy(logits_of(frozen, flat), student_rows, student_shares)
            expected['loss_clean'] = (expected['loss_clean'] + plain) / 2
        told = logits_of(teacher, blended(masks[:, :, None], rows))
        expected['loss_block'] = cross_entropy(told, rows, shares)
        if before % 2 == 0:
            alike = [
                shares[i, j] * (told[i] @ clean[rows[i, j]]) / told[i].norm() / clean[rows[i, j]].norm()
                for i in range(n)
                for j in range(count)
            ]
            expected['loss_block'] = -0.4 * expected['loss_block'] + 0.6 * torch.stack(alike).sum() / n
        off = [
            max(abs(float(masks[i, j].mean()) - float(shares[i, j])) - 0.01, 0) for i in range(n) for j in range(count)
        ]
        expected['loss_mask'] = torch.tensor(0.1 * sum(off) / len(off))
    for name, value in expected.items():
        assert float(losses[name].detach()) == pytest.approx(float(value), abs=1e-6), name
    assert float(expected['loss_mask']) > 0


# ------------------------------------------------------------------------------------------ shares, masks and the story


def test_shares_of_several_are_divided_draws_and_of_two_one_draw() -> None:
    torch.manual_seed(0)
    for count, mean, square in ((2, 1 / 2, 1 / 3), (3, 1 / 3, None)):
        shares = mmmix.AdAutoMix(n_images=count).sample_shares(20000, torch.device('cpu'))
        torch.testing.assert_close(shares.sum(1), torch.ones(20000))
        torch.testing.assert_close(shares.mean(0), torch.full((count,), mean), rtol=0, atol=0.01)
        if square is not None:
            assert float((shares[:, 0] ** 2).mean()) == pytest.approx(square, abs=0.01)
    small = mmmix.AdAutoMix(alpha=0.001).sample_shares(1000, torch.device('cpu'))
    assert bool(torch.isfinite(small).all())


def test_the_masks_depend_on_the_shares_unless_as_released() -> None:
    for released in (False, True):
        learner = build(as_released=released).learned['adautomix']
        seen = learner.look(torch.rand(4, 3, 32, 32))
        features = [seen, seen.flip(0), seen.roll(1, 0)]
        low, high = (
            learner.block(features, torch.tensor([[own, 1 - own, 0.0]]).expand(4, 3), (32, 32)) for own in (0.1, 0.9)
        )
        assert torch.equal(low, high) == released
    theirs, ours = (step(build(as_released=flag, mask_slack=0.0))[0]['loss_mask'] for flag in (True, False))
    assert float(theirs.detach()) == 0 < float(ours.detach())


def test_one_share_for_the_batch_or_one_each() -> None:
    assert len(step(build())[1].lam.unique()) <= 3, 'up to images that met themselves'
    assert len(step(build(lam_mode='elem'))[1].lam.unique()) == 6


@pytest.mark.parametrize(('count', 'released', 'share', 'flat'), [
    (3, False, 0.5, False), (3, False, 0.02, True), (3, False, 0.98, True),
    (3, True, 0.5, True), (3, True, 0.02, True), (3, True, 0.98, False),
    (2, True, 0.5, False), (2, True, 0.98, True),
])  # fmt: skip
def test_masks_are_flat_where_a_share_is_small_and_as_released_where_it_is_not(
    count: int, released: bool, share: float, flat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(n_images=count, as_released=released)
    mixer = next(model.mixers())
    rest = [(1 - share) / (count - 1)] * (count - 1)
    monkeypatch.setattr(mixer, 'sample_shares', lambda n, device: torch.tensor([[share, *rest]]).expand(n, count))
    mix = step(model)[1]
    spread = mix.mask.flatten(1).amax(1) - mix.mask.flatten(1).amin(1)
    others = mix.partner != torch.arange(len(mix.partner))
    assert bool(others.any()) and bool((spread[others] < 1e-6).all()) == flat


def test_the_story_has_the_strongest_partner_and_counts_an_image_once() -> None:
    for seed in range(6):
        model = build(lam_mode='elem', labels=dict(type='mmmix.Area'), lam_margin=0.0)
        mixer = next(model.mixers())
        images, labels = torch.rand(5, 3, 32, 32), torch.eye(5)
        torch.manual_seed(seed)
        mix = mixer.mix(images, labels)
        rows, _ = mixer._drawn
        counted = torch.zeros(5, 5)
        for i in range(5):
            for j, row in enumerate(rows[i].tolist()):
                counted[i, row] += mixer._counted[i, j]
        torch.testing.assert_close(mix.scores, counted)
        torch.testing.assert_close(mix.lam, counted.diagonal())
        torch.testing.assert_close(mix.lam, mix.mask.mean((1, 2, 3)))
        others = counted - counted.diagonal().diag()
        torch.testing.assert_close(mix.lam_partner, others.amax(1))
        shown = mix.lam_partner > 0
        assert torch.equal(mix.partner[shown], others.argmax(1)[shown])


def test_with_fewer_each_batch_has_two_images_or_three() -> None:
    model = build(fewer=True)
    mixer, told = next(model.mixers()), []
    for seed in range(12):
        losses, mix = step(model, seed=seed, n=5)
        total(losses).backward()
        others = (mix.scores > 0).sum(1) - 1
        told.append(mixer.count)
        assert int(others.max()) <= told[-1] - 1
    assert set(told) == {2, 3}
    # It is a coin of the whole batch, which falls alike on all ranks.
    counts = []
    for coin in range(5):
        alike = set()
        for seed in range(5):
            model.coins = torch.Generator().manual_seed(coin)
            torch.manual_seed(seed)
            mixer.find_partners(torch.rand(4, 3, 8, 8), torch.eye(4))
            alike.add(mixer.count)
        counts.append(alike)
    assert all(len(alike) == 1 for alike in counts) and set.union(*counts) == {2, 3}
    assert all(mixer.count == 3 for mixer in build().mixers())


def test_labels_are_the_drawn_shares_or_the_areas() -> None:
    drawn, area = step(build())[1], step(build(labels=dict(type='mmmix.Area')))[1]
    assert torch.equal(drawn.mask, area.mask) and torch.equal(drawn.images, area.images)
    torch.testing.assert_close(area.lam, area.mask.mean((1, 2, 3)))
    assert float((drawn.lam - area.lam).abs().max()) > 0.01


# ----------------------------------------------------------------------------------------------------- what trains what


@pytest.mark.parametrize('before', [0, 1])
def test_the_students_gradient_is_the_same_whatever_the_block_draws(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for order, share in (([1, 2, 3, 4, 5, 0], 0.3), ([5, 4, 3, 2, 1, 0], 0.8)):
        model = build()
        for _ in range(before):
            step(model)
        mixer = next(model.mixers())
        rows = torch.stack([torch.arange(6), torch.tensor(order), torch.tensor(order).roll(1)], 1)
        shares = torch.tensor([[share, 0.9 - share, 0.1]]).expand(6, 3)
        monkeypatch.setattr(mixer, 'block_draw', lambda images, rows=rows, shares=shares: (rows, shares))
        losses, _ = step(model)
        total(losses).backward()
        found.append(gradients(model))
    for name, gradient in found[0].items():
        other = found[1][name]
        if '.teacher.' in name:
            assert gradient is None
            continue
        assert gradient is not None and other is not None, name
        assert torch.equal(gradient, other) == ('.block.' not in name), name
    model = build()
    losses, _ = step(model)
    (losses['loss'] + losses['loss_clean']).backward(retain_graph=True)
    assert all(gradient is None for gradient in gradients(model, f'{NAME}.block').values())


def test_a_mix_leaves_the_student_alone() -> None:
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mix = next(model.mixers()).mix(torch.rand(6, 3, 32, 32), torch.eye(6))
    assert not mix.images.requires_grad and not mix.scores.requires_grad and model.training
    for name, value in model.state_dict().items():
        ours = name.startswith(f'{NAME}.teacher') and ('running' in name or 'tracked' in name)
        assert ours or torch.equal(value, before[name]), name


@pytest.mark.parametrize('before', [0, 1])
def test_every_second_step_the_block_makes_it_harder(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small step down the block's loss raises the teacher's cross entropy in the first step, then lowers it."""
    model = build(beta=1.0, mask_weight=0.0)
    for _ in range(before):
        step(model)
    mixer, block = next(model.mixers()), model.learned['adautomix'].block
    rows = torch.stack([torch.arange(6), torch.arange(6).roll(1), torch.arange(6).roll(2)], 1)
    shares = torch.tensor([[0.6, 0.3, 0.1]]).expand(6, 3)
    monkeypatch.setattr(mixer, 'block_draw', lambda images: (rows, shares))
    sign = 1 if before else -1
    ours = deepcopy(model)
    next(ours.mixers()).block_draw = mixer.block_draw
    first, _ = step(ours)
    first['loss_block'].backward()
    moved = dict(ours.learned['adautomix'].block.named_parameters())
    norm = torch.stack([p.grad.norm() for p in moved.values()]).norm()
    for name, parameter in block.named_parameters():
        parameter.data.sub_(moved[name].grad, alpha=0.02 / float(norm))
    second, _ = step(model)
    assert float(second['loss_block'].detach()) < float(first['loss_block'].detach())
    assert sign * float(first['loss_block'].detach()) > 0


def test_when_the_block_works_against_is_counted_in_the_teachers_steps() -> None:
    model = build(interval=3)
    mixer = next(model.mixers())
    told = []
    for seed in range(7):
        step(model, seed=seed, n=2)
        told.append(mixer.adversarial)
    assert told == [True, False, False, True, False, False, True]
    other = build(interval=3)
    other.load_state_dict(model.state_dict())
    step(other, n=2)
    assert not next(other.mixers()).adversarial


def test_the_teacher_moves_by_the_schedule_and_by_nothing_else(run_of_100: Any) -> None:  # noqa: F811
    model = build(momentum=(0.9, 0.99))
    teacher = model.learned['adautomix'].teacher
    trained = [p for p in model.parameters() if p.requires_grad]
    assert not {id(p) for p in trained} & {id(p) for p in teacher.parameters()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    expected: list[Tensor] = []
    for iteration, momentum in ((0, 0.0), (1, 0.9), (50, 0.945), (100, 0.99)):
        run_of_100(iteration)
        losses, _ = step(model, seed=iteration, n=4)
        student = [p.double().clone() for p in [*model.backbone.parameters(), *model.head.parameters()]]
        expected = [
            momentum * old + (1 - momentum) * new for old, new in zip(expected or student, student, strict=True)
        ]
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        for own, meant in zip([*teacher.backbone.parameters(), *teacher.head.parameters()], expected, strict=True):
            torch.testing.assert_close(own.double(), meant, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ('network', 'args', 'words'),
    [
        (RESNET, dict(n_images=1), '`n_images`'),
        (RESNET, dict(beta=1.5), '`beta`'),
        (RESNET, dict(interval=0), '`interval`'),
        (RESNET, dict(mask_adjust=0.5), 'does not take `mask_adjust`'),
        (RESNET, dict(labels=dict(type='mmmix.LUMix')), 'n_images=2'),
        (RESNET, dict(labels=dict(type='mmmix.LUMix', r_s=0.0)), 'n_images=2'),
        (DEIT, dict(features='backbone'), 'AdAutoMix: no map or tokens at'),
        ({**SUMIX, 'head': {**SUMIX['head'], 'clean_pass': 'detached'}}, {}, "clean_pass='train'"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_is_said_in_one_line(network: dict, args: dict, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        classifier(deepcopy(network), dict(type='mmmix.AdAutoMix', **args))
    assert words in str(caught.value) and '\n' not in str(caught.value)
