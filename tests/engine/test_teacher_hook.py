"""The hook that shows the teacher: when, whose, and what it says where there is none."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from networks import classifier, data

from mmmix import TeacherHook

AUTOMIX = dict(type='mmmix.AutoMix')


def trained(*augments: dict) -> Any:
    """A run after a step of AutoMix."""
    torch.manual_seed(0)
    model = classifier(augments=list(augments))
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        model.train_step(data(), optim)
    return SimpleNamespace(model=model)


@pytest.mark.parametrize('kind', ['val', 'test'])
def test_the_teacher_is_in_front_while_it_is_evaluated(kind: str) -> None:
    run, hook = trained(AUTOMIX), TeacherHook()
    model, name, teacher = hook.teacher(run)
    assert model is run.model and name == 'automix'
    student, master = model.backbone.conv1.weight.clone(), teacher.backbone.conv1.weight.clone()
    assert not torch.equal(student, master)
    getattr(hook, f'before_{kind}_epoch')(run)
    assert bool(teacher.shown)
    assert torch.equal(model.backbone.conv1.weight, master)
    getattr(hook, f'after_{kind}_epoch')(run)
    assert not bool(teacher.shown)
    assert torch.equal(model.backbone.conv1.weight, student)
    assert torch.equal(teacher.backbone.conv1.weight, master)


def test_the_teacher_is_saved_in_front_and_the_run_goes_on_as_it_was() -> None:
    run, hook = trained(AUTOMIX), TeacherHook()
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    checkpoint = dict(state_dict=dict(run.model.state_dict()))
    hook.before_save_checkpoint(run, checkpoint)
    saved, teachers = checkpoint['state_dict'], 'learned.automix.teacher.'
    for key in ('backbone.conv1.weight', 'head.fc.weight'):
        assert torch.equal(saved[key], before[teachers + key])
        assert torch.equal(saved[teachers + key], before[key])
    assert bool(saved[teachers + 'shown'])
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())


def test_of_several_teachers_one_is_named() -> None:
    # SAMix of another network's depth learns under a name of its own.
    run = trained(AUTOMIX, dict(type='mmmix.SAMix'))
    assert set(run.model.learned) == {'automix', 'samix'}
    assert TeacherHook('samix').teacher(run)[1:] == ('samix', run.model.learned['samix'].teacher)
    for hook in (TeacherHook(), TeacherHook('other')):
        with pytest.raises(ValueError, match=r"needs one teacher, but `learned` has 'automix', 'samix': .*`learned=`"):
            hook.before_run(run)


def test_without_a_teacher_it_says_so() -> None:
    run = SimpleNamespace(model=classifier(augments=dict(type='mmmix.CutMix')))
    with pytest.raises(ValueError, match='needs one teacher, but `learned` has none: train with a mixer such as'):
        TeacherHook().before_run(run)
