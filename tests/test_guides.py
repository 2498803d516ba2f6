"""Guides against slow references, on the networks that they claim to understand, and without a trace."""

import numpy as np
import pytest
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from table import TinyNet
from torch import Tensor, nn

from mmmix import (
    Attention,
    ClassActivation,
    EarlyHead,
    FineGrained,
    InputGradient,
    MixClassifier,
    SpectralResidual,
    input_gradient,
)
from mmmix.guides.module_path import module_at, output_at, token_grid
from mmmix.guides.spectral_residual import spectral_residual
from mmmix.models.classifiers import CleanPass

VIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=32),
        img_size=32,
        patch_size=8,
    ),
    head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=24),
)
SWIN = dict(
    backbone=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=16, depths=[2, 2], num_heads=[2, 4]),
        img_size=32,
        patch_size=2,
        window_size=4,
        out_indices=(1,),
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32),
)
RESNET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64),
)


def samples(n: int) -> list[DataSample]:
    return [DataSample().set_gt_label(i % 10) for i in range(n)]


def mix_classifier(parts: dict, guide: dict) -> MixClassifier:
    return MixClassifier(**parts, train_cfg=dict(augments=dict(type='mmmix.KeepCutout', length=8, guide=guide)))


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
    with pytest.raises(ValueError, match="InputGradient: `target` must be 'label' or 'max' or 'loss', but got 'logit'"):
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


# -------------------------------------------------------------------------------------------------------- image guides


@pytest.mark.parametrize('size', [(16, 16), (17, 9), (32, 20)])
def test_spectral_residual_is_that_of_numpy(size: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).random(size)
    spectrum = np.fft.fft2(grey)
    log_amplitude = np.log(np.abs(spectrum))
    padded = np.pad(log_amplitude, 1, mode='edge')
    smooth = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            smooth[y, x] = padded[y : y + 3, x : x + 3].mean()
    expected = np.abs(np.fft.ifft2(np.exp(log_amplitude - smooth + 1j * np.angle(spectrum)))) ** 2
    found = spectral_residual(torch.from_numpy(grey).float()[None, None])[0, 0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-2, atol=1e-3 * expected.max())


def test_spectral_residual_finds_what_stands_out() -> None:
    torch.manual_seed(1)
    images = 0.1 * torch.rand(8, 3, 100, 80)
    corners = torch.randint(10, 60, (8, 2))
    for image, (top, left) in zip(images, corners.tolist(), strict=True):
        image[:, top : top + 10, left : left + 10] += 1
    maps = SpectralResidual()(images)
    assert maps.shape == (8, 1, 100, 80)
    for rated, (top, left) in zip(maps[:, 0], corners.tolist(), strict=True):
        y, x = divmod(int(rated.argmax()), 80)
        assert top - 6 <= y <= top + 16 and left - 6 <= x <= left + 16


