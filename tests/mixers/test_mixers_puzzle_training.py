"""PuzzleMix and Co-Mixup in training: pieces that move, the clean loss, adversarial noise."""

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor

import mmmix
from mmmix.core import Guide
from mmmix.mixers import puzzlemix
from mmmix.ops.cells import pixels_to_cells, shares_of_cells
from mmmix.ops.transport import transport_plan


class Given(Guide):
    """A guide that was told what to say: its maps are the first channel of the images."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return images[:, :1].float().abs()


PARTS: dict[str, Any] = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    data_preprocessor=dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0], num_classes=4),
)
SAMPLES = [DataSample().set_gt_label(i % 4) for i in range(6)]


def classifier(head: dict | None = None, **augment: Any) -> mmmix.MixClassifier:
    """A small network that mixes."""
    torch.manual_seed(0)
    head = head or dict(type='mmpretrain.LinearClsHead')
    model = mmmix.MixClassifier(
        **PARTS, head=dict(num_classes=4, in_channels=32, **head), train_cfg=dict(augments=augment)
    )
    model.train()
    return model


# --------------------------------------------------------------------------------------------------- pieces that move


def test_pieces_of_cells_move_where_the_mask_shows_them() -> None:
    """With cells of 8 pixels and pieces of 4, image by image and piece by piece."""
    torch.manual_seed(0)
    images = torch.rand(6, 3, 16, 16) ** 12
    mixer = mmmix.PuzzleMix(guide=Given(), blocks=(2,), t_size=4, t_eps=0.01, n_labels=2)
    mix = mixer.mix(images, torch.eye(6))
    broken = 0
    for i in range(6):
        found = []
        for mask, image in ((mix.mask[i], images[i]), (1 - mix.mask[i], images[mix.partner[i]])):
            pieces = shares_of_cells(pixels_to_cells(image[None, :1], 4, 4))
            plan = transport_plan(mask[None, :, ::4, ::4], pieces, 0.01)[0]
            moved = torch.empty_like(image)
            for y, x in product(range(4), range(4)):
                a, b = divmod(int(plan[y, x]), 4)
                moved[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = image[:, 4 * a : 4 * a + 4, 4 * b : 4 * b + 4]
            found.append(moved)
            corners = plan[::2, ::2].repeat_interleave(2, 0).repeat_interleave(2, 1)
            broken += int((plan - corners != torch.tensor([[0, 1], [4, 5]]).repeat(2, 2)).any())
        torch.testing.assert_close(mix.images[i], mix.mask[i] * found[0] + (1 - mix.mask[i]) * found[1])
    assert broken > 0, 'cells do not move whole'


def test_pieces_are_no_larger_than_the_cells() -> None:
    images = torch.rand(6, 3, 32, 32)
    found = []
    for t_size in (None, 8, 50):
        torch.manual_seed(4)
        found.append(mmmix.PuzzleMix(guide=Given(), blocks=(4,), t_size=t_size).mix(images, torch.eye(6)).images)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


# ------------------------------------------------------------------------------------------------------ the clean loss


@pytest.mark.parametrize(('name', 'args'), [('PuzzleMix', {}), ('CoMixup', dict(beta=0.01))])
def test_clean_loss_is_the_cross_entropy_of_the_pass_that_salience_comes_from(
    name: str, args: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randn(6, 3, 16, 16)
    model = classifier(type=f'mmmix.{name}', clean_lam=0.5, **args)
    seen, extract = [], model.extract_feat

    def listen(inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(inputs.detach().clone())
        return extract(inputs, *args, **kwargs)

    monkeypatch.setattr(model, 'extract_feat', listen)
    scores = F.one_hot(torch.arange(6) % 4, 4).float()
    mixed = 0
    for _ in range(4):
        seen.clear()
        losses = model.loss(images, SAMPLES)
        assert torch.equal(seen[0], images) and len(seen) == 2, 'one clean pass, one of the mix'
        assert bool(losses['mixed'] >= 0) and 'loss_clean' in losses
        mixed += int(float(losses['mixed']) > 0)
        model.zero_grad()
        losses['loss_clean'].backward()
        found = [p.grad.clone() for p in model.parameters()]
        model.zero_grad()
        # In train mode the logits depend on the batch alone, so the pass can be run again.
        logits = model.head(extract(images))
        (0.5 * -(logits.log_softmax(1) * scores).sum(1).mean()).backward()
        for ours, parameter in zip(found, model.parameters(), strict=True):
            torch.testing.assert_close(ours, parameter.grad, rtol=1e-3, atol=1e-5)
    assert mixed > 0
    assert not [key for key in model.state_dict() if key.startswith('learned')], 'nothing of it is in a checkpoint'


def test_clean_loss_is_not_added_to_a_batch_that_is_clean() -> None:
    model = classifier(type='mmmix.PuzzleMix', clean_lam=1.0, prob=0.0)
    assert 'loss_clean' not in model.loss(torch.randn(6, 3, 16, 16), SAMPLES)


def test_clean_loss_and_noise_need_a_model_that_serves_them() -> None:
    mixer = mmmix.CoMixup(guide=Given(), clean_lam=1.0)
    with pytest.raises(RuntimeError, match=r"type='mmmix\.MixClassifier'"):
        mixer(torch.rand(2, 3, 8, 8), torch.eye(2))
    with pytest.raises(TypeError, match=r'`clean_lam`: use .*MixClassifier'):
        mixer.bind(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r'`adv_eps` counts levels .*MixClassifier'):
        mmmix.PuzzleMix(guide=Given(), adv_p=0.1).bind(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match='`adv_p` puts noise into images'):
        mmmix.PuzzleMix(guide=Given(), adv_p=0.1, at='backbone.layer1')
    stock = ImageClassifier(
        **deepcopy(PARTS),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=4, in_channels=32),
        train_cfg=dict(augments=dict(type='mmmix.PuzzleMix', clean_lam=1.0)),
    )
    with pytest.raises(RuntimeError, match=r"type='mmmix\.MixClassifier'"):
        stock.data_preprocessor(dict(inputs=torch.rand(6, 3, 16, 16), data_samples=SAMPLES), training=True)
    with pytest.raises(ValueError, match=r"clean_pass='train' in the head"):
        classifier(dict(type='mmmix.SUMixHead', clean_pass='detached'), type='mmmix.PuzzleMix', clean_lam=1.0)


# --------------------------------------------------------------------------------------------------- adversarial noise


@pytest.mark.parametrize('lam_mode', ['batch', 'elem'])
def test_adversarial_noise_is_bounded_and_follows_the_gradient_of_the_loss(lam_mode: str) -> None:
    torch.manual_seed(1)
    mean, std = (torch.tensor(PARTS['data_preprocessor'][key]).view(3, 1, 1) for key in ('mean', 'std'))
    pixels = torch.randint(0, 256, (6, 3, 16, 16)).float()
    images, scores = (pixels - mean) / std, F.one_hot(torch.arange(6) % 4, 4).float()
    model = classifier(type='mmmix.PuzzleMix', adv_p=1.0, adv_eps=10.0, transport=False, lam_mode=lam_mode)
    mixer = next(model.mixers())
    scene = mixer.meet(images, scores)
    mix = mixer.mix_in(scene, images)[1]
    own, other = (mask > 0 for mask in (mix.mask.expand(-1, 3, -1, -1), 1 - mix.mask.expand(-1, 3, -1, -1)))
    clean = mix.mask * pixels + (1 - mix.mask) * pixels[mix.partner]
    gone = mix.images * std + mean - clean
    assert float(gone.abs().max()) <= 10.01 and float(gone.abs().mean()) > 0.1
    assert float((mix.images * std + mean).min()) > -0.01 and float((mix.images * std + mean).max()) < 255.01
    # What an image shows of itself went up its own loss.
    model.eval()
    leaf = images.clone().requires_grad_()
    logits = model.head(model.extract_feat(leaf))
    gradient = torch.autograd.grad(F.cross_entropy(logits, scores, reduction='sum'), leaf)[0]
    for alone, slope in ((own & ~other, gradient), (other & ~own, gradient[mix.partner])):
        if alone.any():
            agree = (gone[alone].sign() == slope[alone].sign())[gone[alone].abs() > 0.01].float().mean()
            assert float(agree) > 0.8


def test_adversarial_noise_leaves_unmixed_images_and_salience_comes_with_it() -> None:
    images, scores = torch.randn(8, 3, 16, 16), F.one_hot(torch.arange(8) % 4, 4).float()
    model = classifier(type='mmmix.PuzzleMix', adv_p=1.0, prob=0.5, lam_mode='elem')
    mixer = next(model.mixers())
    scene = mixer.meet(images, scores)
    alone = scene.share == 1
    mix = mixer.mix_in(scene, images)[1]
    assert alone.any() and not alone.all()
    assert torch.equal(mix.images[alone], images[alone]) and not torch.equal(mix.images[~alone], images[~alone])
    assert not scene.maps, 'the gradient of the noise is the salience: no second pass'


def test_adversarial_noise_comes_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    images, scores = torch.randn(6, 3, 16, 16), F.one_hot(torch.arange(6) % 4, 4).float()
    model = classifier(type='mmmix.PuzzleMix', adv_p=0.3, transport=False, n_labels=2)
    mixer, noised = next(model.mixers()), puzzlemix.PuzzleMix.noised
    calls = []

    def listen(*args: Any) -> Tensor:
        calls.append(1)
        return noised(*args)

    monkeypatch.setattr(puzzlemix.PuzzleMix, 'noised', listen)
    steps = []
    for _ in range(60):
        calls.clear()
        mixer.mix(images, scores)
        steps.append(len(calls))
    # None, or the start of the noise and one or both of the images.
    assert set(steps) == {0, 2, 3}
    assert 0.25 < steps.count(0) / 60 < 0.75  # 0.49 in the mean
