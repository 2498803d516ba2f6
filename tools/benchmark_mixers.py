"""Time every mixer beside its peers, on one batch in one run: ``python tools/benchmark_mixers.py``.

The times are medians over interleaved rounds, as ratios to ``images.clone()`` of the same rounds. Guides that look at a
model are replaced by a fixed map: the cost of a guide is its own and is measured elsewhere.
"""

import json
import platform
import statistics
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor
from torch.utils.benchmark import Timer
from torchvision.transforms import v2

from mmmix.part import Guide, Part
from mmmix.registry import BATCH_AUGMENTS as OURS

CLASSES = 1000
SHAPES = {'imagenet': (128, 3, 224, 224), 'cifar': (512, 3, 32, 32)}
BEGIN, END = '<!-- mixers: begin -->', '<!-- mixers: end -->'


class FixedGuide(Guide):
    """A map that is there already."""

    def __init__(self, maps: Tensor):
        self.maps = maps

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """The same map, whatever the images."""
        return self.maps[: len(images)]


@dataclass
class Timing:
    """What one contender took.

    Attributes:
        package: Whose implementation it is; ``torch`` for the yardstick.
        method: The method.
        mode: ``'batch'``, ``'elem'`` or empty.
        median: Median time of a call, seconds.
        spread: Interquartile range of the time, seconds.
        ratio: ``median`` divided by that of ``images.clone()``.
        writes_input: Whether the batch that it was given is another one afterwards.
        syncs: Host synchronisations per call on CUDA; None elsewhere.
    """

    package: str
    method: str
    mode: str
    median: float
    spread: float
    ratio: float
    writes_input: bool
    syncs: int | None = None


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Time mixers beside their peers')
    parser.add_argument('--shapes', nargs='+', choices=SHAPES, default=list(SHAPES), help='batches to mix')
    parser.add_argument('--dtypes', nargs='+', choices=['float32', 'bfloat16'], default=['float32', 'bfloat16'])
    parser.add_argument('--devices', nargs='+', help='default: cpu, and cuda where there is one')
    parser.add_argument('--methods', nargs='+', help='only these, e.g. CutMix FMix')
    parser.add_argument('--rounds', type=int, default=7, help='how often every contender takes its turn; default: 7')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='threads on a CPU')
    parser.add_argument('--output', default='work_dirs/benchmarks/mixers.json', help='where the JSON goes')
    parser.add_argument('--table', help='a Markdown file whose table between the markers is renewed')
    return parser.parse_args()


def with_fixed_guides(part: Part, maps: Tensor) -> None:
    """Put a fixed map in the place of every guide that looks at a model.

    Args:
        part (Part): A mixer, changed in place.
        maps (Tensor): ``(N, 1, H, W)``.
    """
    for holder in list(part.parts()):
        for name, value in list(vars(holder).items()):
            if isinstance(value, Guide) and value.needs_model:
                setattr(holder, name, FixedGuide(maps))


def ours(images: Tensor, scores: Tensor) -> Iterator[tuple[str, str, str, Callable[[], Any]]]:
    """Every mixer of mmmix that runs without a model, in both modes, with every image mixed.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Yields:
        tuple[str, str, str, Callable]: Package, method, mode and the call.
    """
    maps = torch.rand(len(images), 1, *images.shape[2:], device=images.device)
    OURS.import_from_location()
    for name in sorted(OURS.module_dict):
        for mode in ('batch', 'elem'):
            try:
                mixer = BATCH_AUGMENTS.build(dict(type=f'mmmix.{name}', lam_mode=mode, prob=1.0))
                with_fixed_guides(mixer, maps)
                if any(part.needs_model for part in mixer.parts()):
                    continue
                mixer(images, scores)
            except (TypeError, ValueError, RuntimeError) as error:
                print(f'  {name} ({mode}) sits out: {error}')
                continue
            yield 'mmmix', name, mode, partial(mixer, images, scores)


