"""Mixers on a device that has shapes and no values: whatever asks the host for a value there is an error.

PyTorch's meta device stands in for an accelerator, so that this is shown without one: on it a synchronisation
(``.item()``, ``.cpu()``, a boolean index, a data-dependent shape) cannot be answered, and a tensor that was left on the
host does not fit the others. What a CUDA device itself makes of it, the tests marked ``gpu`` show.
"""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from mmpretrain.structures import DataSample
from table import TABLE, Row, network_for

from mmmix import CutMix, MixClassifier

CASES = [pytest.param(row, mode, id=f'{row}-{mode}') for row in TABLE for mode in row.lam_modes]


@pytest.fixture(autouse=True)
def nothing_is_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast does not know the meta device."""
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, 'autocast', lambda kind, **rest: nullcontext() if kind == 'meta' else autocast(kind, **rest)
    )
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda kind: False)


@pytest.mark.parametrize(('row', 'mode'), CASES)
def test_a_mix_asks_the_host_for_nothing(row: Row, mode: str) -> None:
    mixer: Any = row.build(lam_mode=mode)
    if mixer.model is not None or any(part.needs_model for part in mixer.parts()):
        mixer.bind(network_for(mixer).to('meta'))
    images = torch.empty(6, 3, *row.image_size, device='meta')
    for _ in range(2):
        mix = mixer.mix(images, torch.empty(6, 8, device='meta'))
    for name in ('images', 'scores', 'mask', 'lam', 'lam_partner', 'partner'):
        assert getattr(mix, name).device.type == 'meta', name
    assert mix.mask.shape[2:] == mix.images.shape[2:]
    assert mix.scores.shape == (6, 8)


def test_class_indices_become_scores_without_a_look_at_them() -> None:
    mixer = CutMix(num_classes=10, label_smoothing=0.1, lam_mode='elem')
    labels = torch.zeros(6, dtype=torch.long, device='meta')
    assert mixer(torch.empty(6, 3, 8, 8, device='meta'), labels)[1].shape == (6, 10)


def test_the_meta_device_would_tell() -> None:
    values = torch.rand(3, device='meta')
    for ask in (lambda: values.max().item(), lambda: values[values > 0.5], lambda: bool(values.any()), values.tolist):
        with pytest.raises((RuntimeError, NotImplementedError)):
            ask()
    with pytest.raises(RuntimeError):
        values + torch.rand(3)


RESNET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
)
VIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16),
        img_size=16,
        patch_size=4,
    )
)
LINEAR = dict(type='mmpretrain.LinearClsHead', num_classes=8, in_channels=32)
SUMIX = dict(type='mmmix.SUMixHead', num_classes=8, in_channels=32)
TOKENS = dict(type='mmpretrain.VisionTransformerClsHead', num_classes=8, in_channels=8)
STEPS: dict[str, tuple[dict, dict, dict]] = {
    'sumix': (RESNET, SUMIX, dict(type='mmmix.CutMix')),
    'sumix-detached': (RESNET, dict(SUMIX, clean_pass='detached'), dict(type='mmmix.Mixup', lam_mode='elem')),
    'decoupled': (RESNET, dict(LINEAR, loss=dict(type='mmmix.DecoupledMixLoss')), dict(type='mmmix.CutMix')),
    'keep': (RESNET, SUMIX, dict(type='mmmix.KeepCutMix', lam_mode='elem')),
    'early': (RESNET, LINEAR, dict(type='mmmix.KeepCutout', guide=dict(type='mmmix.EarlyHead', scale=0.5))),
    'puzzle': (RESNET, LINEAR, dict(type='mmmix.PuzzleMix')),
    'snap': (RESNET, LINEAR, dict(type='mmmix.SnapMix')),
    'gridmix': (RESNET, LINEAR, dict(type='mmmix.GridMix', local=0.1)),
    'regmixup': (RESNET, LINEAR, dict(type='mmmix.RegMixup')),
    'moex': (RESNET, LINEAR, dict(type='mmmix.MoEx', prob=1.0)),
    'ricap': (RESNET, LINEAR, dict(type='mmmix.RICAP', lam_mode='elem')),
    'manifold': (RESNET, LINEAR, dict(type='mmmix.ManifoldMix')),
    'automix': (RESNET, LINEAR, dict(type='mmmix.AutoMix', mask_adjust=0.5)),
    'adautomix': (RESNET, LINEAR, dict(type='mmmix.AdAutoMix')),
    'adautomix-sumix': (RESNET, SUMIX, dict(type='mmmix.AdAutoMix', n_images=4, lam_mode='elem')),
    'samix': (RESNET, LINEAR, dict(type='mmmix.SAMix')),
    'automix-sumix': (RESNET, SUMIX, dict(type='mmmix.AutoMix', lam_mode='elem')),
    'history': (RESNET, LINEAR, dict(type='mmmix.RecursiveMix', consistency=0.5)),
    'transmix': (VIT, TOKENS, dict(type='mmmix.CutMix', labels=dict(type='mmmix.TransMix'))),
    'tl-align': (VIT, TOKENS, dict(type='mmmix.CutMix', labels=dict(type='mmmix.TLAlign'))),
    'tokenmix': (VIT, TOKENS, dict(type='mmmix.TokenMix', patch_size=4, min_tokens=2)),
    'mergemix': (VIT, TOKENS, dict(type='mmmix.MergeMix', patch_size=4)),
    'smmix': (VIT, TOKENS, dict(type='mmmix.SMMix', patch_size=4)),
}


@pytest.mark.parametrize('name', STEPS)
def test_a_training_step_asks_the_host_for_nothing(name: str) -> None:
    network, head, augments = STEPS[name]
    torch.manual_seed(0)
    model = MixClassifier(**network, head=head, train_cfg=dict(augments=augments)).to('meta').train()
    labels = torch.arange(6)
    for _ in range(2):
        samples = [DataSample().set_gt_label(label) for label in labels]
        losses = model.loss(torch.empty(6, 3, 16, 16, device='meta'), samples)
        total = sum(value for key, value in losses.items() if 'loss' in key)
        total.backward()
        assert total.device.type == 'meta'
