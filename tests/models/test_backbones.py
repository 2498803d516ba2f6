"""The CIFAR backbones: the papers' sizes, shapes, and Shake-Shake and ShakeDrop in training and at test time."""

from typing import Any

import pytest
import torch
from mmpretrain.models import ResNeXt
from mmpretrain.registry import MODELS

from mmmix import PyramidNet_CIFAR, ResNeXt_CIFAR, ShakeDrop, ShakeShake, ShakeShake_CIFAR, WideResNet_CIFAR


def size(name: str, classes: int = 10, **args) -> int:
    """Parameters of the network and of its linear layer."""
    # The meta device allocates nothing, but the host's ResNet reads values while it is built.
    with torch.device('cpu' if name == 'ResNet_CIFAR' else 'meta'):
        network = MODELS.build(dict(type=f'mmmix.{name}', **args))
    return sum(p.numel() for p in network.parameters()) + (network.feat_dim + 1) * classes


@pytest.mark.parametrize(
    ('name', 'args', 'millions'),
    [
        ('WideResNet_CIFAR', dict(depth=28, widen_factor=10), 36.5),
        ('WideResNet_CIFAR', dict(depth=28, widen_factor=8), 23.4),
        ('WideResNet_CIFAR', dict(depth=28, widen_factor=2), 1.5),
        ('WideResNet_CIFAR', dict(depth=16, widen_factor=8), 11.0),
        ('WideResNet_CIFAR', dict(depth=40, widen_factor=4), 8.9),
        ('ShakeShake_CIFAR', dict(depth=26, base_channels=96), 26.2),
        ('ShakeShake_CIFAR', dict(depth=26, base_channels=32), 2.9),
        ('PyramidNet_CIFAR', dict(depth=272, alpha=200), 26.0),
        ('PyramidNet_CIFAR', dict(depth=236, alpha=220), 26.8),
        ('PyramidNet_CIFAR', dict(depth=200, alpha=240), 26.6),
        ('ResNet_CIFAR', dict(depth=110), 1.7),
        ('ResNet_CIFAR', dict(depth=56), 0.9),
        ('ResNet_CIFAR', dict(depth=20), 0.3),
    ],
)
def test_sizes_are_the_papers(name, args, millions):
    assert round(size(name, **args) / 1e6, 1) == millions


def test_wide_resnet_has_the_exact_count():
    # 36,479,194 parameters with ten classes and 36,536,884 with a hundred, in every other implementation too.
    assert size('WideResNet_CIFAR', 10, depth=28, widen_factor=10) == 36_479_194
    assert size('WideResNet_CIFAR', 100, depth=28, widen_factor=10) == 36_536_884


def test_resnext_is_the_hosts_but_for_the_stem():
    ours = {name: p.shape for name, p in ResNeXt_CIFAR(depth=50).named_parameters()}
    host = {name: p.shape for name, p in ResNeXt(depth=50).named_parameters()}
    assert ours.keys() == host.keys()
    assert {name for name in ours if ours[name] != host[name]} == {'conv1.weight'}
    assert ours['conv1.weight'] == (64, 3, 3, 3)


SMALL = [
    ('ResNet_CIFAR', dict(depth=20, stem_channels=4, base_channels=4), [4, 8, 16]),
    ('WideResNet_CIFAR', dict(depth=10, widen_factor=1), [16, 32, 64]),
    ('PyramidNet_CIFAR', dict(depth=11, alpha=12), [80, 96, 112]),
    ('PyramidNet_CIFAR', dict(depth=14, alpha=12, bottleneck=False), [20, 24, 28]),
    ('ShakeShake_CIFAR', dict(depth=8, base_channels=4), [4, 8, 16]),
]
small = pytest.mark.parametrize(
    ('name', 'args', 'widths'), SMALL, ids=['resnet', 'wide', 'pyramid', 'pyramid-basic', 'shake']
)


def build(name: str, args: dict, **more) -> Any:
    torch.manual_seed(0)
    return MODELS.build(dict(type=f'mmmix.{name}', **args, **more))


@small
def test_maps_have_the_sizes_of_the_stages(name, args, widths):
    network = build(name, args, out_indices=(0, 1, 2))
    for side in (32, 24):
        outs = network(torch.rand(2, 3, side, side))
        assert [tuple(out.shape) for out in outs] == [(2, w, side >> i, side >> i) for i, w in enumerate(widths)]
    last = build(name, args)
    last.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 16, 16)
    last.eval()
    network.eval()
    torch.testing.assert_close(last(images)[0], network(images)[2])
    assert last.feat_dim == widths[-1]


@small
def test_odd_and_uneven_images(name, args, widths):
    assert build(name, args)(torch.rand(2, 3, 17, 30))[0].shape[1:] == (widths[-1], 5, 8)


@small
def test_checkpointing_changes_nothing(name, args, widths):
    """Recomputing draws the same coefficients again: the same output and the same gradients."""
    results = []
    for with_cp in (False, True):
        network = build(name, args, with_cp=with_cp)
        network.init_weights()
        images = torch.rand(3, 3, 16, 16, requires_grad=True)
        torch.manual_seed(7)
        out = network(images)[0]
        out.square().mean().backward()
        results.append([out.detach(), images.grad, *(p.grad for p in network.parameters())])
    for plain, recomputed in zip(*results, strict=True):
        torch.testing.assert_close(plain, recomputed)