def peers(images: Tensor, scores: Tensor) -> Iterator[tuple[str, str, str, Callable[[], Any]]]:
    """The same methods in other packages, as far as they are installed.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Yields:
        tuple[str, str, str, Callable]: Package, method, mode and the call.
    """
    labels = scores.argmax(1)
    for name in ('Mixup', 'CutMix', 'ResizeMix'):
        stock = BATCH_AUGMENTS.build(dict(type=name, alpha=1.0))
        yield 'mmpretrain', name, 'batch', partial(stock, images.clone(), scores)

    for name, transform in (('Mixup', v2.MixUp(num_classes=CLASSES)), ('CutMix', v2.CutMix(num_classes=CLASSES))):
        yield 'torchvision', name, 'batch', partial(transform, images, labels)
    try:
        from timm.data.mixup import Mixup
        from timm.data.random_erasing import RandomErasing as TimmErasing
    except ImportError:
        print('  timm is not installed')
    else:
        for mode in ('batch', 'elem'):
            for name, alphas in (('Mixup', (1.0, 0.0)), ('CutMix', (0.0, 1.0))):
                mixup = Mixup(*alphas, mode=mode, num_classes=CLASSES, label_smoothing=0.0)
                yield 'timm', name, mode, partial(mixup, images.clone(), labels)
        erasing = TimmErasing(probability=1.0, mode='pixel', device=str(images.device))
        yield 'timm', 'RandomErasing', 'elem', partial(erasing, images.clone())
    try:
        from kornia.augmentation import RandomCutMixV2, RandomErasing, RandomMixUpV2
    except ImportError:
        print('  kornia is not installed')
    else:
        # A constant fill: it has no noise.
        yield 'kornia', 'RandomErasing', 'elem', partial(RandomErasing(p=1.0), images)
        for name, kind in (('Mixup', RandomMixUpV2), ('CutMix', RandomCutMixV2)):
            yield 'kornia', name, 'elem', partial(kind(p=1.0, data_keys=['input', 'class']), images, labels)


def writes_input(call: Callable[[], Any], images: Tensor) -> bool:
    """Whether a call changes the images that it is given, in one of ten calls."""
    before = images.clone()
    for _ in range(10):
        call()
        if not torch.equal(images, before):
            return True
    return False


def count_syncs(call: Callable[[], Any]) -> int:
    """How often a call on CUDA makes the host wait."""
    call()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            call()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return sum('synchron' in str(warning.message) for warning in caught)


def measure(images: Tensor, rounds: int, threads: int, methods: list[str] | None) -> list[Timing]:
    """Time all contenders in turn, round after round.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        rounds (int): How many rounds.
        threads (int): Threads on a CPU.
        methods (list[str], optional): Only these methods.

    Returns:
        list[Timing]: One per contender, the yardstick first.
    """
    scores = torch.eye(CLASSES, device=images.device)[torch.randint(CLASSES, (len(images),), device=images.device)]
    contenders: list[tuple[str, str, str, Callable[[], Any]]] = [('torch', 'clone', '', images.clone)]
    contenders += [c for c in (*ours(images, scores), *peers(images, scores)) if methods is None or c[1] in methods]
    timers = [Timer('call()', globals={'call': call}, num_threads=threads) for *_, call in contenders]
    # Enough calls a turn for 20 ms, so that the clock does not matter.
    numbers = [max(1, min(200, int(0.02 / max(timer.timeit(1).median, 1e-6)))) for timer in timers]
    times: list[list[float]] = [[] for _ in timers]
    for _ in range(rounds):
        for timer, number, taken in zip(timers, numbers, times, strict=True):
            taken.append(timer.timeit(number).median)
    yardstick = statistics.median(times[0])
    results = []
    for (package, method, mode, call), taken in zip(contenders, times, strict=True):
        median, quartiles = statistics.median(taken), statistics.quantiles(taken, n=4)
        syncs = count_syncs(call) if images.is_cuda else None
        spread = quartiles[2] - quartiles[0]
        writes = isinstance(call, partial) and writes_input(call, call.args[0])
        results.append(Timing(package, method, mode, median, spread, median / yardstick, writes, syncs))
    return results


