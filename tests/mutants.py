"""How many small faults do the tests find? ``python tests/mutants.py``, or ``make mutants``.

A mutant is the package with one small fault (see ``mutations.py``). Mutants are drawn at random from the rooms named
below; each is put into a copy of the checkout, and those fast tests that execute its line run until one fails, the
quickest of its room first. A mutant whose line no test executes survives. Results are written after every mutant, so
that a stopped run goes on where it was; what survived is tried again once its tests change. ``equivalent_mutants.txt``
names the mutants that change nothing that a test could see, with the reason; the score is given with and without them.
"""

import argparse
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from covering import PYTEST, ROOMS, Chosen, Map, in_child, preload
from mutations import Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
#: Looks at what is defined, so it is asked whatever acts at import.
AT_IMPORT = 'tests/test_defaults.py'
EQUIVALENT = Path(__file__).with_name('equivalent_mutants.txt')


def drawn(room: str, each: int, seed: int) -> tuple[list[Mutant], int]:
    """The mutants of a room that chance picks, and how many there are; a change of one line moves no other."""
    files = [path for path in sorted((ROOT / 'mmmix' / room).rglob('*.py')) if path.name != '__init__.py']
    every = [mutant for path in files for mutant in mutants_of(ROOT, path)]
    lot = {mutant.name: hashlib.sha256(f'{seed} {mutant.name}'.encode()).digest() for mutant in every}
    return sorted(every, key=lambda mutant: lot[mutant.name])[:each], len(every)


def chosen(mutant: Mutant, room: str, covering: Map, seconds: float) -> list[str]:
    """The tests that execute a mutant, up to so many seconds: of its room first, the quickest first.

    One set of parameters of each test comes before a second one of any: other tests see other things.
    """
    if mutant.inside:
        found = covering.of(mutant.path, mutant.lines, mutant.statement)
    else:
        found = {**covering.of(mutant.path, range(10**6)), **covering.in_file(AT_IMPORT)}
    folders = (f'tests/{room}/', f'tests/{room.split("/")[0]}/', f'mmmix/{room}/')
    turn = Counter[str]()
    order: dict[str, tuple[int, bool, int]] = {}
    for name in sorted(found, key=lambda name: (found[name]['alone'], name)):
        function = name.split('[')[0]
        order[name] = turn[function], not name.startswith(folders), len(order)
        turn[function] += 1
    names: list[str] = []
    total = 0.0
    for name in sorted(order, key=lambda name: order[name]):
        if (total := total + found[name]['seconds']) > seconds and names:
            break
        names.append(name)
    return names


def found_by(folder: Path, mutant: Mutant, names: list[str], seconds: float, scratch: Path) -> str | None:
    """The first of these tests that fails with the fault; None if all pass."""
    target, failed = folder / mutant.path, scratch / 'failed'
    before = target.read_bytes()
    failed.unlink(missing_ok=True)

    def job() -> int:
        return int(pytest.main([*PYTEST, *sorted({n.split('::')[0] for n in names})], plugins=[Chosen(names, failed)]))

    try:
        target.write_text(mutant.source, encoding='utf-8')
        status = in_child(folder, job, seconds, scratch / 'mutant.log')
    finally:
        target.write_bytes(before)
    if status in (0, 5):
        return None
    return failed.read_text(encoding='utf-8') if failed.exists() else 'no end' if status is None else 'import'


def equivalent() -> dict[str, str]:
    """The mutants that change nothing, and why: two lines each in the file, and an empty one."""
    lines = EQUIVALENT.read_text(encoding='utf-8').splitlines() if EQUIVALENT.exists() else []
    blocks = '\n'.join(line for line in lines if not line.startswith('#')).strip().split('\n\n')
    return dict(block.split('\n', 1) for block in blocks if block)


def main() -> None:
    """Draw mutants, try them, and print the score of each room."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--each', type=int, default=60, help='mutants of each room; default: 60')
    parser.add_argument('--rooms', nargs='+', choices=ROOMS, default=list(ROOMS))
    parser.add_argument('--seed', type=int, default=0, help='which mutants; default: 0')
    parser.add_argument('--only', default='', help='only mutants with this in their name, all of them')
    parser.add_argument('--seconds', type=float, default=120, help='of tests for a mutant, at most; default: 120')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'mutants')
    args = parser.parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    store, same = args.work_dir / 'results.json', equivalent()
    results: dict[str, dict] = json.loads(store.read_text(encoding='utf-8')) if store.exists() else {}
    preload()
    with tempfile.TemporaryDirectory() as temporary:
        scratch, folder = Path(temporary), Path(temporary) / 'checkout'
        ignored = shutil.ignore_patterns('.git', '.venv*', 'work_dirs', '__pycache__', '.*_cache', '.mim')
        shutil.copytree(ROOT, folder, ignore=ignored)
        covering = Map(folder, args.work_dir / 'lines.json')
        covering.renew(scratch)
        for room in args.rooms:
            mutants, count = drawn(room, 10**6 if args.only else args.each, args.seed)
            mutants = [mutant for mutant in mutants if args.only in mutant.name]
            for mutant in mutants:
                names = chosen(mutant, room, covering, args.seconds)
                tests = covering.digest(sorted({name.split('::')[0] for name in names}), ' '.join(names))
                key = hashlib.sha256(mutant.source.encode()).hexdigest()[:16]
                done = results.get(mutant.name, {})
                if done.get('source') == key and (done['found_by'] or done['tests'] == tests):
                    continue
                limit = 60 + 5 * args.seconds
                by = found_by(folder, mutant, names, limit, scratch) if names else None
                results[mutant.name] = dict(source=key, tests=tests, ran=len(names), found_by=by)
                store.write_text(json.dumps(results, indent=1), encoding='utf-8')
                word = 'killed  ' if by else 'same    ' if mutant.name in same else 'SURVIVED'
                print(f'{word} {mutant.lines.start}: {mutant.name}  <- {by or f"{len(names)} tests"}', flush=True)
            left = [mutant.name for mutant in mutants if not results[mutant.name]['found_by']]
            real = [name for name in left if name not in same]
            killed = len(mutants) - len(left)
            print(
                f'{room}: {killed} of {len(mutants)} killed ({killed / max(1, len(mutants)):.0%}), out of {count} that '
                f'there are; without {len(left) - len(real)} that change nothing '
                f'{killed / max(1, killed + len(real)):.0%}',
                *real,
                sep='\n    ',
                flush=True,
            )


if __name__ == '__main__':
    main()
