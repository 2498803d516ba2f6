"""The SUMix heads inside a training step: what it trains, what it touches, and what its checkpoint is."""

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from networks import DEIT
from networks import RESNET as LINEAR
from torch import Tensor

from mmmix import CleanPass, sumix_terms
from mmmix.labels.sumix import unit_softmax

RESNET = {**LINEAR, 'head': dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64, init_cfg=None)}
VIT = dict(
    backbone={**DEIT['backbone'], 'img_size': 16},
    head=dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=5, in_channels=16, init_cfg=None),
)
HIDDEN: dict = {**VIT, 'head': {**VIT['head'], 'hidden_dim': 12}}
DISTILLED: dict = dict(
    backbone={**VIT['backbone'], 'type': 'mmpretrain.DistilledVisionTransformer'},
    head=dict(type='mmmix.SUMixDeiTClsHead', num_classes=5, in_channels=16, init_cfg=None),
)
HOSTS: dict[str, dict[str, Any]] = {
    'StackedLinearClsHead': dict(mid_channels=[24, 12]),
    'LeViTClsHead': dict(distillation=False),
    'EfficientFormerClsHead': dict(distillation=False),
    'VigClsHead': dict(hidden_dim=12),
}
STACKED, LEVIT, FORMER, VIG = (
    dict[str, Any](LINEAR, head=dict(type=f'mmmix.SUMix{kind}', num_classes=5, in_channels=64, init_cfg=None, **rest))
    for kind, rest in HOSTS.items()
)
NETWORKS = pytest.mark.parametrize(
    'network',
    [RESNET, VIT, HIDDEN],
    ids=['resnet', 'vit', 'vit-hidden'],
)
ALL_NETWORKS = pytest.mark.parametrize(
    'network',
    [RESNET, VIT, HIDDEN, DISTILLED, STACKED, LEVIT, FORMER, VIG],
    ids=['resnet', 'vit', 'vit-hidden', 'deit-distilled', 'stacked', 'levit', 'efficientformer', 'vig'],
)


def classifier(network: dict, augments: dict | None = None, **head: Any):
    network = deepcopy(network)
    network['head'].update(head)
    mixer = augments or dict(type='mmmix.CutMix', alpha=1.0, lam_mode='elem')
    return MODELS.build(dict(type='mmmix.MixClassifier', train_cfg=dict(augments=mixer), **network))


def plain(network: dict) -> ImageClassifier:
    """The same network without anything of this package."""
    network = deepcopy(network)
    kind = network['head']['type'].replace('mmmix.SUMix', '')
    network['head']['type'] = f'mmpretrain.{"LinearClsHead" if kind == "Head" else kind}'
    return ImageClassifier(**network)


def samples(n: int = 6, k: int = 5) -> list[DataSample]:
    return [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % k) for i in range(n)]


@ALL_NETWORKS
@pytest.mark.parametrize('clean_pass', ['train', 'detached'])
def test_a_step_trains_every_parameter(network, clean_pass):
    model = classifier(network, clean_pass=clean_pass)
    losses = model.loss(torch.rand(6, 3, 16, 16), samples())
    assert 0 <= float(losses['lam_sumix']) <= 1
    assert 1 / 5 - 1e-6 <= float(losses['uncertainty']) <= 1 / math.sqrt(5) + 1e-6
    assert not losses['lam_sumix'].requires_grad
    assert not losses['uncertainty'].requires_grad
    (losses['loss'] + losses['loss_reg']).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
    assert bool(model.head.uncertainty.weight.grad.any())


@pytest.mark.parametrize('clean_pass', ['train', 'detached'])
def test_clean_side_reaches_the_backbone_only_in_train(clean_pass):
    """Cut the mixed side off: what is left of the backbone's gradient came through the clean pass."""
    model = classifier(RESNET, relabel=False, clean_pass=clean_pass)
    images, scores = torch.rand(6, 3, 16, 16), torch.eye(6, 5)
    mix = next(model.mixers()).mix(images, scores)
    clean = CleanPass(model, mix.pool, mix.pool_scores, mode=clean_pass)
    with torch.no_grad():
        feats = model.extract_feat(mix.images)
    model.head.loss_mix(feats, mix, clean)['loss_reg'].backward()
    reached = [name for name, p in model.backbone.named_parameters() if p.grad is not None and bool(p.grad.any())]
    assert bool(reached) == (clean_pass == 'train')
    assert bool(model.head.uncertainty.weight.grad.any())
    assert clean.features.requires_grad == (clean_pass == 'train')