def test_fine_grained_is_that_of_plain_loops() -> None:
    grey = np.random.default_rng(0).random((9, 7))
    expected = np.zeros_like(grey)
    for radius in (2, 5):
        for y in range(9):
            for x in range(7):
                around = grey[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
                surround = (around.sum() - grey[y, x]) / (around.size - 1)
                expected[y, x] += max(grey[y, x] - surround, 0) + max(surround - grey[y, x], 0)
    found = FineGrained(radii=(2, 5))(torch.from_numpy(grey).float()[None, None].expand(2, 3, -1, -1))
    np.testing.assert_allclose(found[1, 0].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('guide', [SpectralResidual(), FineGrained()], ids=repr)
def test_image_guides_take_what_comes(guide) -> None:
    for shape in ((1, 1, 8, 8), (2, 3, 33, 70), (2, 4, 5, 3)):
        for dtype in (torch.float32, torch.float16):
            maps = guide(torch.rand(shape).to(dtype))
            assert maps.shape == (shape[0], 1, *shape[2:]) and maps.dtype == torch.float32
            assert bool(torch.isfinite(maps).all()) and float(maps.min()) >= 0
    flat = guide(torch.full((1, 3, 16, 16), 3.0))
    assert bool(torch.isfinite(flat).all())
    images = torch.rand(4, 3, 20, 24)
    torch.testing.assert_close(guide(images)[2:3], guide(images[2:3]))


# ------------------------------------------------------------------------------------------- activation and attention


def test_class_activation_averages_to_the_logit() -> None:
    """The mean of a class's map, before its minimum is taken off, is its logit without the bias."""
    model = ImageClassifier(**RESNET)
    model.init_weights()
    model.eval()
    guide = ClassActivation()
    guide.bind(model)
    images, scores = torch.rand(3, 3, 32, 32), torch.eye(10)[[1, 4, 9]]
    maps = output_at(model, 'backbone', images)[-1]
    raw = torch.stack(
        [sum(w * m for w, m in zip(model.head.fc.weight[c], maps[i], strict=True)) for i, c in enumerate((1, 4, 9))]
    )
    logits = model.head(model.extract_feat(images)) - model.head.fc.bias
    torch.testing.assert_close(raw.mean((1, 2)), logits[range(3), [1, 4, 9]], rtol=1e-3, atol=1e-4)
    shifted = (raw - raw.amin((1, 2), keepdim=True))[:, None]
    expected = torch.nn.functional.interpolate(shifted, (32, 32), mode='bilinear')
    torch.testing.assert_close(guide(images, scores), expected, rtol=1e-3, atol=1e-4)
    predicted = model.head(model.extract_feat(images)).argmax(1)
    torch.testing.assert_close(guide(images), guide(images, torch.eye(10)[predicted]), rtol=1e-3, atol=1e-4)


def test_class_activation_errors_name_the_argument() -> None:
    model = ImageClassifier(**RESNET)
    for args, names in (
        (dict(classifier='neck'), 'classifier'),
        (dict(at='backbone.layer1'), '`at`'),
        (dict(classifier='head.fd'), "no 'fd', only"),
    ):
        guide = ClassActivation(**args)
        guide.bind(model)
        with pytest.raises(ValueError, match=names):
            guide(torch.rand(1, 3, 32, 32), torch.eye(1, 10))


def test_attention_of_a_vit_is_that_of_its_softmax() -> None:
    model = ImageClassifier(**VIT)
    model.init_weights()
    model.eval()
    layer = model.backbone.layers[2]
    given = []
    handle = layer.attn.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    images = torch.rand(2, 3, 32, 32)
    model.extract_feat(images)
    handle.remove()
    weight, bias = layer.attn.qkv.weight, layer.attn.qkv.bias
    expected = torch.zeros(2, 16)
    for i in range(2):
        for head in range(2):
            query = given[0][i] @ weight[head * 12 : head * 12 + 12].T + bias[head * 12 : head * 12 + 12]
            key = given[0][i] @ weight[24 + head * 12 : 36 + head * 12].T + bias[24 + head * 12 : 36 + head * 12]
            expected[i] += (query @ key.T / 12**0.5).softmax(-1)[0, 1:] / 2
    guide = Attention()
    guide.bind(model)
    found = torch.nn.functional.interpolate(expected.view(2, 1, 4, 4), (32, 32), mode='bilinear')
    torch.testing.assert_close(guide(images), found.detach(), rtol=1e-4, atol=1e-6)
    first = Attention(at='backbone.layers.0')
    first.bind(model)
    assert not torch.allclose(first(images), guide(images))


def test_attention_of_a_swin_comes_back_to_its_place() -> None:
    """Every window hands out as much attention as it has tokens; shifted windows come back to where they were taken."""
    model = ImageClassifier(**SWIN)
    model.init_weights()
    images = torch.rand(2, 3, 32, 32)
    for at, grid in (
        ('backbone.stages.0.blocks.0', 16),
        ('backbone.stages.0.blocks.1', 16),
        ('backbone.stages.1.blocks.-1', 8),
    ):
        guide = Attention(at)
        guide.bind(model)
        maps = guide(images)
        cells = maps.unfold(2, 32 // grid, 32 // grid).unfold(3, 32 // grid, 32 // grid).mean((4, 5))
        assert maps.shape == (2, 1, 32, 32)
        assert float(cells.mean()) == pytest.approx(1 / 16, rel=0.05)
    # A bias towards one key of each window, the first, shows at the corners of the shifted windows.
    block = model.backbone.stages[0].blocks[1].attn
    w_msa = block.w_msa
    original = w_msa.softmax
    w_msa.softmax = FirstKey()
    guide = Attention('backbone.stages.0.blocks.1')
    guide.bind(model)
    rated = guide(images)
    w_msa.softmax = original
    places = {divmod(int(p), 16) for p in torch.nn.functional.avg_pool2d(rated, 2)[0, 0].flatten().topk(16).indices}
    shift = block.shift_size
    assert places == {((4 * i + shift) % 16, (4 * j + shift) % 16) for i in range(4) for j in range(4)}


class FirstKey(nn.Module):
    """Attention that goes to the first key alone."""

    def forward(self, logits: Tensor) -> Tensor:
        out = torch.zeros_like(logits)
        out[..., 0] = 1
        return out


def test_attention_without_attention_names_another_guide() -> None:
    guide = Attention()
    guide.bind(ImageClassifier(**RESNET))
    with pytest.raises(ValueError, match='ClassActivation'):
        guide(torch.rand(1, 3, 32, 32))


def test_token_grids() -> None:
    assert token_grid(197, 224, 224) == (1, 14, 14)
    assert token_grid(196, 224, 224) == (0, 14, 14)
    assert token_grid(198, 224, 224) == (2, 14, 14)
    assert token_grid(1 + 8 * 12, 128, 192) == (1, 8, 12)
    with pytest.raises(ValueError, match='no grid'):
        token_grid(24, 224, 224)


@pytest.mark.parametrize(
    ('parts', 'guide', 'width'),
    [
        (RESNET, dict(type='mmmix.InputGradient'), 64),
        (RESNET, dict(type='mmmix.ClassActivation'), 64),
        (SWIN, dict(type='mmmix.Attention'), 32),
    ],
)
def test_guide_and_head_share_one_clean_pass(parts: dict, guide: dict, width: int) -> None:
    head = dict(type='mmmix.SUMixHead', num_classes=10, in_channels=width, clean_pass='detached')
    augment = dict(type='mmmix.KeepCutMix', guide=guide, lam_mode='elem')
    model = MixClassifier(**{**parts, 'head': head}, train_cfg=dict(augments=augment)).train()
    passes = []
    model.backbone.register_forward_hook(lambda module, args, output: passes.append(module.training))
    model.loss(torch.rand(4, 3, 32, 32), samples(4))
    assert passes == [False, True]


# ------------------------------------------------------------------------------------------------------------ no trace


@pytest.mark.parametrize(
    ('parts', 'guide'),
    [
        (RESNET, dict(type='mmmix.InputGradient')),
        (RESNET, dict(type='mmmix.InputGradient', scale=0.5)),
        (RESNET, dict(type='mmmix.EarlyHead', scale=0.5)),
        (RESNET, dict(type='mmmix.ClassActivation')),
        (VIT, dict(type='mmmix.Attention')),
        (SWIN, dict(type='mmmix.Attention')),
    ],
    ids=lambda value: value.get('type') if 'type' in value else '',
)
def test_guides_leave_no_trace(parts: dict, guide: dict) -> None:
    model = mix_classifier(parts, guide).train()
    next(model.backbone.children()).eval()
    flags = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    maps = next(model.mixers()).guide(torch.rand(2, 3, 32, 32), torch.eye(2, 10))
    assert not maps.requires_grad and maps.dtype == torch.float32
    assert [module.training for module in model.modules()] == flags
    assert [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()] == hooks
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_low_precision_changes_no_map() -> None:
    model = mix_classifier(RESNET, dict(type='mmmix.InputGradient'))
    guide = next(model.mixers()).guide
    images, scores = torch.rand(2, 3, 32, 32), torch.eye(2, 10)
    plain = guide(images, scores)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(guide(images, scores), plain)
