"""Every mixer beside the law of its authors, as ``benchmarks/fidelity.py`` has them, on fewer images."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmmix import FineGrained
from mmmix.registry import BATCH_AUGMENTS

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / 'benchmarks'
#: How far the means of two samples this small may lie apart where the laws are the same, or differ by odd sides alone.
APART = 0.05
#: Laws that take long, and so many images for them.
FEW = {'CoMixup': 8, 'PuzzleMix': 30, 'SaliencyMix': 15, 'GuidedMixup': 60}


@pytest.fixture(scope='module')
def bench() -> Iterator[Any]:
    """The benchmark's own modules."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield import_module('fidelity'), import_module('fidelity_entries')
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope='module')
def rows(bench: Any) -> dict[tuple[str, str], dict]:
    """What the benchmark finds on 400 random fields, by mixer and law."""
    fidelity, entries_of = bench
    torch.set_num_threads(1)
    pixels = fidelity.pictures(None, 400)
    maps = FineGrained()(torch.from_numpy((pixels / 255 - fidelity.MEAN) / fidelity.STD).float())[:, 0].double().numpy()
    found = {}
    for entry in entries_of.entries(pixels / 255):
        count = FEW.get(entry.mixer, len(pixels))
        for row in fidelity.compare(entry, pixels[:count], maps[:count], scale=0.5):
            found[entry.mixer, row['law']] = row
    return found


def test_every_registered_mixer_has_an_entry_or_a_reason(bench: Any) -> None:
    entries = [entry.mixer for entry in bench[1].entries(np.zeros((1, 3, 32, 32)))]
    assert len(entries) == len(set(entries)) and not set(entries) & set(bench[1].WITHOUT)
    assert {*entries, *bench[1].WITHOUT} == set(BATCH_AUGMENTS.module_dict)


def test_our_defaults_draw_as_the_authors_do(rows: dict[tuple[str, str], dict]) -> None:
    """Where the verdict is the same, and where it differs by no more than the odd sides of boxes."""
    for (mixer, law), row in rows.items():
        if law == 'ours' and mixer != 'CoMixup':
            assert row['p'] > 1e-4 or row['ks'] < 0.13, (mixer, row)
            assert abs(row['mean'] - rows[mixer, 'authors']['mean']) < APART, (mixer, row)
            assert row['verdict'] == 'same' or row['verdict'].startswith('differs: ')


@pytest.mark.parametrize('mixer', ['SaliencyMix', 'ResizeMix', 'GuidedMixup', 'SmoothMix', 'CutMix'])
def test_our_masks_lie_where_the_authors_lie(mixer: str, rows: dict[tuple[str, str], dict]) -> None:
    theirs, ours = (rows[mixer, law]['statistic'] for law in ('authors', 'ours'))
    assert ours == pytest.approx(theirs, rel=0.15), mixer


def test_switches_are_the_laws_that_they_name(rows: dict[tuple[str, str], dict]) -> None:
    theirs = rows['FMix', 'authors']['statistic']
    assert rows['FMix', "spectrum='two_columns'"]['statistic'] == pytest.approx(theirs, rel=0.1)
    assert rows['FMix', 'ours']['statistic'] > 1.2 * theirs
    assert rows['ResizeMix', 'inside=False']['ks'] > 0.13 > rows['ResizeMix', 'ours']['ks']
    assert rows['GuidedMixup', "guide='SpectralResidual'"]['statistic'] > 1.2 * rows['GuidedMixup', 'ours']['statistic']
    assert abs(rows['CoMixup', 'ours']['mean'] - rows['CoMixup', 'authors']['mean']) < 0.15
