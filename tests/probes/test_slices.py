"""On a CPU gradients are taken of a batch in slices: of the whole of it, in its order, and as if at once."""

import pytest
import torch
from torch import nn

from mmmix import Guide, MixClassifier
from mmmix.probes import slices
from mmmix.probes.slices import in_slices


def guide_and_stem(kind: str, scale: float) -> tuple[Guide, nn.Module]:
    """The guide and the first layer of a network in training."""
    rated = dict(type=f'mmmix.{kind}', scale=scale)
    model = MixClassifier(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64),
        train_cfg=dict(augments=dict(type='mmmix.KeepCutout', length=8, guide=rated)),
    )
    model.init_weights()
    # Statistics that are not those of any batch: a slice that used its own would show.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return next(model.mixers()).keep.guide, model.train().backbone.conv1


@pytest.mark.parametrize('kind', ['EarlyHead', 'InputGradient'])
@pytest.mark.parametrize('labels', [True, False])
@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_slices_change_nothing(kind: str, scale: float, labels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    guide, stem = guide_and_stem(kind, scale)
    images = torch.rand(7, 3, 16, 12)
    scores = torch.rand(7, 10) if labels else None
    seen: list[int] = []
    handle = stem.register_forward_hook(lambda _, args, output: seen.append(len(output)))
    whole = guide(images, scores)
    monkeypatch.setattr(slices, 'PIXELS', 2 * 16 * 12 * scale**2 / torch.get_num_threads())
    sliced = guide(images, scores)
    handle.remove()
    assert seen == [7, 2, 2, 2, 1]
    assert sliced.shape == (7, 1, 16, 12)
    torch.testing.assert_close(sliced, whole)
    alone = [guide(images[i : i + 1], None if scores is None else scores[i : i + 1]) for i in range(7)]
    torch.testing.assert_close(sliced, torch.cat(alone))


@pytest.mark.parametrize('side', [1, 32, 224, 1000])
@pytest.mark.parametrize('n', [0, 1, 5, 128])
def test_slices_are_the_batch(n: int, side: int) -> None:
    images, scores = torch.empty(n, 1, side, side), torch.arange(n)[:, None]
    parts = list(in_slices(images, scores))
    assert all(len(own) == len(labels) for own, labels in parts if labels is not None)
    assert torch.equal(torch.cat([labels for _, labels in parts if labels is not None]), scores)
    budget = slices.PIXELS * torch.get_num_threads()
    assert all(len(own) == 1 or own.numel() <= budget for own, _ in parts)
    # No more slices than needed.
    assert len(parts) == 1 or 2 * parts[0][0].numel() > budget - side**2 or len(parts[0][0]) == 1


def test_other_devices_get_the_whole_batch() -> None:
    images = torch.empty(64, 3, 1000, 1000, device='meta')
    assert [len(own) for own, _ in in_slices(images, None)] == [64]
