"""RecursiveMix's consistency loss against loops, step by step, and whom it is refused to."""

import math
from typing import Any

import pytest
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from networks import DEIT, RESNET, SUMIX, SWIN, classifier, data
from torch import Tensor

import mmmix
from mmmix.mixers.recursivemix import box_features, history_loss, map_width

CONSISTENT = dict(type='mmmix.RecursiveMix', scope=(0.2, 0.5), consistency=0.5)


def samples(n: int) -> list[DataSample]:
    return data(n)['data_samples']


def pixel(image: Tensor, y: float, x: float) -> Tensor:
    """One map ``(C, h, w)`` between its pixels, whose centres are whole numbers; outside, the border goes on."""
    rows, columns = image.shape[1:]
    y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
    upper = image[:, top, left] * (1 - (x - left)) + image[:, top, right] * (x - left)
    lower = image[:, bottom, left] * (1 - (x - left)) + image[:, bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def plain_box_feature(image: Tensor, mask: Tensor) -> Tensor:
    """The mean of a map ``(C, h, w)`` over the box where the mask ``(H, W)`` is 0, sampled about once a map pixel."""
    hole = (mask == 0).nonzero()
    if not len(hole):
        return torch.zeros(len(image))
    (rows, columns), (height, width) = image.shape[1:], mask.shape
    top, left = (hole.amin(0) * torch.tensor([rows / height, columns / width])).tolist()
    bottom, right = ((hole.amax(0) + 1) * torch.tensor([rows / height, columns / width])).tolist()
    down, across = math.ceil(bottom - top), math.ceil(right - left)
    found = [
        pixel(image, top + (i + 0.5) * (bottom - top) / down - 0.5, left + (j + 0.5) * (right - left) / across - 0.5)
        for i in range(down)
        for j in range(across)
    ]
    return torch.stack(found).mean(0)


class Watched:
    """A classifier of which each step's mix, feature map and logits are noted."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch):
        self.model = model
        self.maps: list[Tensor] = []
        self.logits: list[Tensor] = []
        self.mixes: list[mmmix.Mix] = []
        model.backbone.register_forward_hook(lambda m, args, out: self.maps.append(out[-1].detach()))
        model.head.fc.register_forward_hook(lambda m, args, out: self.logits.append(out.detach()))
        for mixer in model.mixers():
            monkeypatch.setattr(mixer, 'mix', self.noted(mixer.mix))

    def noted(self, original: Any) -> Any:
        def mix(*args: Tensor) -> mmmix.Mix:
            self.mixes.append(original(*args))
            return self.mixes[-1]

        return mix

    def step(self, n: int = 6, size: int | tuple[int, int] = 32) -> dict[str, Tensor]:
        self.maps.clear()
        self.logits.clear()
        height, width = (size, size) if isinstance(size, int) else size
        return self.model.loss(torch.rand(n, 3, height, width), samples(n))


def test_box_features_equal_loops() -> None:
    torch.manual_seed(0)
    maps, mask = torch.randn(12, 3, 5, 4), torch.ones(12, 1, 37, 24)
    for i in range(1, 12):  # the first image has no box
        top, left = int(torch.randint(36, ())), int(torch.randint(23, ()))
        bottom, right = int(torch.randint(top, 37, ())) + 1, int(torch.randint(left, 24, ())) + 1
        mask[i, 0, top:bottom, left:right] = 0
    mask[11] = 0  # the last is nothing but a box
    found = box_features(maps, mask)
    expected = torch.stack([plain_box_feature(image, hole[0]) for image, hole in zip(maps, mask, strict=True)])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert not found[0].any()
    whole = torch.zeros(12, 1, 10, 8)  # two pixels a cell: the box is the map
    torch.testing.assert_close(box_features(maps, whole), maps.mean((2, 3)))


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_the_loss_equals_loops(mode: str, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    cfg = dict(CONSISTENT, lam_mode=mode, shared_head=shared)
    watched = Watched(classifier(RESNET, cfg), monkeypatch)
    model = watched.model
    model.head.fc.weight.data.mul_(5)
    classify = model.head.fc if shared else model.learned['recursivemix']
    last = torch.zeros(0, 5)
    for n in (6, 4, 9):  # an incomplete batch, and one larger than what is remembered
        losses = watched.step(n)
        logits, found = watched.logits[0], losses['loss_history']
        mix = watched.mixes[-1]
        total = 0.0
        for i in range(n if len(last) else 0):
            seen = classify(plain_box_feature(watched.maps[0][i], mix.mask[i, 0])).log_softmax(0)
            past = last[i % len(last)].softmax(0)
            area = float((mix.mask[i] == 0).float().mean())
            total += 0.5 * area * float((past * (past.log() - seen.detach())).sum()) / n
        assert float(found.detach()) == pytest.approx(total, rel=1e-3, abs=1e-6)
        assert (total > 1e-3) == (len(last) > 0)
        last = logits


def test_its_gradient_reaches_the_backbone_and_the_layer_but_not_the_past() -> None:
    torch.manual_seed(0)
    model = classifier(RESNET, CONSISTENT)
    for step in range(3):
        model.zero_grad()
        losses = model.loss(torch.rand(6, 3, 32, 32), samples(6))
        losses['loss_history'].backward(retain_graph=True)
        learned = model.learned['recursivemix'].weight.grad
        first = next(model.backbone.parameters()).grad
        if step == 0:  # nothing is remembered, and yet the layer is part of the graph
            assert float(losses['loss_history'].detach()) == 0 and not learned.any() and first is None
        else:
            assert float(losses['loss_history'].detach()) > 0 and learned.any() and first.any()
            assert model.head.fc.weight.grad is None
        # One step's graph does not hold on to the last one's.
        (losses['loss'] + losses['loss_history']).backward()
        assert all(p.grad is not None for p in model.parameters())


def test_it_learns_from_its_own_steps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps without it count 0, but what it learns stays in the graph; its memory is that of its own last step."""
    torch.manual_seed(0)
    model = classifier(RESNET, [dict(CONSISTENT), dict(type='mmmix.CutMix'), dict(CONSISTENT, prob=0.5)])
    watched = Watched(model, monkeypatch)
    mixers = list(model.mixers())
    turns, seen = [0, 1, 2, 2, 1, 0, 0, 2, 2, 2, 0, 1, 2, 2, 0], []
    known: dict[int, Tensor] = {}
    for turn in turns:
        monkeypatch.setattr(type(model.recipe), 'choose', lambda recipe, coins=None, turn=turn: mixers[turn])
        losses = watched.step(4)
        model.zero_grad()
        torch.stack([value for key, value in losses.items() if 'loss' in key]).sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        mix = watched.mixes[-1]
        expected = turn != 1 and turn in known and mix.mixed
        assert (float(losses['loss_history'].detach()) > 0) == expected
        seen.append(expected)
        if turn != 1:
            torch.testing.assert_close(mixers[turn].partners.predictions, watched.logits[0].softmax(1))
            torch.testing.assert_close(mixers[turn].partners.images, mix.images)
            known[turn] = mix.images
    assert sum(seen) > 5


def test_another_shape_is_a_new_start() -> None:
    model = classifier(RESNET, dict(CONSISTENT))
    losses = [
        float(model.loss(torch.rand(4, 3, *size), samples(4))['loss_history'].detach())
        for size in ((32, 32), (32, 32), (24, 40), (24, 40))
    ]
    assert [loss > 0 for loss in losses] == [False, True, False, True]


def test_a_resumed_run_starts_without_a_past_and_a_plain_classifier_ignores_the_layer() -> None:
    model = classifier(RESNET, dict(CONSISTENT))
    for _ in range(2):
        model.loss(torch.rand(4, 3, 32, 32), samples(4))
    state = model.state_dict()
    plain = ImageClassifier(**RESNET)
    assert set(state) - set(plain.state_dict()) == {'learned.recursivemix.weight', 'learned.recursivemix.bias'}
    assert not plain.load_state_dict(state, strict=False).missing_keys
    resumed = classifier(RESNET, dict(CONSISTENT))
    resumed.load_state_dict(state)
    losses = [resumed.loss(torch.rand(4, 3, 32, 32), samples(4))['loss_history'] for _ in range(2)]
    assert float(losses[0].detach()) == 0 and float(losses[1].detach()) > 0


def test_the_network_starts_as_it_would_without_it() -> None:
    states = []
    for weight in (0.0, 0.5):
        torch.manual_seed(3)
        model = classifier(RESNET, dict(CONSISTENT, consistency=weight))
        states.append({key: value for key, value in model.state_dict().items() if 'learned' not in key})
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    bare = classifier(RESNET, dict(CONSISTENT, consistency=0))
    assert 'loss_history' not in bare.loss(torch.rand(4, 3, 32, 32), samples(4)) and not len(bare.learned)


@pytest.mark.parametrize('network', [RESNET, SUMIX, SWIN], ids=['linear', 'sumix', 'swin'])
def test_under_autocast_and_with_other_networks(network: dict) -> None:
    model = classifier(network, dict(CONSISTENT))
    for step in range(2):
        with torch.autocast('cpu', dtype=torch.bfloat16):
            losses = model.loss(torch.rand(6, 3, 64, 64), samples(6))
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        found = losses['loss_history'].detach()
        assert found.dtype == torch.float32 and torch.isfinite(found) and (float(found) > 0) == (step > 0)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_loss_asks_nothing_of_the_host() -> None:
    """Tensors without values: whatever looked at one would fail."""
    fake = pytest.importorskip('torch._subclasses.fake_tensor')
    with fake.FakeTensorMode():
        features = box_features(torch.rand(4, 3, 5, 4), torch.ones(4, 1, 20, 16))
        past = mmmix.History()
        past.remember_predictions(features)
        loss = history_loss(features, past.predictions, torch.ones(4, 1, 20, 16))
    assert loss.shape == ()


def test_pulling_at_the_box_makes_it_agree_with_the_past() -> None:
    """Descent on the loss alone, with one batch and one box, brings the prediction of the box to the last one's."""
    torch.manual_seed(0)
    maps, past = torch.randn(4, 8, 4, 4), torch.randn(4, 5).softmax(1)
    mask = torch.ones(4, 1, 16, 16)
    mask[:, :, 4:12, 4:12] = 0
    linear = torch.nn.Linear(8, 5)
    optim = torch.optim.LBFGS(linear.parameters(), max_iter=100)

    def closure() -> Tensor:
        optim.zero_grad()
        loss = history_loss(linear(box_features(maps, mask)), past, mask)
        loss.backward()
        return loss

    before = float(closure().detach())
    optim.step(closure)
    assert float(closure().detach()) < 0.01 * before
    seen = linear(torch.stack([plain_box_feature(maps[i], mask[i, 0]) for i in range(4)])).softmax(1)
    torch.testing.assert_close(seen, past, rtol=0, atol=0.02)


def test_whom_it_is_refused_to() -> None:
    images, scores = torch.rand(4, 3, 32, 32), torch.eye(4)
    mixer = mmmix.RecursiveMix(consistency=0.5)
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        mixer(images, scores)
    with pytest.raises(
        TypeError, match=r"ImageClassifier does not train `consistency`: use type='mmmix.MixClassifier'"
    ):
        mixer.bind(ImageClassifier(**RESNET))
    stock = ImageClassifier(
        **RESNET,
        train_cfg=dict(augments=dict(CONSISTENT)),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', num_classes=5, to_onehot=True),
    )
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        stock.data_preprocessor(dict(inputs=images, data_samples=samples(4)), training=True)
    # The mixed batch itself needs no model.
    assert mixer.mix(images, scores).images.shape == images.shape


@pytest.mark.parametrize(
    ('network', 'args', 'match'),
    [
        (DEIT, {}, "'backbone' gives no feature map"),
        (RESNET, dict(features='neck'), "'neck' gives no feature map"),
        (RESNET, dict(features='backbone.layer9'), "no 'layer9'"),
        (RESNET, dict(at='backbone.layer1'), 'images of the last step'),
    ],
)
def test_networks_that_it_cannot_look_at(network: dict, args: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        classifier(network, dict(CONSISTENT, **args))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('args', 'error', 'match'),
    [
        (dict(consistency=-1), ValueError, '`consistency`'),
        (dict(consistency=True), ValueError, '`consistency`'),
        (dict(consistency=0.5, features=''), ValueError, '`features`'),
        (dict(consistency=0.5, partners=dict(type='mmmix.Permutation')), TypeError, 'Permutation does not keep'),
    ],
)
def test_bad_arguments(args: dict, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        mmmix.RecursiveMix(**args)
    assert '\n' not in str(caught.value)


def test_the_dry_run_leaves_no_trace() -> None:
    model = classifier(RESNET, None)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert map_width(model, 'backbone') == 64 and map_width(model, 'backbone.layer1') == 8
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())
