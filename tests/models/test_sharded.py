"""Parameters that lie in parts on two ranks, by either FSDP of PyTorch: what looks at the network sees it whole."""

from pathlib import Path

import pytest
import torch
from ranks import two_ranks

pytest.importorskip('torch.distributed.fsdp', reason='needs fully_shard')
if not hasattr(torch.distributed.fsdp, 'fully_shard'):
    pytest.skip('PyTorch has no fully_shard yet', allow_module_level=True)


def told(tmp_path: Path, *cases: str) -> list[dict]:
    files = [tmp_path / f'rank{rank}.pt' for rank in (0, 1)]
    two_ranks('sharded_runs.py', files, 300, *cases)
    return [torch.load(file, weights_only=True) for file in files]


def compare(ranks: list[dict], case: str, refused: bool = False) -> None:
    """The losses of two steps, and the gradients of the second, of sharded and of whole parameters."""
    for rank in ranks:
        whole = rank[case]['whole']
        assert len(whole['grads']) > 10 and all(step['lam'] < 1 for step in whole['losses']), 'it was mixed'
        if refused:
            assert rank[case]['wrapper'].startswith('A gradient by the images within a step')
            assert 'leave out its `auto_wrap_policy`' in rank[case]['wrapper'] and '\n' not in rank[case]['wrapper']
        for kind in ('groups',) if refused else ('groups', 'wrapper'):
            sharded = rank[case][kind]
            for expected, found in zip(whole['losses'], sharded['losses'], strict=True):
                assert found == pytest.approx(expected, abs=1e-5), (case, kind)
            assert sharded['grads'].keys() == whole['grads'].keys()
            for name, gradient in whole['grads'].items():
                where = f'{case}, {kind}, {name}'
                torch.testing.assert_close(sharded['grads'][name], gradient, atol=1e-5, rtol=1e-3, msg=where)
    assert ranks[0][case]['whole']['losses'] != ranks[1][case]['whole']['losses'], 'each rank has its own batches'


def test_a_gradient_guide_under_a_sumix_head_and_what_is_refused(tmp_path: Path) -> None:
    """The input gradient goes backward in the middle of a forward pass, which takes all parameters apart."""
    ranks = told(tmp_path, 'sumix and a guide')
    compare(ranks, 'sumix and a guide', refused=True)
    for rank in ranks:
        for teacher in rank['teacher']:
            assert teacher.startswith('A teacher follows') and 'under DDP' in teacher and '\n' not in teacher
        assert rank['head'].startswith('A head with `loss_mix`') and '\n' not in rank['head']
        assert 'leave out `fully_shard(model.head)`' in rank['head']
        for merging in rank['merging']:
            assert merging.startswith('Tokens are merged') and "dict(type='mmmix.Attention')" in merging


@pytest.mark.slow
def test_guides_heads_and_mixers_that_look_at_the_network(tmp_path: Path) -> None:
    from sharded_runs import CASES

    ranks = told(tmp_path)
    for case in CASES:
        compare(ranks, case, refused=case in ('input gradient', 'sumix and a guide', 'puzzlemix'))
