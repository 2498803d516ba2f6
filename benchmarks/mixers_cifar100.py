"""The mixers beside each other on CIFAR-100, same seeds and budget: what a short run of a narrow network shows.

``python benchmarks/mixers_cifar100.py --data DIR`` trains every arm with every seed and writes
``benchmarks/mixers_cifar100.json``; finished runs are read from there and not repeated.
``DIR/{train,test}/<class>/*.png`` is CIFAR-100 as an image folder. Each arm is the committed config of its method;
they differ in the mixer alone. With ``--epochs 200 --images-per-class 500 --width 64 --no-amp`` the same script runs
the whole protocol on a machine with an accelerator.
"""

from argparse import ArgumentParser, BooleanOptionalAction

from cifar100 import ROOT, add_arguments, compare, story, table_of
from mmengine.config import Config

from mmmix.evaluation.frame import Results

PROTOCOL = '_base_/recipes/resnet18_200e_bs100_cifar100.py'
METHODS = ('Mixup', 'CutMix', 'FMix', 'ResizeMix', 'SaliencyMix', 'PuzzleMix', 'ManifoldMix')
ARMS = {
    'none': PROTOCOL,
    **{method: f'{method.lower()}/resnet18_200e-{method.lower()}_cifar100.py' for method in METHODS},
}


def config_of(arm: str, amp: bool) -> Config:
    """The committed config of an arm, in mixed precision if asked."""
    config = Config.fromfile(ROOT / 'configs' / ARMS[arm])
    if amp:
        config.optim_wrapper.type = 'mmmix.AutocastOptimWrapper'
    return config


def markdown(results: Results) -> str:
    """The results as a page: one row for each arm."""
    return (
        '# The mixers on CIFAR-100\n\n'
        f'`python benchmarks/mixers_cifar100.py`, {story(results.setting)} Each arm is the committed config of its '
        'method, with its `alpha`; all else is equal.\n\n'
        'Top-1 in percent: the median of the last three epochs of each seed, then mean and standard deviation over '
        'seeds. So narrow a network trained for so short a time has nothing to overfit with, which is what mixing is '
        'against: here it only slows learning down, and the table does not tell which method is best after 200 epochs. '
        'A difference within the spread says nothing at all. The minutes are those of a machine with other work on it '
        f'and no measure of cost.\n\n{table_of(results, ARMS)}'
    )


def main() -> None:
    """Run what is missing, then write the results."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, __file__, ARMS, epochs=6, images=300, width=16)
    parser.add_argument('--amp', action=BooleanOptionalAction, default=True, help='bfloat16 autocast')
    args = parser.parse_args()
    schedule = 'SGD 0.9, lr 0.1, weight decay 1e-4, batch 100, cosine to 0' + ', bfloat16 autocast' * args.amp
    compare(parser, args, schedule, lambda arm: config_of(arm, args.amp), markdown, last=3)


if __name__ == '__main__':
    main()
