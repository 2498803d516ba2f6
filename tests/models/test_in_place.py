"""Boxes in place: where nobody else wants the clean batch the mixed images are written over it, and nowhere else."""

from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import BATCH_AUGMENTS
from networks import GUIDED, RESNET, SUMIX, classifier, data
from table import CASES, Row

from mmmix import Mixer
from mmmix.mixers.cutmix import CutMix
from mmmix.partners import HardSampleTable

#: At 128 pixels boxes are pasted one after the other, at 32 by a mask.
SIDES = (32, 128)
IN_PLACE = [
    dict(type='mmmix.CutMix', alpha=1.0),
    dict(type='mmmix.ResizeMix'),
    dict(type='mmmix.Cutout', length=9),
    dict(type='mmmix.Cutout', length=9, fill='random'),
    dict(type='mmmix.RandomErasing', prob=1.0),
    dict(type='mmmix.RandomErasing', prob=1.0, fill=0.5),
]


class CaughtError(Exception):
    """The network was reached."""


def entering(model: Any, caught: list[torch.Tensor]) -> None:
    """Keep what goes into the network, and go no further."""

    def catch(module: Any, args: tuple) -> None:
        caught.append(args[0])
        raise CaughtError

    model.backbone.register_forward_pre_hook(catch)


def prepared(model: Any, side: int, seed: int = 0) -> dict:
    """A batch as the preprocessor hands it over in ``train_step``."""
    torch.manual_seed(seed)
    return model.data_preprocessor(data(size=side), training=True)


def mixed_by_loss(model: Any, batch: dict, fresh: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What enters the network, and the batch that was handed over."""
    caught: list[torch.Tensor] = []
    entering(model, caught)
    given = batch['inputs'] if fresh else batch['inputs'].clone(memory_format=torch.preserve_format)
    torch.manual_seed(1)
    with pytest.raises(CaughtError):
        model.loss(given, batch['data_samples'])
    return caught[0], given


def runs_alone(row: Row) -> bool:
    """Whether a mixer needs no model, so that no one but it looks at the batch."""
    mixer = BATCH_AUGMENTS.build(row.config())
    return not any(part.needs_model for part in mixer.parts())


ALONE = [(row, mode) for row, mode in CASES if runs_alone(row)]


@pytest.mark.parametrize(('row', 'mode'), ALONE, ids=[f'{row}-{mode}' for row, mode in ALONE])
@pytest.mark.parametrize('side', SIDES)
def test_the_mix_is_the_one_that_a_copy_would_give(row: Row, mode: str, side: int) -> None:
    augment = row.config(lam_mode=mode)
    found = []
    for fresh in (True, False):
        model = classifier(augments=augment)
        found.append(mixed_by_loss(model, prepared(model, side), fresh)[0])
    assert torch.equal(*found)


@pytest.mark.parametrize('augment', IN_PLACE, ids=str)
@pytest.mark.parametrize('side', SIDES)
def test_a_fresh_batch_is_written_over(augment: dict, side: int) -> None:
    model = classifier(augments=augment)
    batch = prepared(model, side)
    before = batch['inputs'].clone()
    entered, given = mixed_by_loss(model, batch, fresh=True)
    assert entered.data_ptr() == given.data_ptr()
    assert not torch.equal(given, before)


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_large_boxes_of_each_image_are_moved_in_place(mode: str) -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', lam_mode=mode))
    entered, given = mixed_by_loss(model, prepared(model, 128), fresh=True)
    assert entered.data_ptr() == given.data_ptr()


def test_nobody_elses_batch_is_written_over() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', alpha=1.0))
    images = torch.rand(6, 3, 32, 32)
    before = images.clone()
    samples = data()['data_samples']
    model.loss(images, samples)
    assert torch.equal(images, before), 'a batch that the preprocessor did not make'
    # Without mean and std the preprocessor hands on what it was given.
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    model.train_step(dict(inputs=images, data_samples=samples), optim)
    assert torch.equal(images, before), 'a batch that the preprocessor passed on'


def test_mixers_alone_leave_their_inputs() -> None:
    for augment in IN_PLACE:
        mixer = BATCH_AUGMENTS.build(augment)
        images = torch.rand(6, 3, 128, 128)
        before = images.clone()
        mix = mixer.mix(images, torch.eye(6))
        assert torch.equal(images, before)
        assert mix.pool is images


def wanted(kind: str) -> Any:
    """A classifier in which somebody wants the clean batch."""
    cutmix: dict[str, Any] = dict(type='mmmix.CutMix', alpha=1.0)
    if kind == 'head':
        return classifier(SUMIX, augments=cutmix)
    if kind == 'guide':
        return classifier(augments=GUIDED)
    if kind == 'labels':
        return classifier(augments={**cutmix, 'labels': dict(type='mmmix.LUMix')})
    if kind == 'pool':
        model = classifier(augments={**cutmix, 'partners': dict(type='mmmix.HardPool')})
        model.hard_table = HardSampleTable(6)
        return model
    if kind == 'another mixer remembers':
        pool = {**cutmix, 'partners': dict(type='mmmix.HardPool')}
        model = classifier(RESNET, augments=[cutmix, pool])
        model.recipe.probs = torch.tensor([1.0, 0.0], dtype=torch.float64)
        model.hard_table = HardSampleTable(6)
        return model
    if kind == 'history':
        return classifier(augments={**cutmix, 'partners': dict(type='mmmix.History')})
    model = classifier(augments=cutmix)
    model.on_mix = lambda mix: None
    return model


@pytest.mark.parametrize('kind', ['head', 'guide', 'labels', 'pool', 'another mixer remembers', 'history', 'picture'])
def test_a_batch_that_somebody_wants_stays(kind: str) -> None:
    model = wanted(kind)
    batch = prepared(model, 32)
    before = batch['inputs'].clone()
    torch.manual_seed(1)
    model.loss(**batch)
    assert torch.equal(batch['inputs'], before)


def test_a_batch_is_mixed_once() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', alpha=1.0))
    batch = prepared(model, 32)
    model.loss(**batch)
    with pytest.raises(RuntimeError, match=r'mixed in place by an earlier call of loss\(\).*inputs.clone\(\)'):
        model.loss(**batch)


def test_an_unmixed_batch_may_come_again() -> None:
    model = classifier(augments=dict(type='mmmix.CutMix', prob=0.0))
    batch = prepared(model, 32)
    before = batch['inputs'].clone()
    model.loss(**batch)
    model.loss(**batch)
    assert torch.equal(batch['inputs'], before)


def test_the_story_of_an_overwritten_batch_claims_no_clean_pool() -> None:
    mixer: Mixer = CutMix()
    images, scores = torch.rand(6, 3, 16, 16), torch.eye(6)
    scene = mixer.meet(images, scores)
    assert scene is not None
    scene.overwrite = True
    mix = mixer.mix_met(scene, images, scores)
    assert mix.images is images
    assert mix.mixed
    assert len(mix.pool) == 0


def test_hard_samples_are_counted_without_the_clean_batch() -> None:
    """A memory without a pool looks at labels and logits alone, so it does not keep boxes from being written."""
    model = classifier(augments=dict(type='mmmix.CutMix', alpha=1.0, lam_mode='elem', prob=0.5))
    model.hard_table = HardSampleTable(6)
    entered, given = mixed_by_loss(model, prepared(model, 128), fresh=True)
    assert entered.data_ptr() == given.data_ptr()
