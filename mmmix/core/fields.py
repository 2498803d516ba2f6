"""The helpers that declare arguments: a number, a choice, a part, and what each must be."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal

from .arguments import Argument, Missing, WrongRole, declared, refuse
from .host import host


def number(
    *,
    default: Any = MISSING,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    optional: bool = False,
    none: str = '',
    like: float | None = None,
    doc: str = '',
) -> Any:
    """A finite number within bounds; ``above`` and ``below`` exclude the bound, ``least`` and ``most`` include it."""

    def settle(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
            raise refuse()
        return float(_within(value, above, least, below, most))

    must = _range_text('a number', above, least, below, most)
    return declared(default, Argument(settle, must, _example(like, default), 'float', doc, optional, none))


def whole(
    *,
    default: Any = MISSING,
    least: int | None = None,
    most: int | None = None,
    odd: bool = False,
    optional: bool = False,
    none: str = '',
    like: int | None = None,
    doc: str = '',
) -> Any:
    """A whole number within bounds."""

    def settle(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or (odd and int(value) % 2 == 0):
            raise refuse()
        return int(_within(int(value), None, least, None, most))

    must = _range_text('an odd whole number' if odd else 'a whole number', None, least, None, most)
    return declared(default, Argument(settle, must, _example(like, default), 'int', doc, optional, none))


def flag(*, default: Any = MISSING, doc: str = '') -> Any:
    """True or False."""

    def settle(value: Any) -> bool:
        if not isinstance(value, bool):
            raise refuse()
        return value

    return declared(default, Argument(settle, 'be True or False', None, 'bool', doc))


def number_or(word: str, *, default: Any = MISSING, doc: str = '') -> Any:
    """A finite number, or one word that stands for something else."""

    def settle(value: Any) -> float | str:
        if (
            value == word
            if isinstance(value, str)
            else not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)
        ):
            return value
        raise refuse()

    argument = Argument(settle, f'be a number or {word!r}', _example(None, default), 'float | str', doc)
    return declared(default, argument)


def choice(*options: Any, default: Any = MISSING, doc: str = '') -> Any:
    """One of a few values."""

    def settle(value: Any) -> Any:
        if not any(value is option or (type(value) is type(option) and value == option) for option in options):
            raise refuse()
        return value

    names = [repr(option) for option in options]
    must = f'be {" or ".join([", ".join(names[:-1]), names[-1]])}'
    kind = 'str' if all(isinstance(option, str) or option is None for option in options) else 'str | int'
    return declared(default, Argument(settle, must, None, kind + (', optional' if None in options else ''), doc))


def text(
    *,
    default: Any = MISSING,
    what: str = 'a text',
    optional: bool = False,
    none: str = '',
    like: str | None = None,
    doc: str = '',
) -> Any:
    """A text that is not empty, such as the path of a module."""

    def settle(value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise refuse()
        return value

    return declared(default, Argument(settle, f'be {what}', _example(like, default), 'str', doc, optional, none))


def span(
    *,
    default: Any = MISSING,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    whole: bool = False,
    optional: bool = False,
    none: str = '',
    like: Any = None,
    doc: str = '',
) -> Any:
    """A range: two numbers within bounds, the first at most the second."""

    def settle(value: Any) -> tuple:
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            raise refuse()
        kind = Integral if whole else Real
        for end in value:
            if isinstance(end, bool) or not isinstance(end, kind) or not isfinite(end):
                raise refuse()
            _within(end, above, least, None, most)
        if value[0] > value[1]:
            raise refuse()
        return tuple(int(end) if whole else float(end) for end in value)

    low = f'[{least}' if least is not None else '(-inf' if above is None else f'({above}'
    must = f'be a range{" of whole numbers" if whole else ""} in {low}, {"inf)" if most is None else f"{most}]"}'
    kind = f'Sequence[{"int" if whole else "float"}]'
    return declared(default, Argument(settle, must, _example(like, default), kind, doc, optional, none))


def several(*, default: Any = MISSING, least: int, doc: str = '') -> Any:
    """One or more whole numbers."""

    def settle(value: Any) -> tuple[int, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise refuse()
        if any(isinstance(each, bool) or not isinstance(each, Integral) or each < least for each in value):
            raise refuse()
        return tuple(int(each) for each in value)

    must = f'be whole numbers from {least} up'
    return declared(default, Argument(settle, must, _example(None, default), 'Sequence[int]', doc))


def sides(*, default: Any = MISSING, doc: str = '') -> Any:
    """The sides of a box: a number of pixels, or height and width; kept as it was given, see :func:`both_sides`."""

    def settle(value: Any) -> Any:
        both_sides(value)
        return value

    must = 'be a positive number of pixels, or two'
    return declared(default, Argument(settle, must, _example(16, default), 'int | Sequence[int]', doc))


def both_sides(length: Any) -> tuple[int, int]:
    """Height and width of a box whose length is one number or two."""
    pair = (length, length) if isinstance(length, Integral) else length
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise refuse()
    if any(isinstance(side, bool) or not isinstance(side, Integral) or side < 1 for side in pair):
        raise refuse()
    return int(pair[0]), int(pair[1])


def places(*, default: Any = MISSING, none: str = '', doc: str = '') -> Any:
    """Paths of modules, ``''`` for the images; None is the images alone."""

    def settle(value: Any) -> tuple[str, ...]:
        found = (
            (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else ('',) * (not value)
        )
        if not found or not all(isinstance(place, str) for place in found):
            raise refuse()
        return found

    argument = Argument(settle, 'name modules', ['', 'backbone.layer1'], 'str | Sequence[str]', doc, none=none)
    return declared(default, argument)


def part(
    role: type, *, default: Any = MISSING, stands_for: Any = MISSING, none: str = '', like: str = '', doc: str = ''
) -> Any:
    """A part that fills a role, or its config.

    Args:
        role (type): What fits there, e.g. ``Guide``.
        default (Any): None, or left out for a part that must be given.
        stands_for (Any): What makes the part that None stands for: a class, or a function without arguments.
        none (str): What None stands for, as the documentation says it; by default the class above.
        like (str): A config that fits, for the error.
        doc (str): What it means.

    """

    def settle(value: Any) -> Any:
        if value is None:
            if stands_for is not MISSING:
                return stands_for()
            if default is MISSING:
                raise Missing
            return None
        found = host().build(value) if isinstance(value, dict) else value
        if not isinstance(found, role):
            raise WrongRole(f'takes a {role.__name__} or its config, e.g. dict(type=...), but got {value!r}.')
        return found

    if not none and isinstance(stands_for, type):
        none = f':class:`{stands_for.__name__}`'
    argument = Argument(settle, '', like or None, f'{role.__name__} | dict', doc, none=none)
    return declared(default, argument, stands_for)


def checked(
    settle: Callable[[Any], Any],
    *,
    default: Any = MISSING,
    must: str,
    kind: str,
    optional: bool = False,
    none: str = '',
    like: Any = None,
    doc: str = '',
) -> Any:
    """An argument with a check of its own: ``settle`` gives what is kept, and raises ``refuse()``."""
    return declared(default, Argument(settle, must, _example(like, default), kind, doc, optional, none))


def again(*, default: Any, doc: str | None = None, stands_for: Any = MISSING, none: str | None = None) -> Any:
    """An argument of the base with another default, or another meaning."""
    changes = dict(doc=doc, none=none)
    if none is None and isinstance(stands_for, type):
        changes['none'] = f':class:`{stands_for.__name__}`'
    return dataclasses.field(default=default, metadata=dict(again=(changes, stands_for)))


def settled(*, default: Any = None, init: Literal[False] = False) -> Any:
    """What the base takes as an argument and this class has settled: it does not take it any more."""
    return dataclasses.field(default=default, init=init, repr=False)


def state(*, default: Any = None, init: Literal[False] = False) -> Any:
    """What an object remembers between calls: no argument."""
    return dataclasses.field(default=default, init=init, repr=False)


# ------------------------------------------------------------------------------------------------------------- wording


def _within(value: Any, above: Any, least: Any, below: Any, most: Any) -> Any:
    if (
        (above is not None and not value > above)
        or (least is not None and not value >= least)
        or (below is not None and not value < below)
        or (most is not None and not value <= most)
    ):
        raise refuse()
    return value


def _range_text(what: str, above: Any, least: Any, below: Any, most: Any) -> str:
    low, high = (above if least is None else least), (below if most is None else most)
    if low is not None and high is not None:
        return f'lie in {"(" if least is None else "["}{low}, {high}{")" if most is None else "]"}'
    if least is not None:
        return f'be {what} of at least {least}'
    bounds = ((above, 'above'), (below, 'below'), (most, 'of at most'))
    return ' '.join([f'be {what}', *(f'{word} {bound}' for bound, word in bounds if bound is not None)])


def _example(like: Any, default: Any) -> Any:
    return like if like is not None or default is MISSING else default
