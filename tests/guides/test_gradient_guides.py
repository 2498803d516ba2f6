"""Gradients against finite differences and one by one, and the early head."""

import numpy as np
import pytest
import torch
from guide_networks import RESNET, SWIN, VIT, mix_classifier, samples
from mmpretrain.models import ImageClassifier
from table import TinyNet
from torch import Tensor, nn

from mmmix import (
    EarlyHead,
    InputGradient,
    MixClassifier,
    input_gradient,
)
from mmmix.models.classifiers import CleanPass
from mmmix.probes.modules import module_at

# -------------------------------------------------------------------------------------------------------- the gradient


def test_input_gradient_is_that_of_finite_differences() -> None:
    net = TinyNet().double().eval()
    images, scores = torch.rand(1, 1, 5, 4, dtype=torch.double), torch.eye(8)[2:3]
    found = input_gradient(net, images, scores)[0]
    for place in range(20):
        step = torch.zeros(20, dtype=torch.double)
        step[place] = 1e-5
        step = step.view(1, 1, 5, 4)
        slope = (net(images + step)[0, 2] - net(images - step)[0, 2]) / 2e-5
        assert abs(float(slope.abs().detach() - found.flatten()[place])) < 1e-5


@pytest.mark.parametrize('target', ['label', 'max', 'loss'])
@pytest.mark.parametrize('reduction', ['max', 'rms'])
@pytest.mark.parametrize('labels', ['hard', 'soft', 'none'])
def test_every_image_has_the_gradient_of_its_own(target: str, reduction: str, labels: str) -> None:
    """Against one backward pass for each image alone; the batch's number has no part in it."""
    torch.manual_seed(0)
    net = mix_classifier(RESNET, dict(type='mmmix.InputGradient')).eval()
    net.init_weights()
    images = torch.rand(5, 3, 16, 12)
    scores = {'hard': torch.eye(10)[[3, 1, 4, 1, 5]], 'soft': torch.rand(5, 10).softmax(1), 'none': None}[labels]
    guide = InputGradient(target=target, reduction=reduction)
    guide.bind(net)
    found = guide(images, scores)
    for i in range(5):
        leaf = images[i : i + 1].clone().requires_grad_()
        z = net(leaf)[0]
        y = torch.eye(10)[z.argmax()] if scores is None else scores[i]
        if target == 'loss':
            value = -sum(y[k] * (z[k].exp() / z.exp().sum()).log() for k in range(10))
        elif target == 'label' and scores is not None:
            value = sum(y[k] * z[k] for k in range(10))
        else:
            value = max(z)
        assert isinstance(value, Tensor)
        value.backward()
        assert leaf.grad is not None
        slopes = leaf.grad[0]
        expected = torch.zeros(16, 12)
        for row, column in ((row, column) for row in range(16) for column in range(12)):
            channels = [abs(float(slope)) for slope in slopes[:, row, column]]
            rms = (sum(slope**2 for slope in channels) / 3) ** 0.5
            expected[row, column] = max(channels) if reduction == 'max' else rms
        torch.testing.assert_close(found[i, 0], expected, rtol=1e-3, atol=1e-6)
        assert float(expected.max()) > 0


def test_the_loss_of_a_sure_prediction_has_no_nan() -> None:
    linear = nn.Linear(3 * 4 * 4, 5)
    linear.bias.data = torch.tensor([1e4, 0, 0, 0, 0])
    net = nn.Sequential(nn.Flatten(), linear)
    for target, scores in (('loss', torch.eye(5)[[0, 1]]), ('loss', None), ('label', torch.eye(5)[[0, 1]])):
        found = input_gradient(net, torch.rand(2, 3, 4, 4), scores, target, reduction='rms')[0]
        assert torch.isfinite(found).all() and float(found.min()) >= 0


def test_bad_arguments_of_the_gradient() -> None:
    with pytest.raises(ValueError, match="InputGradient: `target` must be 'label', 'max' or 'loss', but got 'logit'"):
        InputGradient(target='logit')
    with pytest.raises(ValueError, match="InputGradient: `reduction` must be 'max' or 'rms', but got 'mean'"):
        InputGradient(reduction='mean')
    with pytest.raises(ValueError, match="EarlyHead: `target` must be 'label' or 'max', but got 'loss'"):
        EarlyHead(target='loss')


