"""``clean_pass='memory'``: predictions of unmixed samples are remembered, agreed on and saved."""

from pathlib import Path

import pytest
import torch
from hard_runs import unwrapped
from networks import SUMIX, classifier, data
from prediction_runs import HOOKS, remembering, train
from ranks import launched
from torch import Tensor

from mmmix import sumix_terms
from mmmix.engine import PredictionTable

ROOT = Path(__file__).resolve().parents[2]


def spread_out(row: Tensor, top: int) -> Tensor:
    """What a table should say of a prediction: its largest probabilities, and the rest of it spread evenly."""
    found = torch.full_like(row, -1.0)
    for _ in range(top):
        best = max((i for i in range(len(row)) if found[i] < 0), key=lambda i: float(row[i]))
        found[best] = row[best]
    rest = [i for i in range(len(row)) if found[i] < 0]
    left = 1 - sum(float(found[i]) for i in range(len(row)) if found[i] >= 0)
    for i in rest:
        found[i] = left / len(rest)
    return found


def replayed(seen: list[tuple[int, int, Tensor]], top: int = 3) -> dict[int, Tensor]:
    """The last prediction of each sample, in the order of what was seen."""
    return {idx: spread_out(row, top) for _, idx, row in seen}


def assert_table(state: dict[str, Tensor], wanted: dict[int, Tensor], classes: int = 10) -> None:
    table = PredictionTable(len(state['seen']), classes, state['classes'].shape[1])
    table.load_state_dict(state)
    assert set(state['seen'].nonzero().flatten().tolist()) == set(wanted)
    rows = table.probabilities(table.rows(sorted(wanted)), classes)
    assert torch.allclose(rows, torch.stack([wanted[idx] for idx in sorted(wanted)]), atol=2e-3)


@pytest.mark.parametrize(('classes', 'top'), [(10, 3), (4, 5), (1, 1)])
def test_the_largest_probabilities_come_back(classes: int, top: int) -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(6, classes)
    table = PredictionTable(9, classes, top)
    table.update([8, 2, 8, 0, 1, 5], PredictionTable.compact(logits, top))
    assert table.known([0, 3, 8, -1]).tolist() == [True, False, True, False]
    wanted = [spread_out(row, min(top, classes)) for row in logits.softmax(1)[[2, 1, 5]]]
    found = table.probabilities(table.rows([8, 2, 5]), classes)
    assert torch.allclose(found, torch.stack(wanted), atol=1e-3)
    assert torch.allclose(found.sum(1), torch.ones(3))


def test_a_row_takes_so_many_bytes() -> None:
    assert PredictionTable(1000, 1000, 5).memory_bytes == 1000 * (4 * 5 + 1)


def test_bad_input_is_one_line() -> None:
    table = PredictionTable(4, 3, 2)
    rows = PredictionTable.compact(torch.rand(1, 3), 2)
    with pytest.raises(ValueError, match='run from 4 to 4, but the table has 4 rows'):
        table.update([4], rows)
    with pytest.raises(ValueError, match=r'2 classes of 4 samples, but this run has 3 of 4: resume'):
        PredictionTable(4, 3, 3).load_state_dict(table.state_dict())
    with pytest.raises(ValueError, match='`top` must'):
        PredictionTable(4, 3, 0)


def test_every_unmixed_prediction_is_remembered_and_given_to_the_head(tmp_path: Path) -> None:
    runner, witness = train(remembering(tmp_path))
    assert 0 < len(witness.seen) < 3 * 40
    assert_table(witness.tables[3], replayed(witness.seen))
    assert len(witness.given) * 8 + len(witness.seen) == 3 * 40
    # Partners from the hard pool are looked up by who they are.
    beyond = [(idx, clean) for idx, clean in witness.given if len(clean.logits) > len(idx)]
    assert beyond
    table = unwrapped(runner).predictions
    assert isinstance(table, PredictionTable)
    drawn = runner.model.recipe.augments[0].partners.drawn
    last = witness.given[-1][1]
    if len(last.logits) > 8:
        assert torch.equal(last.known[8:], table.known(drawn))
    for _, clean in witness.given:
        assert not clean.logits.requires_grad
        assert torch.allclose(clean.logits.exp().sum(1)[clean.known], torch.ones(int(clean.known.sum())), atol=1e-4)


def test_no_pass_is_run_and_what_is_known_is_what_was_seen(tmp_path: Path) -> None:
    """A sample that was not seen unmixed before a step is unknown in it, and the rows are those of the table then."""
    _, witness = train(remembering(tmp_path))
    batches: dict[int, set[int]] = {}
    for iteration, idx, _ in witness.seen:
        batches.setdefault(iteration, set()).add(idx)
    at = [i for i in range(15) if i not in batches]
    assert len(at) == len(witness.given)
    for iteration, (samples, clean) in zip(at, witness.given, strict=True):
        # What the last iteration saw is still on its way.
        before = replayed([row for row in witness.seen if row[0] < iteration - 1])
        assert clean.known[:8].tolist() == [i in before for i in samples]
        for row, i in enumerate(samples):
            if i in before:
                assert torch.allclose(clean.logits[row].exp(), before[i], atol=2e-3)