@pytest.mark.parametrize(('clean_pass', 'updates'), [('train', 2), ('detached', 1)])
def test_batch_norm_statistics(clean_pass, updates):
    model = classifier(RESNET, clean_pass=clean_pass)
    twin = classifier(RESNET)
    twin.load_state_dict(model.state_dict())
    norms: list[Any] = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    seen: list[Tensor] = []
    model.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.loss(torch.rand(6, 3, 16, 16), samples())
    assert {int(norm.num_batches_tracked) for norm in norms} == {updates}
    assert all(norm.training for norm in norms)
    # The statistics are those of the passes in train mode and of nothing else.
    for images in seen[-updates:]:
        twin.extract_feat(images)
    for (name, ours), theirs in zip(model.named_buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)


@ALL_NETWORKS
@pytest.mark.parametrize('regularizer', ['semantic', 'uncertainty', 'both', None])
def test_uncertainty_layer_is_always_in_the_graph(network, regularizer):
    for prob in (0.0, 1.0):
        model = classifier(network, dict(type='mmmix.CutMix', prob=prob), regularizer=regularizer)
        losses = model.loss(torch.rand(6, 3, 16, 16), samples())
        (losses['loss'] + losses['loss_reg']).backward()
        assert all(parameter.grad is not None for parameter in model.parameters()), (regularizer, prob)


@ALL_NETWORKS
def test_an_unmixed_batch_trains_plain_cross_entropy(network):
    model = classifier(network, dict(type='mmmix.CutMix', prob=0.0))
    images = torch.rand(6, 3, 16, 16)
    torch.manual_seed(1)
    losses = model.loss(images, samples())
    twin = plain(network)
    result = twin.load_state_dict(model.state_dict(), strict=False)
    assert not result.missing_keys
    torch.testing.assert_close(losses['loss'], twin.loss(images, samples())['loss'])
    assert float(losses['loss_reg'].detach()) == 0
    assert float(losses['lam_sumix']) == 1


@ALL_NETWORKS
def test_checkpoint_is_a_plain_classifiers(network, tmp_path):
    model = classifier(network)
    OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)).update_params(
        model.parse_losses(model.loss(torch.rand(6, 3, 16, 16), samples()))[0]
    )
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), str(tmp_path / 'sumix.pth'))
    twin = plain(network)
    loaded = load_checkpoint(twin, str(tmp_path / 'sumix.pth'))
    missing = twin.load_state_dict(loaded['state_dict'], strict=False)
    assert not missing.missing_keys
    assert missing.unexpected_keys == ['head.uncertainty.weight', 'head.uncertainty.bias']
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(model.eval()(images, mode='tensor'), twin.eval()(images, mode='tensor'))
    assert isinstance(model.predict(images)[0].pred_score, Tensor)


def test_partners_outside_the_batch_get_their_own_clean_logits():
    model = classifier(RESNET)
    mixer = next(model.mixers())
    extra = torch.rand(3, 3, 16, 16)

    class Outside(type(mixer.partners)):  # type: ignore[misc]
        def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            rows = torch.tensor([6, 7, 8, 6, 7, 8])
            return torch.cat([images, extra]), torch.cat([scores, torch.eye(3, 5)]), rows

    mixer.partners = Outside()
    passes: list[Tensor] = []
    model.backbone.register_forward_pre_hook(lambda module, args: passes.append(args[0]))
    images = torch.rand(6, 3, 16, 16)
    losses = model.loss(images, samples())
    assert [len(seen) for seen in passes] == [9, 6]
    torch.testing.assert_close(passes[0], torch.cat([images, extra]))
    assert bool(torch.isfinite(losses['loss']))


