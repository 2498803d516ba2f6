"""Arguments, declared once: type, default, what a value must be and what it means.

A helper of :mod:`mmmix.core.fields` stands where a class names an argument, as ``dataclasses.field`` does.
Constructor, one-line errors, ``repr`` and the documentation follow from it; see :class:`mmmix.core.part.Part`. Classes
that are no parts (heads, hooks, data sets) check theirs with the same helpers, by :func:`check`.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from functools import cache
from textwrap import fill
from typing import Any, Generic, TypeVar, overload

T = TypeVar('T')


class Built(Generic[T]):
    """For editors and type checkers: an attribute that is a ``T``, and an argument that may be its config as well."""

    @overload
    def __get__(self, holder: None, owner: type) -> 'Built[T]': ...
    @overload
    def __get__(self, holder: object, owner: type) -> T: ...
    def __get__(self, holder: Any, owner: type) -> Any: ...
    def __set__(self, holder: Any, value: T | dict | None) -> None: ...


@dataclass(frozen=True)
class Argument:
    """What is known of an argument beside its name and its default.

    Attributes:
        settle (Callable[[Any], Any]): From a value to what is kept of it; raises ``ValueError`` without a message for
            one that does not fit, and with one where there is more to say.
        must (str): What a value must be, as the error says it: ``'lie in [0, 1]'``.
        like (Any): A value that fits, for the error; None for none.
        kind (str): The type, as the documentation shows it.
        doc (str): What it means.
        optional (bool): Whether None fits.
        none (str): What None stands for, as the documentation says it.
    """

    settle: Callable[[Any], Any]
    must: str
    like: Any
    kind: str
    doc: str
    optional: bool = False
    none: str = ''

    def settled(self, owner: str, name: str, value: Any) -> Any:
        """What is kept of a value.

        Args:
            owner (str): Whose argument it is, for the error.
            name (str): Its name, for the error.
            value (Any): What was given.

        Raises:
            ValueError: If the value does not fit.
        """
        if value is None and self.optional:
            return None
        try:
            return self.settle(value)
        except WrongRole as error:
            raise TypeError(f'{owner}: `{name}` {error}') from None
        except Missing:
            raise TypeError(f'{owner} needs a {name}, e.g. {self.like}.') from None
        except ValueError as error:
            example = '' if self.like is None else f', e.g. {name}={self.like!r}'
            orelse = ', or be None' if self.optional else ''
            said = str(error) or f'must {self.must}{orelse}{example}, but got {value!r}.'
            raise ValueError(f'{owner}: `{name}` {said}') from None

    def text(self, name: str, default: Any) -> str:
        """The entry of the documentation: ``name (type): what it means. Defaults to ...``."""
        optional = ', optional' if self.optional or self.none else ''
        if default is MISSING:
            end = ''
        elif default is None and self.none:
            end = f' Defaults to None, {self.none}.'
        else:
            shown = f'``{default!r}``' if isinstance(default, str) else repr(default)
            end = f' Defaults to {shown}.'
        entry = f'{name} ({self.kind}{optional}): {self.doc}{end}'
        return _wrapped(entry)


@cache
def _wrapped(entry: str) -> str:
    """An entry as lines of a docstring; many classes inherit the same one."""
    return fill(entry, 120, initial_indent=8 * ' ', subsequent_indent=12 * ' ', break_long_words=False)


def declared(default: Any, argument: Argument, factory: Any = MISSING) -> Any:
    """The field of a dataclass that carries an argument."""
    given: dict = {} if default is MISSING else dict(default=default)
    return dataclasses.field(**given, metadata=dict(argument=argument, factory=factory))


def argument_of(field: dataclasses.Field) -> Argument | None:
    """The argument that a field carries, None if it was declared in another way."""
    return field.metadata.get('argument')


def check(owner: Any, **given: tuple[Any, Any]) -> tuple[Any, ...]:
    """Check arguments of a class that is no part, with the helpers of this module.

    Args:
        owner (Any): The object, or the name that errors begin with.
        **given (tuple[Any, Any]): By the name of each argument, its value and what it must be.

    Returns:
        tuple: What is kept of each value, in the order given.

    Example:
        >>> from mmmix.core.fields import whole
        >>> check('Hook', interval=(0, whole(least=1)))
        Traceback (most recent call last):
        ValueError: Hook: `interval` must be a whole number of at least 1, but got 0.
    """
    name = owner if isinstance(owner, str) else type(owner).__name__
    return tuple(argument_of(field).settled(name, key, value) for key, (value, field) in given.items())  # type: ignore


class WrongRole(Exception):  # noqa: N818 - the message of a TypeError, still without the name of the argument
    """A part was given where another kind fits."""


class Missing(Exception):  # noqa: N818 - likewise
    """None was given where a part must be."""


def refuse() -> ValueError:
    """The error of a value that does not fit, without a message of its own."""
    return ValueError()
