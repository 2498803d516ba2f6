"""What a learned mask is put together with: networks, heads, partners, labels; and what is refused in one line."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from networks import DEIT, RESNET, SUMIX, SWIN, classifier
from test_automix import AUTOMIX, step, total
from torch import Tensor, nn

import mmmix

WRN: dict[str, Any] = dict(
    backbone=dict(type='mmmix.WideResNet_CIFAR', depth=10, widen_factor=1),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=64),
)
RESNEXT: dict[str, Any] = dict(
    backbone=dict(type='mmmix.ResNeXt_CIFAR', depth=50, groups=2, width_per_group=2, base_channels=8, stem_channels=8),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=256),
)
DEIT_SUMIX: dict[str, Any] = {
    **DEIT,
    'head': dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=5, in_channels=16),
}
IMAGENET: dict[str, Any] = dict(
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=64),
)
KINDS = ['AutoMix', 'SAMix', 'AdAutoMix']
HARD = dict(type='mmmix.HardPool', size=8, min_size=1, prob=0.5)
HISTORY = dict(type='mmmix.History')
COMPOSITIONS: dict[str, tuple[dict, dict, int]] = {
    'resnet': (RESNET, {}, 32),
    'resnet-elem': (RESNET, dict(lam_mode='elem', prob=0.5), 32),
    'resnet-area': (RESNET, dict(labels=dict(type='mmmix.Area')), 32),
    'resnet-lumix': (RESNET, dict(labels=dict(type='mmmix.LUMix')), 32),
    'resnet-hard': (RESNET, dict(partners=HARD), 32),
    'resnet-history': (RESNET, dict(partners=HISTORY), 32),
    'resnet-bilinear': (RESNET, dict(upsample='bilinear', features='backbone.layer2'), 32),
    'resnet-one-head': (RESNET, dict(clean_head=False), 32),
    'sumix': (SUMIX, {}, 32),
    'sumix-hard': (SUMIX, dict(partners=HARD), 32),
    'sumix-history': (SUMIX, dict(partners=HISTORY), 32),
    'sumix-area': (SUMIX, dict(labels=dict(type='mmmix.Area'), lam_mode='elem'), 32),
    'imagenet': (IMAGENET, dict(mask_decay=True), 64),
    'resnext': (RESNEXT, {}, 32),
    'wrn': (WRN, dict(features='backbone.stages.1'), 32),
    'deit': (DEIT, dict(features='backbone.layers.0'), 32),
    'deit-transmix': (DEIT, dict(features='backbone.layers.0', labels=dict(type='mmmix.TransMix')), 32),
    'deit-sumix': (DEIT_SUMIX, dict(features='backbone.layers.0'), 32),
    'deit-hard': (DEIT, dict(features='backbone.layers.-1', partners=HARD), 32),
    'swin': (SWIN, dict(features='backbone.stages.2'), 64),
    'swin-area': (SWIN, dict(features='backbone.stages.1', labels=dict(type='mmmix.Area')), 64),
}


class AllHard:
    """A memory in which every sample is hard."""

    active = True

    def is_hard(self, sample_idx: Any) -> Tensor:
        return torch.as_tensor(sample_idx) >= 0


#: Policies that share a label out between two images.
PAIRS = ('mmmix.LUMix', 'mmmix.TransMix')


def arguments(name: str, kind: str) -> dict[str, Any]:
    """The arguments of a composition, with two images where its labels know no more."""
    args = COMPOSITIONS[name][1]
    pairs = kind == 'AdAutoMix' and args.get('labels', {}).get('type') in PAIRS
    return {**args, 'type': f'mmmix.{kind}', **(dict(n_images=2) if pairs else {})}


@pytest.mark.parametrize('name', COMPOSITIONS)
@pytest.mark.parametrize('kind', KINDS)
def test_compositions_train(name: str, kind: str) -> None:
    network, _, size = COMPOSITIONS[name]
    torch.manual_seed(0)
    model = classifier(deepcopy(network), arguments(name, kind)).train()
    model.hard_table = AllHard()
    block = model.learned[kind.lower()].block
    before = deepcopy(block.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for seed in range(2):
        losses, mix = step(model, seed=seed, size=size)
        assert bool(torch.isfinite(total(losses)))
        assert mix.mask.shape == (6, 1, size, size)
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
    assert any(not torch.equal(value, before[key]) for key, value in block.state_dict().items())


#: What stands around a learned mixer in a run: other mixers in the recipe, an optimizer wrapper, a running average.
AROUND: dict[str, tuple[dict, list[Any], str, bool]] = {
    'recipe': (RESNET, [dict(type='mmmix.CutMix'), None], 'OptimWrapper', False),
    'recipe-guided': (RESNET, [dict(type='mmmix.PuzzleMix')], 'OptimWrapper', False),
    'recipe-sumix': (SUMIX, [dict(type='mmmix.Mixup')], 'OptimWrapper', False),
    'autocast': (RESNET, [], 'mmmix.AutocastOptimWrapper', False),
    'autocast-sumix': (SUMIX, [], 'mmmix.AutocastOptimWrapper', False),
    'autocast-recipe': (RESNET, [dict(type='mmmix.CutMix')], 'mmmix.AutocastOptimWrapper', False),
    'ema': (RESNET, [], 'OptimWrapper', True),
    'ema-sumix-recipe': (SUMIX, [dict(type='mmmix.FMix')], 'OptimWrapper', True),
}


@pytest.mark.parametrize('name', AROUND)
@pytest.mark.parametrize('kind', KINDS)
def test_what_stands_around_them_in_a_run(name: str, kind: str) -> None:
    """Each mixer of the recipe has its turn; the average takes a step after each."""
    network, others, wrapper, averaged = AROUND[name]
    torch.manual_seed(0)
    model = classifier(deepcopy(network), [dict(type=f'mmmix.{kind}'), *others]).train()
    average = ExponentialMovingAverage(model, momentum=0.5) if averaged else None
    optim = build_optim_wrapper(model, dict(type=wrapper, optimizer=dict(type='SGD', lr=0.1)))
    student, block = model.backbone.conv1.weight, model.learned[kind.lower()].block
    before = student.clone(), deepcopy(block.state_dict())
    # The average begins with its first step, so there are two rounds.
    for augment in 2 * model.recipe.augments:
        model.recipe.choose = lambda coins=None, augment=augment: augment
        with optim.optim_context(model):
            losses, _ = step(model, n=4)
            loss = total(losses)
        assert bool(torch.isfinite(loss))
        optim.update_params(loss)
        if average is not None:
            average.update_parameters(model)
    assert not torch.equal(student, before[0])
    assert any(not torch.equal(value, before[1][key]) for key, value in block.state_dict().items())
    assert all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())
    if average is not None:
        assert not torch.equal(average.module.backbone.conv1.weight, student)
        averaged_block = average.module.learned[kind.lower()].block
        assert not torch.equal(next(averaged_block.parameters()), next(block.parameters()))


@pytest.mark.parametrize(
    ('network', 'args', 'words'),
    [
        ({**SUMIX, 'head': {**SUMIX['head'], 'clean_pass': 'detached'}}, {}, "clean_pass='train'"),  # type: ignore[dict-item]
        (RESNET, dict(features='backbone.layer7'), "no 'layer7'"),
        (RESNET, dict(features='head.fc'), 'must be in the backbone'),
        (DEIT, dict(features='backbone'), 'no map or tokens at'),
        (RESNET, dict(at='backbone.layer1'), 'does not take `at`'),
        (RESNET, dict(upsample='cubic'), '`upsample`'),
        (RESNET, dict(lam_margin=0.6), '`lam_margin`'),
        (RESNET, dict(momentum=(0.9, 0.8)), '`momentum`'),
    ],
)
def test_what_cannot_be_is_said_in_one_line(network: dict, args: dict, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        classifier(deepcopy(network), {**AUTOMIX, **args})
    assert words in str(caught.value) and '\n' not in str(caught.value)


def test_without_a_classifier_that_trains_it() -> None:
    with pytest.raises(RuntimeError, match='MixClassifier'):
        mmmix.AutoMix()(torch.rand(4, 3, 8, 8), torch.eye(4))
    with pytest.raises(TypeError, match='trains nothing beside the network'):
        mmmix.AutoMix().bind(nn.Linear(2, 2))
