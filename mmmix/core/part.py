"""What mixers and all they are put together from have in common: arguments declared once, and a model to look at."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import MISSING
from functools import partial
from typing import Any, ClassVar, dataclass_transform

from torch import Generator, Tensor, nn

from .arguments import Argument, argument_of, declared
from .fields import (
    again,
    checked,
    choice,
    flag,
    number,
    number_or,
    part,
    places,
    settled,
    several,
    sides,
    span,
    state,
    text,
    whole,
)
from .mix import Mix

#: Where the generated list of arguments goes in a docstring: in front of the first of these.
_SECTIONS = ('    Raises:', '    Note:', '    Example:')


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(
        number,
        number_or,
        whole,
        flag,
        choice,
        text,
        span,
        several,
        sides,
        places,
        part,
        checked,
        again,
        settled,
        state,
        dataclasses.field,
    ),
)
class Part:
    """A choice in a mixed-sample method: a plain object that may hold further parts and may look at the model.

    A part holds no parameters and is not a module: nothing of it enters a checkpoint. It names its arguments in the
    class body, with the helpers of :mod:`mmmix.core.fields`; those of its base it inherits::

        class GridMix(Mixer):
            grid: int = whole(default=4, least=1, doc='Cells a side.')

    The constructor, its one-line errors, ``repr`` and the ``Args`` of the docstring follow. In positions a class's own
    arguments come before inherited ones; ``class X(Base, first=('alpha',))`` puts inherited ones in front. What is to
    be worked out from several arguments belongs into ``__post_init__``. ``class X(Base, abstract=True)`` is a base and
    no method: no config can name it.

    Attributes:
        needs_model (bool): Whether the part itself asks the trained model for gradients, features or sample identities.
        model: The :class:`mmmix.MixClassifier` (or any classifier) that it looks at, ``None`` until :meth:`bind`.
    """

    needs_model: Any = state(default=False)
    #: Whether it decides on the host, which ``torch.compile`` cannot look into.
    on_host: ClassVar[bool] = False
    model: Any = state()
    #: Whether it is a base, which no config can name.
    is_abstract: ClassVar[bool] = True
    #: The arguments, in the order of their positions.
    _order: ClassVar[list[str]] = []
    #: What the class itself declares: a field and its type, by name.
    _declares: ClassVar[dict[str, tuple[Any, Any]]] = {}

    def __init_subclass__(cls, *, first: tuple[str, ...] = (), abstract: bool = False, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls.is_abstract = abstract
        own = [name for name, value in vars(cls).items() if isinstance(value, dataclasses.Field)]
        _restate(cls, own)
        cls._declares = {name: (vars(cls)[name], cls.__annotations__[name]) for name in own}
        _take_nearest(cls)
        by_hand = '__init__' in vars(cls) or not getattr(cls.__init__, 'is_declared', False)
        dataclasses.dataclass(kw_only=True, eq=False, repr=False, init=not by_hand)(cls)
        takes = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
        inherited = [name for base in cls.__mro__[1:] for name in vars(base).get('_order', ())]
        cls._order = [name for name in dict.fromkeys([*first, *own, *inherited]) if name in takes]
        if not by_hand:
            cls.__init__ = _constructor(cls.__init__, cls._order, cls.__dataclass_fields__)  # type: ignore
            cls.__doc__ = _with_arguments(cls)

    def __init__(self) -> None:
        """Overwritten in each subclass by what it declares."""

    __init__.is_declared = True  # type: ignore[attr-defined]

    def __new__(cls, *args, **kwargs):
        """Refuse arguments that the class does not take, in one line that lists those it takes."""
        takes = inspect.signature(cls.__init__).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            unknown = [name for name in kwargs if name not in takes]
            known = ', '.join(name for name in takes if name != 'self') or 'no arguments'
            if unknown:
                raise TypeError(f'{cls.__name__} does not take `{"`, `".join(unknown)}`: it takes {known}.')
        return super().__new__(cls)

    def parts(self) -> Iterator['Part']:
        """This part and every part that it holds, outermost first."""
        yield self
        for value in vars(self).values():
            if isinstance(value, Part):
                yield from value.parts()

    def bind(self, model: Any) -> None:
        """Let this part and all that it holds look at ``model``.

        :class:`mmmix.MixClassifier` does it by itself; call it to use a guide with a classifier of your own.

        Args:
            model (nn.Module): A classifier whose ``model(images)`` gives logits of shape ``(N, K)``.
        """
        for each in self.parts():
            each.model = model

    @property
    def coins(self) -> Generator | None:
        """Where coins of a whole batch are drawn from, where all ranks must draw alike; None for torch's own."""
        return getattr(self.model, 'coins', None)

    @property
    def learns(self) -> str | None:
        """The name of what the part learns beside the network, or None; see :meth:`build_learned`, :meth:`listen`."""
        return None

    def build_learned(self, model: Any) -> nn.Module:
        """What a part that ``learns`` trains beside the network.

        :class:`mmmix.MixClassifier` asks once, before the optimizer is built, and keeps it as ``learned.<name>``.

        Args:
            model (nn.Module): The classifier.
        """
        raise NotImplementedError(f'{type(self).__name__} must define build_learned(model).')

    def begin_step(self, model: Any) -> None:
        """Called before each training step, for what follows the network to go to where the last step left it.

        Args:
            model (nn.Module): The classifier.
        """

    def check_model(self, model: Any) -> None:
        """Refuse, in one line, a classifier that this part cannot work with; asked once, when it is built.

        Args:
            model (nn.Module): The classifier.
        """

    def listen(self, model: Any) -> AbstractContextManager[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """A context that lasts while the mixed images go through the network in a training step.

        It is entered in every training step, whichever mixer mixes: ``model.mixer`` tells. What is learned must be part
        of the graph in each of them.

        Args:
            model (nn.Module): The classifier.

        Returns:
            AbstractContextManager: It gives a function from the :class:`mmmix.Mix` and the logits of the mixed images
            ``(N, K)`` to losses by name, which :class:`mmmix.MixClassifier` adds to those of its head.
        """
        raise NotImplementedError(f'{type(self).__name__} must define listen(model).')

    def require_model(self) -> Any:
        """The bound model, or the error that says where to get one.

        Raises:
            RuntimeError: If no model was bound.
        """
        if self.model is None:
            raise RuntimeError(
                f"{type(self).__name__} looks at the model: use type='mmmix.MixClassifier' in place of "
                "'ImageClassifier' (or call `bind(model)`)."
            )
        return self.model

    def __repr__(self) -> str:
        takes = inspect.signature(type(self).__init__).parameters
        shown = ', '.join(f'{name}={getattr(self, name)!r}' for name in takes if name != 'self' and hasattr(self, name))
        return f'{type(self).__name__}({shown})'


dataclasses.dataclass(init=False, eq=False, repr=False)(Part)


def _restate(cls: type, own: list[str]) -> None:
    """Turn what a class says ``again`` into whole declarations: those of its base, with what it changes."""
    for name in own:
        field: Any = vars(cls)[name]
        if 'again' not in field.metadata:
            continue
        changes, factory = field.metadata['again']
        known = argument_of(_nearest(cls)[name][0])
        assert known is not None, f'{cls.__name__}.{name}: the base declares no such argument'
        argument = dataclasses.replace(known, **{key: value for key, value in changes.items() if value is not None})
        if factory is not MISSING:
            argument = dataclasses.replace(argument, settle=partial(_or_made, factory, argument.settle))
        setattr(cls, name, declared(field.default, argument, factory))


def _nearest(cls: type) -> dict[str, tuple[Any, Any]]:
    """What the bases of a class declare, field and type by name, from the nearest one that does."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in cls.__mro__[1:]:
        found = {**vars(base).get('_declares', {}), **found}
    return found


def _take_nearest(cls: type) -> None:
    """Declare anew what a dataclass of several bases would take from the wrong one: it takes the last of them whole."""
    if len(cls.__bases__) == 1:
        return
    for name, (field, kind) in _nearest(cls).items():
        if name not in cls._declares:  # type: ignore[attr-defined]
            cls.__annotations__[name] = kind
            anew = dict(init=field.init, repr=field.repr, metadata=field.metadata)
            setattr(cls, name, dataclasses.field(default=field.default, **anew))


def _or_made(factory: Callable[[], Any], settle: Callable[[Any], Any], value: Any) -> Any:
    """What a value settles to, or what the factory makes in the place of None."""
    return factory() if value is None else settle(value)


def _constructor(build: Any, order: list[str], fields: dict[str, dataclasses.Field]) -> Callable[..., None]:
    """The constructor of a class: positions and names, defaults, and the check of each argument."""
    positions = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if fields[name].default is MISSING else fields[name].default,
        )
        for name in order
    ]
    # A signature must not have what is required behind what is not.
    positions.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    names = [parameter.name for parameter in positions]

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        owner = type(self).__name__
        if len(args) > len(names) or any(name in kwargs for name in names[: len(args)]):
            known = f'{", ".join(names)}, each once: name them' if names else 'no arguments'
            raise TypeError(f'{owner} takes {known}.')
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name in names:
            argument, default = argument_of(fields[name]), fields[name].default
            value = given.get(name, None if default is MISSING else default)
            given[name] = value if argument is None else argument.settled(owner, name, value)
        build(self, **given)

    self_ = inspect.Parameter('self', inspect.Parameter.POSITIONAL_OR_KEYWORD)
    construct.__name__ = '__init__'
    construct.__signature__ = inspect.Signature([self_, *positions])  # type: ignore[attr-defined]
    construct.is_declared = True  # type: ignore[attr-defined]
    return construct


def _with_arguments(cls: Any) -> str | None:
    """The docstring of a class with the arguments that it takes, its own and those that it inherits."""
    doc = vars(cls).get('__doc__')
    if doc is None or '    Args:\n' in doc or not cls._order:
        return doc
    entries = []
    for name in cls._order:
        field = cls.__dataclass_fields__[name]
        argument: Argument | None = argument_of(field)
        if argument is not None:
            entries.append(f'{argument.text(name, field.default)}\n')
    if not entries:
        return doc
    section = '    Args:\n' + ''.join(entries) + '\n'
    if '    Raises:\n' not in doc:
        section += '    Raises:\n        TypeError: If an argument is unknown, or a part does not fit its role.\n'
        section += '        ValueError: If an argument is out of range.\n\n'
    places = [place for place in (doc.find(f'\n{name}\n') for name in _SECTIONS) if place >= 0]
    if not places:
        return f'{doc.rstrip()}\n\n{section}    '
    return doc[: min(places) + 1] + section + doc[min(places) + 1 :]
