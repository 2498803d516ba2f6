"""A run with a learned mask that is cut off and resumed is the whole one, bit by bit: student, teacher, block."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from test_resume import SAFE, run, settings

HISTORY = dict(type='mmmix.History')
MIXERS: dict[str, tuple[Any, str]] = {
    'automix': (dict(type='mmmix.AutoMix', mask_adjust=0.5), 'mmpretrain.LinearClsHead'),
    'automix-history-sumix': (dict(type='mmmix.AutoMix', partners=HISTORY, lam_mode='elem'), 'mmmix.SUMixHead'),
    'samix': (dict(type='mmmix.SAMix', dropout=0.2), 'mmpretrain.LinearClsHead'),
    'adautomix': (dict(type='mmmix.AdAutoMix'), 'mmpretrain.LinearClsHead'),
    'adautomix-recipe': (
        [dict(type='mmmix.AdAutoMix', interval=3), dict(type='mmmix.CutMix')],
        'mmpretrain.LinearClsHead',
    ),
}


class CutOff(Exception):  # noqa: N818 - it stands for a power cut
    """The run ends here."""


class PowerCut(Hook):
    """End the run in the middle of an epoch."""

    priority = 'LOWEST'

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == 5:
            raise CutOff


def learned(work_dir: Path, name: str, *more: Hook, **changes: Any) -> dict:
    """Three epochs of three steps; the teacher is put in front in what is saved."""
    augments, head = MIXERS[name]
    hooks = [dict(type='mmmix.RandomStateHook'), dict(type='mmmix.TeacherHook'), *more]
    sgd = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
    made = settings(work_dir, custom_hooks=hooks, default_hooks=SAFE, optim_wrapper=sgd, **changes)
    made['model'].update(head=dict(type=head, num_classes=10, in_channels=32), train_cfg=dict(augments=augments))
    return made


@pytest.mark.parametrize('name', MIXERS)
def test_a_run_that_was_cut_off_ends_as_the_whole_one(name: str, tmp_path: Path) -> None:
    whole, lam = run(learned(tmp_path / 'whole', name))
    with pytest.raises(CutOff):
        run(learned(tmp_path / 'cut', name, PowerCut()))
    assert sorted(path.name for path in (tmp_path / 'cut').glob('epoch_*.pth')) == ['epoch_1.pth']
    saved = torch.load(tmp_path / 'cut' / 'epoch_1.pth', weights_only=False)['state_dict']
    (kind,) = whole.model.learned
    assert bool(saved[f'learned.{kind}.teacher.shown'])
    resumed, rest = run(learned(tmp_path / 'cut', name, resume=True))
    assert len(lam) == 9 and rest == lam[3:] and len(set(lam)) > 2
    expected, found = whole.model.state_dict(), resumed.model.state_dict()
    assert expected.keys() == found.keys()
    assert not [key for key, value in expected.items() if not torch.equal(value, found[key])]
    assert int(expected[f'learned.{kind}.teacher.steps']) == 9 and not bool(expected[f'learned.{kind}.teacher.shown'])
    moved = [
        key
        for key in expected
        if key.startswith(f'learned.{kind}.block') and not torch.equal(expected[key], saved[key])
    ]
    assert moved, 'the block learned nothing in between'
    momenta, again = (
        [state['momentum_buffer'] for state in runner.optim_wrapper.state_dict()['state'].values()]
        for runner in (whole, resumed)
    )
    assert momenta
    assert all(map(torch.equal, momenta, again))


def test_without_the_learned_state_the_runs_part(tmp_path: Path) -> None:
    """The comparison sees it if a checkpoint loses the teacher's steps or the block."""
    whole, _ = run(learned(tmp_path / 'whole', 'adautomix'))
    checkpoint = torch.load(tmp_path / 'whole' / 'epoch_1.pth', weights_only=False)
    for key, value in checkpoint['state_dict'].items():
        if '.block.' in key:
            value.zero_()
    torch.save(checkpoint, tmp_path / 'lost.pth')
    other, _ = run(learned(tmp_path / 'other', 'adautomix', resume=True, load_from=str(tmp_path / 'lost.pth')))
    expected, found = whole.model.state_dict(), other.model.state_dict()
    assert any(not torch.equal(value, found[key]) for key, value in expected.items() if key.startswith('backbone'))
