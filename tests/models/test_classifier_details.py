"""What MixClassifier takes besides configs, and which samples of a mixed batch it counts."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.model import BaseModule
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from networks import GUIDED, RESNET, classifier, data
from torch import Tensor, nn

import mmmix


def test_samples_of_a_mixed_batch_that_were_left_alone_are_counted() -> None:
    """With a ratio for each sample some have no partner; what the network makes of them is that of a clean image."""
    model = classifier(augments=dict(type='mmmix.CutMix', lam_mode='elem', prob=0.5))
    model.train()
    model.hard_table = object()
    with torch.no_grad():
        model.head.fc.weight.mul_(50)
    told: list[mmmix.Mix] = []
    logits: list[Tensor] = []
    model.on_mix = told.append
    model.head.register_forward_hook(lambda module, args, output: logits.append(output))
    counts = dict.fromkeys((-1, 0, 1), 0)
    for seed in range(6):
        torch.manual_seed(seed)
        batch = data(10)
        model.loss(torch.stack(batch['inputs']), batch['data_samples'])
        assert model.observed is not None
        for i, outcome in enumerate(model.observed[1].tolist()):
            alone = bool((told[-1].mask[i] == 1).all())
            assert outcome == (int(logits[-1][i].argmax() != i % 5) if alone else -1)
            counts[outcome] += 1
    assert min(counts.values()) > 0


class Plain(BaseModule):
    """A head of somebody's own, with what a step asks of it and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.num_classes = 5
        self.fc = nn.Linear(64, 5)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        return self.fc(feats[-1])

    def loss(self, feats: tuple[Tensor, ...], samples: list) -> dict[str, Tensor]:
        scores = torch.stack([sample.gt_score for sample in samples])
        return dict(loss=-(self(feats).log_softmax(1) * scores).sum(1).mean())


def test_a_head_of_ones_own_learns_from_mixes() -> None:
    network: dict[str, Any] = dict(RESNET, head=Plain())
    model = classifier(network, augments=dict(type='mmmix.CutMix'))
    losses = model.train().loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    losses['loss'].backward()
    assert float(losses['mixed']) > 0 and bool(model.head.fc.weight.grad.any())


def build(preprocessor: nn.Module, **cfg: Any) -> mmmix.MixClassifier:
    parts: dict[str, Any] = deepcopy(RESNET)
    return mmmix.MixClassifier(data_preprocessor=preprocessor, **parts, **cfg)


def test_a_preprocessor_that_is_built_already() -> None:
    """It is taken as it is, with its mixers; those of a ``train_cfg`` would never reach it."""
    given = ClsDataPreprocessor(mean=[0.5] * 3, std=[0.2] * 3)
    given.batch_augments = RandomBatchAugment(augments=GUIDED)
    model = build(given)
    assert model.data_preprocessor is given
    assert [type(mixer) for mixer in model.mixers()] == [mmmix.CutMix]
    assert list(build(ClsDataPreprocessor()).mixers()) == []
    with pytest.raises(ValueError, match='give its config, or set its `batch_augments`'):
        build(ClsDataPreprocessor(), train_cfg=dict(augments=GUIDED))
