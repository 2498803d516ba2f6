"""AutoMix: its losses beside slow references, what trains what, how the teacher moves, and its composition."""

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.models import ImageClassifier
from networks import RESNET, classifier, data
from torch import Tensor

import mmmix
from mmmix.learned import MixBlock
from mmmix.mixers import automix
from mmmix.ops.masks import with_mean

AUTOMIX = dict(type='mmmix.AutoMix')


def build(network: dict = RESNET, seed: int = 0, **args: Any) -> Any:
    """A small classifier with AutoMix, whose block is no longer that of the beginning."""
    torch.manual_seed(seed)
    model = classifier(network, {**AUTOMIX, **args}).train()
    for parameter in model.learned['automix'].block.parameters():
        parameter.data.normal_(std=0.15)
    return model


def step(model: Any, seed: int = 1, n: int = 6, size: int = 32) -> tuple[dict[str, Tensor], mmmix.Mix]:
    """Losses of a step, and its mix."""
    told: list[mmmix.Mix] = []
    model.on_mix = told.append
    torch.manual_seed(seed)
    losses = model.loss(torch.rand(n, 3, size, size), data(n)['data_samples'])
    return losses, told[0]


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if 'loss' in name]).sum()


def gradients(model: Any, prefix: str = '') -> dict[str, Tensor | None]:
    return {
        name: None if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
        if name.startswith(prefix)
    }


# --------------------------------------------------------------------------------------------------- slow references