@pytest.mark.parametrize('mode', ['detached', 'train'])
def test_gradients_of_one_clean_pass(mode: str) -> None:
    """Another reduction costs nothing; another target costs a pass unless the graph is there."""
    model = mix_classifier(RESNET, dict(type='mmmix.InputGradient'))
    model.init_weights()
    images, scores = torch.rand(4, 3, 16, 16), torch.eye(4, 10)
    passes: list[int] = []
    model.backbone.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    clean = CleanPass(model, images, scores, mode)
    maps = {reduction: clean.saliency('loss', reduction) for reduction in ('max', 'rms')}
    assert len(passes) == 1 and not torch.equal(maps['max'], maps['rms'])
    assert torch.equal(clean.saliency('loss'), maps['max']) and not maps['rms'].requires_grad
    logits = clean.logits
    clean.saliency('label')
    assert len(passes) == (2 if mode == 'detached' else 1)
    torch.testing.assert_close(clean.logits, logits)
    if mode == 'detached':
        for reduction, found in maps.items():
            torch.testing.assert_close(
                found, input_gradient(model, images, scores, 'loss', reduction=reduction)[0], rtol=1e-4, atol=1e-7
            )


@pytest.mark.parametrize('name', ['PuzzleMix', 'CoMixup'])
def test_puzzlemix_and_comixup_look_at_the_loss_in_one_clean_pass(name: str) -> None:
    model = MixClassifier(**RESNET, train_cfg=dict(augments=dict(type=f'mmmix.{name}')))
    guide = next(model.mixers()).guide
    assert (guide.target, guide.reduction) == ('loss', 'rms')
    passes: list[int] = []
    model.backbone.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    model.loss(torch.rand(4, 3, 16, 16), samples(4))
    assert passes == [4, 4]


def test_low_resolution_looks_at_fewer_pixels_and_agrees_roughly() -> None:
    seen = []

    class Spy(TinyNet):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(tuple(images.shape[-2:]))
            return super().forward(images)

    net = Spy()
    guide = InputGradient(scale=0.5)
    guide.bind(net)
    maps = guide(torch.rand(3, 3, 12, 10), torch.eye(3, 8))
    assert seen == [(6, 5)] and maps.shape == (3, 1, 12, 10) and float(maps.min()) >= 0