def test_a_resumed_run_has_the_table_of_the_uninterrupted_one(tmp_path: Path) -> None:
    _, whole = train(remembering(tmp_path / 'whole', prob=0.0))
    train(remembering(tmp_path / 'parts', prob=0.0, train_cfg=dict(by_epoch=True, max_epochs=1)))
    saved = torch.load(tmp_path / 'parts/epoch_1.pth', weights_only=False)['predictions']
    assert all(torch.equal(saved[name], whole.tables[1][name]) for name in saved)
    _, rest = train(remembering(tmp_path / 'parts', prob=0.0), resume=True)
    for epoch in (2, 3):
        assert all(torch.equal(rest.tables[epoch][name], whole.tables[epoch][name]) for name in saved)


def test_a_scan_knows_every_sample(tmp_path: Path) -> None:
    hooks = [HOOKS[0], {**HOOKS[1], 'scan_interval': 1}]
    runner, witness = train(remembering(tmp_path, prob=1.0, custom_hooks=hooks))
    assert all(bool(table['seen'].all()) for table in witness.tables.values())
    model = runner.model.eval()
    images = [runner.train_dataloader.dataset[i] for i in range(40)]
    batch = dict(inputs=[each['inputs'] for each in images], data_samples=[each['data_samples'] for each in images])
    with torch.no_grad():
        logits = model.head(model.extract_feat(model.data_preprocessor(batch, False)['inputs']))
    assert_table(witness.tables[3], {i: spread_out(row.softmax(0), 3) for i, row in enumerate(logits)})


def test_nothing_seen_is_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    runner, witness = train(remembering(tmp_path, prob=1.0, log_level='WARNING'))
    assert not witness.tables[3]['seen'].any()
    log = next(Path(runner.log_dir).glob('*.log')).read_text()
    assert 'mix with `prob` below 1, or set `scan_interval=1`' in log


def test_two_ranks_agree(tmp_path: Path) -> None:
    done = launched('prediction_runs.py', tmp_path, 41)
    assert done.returncode == 0, done.stdout[-3000:]
    one, two = (torch.load(tmp_path / f'rank{rank}.pt', weights_only=True) for rank in (0, 1))
    for epoch in (1, 2, 3):
        assert all(torch.equal(one['tables'][epoch][name], two['tables'][epoch][name]) for name in ('seen', 'bits'))
    in_order = sorted(
        [(row[0], rank, row) for rank, of in enumerate((one, two)) for row in of['seen']], key=lambda each: each[:2]
    )
    assert_table(one['tables'][3], replayed([row for _, _, row in in_order]))


def test_unknown_pairs_keep_their_shares_and_have_no_distance() -> None:
    torch.manual_seed(0)
    pool, mixed = 3 * torch.randn(6, 5), 3 * torch.randn(4, 5)
    labels, partner, lam = torch.arange(6) % 5, torch.tensor([4, 0, 1, 5]), torch.rand(4)
    known = torch.tensor([True, True, False, True, True, False])
    zeros = torch.zeros(6, 5), torch.zeros(4, 5)
    for distance in ('l2', 'released'):
        args = (pool, mixed, *zeros, labels, partner, lam)
        every = sumix_terms(*args, distance=distance, regularizer='semantic')
        found = sumix_terms(*args, distance=distance, regularizer='semantic', known=known)
        both = [bool(known[i] and known[j]) for i, j in enumerate(partner.tolist())]
        assert both == [True, True, False, False]
        for i in range(4):
            wanted = every['lam'][i] if both[i] else lam[i]
            assert float(found['lam'][i]) == pytest.approx(float(wanted), abs=1e-6)
        nobody = sumix_terms(*args, distance=distance, regularizer='semantic', known=torch.zeros(6, dtype=torch.bool))
        assert float(nobody['loss_reg']) == pytest.approx(float(torch.tensor(5.0).log()), abs=1e-5)


def test_what_cannot_be_is_one_line() -> None:
    def network(**head) -> dict:
        return {**SUMIX, 'head': {**SUMIX['head'], 'clean_pass': 'memory', **head}}  # type: ignore[dict-item]

    with pytest.raises(ValueError, match=r"SUMixHead: clean_pass='memory' knows no .* regularizer='semantic' or None"):
        classifier(network(), augments=dict(type='mmmix.CutMix'))
    model = classifier(network(regularizer=None), augments=dict(type='mmmix.CutMix'))
    with pytest.raises(RuntimeError, match=r"add dict\(type='mmmix.PredictionMemoryHook'\) to `custom_hooks`"):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    history = dict(type='mmmix.CutMix', partners=dict(type='mmmix.History'))
    model = classifier(network(regularizer=None), augments=history)
    model.predictions = PredictionTable(10, 5)
    model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    with pytest.raises(ValueError, match=r'those of History are no samples .* use clean_pass=.lowres'):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
