"""Who listens while the images of a training step go through the network, and what they make of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core import Mix
from .step import Step
from .taps import tapped


@dataclass
class Listeners:
    """What was put around one forward pass.

    Attributes:
        told (list[Mix], optional): The story, once features were mixed inside the network; None where images were.
        relabel (Callable, optional): From a mix, and a function for its logits, to the mix with the labels of a policy
            that looks at the mixed batch.
        learners (list[Callable]): From a mix and its logits to the losses of parts that learn beside the network.
    """

    told: list[Mix] | None
    relabel: Callable[[Mix, Callable[[], Tensor]], Mix] | None
    learners: list[Callable[[Mix, Tensor], dict[str, Tensor]]]

    @property
    def any(self) -> bool:
        """Whether anybody listens."""
        return self.told is not None or self.relabel is not None or bool(self.learners)

    def retell(self, mix: Mix, predict: Callable[[], Tensor]) -> Mix:
        """The mix as it is known now that the images went through the network.

        Args:
            mix (Mix): What was known before.
            predict (Callable[[], Tensor]): Gives the logits of the mixed images, ``(N, K)``.
        """
        if self.told is not None:
            (mix,) = self.told
        if self.relabel is None or not mix.mixed:
            return mix
        with torch.no_grad():
            return self.relabel(mix, predict)


@contextmanager
def listening(step: Step) -> Iterator[Listeners]:
    """Let everybody listen who wants to: features to be mixed, a label policy, parts that learn beside the network.

    Args:
        step (Step): The step, once it is settled who meets whom.

    Yields:
        Listeners: What to ask once the images went through.
    """
    model, mixer, scene = step.model, step.mixer, step.scene
    policy = None if mixer is None else mixer.labels
    with ExitStack() as stack:
        enter = stack.enter_context
        yield Listeners(
            told=None if mixer is None or scene is None else enter(tapped(model, mixer, scene, step.at)),
            relabel=None if policy is None or not policy.after_forward else enter(policy.watch(model)),
            learners=[enter(listener) for listener in model.learned.listeners(model)] if model.training else [],
        )
