"""Every method beside a slow reference of its law, as ``benchmarks/fidelity.py`` has them, on fewer images."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmmix import FineGrained
from mmmix.registry import BATCH_AUGMENTS, TASK_UTILS

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / 'benchmarks'
#: How far the means of two samples this small may lie apart where the laws are the same, or differ by odd sides alone.
APART = 0.05
#: Laws that take long, and so many images for them.
FEW = {'CoMixup': 8, 'PuzzleMix': 30, 'SaliencyMix': 15, 'GuidedMixup': 60, 'KeepCutMix': 60, 'KeepCutout': 60}

sys.path.insert(0, str(BENCHMARKS))
try:
    FIDELITY: Any = import_module('fidelity')
    ENTRIES_OF: Any = import_module('fidelity_entries')
    GIVEN: Any = import_module('fidelity_given')
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope='module')
def images() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """400 random fields of bytes, and the same normalised; one thread looks at them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pixels = FIDELITY.pictures(None, 400)
    yield pixels, (pixels / 255 - FIDELITY.MEAN) / FIDELITY.STD
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def rows(images: tuple[np.ndarray, np.ndarray]) -> dict[tuple[str, str], list[dict]]:
    """What the benchmark finds, by mixer and what ours is called: the reference and ours, and the switches alone."""
    pixels, normal = images
    maps = FineGrained()(torch.from_numpy(normal).float())[:, 0].double().numpy()
    found = {}
    for entry in ENTRIES_OF.entries(pixels / 255):
        count = FEW.get(entry.mixer, len(pixels))
        theirs, *ours = FIDELITY.compare(entry, pixels[:count], maps[:count], scale=0.5)
        for row in ours:
            found[entry.mixer, row['law']] = [theirs, row]
    return found


def test_every_method_has_an_entry_or_a_reason() -> None:
    methods = set(FIDELITY.methods())
    entries = {('mixers', entry.mixer) for entry in ENTRIES_OF.entries(np.zeros((1, 3, 32, 32)))}
    entries |= {(entry.section, entry.method) for entry in FIDELITY.given()}
    assert not entries & set(FIDELITY.WITHOUT), 'a reason for none, and an entry'
    missing, unknown = methods - entries - set(FIDELITY.WITHOUT), (entries | set(FIDELITY.WITHOUT)) - methods
    assert not missing, f'{missing}: add an entry, or say in WITHOUT of benchmarks/fidelity.py why there is none'
    assert not unknown, f'{unknown} are registered nowhere'


def test_methods_are_all_that_is_registered() -> None:
    """Mixers, the parts of mixers, transforms, and what of the models is no network."""
    by_section: dict[str, set[str]] = {}
    for section, name in FIDELITY.methods():
        by_section.setdefault(section, set()).add(name)
    assert by_section['mixers'] == set(BATCH_AUGMENTS.module_dict)
    parts = set.union(*(by_section[section] for section in ('partners', 'guides', 'labels', 'keeps')))
    assert set(TASK_UTILS.module_dict) <= parts
    assert by_section['heads'] == {
        'SUMixHead',
        'SUMixVisionTransformerClsHead',
        'DecoupledMixLoss',
        'JensenShannonLoss',
        'RegressionHead',
        'ReIDHead',
        'SUMixDeiTClsHead',
        'SUMixEfficientFormerClsHead',
        'SUMixLeViTClsHead',
        'SUMixStackedLinearClsHead',
        'SUMixVigClsHead',
        'TrainingSignalAnnealing',
        'DenseMix',
    }
    assert by_section['transforms'] == {'AugMix', 'LoadSpectrogram', 'PixMix', 'Turned', 'WeakStrong'}
    assert {'KeepAugment', 'SelectiveCut'} <= by_section['keeps'] and 'History' in by_section['partners']


