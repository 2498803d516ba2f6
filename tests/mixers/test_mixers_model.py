"""Image mixers inside the classifiers that run them."""

import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor

import mmmix

NET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=32),
)
ASK_THE_MODEL = ('CoMixup', 'PuzzleMix', 'SaliencyGrafting', 'SnapMix')
STAND_ALONE = (
    'FMix',
    'GridMask',
    'GridMix',
    'GuidedMixup',
    'RecursiveMix',
    'ResizeMix',
    'SaliencyMix',
    'SmoothMix',
    'StackMix',
)


def batch(n: int = 6) -> tuple[Tensor, list[DataSample]]:
    return torch.rand(n, 3, 16, 16), [DataSample().set_gt_label(i % 5) for i in range(n)]


@pytest.mark.parametrize('mode', ['batch', 'elem'])
@pytest.mark.parametrize('name', ASK_THE_MODEL + STAND_ALONE)
def test_a_training_step(name: str, mode: str) -> None:
    model = mmmix.MixClassifier(**NET, train_cfg=dict(augments=dict(type=f'mmmix.{name}', lam_mode=mode)))
    for n in (6, 4):  # the last batch of an epoch is smaller
        losses = model.loss(*batch(n))
        losses['loss'].backward()
        assert torch.isfinite(losses['loss'])
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize('name', STAND_ALONE)
def test_the_stock_classifier_runs_it(name: str) -> None:
    model = ImageClassifier(
        **NET,
        train_cfg=dict(augments=dict(type=f'mmmix.{name}')),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', num_classes=5, to_onehot=True),
    )
    images, samples = batch()
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
    assert torch.isfinite(model.loss(**data)['loss'])


@pytest.mark.parametrize('name', ASK_THE_MODEL)
def test_without_a_model_the_error_names_mixclassifier(name: str) -> None:
    mixer = getattr(mmmix, name)()
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        mixer(torch.rand(4, 3, 16, 16), torch.eye(4))


def test_comixup_tells_a_head_its_strongest_partner() -> None:
    head = dict(type='mmmix.SUMixHead', num_classes=5, in_channels=32)
    model = mmmix.MixClassifier(**{**NET, 'head': head}, train_cfg=dict(augments=dict(type='mmmix.CoMixup', part=3)))
    losses = model.loss(*batch())
    assert torch.isfinite(losses['loss']) and torch.isfinite(losses['loss_reg'])


def test_what_recursivemix_remembers_is_in_no_checkpoint() -> None:
    model = mmmix.MixClassifier(**NET, train_cfg=dict(augments=dict(type='mmmix.RecursiveMix')))
    keys = set(model.state_dict())
    model.loss(*batch())
    assert set(model.state_dict()) == keys


def test_gridmask_hears_the_epoch_from_mmengine() -> None:
    hub = MessageHub.get_instance(
        'gridmask',
    )
    mixer = mmmix.GridMask(d_range=(4, 6), ramp_epochs=4)
    assert MessageHub.get_current_instance() is hub
    for epoch, part in ((0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)):
        hub.update_info('epoch', epoch)
        assert mixer.chance() == part


ERRORS: list[tuple[str, dict, type[Exception], str]] = [
    ('AttentiveMix', dict(guide=None), TypeError, 'needs a guide'),
    ('AttentiveMix', {}, TypeError, r"needs a guide, e\.g\. guide=dict\(type='mmmix\.Teacher'"),
    ('AttentiveMix', dict(guide=dict(type='mmmix.SpectralResidual'), grid=3, top_k=10), ValueError, r'\[1, 9\]'),
    ('CoMixup', dict(part=0), ValueError, '`part`'),
    ('CoMixup', dict(labels=dict(type='mmmix.Area')), TypeError, 'does not take `labels`'),
    ('FMix', dict(max_soft=0.7), ValueError, r'\[0, 0\.5\]'),
    ('FMix', dict(decay_power=-1), ValueError, '`decay_power`'),
    ('GridMask', dict(d_range=(1, 4)), ValueError, '`d_range`'),
    ('GridMask', dict(ratio=1.0), ValueError, '`ratio`'),
    ('GridMask', dict(keep=None), TypeError, 'does not take `keep`'),
    ('GridMix', dict(grid=0), ValueError, '`grid`'),
    ('GuidedMixup', dict(kernel=4), ValueError, 'odd'),
    ('PuzzleMix', dict(blocks=(1,)), ValueError, '`blocks`'),
    ('PuzzleMix', dict(n_labels=5), ValueError, '`n_labels`'),
    ('PuzzleMix', dict(guide=dict(type='mmmix.Permutation')), TypeError, '`guide` takes a Guide'),
    ('RecursiveMix', dict(scope=(0.5, 0.1)), ValueError, '`scope`'),
    ('ResizeMix', dict(scope=(0.0, 0.5)), ValueError, r'\(0, 1\]'),
    ('ResizeMix', dict(interpolation='cubic'), ValueError, "'bilinear' or 'nearest'"),
    ('SaliencyGrafting', dict(temperature=0), ValueError, '`temperature`'),
    ('SaliencyMix', dict(keep=None), TypeError, 'does not take `keep`'),
    ('SmoothMix', dict(sigma=(0, 1)), ValueError, '`sigma`'),
    ('StackMix', dict(axis='depth'), ValueError, "'width' or 'height'"),
]


@pytest.mark.parametrize(
    ('name', 'args', 'error', 'match'), ERRORS, ids=[f'{name}-{next(iter(args), None)}' for name, args, *_ in ERRORS]
)
def test_bad_arguments_are_one_line_that_names_the_fix(
    name: str, args: dict, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        getattr(mmmix, name)(**args)
    assert '\n' not in str(caught.value)


def test_puzzlemix_on_images_smaller_than_its_grids() -> None:
    mixer = mmmix.PuzzleMix(guide=dict(type='mmmix.SpectralResidual'), blocks=(8, 16))
    with pytest.raises(ValueError, match='no room'):
        mixer(torch.rand(2, 3, 6, 6), torch.eye(2))