@small
def test_evaluation_is_deterministic(name, args, widths):
    network = build(name, args)
    network.eval()
    images = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(network(images)[0], network(images)[0], rtol=0, atol=0)
    # Each image by itself, so nothing leaks between the images of a batch.
    alone = torch.cat([network(image[None])[0] for image in images])
    torch.testing.assert_close(network(images)[0], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['PyramidNet_CIFAR', 'ShakeShake_CIFAR'])
def test_training_is_random_and_seeded(name):
    network = build(name, dict(depth=11) if name.startswith('P') else dict(depth=8, base_channels=4))
    network.init_weights()
    images = torch.rand(4, 3, 16, 16)
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(network(images)[0])
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def test_norm_eval_keeps_statistics():
    network = build('WideResNet_CIFAR', dict(depth=10, widen_factor=1), norm_eval=True).train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network(torch.rand(2, 3, 16, 16))
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())
    assert network.training


# ----------------------------------------------------------------------------------------- Shake-Shake, ShakeDrop


def test_shake_shake_uses_one_coefficient_for_each_image_and_another_backward():
    n = 64
    first = torch.ones(n, 2, 3, 3, requires_grad=True)
    second = torch.zeros(n, 2, 3, 3, requires_grad=True)
    out = ShakeShake()(first, second)
    alpha = out.detach()[:, 0, 0, 0]
    assert torch.equal(out.detach(), alpha[:, None, None, None].expand_as(out))
    assert len(alpha.unique()) == n
    assert float(alpha.min()) >= 0 and float(alpha.max()) < 1
    assert abs(float(alpha.mean()) - 0.5) < 0.15
    out.sum().backward()
    assert first.grad is not None and second.grad is not None
    beta = first.grad[:, 0, 0, 0]
    torch.testing.assert_close(first.grad + second.grad, torch.ones_like(first))
    assert len(beta.unique()) == n
    assert not torch.equal(alpha, beta)
    assert abs(float(torch.corrcoef(torch.stack([alpha, beta]))[0, 1])) < 0.4


def test_shake_shake_averages_at_test_time():
    first, second = torch.rand(2, 2, 3, 3, requires_grad=True), torch.rand(2, 2, 3, 3)
    out = ShakeShake().eval()(first, second)
    torch.testing.assert_close(out, (first + second) / 2)
    out.sum().backward()
    torch.testing.assert_close(first.grad, torch.full_like(first, 0.5))


@pytest.mark.parametrize('keep', [0.0, 0.3, 1.0])
def test_shake_drop_factors(keep):
    n = 4000
    maps = torch.ones(n, 1, 1, 1, requires_grad=True)
    layer = ShakeDrop(keep)
    out = layer(maps)
    out.sum().backward()
    assert maps.grad is not None
    forward, backward = out.detach().flatten(), maps.grad.flatten()
    kept = (forward == 1) & (backward == 1)
    assert abs(float(kept.float().mean()) - keep) < 0.03
    # The others are scaled by noise: forward in [-1, 1), backward in [0, 1).
    assert bool((forward[~kept].abs() <= 1).all())
    assert bool(((backward[~kept] >= 0) & (backward[~kept] < 1)).all())
    if keep < 1:
        assert abs(float(forward[~kept].mean())) < 0.05
        assert abs(float(backward[~kept].mean()) - 0.5) < 0.05
        assert float(forward[~kept].min()) < -0.9
    # At test time the factor is the mean of the forward factor.
    assert abs(float(forward.mean()) - keep) < 0.05
    torch.testing.assert_close(layer.eval()(maps.detach()), torch.full((n, 1, 1, 1), keep))


def test_shake_drop_grows_with_depth():
    network = PyramidNet_CIFAR(depth=29, alpha=9, last_keep=0.5)
    keeps = [module.keep for module in network.modules() if isinstance(module, ShakeDrop)]
    torch.testing.assert_close(torch.tensor(keeps), 1 - 0.5 * torch.arange(1, 10) / 9)
    assert not any(isinstance(m, ShakeDrop) for m in PyramidNet_CIFAR(depth=11, alpha=9, last_keep=1.0).modules())


@pytest.mark.parametrize('layer', ['shake', 'drop'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_coefficients_keep_the_dtype(layer, dtype):
    maps = torch.rand(3, 2, 4, 4).to(dtype)
    out = ShakeShake()(maps, maps) if layer == 'shake' else ShakeDrop(0.5)(maps)
    assert out.dtype == dtype


@pytest.mark.parametrize(
    ('network', 'args', 'message'),
    [
        (WideResNet_CIFAR, dict(depth=27), '`depth` must be 4 plus a multiple of 6, e.g. 10, but got 27'),
        (PyramidNet_CIFAR, dict(depth=271), '`depth` must be 2 plus a multiple of 9, e.g. 11, but got 271'),
        (PyramidNet_CIFAR, dict(last_keep=2), r'`last_keep` must lie in \[0, 1\]'),
        (ShakeShake_CIFAR, dict(depth=2), '`depth` must be 2 plus a multiple of 6'),
        (ShakeShake_CIFAR, dict(out_indices=(3,)), 'has stages 0, 1 and 2'),
    ],
)
def test_bad_arguments_name_the_fix(network, args, message):
    with pytest.raises(ValueError, match=message):
        network(**args)
