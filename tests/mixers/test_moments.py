"""MoEx and MixStyle: moments are those that they should be, gradients go where they should, labels tell the truth."""

from typing import Any

import pytest
import torch
from mmpretrain.structures import DataSample
from networks import classifier, data

from mmmix import Mix, MixClassifier, MixStyle, MoEx
from mmmix.partners import HardSampleTable

FEATURES = torch.randn(6, 5, 7, 8, generator=torch.Generator().manual_seed(0)) * 2 + 1
NETWORK = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=6, in_channels=32),
)


@pytest.mark.parametrize(('norm', 'dims'), [('pono', (1,)), ('instance', (2, 3))])
@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_moex_has_the_moments_of_the_partner_and_its_own_pattern(norm: str, dims: tuple[int, ...], mode: str) -> None:
    mix = MoEx(norm=norm, prob=1.0, lam_mode=mode, eps=1e-12).mix(FEATURES, torch.eye(6))
    there = FEATURES[mix.partner]
    torch.testing.assert_close(mix.images.mean(dims), there.mean(dims), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(mix.images.std(dims), there.std(dims), rtol=1e-3, atol=1e-4)

    def pattern(values: torch.Tensor) -> torch.Tensor:
        return (values - values.mean(dims, keepdim=True)) / values.std(dims, keepdim=True)

    torch.testing.assert_close(pattern(mix.images), pattern(FEATURES), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(mix.scores, 0.5 * torch.eye(6) + 0.5 * torch.eye(6)[mix.partner])


def test_the_share_is_that_of_the_label() -> None:
    mix = MoEx(share=0.9, prob=1.0).mix(FEATURES, torch.eye(6))
    assert mix.lam.tolist() == pytest.approx([0.9] * 6) and mix.lam_partner.tolist() == pytest.approx([0.1] * 6)


def test_mixstyle_mixes_the_moments_of_channels_by_the_share() -> None:
    mixer = MixStyle(prob=1.0, eps=1e-12)
    shares = torch.linspace(0, 0.95, 6)
    mixer.sample_share = lambda count, device: shares
    mix = mixer.mix(FEATURES, torch.eye(6))
    for moment in (torch.mean, torch.std):
        wanted = torch.lerp(moment(FEATURES[mix.partner], (2, 3)), moment(FEATURES, (2, 3)), shares[:, None])
        torch.testing.assert_close(moment(mix.images, (2, 3)), wanted, rtol=1e-3, atol=1e-4)
    assert torch.equal(mix.scores, torch.eye(6)) and bool((mix.mask == 1).all())


def test_gradients_go_through_moments_of_moex_and_not_of_mixstyle() -> None:
    """With respect to a constant added to an image: MoEx takes it away, MixStyle does not see it in the moments."""
    for mixer, through in ((MoEx(norm='instance', prob=1.0), True), (MixStyle(prob=1.0), False)):
        features = FEATURES.clone().requires_grad_()
        scene = mixer.meet(FEATURES, torch.eye(6))
        assert scene is not None
        scene.partner = torch.arange(6).roll(1)
        mixed, _ = mixer.mix_in(scene, features, 'backbone')
        weight = torch.randn(mixed.shape[1:], generator=torch.Generator().manual_seed(1))
        (mixed[0] * weight).sum().backward()
        assert features.grad is not None
        own, other = float(features.grad[0].sum().abs()), float(features.grad[5].abs().sum())
        if through:
            assert own < 1e-2 and other > 0.1
        else:
            assert other == 0 and float(features.grad[0].abs().sum()) > 0.1


@pytest.mark.parametrize('kind', [MoEx, MixStyle])
def test_moments_of_half_precision_are_taken_in_float32(kind: Any) -> None:
    """The square of 300 is beyond float16."""
    features = (FEATURES * 300).half()
    torch.manual_seed(0)
    half = kind(prob=1.0).mix(features, torch.eye(6)).images
    torch.manual_seed(0)
    full = kind(prob=1.0).mix(features.float(), torch.eye(6)).images
    assert half.dtype == torch.float16 and bool(torch.isfinite(half).all())
    torch.testing.assert_close(half.float(), full, rtol=2e-3, atol=2.0)


@pytest.mark.parametrize(
    ('augments', 'places'),
    [
        (dict(type='mmmix.MoEx', prob=1.0), {'backbone.relu'}),
        (dict(type='mmmix.MixStyle', prob=1.0), {'backbone.layer1', 'backbone.layer2'}),
    ],
)
def test_they_act_inside_a_resnet_at_their_default_places(augments: dict, places: set[str]) -> None:
    torch.manual_seed(0)
    model: Any = MixClassifier(**NETWORK, train_cfg=dict(augments=augments)).train()
    told: list[Mix] = []
    model.on_mix = told.append
    seen = []
    model.backbone.layer1.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    for _ in range(8):
        losses = model.loss(torch.rand(6, 3, 16, 16), [DataSample().set_gt_label(i) for i in range(6)])
        assert torch.isfinite(losses['loss'])
    losses['loss'].backward()
    assert {mix.at for mix in told} == places and seen[0] == (6, 4, 16, 16)
    lam = 0.5 if 'MoEx' in augments['type'] else 1.0
    assert all(mix.lam.tolist() == pytest.approx([lam] * 6) for mix in told)


@pytest.mark.parametrize('name', ['MixStyle', 'MoEx'])
@pytest.mark.parametrize('prob', [1.0, 0.0])
def test_a_changed_style_is_no_clean_view(name: str, prob: float) -> None:
    """The mask of MixStyle is whole, but a memory of hard samples must not count what the network made of it."""
    model = classifier(augments=dict(type=f'mmmix.{name}', prob=prob, lam_mode='batch'))
    model.hard_table = HardSampleTable(6)
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert model.observed is not None
    assert (model.observed[1] == -1).all() == (prob == 1)
