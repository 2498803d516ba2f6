"""``clean_pass='lowres'``: the head, the guides and the hard-sample memory share one pass of smaller copies."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from networks import SUMIX, SWIN, classifier, count_passes, data
from torch import Tensor, nn

from mmmix import InputGradient
from mmmix.probes.gradients import input_gradient


def network(scale: float = 0.5, augments: Any = None, **head: Any) -> Any:
    torch.manual_seed(0)
    changed: Any = {**SUMIX['head'], 'clean_pass': 'lowres', 'clean_scale': scale, **head}  # type: ignore[dict-item]
    return classifier({**SUMIX, 'head': changed}, augments=augments or dict(type='mmmix.CutMix'))


def spared(scale: float) -> dict[str, Any]:
    guide = dict(type='mmmix.InputGradient', scale=scale)
    return dict(type='mmmix.CutMix', keep=dict(type='mmmix.SelectiveCut', guide=guide))


def small(images: Tensor, side: int = 16) -> Tensor:
    return F.interpolate(images, (side, side), mode='bicubic', align_corners=False)


class Alone(nn.Module):
    """A network that tells nobody of its passes."""

    def __init__(self, model: Any):
        super().__init__()
        self.inner = model

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images, mode='tensor')


def seen_by_head(model: Any, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The clean pass that the head is given."""
    given = []
    inner = model.head.loss_mix

    def loss_mix(feats: tuple, mix: Any, clean: Any) -> Any:
        given.append(clean)
        return inner(feats, mix, clean)

    monkeypatch.setattr(model.head, 'loss_mix', loss_mix)
    model.loss(images, data(len(images))['data_samples'])
    return given[0]


@pytest.mark.parametrize(('scale', 'side'), [(0.5, 16), (0.7, 22)])
def test_the_head_sees_what_the_network_says_of_the_bicubic_copy(scale, side, monkeypatch) -> None:
    model, images = network(scale), torch.rand(4, 3, 32, 32)
    model.eval()
    with torch.no_grad():
        wanted = model(small(images, side), mode='tensor')
    model.train()
    clean = seen_by_head(model, images, monkeypatch)
    assert torch.allclose(clean.logits, wanted, atol=1e-5)
    assert not clean.logits.requires_grad
    # Only the mixed images move the statistics.
    assert all(int(buffer) == 1 for name, buffer in model.named_buffers() if 'num_batches' in name)


def test_one_small_pass_serves_the_head_the_guide_and_the_memory() -> None:
    model = network(augments=spared(0.5))
    model.hard_table = object()
    sizes: list[tuple[int, ...]] = []
    model.backbone.register_forward_pre_hook(lambda module, args: sizes.append(tuple(args[0].shape[2:])))
    images = torch.rand(4, 3, 32, 32) * torch.linspace(0.2, 5, 4).view(-1, 1, 1, 1)
    with torch.no_grad():
        model.head.fc.weight.mul_(50)
    model.eval()
    with torch.no_grad():
        missed = model(small(images), mode='tensor').argmax(1) != torch.arange(4) % 5
    model.train()
    sizes.clear()
    model.loss(images, data(4)['data_samples'])
    assert sizes == [(16, 16), (32, 32)]
    assert torch.equal(model.observed[1].bool(), missed)


def test_the_shared_saliency_is_the_guides_own(monkeypatch) -> None:
    model, images, scores = network(augments=spared(0.5)), torch.rand(4, 3, 32, 32), torch.eye(5)[:4]
    own = InputGradient(scale=0.5)
    own.bind(Alone(model))
    wanted = own(images, scores)
    by_hand = input_gradient(Alone(model), small(images), scores)[0]
    by_hand = F.interpolate(by_hand, (32, 32), mode='bilinear', align_corners=False)
    clean = seen_by_head(model, images, monkeypatch)
    found = clean.saliency('label')
    assert found.shape == (4, 1, 32, 32)
    assert torch.allclose(found, wanted, atol=1e-6)
    assert torch.allclose(found, by_hand, atol=1e-6)


def test_a_guide_of_another_resolution_looks_for_itself() -> None:
    model = network(augments=spared(1.0))
    passes = count_passes(model)
    model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert passes == [4, 4, 4]


def test_a_guide_of_a_lower_resolution_gets_no_part_of_a_full_pass() -> None:
    model = network(augments=spared(0.5), clean_pass='detached')
    passes = count_passes(model)
    model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert passes == [4, 4, 4]


def test_what_cannot_be_is_refused_when_the_classifier_is_built() -> None:
    with pytest.raises(ValueError, match=r'SUMixHead: `clean_scale` must .*0\.5'):
        network(scale=0.0)
    backbone: Any = dict(SWIN['backbone'], img_size=16)  # type: ignore[call-overload]
    head = dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64, clean_pass='lowres')
    with pytest.raises(ValueError, match=r'SUMixHead: SwinTransformer cannot look at scale=0\.5 of its 16 x 16 pixels'):
        classifier({**SWIN, 'backbone': backbone, 'head': head}, augments=dict(type='mmmix.CutMix'))
    puzzle = dict(type='mmmix.PuzzleMix', clean_lam=1.0)
    with pytest.raises(ValueError, match=r"PuzzleMix: `clean_lam` .* set clean_pass='train'"):
        network(augments=puzzle)