def test_the_gradient_of_weights_is_not_computed() -> None:
    """``autograd.grad`` for the images alone skips the weights: their backward formulas give one output only."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(8))
    images = torch.rand(2, 3, 8, 8)
    net(images)
    with torch.profiler.profile(record_shapes=True) as profile:
        input_gradient(net, images, torch.eye(2, 8))
    products = [event for event in profile.events() if event.name == 'aten::mm']
    # One product backward through the linear layer, towards its input, none towards its weight of 8 x 144.
    shapes = [event.input_shapes[:2] for event in products]
    assert [[2, 8], [8, 144]] in shapes
    assert not any(left[:1] == [8] and right == [2, 144] for left, right in shapes)


# ---------------------------------------------------------------------------------------------------------- early heads


@pytest.mark.parametrize(
    ('parts', 'at', 'width'),
    [
        (RESNET, 'backbone.layer1', 8),
        (VIT, 'backbone.layers.1', 24),
        (SWIN, 'backbone.stages.0', 16),
    ],
)
@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_early_head_stops_at_its_block(parts: dict, at: str, width: int, scale: float) -> None:
    model = mix_classifier(parts, dict(type='mmmix.EarlyHead', at=at, scale=scale))
    model.init_weights()
    name = 'early_' + at.replace('.', '_')
    assert model.learned[name].in_features == width
    guide = next(model.mixers()).guide
    ran = []
    handles = [
        module.register_forward_hook(lambda module, *_: ran.append(module)) for module in model.backbone.modules()
    ]
    maps = guide(torch.rand(2, 3, 32, 32), torch.eye(2, 10))
    assert maps.shape == (2, 1, 32, 32) and float(maps.min()) >= 0 and float(maps.max()) > 0
    inside = [module for module in ran if module is module_at(model, at)]
    assert len(inside) == 1 and model.backbone not in ran and ran[-1] is inside[0]
    for handle in handles:
        handle.remove()


def test_early_head_is_that_of_a_network_cut_short() -> None:
    model = mix_classifier(RESNET, dict(type='mmmix.EarlyHead'))
    model.init_weights()
    net, head = model.backbone, model.learned['early_backbone_layer1']
    images, scores = torch.rand(2, 3, 32, 32), torch.eye(2, 10)
    found = next(model.mixers()).guide(images, scores)
    model.eval()
    leaf = images.clone().requires_grad_()
    logits = head(net.layer1(net.relu(net.norm1(net.conv1(leaf)))).mean((2, 3)))
    (logits * scores).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(found, leaf.grad.abs().amax(1, keepdim=True))


def test_early_head_learns_and_reaches_what_lies_before_it() -> None:
    model = mix_classifier(RESNET, dict(type='mmmix.EarlyHead', loss_weight=0.3)).train()
    losses = model.loss(torch.rand(4, 3, 32, 32), samples(4))
    assert 'loss_early_backbone_layer1' in losses
    losses['loss_early_backbone_layer1'].backward()
    assert model.learned['early_backbone_layer1'].weight.grad.abs().sum() > 0
    assert model.backbone.layer1[0].conv1.weight.grad.abs().sum() > 0
    assert model.backbone.layer2[0].conv1.weight.grad is None and model.head.fc.weight.grad is None
    parsed = model.parse_losses(model.loss(torch.rand(4, 3, 32, 32), samples(4)))
    assert float(parsed[1]['loss']) > float(parsed[1]['loss_early_backbone_layer1'])


def test_early_head_is_trained_on_the_mixed_labels() -> None:
    """At the initial weights of zero the loss is ``weight * log(classes)``, whatever the labels."""
    model = mix_classifier(RESNET, dict(type='mmmix.EarlyHead', loss_weight=0.5)).train()
    nn.init.zeros_(model.learned['early_backbone_layer1'].weight)
    nn.init.zeros_(model.learned['early_backbone_layer1'].bias)
    loss = model.loss(torch.rand(4, 3, 32, 32), samples(4))['loss_early_backbone_layer1']
    assert float(loss) == pytest.approx(0.5 * np.log(10), rel=1e-5)


def test_early_head_stays_out_of_the_way() -> None:
    guided = mix_classifier(RESNET, dict(type='mmmix.EarlyHead'))
    plain = ImageClassifier(**RESNET)
    missing = plain.load_state_dict(guided.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert missing.unexpected_keys == ['learned.early_backbone_layer1.weight', 'learned.early_backbone_layer1.bias']
    # Inference and evaluation know nothing of it.
    guided.eval()
    assert set(guided.loss(torch.rand(2, 3, 32, 32), samples(2))) == {'loss', 'mix_acc', 'lam', 'mixed'}
    # The network starts from the weights that it would have without the head.
    torch.manual_seed(3)
    guided = mix_classifier(RESNET, dict(type='mmmix.EarlyHead'))
    after = torch.rand(2)
    torch.manual_seed(3)
    assert all(
        torch.equal(value, guided.state_dict()[key])
        for key, value in mix_classifier(RESNET, dict(type='mmmix.SpectralResidual')).state_dict().items()
    )
    assert torch.equal(after, torch.rand(2))


def test_early_head_cannot_join_late() -> None:
    model = MixClassifier(**RESNET)
    late = dict(type='mmmix.KeepCutout', guide=dict(type='mmmix.EarlyHead'))
    from mmpretrain.registry import BATCH_AUGMENTS

    model.data_preprocessor.batch_augments = BATCH_AUGMENTS.build(late)
    with pytest.raises(ValueError, match='train_cfg'):
        list(model.mixers())


def test_early_head_without_a_mix_classifier_names_it() -> None:
    guide = EarlyHead()
    guide.bind(ImageClassifier(**RESNET))
    with pytest.raises(RuntimeError, match=r'mmmix.MixClassifier'):
        guide(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match=r'no .layer9., only'):
        mix_classifier(RESNET, dict(type='mmmix.EarlyHead', at='backbone.layer9'))


def test_a_resolution_that_windows_cannot_take_is_said_at_build() -> None:
    """A Swin at its own size has one window in its last stage: half of it is none; its first stage still fits."""
    swin: dict = {**SWIN, 'backbone': dict(SWIN['backbone'], img_size=16)}  # type: ignore[call-overload]
    with pytest.raises(ValueError) as error:
        mix_classifier(swin, dict(type='mmmix.InputGradient', scale=0.5))
    assert 'InputGradient: SwinTransformer cannot look at scale=0.5 of its 16 x 16 pixels' in str(error.value)
    assert '\n' not in str(error.value) and 'pad_small_map=True' in str(error.value)
    mix_classifier(swin, dict(type='mmmix.InputGradient'))
    mix_classifier(swin, dict(type='mmmix.EarlyHead', at='backbone.stages.0', scale=0.5))
    padded: dict = {**swin, 'backbone': dict(swin['backbone'], pad_small_map=True)}
    model = mix_classifier(padded, dict(type='mmmix.InputGradient', scale=0.5))
    assert torch.isfinite(model.loss(torch.rand(2, 3, 16, 16), samples(2))['loss'])


@pytest.mark.parametrize('scale', [0.5, 0.7])
def test_low_resolution_goes_down_bicubic_and_comes_back_bilinear(scale: float) -> None:
    """Written out: the copy, its own gradient by hand, and the way back."""
    net = TinyNet().eval()
    images, scores = torch.rand(2, 3, 20, 12), torch.eye(8)[:2]
    small = [round(20 * scale), round(12 * scale)]
    copy = torch.nn.functional.interpolate(images, small, mode='bicubic', align_corners=False).requires_grad_()
    (net(copy) * scores).sum().backward()
    assert copy.grad is not None
    rated = copy.grad.abs().amax(1, keepdim=True)
    expected = torch.nn.functional.interpolate(rated, (20, 12), mode='bilinear', align_corners=False)
    guide = InputGradient(scale=scale)
    guide.bind(net)
    torch.testing.assert_close(guide(images, scores), expected)
