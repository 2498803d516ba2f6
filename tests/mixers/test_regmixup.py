"""RegMixup: the losses of the clean and of the mixed batch, together."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample

from mmmix import Mix, MixClassifier, RegMixup

NETWORK = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=32),
)


def data(count: int = 6) -> tuple[torch.Tensor, list[DataSample]]:
    torch.manual_seed(1)
    return torch.rand(count, 3, 16, 16), [DataSample().set_gt_label(i % 5) for i in range(count)]


@pytest.mark.parametrize('weight', [1.0, 0.25])
def test_the_loss_is_that_of_both_batches(weight: float) -> None:
    torch.manual_seed(0)
    model: Any = MixClassifier(
        **NETWORK, train_cfg=dict(augments=dict(type='mmmix.RegMixup', alpha=20.0, clean_lam=weight))
    ).train()
    images, samples = data()
    told: list[Mix] = []
    model.on_mix = told.append
    losses = model.loss(images, samples)
    labels = F.one_hot(torch.arange(6) % 5, 5).float()
    torch.testing.assert_close(told[0].images, torch.lerp(images[told[0].partner], images, told[0].mask[:, :, :1, :1]))
    clean, mixed = model(images, mode='tensor'), model(told[0].images, mode='tensor')
    by_head = [model.head(model.neck(each)) for each in (model.backbone(images), model.backbone(told[0].images))]
    assert len(clean) == len(mixed)
    torch.testing.assert_close(losses['loss_clean'], weight * F.cross_entropy(by_head[0], labels), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['loss'], F.cross_entropy(by_head[1], told[0].scores), rtol=1e-4, atol=1e-5)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.head.parameters())


def test_ratios_are_near_one_half() -> None:
    torch.manual_seed(0)
    for alpha in (10.0, 20.0):
        share = RegMixup(alpha=alpha).sample_share(20000, torch.device('cpu'))
        assert float(share.mean()) == pytest.approx(0.5, abs=0.005)
        assert float(share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_an_unmixed_batch_has_one_loss() -> None:
    model: Any = MixClassifier(**NETWORK, train_cfg=dict(augments=dict(type='mmmix.RegMixup', prob=0.0))).train()
    assert 'loss_clean' not in model.loss(*data())


def test_the_stock_classifier_is_told_what_to_do() -> None:
    augments = dict(augments=dict(type='mmmix.RegMixup'))
    stock = ImageClassifier(**NETWORK, data_preprocessor=dict(num_classes=5), train_cfg=augments)
    images, samples = data()
    with pytest.raises(RuntimeError, match=r"use type='mmmix\.MixClassifier'"):
        stock.data_preprocessor(dict(inputs=list(images), data_samples=samples), training=True)
    with pytest.raises(TypeError, match='adds no loss for `clean_lam`'):
        RegMixup().bind(stock)
    with pytest.raises(TypeError, match='does not take `at`'):
        RegMixup(at='backbone')
