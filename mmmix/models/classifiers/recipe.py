"""The choice among several mixers, taken out of the data preprocessor so that the classifier can mix."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from torch import Tensor, nn

from ...core import Mixer
from ...probes.modules import module_at


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
    def choose(self, coins: torch.Generator | None = None) -> Callable | None:
        """Draw one of the mixers, on the host; a compiled network must not draw otherwise than one that is not.

        Args:
            coins (torch.Generator, optional): Where from, if all ranks must draw alike. Defaults to None, torch's own.
        """
        if self.probs is None:
            return self.augments[int(torch.randint(len(self.augments), (), generator=coins))]
        return self.augments[int(torch.multinomial(self.probs, 1, generator=coins))]


def own_configs(
    train_cfg: dict | None, data_preprocessor: dict | nn.Module | None
) -> tuple[dict | None, dict | nn.Module]:
    """Copies of what a classifier is configured with: mmpretrain's ``RandomBatchAugment`` appends to its ``probs``.

    Args:
        train_cfg (dict, optional): ``augments`` and ``probs``.
        data_preprocessor (dict | nn.Module, optional): The preprocessor or its config.

    Raises:
        ValueError: If ``train_cfg`` has other keys, or both of them name mixers.
    """
    train_cfg = deepcopy(train_cfg)
    unknown = set(train_cfg or ()) - {'augments', 'probs'}
    if unknown:
        raise ValueError(
            f'MixClassifier: `train_cfg` takes `augments` and `probs`, but got {sorted(unknown)}: remove them.'
        )
    if isinstance(data_preprocessor, dict) or data_preprocessor is None:
        data_preprocessor = deepcopy(data_preprocessor) or {}
        if train_cfg and data_preprocessor.get('batch_augments'):
            raise ValueError(
                'MixClassifier: both `train_cfg` and `data_preprocessor.batch_augments` name mixers: keep one.'
            )
    return train_cfg, data_preprocessor


def adopt(given: Any, model: Any) -> Recipe:
    """Make a recipe of what somebody gave the preprocessor, and let its parts look at the model.

    Args:
        given (Callable): mmpretrain's ``RandomBatchAugment``, a mixer, or another batch augmentation.
        model (MixClassifier): The classifier.

    Returns:
        Recipe: One that the model can run.

    Raises:
        TypeError: If it is no batch augmentation.
        ValueError: If the head cannot take label shares, or a part cannot work with this network.
    """
    if isinstance(given, RandomBatchAugment):
        recipe = Recipe(given.augments, given.probs)
    elif callable(given):
        recipe = Recipe([given])
    else:
        raise TypeError(
            f'MixClassifier cannot run the batch augmentation {given!r}: use RandomBatchAugment or a mixer.'
        )
    check_head(model.head, recipe)
    for mixer in recipe.mixers():
        mixer.bind(model)
        for part in mixer.parts():
            part.check_model(model)
            if part.learns is not None:
                model.learned.enrol(part, model)
    for mixer in recipe.mixers():
        check_depths(mixer, model)
    return recipe


def check_head(head: Any, recipe: Recipe) -> None:
    """Refuse a head that cannot take what the mixers give.

    Args:
        head (nn.Module): The head.
        recipe (Recipe): The mixers.

    Raises:
        ValueError: If it rates whole labels, or must know how images were mixed and one of the mixers does not tell.
    """
    name, loss = type(head).__name__, getattr(head, 'loss_module', None)
    if getattr(head, 'cal_acc', False):
        raise ValueError(f'{name}: `cal_acc=True` cannot rate mixed labels: remove it, MixClassifier logs `mix_acc`.')
    if name in ('MultiTaskHead', 'ArcFaceClsHead') or type(loss).__name__ == 'SeesawLoss':
        raise ValueError(
            f'{name} with {type(loss).__name__} needs whole class labels and cannot take the label shares of '
            'a mix: use a head with a softmax or sigmoid cross entropy, e.g. LinearClsHead.'
        )
    foreign = [a for a in recipe.augments if a is not None and not isinstance(a, Mixer)]
    if foreign and hasattr(head, 'loss_mix'):
        raise ValueError(
            f'{name} must know how images were mixed, which {type(foreign[0]).__name__} of '
            f"{type(foreign[0]).__module__.split('.')[0]} does not tell: use 'mmmix.{type(foreign[0]).__name__}'."
        )


def check_depths(mixer: Mixer, model: Any) -> None:
    """Refuse depths that the network does not have, or at which parts that learn could not tell what they hear.

    Args:
        mixer (Mixer): One that may mix inside the network.
        model (MixClassifier): The classifier.

    Raises:
        ValueError: In both cases.
    """
    learners = model.learned.learners
    for at in filter(None, mixer.at):
        module_at(model, at)
        if learners:
            raise ValueError(
                f"{type(mixer).__name__} mixes inside the network (at='{at}'), where {type(learners[0]).__name__} "
                'could not tell what it hears: use one of them.'
            )
