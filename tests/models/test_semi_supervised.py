"""UDA and FixMatch: losses against slow references, gradients where they belong, mixed labels."""

import math
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmmix import SemiSupervisedClassifier, TrainingSignalAnnealing
from mmmix.models.losses.semi_supervised import annealed_threshold, consistency, pseudo_labels

K = 4


def build(**options: Any) -> SemiSupervisedClassifier:
    torch.manual_seed(0)
    return SemiSupervisedClassifier(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=K, in_channels=32),
        data_preprocessor=dict(mean=[10.0] * 3, std=[50.0] * 3),
        **options,
    )


def batch(labelled: int = 2, unlabelled: int = 6, clean: bool = False) -> dict:
    generator = torch.Generator().manual_seed(1)
    inputs, samples = [], []
    for i in range(labelled + unlabelled):
        inputs.append(torch.randint(256, (3, 16, 16), generator=generator, dtype=torch.uint8))
        sample = DataSample().set_gt_label(i % K if i < labelled else -1)
        if i >= labelled:
            sample.set_metainfo(dict(unlabelled=True))
            for key in ('strong_view', 'clean_view')[: 1 + clean]:
                view = torch.randint(256, (3, 16, 16), generator=generator, dtype=torch.uint8)
                sample.set_field(view, key)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def step(model: SemiSupervisedClassifier, data: dict) -> dict[str, Tensor]:
    data = model.data_preprocessor(data, training=True)
    return model.loss(data['inputs'], data['data_samples'])