def test_the_page_has_them_all() -> None:
    """The committed numbers are of the entries that there are, with their verdicts, and the page is made of them."""
    result = json.loads((BENCHMARKS / 'fidelity.json').read_text(encoding='utf-8'))
    shown = {('mixers', row['mixer']) for row in result['rows']}
    shown |= {(row['section'], row['method']) for row in result['given'] + result['without']}
    assert shown == set(FIDELITY.methods())
    rows = {(row['method'], row['ours'], row['law']): row['verdict'] for row in result['given']}
    assert rows == {
        (entry.method, entry.ours, entry.law): f'differs: {entry.why}' if entry.why else 'same'
        for entry in FIDELITY.given()
    }
    verdicts = {(row['mixer'], row['law']): row['verdict'] for row in result['rows'] if 'verdict' in row}
    assert verdicts == {
        (entry.mixer, entry.ours): f'differs: {entry.why}' if entry.why else 'same'
        for entry in ENTRIES_OF.entries(np.zeros((1, 3, 32, 32)))
    }
    assert (BENCHMARKS / 'fidelity.md').read_text(encoding='utf-8') == FIDELITY.markdown(result)


@pytest.mark.parametrize('entry', FIDELITY.given(), ids=lambda entry: f'{entry.method}-{entry.ours}-{entry.source}')
def test_what_is_worked_out_is_the_law(entry: Any, images: tuple[np.ndarray, np.ndarray]) -> None:
    """Or differs from it, where the entry says so: ``held`` refuses an entry that is not what was found."""
    row = GIVEN.held(entry, images[1][:60])
    assert row['verdict'] == 'same' or row['apart'] > entry.near


def test_a_wrong_verdict_is_refused(images: tuple[np.ndarray, np.ndarray]) -> None:
    same = next(entry for entry in FIDELITY.given() if entry.method == 'Area')
    with pytest.raises(ValueError, match="its entry says 'nothing': mend one of the two"):
        GIVEN.held(replace(same, why='nothing'), images[1][:12])
    other = replace(same, measure=lambda _: (np.zeros(3), np.full(3, 0.1)))
    with pytest.raises(ValueError, match=r'Area \(ours\) is 0\.1 apart'):
        GIVEN.held(other, images[1][:12])


def test_our_mixers_draw_as_the_authors_do(rows: dict[tuple[str, str], list[dict]]) -> None:
    """Where the verdict is the same, and where it differs by no more than the odd sides of boxes."""
    for (mixer, law), (theirs, row) in rows.items():
        if 'verdict' in row and mixer != 'CoMixup':
            assert row['p'] > 1e-4 or row['ks'] < 0.13, (mixer, law, row)
            assert abs(row['mean'] - theirs['mean']) < APART, (mixer, law, row)
            assert row['verdict'] == 'same' or row['verdict'].startswith('differs: ')


PLACED = (
    *(
        'CutMix',
        'HardMix',
        'SaliencyMix',
        'ResizeMix',
        'SmoothMix',
        'GuidedMixup',
        'GridMix',
        'MixPro',
        'TokenMix',
        'SMMix',
    ),
    *('SaliencyGrafting', 'KeepCutMix', 'KeepCutout', 'KeepRandomErasing', 'KeepPaste'),
)
CLIPPED = [(mixer, "candidates='clipped'") for mixer in ('KeepCutMix', 'KeepCutout')]


@pytest.mark.parametrize(('mixer', 'law'), [*((mixer, 'ours') for mixer in PLACED), *CLIPPED])
def test_our_masks_lie_where_the_authors_lie(mixer: str, law: str, rows: dict[tuple[str, str], list[dict]]) -> None:
    theirs, ours = rows[mixer, law]
    assert ours['statistic'] == pytest.approx(theirs['statistic'], rel=0.15), mixer


def test_switches_are_the_laws_that_they_name(rows: dict[tuple[str, str], list[dict]]) -> None:
    theirs, ours = rows['FMix', 'ours']
    assert rows['FMix', "spectrum='two_columns'"][1]['statistic'] == pytest.approx(theirs['statistic'], rel=0.1)
    assert ours['statistic'] > 1.2 * theirs['statistic']
    assert rows['ResizeMix', 'inside=False'][1]['ks'] > 0.13 > rows['ResizeMix', 'ours'][1]['ks']
    assert rows['GuidedMixup', "guide='SpectralResidual'"][1]['ks'] > 0.13
    theirs, ours = rows['CoMixup', 'ours']
    assert abs(ours['mean'] - theirs['mean']) < 0.15
