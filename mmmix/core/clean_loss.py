"""The loss on clean images that comes along with RegMixup, Puzzle Mix and Co-Mixup."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .fields import number
from .kinds import GuidedMixer
from .mix import Mix
from .mixer import Mixer


class CleanLoss(Mixer, abstract=True):
    """Base of mixers whose authors train on the clean images as well.

    The clean images then go through the network in train mode and with a graph, in the step's one clean pass, from
    which an :class:`InputGradient` takes its gradient too.
    """

    clean_lam: float = number(
        default=0.0,
        least=0,
        like=1.0,
        doc='Weight of a cross entropy of the clean images of each mixed batch, logged as ``loss_clean``, beside the '
        "head's loss. Above 0 it needs :class:`mmmix.MixClassifier`, and an :class:`InputGradient` comes from the same "
        'pass, in train mode; 0 is no such loss.',
    )

    def __post_init__(self) -> None:
        """The loss needs a model."""
        super().__post_init__()
        self.needs_model = self.needs_model or self.clean_lam > 0

    @property
    def clean_pass(self) -> str | None:
        """The mode of the clean pass of a step with this mixer, unless the head asks for another; None for any."""
        return 'train' if self.clean_lam else None

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch; with ``clean_lam`` a classifier must be there to add the loss."""
        if self.clean_lam:
            self.require_model()
        return super().__call__(images, scores)

    def bind(self, model: Any) -> None:
        """Look at ``model``; see :meth:`Part.bind`. With ``clean_lam`` it must add what a part says to its losses."""
        if self.clean_lam and not hasattr(model, 'learned'):
            raise TypeError(
                f'{type(self).__name__}: {type(model).__name__} adds no loss for `clean_lam`: use '
                "type='mmmix.MixClassifier', or clean_lam=0."
            )
        super().bind(model)

    @property
    def learns(self) -> str | None:
        """The name under which the classifier asks for the loss; nothing is learned for it."""
        return f'{type(self).__name__.lower()}_clean' if self.clean_lam else None

    def build_learned(self, model: Any) -> nn.Module:
        """Nothing: the loss is that of the network's own head."""
        return nn.Identity()

    def check_model(self, model: Any) -> None:
        """Refuse a head that wants the clean pass without a graph."""
        if self.clean_lam and getattr(model.head, 'clean_pass', None) not in (None, 'train'):
            raise ValueError(
                f'{type(self).__name__}: `clean_lam` trains on the clean pass, which {type(model.head).__name__} wants '
                "without a graph: set clean_pass='train' in the head, or clean_lam=0."
            )

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Add the loss of the clean images to that of the batch that they were mixed into; see :meth:`Part.listen`."""

        def losses(mix: Mix, logits: Tensor) -> dict[str, Tensor]:
            if model.mixer is not self or not mix.mixed:
                return {}
            n = len(mix.partner)
            clean, scores = model.clean_pass().logits[:n].float(), mix.pool_scores[:n].float()
            return {'loss_clean': self.clean_lam * F.cross_entropy(clean, scores)}

        yield losses


class CleanLossMixer(CleanLoss, GuidedMixer, abstract=True):
    """Base of those among them that ask a guide."""
