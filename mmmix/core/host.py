"""What the rooms ask of the framework around them. They need torch alone; what OpenMMLab gives comes in by here."""

import logging
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


class Host:
    """A loop without a framework: parts are objects, and nobody counts epochs.

    ``mmmix.openmmlab.OpenMMLab`` is the other one; :func:`host` says which one is in force.
    """

    def build(self, config: dict) -> Any:
        """A part from its config, ``dict(type='mmmix.X', ...)``."""
        raise RuntimeError(
            f'Configs such as {config!r} are built by OpenMMLab: run `pip install "mmmix[onedl]"`, or hand over the '
            'object itself.'
        )

    def network(self, model: str | dict, checkpoint: str | bool) -> Any:
        """A network by its name or its config, with weights."""
        raise RuntimeError(f'The network {model!r} is built by OpenMMLab: run `pip install "mmmix[onedl]"`.')

    def epoch(self) -> int | None:
        """The epoch of the run, from 0; None where nobody tells."""
        return None

    def progress(self) -> float | None:
        """How much of the run is done, from 0 to 1; None where nobody tells."""
        return None

    def log(self, message: str) -> None:
        """A line in the log of the run."""
        logging.getLogger('mmmix').info(message)

    def warn(self, message: str) -> None:
        """A line that should be read, in the log of the run or, without one, on the console."""
        logging.getLogger('mmmix').warning(message)


@cache
def host() -> Host:
    """The host: OpenMMLab where it is installed. It is named and not imported, so that rooms work without it."""
    if find_spec('mmpretrain') is None:
        return Host()
    found: Host = import_module('mmmix.openmmlab').OpenMMLab()
    return found
