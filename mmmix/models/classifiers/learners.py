"""What parts learn beside the network: it is part of the model, and they listen to every training step."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from ...core import Mix, Part


class Learned(nn.ModuleDict):
    """The modules of parts that ``learns``, by the names that they give, and the parts themselves.

    A name belongs to one module: a part that comes later, by a switched recipe, goes on with it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._learners: dict[str, Part] = {}
        self._closed = False

    @property
    def learners(self) -> list[Part]:
        """The part that speaks for each module."""
        return list(self._learners.values())

    def close(self) -> None:
        """From now on the optimizer may know the parameters: nothing new is learned."""
        self._closed = True

    def enrol(self, part: Part, model: Any) -> None:
        """Take what a part learns into the model, while the optimizer can still find it.

        Args:
            part (Part): One that ``learns``.
            model (MixClassifier): The classifier.

        Raises:
            ValueError: If it is too late.
        """
        name = part.learns
        assert name is not None
        if name not in self:
            if self._closed:
                raise ValueError(
                    f'{part!r} learns beside the network, so the optimizer must know it from the beginning: name it '
                    'in the `train_cfg` that MixClassifier is built with.'
                )
            self[name] = part.build_learned(model)
        self._learners[name] = part

    def begin_step(self, model: Any) -> None:
        """Tell each part that a training step begins; see :meth:`mmmix.core.Part.begin_step`.

        Args:
            model (MixClassifier): The classifier.
        """
        for part in self._learners.values():
            part.begin_step(model)

    def listeners(self, model: Any) -> list[AbstractContextManager[Callable[[Mix, Tensor], dict[str, Tensor]]]]:
        """One context for each part, to be entered for the training forward pass; see :meth:`mmmix.core.Part.listen`.

        Args:
            model (MixClassifier): The classifier.
        """
        return [part.listen(model) for part in self._learners.values()]
