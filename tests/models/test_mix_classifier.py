"""MixClassifier: mmpretrain's networks and MMEngine's machinery around it, one clean pass, what it logs."""

import logging
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from networks import DEIT, GUIDED, RESNET, SUMIX, SWIN, classifier, count_passes, data
from torch import Tensor

from mmmix import CutMix, Mixup, Partners
from mmmix.models.classifiers.recipe import Recipe


@pytest.mark.parametrize(
    ('network', 'size'), [(RESNET, 32), (SUMIX, 32), (DEIT, 32), (SWIN, 64)], ids=['resnet', 'sumix', 'deit', 'swin']
)
def test_trains_mmpretrain_networks_unchanged(network: dict, size: int) -> None:
    model = classifier(network)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    before = {k: v.clone() for k, v in model.named_parameters()}
    log = model.train_step(data(size=size), optim)
    assert {'loss', 'mix_acc', 'lam', 'mixed'} <= set(log)
    assert all(bool(torch.isfinite(torch.as_tensor(v))) for v in log.values())
    assert any(not torch.equal(v, before[k]) for k, v in model.named_parameters())
    model.eval()
    predictions = model.val_step(data(size=size))
    assert len(predictions) == 6 and predictions[0].pred_score.shape == (5,)


@pytest.mark.parametrize(
    'head',
    [
        dict(type='mmpretrain.LinearClsHead'),
        dict(type='mmmix.SUMixHead', clean_pass='train'),
        dict(type='mmmix.SUMixHead', clean_pass='detached'),
    ],
    ids=['plain', 'sumix-train', 'sumix-detached'],
)
def test_at_most_one_clean_pass(head: dict) -> None:
    model = classifier({**RESNET, 'head': dict(num_classes=5, in_channels=64, **head)})
    model.hard_table = object()
    passes = count_passes(model)
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert passes == [6, 6], 'one clean pass and the mixed one'
    assert model.observed is not None and len(model.observed[0]) == 6
    assert set(model.observed[1].tolist()) <= {0, 1}


def test_no_clean_pass_when_nobody_asks() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', alpha=1.0))
    passes = count_passes(model)
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert passes == [6]