def environment() -> dict[str, Any]:
    """Versions and hardware."""
    packages = {
        'torch',
        'torchvision',
        'timm',
        'kornia',
        'onedl-mmpretrain',
        'mmpretrain',
        'onedl-mmengine',
        'mmengine',
    }
    found = {d.metadata['Name']: d.version for d in metadata.distributions()}
    versions = {name: found[name] for name in sorted(packages & found.keys())}
    hardware = {'machine': platform.machine(), 'cores': torch.get_num_threads()}
    if torch.cuda.is_available():
        hardware['gpu'] = torch.cuda.get_device_name()
    return {'versions': versions, 'hardware': hardware, 'python': platform.python_version()}


def cell(result: Timing, yardstick: float) -> str:
    """Ratio and spread, with a star for one who writes into its input."""
    return f'{result.ratio:.2f} ± {result.spread / yardstick:.2f}{" *" if result.writes_input else ""}'


def markdown(runs: list[dict[str, Any]]) -> str:
    """One table per device, shape and dtype: ratios to ``images.clone()``, ours beside each peer's.

    Args:
        runs (list[dict]): What :func:`main` puts into the JSON.

    Returns:
        str: Markdown.
    """
    lines = []
    for run in runs:
        results = [Timing(**result) for result in run['results']]
        others = sorted({r.package for r in results} - {'torch', 'mmmix'})
        lines += [
            '',
            f'**{run["device"]}, {run["shape"]}, {run["dtype"]}**, `images.clone()`: {results[0].median * 1e3:.2f} ms',
            '',
            f'| method | mode | mmmix | {" | ".join(others)} |',
            f'| --- | --- | --- |{" --- |" * len(others)}',
        ]
        for method, mode in sorted({(r.method, r.mode) for r in results if r.package != 'torch'}):
            cells = []
            for package in ('mmmix', *others):
                found = [r for r in results if (r.package, r.method, r.mode) == (package, method, mode)]
                cells.append(cell(found[0], results[0].median) if found else '')
            lines.append(f'| {method} | {mode} | {" | ".join(cells)} |')
    return '\n'.join(lines).strip()


def renew_table(path: Path, table: str) -> None:
    """Put a table between the markers of a Markdown file.

    Args:
        path (Path): The file.
        table (str): The new table.

    Raises:
        ValueError: If the file has no markers.
    """
    text = path.read_text(encoding='utf-8')
    if BEGIN not in text or END not in text:
        raise ValueError(f'{path} has no place for the table: add the lines {BEGIN} and {END}.')
    head, rest = text.split(BEGIN, 1)
    path.write_text(f'{head}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}', encoding='utf-8')


def main() -> None:
    """Measure and write."""
    args = parse_args()
    devices = args.devices or ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    runs = []
    for device in devices:
        for shape in args.shapes:
            for dtype in args.dtypes:
                torch.manual_seed(0)
                images = torch.rand(SHAPES[shape], device=device).to(getattr(torch, dtype))
                print(f'{device}, {shape} {SHAPES[shape]}, {dtype}')
                results = measure(images, args.rounds, args.threads, args.methods)
                runs.append(dict(device=device, shape=shape, dtype=dtype, results=[asdict(r) for r in results]))
                for r in results:
                    synced = '' if r.syncs is None else f'  {r.syncs} syncs'
                    print(
                        f'  {r.package:12} {r.method:18} {r.mode:6} {r.median * 1e3:9.3f} ms  {r.ratio:6.2f}x{synced}'
                    )
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**environment(), 'threads': args.threads, 'runs': runs}, indent=1), encoding='utf-8')
    print(f'Wrote {output}')
    if args.table:
        renew_table(Path(args.table), markdown(runs))
        print(f'Renewed the table in {args.table}')


if __name__ == '__main__':
    main()
