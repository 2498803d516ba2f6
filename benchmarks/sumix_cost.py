"""What SUMix costs: the time of a training step relative to the same config without it.

``python benchmarks/sumix_cost.py`` times whole steps (preprocessing, mixing, losses, backward, SGD) of ResNet-18 for
CIFAR at batch 100, the arms in turn so that a slow moment of the machine hits all of them, and writes medians and
quartiles to ``benchmarks/sumix_cost.json``. Parts of a step are timed too, to say where the time goes.
"""

import json
import platform
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmmix.guides import untouched

ROOT = Path(__file__).resolve().parent.parent
BUDGET = {'train': 2.0, 'detached': 1.38}


def timed(device: torch.device, action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    if device.type == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    if device.type == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def build(clean_pass: str | None, width: int, device: torch.device):
    """The model of an arm and a function that runs one training step of it."""
    name = 'resnet18_800e-cutmix_cifar100.py' if clean_pass is None else 'resnet18_800e-cutmix-sumix_cifar100.py'
    config = Config.fromfile(ROOT / 'configs' / 'sumix' / name)
    config.model.backbone.update(stem_channels=width, base_channels=width)
    config.model.head.in_channels = 8 * width
    config.model.data_preprocessor = config.data_preprocessor
    # One box in every batch: an arm that is not mixed by chance would look cheap.
    config.model.train_cfg.augments.alpha = 1.0
    if clean_pass is not None:
        config.model.head.clean_pass = clean_pass
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(device).train()
    optim = build_optim_wrapper(model, config.optim_wrapper)
    images = torch.randint(256, (100, 3, 32, 32), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i) for i in range(100)]
    return model, lambda: model.train_step(dict(inputs=list(images), data_samples=samples), optim)


def parts(model: torch.nn.Module, device: torch.device) -> dict[str, float]:
    """Seconds for the pieces that a step is made of."""
    images = torch.randn(100, 3, 32, 32, device=device)
    found: dict[str, float] = {}
    outs: list[torch.Tensor] = []
    found['forward, train mode'] = timed(device, lambda: outs.append(model(images, mode='tensor')[-1]))
    loss = outs[-1].square().mean()
    found['backward'] = timed(device, loss.backward)
    with untouched(model), torch.no_grad():
        found['forward, eval mode, no graph'] = timed(device, lambda: model(images, mode='tensor'))
    return found


def verdict(low: float, high: float, budget: float) -> str:
    """Whether a budget is met, as far as the quartiles can tell."""
    return 'yes' if high <= budget else 'no' if low > budget else 'within the noise'


def markdown(result: dict) -> str:
    """The result as a page."""
    setting, ratio, parts = result['setting'], result['ratio'], result['parts']
    note = f' Load: {setting["load"]}.' if 'load' in setting else ''
    page = (
        '# What SUMix costs\n\n'
        f'`python benchmarks/sumix_cost.py`, marked `{setting["mark"]}`. {setting["network"]}, batch '
        f'{setting["batch"]}, {setting["mixer"]}; {setting["rounds"]} interleaved rounds. {setting["hardware"]}, '
        f'PyTorch {setting["torch"]}.{note}\n\n'
        '| `clean_pass` | seconds a step | relative to no SUMix, median (quartiles) | budget | met |\n'
        '| --- | --- | --- | --- | --- |\n'
        f'| no SUMix | {result["seconds"]["without SUMix"]:.3f} | 1 | | |\n'
    )
    for name, row in ratio.items():
        low, high = row['quartiles']
        page += (
            f'| `{name}` | {result["seconds"][name]:.3f} | {row["median"]:.2f} ({low:.2f} to {high:.2f}) | '
            f'{row["budget"]} | {row["met"]} |\n'
        )
    page += '\nWhere a step goes:\n\n| part | seconds |\n| --- | --- |\n'
    page += ''.join(f'| {name} | {value:.3f} |\n' for name, value in parts.items())
    expected = result['expected_from_parts']
    page += (
        f'\nFrom these parts a second pass alone makes {expected["train"]:.2f} (`train`) and '
        f'{expected["detached"]:.2f} '
        "(`detached`); what is above is the head, the second graph's memory, and the noise of a shared machine.\n"
    )
    return page


def main() -> None:
    """Time all arms and write the medians."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--width', type=int, default=64, help='channels of the first stage')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'sumix_cost.json')
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == 'cpu':
        torch.set_num_threads(1)
    arms = {str(name): build(name, args.width, device) for name in (None, 'train', 'detached')}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    pieces: dict[str, list[float]] = {}
    for i in range(args.rounds + 1):
        for name, (_, step) in arms.items():
            took = timed(device, step)
            if i > 0:  # the first round warms up
                seconds[name].append(took)
        for name, took in parts(arms['None'][0], device).items():
            if i > 0:
                pieces.setdefault(name, []).append(took)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    # Each round has its own ratio; their median and quartiles do not feel a drift of the machine.
    ratios = {}
    for name in BUDGET:
        each = [ours / base for ours, base in zip(seconds[name], seconds['None'], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4)
        ratios[name] = dict(
            median=middle, quartiles=[low, high], budget=BUDGET[name], met=verdict(low, high, BUDGET[name])
        )
    piece = {name: statistics.median(values) for name, values in pieces.items()}
    forward, backward = piece['forward, train mode'], piece['backward']
    extra = piece['forward, eval mode, no graph']
    result = dict(
        setting=dict(
            network=f'ResNet-18 (CIFAR stem), {args.width} channels in the first stage',
            batch=100,
            mixer='CutMix',
            rounds=args.rounds,
            hardware=torch.cuda.get_device_name() if device.type == 'cuda' else f'one CPU core, {platform.machine()}',
            torch=torch.__version__,
            mark='ours',
        ),
        seconds={'without SUMix' if name == 'None' else name: value for name, value in median.items()},
        ratio=ratios,
        parts=piece,
        expected_from_parts=dict(train=2.0, detached=(forward + backward + extra) / (forward + backward)),
    )
    args.output.write_text(json.dumps(result, indent=1) + '\n')
    args.output.with_suffix('.md').write_text(markdown(result))
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
