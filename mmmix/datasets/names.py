"""What a class is called."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any


def class_name(label: Any, classes: Sequence[str] | None) -> str:
    """The name of a class, or its number where it has no name: a data set may name fewer classes than there are.

    Args:
        label (Any): The number of the class; anything else is its own name.
        classes (Sequence[str], optional): The names; None shows numbers.
    """
    if isinstance(label, Integral) and classes is not None and 0 <= int(label) < len(classes):
        return str(classes[int(label)])
    return str(label)
