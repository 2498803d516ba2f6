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
    random start. By default all steps together are as long as epsilon, so that they reach the ball's edge for any
    epsilon and any number of steps; the paper's own are of 1 / 255.

    Args:
        classifier (PixelClassifier): Whom to attack.
        epsilon (float): Radius of the ball in the maximum norm, for pixels in [0, 1]. Defaults to 4 / 255.
        step (float, optional): Size of a step. Defaults to None, ``epsilon / steps``.
        steps (int): How many. Defaults to 10.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self, classifier: PixelClassifier, epsilon: float = 4 / 255, step: float | None = None, steps: int = 10
    ):
        (steps,) = check(self, steps=(steps, whole(default=10, least=1)))
        super().__init__(classifier, epsilon, 1.0 if step is None else step, steps, random_start=False)
        if step is None:
            self.step = self.epsilon / self.steps


def transfer(
    target: nn.Module,
    source: nn.Module | None,
    loader: Iterable[dict],
    epsilons: Sequence[float] = (4.0,),
    steps: int = 10,
    limit: int | None = None,
    step: float | None = None,
) -> Iterator[Result]:
    """FGSM and I-FGSM made with a source and tried on a target, as in Table 3 of the Mixup paper.

    `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_ attacks each network with gradients
    of its own (white box) and of another one that was trained without mixup (black box), with 10 equal steps.

    Args:
        target (nn.Module): The mmpretrain classifier that is tested.
        source (nn.Module, optional): The one whose gradients are taken; None is the target itself. Each sees pixels by
            its own normalisation.
        loader (Iterable[dict]): Batches as MMEngine's test loader gives them.
        epsilons (Sequence[float]): Largest changes of a pixel, of 255. Defaults to (4.0,).
        steps (int): Steps of I-FGSM. Defaults to 10.
        limit (int, optional): Stop after about so many images. Defaults to None, all.
        step (float, optional): Size of a step of I-FGSM, of 255. Defaults to None, epsilon divided by ``steps``.

    Yields:
        Result: Clean accuracy first, then each attack; ``detail`` is ``'white box'`` or ``'black box'``.

    Raises:
        ValueError: If an argument is out of range, or the source knows other classes than the target.
    """
    epsilons = [check('transfer', epsilons=(each, number(least=0, most=255, like=4)))[0] for each in epsilons]
    (steps,) = check('transfer', steps=(steps, whole(default=10, least=1)))
    size = None
    if step is not None:
        size = check('transfer', step=(step, number(above=0, like=1)))[0] / 255
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
            fgsm=FGSM(classifier, epsilon / 255), ifgsm=IFGSM(classifier, epsilon / 255, size, steps)
        )
        for name, attack in attacks.items():
            yield evaluate(target, loader, attack, test=name, amount=epsilon, detail=detail, limit=limit)
