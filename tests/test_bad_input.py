"""Bad input ends in one line that names the fix, before training where possible."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from mmpretrain.registry import BATCH_AUGMENTS, MODELS
from mmpretrain.structures import DataSample, MultiTaskDataSample
from networks import DEIT, GUIDED, RESNET, classifier, data

from mmmix import CutMix, HardPool, InputGradient, Mixup, SelectiveCut

IMAGES, SCORES = torch.rand(4, 3, 8, 8), torch.eye(4)


def says(error: pytest.ExceptionInfo[Any], *words: str) -> None:
    """The message is one line and holds these words."""
    text = str(error.value)
    assert '\n' not in text, text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize('build', [CutMix, lambda **args: BATCH_AUGMENTS.build(dict(type='mmmix.CutMix', **args))])
def test_unknown_argument(build) -> None:
    with pytest.raises(TypeError) as error:
        build(alhpa=1.0)
    says(error, '`alhpa`', 'it takes alpha, prob, lam_mode')


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (dict(alpha=0), ('`alpha`', 'above 0')),
        (dict(alpha=-1.0), ('`alpha`', 'above 0')),
        (dict(alpha='1'), ('`alpha`', 'above 0')),
        (dict(prob=1.5), ('`prob`', '[0, 1]')),
        (dict(prob=-0.1), ('`prob`', '[0, 1]')),
        (dict(lam_mode='sample'), ('`lam_mode`', "'elem'")),
        (dict(partners=dict(type='mmmix.InputGradient')), ('`partners`', 'Partners')),
        (dict(keep=InputGradient()), ('`keep`', 'Keep')),
    ],
)
def test_arguments_out_of_range(args: dict, words: tuple[str, ...]) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        CutMix(**args)
    says(error, *words)


def test_alpha_may_be_an_integer() -> None:
    assert CutMix(alpha=1).alpha == 1.0


def test_keep_needs_a_cut() -> None:
    with pytest.raises(TypeError) as error:
        Mixup(keep=dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient')))
    says(error, 'Mixup does not take `keep`', 'it takes alpha')


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (dict(guide=InputGradient(), tau=1.2), ('`tau`', '[0, 1]')),
        (dict(guide=None), ('needs a guide', 'mmmix.InputGradient')),
        (dict(guide=dict(type='mmmix.Permutation')), ('`guide`', 'Guide')),
    ],
)
def test_selective_cut_arguments(args: dict, words: tuple[str, ...]) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        SelectiveCut(**args)
    says(error, *words)


@pytest.mark.parametrize(
    ('images', 'scores', 'words'),
    [
        (IMAGES, torch.arange(4), ('num_classes', 'one_hot')),
        (IMAGES, torch.arange(4)[:, None], ('(N, K)', 'whole numbers', '.flatten()', 'num_classes')),
        (IMAGES, torch.arange(4.0), ('(N, K)', 'one_hot')),
        (IMAGES, torch.ones(4, dtype=torch.bool), ('(N, K)', 'torch.bool', 'one_hot')),
        (IMAGES, [0, 1, 2, 3], ('list', 'one-hot')),
        (IMAGES, None, ('NoneType', 'one-hot')),
        (IMAGES, torch.eye(3), ('4 images but 3 labels',)),
        (IMAGES[:0], SCORES[:0], ('empty',)),
        (IMAGES[0], SCORES, ('(N, C, H, W)',)),
        ((IMAGES * 255).int(), SCORES, ('floating point', '.float()')),
        (IMAGES.numpy(), SCORES, ('floating point',)),
    ],
)
@pytest.mark.parametrize('mixer', [CutMix(), Mixup(lam_mode='elem')], ids=['cutmix', 'mixup'])
def test_batches_that_cannot_be_mixed(mixer, images, scores, words: tuple[str, ...]) -> None:
    if isinstance(mixer, Mixup) and '(N, C, H, W)' in words:
        pytest.skip('Mixup takes any shape')
    with pytest.raises((TypeError, ValueError)) as error:
        mixer(images, scores)
    says(error, *words)


def test_integer_one_hot_labels_are_fine() -> None:
    _, scores = CutMix()(IMAGES, torch.eye(4).long())
    assert scores.is_floating_point()


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_non_finite_images_are_found_when_asked(value: float) -> None:
    images = IMAGES.clone()
    images[2, 1, 3, 3] = value
    with pytest.raises(ValueError) as error:
        CutMix(check_finite=True)(images, SCORES)
    says(error, 'NaN or infinity', 'pipeline')
    CutMix()(images, SCORES)


def test_a_guide_in_the_stock_classifier() -> None:
    model = ImageClassifier(
        train_cfg=dict(augments=deepcopy(GUIDED)), **deepcopy(RESNET), data_preprocessor=dict(num_classes=5)
    )
    with pytest.raises(RuntimeError) as error:
        model.data_preprocessor(data(), training=True)
    says(error, 'InputGradient', "type='mmmix.MixClassifier'")


def test_a_hard_pool_in_the_stock_classifier() -> None:
    with pytest.raises(RuntimeError) as error:
        CutMix(partners=HardPool())(IMAGES, SCORES)
    says(error, 'HardPool', "type='mmmix.MixClassifier'")


def test_a_hard_pool_without_its_hook() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', partners=dict(type='mmmix.HardPool')))
    with pytest.raises(RuntimeError) as error:
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    says(error, 'mmmix.HardSampleHook', 'custom_hooks')


def test_sample_idx_missing() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix'))
    model.hard_table = object()
    with pytest.raises(ValueError) as error:
        model.loss(torch.rand(2, 3, 32, 32), [DataSample().set_gt_label(i) for i in range(2)])
    says(error, '`sample_idx`', 'meta_keys')


@pytest.mark.parametrize(
    ('samples', 'words'),
    [
        ([DataSample(), DataSample()], ('Sample 0', '`gt_label`', '`gt_score`')),
        ([DataSample().set_gt_label(0), DataSample()], ('Sample 1', '`gt_label`')),
        ([DataSample().set_gt_label([0, 1]), DataSample().set_gt_label(1)], ('2 labels', 'num_classes')),
        (
            [DataSample().set_gt_score(torch.eye(7)[i]) for i in range(2)],
            ('7 classes', 'the head has 5', '`num_classes`'),
        ),
        ([MultiTaskDataSample(), MultiTaskDataSample()], ('MultiTaskDataSample', 'ImageClassifier')),
        (None, ('labels', '`gt_label`')),
    ],
)
def test_labels_that_cannot_be_mixed(samples, words: tuple[str, ...]) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        classifier().loss(torch.rand(2, 3, 32, 32), samples)
    says(error, *words)


def test_number_of_classes_unknown() -> None:
    with pytest.raises(ValueError) as error:
        MODELS.build(
            dict(
                type='mmmix.MixClassifier', backbone=deepcopy(RESNET['backbone']), head=dict(type='mmpretrain.ClsHead')
            )
        )
    says(error, '`num_classes`')


@pytest.mark.parametrize(
    ('head', 'words'),
    [
        (dict(type='mmpretrain.LinearClsHead', cal_acc=True), ('`cal_acc=True`', '`mix_acc`')),
        (dict(type='mmpretrain.ArcFaceClsHead'), ('ArcFaceClsHead', 'label shares')),
        (
            dict(type='mmpretrain.LinearClsHead', loss=dict(type='mmpretrain.SeesawLoss', num_classes=5)),
            ('SeesawLoss', 'label shares'),
        ),
        (
            dict(type='mmmix.SUMixHead', loss=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True)),
            ('SUMixHead', 'use_sigmoid'),
        ),
        (dict(type='mmmix.SUMixHead', loss=dict(type='mmpretrain.FocalLoss')), ('SUMixHead', 'FocalLoss')),
        (dict(type='mmmix.SUMixHead', gamma=-1), ('`gamma`',)),
        (dict(type='mmmix.SUMixHead', scale=0), ('`scale`',)),
        (dict(type='mmmix.SUMixHead', regularizer='all'), ('`regularizer`', "'both'")),
        (dict(type='mmmix.SUMixHead', lam_reduction='mean'), ('`lam_reduction`', "'sample'")),
        (dict(type='mmmix.SUMixHead', clean_pass='eval'), ('`clean_pass`', "'detached'")),
    ],
)
def test_heads_that_cannot_take_the_shares(head: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as error:
        classifier({**RESNET, 'head': dict(num_classes=5, in_channels=64, **head)})
    says(error, *words)


def test_a_stock_mixer_under_a_head_that_needs_the_mix() -> None:
    head = dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64)
    with pytest.raises(ValueError) as error:
        classifier({**RESNET, 'head': head}, augments=dict(type='mmpretrain.CutMix', alpha=1.0))
    says(error, 'mmmix.CutMix')


def test_train_cfg_with_other_keys_and_two_sources_of_mixers() -> None:
    with pytest.raises(ValueError) as error:
        MODELS.build(
            dict(
                type='mmmix.MixClassifier',
                train_cfg=dict(augments=dict(type='mmmix.CutMix'), alpha=1),
                **deepcopy(DEIT),
            )
        )
    says(error, '`train_cfg`', "['alpha']")
    with pytest.raises(ValueError) as error:
        MODELS.build(
            dict(
                type='mmmix.MixClassifier',
                train_cfg=dict(augments=dict(type='mmmix.CutMix')),
                data_preprocessor=dict(batch_augments=dict(augments=dict(type='mmmix.CutMix'))),
                **deepcopy(DEIT),
            )
        )
    says(error, 'keep one')


@pytest.mark.parametrize('mixer', [CutMix(), Mixup(lam_mode='elem')], ids=['cutmix', 'mixup'])
def test_whole_numbers_in_a_column_are_no_scores(mixer) -> None:
    """A loader that stacks labels gives ``(N, 1)``: averaged as scores they would be classes that nobody meant."""
    with pytest.raises(ValueError) as error:
        mixer(IMAGES, torch.arange(4)[:, None])
    says(error, '(4, 1)', 'one_hot(labels.flatten(), num_classes)')
    mixer(IMAGES, torch.rand(4, 1))


@pytest.mark.parametrize('where', ['train_cfg', 'batch_augments'])
@pytest.mark.parametrize(
    ('given', 'words'),
    [
        (dict(augments=[]), ('`augments`', 'is empty', 'name a mixer')),
        (dict(augments='mmmix.CutMix'), ('`augments`', "dict(type='mmmix.CutMix')")),
        (dict(augments=['mmmix.CutMix', dict(type='mmmix.Mixup')]), ("dict(type='mmmix.CutMix')",)),
        (dict(augments=None), ('`augments`', 'None')),
        (dict(augments=dict(type='mmmix.CutMix'), probs=-0.5), ('`probs`', '[0, 1]', '-0.5')),
        (dict(augments=[dict(type='mmmix.CutMix')] * 2, probs=[0.9, -0.1]), ('`probs`', '[0, 1]', '-0.1')),
        (dict(augments=[dict(type='mmmix.CutMix')] * 2, probs=[0.9, 0.2]), ('`probs`', 'at most 1')),
        (dict(augments=[dict(type='mmmix.CutMix')] * 2, probs=[0.5]), ('1 for 2 `augments`', 'one for each')),
        (dict(augments=dict(type='mmmix.CutMix'), probs='half'), ('`probs`', 'numbers', "'half'")),
        (dict(augments=dict(type='mmmix.CutMix'), probs=['half']), ('`probs`', '[0, 1]', "'half'")),
        (dict(augments=dict(type='mmmix.CutMix'), probs=[float('nan')]), ('`probs`', '[0, 1]')),
        (dict(probs=[0.5]), ('no `augments`',)),
        (dict(augments=dict(type='mmmix.CutMix'), alpha=1), ("['alpha']",)),
        ('mmmix.CutMix', ('must be a dict', "'mmmix.CutMix'")),
        ([dict(type='mmmix.CutMix')], ('must be a dict', 'dict(augments=')),
    ],
)
def test_a_choice_among_mixers_that_is_none_is_refused_at_build(where: str, given, words: tuple[str, ...]) -> None:
    cfg = dict(train_cfg=given) if where == 'train_cfg' else dict(data_preprocessor=dict(batch_augments=given))
    with pytest.raises((TypeError, ValueError)) as error:
        MODELS.build(deepcopy(dict(type='mmmix.MixClassifier', **cfg, **RESNET)))
    says(error, 'MixClassifier', f'{where}`', *words)


def test_a_choice_that_somebody_built_is_looked_at_as_well() -> None:
    """The preprocessor may come as a module, and its mixers may be exchanged while training."""
    model = classifier()
    model.data_preprocessor.batch_augments = RandomBatchAugment([])
    with pytest.raises(ValueError) as error:
        model.data_preprocessor(data(), training=True)
    says(error, '`augments`', 'is empty')


@pytest.mark.parametrize('probs', [1, 0.5, [0.5], [1]])
def test_one_probability_may_be_a_number(probs) -> None:
    model = MODELS.build(
        deepcopy(dict(type='mmmix.MixClassifier', train_cfg=dict(augments=GUIDED, probs=probs), **RESNET))
    )
    assert len(model.recipe.augments) == 2
