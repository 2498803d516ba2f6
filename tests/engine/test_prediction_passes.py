"""The memory of predictions over passes: when it scans, what it logs, and when it agrees, with epochs and without."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from prediction_runs import HOOKS, remembering, train
from test_hard_hook import by_iterations


def said(work_dir: Path) -> list[str]:
    """How much was known at the end of each pass."""
    log = next(work_dir.glob('*/*.log')).read_text()
    return re.findall(r'Predictions are known of ([\d.]+) % of 40 samples', log)


def known_in(path: Path) -> int:
    return int(torch.load(path, weights_only=False)['predictions']['seen'].sum())


@pytest.mark.parametrize('by_epoch', [True, False])
def test_every_second_pass_is_scanned(tmp_path: Path, by_epoch: bool) -> None:
    """All batches are mixed, so that nothing is known before the first scan; a pass is five iterations."""
    changes: dict[str, Any] = dict(train_cfg=dict(by_epoch=True, max_epochs=3))
    if not by_epoch:
        changes = by_iterations(16, interval=7)
    hooks = [HOOKS[0], {**HOOKS[1], 'scan_interval': 2}]
    train(remembering(tmp_path, prob=1.0, custom_hooks=hooks, log_level='INFO', **changes))
    assert said(tmp_path) == ['0.0', '100.0', '100.0']
    paths = {1: 'epoch_1', 2: 'epoch_2'} if by_epoch else {1: 'iter_7', 2: 'iter_14'}
    assert [known_in(tmp_path / f'{name}.pth') for name in paths.values()] == [0, 40]


def test_a_checkpoint_within_a_pass_holds_what_was_seen_before_it(tmp_path: Path) -> None:
    """Without mixing every batch of eight is remembered, the last one before the checkpoint too."""
    train(remembering(tmp_path, prob=0.0, log_level='INFO', **by_iterations(8, interval=3)))
    assert [known_in(tmp_path / f'iter_{i}.pth') for i in (3, 6, 8)] == [24, 40, 40]
    assert said(tmp_path) == ['100.0']
