"""Corrupted test images: what AugMix and PixMix are worth beside CutMix, in the regime of ``small_data.py``.

Networks are trained on clean images and rated on test images with eight corruptions at five severities, made with
torchvision (``mmmix.evaluation.Corruption``): the mean corruption error is the mean of these forty error rates. No
operation of AugMix and PixMix is among the corruptions.

    python benchmarks/small_data_corruptions.py DATA --workers 2     # DATA/{train,test}/<class>/*.png: CIFAR-10
    python benchmarks/small_data_corruptions.py --page               # the page from the results alone

A run is saved when it ends; a stopped command goes on where it was.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from small_data_arms import CUTMIX, Arm
from small_data_images import read, split
from small_data_jobs import run_all
from small_data_runs import SMALL, logits_of, runner_of
from small_data_tables import interval, shown
from torch import Tensor
from torch.utils.data import Dataset

from mmmix.evaluation import Corruption
from mmmix.evaluation.corruptions import SEVERITIES
from mmmix.evaluation.frame import Results, environment, table, write_json

PACK: dict[str, Any] = dict(type='PackInputs')
VIEWS: dict[str, Any] = dict(type='PackInputs', algorithm_keys=('views',))


@dataclass(frozen=True)
class Treated(Arm):
    """An arm with transforms of its own behind the flip.

    Attributes:
        tail: The end of the pipeline, which packs.
    """

    tail: tuple[dict[str, Any], ...] = (PACK,)


def arms(fractals: Path) -> dict[str, Treated]:
    """All arms; the fractals of PixMix are kept in a folder."""
    pixmix = dict(type='mmmix.PixMix', cache=str(fractals), count=300, size=36)
    loss = dict(loss=dict(type='mmmix.JensenShannonLoss', weight=12.0))
    return {
        'none': Treated(),
        'cutmix': Treated('none', CUTMIX),
        'augmix': Treated('none', None, loss, tail=(dict(type='mmmix.AugMix'), VIEWS)),
        'augmix, no JSD': Treated('none', tail=(dict(type='mmmix.AugMix', views=0), PACK)),
        'pixmix': Treated('none', tail=(pixmix, PACK)),
        'pixmix and cutmix': Treated('none', CUTMIX, tail=(pixmix, PACK)),
        'regmixup': Treated('none', dict(type='mmmix.RegMixup', alpha=10.0)),
    }


class Pictures(Dataset):
    """8-bit images in memory, each through a pipeline.

    Args:
        pixels (Tensor): ``(N, 3, H, W)`` uint8.
        labels (Tensor): ``(N,)``.
        pipeline (Sequence[dict]): Transforms.
    """

    def __init__(self, pixels: Tensor, labels: Tensor, pipeline: tuple[dict[str, Any], ...]) -> None:
        self.pixels = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = labels.tolist()
        init_default_scope('mmpretrain')
        self.pipeline = Compose(pipeline)
        self.metainfo: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        image = self.pixels[index].copy()
        shape = image.shape[:2]
        return self.pipeline(
            dict(img=image, gt_label=self.labels[index], sample_idx=index, img_shape=shape, ori_shape=shape)
        )


def eight_bit(images: Tensor) -> Tensor:
    """Grey levels as whole numbers."""
    return images.round().clamp(0, 255).to(torch.uint8)


def corrupted(pixels: Tensor, folder: Path) -> dict[str, Tensor]:
    """The test images with every corruption at every severity, uint8; made once and kept in a folder."""
    path = folder / f'corrupted_{len(pixels)}.pt'
    if not path.exists():
        made = {}
        for name in SEVERITIES:
            for severity in range(1, 6):
                torch.manual_seed(severity)
                given = Corruption(name, severity)(pixels.float() / 255, torch.zeros(len(pixels)))
                made[f'{name} {severity}'] = eight_bit(255 * given)
        half = path.with_suffix('.tmp')
        torch.save(made, half)
        half.replace(path)
    return torch.load(path, weights_only=True)


def one_run(job: dict[str, Any]) -> dict[str, Any]:
    """Train one arm with one seed, and rate it on clean and corrupted test images."""
    folder = Path(job['data'])
    images, labels, classes = read(folder / 'train', False)
    mine, _ = split(labels, job['images'], False)
    pixels = eight_bit(images[mine])
    mean, std = pixels.float().mean((0, 2, 3)), pixels.float().std((0, 2, 3))
    test, test_labels, _ = read(folder / 'test', False)
    every = len(test) // job['tested']
    test, test_labels = eight_bit(test[::every]), test_labels[::every]
    arm = arms(folder / 'fractals')[job['arm']]
    flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
    dataset = Pictures(pixels, labels[mine], (flip, *arm.tail))
    preprocessor = dict(mean=mean.tolist(), std=std.tolist(), num_classes=classes)
    with tempfile.TemporaryDirectory() as work_dir:
        runner = runner_of(
            arm, dataset, pseudo_collate, classes, job['seed'], job['epochs'], SMALL, work_dir, (), preprocessor
        )
        start = time.process_time()
        runner.train()
        seconds = (time.process_time() - start) / runner.iter

    def error(given: Tensor) -> float:
        normalised = (given.float() - mean[:, None, None]) / std[:, None, None]
        images = normalised.contiguous(memory_format=torch.channels_last)
        found = logits_of(runner.model, images, SMALL.bfloat16)
        return 100 * float((found.argmax(1) != test_labels).double().mean())

    errors = {name: round(error(given), 3) for name, given in corrupted(test, folder).items()}
    return dict(
        clean=round(error(test), 3),
        mce=round(statistics.mean(errors.values()), 3),
        seconds_a_step=round(seconds, 5),
        errors=errors,
    )


def page(path: Path, setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write the page."""
    of_arm: dict[str, dict[int, dict[str, Any]]] = {}
    for run in runs:
        of_arm.setdefault(run['arm'], {})[run['seed']] = run
    rows = []
    for name, own in of_arm.items():
        cells: list[Any] = [name, len(own)]
        for key in ('clean', 'mce'):
            values = [run[key] for run in own.values()]
            spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
            pairs = [own[seed][key] - of_arm['none'][seed][key] for seed in own if seed in of_arm['none']]
            mean, half = interval(pairs) if name != 'none' and pairs else (0.0, 0.0)
            difference = None if name == 'none' or not pairs else dict(mean=mean, half=half)
            cells += [f'{statistics.mean(values):.2f}{spread}', shown(difference, 2)]
        rows.append([*cells, f'{1000 * statistics.median(run["seconds_a_step"] for run in own.values()):.1f}'])
    head = ['arm', 'seeds', 'error', 'to none', 'mean corruption error', 'to none', 'ms a step']
    text = f"""# Corrupted images

{setting['images']:,} images of CIFAR-10, 16 x 16 pixels, {setting['epochs']} epochs, in the regime of small_data.py;
rated on {setting['tested']:,} test images, clean and with eight corruptions at five severities, of which the mean
corruption error is the mean. Percent, mean and standard deviation over the seeds; a difference is that to no mixing,
seed by seed, with its 95 % interval, **bold** where it leaves out zero. Every number is `ours`.

{table(head, rows)}

`python benchmarks/small_data_corruptions.py DATA`; torch {setting['versions']['torch']}, one core of a
{setting['hardware']['machine']} CPU a run.
"""
    write_json(path, dict(setting=setting, runs=runs))
    path.with_suffix('.md').write_text(text, encoding='utf-8')


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, nargs='?', help='a folder with train/<class>/*.png and test/<class>/*.png')
    parser.add_argument('--arms', nargs='+', choices=arms(Path()), default=list(arms(Path())), metavar='ARM')
    parser.add_argument('--seeds', type=int, default=5, help='how many; default: 5')
    parser.add_argument('--epochs', type=int, default=50, help='default: 50')
    parser.add_argument('--images', type=int, default=5000, help='training images; default: 5000')
    parser.add_argument('--tested', type=int, default=2000, help='test images; default: 2000')
    parser.add_argument('--workers', type=int, default=1, help='processes side by side; default: 1')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many minutes')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--page', action='store_true', help='no runs: the page from the results')
    args = parser.parse_args()
    if args.data is None and not args.page:
        parser.error('name the folder of the images, or --page')
    setting = dict(images=args.images, epochs=args.epochs, tested=args.tested)
    results = Results(args.output, {**setting, **environment()}, strict=tuple(setting))
    if not args.page:
        keys = [dict(arm=arm, seed=seed) for seed in range(args.seeds) for arm in args.arms]
        run_all(one_run, keys, dict(data=args.data, **setting), results, args.workers, args.minutes)
    page(args.output, results.held, results.runs)


if __name__ == '__main__':
    main()