def test_logs_say_what_was_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(augments=dict(type='mmmix.Mixup', alpha=1.0, lam_mode='elem', prob=0.5))
    inputs, samples = torch.rand(6, 3, 32, 32), data()['data_samples']
    mixes = []
    mixer = next(model.mixers())
    original = mixer.mix

    def listened(*args: Tensor):
        mixes.append(original(*args))
        return mixes[-1]

    monkeypatch.setattr(mixer, 'mix', listened)
    logits: list[Tensor] = []
    model.head.register_forward_hook(lambda module, args, output: logits.append(output))
    losses = model.loss(inputs, samples)
    mix = mixes[0]
    share = [float(scores[int(row.argmax())]) for scores, row in zip(mix.scores, logits[0], strict=True)]
    assert float(losses['mix_acc']) == pytest.approx(100 * sum(share) / 6)
    assert float(losses['lam']) == pytest.approx(float(mix.lam.mean()))
    assert float(losses['mixed']) == pytest.approx(float((mix.lam < 1).float().mean()))
    expected = -(mix.scores * logits[0].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(losses['loss'], expected)


def test_data_samples_stay_clean() -> None:
    model = classifier()
    samples = data()['data_samples']
    for _ in range(2):
        model.loss(torch.rand(6, 3, 32, 32), samples)
    assert all('gt_score' not in sample and int(sample.gt_label) == i % 5 for i, sample in enumerate(samples))


def test_eval_mode_does_not_mix() -> None:
    model = classifier().eval()
    inputs, samples = torch.rand(6, 3, 32, 32), data()['data_samples']
    losses = model.loss(inputs, samples)
    expected = model.head.loss(model.extract_feat(inputs), samples)
    torch.testing.assert_close(losses['loss'], expected['loss'])
    assert float(losses['mixed']) == 0


def test_stock_augments_run_too_and_the_config_is_left_alone() -> None:
    cfg = ConfigDict(augments=[dict(type='Mixup', alpha=0.8), dict(type='mmmix.CutMix', alpha=1.0)], probs=[0.5, 0.4])
    cfg.augments[0].type = 'mmpretrain.Mixup'
    for _ in range(2):  # mmpretrain appends to the `probs` it is given
        model = MODELS.build(dict(type='mmmix.MixClassifier', train_cfg=cfg, **deepcopy(RESNET)))
        seen = {tuple(sorted(model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples']))) for _ in range(20)}
        assert ('loss', 'mix_acc') in seen and ('lam', 'loss', 'mix_acc', 'mixed') in seen
    assert list(cfg.probs) == [0.5, 0.4]


def test_the_mixer_is_drawn_with_its_probability() -> None:

    a, b = CutMix(), Mixup()
    recipe = Recipe([a, b, None], [0.5, 0.2, 0.3])
    drawn = [recipe.choose() for _ in range(3000)]
    for augment, prob in zip([a, b, None], [0.5, 0.2, 0.3], strict=True):
        assert abs(drawn.count(augment) / 3000 - prob) < 0.04


@pytest.mark.parametrize('network', [RESNET, SUMIX, DEIT], ids=['resnet', 'sumix', 'deit'])
def test_amp_bfloat16_on_the_cpu(network: dict) -> None:
    """MMEngine's AmpOptimWrapper refuses a machine without accelerator; its context is this autocast."""
    model = classifier(network)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(**model.data_preprocessor(data(), training=True), mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    assert all(bool(torch.isfinite(torch.as_tensor(v))) for v in log.values())
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())


def test_gradient_accumulation_adds_up() -> None:
    model = classifier(augments=dict(type='mmmix.Mixup', alpha=1.0, prob=0.0), network=DEIT)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0), accumulative_counts=3)
    optim.initialize_count_status(model, 0, 6)
    batch = data()
    model.train_step(batch, optim)
    first = model.head.layers.head.weight.grad.clone()
    assert float(first.abs().sum()) > 0
    model.train_step(batch, optim)
    torch.testing.assert_close(model.head.layers.head.weight.grad, 2 * first)


def test_channels_last() -> None:
    model = classifier(SUMIX).to(memory_format=torch.channels_last)
    losses = model.loss(torch.rand(6, 3, 32, 32).contiguous(memory_format=torch.channels_last), data()['data_samples'])
    sum(v for k, v in losses.items() if 'loss' in k).backward()


def test_switch_recipe_and_ema() -> None:
    from mmengine.model import ExponentialMovingAverage
    from mmpretrain.engine.hooks import SwitchRecipeHook

    hook = SwitchRecipeHook(
        schedule=[
            dict(action_epoch=1, batch_augments=dict(augments=dict(type='mmmix.Mixup', alpha=1.0))),
            dict(action_epoch=2, batch_augments=None),
        ]
    )
    model = classifier(SUMIX)
    average = ExponentialMovingAverage(model)
    assert next(average.module.mixers()).model is average.module, 'the copy looks at itself, not at the original'

    runner = SimpleNamespace(model=model, logger=logging.getLogger(), epoch=-1)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    names = []
    for epoch in range(3):
        runner.epoch = epoch - 1
        hook.before_train_epoch(runner)
        log = model.train_step(data(), optim)
        average.update_parameters(model)
        names.append([type(mixer).__name__ for mixer in model.mixers()])
        assert float(log['mixed']) == (0 if epoch == 2 else pytest.approx(1, abs=0.5))
    assert names == [['CutMix'], ['Mixup'], []]


def test_a_switched_recipe_is_bound_before_it_mixes() -> None:
    from mmpretrain.models.utils.batch_augments import RandomBatchAugment

    model = classifier(augments=None)
    model.data_preprocessor.batch_augments = RandomBatchAugment(augments=GUIDED)
    model.data_preprocessor.to_onehot = True
    log = model.train_step(data(), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)))
    assert float(log['mixed']) > 0


@pytest.mark.parametrize('network', [RESNET, SUMIX], ids=['plain', 'sumix'])
def test_compile_has_breaks_but_no_errors(network: dict) -> None:
    torch.manual_seed(1)
    plain = classifier(network)
    compiled = classifier(network)
    compiled.load_state_dict(plain.state_dict())
    compiled.forward = torch.compile(compiled.forward, backend='eager')
    inputs, samples = torch.rand(6, 3, 32, 32), data()['data_samples']
    torch.manual_seed(2)
    expected = plain(inputs, samples, mode='loss')
    torch.manual_seed(2)
    losses = compiled(inputs, samples, mode='loss')
    for key, value in expected.items():
        torch.testing.assert_close(losses[key], value, rtol=1e-4, atol=1e-4)
    sum(v for k, v in losses.items() if 'loss' in k).backward()


@pytest.mark.slow
@pytest.mark.parametrize('clean_pass', ['train', 'detached'])
def test_compile_with_inductor(clean_pass: str) -> None:
    """Two passes through the same batch norms, one of them compiled: losses and gradients are those without.

    In double precision: in single precision a rounding may decide on which side of a ReLU an activation falls.
    """
    head = dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64, clean_pass=clean_pass)
    network = {**RESNET, 'head': head}
    plain, compiled = classifier(network).double(), classifier(network).double()
    compiled.load_state_dict(plain.state_dict())
    compiled.forward = torch.compile(compiled.forward)
    for _ in range(2):
        inputs, samples = torch.rand(6, 3, 32, 32, dtype=torch.float64), data()['data_samples']
        for model in (plain, compiled):
            torch.manual_seed(2)
            model.zero_grad()
            losses = model(inputs, samples, mode='loss')
            sum(v for k, v in losses.items() if 'loss' in k).backward()
        for one, two in zip(plain.parameters(), compiled.parameters(), strict=True):
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-6, atol=1e-9)


