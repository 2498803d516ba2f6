"""DecoupledMixLoss against loops."""

from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from networks import RESNET, SUMIX, classifier, data

from mmmix import (
    DecoupledMixLoss,
)

# ---------------------------------------------------------------------------------------------------- DecoupledMixLoss


@pytest.mark.parametrize('weighted', [False, True])
def test_decoupled_mix_loss_against_loops(weighted: bool) -> None:
    logits = 3 * torch.randn(5, 7)
    pairs = [(0, 1, 0.7), (2, 5, 0.5), (6, 3, 0.2), (4, 4, 0.6), (1, 2, 1.0)]
    scores = torch.stack([lam * torch.eye(7)[a] + (1 - lam) * torch.eye(7)[b] for a, b, lam in pairs])
    expected = []
    for z, (a, b, lam) in zip(logits.double(), pairs, strict=True):
        loss = -lam * z.log_softmax(0)[a] - (1 - lam) * z.log_softmax(0)[b]
        if a != b and lam < 1:
            e = z.exp()
            part_a, part_b = -(e[a] / (e.sum() - e[b])).log(), -(e[b] / (e.sum() - e[a])).log()
            loss = loss + 0.3 * (lam * part_a + (1 - lam) * part_b if weighted else part_a + part_b)
        expected.append(float(loss))
    found = DecoupledMixLoss(eta=0.3, weighted=weighted, reduction='none')(logits, scores)
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    mean = DecoupledMixLoss(eta=0.3, weighted=weighted, loss_weight=2.0)(logits, scores, avg_factor=10)
    assert float(mean) == pytest.approx(2 * sum(expected) / 10, rel=1e-5)


def test_decoupled_mix_loss_and_smoothed_or_whole_labels() -> None:
    logits = torch.randn(4, 6, requires_grad=True)
    labels = torch.tensor([0, 3, 5, 1])
    loss = DecoupledMixLoss(eta=0.5)
    torch.testing.assert_close(loss(logits, labels), F.cross_entropy(logits, labels))
    smooth = F.one_hot(labels, 6) * 0.9 + 0.1 / 6
    torch.testing.assert_close(loss(logits, smooth), F.cross_entropy(logits, smooth))
    loss(logits, F.one_hot(labels, 6) * 0.6 + F.one_hot(labels.flip(0), 6) * 0.4).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize('kind', ['ImageClassifier', 'mmmix.MixClassifier'])
def test_decoupled_mix_loss_under_stock_heads(kind: str) -> None:
    stock: dict[str, Any] = RESNET
    head = {**stock['head'], 'loss': dict(type='mmmix.DecoupledMixLoss', eta=0.2)}
    train_cfg = dict(augments=dict(type='mmmix.CutMix', lam_mode='elem'))
    cfg = dict(RESNET, type=kind, head=head, train_cfg=train_cfg, data_preprocessor=dict(num_classes=5))
    model = MODELS.build(deepcopy(cfg))
    losses = model(**model.data_preprocessor(data(), training=True), mode='loss')
    losses['loss'].backward()
    assert float(losses['loss'].detach()) > 0


def test_sumix_refuses_it() -> None:
    learned: dict[str, Any] = SUMIX
    with pytest.raises(ValueError) as caught:
        classifier({**learned, 'head': {**learned['head'], 'loss': dict(type='mmmix.DecoupledMixLoss')}})
    assert 'DecoupledMixLoss' in str(caught.value) and '\n' not in str(caught.value)
