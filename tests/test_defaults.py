"""What a docstring says an argument defaults to is what it defaults to, in the whole package."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import mmmix


def documented() -> Iterator[tuple[str, Callable]]:
    """Every class, function and method that is defined in the package."""
    for module in pkgutil.walk_packages(mmmix.__path__, 'mmmix.'):
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, '__module__', None) != module.name:
                continue
            if inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, Exception)):
                yield f'{module.name}.{name}', value
            for inner, method in vars(value).items() if inspect.isclass(value) else ():
                if inspect.isfunction(method):
                    yield f'{module.name}.{name}.{inner}', method


def said_defaults(doc: str) -> Iterator[tuple[str, Any]]:
    """The arguments in a docstring whose default it says as a value."""
    section = re.search(r'^Args:\n((?:(?: {4}.*)?\n)+)', doc + '\n', re.MULTILINE)
    for entry in re.split(r'\n(?= {4}\w)', section[1]) if section else ():
        name, text = re.match(r' *(\w*)', entry), ' '.join(entry.split())
        said = re.search(r"Defaults to (?:``(?P<code>[^`]+)``|(?P<plain>\(.*?\)|'.*?'|\w+(?:\.\d+)?(?: / \d+)?))", text)
        if name and said:
            try:
                yield name[1], eval(said['code'] or said['plain'], {'dict': dict})
            except (NameError, SyntaxError):
                continue  # it is told in words


def test_defaults_are_those_that_are_told() -> None:
    wrong, compared = [], 0
    for name, value in documented():
        parameters = inspect.signature(value).parameters
        for argument, default in said_defaults(inspect.getdoc(value) or ''):
            # A tuple or dict that stands for None is made inside.
            if argument in parameters and not (parameters[argument].default is None and default is not None):
                compared += 1
                if parameters[argument].default != default:
                    wrong.append(f'{name}: {argument} is {parameters[argument].default!r}, told as {default!r}')
    assert not wrong
    assert compared > 400
