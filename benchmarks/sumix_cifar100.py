"""CutMix against CutMix + SUMix on CIFAR-100, same seeds: what a short run on part of the data shows.

``python benchmarks/sumix_cifar100.py --data DIR`` trains every arm with every seed and writes
``benchmarks/sumix_cifar100.json``; finished runs are read from there and not repeated.
``DIR/{train,test}/<class>/*.png`` is CIFAR-100 as an image folder. With ``--epochs 200 --images-per-class 500
--width 64`` the same script runs the whole protocol on a machine with an accelerator.
"""

from argparse import ArgumentParser

from cifar100 import ROOT, add_arguments, compare, story, table_of
from mmengine.config import Config

from mmmix.evaluation.frame import Results

SUMIX = 'resnet18_800e-cutmix-sumix_cifar100.py'
ARMS: dict[str, tuple[str, dict]] = {
    'cutmix': ('resnet18_800e-cutmix_cifar100.py', {}),
    'cutmix + sumix, l2': (SUMIX, dict(distance='l2', scale=None)),
    'cutmix + sumix, l2, detached clean pass': (SUMIX, dict(distance='l2', scale=None, clean_pass='detached')),
    'cutmix + sumix, as released': (SUMIX, {}),
}
#: Measured with a distance that is gone, ``'absolute'`` with a scale of 100 and the signed difference sample by sample.
REMOVED = ['cutmix + sumix, absolute distance (removed)', 'cutmix + sumix, signed distance (removed)']


def config_of(arm: str) -> Config:
    """The committed config of an arm."""
    name, head = ARMS[arm]
    config = Config.fromfile(ROOT / 'configs' / 'sumix' / name)
    config.merge_from_dict({f'model.head.{key}': value for key, value in head.items()})
    return config


def markdown(results: Results) -> str:
    """The results as a page: one row for each arm."""
    return (
        '# CutMix against CutMix + SUMix on CIFAR-100\n\n'
        f'`python benchmarks/sumix_cifar100.py`, {story(results.setting)}\n\n'
        'Top-1 in percent: the median of the last five epochs of each seed, then mean and standard deviation over '
        'seeds. '
        "So small a network trained for so short a time says nothing about the paper's claim for 800 epochs; a "
        'difference within the spread says nothing at all. The rows marked `removed` were measured with distances that '
        f'no source has and that are no longer there.\n\n{table_of(results, [*ARMS, *REMOVED])}'
    )


def main() -> None:
    """Run what is missing, then write the results."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, __file__, ARMS, epochs=12, images=100, width=8)
    args = parser.parse_args()
    compare(parser, args, 'SGD 0.9, lr 0.1, weight decay 1e-4, batch 100, cosine to 0', config_of, markdown, last=5)


if __name__ == '__main__':
    main()
