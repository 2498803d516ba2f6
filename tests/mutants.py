"""How many small faults do the tests find? ``python tests/mutants.py --each 25``, or ``make mutants``.

A mutant is the package with one small fault: a comparison turned round, a sign, a constant, a condition, a call left
out. Mutants are drawn at random from the rooms named below, each is put into a copy of the checkout, and the tests of
its room run until one fails. Results are written after every mutant, so that a stopped run goes on where it was; a
survivor is printed with its line. Docstrings, messages, declarations of arguments and annotations are left alone.
"""

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Room -> the tests that should find what is wrong in it; ``{names}`` are the classes of the file.
ROOMS: dict[str, list[list[str]]] = {
    'mixers': [['tests/mixers'], ['tests/test_laws.py', 'tests/test_composition.py', '-k', '{names}']],
    'partners': [['tests/partners', 'tests/engine'], ['tests/models', 'tests/mixers']],
    'engine': [['tests/engine'], ['tests/tools', 'tests/configs/test_hard_configs.py', 'tests/visualization']],
    'models/classifiers': [['tests/models'], ['tests/engine', 'tests/test_bad_input.py', 'tests/test_composition.py']],
}  # fmt: skip
SWAPS: dict[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Lt, ast.Gt: ast.LtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Add, ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
PAIRS = ('argmax argmin', 'minimum maximum', 'amin amax', 'min max', 'any all', 'floor ceil')
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}


def changes_of(node: ast.AST) -> list:
    """What can be done to a node: functions that do it and say what they did."""
    found = []
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        found.append(lambda n: swap(n.ops, 0))
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
        found.append(lambda n: swap_op(n))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        found.append(drop_sign)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        found.append(lambda n: set_field(n, 'value', not n.value if isinstance(n.value, bool) else n.value + 1))
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        found.append(lambda n: set_field(n, 'attr', NAMES[n.attr]))
    if isinstance(node, ast.IfExp):
        found.append(turn_round)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        found.append(leave_out)
    return found


def swap(ops: list, at: int) -> str:
    """Another operator in a comparison."""
    before = ops[at]
    ops[at] = SWAPS[type(before)]()
    return f'{type(before).__name__} -> {type(ops[at]).__name__}'


def swap_op(node: ast.BinOp | ast.BoolOp) -> str:
    """Another operator."""
    before = type(node.op)
    node.op = SWAPS[before]()
    return f'{before.__name__} -> {type(node.op).__name__}'


def set_field(node: ast.AST, name: str, value: object) -> str:
    """Another value in a field."""
    before = getattr(node, name)
    setattr(node, name, value)
    return f'{ast.unparse(before) if isinstance(before, ast.AST) else repr(before)} -> {value!r}'


def drop_sign(node: ast.UnaryOp) -> str:
    """A sign or a negation is lost."""
    said = ast.unparse(node)
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
    if isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return f'{said} -> without'


def leave_out(node: ast.Expr) -> str:
    """A call is not made."""
    said = ast.unparse(node)
    node.value = ast.Constant(None)
    return f'{said.splitlines()[0][:60]} -> left out'


def turn_round(node: ast.IfExp) -> str:
    """The other branch."""
    node.body, node.orelse = node.orelse, node.body
    return 'branches exchanged'


#: Keywords of the field helpers that are words for people.
WORDS = ('doc', 'none', 'like', 'what', 'must', 'kind')


def mutants_of(path: Path) -> list[tuple[str, int, str, str]]:
    """All mutants of a file: its path, the line, what was done, and the source."""
    source = path.read_text(encoding='utf-8')
    tree = ast.parse(source)
    spared = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Raise, ast.JoinedStr)) or (isinstance(node, ast.AnnAssign) and node.simple)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for field in ('annotation', 'returns'):
            if getattr(node, field, None) is not None:
                spared |= {id(inner) for inner in ast.walk(getattr(node, field))}
        if isinstance(node, ast.keyword) and node.arg in WORDS:
            spared |= {id(inner) for inner in ast.walk(node)}
    allowed = [id(node) not in spared for node in ast.walk(tree)]
    found = []
    for index, node in enumerate(ast.walk(tree)):
        if not allowed[index]:
            continue
        for change in changes_of(node):
            mutant = copy.deepcopy(tree)
            said = change(next(each for i, each in enumerate(ast.walk(mutant)) if i == index))
            found.append((str(path.relative_to(ROOT)), getattr(node, 'lineno', 0), said, ast.unparse(mutant)))
    return found


def is_killed(folder: Path, path: str, source: str, room: str, timeout: float) -> bool:
    """Whether a test of the room fails, or does not end, with this source in the place of a file."""
    target = folder / path
    before = target.read_text(encoding='utf-8')
    classes = [node.name for node in ast.parse(before).body if isinstance(node, ast.ClassDef)]
    env = {**os.environ, 'PYTHONPATH': str(folder), 'PYTHONDONTWRITEBYTECODE': '1', 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, '-m', 'pytest', '-x', '-q', '-p', 'no:cacheprovider', '-m', 'not slow']
    try:
        target.write_text(source, encoding='utf-8')
        for group in ROOMS[room]:
            tests = [each.format(names=' or '.join(classes) or 'mixer') for each in group]
            done = subprocess.run([*command, *tests], cwd=folder, env=env, capture_output=True, timeout=timeout)
            if done.returncode not in (0, 5):
                return True
    except subprocess.TimeoutExpired:
        return True
    finally:
        target.write_text(before, encoding='utf-8')
    return False


def main() -> None:
    """Draw mutants, try them, and print the score of each room."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--each', type=int, default=25, help='mutants of each room; default: 25')
    parser.add_argument('--rooms', nargs='+', choices=ROOMS, default=list(ROOMS))
    parser.add_argument('--seed', type=int, default=0, help='which mutants; default: 0')
    parser.add_argument('--timeout', type=float, default=300, help='seconds for the tests of a mutant; default: 300')
    parser.add_argument('--output', type=Path, default=ROOT / 'work_dirs' / 'mutants.json')
    args = parser.parse_args()
    results: list[dict] = json.loads(args.output.read_text()) if args.output.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / 'checkout'
        ignored = shutil.ignore_patterns('.git', '.venv*', 'work_dirs', '__pycache__', '.mim')
        shutil.copytree(ROOT, folder, ignore=ignored)
        for room in args.rooms:
            files = [path for path in sorted((ROOT / 'mmmix' / room).rglob('*.py')) if path.name != '__init__.py']
            every = [mutant for path in files for mutant in mutants_of(path)]
            for path, line, said, source in random.Random(args.seed).sample(every, min(args.each, len(every))):
                key = dict(room=room, path=path, line=line, fault=said)
                if any(key.items() <= done.items() for done in results):
                    continue
                killed = is_killed(folder, path, source, room, args.timeout)
                results.append({**key, 'killed': killed})
                args.output.parent.mkdir(parents=True, exist_ok=True)
                args.output.write_text(json.dumps(results, indent=1), encoding='utf-8')
                print(f'{"killed  " if killed else "SURVIVED"} {path}:{line} {said}', flush=True)
            own = [each['killed'] for each in results if each['room'] == room]
            print(f'{room}: {sum(own)} of {len(own)} killed, out of {len(every)} that there are', flush=True)


if __name__ == '__main__':
    main()
