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
from mmmix.models.losses.sumix import unit_softmax

RESNET = {**LINEAR, 'head': dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64, init_cfg=None)}
VIT = dict(
    backbone={**DEIT['backbone'], 'img_size': 16},
    head=dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=5, in_channels=16, init_cfg=None),
)
HIDDEN: dict = {**VIT, 'head': {**VIT['head'], 'hidden_dim': 12}}
NETWORKS = pytest.mark.parametrize(
    'network',
    [RESNET, VIT, HIDDEN],
    ids=['resnet', 'vit', 'vit-hidden'],
)


def classifier(network: dict, augments: dict | None = None, **head: Any):
    network = deepcopy(network)
    network['head'].update(head)
    mixer = augments or dict(type='mmmix.CutMix', alpha=1.0, lam_mode='elem')
    return MODELS.build(dict(type='mmmix.MixClassifier', train_cfg=dict(augments=mixer), **network))


def plain(network: dict) -> ImageClassifier:
    """The same network without anything of this package."""
    network = deepcopy(network)
    kind = 'LinearClsHead' if 'neck' in network else 'VisionTransformerClsHead'
    network['head']['type'] = f'mmpretrain.{kind}'
    return ImageClassifier(**network)


def samples(n: int = 6, k: int = 5) -> list[DataSample]:
    return [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % k) for i in range(n)]


@NETWORKS
@pytest.mark.parametrize('clean_pass', ['train', 'detached'])
def test_a_step_trains_every_parameter(network, clean_pass):
    model = classifier(network, scale=1.0, clean_pass=clean_pass)
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
    model = classifier(RESNET, scale=1.0, relabel=False, clean_pass=clean_pass)
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


@NETWORKS
@pytest.mark.parametrize('regularizer', ['semantic', 'uncertainty', 'both', None])
def test_uncertainty_layer_is_always_in_the_graph(network, regularizer):
    for prob in (0.0, 1.0):
        model = classifier(network, dict(type='mmmix.CutMix', prob=prob), regularizer=regularizer)
        losses = model.loss(torch.rand(6, 3, 16, 16), samples())
        (losses['loss'] + losses['loss_reg']).backward()
        assert all(parameter.grad is not None for parameter in model.parameters()), (regularizer, prob)


@NETWORKS
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


@NETWORKS
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
    model = classifier(RESNET, scale=1.0)
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


@pytest.mark.parametrize('mixer', ['Mixup', 'CutMix'])
def test_head_uses_the_options_it_was_given(mixer):
    """The head's losses are those of `sumix_terms` with the very same options, weighed by gamma."""
    options: dict[str, Any] = dict(
        scale=3.0, lam_reduction='batch', relabel=True, regularizer='both', distance='absolute'
    )
    model = classifier(RESNET, dict(type=f'mmmix.{mixer}'), gamma=0.25, **options).eval()
    mix = next(model.mixers()).mix(torch.rand(6, 3, 16, 16), torch.eye(6, 5))
    clean = CleanPass(model, mix.pool, mix.pool_scores)
    feats = model.extract_feat(mix.images)
    losses = model.head.loss_mix(feats, mix, clean)
    layer = model.head.uncertainty
    terms = sumix_terms(
        clean.logits, model.head(feats), unit_softmax(layer(clean.features)), unit_softmax(layer(feats[-1])),
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
        (dict(scale=0), '`scale` must be a number above 0, or be None'),
        (dict(lam_reduction='mean'), "`lam_reduction` must be 'sample' or 'batch'"),
        (dict(regularizer='all'), "`regularizer` must be 'semantic', 'uncertainty', 'both' or None"),
        (dict(distance='cosine'), "`distance` must be 'absolute' or 'signed'"),
        (dict(clean_pass='eval'), "`clean_pass` must be 'train' or 'detached'"),
        (dict(loss=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True)), 'softmax cross entropies'),
        (dict(loss=dict(type='mmpretrain.FocalLoss')), 'cannot use FocalLoss'),
        (dict(loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label')), 'smooth labels'),
    ],
)
@pytest.mark.parametrize('network', [RESNET, VIT], ids=['resnet', 'vit'])
def test_bad_arguments_name_the_fix(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        classifier(network, **arguments)


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
