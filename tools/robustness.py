"""Test a classifier under attack, occlusion and corruption: ``python tools/robustness.py CONFIG CHECKPOINT``.

Prints one table and writes it as JSON beside a picture of the curves. Any mmpretrain classifier will do.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction

from mmmix import cli
from mmmix.datasets import CORRUPTIONS
from mmmix.evaluation import FGSM, PGD, Corruption, Occlusion, PixelClassifier, Result, evaluate
from mmmix.evaluation.corruptions import SEVERITIES
from mmmix.evaluation.loading import build_loader, load_classifier

TESTS = ('clean', 'occlusion', 'fgsm', 'pgd', 'corruption')
X_LABELS = {
    'occlusion': 'share of masked patches',
    'fgsm': 'epsilon (of 255)',
    'pgd': 'epsilon (of 255)',
    'corruption': 'severity (mean over corruptions)',
}


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Test a classifier under attack, occlusion and corruption')
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument('--output', type=Path, metavar='DIR', help='where results go; default: robustness/<config>')
    parser.add_argument('--tests', nargs='+', choices=TESTS, default=TESTS, help='default: all of them')
    parser.add_argument('--limit', type=int, metavar='N', help='look at about so many images; default: all')
    parser.add_argument(
        '--ratios', type=float, nargs='+', default=[0.1 * i for i in range(1, 11)], help='shares of masked patches'
    )
    parser.add_argument('--epsilons', type=float, nargs='+', default=[8.0], help='of 255; default: 8')
    parser.add_argument('--severities', type=int, nargs='+', default=[1, 2, 3, 4, 5], help='default: 1 2 3 4 5')
    parser.add_argument(
        '--cifar-c',
        metavar='DIR',
        help='folder of CIFAR-10-C or CIFAR-100-C; without it eight corruptions are made on the fly, with strengths of '
        'our own',
    )
    parser.add_argument('--corruptions', nargs='+', metavar='NAME', help='default: all there are')
    parser.add_argument('--seed', type=int, default=0, help='of masks, random starts and noise; default: 0')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override the config')
    return parser.parse_args()


def run(config: Config, model: Any, args: Namespace) -> Iterator[Result]:
    """Run the tests, one result after the other."""
    classifier, loader = PixelClassifier(model), build_loader(config)
    if 'clean' in args.tests:
        yield evaluate(model, loader, limit=args.limit)
    if 'occlusion' in args.tests:
        for ratio in args.ratios:
            yield evaluate(model, loader, Occlusion(ratio), test='occlusion', amount=ratio, limit=args.limit)
    for name, attack in (('fgsm', FGSM), ('pgd', PGD)):
        if name in args.tests:
            for epsilon in args.epsilons:
                change = attack(classifier, epsilon / 255)
                yield evaluate(model, loader, change, test=name, amount=epsilon, limit=args.limit)
    if 'corruption' not in args.tests:
        return
    for name in args.corruptions or (CORRUPTIONS if args.cifar_c else SEVERITIES):
        for severity in args.severities:
            common = dict(test='corruption', amount=severity, detail=name, limit=args.limit)
            if args.cifar_c:
                kind = {10: 'CIFAR10C', 100: 'CIFAR100C'}.get(model.head.num_classes)
                if kind is None:
                    cli.fail(f'--cifar-c needs a network for 10 or 100 classes, not {model.head.num_classes}')
                dataset = dict(type=f'mmmix.{kind}', data_root=args.cifar_c, corruption=name, severity=severity)
                yield evaluate(model, build_loader(config, dataset), **common)
            else:
                yield evaluate(model, loader, Corruption(name, severity), **common)


def mean_curve(results: list[Result], test: str) -> list[tuple[float, float]]:
    """Accuracy against amount, averaged over the details, beginning at the unchanged images where there are some."""
    points = [(r.amount, r.top1) for r in results if r.test in (test, 'clean')]
    amounts = sorted({amount for amount, _ in points})
    return [(a, sum(top1 for b, top1 in points if b == a) / sum(b == a for b, _ in points)) for a in amounts]


def draw(results: list[Result], path: Path) -> None:
    """Draw accuracy against amount, one panel for each test."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    tests = [test for test in X_LABELS if any(r.test == test for r in results)]
    if not tests:
        return
    figure, axes = plt.subplots(1, len(tests), figsize=(4 * len(tests), 3.2), layout='constrained', squeeze=False)
    for axis, test in zip(axes[0], tests, strict=True):
        axis.plot(*zip(*mean_curve(results, test), strict=True), marker='.')
        axis.set(title=test, xlabel=X_LABELS[test], ylabel='top-1 (%)', ylim=(0, 100))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Test, print, write and draw."""
    args = parse_args()
    config = Config.fromfile(cli.require_file(args.config, 'config'))
    config.merge_from_dict(args.cfg_options or {})
    output = args.output or Path('robustness') / Path(args.config).stem
    model = load_classifier(config, cli.require_file(args.checkpoint, 'checkpoint'))
    torch.manual_seed(args.seed)
    results = []
    print('| test | detail | amount | top-1 | error | ECE | images |\n| --- | --- | --- | --- | --- | --- | --- |')
    try:
        for result in run(config, model, args):
            results.append(result)
            print(
                f'| {result.test} | {result.detail} | {result.amount:g} | {result.top1:.2f} | '
                f'{100 - result.top1:.2f} | {result.ece:.2f} | {result.images} |'
            )
    except (FileNotFoundError, ValueError) as error:
        cli.fail(str(error))
    corrupted = [r.top1 for r in results if r.test == 'corruption']
    if corrupted:
        print(f'Mean top-1 over corruptions and severities: {sum(corrupted) / len(corrupted):.2f}')
    output.mkdir(parents=True, exist_ok=True)
    made = 'published' if args.cifar_c else 'on the fly'
    content = dict(config=args.config, checkpoint=args.checkpoint, seed=args.seed, corruptions=made)
    content['results'] = [asdict(result) for result in results]
    (output / 'robustness.json').write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    draw(results, output / 'robustness.png')
    print(f'Written: {output}')


if __name__ == '__main__':
    main()
