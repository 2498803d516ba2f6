"""Small faults that can be put into a file: what ``mutants.py`` draws from.

A fault is a comparison turned round, another operator, a sign that is lost, another constant, a condition turned round,
``min`` for ``max``, or a call left out. Docstrings, messages, declarations of arguments and annotations are left alone.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SWAPS: dict[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Lt, ast.Gt: ast.LtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Add, ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
PAIRS = ('argmax argmin', 'minimum maximum', 'amin amax', 'min max', 'any all', 'floor ceil')
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
#: Keywords of the field helpers that are words for people.
WORDS = ('doc', 'none', 'like', 'what', 'must', 'kind')


@dataclass(frozen=True)
class Mutant:
    """A file with one fault.

    Attributes:
        name: Path, function and what was done: what it is called in results and in the list of equivalent mutants.
        path: The file, from the root of the checkout.
        inside: Whether the fault is in a function; else it acts at import.
        lines: The lines of what was changed.
        statement: The lines of the statement that it is in, without the body of a compound one.
        source: The whole file with the fault.
    """

    name: str
    path: str
    inside: bool
    lines: range
    statement: range
    source: str


def faults_of(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """What can be put in the place of a node, and a word for it."""
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare) and type(changed.ops[0]) in SWAPS:
        before, changed.ops[0] = changed.ops[0], SWAPS[type(changed.ops[0])]()
        yield changed, f'{type(before).__name__} -> {type(changed.ops[0]).__name__}'
    elif isinstance(changed, (ast.BinOp, ast.BoolOp)) and type(changed.op) in SWAPS:
        kind = type(changed.op)
        changed.op = SWAPS[kind]()
        yield changed, f'{kind.__name__} -> {SWAPS[kind].__name__}'
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, (ast.Not, ast.USub)):
        operand = changed.operand
        positive = operand if isinstance(changed.op, ast.USub) else ast.Call(ast.Name('bool'), [operand], [])
        yield positive, f'{type(changed.op).__name__} dropped'
    elif isinstance(changed, ast.Constant) and type(changed.value) in (int, float, bool):
        changed.value = not changed.value if isinstance(changed.value, bool) else changed.value + 1  # type: ignore[operator]
        yield changed, f'-> {changed.value}'
    elif isinstance(changed, ast.Attribute) and changed.attr in NAMES:
        changed.attr = NAMES[changed.attr]
        yield changed, f'-> {changed.attr}'
    elif isinstance(changed, ast.IfExp):
        changed.body, changed.orelse = changed.orelse, changed.body
        yield changed, 'branches exchanged'
    elif isinstance(changed, ast.Expr) and isinstance(changed.value, ast.Call):
        yield ast.Constant(None), 'left out'


def spared(tree: ast.Module) -> set[ast.AST]:
    """The nodes that are for people: what is raised, said, declared or annotated."""
    tops: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.JoinedStr)) or (isinstance(node, ast.keyword) and node.arg in WORDS):
            tops.append(node)
        if isinstance(node, ast.ClassDef):
            tops += [each for each in node.body if isinstance(each, ast.AnnAssign)]
        tops += [each for name in ('annotation', 'returns') if (each := getattr(node, name, None)) is not None]
    return {inner for top in tops for inner in ast.walk(top)}


def located(
    tree: ast.AST, where: str = '', runs: bool = False, outer: ast.stmt | None = None
) -> Iterator[tuple[ast.AST, str, bool, ast.stmt]]:
    """Every node in a statement of ``tree``: its function, whether it runs with it (else at import), its statement."""
    for field, value in ast.iter_fields(tree):
        name, inside = where, runs
        # Decorators and defaults run where a function is defined, not in it.
        if isinstance(tree, (ast.FunctionDef, ast.ClassDef)) and field == 'body':
            name, inside = f'{where}.{tree.name}'.lstrip('.'), runs or isinstance(tree, ast.FunctionDef)
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                statement = node if isinstance(node, ast.stmt) else outer
                if statement is not None:
                    yield node, name, inside, statement
                yield from located(node, name, inside, statement)


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """All mutants of a file: all but the node that is changed stays as it is written."""
    text = path.read_bytes()
    tree = ast.parse(text)
    untouched, seen, found = spared(tree), Counter[str](), []
    starts = [0, *(index + 1 for index, byte in enumerate(text) if byte == ord('\n'))]
    for node, where, inside, statement in located(tree):
        if node in untouched or not isinstance(node, (ast.expr, ast.stmt)):
            continue
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        said = ' '.join(text[begin:end].decode().split())[:80]
        body = getattr(statement, 'body', None)
        last = body[0].lineno - 1 if body else statement.end_lineno or 0
        for changed, fault in faults_of(node):
            name = f'{path.relative_to(root)}::{where}::{said} [{fault}]'
            seen[name] += 1
            found.append(
                Mutant(
                    name=name + (f' #{seen[name]}' if seen[name] > 1 else ''),
                    path=str(path.relative_to(root)),
                    inside=inside,
                    lines=range(node.lineno, (node.end_lineno or 0) + 1),
                    statement=range(statement.lineno, max(last, statement.lineno) + 1),
                    source=(text[:begin] + f'({ast.unparse(changed)})'.encode() + text[end:]).decode(),
                )
            )
    return found
