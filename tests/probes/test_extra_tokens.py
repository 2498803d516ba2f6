"""Tokens in front of the patches are counted as the network says, where their number could be another one."""

from typing import Any

import pytest
import torch
from networks import classifier
from torch import Tensor

from mmmix import ClassActivation, Mix
from mmmix.models.classifiers.taps import tapped
from mmmix.probes.modules import token_grid
from mmmix.visualization.cam import cam_maps

#: Two patches behind a class and a distillation token: four tokens, as of 1 x 4 patches of 16 pixels.
SIDES = (24, 56)
DISTILLED = dict(
    backbone=dict(
        type='mmpretrain.DistilledVisionTransformer',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        img_size=SIDES,
        patch_size=32,
    ),
    head=dict(type='mmpretrain.DeiTClsHead', num_classes=5, in_channels=16),
)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, *SIDES)


def test_the_number_of_tokens_does_not_tell() -> None:
    with pytest.raises(ValueError, match='1 x 4 behind 0 and 1 x 3 behind 1 and 1 x 2 behind 2'):
        token_grid(4, *SIDES)
    assert token_grid(4, *SIDES, 2) == (2, 1, 2)


def test_mixing_inside_the_network(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mask lies on the patches; both tokens in front get the share of the label."""
    at = 'backbone.layers.0'
    model = classifier(DISTILLED, dict(type='mmmix.CutMix', at=at, lam_mode='elem'))
    mixer = next(model.mixers())
    given: list[Tensor] = []
    taken: list[Tensor] = []
    mixes: list[Mix] = []
    model.backbone.layers[0].register_forward_hook(lambda m, args, out: given.append(out.detach().clone()))
    model.backbone.layers[1].register_forward_pre_hook(lambda m, args: taken.append(args[0].detach().clone()))
    original = mixer.mix_in

    def noted(*args: Any) -> tuple[Tensor, Mix]:
        mixed, mix = original(*args)
        mixes.append(mix)
        return mixed, mix

    monkeypatch.setattr(mixer, 'mix_in', noted)
    model.train()
    for _ in range(8):
        scene = mixer.meet(images, torch.eye(5)[:4])
        with tapped(model, mixer, scene, at):
            model.backbone(images)
    for own, mixed, mix in zip(given, taken, mixes, strict=True):
        assert mix.mask.shape == (4, 1, 1, 2)
        other, share = own[mix.partner], mix.mask.flatten(1)[:, :, None]
        torch.testing.assert_close(mixed[:, 2:], share * own[:, 2:] + (1 - share) * other[:, 2:], rtol=1e-4, atol=1e-5)
        share = mix.lam[:, None, None]
        torch.testing.assert_close(mixed[:, :2], share * own[:, :2] + (1 - share) * other[:, :2], rtol=1e-4, atol=1e-5)


def test_class_activation(images: Tensor) -> None:
    model = classifier(DISTILLED, None)
    model.init_weights()
    guide = ClassActivation(at='backbone.ln1', classifier='head.layers.head')
    guide.bind(model)
    torch.nn.init.normal_(model.head.layers.head.weight)
    heard: list[Tensor] = []
    model.backbone.ln1.register_forward_hook(lambda m, args, out: heard.append(out))
    found = guide(images, torch.eye(5)[:4])
    patches = heard[0][:, 2:].detach()
    rated = torch.einsum('nlc,nc->nl', patches, model.head.layers.head.weight.detach()[:4]).view(4, 1, 1, 2)
    expected = torch.nn.functional.interpolate(rated - rated.amin((2, 3), keepdim=True), SIDES, mode='bilinear')
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_grad_cam(images: Tensor) -> None:
    """Nothing changes from the upper half to the lower one: there is one row of patches."""
    pytest.importorskip('pytorch_grad_cam')
    model = classifier(DISTILLED, None, data_preprocessor=dict(mean=[0.0] * 3, std=[255.0] * 3))
    model.init_weights()
    torch.nn.init.normal_(model.head.layers.head.weight)
    maps = cam_maps(model, images, torch.arange(4))
    assert maps.shape == (4, *SIDES) and float(maps.amax()) > 0
    assert float((maps[:, 1:] - maps[:, :-1]).abs().max()) < 1e-5
