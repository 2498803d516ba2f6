"""What SUMix costs: the time of a training step relative to the same config without it.

``python benchmarks/sumix_cost.py`` times whole steps (preprocessing, mixing, losses, backward, SGD) of ResNet-18 for
CIFAR at batch 100, the arms in turn so that a slow moment of the machine hits all of them, and writes medians and
quartiles to ``benchmarks/sumix_cost.json``. Parts of a step are timed too, to say where the time goes.
"""

import json
import statistics
from argparse import ArgumentParser
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmmix.evaluation.frame import clock, hardware, in_turns, quartiles, ratios, table, timed, write_json
from mmmix.probes.untouched import untouched

ROOT = Path(__file__).resolve().parent.parent
BUDGET = {'train': 2.0, 'detached': 1.38}


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
    images, now = torch.randn(100, 3, 32, 32, device=device), clock(device)
    found: dict[str, float] = {}
    outs: list[torch.Tensor] = []
    found['forward, train mode'] = timed(lambda: outs.append(model(images, mode='tensor')[-1]), now)
    loss = outs[-1].square().mean()
    found['backward'] = timed(loss.backward, now)
    with untouched(model), torch.no_grad():
        found['forward, eval mode, no graph'] = timed(lambda: model(images, mode='tensor'), now)
    return found


def verdict(low: float, high: float, budget: float) -> str:
    """Whether a budget is met, as far as the quartiles can tell."""
    return 'yes' if high <= budget else 'no' if low > budget else 'within the noise'


def markdown(result: dict) -> str:
    """The result as a page."""
    setting, ratio, parts = result['setting'], result['ratio'], result['parts']
    note = f' Load: {setting["load"]}.' if 'load' in setting else ''
    rows: list[list] = [['no SUMix', f'{result["seconds"]["without SUMix"]:.3f}', '1', None, None]]
    for name, row in ratio.items():
        low, high = row['quartiles']
        cells = [f'{row["median"]:.2f} ({low:.2f} to {high:.2f})', row['budget'], row['met']]
        rows.append([f'`{name}`', f'{result["seconds"][name]:.3f}', *cells])
    head = ['`clean_pass`', 'seconds a step', 'relative to no SUMix, median (quartiles)', 'budget', 'met']
    expected = result['expected_from_parts']
    return (
        '# What SUMix costs\n\n'
        f'`python benchmarks/sumix_cost.py`, marked `{setting["mark"]}`. {setting["network"]}, batch '
        f'{setting["batch"]}, {setting["mixer"]}; {setting["rounds"]} interleaved rounds. {setting["hardware"]}, '
        f'PyTorch {setting["torch"]}.{note}\n\n'
        f'{table(head, rows)}\n\n'
        'Where a step goes:\n\n'
        f'{table(["part", "seconds"], [[name, f"{value:.3f}"] for name, value in parts.items()])}\n\n'
        f'From these parts a second pass alone makes {expected["train"]:.2f} (`train`) and '
        f'{expected["detached"]:.2f} '
        "(`detached`); what is above is the head, the second graph's memory, and the noise of a shared machine.\n"
    )


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
    turns = {name: partial(timed, step, clock(device)) for name, (_, step) in arms.items()}
    seconds = in_turns({**turns, 'parts': partial(parts, arms['None'][0], device)}, args.rounds, warm_up=1)
    pieces = seconds.pop('parts')
    median = {name: statistics.median(values) for name, values in seconds.items()}
    against = {}
    for name in BUDGET:
        low, middle, high = quartiles(ratios(seconds[name], seconds['None']))
        against[name] = dict(
            median=middle, quartiles=[low, high], budget=BUDGET[name], met=verdict(low, high, BUDGET[name])
        )
    piece = {name: statistics.median(each[name] for each in pieces) for name in pieces[0]}
    forward, backward = piece['forward, train mode'], piece['backward']
    extra = piece['forward, eval mode, no graph']
    result = dict(
        setting=dict(
            network=f'ResNet-18 (CIFAR stem), {args.width} channels in the first stage',
            batch=100,
            mixer='CutMix',
            rounds=args.rounds,
            hardware=hardware('one CPU core, {machine}', device),
            torch=torch.__version__,
            mark='ours',
        ),
        seconds={'without SUMix' if name == 'None' else name: value for name, value in median.items()},
        ratio=against,
        parts=piece,
        expected_from_parts=dict(train=2.0, detached=(forward + backward + extra) / (forward + backward)),
    )
    write_json(args.output, result)
    args.output.with_suffix('.md').write_text(markdown(result))
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
