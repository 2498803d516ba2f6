"""C-Mixup: partners by the nearness of their labels, and regression under the classifier."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.structures import DataSample

from mmmix import Mix, MixClassifier, Mixup, NearLabels, RegressionError, RegressionHead, Turned

ROOT = Path(__file__).resolve().parents[2]
NETWORK = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
)


def slow_chances(labels: np.ndarray, bandwidth: float) -> np.ndarray:
    """Pair by pair."""
    count = len(labels)
    chances = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            squared = sum((labels[i, k] - labels[j, k]) ** 2 for k in range(labels.shape[1]))
            chances[i, j] = math.exp(-squared / (2 * bandwidth**2))
        chances[i] /= chances[i].sum()
    return chances


@pytest.mark.parametrize('width', [1, 3])
@pytest.mark.parametrize('bandwidth', [0.2, 1.0, 5.0])
def test_partners_are_met_by_the_gaussian_of_a_slow_loop(width: int, bandwidth: float) -> None:
    torch.manual_seed(0)
    labels = torch.randn(5, width)
    partners, met = NearLabels(bandwidth=bandwidth), torch.zeros(5, 5)
    images = torch.zeros(5, 1, 1, 1)
    for _ in range(4000):
        pool, scores, partner = partners(images, labels)
        assert pool is images and scores is labels
        met[torch.arange(5), partner] += 1
    wanted = slow_chances(labels.double().numpy(), bandwidth)
    assert np.abs(met.numpy() / 4000 - wanted).max() < 0.035


def test_labels_far_apart_never_meet_and_equal_ones_meet_evenly() -> None:
    """Chances that underflow are no NaN: the nearest is drawn."""
    labels = torch.tensor([[0.0], [0.0], [0.0], [1e4], [1e4], [3e4]])
    seen = torch.stack([NearLabels(bandwidth=0.01)(torch.zeros(6, 1, 1, 1), labels)[2] for _ in range(600)])
    assert bool((labels[seen][..., 0] == labels[:, 0]).all())
    assert torch.bincount(seen[:, 0], minlength=3).numpy() == pytest.approx(np.full(3, 200), abs=60)


def test_half_precision_labels_are_rated_in_float32() -> None:
    labels = torch.tensor([[100.0], [100.0], [101.0]], dtype=torch.float16)
    torch.manual_seed(0)
    half = [NearLabels(bandwidth=0.5)(torch.zeros(3, 1, 1, 1), labels)[2] for _ in range(50)]
    torch.manual_seed(0)
    full = [NearLabels(bandwidth=0.5)(torch.zeros(3, 1, 1, 1), labels.float())[2] for _ in range(50)]
    assert torch.equal(torch.stack(half), torch.stack(full))


def test_nothing_waits_for_the_device() -> None:
    _, _, partner = NearLabels()(torch.empty(6, 1, 2, 2, device='meta'), torch.empty(6, 2, device='meta'))
    assert partner.shape == (6,) and partner.device.type == 'meta'


def test_bandwidth_must_be_positive() -> None:
    with pytest.raises(ValueError, match='NearLabels: `bandwidth` must be a number above 0'):
        NearLabels(bandwidth=0)


def test_mixed_numbers_lie_between_near_ones() -> None:
    torch.manual_seed(0)
    labels = torch.linspace(-1, 1, 32)[:, None]
    images = labels[:, :, None, None].expand(-1, 3, 4, 4).contiguous()
    mix = Mixup(alpha=2.0, lam_mode='elem', partners=NearLabels(bandwidth=0.05)).mix(images, labels)
    torch.testing.assert_close(mix.images.mean((1, 2, 3)), mix.scores[:, 0], rtol=0, atol=1e-6)
    assert float((mix.scores - labels).abs().max()) < 0.3


# ------------------------------------------------------------------------------------------------------- the regression


def step(augments: Any, **head: Any) -> tuple[dict[str, torch.Tensor], list[Mix], Any, torch.Tensor]:
    torch.manual_seed(0)
    targets = head.get('num_classes', 1)
    model: Any = MixClassifier(
        **NETWORK, head=dict(type='mmmix.RegressionHead', in_channels=32, **head), train_cfg=augments
    ).train()
    images = torch.rand(6, 3, 16, 16)
    labels = torch.randn(6, targets)
    told: list[Mix] = []
    model.on_mix = told.append
    return model.loss(images, [DataSample().set_gt_score(label) for label in labels]), told, model, labels


@pytest.mark.parametrize('targets', [1, 3])
def test_the_loss_is_the_squared_error_of_the_mixed_numbers(targets: int) -> None:
    augments = dict(augments=dict(type='mmmix.Mixup', partners=dict(type='mmmix.NearLabels', bandwidth=2.0)))
    losses, told, model, labels = step(augments, num_classes=targets)
    (mix,) = told
    lam = mix.lam[:, None]
    torch.testing.assert_close(mix.scores, lam * labels + (1 - lam) * labels[mix.partner])
    predicted = model.head(model.extract_feat(mix.images))
    torch.testing.assert_close(losses['loss'], ((predicted - mix.scores) ** 2).mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['mix_mae'], (predicted - mix.scores).abs().mean().detach(), rtol=1e-4, atol=1e-5)
    assert 'mix_acc' not in losses
    losses['loss'].backward()
    assert bool(model.head.fc.weight.grad.abs().sum() > 0)


def test_features_are_mixed_by_composition() -> None:
    near = dict(type='mmmix.NearLabels', bandwidth=0.5)
    losses, told, _, _ = step(dict(augments=dict(type='mmmix.ManifoldMix', at=['backbone.layer1'], partners=near)))
    assert told[0].at == 'backbone.layer1' and torch.isfinite(losses['loss'])


def test_predictions_are_the_numbers_themselves() -> None:
    head = RegressionHead(in_channels=4, num_classes=2)
    feats = (torch.randn(3, 4),)
    samples = [DataSample().set_gt_score(torch.zeros(2)) for _ in range(3)]
    found = head.predict(feats, samples)
    torch.testing.assert_close(torch.stack([each.pred_score for each in found]), head(feats))
    assert all('pred_label' not in each for each in head.predict(feats))


def test_the_metric() -> None:
    metric = RegressionError()
    pairs = [(0.0, 3.0), (1.0, -3.0)]
    samples = [dict(gt_score=torch.tensor([truth]), pred_score=torch.tensor([said])) for truth, said in pairs]
    metric.process(None, samples)
    assert metric.evaluate(2) == {
        'regression/rmse': pytest.approx(math.sqrt((9 + 16) / 2)), 'regression/mae': pytest.approx(3.5)
    }  # fmt: skip
    with pytest.raises(ValueError, match='which a sample does not have'):
        metric.process(None, [dict(pred_score=torch.zeros(1))])


def test_angles_are_a_rule_and_spread_evenly() -> None:
    image = np.zeros((9, 9, 3), np.uint8)
    image[4, 7] = 255
    transform = Turned(degrees=(-90, 90))
    found = [transform(dict(img=image, sample_idx=i)) for i in range(200)]
    scores = np.array([each['gt_score'][0] for each in found])
    assert np.histogram(scores, 10, (-1, 1))[0] == pytest.approx(np.full(10, 20), abs=2)
    assert np.array_equal(transform(dict(img=image, sample_idx=7))['img'], found[7]['img'])
    up = found[int(scores.argmax())]['img'][:, :, 0]
    assert np.unravel_index(up.argmax(), up.shape) == (1, 4), 'a quarter turn to the left'
    with pytest.raises(ValueError, match='`degrees` must'):
        Turned(degrees=(10, -10))


def test_a_committed_config_trains(tmp_path: Any) -> None:
    config = Config.fromfile(ROOT / 'configs' / 'cmixup' / 'resnet_20e-cmixup_turned-digits.py')
    config.work_dir = str(tmp_path)
    config.model.backbone.update(stem_channels=4, base_channels=4)
    config.model.head.in_channels = 32
    config.train_cfg.update(max_epochs=1)
    for loader, count in (('train_dataloader', 128), ('val_dataloader', 40)):
        config[loader].dataset.indices = count
    config.test_dataloader = config.test_evaluator = config.test_cfg = None
    Runner.from_cfg(config).train()
