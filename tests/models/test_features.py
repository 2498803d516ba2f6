"""Mixing inside the network: what the next module sees, whose label it has, and what is left behind."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from networks import DEIT, RESNET, SUMIX, SWIN, classifier, count_passes, data, hooks_in
from torch import Tensor

from mmmix import AlignMix, CutMix, Guide, ManifoldMix, Mix, Mixer, Partners
from mmmix.core.fields import number
from mmmix.models.classifiers.step import draw_depth
from mmmix.ops.transport import sinkhorn
from mmmix.probes.modules import module_at

WRN = {
    **RESNET,
    'backbone': dict(type='mmmix.WideResNet_CIFAR', depth=10, widen_factor=1),
    'head': dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=64),
}
#: Network, image size, the module that is tapped and the one behind it, and the grid of the features.
PLACES: dict[str, tuple[dict, int, str, str, tuple[int, int]]] = {
    'resnet': (RESNET, 32, 'backbone.layer2', 'backbone.layer3', (16, 16)),
    'wrn': (WRN, 32, 'backbone.stages.0', 'backbone.stages.1', (32, 32)),
    'vit': (DEIT, 32, 'backbone.layers.0', 'backbone.layers.1', (4, 4)),
    'swin': (SWIN, 64, 'backbone.stages.0', 'backbone.stages.0.downsample', (32, 32)),
}
places = pytest.mark.parametrize('place', PLACES)


class Outside(Partners):
    """Partners of which some are not in the batch."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows 6 and 7 are mirrored images of the first two."""
        pool = torch.cat([images, images[:2].flip(3)])
        return pool, torch.cat([scores, scores[2:4]]), torch.tensor([6, 7, 1, 2, 3, 4])


def watched(model: Any, monkeypatch: pytest.MonkeyPatch, front: str, behind: str) -> dict[str, list]:
    """Note what a module gives before it is tapped, what the next one takes, and the stories of the mixer."""
    seen: dict[str, list] = dict(given=[], taken=[], mixes=[])

    def first(output: Any) -> Tensor:
        return output if isinstance(output, Tensor) else output[0]

    module_at(model, front).register_forward_hook(
        lambda m, args, out: seen['given'].append(first(out).detach().clone())
    )
    module_at(model, behind).register_forward_pre_hook(lambda m, args: seen['taken'].append(args[0].detach().clone()))
    for mixer in model.mixers():
        original = mixer.mix_in

        def noted(*args: Any, original: Any = original) -> tuple[Tensor, Mix]:
            mixed, mix = original(*args)
            seen['mixes'].append(mix)
            return mixed, mix

        monkeypatch.setattr(mixer, 'mix_in', noted)
    return seen


