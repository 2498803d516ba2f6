"""The choice among several mixers, taken out of the data preprocessor so that the classifier can mix."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ...mixers import Mixer


class Recipe:
    """What ``data_preprocessor.batch_augments`` becomes under :class:`mmmix.MixClassifier`.

    It keeps the mixers and their probabilities. When the preprocessor calls it, nothing happens: the classifier asks it
    to :meth:`choose` later, where the model is at hand.

    Args:
        augments (Sequence[Callable | None]): Mixers, mmpretrain's own batch augmentations, or None for nothing.
        probs (Sequence[float], optional): The probability of each. Defaults to None, all alike.
    """

    def __init__(self, augments: Sequence[Callable | None], probs: Sequence[float] | None = None):
        self.augments = list(augments)
        self.probs = None if probs is None else torch.tensor(probs, dtype=torch.float64).clamp(min=0)

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Pass the batch on as it is; the classifier mixes later."""
        return images, scores.float()

    def mixers(self) -> Iterator[Mixer]:
        """All mixers of this package in the recipe."""
        yield from (augment for augment in self.augments if isinstance(augment, Mixer))

    @torch.compiler.disable
    def choose(self) -> Callable | None:
        """Draw one of the mixers, on the host; a compiled network must not draw otherwise than one that is not."""
        if self.probs is None:
            return self.augments[int(torch.randint(len(self.augments), ()))]
        return self.augments[int(torch.multinomial(self.probs, 1))]