def slow_mask(block: Any, own: Tensor, other: Tensor, share: Tensor, size: int) -> Tensor:
    """The own masks place by place, in float64; upsampled to the nearest cell."""
    rows, columns = own.shape[2:]
    weight, bias = block.query.weight.double()[:, :, 0, 0], block.query.bias.double()
    worth, start = block.value[0].weight.double()[0, :, 0, 0], block.value[0].bias.double()[0]
    places = [(r, c) for r in range(rows) for c in range(columns)]
    masks = []
    for i in range(len(own)):
        lam = share[i].double().view(1)
        mine = [torch.cat([own[i, :, r, c].double(), lam]) for r, c in places]
        theirs = [torch.cat([other[i, :, r, c].double(), 1 - lam]) for r, c in places]
        keys = torch.stack([weight @ place + bias for place in theirs])
        values = torch.stack([worth @ place + start for place in theirs])
        cells = []
        for place in mine:
            asked = keys @ (weight @ place + bias) / math.sqrt(len(weight))
            cells.append(1 - 1 / (1 + (-(asked.softmax(0) * values).sum()).exp()))
        grid = torch.stack(cells).view(rows, columns)
        pixels = [[grid[y * rows // size, x * columns // size] for x in range(size)] for y in range(size)]
        masks.append(torch.stack([torch.stack(row) for row in pixels])[None])
    return torch.stack(masks)


def test_the_mask_equals_loops() -> None:
    torch.manual_seed(0)
    block = MixBlock(6)
    for parameter in block.parameters():
        parameter.data.normal_()
    own, other, share = torch.randn(3, 6, 3, 3), torch.randn(3, 6, 3, 3), torch.rand(3)
    with torch.no_grad():
        found = block(own, other, share, (9, 9))
        torch.testing.assert_close(found.double(), slow_mask(block, own, other, share, 9), rtol=0, atol=1e-6)
        # Before anything is learned masks are about one half.
        first = MixBlock(6)(own, other, share, (9, 9))
    assert float((first - 0.5).abs().max()) < 0.02


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_the_losses_equal_slow_references(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second step: the teacher has followed once, and its batch norms have seen images."""
    model = build(lam_mode=mode, mask_slack=0.01, lam_margin=0)
    mixer = next(model.mixers())
    step(model, seed=3)
    for parameter in model.backbone.parameters():
        parameter.data.mul_(1.1)
    n, before = 5, deepcopy(model)
    kept, order = torch.tensor([0.2, 0.7, 0.4, 0.9, 0.6])[: n if mode == 'elem' else 1], torch.tensor([2, 0, 1, 4, 3])
    monkeypatch.setattr(automix, 'permutation', lambda count, device: order)
    monkeypatch.setattr(mixer, 'block_share', lambda images: kept.expand(n))
    losses, mix = step(model, n=n)
    teacher, block = before.learned['automix'].teacher, before.learned['automix'].block
    for mine, theirs in zip(teacher.backbone.parameters(), before.backbone.parameters(), strict=True):
        mine.data = (0.999 * mine.double() + 0.001 * theirs.double()).float()
    for mine, theirs in zip(teacher.head.parameters(), before.head.parameters(), strict=True):
        mine.data = (0.999 * mine.double() + 0.001 * theirs.double()).float()
    images, labels = mix.pool, torch.arange(n) % 5
    maps: list[Tensor] = []
    handle = teacher.backbone.layer3.register_forward_hook(lambda m, args, out: maps.append(out.detach()))
    teacher.backbone(images)
    handle.remove()

    def cross_entropy(logits: Tensor, lam: Tensor, partner: Tensor) -> float:
        found = [
            lam[i] * -logits[i].double().log_softmax(0)[labels[i]]
            + (1 - lam[i]) * -logits[i].double().log_softmax(0)[labels[partner[i]]]
            for i in range(n)
        ]
        return float(torch.stack(found).mean().detach())

    with torch.no_grad():
        mine = slow_mask(block, maps[0], maps[0][mix.partner], mix.lam, 32)
        torch.testing.assert_close(mix.mask.double(), mine, rtol=0, atol=1e-6)
        theirs = slow_mask(block, maps[0], maps[0][order], kept.expand(n), 32)
        pasted = (theirs * images.double() + (1 - theirs) * images[order].double()).float()
        mixed = (mine * images.double() + (1 - mine) * images[mix.partner].double()).float()
        of_mixed = before.head(before.neck(before.backbone(mixed)))
        of_clean = before.neck(before.backbone(images))[-1] @ before.learned['automix'].clean_head.weight.T
        of_block = teacher.head(teacher.neck(teacher.backbone(pasted)))
    ones = torch.ones(n)
    expected = {
        'loss': cross_entropy(of_mixed, mix.lam, mix.partner),
        'loss_clean': cross_entropy(of_clean + before.learned['automix'].clean_head.bias, ones, mix.partner),
        'loss_block': cross_entropy(of_block, kept.expand(n), order),
        'loss_mask': 0.1
        * sum(max(abs(float(theirs[i].mean()) - float(kept.expand(n)[i])) - 0.01, 0) for i in range(n))
        / n,
    }
    for name, value in expected.items():
        assert float(losses[name].detach()) == pytest.approx(value, abs=1e-6), name
    assert expected['loss_mask'] > 0


def test_a_rescaled_mask_has_the_mean_that_is_meant() -> None:
    mask, share = torch.rand(6, 1, 5, 4), torch.linspace(0, 1, 6)
    found = with_mean(mask, share)
    torch.testing.assert_close(found.mean((1, 2, 3)), share)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    # The order of pixels stays, and a mask that is all one number becomes the other one.
    assert torch.equal(found[2].flatten().argsort(), mask[2].flatten().argsort())
    torch.testing.assert_close(with_mean(torch.zeros(1, 1, 2, 2), torch.tensor([0.3])), torch.full((1, 1, 2, 2), 0.3))


# ----------------------------------------------------------------------------------------------- the mask and the label


def test_the_mask_depends_on_the_share_unless_as_released() -> None:
    for released in (False, True):
        model = build(as_released=released)
        learner = model.learned['automix']
        seen = learner.look(torch.rand(4, 3, 32, 32))
        low, high = (learner.block(seen, seen.flip(0), torch.full((4,), lam), (32, 32)) for lam in (0.1, 0.9))
        assert torch.equal(low, high) == released


def test_labels_are_the_drawn_share_or_the_area() -> None:
    drawn = step(build())[1]
    area = step(build(labels=dict(type='mmmix.Area')))[1]
    assert torch.equal(drawn.mask, area.mask) and torch.equal(drawn.images, area.images)
    torch.testing.assert_close(area.lam, area.mask.mean((1, 2, 3)))
    assert float((drawn.lam - drawn.mask.mean((1, 2, 3))).abs().max()) > 0.01
    assert len(drawn.lam.unique()) == 1, 'one share for the batch'
    rescaled = step(build(mask_adjust=1.0, lam_margin=0))[1]
    torch.testing.assert_close(rescaled.lam, rescaled.mask.mean((1, 2, 3)))
    other = step(build(mask_adjust=1.0, lam_margin=0, as_released=True))[1]
    assert float((other.lam - other.mask.mean((1, 2, 3))).abs().max()) > 0.01, 'the share of the other draw'


def test_the_mask_is_flat_where_one_share_is_small() -> None:
    for margin, flat in ((0.5, True), (0.0, False)):
        mix = step(build(lam_margin=margin))[1]
        assert bool((mix.mask == mix.lam[:, None, None, None]).all()) == flat


# ----------------------------------------------------------------------------------------------------- what trains what


def test_gradients_of_student_and_block_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block draws, the student's gradient is the same bit by bit; the block's is from its draw alone."""
    found = []
    for kept, order in ((0.3, [1, 2, 3, 4, 5, 0]), (0.8, [5, 4, 3, 2, 1, 0])):
        model = build()
        mixer = next(model.mixers())
        monkeypatch.setattr(automix, 'permutation', lambda count, device, order=order: torch.tensor(order))
        monkeypatch.setattr(mixer, 'block_share', lambda images, kept=kept: torch.full((len(images),), kept))
        losses, _ = step(model)
        total(losses).backward()
        found.append(gradients(model))
    one, two = found
    for name, gradient in one.items():
        if '.teacher.' in name:
            assert gradient is None
            continue
        assert gradient is not None, name
        other = two[name]
        assert other is not None
        assert torch.equal(gradient, other) == ('.block.' not in name), name
    model = build()
    losses, _ = step(model)
    (losses['loss'] + losses['loss_clean']).backward(retain_graph=True)
    assert all(g is None for g in gradients(model, 'learned.automix.block').values())
    alone = gradients(model, 'backbone')
    (losses['loss_block'] + losses['loss_mask']).backward()
    assert all(g is not None for g in gradients(model, 'learned.automix.block').values())
    for name, gradient in gradients(model, 'backbone').items():
        assert gradient is not None and torch.equal(gradient, alone[name])  # type: ignore[arg-type]


def test_every_step_has_all_that_is_learned_in_its_graph() -> None:
    """Also one that another mixer mixes, or nobody."""
    torch.manual_seed(0)
    augments = [dict(AUTOMIX, prob=0.0), dict(type='mmmix.CutMix'), AUTOMIX]
    model = classifier(RESNET, augments).train()
    mixers = list(model.mixers())
    for mixer in mixers:
        model.zero_grad()
        model.recipe.choose = lambda coins=None, mixer=mixer: mixer
        losses = model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
        total(losses).backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        assert ('loss_clean' in losses) == (mixer is mixers[2])
        if mixer is not mixers[2]:
            assert float(losses['loss_block'].detach()) == 0


def test_a_mix_leaves_the_student_alone() -> None:
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mixer = next(model.mixers())
    mix = mixer.mix(torch.rand(6, 3, 32, 32), torch.eye(6))
    assert not mix.images.requires_grad and not mix.scores.requires_grad and model.training
    for name, value in model.state_dict().items():
        ours = name.startswith('learned.automix.teacher') and ('running' in name or 'tracked' in name)
        assert ours or torch.equal(value, before[name]), name


# ---------------------------------------------------------------------------------------------------------- the teacher


@pytest.fixture
def run_of_100() -> Any:
    """A run of 100 iterations, of which a test says which one it is."""
    hub = MessageHub.get_current_instance()
    kept = dict(hub.runtime_info)
    hub.update_info('max_iters', 100)
    yield lambda iteration: hub.update_info('iter', iteration)
    hub.runtime_info.clear()
    hub.runtime_info.update(kept)


def test_the_teacher_moves_by_the_schedule_and_by_nothing_else(run_of_100: Any) -> None:
    model = build(momentum=(0.9, 0.99))
    teacher = model.learned['automix'].teacher
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    expected = None
    for iteration, momentum in ((0, 0.0), (1, 0.9), (10, 0.9), (50, 0.945), (100, 0.99)):
        run_of_100(iteration)
        losses, _ = step(model, seed=iteration)
        student = [p.double().clone() for p in [*model.backbone.parameters(), *model.head.parameters()]]
        if expected is None:
            expected = student
        else:
            expected = [momentum * old + (1 - momentum) * new for old, new in zip(expected, student, strict=True)]
        found = [*teacher.backbone.parameters(), *teacher.head.parameters()]
        for own, meant in zip(found, expected, strict=True):
            torch.testing.assert_close(own.double(), meant, rtol=1e-5, atol=1e-6)
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        for own, meant in zip(found, expected, strict=True):
            torch.testing.assert_close(own.double(), meant, rtol=1e-5, atol=1e-6)
    assert int(teacher.steps) == 5 and not any(p.requires_grad for p in teacher.parameters())
    buffers = dict(teacher.backbone.named_buffers())
    assert not torch.equal(buffers['bn1.running_mean'], model.backbone.bn1.running_mean)


def test_the_weight_of_the_mask_falls_by_a_cosine() -> None:
    mixer = mmmix.AutoMix(mask_decay=True)
    for progress, weight in ((0.0, 0.1), (0.5, 0.05), (1.0, 0.0)):
        mixer.progress = progress
        assert mixer.mask_weight_now() == pytest.approx(weight)
    assert mmmix.AutoMix().mask_weight_now() == 0.1


def test_a_resumed_run_goes_on_as_if_nothing_happened() -> None:
    """Also from a checkpoint in which the teacher was put in front."""
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def train(model: Any, optimizer: Any, seeds: range) -> dict[str, Tensor]:
        for seed in seeds:
            losses, _ = step(model, seed=seed)
            optimizer.zero_grad()
            total(losses).backward()
            optimizer.step()
        return model.state_dict()

    train(model, optimizer, range(3))
    saved, of_optimizer = deepcopy(model.state_dict()), deepcopy(optimizer.state_dict())
    assert all(isinstance(value, Tensor) for value in saved.values())
    in_front = dict(saved)
    model.learned['automix'].teacher.show_in(in_front, 'learned.automix.teacher.')
    assert torch.equal(in_front['backbone.conv1.weight'], saved['learned.automix.teacher.backbone.conv1.weight'])
    expected = train(model, optimizer, range(3, 5))
    for state in (saved, in_front):
        other = build(seed=9)
        other.load_state_dict(state)
        again = torch.optim.SGD(other.parameters(), 0.05, momentum=0.9)
        again.load_state_dict(deepcopy(of_optimizer))
        found = train(other, again, range(3, 5))
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_plain_classifier_loads_the_checkpoint() -> None:
    model = build()
    step(model)
    for parameter in model.backbone.parameters():
        parameter.data.mul_(1.2)
    step(model)
    teacher = model.learned['automix'].teacher
    images = torch.rand(4, 3, 32, 32)
    saved = dict(model.state_dict())
    teacher.show_in(saved, 'learned.automix.teacher.')
    plain = ImageClassifier(**deepcopy(RESNET)).eval()
    model.eval()
    for state, logits in (
        (model.state_dict(), model.head(model.extract_feat(images))),
        (saved, teacher(images)),
    ):
        missing, unexpected = plain.load_state_dict(state, strict=False)
        assert not missing and all(name.startswith('learned.') for name in unexpected)
        torch.testing.assert_close(plain.head(plain.extract_feat(images)), logits)
    student = model.head(model.extract_feat(images))
    teacher.show(model, True)
    torch.testing.assert_close(model.head(model.extract_feat(images)), plain.head(plain.extract_feat(images)))
    teacher.show(model, False)
    assert torch.equal(model.head(model.extract_feat(images)), student)
