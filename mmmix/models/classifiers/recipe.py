"""The choice among several mixers, taken out of the data preprocessor so that the classifier can mix."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from numbers import Real
from typing import Any

import torch
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from torch import Tensor, nn

from ...core import Mixer, check
from ...core.fields import number
from ...probes.modules import module_at
from .targets import takes_views


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
        TypeError: If one of them is of a wrong type.
        ValueError: If ``train_cfg`` has other keys, both of them name mixers or the preprocessor cannot take them any
            more, or the choice among mixers is none.
    """
    train_cfg = checked(deepcopy(train_cfg), '`train_cfg`')
    if isinstance(data_preprocessor, dict) or data_preprocessor is None:
        data_preprocessor = deepcopy(data_preprocessor) or {}
        if train_cfg and data_preprocessor.get('batch_augments'):
            raise ValueError(
                'MixClassifier: both `train_cfg` and `data_preprocessor.batch_augments` name mixers: keep one.'
            )
        if 'batch_augments' in data_preprocessor:
            where = '`data_preprocessor.batch_augments`'
            data_preprocessor['batch_augments'] = checked(data_preprocessor['batch_augments'], where)
    elif train_cfg:
        raise ValueError(
            'MixClassifier: a `data_preprocessor` that is built already does not see the mixers in `train_cfg`: give '
            'its config, or set its `batch_augments`.'
        )
    return train_cfg, data_preprocessor


def checked(config: Any, where: str) -> dict | None:
    """The choice among mixers as a config gives it, if it is one.

    Args:
        config (dict, optional): ``augments`` and ``probs``, changed in place.
        where (str): Where it stands, for the error.

    Raises:
        TypeError: If something in it is of a wrong type.
        ValueError: If it has other keys, no mixer, or probabilities that are none.
    """
    if config is None or (isinstance(config, dict) and not config):
        return config
    example = "e.g. dict(augments=[dict(type='mmmix.CutMix')])"
    if not isinstance(config, dict):
        raise TypeError(f'MixClassifier: {where} must be a dict, {example}, but got {config!r}.')
    unknown = set(config) - {'augments', 'probs'}
    if unknown:
        raise ValueError(
            f'MixClassifier: {where} takes `augments` and `probs`, but got {sorted(unknown)}: remove them.'
        )
    if 'augments' not in config:
        raise ValueError(f'MixClassifier: {where} has `probs` but no `augments`: name mixers, {example}.')
    if isinstance(config.get('probs'), Real):
        config['probs'] = [config['probs']]
    check_choice(config['augments'], config.get('probs'), where)
    return config


def check_choice(augments: Any, probs: Any, where: str) -> None:
    """Refuse what cannot be chosen from, in one line.

    Args:
        augments (Callable | dict | Sequence): Mixers or their configs.
        probs (Sequence[float], optional): The probability of each.
        where (str): Where they stand, for the error.

    Raises:
        TypeError: If one of them is of a wrong type.
        ValueError: If there is no mixer, or probabilities are negative, too many, too few or above 1 together.
    """
    several = list(augments) if isinstance(augments, (list, tuple)) else [augments]
    if not several:
        raise ValueError(f'MixClassifier: `augments` in {where} is empty: name a mixer, or remove {where}.')
    for augment in several:
        if not (isinstance(augment, dict) or callable(augment) or (augment is None and len(several) > 1)):
            like = repr(augment) if isinstance(augment, str) else "'mmmix.CutMix'"
            raise TypeError(
                f'MixClassifier: `augments` in {where} takes mixers or their configs, e.g. dict(type={like}), but got '
                f'{augment!r}.'
            )
    if probs is None:
        return
    if not isinstance(probs, (list, tuple)):
        raise TypeError(f'MixClassifier: `probs` in {where} must be a list of numbers in [0, 1], but got {probs!r}.')
    for prob in probs:
        check(f'MixClassifier, {where}', probs=(prob, number(least=0, most=1, like=0.5)))
    if len(probs) != len(several):
        raise ValueError(
            f'MixClassifier: `probs` in {where} are {len(probs)} for {len(several)} `augments`: give one for each.'
        )
    if sum(probs) > 1 + 1e-6:  # what mmpretrain adds for no mixing may round up
        raise ValueError(f'MixClassifier: `probs` in {where} must add up to at most 1, but got {list(probs)!r}.')


def adopt(given: Any, model: Any) -> Recipe:
    """Make a recipe of what somebody gave the preprocessor, and let its parts look at the model.

    Args:
        given (Callable): mmpretrain's ``RandomBatchAugment``, a mixer, or another batch augmentation.
        model (MixClassifier): The classifier.

    Returns:
        Recipe: One that the model can run.

    Raises:
        TypeError: If it is no batch augmentation.
        ValueError: If there is nothing to choose from, the head cannot take label shares, or a part cannot work with
            this network.
    """
    if isinstance(given, RandomBatchAugment):
        check_choice(given.augments, given.probs, '`batch_augments`')
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
        ValueError: If it rates whole labels, compares views, or must know how images were mixed and one of the mixers
            does not tell.
    """
    name, loss = type(head).__name__, getattr(head, 'loss_module', None)
    if getattr(head, 'cal_acc', False):
        raise ValueError(f'{name}: `cal_acc=True` cannot rate mixed labels: remove it, MixClassifier logs `mix_acc`.')
    if name in ('MultiTaskHead', 'ArcFaceClsHead') or type(loss).__name__ == 'SeesawLoss':
        raise ValueError(
            f'{name} with {type(loss).__name__} needs whole class labels and cannot take the label shares of '
            'a mix: use a head with a softmax or sigmoid cross entropy, e.g. LinearClsHead.'
        )
    if takes_views(head) and any(augment is not None for augment in recipe.augments):
        raise ValueError(
            f'{type(loss).__name__} compares views of unmixed images: remove `augments`, or use another loss.'
        )
    if getattr(head, 'distillation', False) or getattr(head, 'dist', False) is True:
        raise ValueError(f'{name}: mmpretrain cannot train it with distillation: set `distillation=False` in `head`.')
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