def probabilities(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(
    ('form', 'temperature', 'threshold'), [('soft', 0.4, 0.8), ('hard', 1.0, 0.6), ('soft', 1.0, 0.0)]
)
def test_losses_against_loops(form: str, temperature: float, threshold: float) -> None:
    weak, strong = 3 * torch.randn(2, 50, K)
    labels, sure = pseudo_labels(weak, form, temperature, threshold)
    total, counted = 0.0, 0
    for one, two in zip(weak.tolist(), strong.tolist(), strict=True):
        plain, sharp, found = probabilities(one), probabilities(one, temperature), probabilities(two)
        if max(plain) < threshold:
            continue
        counted += 1
        if form == 'hard':
            total -= math.log(found[plain.index(max(plain))])
        else:
            total += sum(p * math.log(p / q) for p, q in zip(sharp, found, strict=True))
    assert counted > 0 and (counted < 50 or threshold == 0)
    assert int(sure.sum()) == counted
    assert float(consistency(strong, labels * sure[:, None])) == pytest.approx(total / 50, rel=1e-4)


@pytest.mark.parametrize('schedule', ['linear', 'log', 'exp'])
def test_annealing_against_its_law(schedule: str) -> None:
    ends = [annealed_threshold(t, 10, schedule) for t in (0.0, 1.0)]
    assert ends[0] == pytest.approx(0.1, abs=0.01) and ends[1] == pytest.approx(1, abs=0.01)
    found = [annealed_threshold(t / 10, 10, schedule) for t in range(11)]
    assert found == sorted(found)
    middle = dict(linear=0.5, log=1 - math.exp(-2.5), exp=math.exp(-2.5))[schedule]
    assert annealed_threshold(0.5, 10, schedule) == pytest.approx(0.9 * middle + 0.1)


def test_annealed_loss_against_a_loop() -> None:
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 30)
    hub.update_info('max_iters', 100)
    logits, labels = 2 * torch.randn(40, K), torch.randint(K, (40,))
    limit = 0.3 * (1 - 1 / K) + 1 / K
    rows = [probabilities(row)[label] for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
    kept = [-math.log(p) for p in rows if p <= limit]
    assert 0 < len(kept) < 40
    loss = TrainingSignalAnnealing('linear')
    assert float(loss(logits, labels)) == pytest.approx(sum(kept) / len(kept), rel=1e-4)
    onehot = nn.functional.one_hot(labels, K)
    assert float(loss(logits, onehot)) == pytest.approx(float(loss(logits, labels)))
    assert float(loss(20 * onehot.float(), labels)) == 0
    hub.update_info('iter', 100)
    torch.testing.assert_close(loss(logits, labels), nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize('form', ['soft', 'hard'])
def test_a_step_is_what_the_papers_have(form: str) -> None:
    """Every part worked out by hand, with the network's own logits; the weak view gives no gradient."""
    model = build(form=form, temperature=0.5, threshold=0.2).eval()
    data = batch()
    losses = step(model, data)
    ready = model.data_preprocessor(batch(), training=False)
    logits = model.head(model.extract_feat(ready['inputs']))
    truth = torch.tensor([0, 1])
    torch.testing.assert_close(losses['loss'], nn.functional.cross_entropy(logits[:2], truth))
    strong = torch.stack([(sample.strong_view.float() - 10) / 50 for sample in data['data_samples'][2:]])
    found = model.head(model.extract_feat(strong)).log_softmax(1)
    plain = logits[2:].detach().softmax(1)
    sharp = (logits[2:].detach() / 0.5).softmax(1)
    labels = nn.functional.one_hot(plain.argmax(1), K).float() if form == 'hard' else sharp
    expected = nn.functional.kl_div(found, labels, reduction='none').sum(1) * (plain.max(1).values >= 0.2)
    torch.testing.assert_close(losses['loss_unlabelled'], expected.mean())
    (gradient,) = torch.autograd.grad(losses['loss_unlabelled'], model.head.fc.weight)
    (by_hand,) = torch.autograd.grad(expected.mean(), model.head.fc.weight)
    torch.testing.assert_close(gradient, by_hand)


def test_nobody_is_sure_and_nothing_is_learned() -> None:
    model = build(threshold=1.0)
    losses = step(model, batch())
    assert losses['loss_unlabelled'] == 0 and losses['sure'] == 0
    (gradient,) = torch.autograd.grad(losses['loss_unlabelled'], model.head.fc.weight)
    assert not gradient.any()


def test_mixed_labels_are_those_of_the_images_that_count() -> None:
    """CutMix of strong views: the loss is the mix of the two losses, and who is not sure adds nothing."""
    model = build(form='hard', threshold=0.3, unlabelled_augments=[dict(type='mmmix.CutMix')])
    told: dict[str, Any] = {}
    mixer = model.unlabelled_augments[0]
    inner = mixer.mix

    def mix(images: Tensor, scores: Tensor) -> Any:
        found = inner(images, scores)
        told.update(mix=found, scores=scores)
        return found

    mixer.mix = mix
    model.train()
    losses = step(model, batch(unlabelled=8))
    found = told['mix']
    assert ((told['scores'].sum(1) - 1).abs() * told['scores'].sum(1)).max() < 1e-6  # 1, or 0 for those not sure
    expected = found.lam[:, None] * told['scores'] + found.lam_partner[:, None] * told['scores'][found.partner]
    torch.testing.assert_close(found.scores, expected)
    assert bool(torch.isfinite(losses['loss_unlabelled']))


def test_keepaugment_by_the_largest_logit() -> None:
    """The box that comes back is one of the clean view, and the labels stay."""
    paste = dict(type='mmmix.KeepPaste', length=6, guide=dict(type='mmmix.InputGradient', target='max'))
    model = build(unlabelled_augments=[paste]).train()
    data, told = batch(clean=True), dict[str, Any]()
    mixer = model.unlabelled_augments[0]
    inner = mixer.mix

    def mix(images: Tensor, scores: Tensor) -> Any:
        told.update(mix=inner(images, scores), strong=images, scores=scores)
        return told['mix']

    mixer.mix = mix
    step(model, data)
    clean = torch.stack([(sample.clean_view.float() - 10) / 50 for sample in data['data_samples'][2:]])
    pasted = told['mix'].mask == 0
    assert bool((pasted.flatten(1).sum(1) == 36).all())
    torch.testing.assert_close(told['mix'].images, torch.where(pasted, clean, told['strong']))
    assert torch.equal(told['mix'].scores, told['scores'])
    with pytest.raises(RuntimeError, match='clean views'):
        model.clean_views(clean)


def test_labelled_part_is_mixed_as_ever() -> None:
    model = build(train_cfg=dict(augments=dict(type='mmmix.CutMix'))).train()
    losses = step(model, batch(labelled=4))
    assert losses['mixed'] <= 1 and set(losses) == {'loss', 'loss_unlabelled', 'sure', 'lam', 'mix_acc', 'mixed'}
    assert 'loss_unlabelled' not in step(model, batch(labelled=4, unlabelled=0))


@pytest.mark.parametrize(
    ('options', 'error', 'words'),
    [
        (dict(form='sharp'), ValueError, '`form`'),
        (dict(threshold=1.2), ValueError, '`threshold` must lie in'),
        (dict(temperature=0), ValueError, '`temperature` must be a number above 0'),
        (dict(unlabelled_augments=['CutMix']), TypeError, 'are mixers of mmmix'),
        (dict(unlabelled_augments=[dict(type='mmmix.AutoMix')]), ValueError, 'learns beside the network'),
        (dict(unlabelled_augments=[dict(type='mmmix.HardMix')]), ValueError, 'must know labelled samples'),
        (dict(unlabelled_augments=[dict(type='mmmix.ManifoldMix')]), ValueError, 'mixes features'),
    ],
)
def test_bad_arguments_are_told(options: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        build(**options)


def test_bad_batches_are_told() -> None:
    model = build()
    with pytest.raises(ValueError, match='no labelled image'):
        step(model, batch(labelled=0))
    data = batch()
    data['data_samples'][-1].pop('strong_view')
    with pytest.raises(ValueError, match='no `strong_view`'):
        step(model, data)
    data['data_samples'][-1].set_field(torch.zeros(3, 8, 8), 'strong_view')
    with pytest.raises(ValueError, match='end with the same size'):
        step(model, data)