@places
@pytest.mark.parametrize('mixer', ['Mixup', 'CutMix'])
@pytest.mark.parametrize('partners', [None, Outside()], ids=['batch', 'outside'])
def test_the_next_module_sees_the_mix(place: str, mixer: str, partners: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixel by pixel, in plain Python: each cell of a map by the mask, class tokens by the area."""
    network, size, front, behind, (rows, columns) = PLACES[place]
    model = classifier(network, dict(type=f'mmmix.{mixer}', at=front, lam_mode='elem', partners=partners))
    seen = watched(model, monkeypatch, front, behind)
    samples = data()['data_samples']
    losses = model.loss(torch.rand(6, 3, size, size), samples)
    (given,), (taken,), (mix,) = seen['given'], seen['taken'], seen['mixes']
    assert len(given) == len(mix.pool) and len(taken) == 6
    assert mix.at == front and mix.mixed and mix.mask.shape == (6, 1, rows, columns)
    extra = given.shape[1] - rows * columns if given.ndim == 3 else 0
    for i in range(6):
        own, other, partner = given[i], given[int(mix.partner[i])], taken[i]
        area = float(mix.mask[i].mean())
        for r in range(0, rows, 3):
            for c in range(0, columns, 3):
                m = float(mix.mask[i, 0, r, c])
                if given.ndim == 4:
                    expected, found = m * own[:, r, c] + (1 - m) * other[:, r, c], partner[:, r, c]
                else:
                    token = extra + r * columns + c
                    expected, found = m * own[token] + (1 - m) * other[token], partner[token]
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for token in range(extra):
            expected = area * own[token] + (1 - area) * other[token]
            torch.testing.assert_close(partner[token], expected, rtol=1e-4, atol=1e-5)
        assert float(mix.lam[i]) == pytest.approx(area, abs=1e-6)
        label, rival = int(mix.pool_scores[i].argmax()), int(mix.pool_scores[mix.partner[i]].argmax())
        if label != rival:
            assert float(mix.scores[i, label]) == pytest.approx(area, abs=1e-6)
    assert float(losses['lam']) == pytest.approx(float(mix.lam.mean()), abs=1e-6)


@places
def test_images_before_and_after_learn(place: str) -> None:
    """The gradient reaches the first layer, and nothing stays on the network."""
    network, size, front, _, _ = PLACES[place]
    model = classifier(network, dict(type='mmmix.CutMix', at=front))
    losses = model.loss(torch.rand(4, 3, size, size), data(4)['data_samples'])
    losses['loss'].backward()
    head = model.head.layers.head if hasattr(model.head, 'layers') else model.head.fc
    assert head.weight.grad is not None and float(head.weight.grad.abs().sum()) > 0
    assert all(p.grad is not None for p in model.parameters())
    assert hooks_in(model) == 0


def test_the_whole_network_against_its_stages_by_hand() -> None:
    model = classifier(RESNET, dict(type='mmmix.ManifoldMix', at='backbone.layer2'))
    images, samples, net = torch.rand(6, 3, 32, 32), data()['data_samples'], deepcopy(model.backbone)
    torch.manual_seed(4)
    losses = model.loss(images, samples)
    torch.manual_seed(4)
    mixer = model.recipe.choose()
    partner = torch.randperm(6)
    share = float(mixer.draw_share(images))
    features = net.layer2(net.layer1(net.relu(net.bn1(net.conv1(images)))))
    mixed = torch.stack([share * features[i] + (1 - share) * features[partner[i]] for i in range(6)])
    logits = model.head((net.layer4(net.layer3(mixed)).mean((2, 3)),))
    labels = torch.arange(6) % 5
    expected = sum(
        -share * logits[i].log_softmax(0)[labels[i]] - (1 - share) * logits[i].log_softmax(0)[labels[partner[i]]]
        for i in range(6)
    )
    torch.testing.assert_close(losses['loss'], expected / 6)


def test_every_depth_is_drawn_alike() -> None:
    mixer = ManifoldMix()
    drawn = [draw_depth(mixer) for _ in range(3000)]
    assert set(drawn) == {'', 'backbone.layer1', 'backbone.layer2'}
    assert all(abs(drawn.count(at) / 3000 - 1 / 3) < 0.04 for at in mixer.at)


def test_images_are_mixed_where_the_empty_depth_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(RESNET, dict(type='mmmix.Mixup', at=['', 'backbone.layer2']))
    seen = watched(model, monkeypatch, 'backbone.layer2', 'backbone.layer3')
    for _ in range(12):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    depths = [mix.at for mix in seen['mixes']]
    assert {'', 'backbone.layer2'} == set(depths)
    for mix, given, taken in zip(seen['mixes'], seen['given'], seen['taken'], strict=True):
        assert torch.equal(given, taken) == (mix.at == '')


def test_a_batch_that_is_not_mixed_goes_through_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(RESNET, dict(type='mmmix.CutMix', at='backbone.layer2', prob=0.0))
    seen = watched(model, monkeypatch, 'backbone.layer2', 'backbone.layer3')
    losses = model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert torch.equal(seen['given'][0], seen['taken'][0]) and float(losses['mixed']) == 0
    one = classifier(RESNET, dict(type='mmmix.CutMix', at='backbone.layer2')).eval()
    one.train()
    assert float(one.loss(torch.rand(1, 3, 32, 32), data(1)['data_samples'])['mixed']) == 0


def test_sumix_gets_the_clean_logits_of_the_whole_pool() -> None:
    """With a pool of 8 for a batch of 6 the clean pass has 8 rows, whatever is mixed further in."""
    model = classifier(SUMIX, dict(type='mmmix.CutMix', at='backbone.layer2', partners=Outside()))
    passes, sizes = count_passes(model), []
    model.backbone.layer3.register_forward_pre_hook(lambda m, args: sizes.append(len(args[0])))
    losses = model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert passes == [8, 8] and sorted(sizes) == [6, 8]
    (losses['loss'] + losses['loss_reg']).backward()


def test_hard_samples_are_judged_by_clean_views() -> None:
    """No clean view, no judgement: what was mixed inside the network tells nothing of the clean images."""
    model = classifier(RESNET, dict(type='mmmix.Mixup', at='backbone.layer2'))
    model.hard_table = object()
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert model.observed is not None and set(model.observed[1].tolist()) == {-1}


def test_guides_look_at_images_and_cuts_fall_on_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The left half of the images is all that matters: no cut in the features touches it."""

    class Left(Guide):
        def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
            assert images.shape[1:] == (3, 32, 32)
            maps = torch.zeros(len(images), 1, 32, 32)
            maps[..., :16] = 1
            return maps

    keep = dict(type='mmmix.SelectiveCut', guide=Left(), tau=0.0)
    model = classifier(RESNET, dict(type='mmmix.CutMix', at='backbone.layer2', keep=keep, lam_mode='elem', alpha=9.0))
    seen = watched(model, monkeypatch, 'backbone.layer2', 'backbone.layer3')
    for _ in range(4):
        model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    cut = torch.cat([mix.mask for mix in seen['mixes']]) == 0
    narrow = cut.any(2).sum(-1).squeeze(1) <= 8
    assert narrow.any() and not cut[narrow][..., :8].any()


LOOK: dict = dict(type='mmmix.InputGradient', scale=0.5)
KEEP = dict(type='mmmix.SelectiveCut', guide=LOOK)


@pytest.mark.parametrize(
    ('augment', 'rows'),
    [
        (dict(type='mmmix.CutMix', keep=KEEP), 6),
        (dict(type='mmmix.HardMix', keep=KEEP), 6),
        (dict(type='mmmix.HardMix', guide=LOOK), 8),
        (dict(type='mmmix.AttentiveMix', guide=LOOK), 8),
    ],
    ids=['keep', 'hard-keep', 'hard-guide', 'attentive'],
)
def test_a_guide_that_runs_the_network_does_so_before_the_mixed_pass(augment: dict, rows: int) -> None:
    """Once, for the batch or for the whole pool, whichever the mixer needs."""
    model = classifier(RESNET, dict(augment, at='backbone.layer2', prob=1.0, partners=Outside()))
    sizes: list[tuple] = []
    model.backbone.register_forward_pre_hook(lambda m, args: sizes.append(tuple(args[0].shape)))
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert sizes == [(rows, 3, 16, 16), (8, 3, 32, 32)]


def test_hardmix_cuts_features_where_the_partner_is_important(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel of each image is; partners from outside the batch have theirs."""

    class Brightness(Guide):
        def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
            return images[:, :1]

    augment = dict(type='mmmix.HardMix', at='backbone.layer2', prob=1.0, guide=Brightness(), partners=Outside())
    model = classifier(RESNET, augment)
    seen = watched(model, monkeypatch, 'backbone.layer2', 'backbone.layer3')
    for _ in range(4):
        images = torch.zeros(6, 3, 32, 32)
        images.flatten(2)[torch.arange(6), 0, torch.randint(32**2, (6,))] = 1
        model.loss(images, data()['data_samples'])
        mix = seen['mixes'][-1]
        peaks = mix.pool[mix.partner, 0].flatten(1).argmax(1)
        cut = mix.mask[:, 0] == 0
        assert cut.any()
        for i, (row, column) in enumerate(zip((peaks // 32).tolist(), (peaks % 32).tolist(), strict=True)):
            assert cut[i, row // 2, column // 2] or not cut[i].any()


@places
def test_amp_bfloat16(place: str) -> None:
    network, size, front, _, _ = PLACES[place]
    model = classifier(network, dict(type='mmmix.CutMix', at=front, lam_mode='elem'))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(torch.rand(4, 3, size, size), data(4)['data_samples'])
    losses['loss'].backward()
    assert torch.isfinite(losses['loss'])


@pytest.mark.parametrize('place', ['resnet', 'vit'])
def test_compile(place: str) -> None:
    network, size, front, _, _ = PLACES[place]
    torch.manual_seed(1)
    plain, compiled = (classifier(network, dict(type='mmmix.Mixup', at=front)) for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    compiled.forward = torch.compile(compiled.forward, backend='eager')
    inputs, samples = torch.rand(4, 3, size, size), data(4)['data_samples']
    losses = []
    for model in (plain, compiled):
        torch.manual_seed(2)
        losses.append(model(inputs, samples, mode='loss'))
    torch.testing.assert_close(losses[1]['loss'], losses[0]['loss'], rtol=1e-4, atol=1e-4)
    assert hooks_in(compiled) == 0


# ------------------------------------------------------------------------------------------------------------ AlignMix


def slow_transport(a: Tensor, b: Tensor, eps: float, rounds: int) -> Tensor:
    """Sinkhorn on the kernel itself, in float64, for one pair of maps ``(C, L)``."""
    kernel = torch.tensor([[float(((x - y) ** 2).sum()) for y in b.T] for x in a.T], dtype=torch.float64)
    kernel = (-kernel / eps).exp()
    u = v = torch.ones(len(kernel), dtype=torch.float64)
    for _ in range(rounds):
        u = 1 / (kernel @ v)
        v = 1 / (kernel.T @ u)
    return u[:, None] * kernel * v[None, :]


def test_sinkhorn_against_a_slow_one_and_its_marginals() -> None:
    a, b = 0.3 * torch.randn(3, 5, 2, 3), 0.3 * torch.randn(3, 5, 2, 3)
    plan = sinkhorn(a, b, 0.1, 100)
    for i in range(3):
        expected = slow_transport(a[i].flatten(1).double(), b[i].flatten(1).double(), 0.1, 100)
        torch.testing.assert_close(plan[i].double(), expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(plan.sum(1), torch.ones(3, 6), rtol=0, atol=1e-4)
    torch.testing.assert_close(plan.sum(2), torch.ones(3, 6), rtol=0, atol=1e-2)


def test_alignmix_undoes_a_permutation_of_positions() -> None:
    """Partners with the same features elsewhere: aligned, they are the own map, or the own map is theirs."""
    images = torch.randn(4, 8, 3, 3)
    order = torch.randperm(9)
    shuffled = images.flatten(2)[:, :, order].view_as(images)
    pool = torch.cat([images, shuffled])

    class Shuffled(Partners):
        def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return pool, torch.cat([scores, scores]), torch.arange(4, 8)

    mixer = AlignMix(at='backbone', partners=Shuffled())
    laid_out = set()
    for _ in range(12):
        scene = mixer.meet(images, torch.eye(4))
        assert scene is not None
        features = pool.clone()  # not the images themselves: what a network would have made of them
        mixed, mix = mixer.mix_in(scene, features, 'backbone')
        as_own, as_other = torch.allclose(mixed, images, atol=1e-3), torch.allclose(mixed, shuffled, atol=1e-3)
        assert as_own != as_other
        laid_out.add(as_own)
        torch.testing.assert_close(mix.lam, scene.share.expand(4))
    assert laid_out == {True, False}


def test_alignmix_runs_on_maps_and_images_but_not_on_vectors() -> None:
    model = classifier(RESNET, dict(type='mmmix.AlignMix', lam_mode='elem'))
    for _ in range(4):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])['loss'].backward()
    model = classifier(DEIT, dict(type='mmmix.AlignMix', at='backbone.layers.-1'))
    model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])['loss'].backward()
    model = classifier(DEIT, dict(type='mmmix.AlignMix', at='backbone'))
    with pytest.raises(ValueError) as caught:
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert 'in front of the pooling' in str(caught.value) and '\n' not in str(caught.value)
    assert hooks_in(model) == 0


# ----------------------------------------------------------------------------------------------------- one-line errors


@pytest.mark.parametrize(
    ('augments', 'words'),
    [
        (dict(type='mmmix.Mixup', at=[]), 'must name modules'),
        (dict(type='mmmix.Mixup', at=[3]), 'must name modules'),
        (dict(type='mmmix.Mixup', at='backbone.stage9'), "no 'stage9'"),
        (
            dict(type='mmmix.CutMix', at='backbone.layer1', labels=dict(type='mmmix.TransMix')),
            'looks at the mixed images',
        ),
        (
            dict(type='mmmix.Mixup', at='backbone.layer1', partners=dict(type='mmmix.History')),
            'images of the last step',
        ),
        (dict(type='mmmix.RecursiveMix', at='backbone.layer1'), 'images of the last step'),
        (dict(type='mmmix.SMMix', at='backbone.layer1'), 'does not take `at`'),
        (dict(type='mmmix.Mixup', at='backbone.layer1', shape=3), 'does not take `shape`'),
        (
            [dict(type='mmmix.KeepCutout', guide=dict(type='mmmix.EarlyHead')), dict(type='mmmix.ManifoldMix')],
            'could not tell what it hears',
        ),
    ],
)
def test_what_cannot_be_is_said_when_it_is_built(augments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        classifier(RESNET, augments)
    assert words in str(caught.value) and '\n' not in str(caught.value)


def test_a_layer_that_is_not_run_is_an_error() -> None:
    model = classifier(RESNET, dict(type='mmmix.Mixup', at='head.fc'))
    with pytest.raises(ValueError, match='takes no part in the forward pass'):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])


def test_the_stock_classifier_says_what_is_needed() -> None:
    model = MODELS.build(
        deepcopy(
            dict(
                type='ImageClassifier',
                train_cfg=dict(augments=dict(type='mmmix.ManifoldMix')),
                data_preprocessor=dict(num_classes=5),
                **RESNET,
            )
        )
    )
    assert isinstance(model, ImageClassifier)
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        model.data_preprocessor(data(), training=True)


def test_a_mixer_of_ones_own_takes_at() -> None:
    class Mine(Mixer):
        half: float = number(default=0.5)

    assert Mine(half=0.3, at='backbone.layer1').at == ('backbone.layer1',)
    assert Mine(half=0.3).at == ('',) and "at=('',)" in repr(Mine())
    assert deepcopy(CutMix(at=['', 'neck'])).at == ('', 'neck')
