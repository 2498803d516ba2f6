"""Mixers beside their peers in other packages: who they are, and what each takes."""

import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor
from torch.utils.benchmark import Timer
from torchvision.transforms import v2

from ..core import Guide, Mixer, Part
from ..registry import BATCH_AUGMENTS as OURS
from .frame import in_turns, quartiles, table

CLASSES = 1000
#: Random erasing with a constant in place of noise.
ONE_COLOUR = 'RandomErasing, one colour'
SHAPES = {'imagenet': (128, 3, 224, 224), 'cifar': (512, 3, 32, 32)}

#: Package, method, mode and the call.
Contender = tuple[str, str, str, Callable[[], Any]]


class FixedGuide(Guide):
    """A map that is there already.

    Args:
        maps (Tensor): ``(N, 1, H, W)``.
    """

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

    def __str__(self) -> str:
        synced = '' if self.syncs is None else f'  {self.syncs} syncs'
        name = f'{self.package:12} {self.method:18} {self.mode:6}'
        return f'{name} {self.median * 1e3:9.3f} ms  {self.ratio:6.2f}x{synced}'


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


def ours(images: Tensor, scores: Tensor) -> Iterator[Contender]:
    """Every mixer of mmmix that runs without a model, in both modes, with every image mixed; in place too if it can.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Yields:
        Contender: Package, method, mode and the call.
    """
    maps = torch.rand(len(images), 1, *images.shape[2:], device=images.device)
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
            over = partial(mixed_over, mixer, images.clone(), scores)
            if over() is over.args[1]:
                yield 'mmmix in place', name, mode, over
    # kornia's erasing has no noise.
    for mode in ('batch', 'elem'):
        erasing = BATCH_AUGMENTS.build(dict(type='mmmix.RandomErasing', lam_mode=mode, prob=1.0, fill=0.0))
        yield 'mmmix', ONE_COLOUR, mode, partial(erasing, images, scores)
        yield 'mmmix in place', ONE_COLOUR, mode, partial(mixed_over, erasing, images.clone(), scores)


def mixed_over(mixer: Mixer, images: Tensor, scores: Tensor) -> Tensor:
    """Mix as inside ``MixClassifier``, where nobody else wants the batch: over it, as far as the mixer can.

    Args:
        mixer (Mixer): One that needs no model.
        images (Tensor): ``(N, C, H, W)``, written to.
        scores (Tensor): ``(N, K)``.

    Returns:
        Tensor: The mixed images.
    """
    scene = mixer.meet(images, scores)
    if scene is not None:
        scene.overwrite = True
    return mixer.mix_met(scene, images, scores).images


def peers(images: Tensor, scores: Tensor) -> Iterator[Contender]:
    """The same methods in other packages, as far as they are installed.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Yields:
        Contender: Package, method, mode and the call.
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
        yield 'kornia', ONE_COLOUR, 'elem', partial(RandomErasing(p=1.0), images)
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


def measure(images: Tensor, rounds: int, threads: int, methods: Sequence[str] | None) -> list[Timing]:
    """Time all contenders in turn, round after round.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        rounds (int): How many rounds.
        threads (int): Threads on a CPU.
        methods (Sequence[str], optional): Only these methods.

    Returns:
        list[Timing]: One per contender, the yardstick first.
    """
    scores = torch.eye(CLASSES, device=images.device)[torch.randint(CLASSES, (len(images),), device=images.device)]
    contenders: list[Contender] = [('torch', 'clone', '', images.clone)]
    contenders += [c for c in (*ours(images, scores), *peers(images, scores)) if methods is None or c[1] in methods]
    taken = in_turns({c[:3]: _turn(c[3], threads) for c in contenders}, rounds)
    yardstick = statistics.median(taken['torch', 'clone', ''])
    results = []
    for package, method, mode, call in contenders:
        low, median, high = quartiles(taken[package, method, mode])
        syncs = count_syncs(call) if images.is_cuda else None
        given = next((arg for arg in getattr(call, 'args', ()) if isinstance(arg, Tensor)), None)
        writes = given is not None and writes_input(call, given)
        results.append(Timing(package, method, mode, median, high - low, median / yardstick, writes, syncs))
    return results


def _turn(call: Callable[[], Any], threads: int) -> Callable[[], float]:
    """A turn of a contender: the seconds of a call, from so many calls that the clock does not matter (20 ms)."""
    timer = Timer('call()', globals={'call': call}, num_threads=threads)
    number = max(1, min(200, int(0.02 / max(timer.timeit(1).median, 1e-6))))
    return lambda: timer.timeit(number).median


def as_markdown(runs: Sequence[dict[str, Any]]) -> str:
    """One table per device, shape and dtype: ratios to ``images.clone()``, ours beside each peer's.

    Args:
        runs (Sequence[dict]): ``device``, ``shape``, ``dtype`` and ``results``, the dicts of :class:`Timing`.

    Returns:
        str: Markdown; a star marks who writes into its input.
    """
    pieces = []
    for run in runs:
        results = [Timing(**result) for result in run['results']]
        clone = results[0].median
        found = {(r.package, r.method, r.mode): r for r in results}
        packages = ['mmmix', *sorted({r.package for r in results} - {'torch', 'mmmix'})]
        rows = [
            [method, mode, *(_cell(found.get((package, method, mode)), clone) for package in packages)]
            for method, mode in sorted({(r.method, r.mode) for r in results if r.package != 'torch'})
        ]
        title = f'**{run["device"]}, {run["shape"]}, {run["dtype"]}**, `images.clone()`: {clone * 1e3:.2f} ms'
        pieces += [title, table(['method', 'mode', *packages], rows)]
    return '\n\n'.join(pieces)


def _cell(result: Timing | None, clone: float) -> str | None:
    """Ratio and spread."""
    if result is None:
        return None
    return f'{result.ratio:.2f} ± {result.spread / clone:.2f}{" *" if result.writes_input else ""}'