@pytest.mark.parametrize('raw', [False, True], ids=['unit', 'raw'])
@pytest.mark.parametrize(
    'options',
    [
        dict(distance='l2', temperature=3.0, lam_reduction='batch', regularizer='both'),
        dict(distance='released', scale=3.0, relabel=False, regularizer='uncertainty'),
    ],
    ids=['l2', 'released'],
)
def test_head_uses_the_options_it_was_given(options, raw):
    """The head's losses are those of `sumix_terms` with the same options, weighed by gamma; labels count by arg-max."""
    model = classifier(RESNET, gamma=0.25, raw_uncertainty=raw, **options).eval()
    soft = 0.7 * torch.eye(6, 5) + 0.1 * torch.rand(6, 5)
    soft[5] = torch.eye(5)[0]
    mix = next(model.mixers()).mix(torch.rand(6, 3, 16, 16), soft)
    clean = CleanPass(model, mix.pool, mix.pool_scores)
    feats = model.extract_feat(mix.images)
    losses = model.head.loss_mix(feats, mix, clean)
    layer = model.head.uncertainty
    u = (lambda features: layer(features)) if raw else (lambda features: unit_softmax(layer(features)))
    terms = sumix_terms(
        clean.logits, model.head(feats), u(clean.features), u(feats[-1]),
        torch.tensor([0, 1, 2, 3, 4, 0]), mix.partner, mix.lam, **options)  # fmt: skip
    torch.testing.assert_close(losses['loss'], terms['loss_mix'])
    torch.testing.assert_close(losses['loss_reg'], 0.25 * terms['loss_reg'])
    torch.testing.assert_close(losses['lam_sumix'], terms['lam'].mean())


@NETWORKS
def test_mixed_precision_gives_finite_gradients(network):
    for dtype in (torch.float16, torch.bfloat16):
        model = classifier(network)
        with torch.autocast('cpu', dtype=dtype):
            losses = model.loss(torch.rand(6, 3, 16, 16), samples())
        assert losses['loss_reg'].dtype == torch.float32
        (losses['loss'] + losses['loss_reg']).backward()
        assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(gamma=-1), '`gamma` must be a number of at least 0'),
        (dict(gamma='x'), "`gamma` must be a number of at least 0, e.g. gamma=0.5, but got 'x'"),
        (dict(gamma=True), '`gamma` must be a number of at least 0'),
        (dict(distance='released', scale=0), '`scale` must be a number above 0, or be None'),
        (dict(distance='released', scale='x'), '`scale` must be a number above 0, or be None'),
        (dict(temperature=0), '`temperature` must be a number above 0, or be None'),
        (dict(lam_reduction='mean'), "`lam_reduction` must be 'sample', 'batch' or None"),
        (dict(regularizer='all'), "`regularizer` must be 'semantic', 'uncertainty', 'both' or None"),
        (dict(distance='absolute'), "`distance` must be 'l2' or 'released', but got 'absolute'"),
        (dict(distance='signed'), "`distance` must be 'l2' or 'released', but got 'signed'"),
        (dict(scale=100.0), "`scale` belongs to distance='released': remove it, or set `temperature`"),
        (dict(distance='released', temperature=2.0), "`temperature` belongs to distance='l2': remove it"),
        (dict(distance='released', lam_reduction='sample'), "remove lam_reduction='sample', or use distance='l2'"),
        (dict(raw_uncertainty=1), '`raw_uncertainty` must be True or False'),
        (dict(log_grad_interval=0), '`log_grad_interval` must be a whole number of at least 1, or be None'),
        (dict(clean_pass='eval'), "`clean_pass` must be 'train', 'detached', 'lowres' or 'memory'"),
        (dict(loss=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True)), 'softmax cross entropies'),
        (dict(loss=dict(type='mmpretrain.FocalLoss')), 'cannot use FocalLoss'),
        (dict(loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, use_sigmoid=True)), '_delete_=True'),
        (dict(loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, class_weight=[1.0] * 5)), 'weigh'),
        (dict(loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label')), 'smooth labels'),
    ],
)
@pytest.mark.parametrize('network', [RESNET, VIT], ids=['resnet', 'vit'])
def test_bad_arguments_name_the_fix(network, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        classifier(network, **arguments)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ('network', 'arguments', 'names', 'host'),
    [
        (RESNET, dict(gama=0.5), '`gama`', 'LinearClsHead'),
        (RESNET, dict(mid_channels=[32], act_cfg=None), '`mid_channels`, `act_cfg`', 'LinearClsHead'),
        (VIT, dict(mid_channels=[32]), '`mid_channels`', 'VisionTransformerClsHead'),
    ],
)
def test_unknown_arguments_are_one_line_that_lists_those_there_are(network, arguments, names, host):
    """MobileNetV3's StackedLinearClsHead, for one, leaves arguments behind where its type alone is replaced."""
    with pytest.raises(TypeError, match=f'does not take {names}: it takes gamma, .*in_channels, ') as error:
        classifier(network, **arguments)
    assert f'it stands in the place of a {host}, so write ' in str(error.value)
    assert '`_delete_=True` where it replaces another head' in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert 'kwargs' not in str(error.value)


