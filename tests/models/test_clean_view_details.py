"""Whose rows the clean pass covers, how often it runs, and what mixing leaves alone."""

from typing import Any

import pytest
import torch
from mmpretrain.structures import DataSample
from networks import RESNET, SUMIX, classifier, count_passes, data
from torch import Tensor

from mmmix import Mixer, Partners
from mmmix.core.fields import again


class Strangers(Partners):
    """Every partner comes from a pool of others, twice the size of the batch, whom the network sees otherwise."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = len(images)
        others = torch.cat([images.flip(0) + 3, -4 * images])
        partner = n + torch.arange(n, device=images.device)
        return torch.cat([images, others]), torch.cat([scores, scores.flip(0), scores]), partner


def biased() -> Any:
    """A SUMix network whose predictions differ from image to image, for partners from outside the batch."""
    torch.manual_seed(3)
    head: Any = dict(SUMIX['head'], clean_pass='detached')  # type: ignore[call-overload]
    model = classifier({**SUMIX, 'head': head}, augments=dict(type='mmmix.CutMix', partners=Strangers()))
    with torch.no_grad():
        model.head.fc.weight.mul_(50)
    return model


def test_hardness_is_that_of_the_batch_where_the_pass_covers_the_pool() -> None:
    model, batch = biased(), data(8)
    model.hard_table = object()
    images = torch.rand(8, 3, 32, 32) * torch.linspace(0.2, 5, 8).view(-1, 1, 1, 1)
    model.eval()
    with torch.no_grad():
        missed = model(images, mode='tensor').argmax(1) != torch.arange(8) % 5
        of_others = model(-4 * images, mode='tensor').argmax(1) != torch.arange(8) % 5
    assert 0 < int(missed.sum()) < 8 and not torch.equal(missed, of_others), 'the test can tell rows apart'
    model.train()
    model.loss(images, batch['data_samples'])
    assert model.observed is not None
    assert torch.equal(model.observed[1].bool(), missed)


def test_a_pass_over_the_pool_serves_all_who_ask() -> None:
    """A guide that looks at partners and a head that does: one pass of all rows, whoever asks first."""
    head: Any = dict(SUMIX['head'], clean_pass='detached')  # type: ignore[call-overload]
    augment = dict(type='mmmix.SaliencyMix', guide=dict(type='mmmix.InputGradient'), partners=Strangers())
    model = classifier({**SUMIX, 'head': head}, augments=augment)
    passes = count_passes(model)
    model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert passes == [12, 4]


def test_a_mixer_that_writes_into_its_input_gets_a_copy() -> None:
    """mmpretrain's CutMix does."""
    model = classifier(augments=[dict(type='mmpretrain.CutMix', alpha=1.0)])
    images = torch.rand(6, 3, 32, 32)
    before = images.clone()
    for seed in range(5):
        torch.manual_seed(seed)
        model.loss(images, data()['data_samples'])
        assert torch.equal(images, before)


class OfFeatures(Mixer):
    """A mask that is worked out from the features themselves."""

    at: tuple[str, ...] = again(default='backbone.layer1', none='')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(own.mean(1, keepdim=True) - other.mean(1, keepdim=True)), other


def test_labels_send_no_gradient_through_a_mask_of_features() -> None:
    model = classifier(RESNET, augments=OfFeatures())
    told: list[Any] = []
    model.on_mix = told.append
    losses = model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    (mix,) = told
    assert mix.at == 'backbone.layer1' and float(mix.lam.min()) > 0 and float(mix.lam.max()) < 1
    assert not mix.mask.requires_grad and not mix.lam.requires_grad and not mix.scores.requires_grad
    losses['loss'].backward()
    assert model.backbone.conv1.weight.grad is not None


@pytest.mark.parametrize('share', [1.0, 0.25])
def test_alignmix_leaves_alone_what_has_all_of_its_share(share: float) -> None:
    """In the same batch as images that are mixed, whichever of the two maps is laid out anew."""
    from mmmix import AlignMix

    mixer = AlignMix(lam_mode='elem')
    images, features = torch.rand(6, 3, 8, 8), torch.randn(6, 5, 4, 4)
    shares = torch.tensor([1.0, share, 1.0, share, 1.0, share])
    changed = set()
    for seed in range(12):
        torch.manual_seed(seed)
        scene = mixer.meet(images, torch.eye(6))
        assert scene is not None
        scene.share, scene.partner = shares, torch.arange(6).roll(1)
        mixed, mix = mixer.mix_in(scene, features, 'backbone')
        assert torch.equal(mixed[::2], features[::2]) and torch.equal(mix.lam, shares)
        changed.add(bool(torch.equal(mixed, features)))
    assert changed == {share == 1.0}


def test_samples_of_the_caller_stay_as_they_are() -> None:
    model = classifier(augments=dict(type='mmmix.Mixup'))
    samples = [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % 5) for i in range(4)]
    model.loss(torch.rand(4, 3, 32, 32), samples)
    assert all('gt_score' not in sample and int(sample.gt_label) == i % 5 for i, sample in enumerate(samples))


def test_clean_views_are_preprocessed_as_for_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preprocessor that does something to images in training leaves them alone."""
    model = classifier(augments=dict(type='mmmix.KeepPaste', length=40))
    model.train()
    forward = model.data_preprocessor.forward

    def inverting(data: dict, training: bool = False) -> dict:
        found = forward(data, training)
        return {**found, 'inputs': -found['inputs']} if training else found

    monkeypatch.setattr(model.data_preprocessor, 'forward', inverting)
    views = torch.rand(6, 3, 32, 32)
    told: list[Any] = []
    samples = data()['data_samples']
    for sample, view in zip(samples, views, strict=True):
        sample.set_field(view, 'clean_view')
    model.on_mix = told.append
    model.loss(torch.rand(6, 3, 32, 32), samples)
    pasted = (told[0].images != told[0].pool[:6]).any(1, keepdim=True).expand(-1, 3, -1, -1)
    assert pasted.any()
    torch.testing.assert_close(told[0].images[pasted], views[pasted])