def test_the_checkpoint_is_a_plain_classifiers() -> None:
    state = classifier(SUMIX).state_dict()
    plain = ImageClassifier(**deepcopy(RESNET))
    missing, unexpected = plain.load_state_dict(state, strict=False)
    assert missing == []
    assert unexpected == ['head.uncertainty.weight', 'head.uncertainty.bias']


def test_partners_from_outside_the_batch_get_their_clean_view() -> None:
    """A pool with more rows than the batch: SUMix asks for the logits of every row, in one pass."""

    class Outside(Partners):
        def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return torch.cat([images, images[:2]]), torch.cat([scores, scores[:2]]), torch.tensor([6, 7, 1, 2, 3, 4])

    model = classifier(SUMIX, augments=dict(type='mmmix.CutMix', alpha=1.0, partners=Outside()))
    passes = count_passes(model)
    losses = model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    assert sorted(passes) == [6, 8]
    assert torch.isfinite(losses['loss'])


# ---------------------------------------------------------------------------------- heads with several layers or tokens

STACKED = {
    **RESNET,
    'head': dict(type='mmpretrain.StackedLinearClsHead', num_classes=5, in_channels=64, mid_channels=[12]),
}
DISTILLED: dict = dict(
    backbone={**DEIT['backbone'], 'type': 'mmpretrain.DistilledVisionTransformer'},
    head=dict(type='mmpretrain.DeiTClsHead', num_classes=5, in_channels=16, init_cfg=None),
)


@pytest.mark.filterwarnings('ignore:MMPretrain cannot train')
@pytest.mark.parametrize('network', [STACKED, DISTILLED], ids=['stacked', 'distilled'])
@pytest.mark.parametrize(
    'augments', [dict(type='mmmix.CutMix'), GUIDED, dict(type='mmmix.ManifoldMix', at='backbone')], ids=str
)
def test_stacked_and_distilled_heads(network: dict, augments: dict) -> None:
    """They train on the soft label with the logits that they have in the stock classifier; guides look through them."""
    if network is DISTILLED and 'at' in augments:
        augments = {**augments, 'at': 'backbone.layers.0'}
    if network is STACKED and 'at' in augments:
        augments = {**augments, 'at': 'backbone.layer1'}
    model = classifier(network, augments)
    told: list = []
    heard: list[Tensor] = []
    model.on_mix = told.append
    model.head.register_forward_hook(lambda module, args, output: heard.append(output))
    losses = model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    expected = -(told[0].scores * heard[-1].log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(losses['loss'], expected)
    losses['loss'].backward()
    assert all(bool(p.grad.any()) for name, p in model.head.named_parameters() if name.endswith('weight'))
    plain = ImageClassifier(**deepcopy(network)).eval()
    plain.load_state_dict(model.eval().state_dict())
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(model(images), plain(images))
    if network is DISTILLED:
        own, distilled = plain.head.pre_logits(plain.extract_feat(images))
        mean = (plain.head.layers.head(own) + plain.head.layers.head_dist(distilled)) / 2
        torch.testing.assert_close(model.predict(images)[0].pred_score, mean.softmax(1)[0])


@pytest.mark.parametrize(
    ('backbone', 'head', 'words'),
    [
        (
            DISTILLED,
            'mmmix.SUMixVisionTransformerClsHead',
            'a class and a distillation token: use mmmix.SUMixDeiTClsHead',
        ),
        (DISTILLED, 'mmpretrain.VisionTransformerClsHead', 'VisionTransformerClsHead the backbone VisionTransformer'),
        (DISTILLED, 'mmpretrain.LinearClsHead', 'LinearClsHead takes one token'),
        (DEIT, 'mmpretrain.DeiTClsHead', 'use the backbone DistilledVisionTransformer'),
        (RESNET, 'mmpretrain.DeiTClsHead', 'or VisionTransformerClsHead'),
    ],
)
def test_tokens_that_a_head_cannot_take_are_refused_when_it_is_built(backbone: dict, head: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        classifier({**backbone, 'head': dict(type=head, num_classes=5, in_channels=16)})
    assert len(str(error.value).splitlines()) == 1


def test_two_numbers_of_classes_are_refused_when_it_is_built() -> None:
    words = 'the head has 5 classes but the data preprocessor 10: set `num_classes` alike'
    with pytest.raises(ValueError, match=words):
        classifier(data_preprocessor=dict(num_classes=10))
    assert classifier(data_preprocessor=dict(num_classes=5)).num_classes == 5