@pytest.mark.parametrize(
    ('network', 'words'),
    [
        ({**STACKED, 'head': {**STACKED['head'], 'type': 'mmmix.SUMixHead'}}, 'mmmix.SUMixStackedLinearClsHead'),
        ({**LEVIT, 'head': {**LEVIT['head'], 'type': 'mmmix.SUMixHead'}}, 'mmmix.SUMixLeViTClsHead'),
        ({**LINEAR, 'head': dict(type='mmmix.SUMixHead', num_classes=5)}, 'needs `in_channels`'),
        ({**LINEAR, 'head': dict(type='mmmix.SUMixHead', num_classes=5, in_channels=[4, 8])}, 'keep ConformerHead'),
    ],
)
def test_a_head_of_another_network_names_the_right_one(network, words):
    with pytest.raises(TypeError, match=words) as error:
        classifier(network)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize('network', [LEVIT, FORMER], ids=['levit', 'efficientformer'])
def test_distillation_is_refused(network):
    with pytest.raises(ValueError, match='set `distillation=False` in `head`'):
        classifier(network, distillation=True)


def test_one_pass_through_the_head():
    """Its batch norm counts each batch once, and features and logits are of one draw of the dropout."""
    model = classifier({**VIG, 'head': {**VIG['head'], 'dropout': 0.5}})
    drawn: list[bool] = []
    model.head.drop.register_forward_hook(lambda module, args, output: drawn.append(module.training))
    model.loss(torch.rand(6, 3, 16, 16), samples())
    assert int(model.head.bn.num_batches_tracked) == 2, 'the clean and the mixed batch'
    assert drawn.count(True) == 2, 'what the log measures draws nothing'
    features, logits = model.head.look((torch.rand(6, 64),))
    torch.testing.assert_close(model.head.fc2(features), logits)


@pytest.mark.parametrize('mode', ['original', 'classy_vision'])
def test_smoothing_is_that_of_the_loss(mode):
    """With the shares of the area the loss is linear in the labels: mmpretrain's own on the mixed ones."""
    smooth = dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.2, mode=mode)
    model = classifier(RESNET, relabel=False, clean_pass='detached', loss=smooth).eval()
    mix = next(model.mixers()).mix(torch.rand(6, 3, 16, 16), torch.eye(6, 5))
    feats = model.extract_feat(mix.images)
    scores = torch.stack([mix.lam, mix.lam_partner], 1)
    labels = torch.stack([mix.pool_scores[:6].argmax(1), mix.pool_scores[mix.partner].argmax(1)], 1)
    mixed = torch.zeros(6, 5).scatter_add_(1, labels, scores)
    losses = model.head.loss_mix(feats, mix, CleanPass(model, mix.pool, mix.pool_scores))
    torch.testing.assert_close(losses['loss'], model.head.loss_module(model.head(feats), mixed))


@NETWORKS
def test_the_stock_classifier_is_refused_in_training(network):
    """There the head would train as if there were no SUMix."""
    stock = ImageClassifier(**deepcopy(network), train_cfg=dict(augments=dict(type='mmmix.CutMix')))
    with pytest.raises(RuntimeError, match=r"use type='mmmix\.MixClassifier' in place of"):
        stock.loss(torch.rand(6, 3, 16, 16), samples())
    stock.eval()
    assert bool(torch.isfinite(stock.loss(torch.rand(6, 3, 16, 16), samples())['loss']))
    assert len(stock.predict(torch.rand(2, 3, 16, 16))) == 2


