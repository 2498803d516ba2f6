"""All the tests of a classifier's robustness, one row each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..datasets import CORRUPTIONS
from .corruptions import SEVERITIES, Corruption
from .pixels import FGSM, PGD, Occlusion, PixelClassifier
from .robustness import Result, evaluate

TESTS = ('clean', 'occlusion', 'fgsm', 'pgd', 'corruption')
#: What grows along the axis of each test's curve.
AMOUNTS = {
    'occlusion': 'share of masked patches',
    'fgsm': 'epsilon (of 255)',
    'pgd': 'epsilon (of 255)',
    'corruption': 'severity (mean over corruptions)',
}
HEAD = '| test | detail | amount | top-1 | error | ECE | images |\n| --- | --- | --- | --- | --- | --- | --- |'


@dataclass(frozen=True)
class Protocol:
    """Which tests are run, and how strong each is.

    Attributes:
        tests (Sequence[str]): Some of :data:`TESTS`.
        ratios (Sequence[float]): Shares of masked patches.
        epsilons (Sequence[float]): Of 255.
        severities (Sequence[int]): From 1 to 5.
        corruptions (Sequence[str], optional): Their names; None is all there are.
        cifar_c (str, optional): Folder of CIFAR-10-C or CIFAR-100-C; without it corruptions are made on the fly.
        limit (int, optional): Look at the first so many images; None is all.
    """

    tests: Sequence[str] = TESTS
    ratios: Sequence[float] = field(default_factory=lambda: [0.1 * i for i in range(1, 11)])
    epsilons: Sequence[float] = (8.0,)
    severities: Sequence[int] = (1, 2, 3, 4, 5)
    corruptions: Sequence[str] | None = None
    cifar_c: str | None = None
    limit: int | None = None

    def check(self) -> None:
        """Refuse corruptions that there are not.

        Raises:
            ValueError: If one is unknown.
        """
        unknown = [name for name in self.corruptions or () if name not in self._known()]
        if unknown:
            raise ValueError(f'there is no corruption {", ".join(unknown)}: there are {", ".join(self._known())}')

    def count(self) -> int:
        """How many results there will be."""
        amounts = dict(clean=1, occlusion=len(self.ratios), fgsm=len(self.epsilons), pgd=len(self.epsilons))
        amounts['corruption'] = len(self.severities) * len(self.corruptions or self._known())
        return sum(amounts[test] for test in self.tests)

    def _known(self) -> Sequence[str]:
        return list(CORRUPTIONS if self.cifar_c else SEVERITIES)


def run_tests(model: Any, loader_of: Callable[[dict | None], Any], protocol: Protocol) -> Iterator[Result]:
    """Run the tests, one result after the other.

    Args:
        model (nn.Module): An mmpretrain classifier.
        loader_of (Callable[[dict | None], Any]): The test loader for a data set, for the config's own with None.
        protocol (Protocol): Which tests.

    Raises:
        FileNotFoundError: If a file of CIFAR-C is not there.
        ValueError: If an amount is out of range, or CIFAR-C has no data set for this classifier.
    """
    classifier, loader, limit = PixelClassifier(model), loader_of(None), protocol.limit
    if 'clean' in protocol.tests:
        yield evaluate(model, loader, limit=limit)
    if 'occlusion' in protocol.tests:
        for ratio in protocol.ratios:
            yield evaluate(model, loader, Occlusion(ratio), test='occlusion', amount=ratio, limit=limit)
    for name, attack in (('fgsm', FGSM), ('pgd', PGD)):
        if name in protocol.tests:
            for epsilon in protocol.epsilons:
                change = attack(classifier, epsilon / 255)
                yield evaluate(model, loader, change, test=name, amount=epsilon, limit=limit)
    if 'corruption' not in protocol.tests:
        return
    for name in protocol.corruptions or (CORRUPTIONS if protocol.cifar_c else SEVERITIES):
        for severity in protocol.severities:
            common: dict = dict(test='corruption', amount=severity, detail=name, limit=limit)
            if protocol.cifar_c:
                dataset = _cifar_c(model, data_root=protocol.cifar_c, corruption=name, severity=severity)
                yield evaluate(model, loader_of(dataset), **common)
            else:
                yield evaluate(model, loader, Corruption(name, severity), **common)


def _cifar_c(model: Any, **arguments: Any) -> dict:
    """The config of the data set of CIFAR-C that has the classifier's classes."""
    classes = model.head.num_classes
    kind = {10: 'CIFAR10C', 100: 'CIFAR100C'}.get(classes)
    if kind is None:
        raise ValueError(f'--cifar-c needs a network for 10 or 100 classes, not {classes}')
    return dict(type=f'mmmix.{kind}', **arguments)


def row(result: Result) -> str:
    """A result as a row below :data:`HEAD`."""
    return (
        f'| {result.test} | {result.detail} | {result.amount:g} | {result.top1:.2f} | '
        f'{100 - result.top1:.2f} | {result.ece:.2f} | {result.images} |'
    )


def mean_corrupted(results: Sequence[Result]) -> float | None:
    """Mean top-1 over corruptions and severities; None if none was tried."""
    corrupted = [result.top1 for result in results if result.test == 'corruption']
    return sum(corrupted) / len(corrupted) if corrupted else None


def mean_curves(results: Sequence[Result]) -> dict[str, list[tuple[float, float]]]:
    """Accuracy against amount for each test, averaged over the details.

    Curves begin at the unchanged images where there are some.
    """
    curves = {}
    for test in AMOUNTS:
        if any(result.test == test for result in results):
            points = [(r.amount, r.top1) for r in results if r.test in (test, 'clean')]
            amounts = sorted({amount for amount, _ in points})
            curves[test] = [
                (a, sum(top1 for b, top1 in points if b == a) / sum(b == a for b, _ in points)) for a in amounts
            ]
    return curves
