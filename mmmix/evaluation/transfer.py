"""Attacks on one classifier that are made with another one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import nn

from ..core import check
from ..core.fields import number, whole
from .pixels import FGSM, PGD, Change, PixelClassifier
from .robustness import Result, evaluate


class IFGSM(PGD):
    """Iterative FGSM: small steps from the image itself, each projected back into the epsilon ball and valid pixels.

    `Adversarial Examples in the Physical World <https://arxiv.org/abs/1607.02533>`_: :class:`mmmix.PGD` without its
    random start.

    Args:
        classifier (PixelClassifier): Whom to attack.
        epsilon (float): Radius of the ball in the maximum norm, for pixels in [0, 1]. Defaults to 4 / 255.
        step (float): Size of a step. Defaults to 1 / 255.
        steps (int): How many. Defaults to 10.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, classifier: PixelClassifier, epsilon: float = 4 / 255, step: float = 1 / 255, steps: int = 10):
        super().__init__(classifier, epsilon, step, steps, random_start=False)


def transfer(
    target: nn.Module,
    source: nn.Module | None,
    loader: Iterable[dict],
    epsilons: Sequence[float] = (4.0,),
    steps: int = 10,
    limit: int | None = None,
) -> Iterator[Result]:
    """FGSM and I-FGSM made with a source and tried on a target, as in Table 3 of the Mixup paper.

    `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_ attacks each network with gradients
    of its own (white box) and of another one that was trained without mixup (black box).

    Args:
        target (nn.Module): The mmpretrain classifier that is tested.
        source (nn.Module, optional): The one whose gradients are taken; None is the target itself. Each sees pixels by
            its own normalisation.
        loader (Iterable[dict]): Batches as MMEngine's test loader gives them.
        epsilons (Sequence[float]): Largest changes of a pixel, of 255. Defaults to (4.0,).
        steps (int): Steps of I-FGSM. Defaults to 10.
        limit (int, optional): Stop after about so many images. Defaults to None, all.

    Yields:
        Result: Clean accuracy first, then each attack; ``detail`` is ``'white box'`` or ``'black box'``.

    Raises:
        ValueError: If an argument is out of range, or the source knows other classes than the target.
    """
    epsilons = [check('transfer', epsilons=(each, number(least=0, most=255, like=4)))[0] for each in epsilons]
    (steps,) = check('transfer', steps=(steps, whole(default=10, least=1)))
    attacked: Any = target if source is None else source
    told = [getattr(getattr(model, 'head', None), 'num_classes', None) for model in (target, attacked)]
    if None not in told and told[0] != told[1]:
        raise ValueError(
            f'transfer: the target has {told[0]} classes but the source {told[1]}: train both on one data set.'
        )
    classifier, detail = PixelClassifier(attacked), 'white box' if source is None else 'black box'
    yield evaluate(target, loader, limit=limit)
    for epsilon in epsilons:
        attacks: dict[str, Change] = dict(
            fgsm=FGSM(classifier, epsilon / 255), ifgsm=IFGSM(classifier, epsilon / 255, steps=steps)
        )
        for name, attack in attacks.items():
            yield evaluate(target, loader, attack, test=name, amount=epsilon, detail=detail, limit=limit)