# ----------------------------------------------------------------------------------------------------------- the log


@NETWORKS
def test_the_regularisers_part_of_the_gradient(network):
    """As the graph that trains has it, at what the head is given."""
    model = classifier(network, clean_pass='detached', gamma=0.7)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter)
    seen: list[Tensor] = []
    model.head.register_forward_pre_hook(lambda module, args: seen.append(args[0][-1]))
    losses = model.loss(torch.rand(6, 3, 16, 16), samples())
    mixed, regularised = (
        torch.autograd.grad(losses[name], seen[-1], retain_graph=True)[0].norm() for name in ('loss', 'loss_reg')
    )
    assert not losses['sumix_reg_grad'].requires_grad
    assert float(losses['sumix_reg_grad']) == pytest.approx(float(regularised / (mixed + regularised)), rel=1e-4)
    assert 0.001 < float(losses['sumix_reg_grad']) < 0.999


def test_the_part_of_the_gradient_is_measured_now_and_then():
    """Every third mixed batch, repeated in between; training is the same bit by bit with it and without it."""
    watched, blind = (classifier(RESNET, log_grad_interval=interval) for interval in (3, None))
    blind.load_state_dict(watched.state_dict())
    log = []
    for model in (watched, blind):
        optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
        torch.manual_seed(0)
        for _ in range(7):
            losses = model.loss(torch.rand(6, 3, 16, 16), samples())
            log.append(losses.get('sumix_reg_grad'))
            optim.update_params(model.parse_losses(losses)[0])
    first, second, third = log[0], log[3], log[6]
    assert log[:7] == [first] * 3 + [second] * 3 + [third]
    assert len({float(value) for value in log[:7]}) == 3
    assert log[7:] == [None] * 7
    assert all(torch.equal(one, two) for one, two in zip(watched.parameters(), blind.parameters(), strict=True))
    silent = classifier(RESNET, gamma=0.0).loss(torch.rand(6, 3, 16, 16), samples())
    assert 'sumix_reg_grad' not in silent


def test_how_saturated_the_shares_are(monkeypatch):
    model = classifier(RESNET)
    new = torch.tensor([0.0, 0.049, 0.05, 0.5, 0.96, 1.0])
    monkeypatch.setattr('mmmix.labels.sumix.learned_share', lambda *args: new)
    losses = model.loss(torch.rand(6, 3, 16, 16), samples())
    assert float(losses['sumix_saturated']) == pytest.approx(4 / 6)
    assert 'sumix_saturated' not in classifier(RESNET, relabel=False).loss(torch.rand(6, 3, 16, 16), samples())
    unmixed = classifier(RESNET, dict(type='mmmix.CutMix', prob=0.0)).loss(torch.rand(6, 3, 16, 16), samples())
    assert 'sumix_saturated' not in unmixed


@pytest.mark.parametrize('kind', ['CrossEntropyLoss', 'LabelSmoothLoss'])
def test_losses_with_weight_and_smoothing(kind):
    smoothing = dict(label_smooth_val=0.1, mode='original') if kind == 'LabelSmoothLoss' else {}
    heads = [dict(loss=dict(type=f'mmpretrain.{kind}', loss_weight=weight, **smoothing)) for weight in (1.0, 2.0)]
    models = [classifier(RESNET, clean_pass='detached', **head).eval() for head in heads]
    models[1].load_state_dict(models[0].state_dict())
    mix = next(models[0].mixers()).mix(torch.rand(6, 3, 16, 16), torch.eye(6, 5))
    one, two = (
        m.head.loss_mix(m.extract_feat(mix.images), mix, CleanPass(m, mix.pool, mix.pool_scores)) for m in models
    )
    torch.testing.assert_close(2 * one['loss'], two['loss'])
    torch.testing.assert_close(one['loss_reg'], two['loss_reg'])
