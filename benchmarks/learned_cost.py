"""What a learned mask costs: the time of a training step of each learned mixer relative to one of CutMix.

``python benchmarks/learned_cost.py`` times whole steps (preprocessing, mixing, losses, backward, SGD) of ResNet-18 for
CIFAR, the mixers in turn so that a slow moment of the machine hits all of them, and writes medians and quartiles to
``benchmarks/learned_cost.json``. On a CPU it counts the process's own work, not the time on the wall.
"""

import json
import statistics
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmmix.evaluation.frame import clock, hardware, in_turns, quartiles, ratios, table, timed, write_json

ROOT = Path(__file__).resolve().parent.parent
PLAIN = 'CutMix'
#: Each mixer, and its passes through student and teacher: forward and backward, the teacher's to the pixels.
ARMS: dict[str, tuple[dict[str, Any], str, str]] = {
    PLAIN: (dict(type='mmmix.CutMix'), '1 + 1', '-'),
    'AutoMix': (dict(type='mmmix.AutoMix'), '2 + 2', '2 + 1'),
    'SAMix': (dict(type='mmmix.SAMix'), '2 + 2', '2 + 1'),
    'AdAutoMix': (dict(type='mmmix.AdAutoMix'), '3 + 3', '2 + 1'),
    'AdAutoMix(n_images=2)': (dict(type='mmmix.AdAutoMix', n_images=2), '2 + 2', '2 + 1'),
}


def build(mixer: dict[str, Any], width: int, batch: int, device: torch.device) -> Callable[[], Any]:
    """A function that runs one training step with a mixer."""
    config = Config.fromfile(ROOT / 'configs' / 'automix' / 'resnet18_200e-automix_cifar100.py')
    config.model.backbone.update(stem_channels=width, base_channels=width)
    config.model.head.in_channels = 8 * width
    config.model.data_preprocessor = config.data_preprocessor
    config.model.train_cfg = dict(augments=mixer)
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(device).train()
    optim = build_optim_wrapper(model, config.optim_wrapper)
    images = torch.randint(256, (batch, 3, 32, 32), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i % 100) for i in range(batch)]
    return lambda: model.train_step(dict(inputs=list(images), data_samples=samples), optim)


def markdown(result: dict[str, Any]) -> str:
    """The result as a page."""
    setting, rows = result['setting'], []
    for name, row in result['mixers'].items():
        low, high = row['quartiles']
        against = '1' if name == PLAIN else f'{row["ratio"]:.2f} ({low:.2f} to {high:.2f})'
        rows.append([f'`{name}`', row['student'], row['teacher'], f'{row["steps_a_second"]:.2f}', against])
    head = [
        'mixer',
        'student: forward + backward',
        'teacher',
        'steps a second',
        f'time relative to {PLAIN} (quartiles)',
    ]
    return (
        '# What a learned mask costs\n\n'
        f'`python benchmarks/learned_cost.py`, marked `{setting["mark"]}`. {setting["network"]}, batch '
        f'{setting["batch"]}; {setting["rounds"]} interleaved rounds of one step each. {setting["hardware"]}, PyTorch '
        f'{setting["torch"]}; {setting["clock"]}. The passes are what a method asks for; of its backward pass the '
        'teacher has only the half that goes to the pixels.\n\n'
        f'{table(head, rows)}\n'
    )


def main() -> None:
    """Time all mixers and write the medians."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--width', type=int, default=16, help='channels of the first stage')
    parser.add_argument('--batch', type=int, default=50)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'learned_cost.json')
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == 'cpu':
        torch.set_num_threads(1)
    now = clock(device, own_work=True)
    turns = {
        name: partial(timed, build(mixer, args.width, args.batch, device), now) for name, (mixer, *_) in ARMS.items()
    }
    seconds = in_turns(turns, args.rounds, warm_up=2)
    mixers = {}
    for name, (_, student, teacher) in ARMS.items():
        low, middle, high = quartiles(ratios(seconds[name], seconds[PLAIN]))
        mixers[name] = dict(
            student=student,
            teacher=teacher,
            steps_a_second=1 / statistics.median(seconds[name]),
            ratio=middle,
            quartiles=[low, high],
        )
    shared = "the process's own time on a shared machine, so that ratios are to be trusted before seconds"
    setting = dict(
        network=f'ResNet-18 (CIFAR stem), {args.width} channels in the first stage',
        batch=args.batch,
        rounds=args.rounds,
        hardware=hardware('one CPU core, {machine}', device),
        torch=torch.__version__,
        clock=shared if device.type == 'cpu' else 'time on the wall',
        mark='ours',
    )
    result = dict(setting=setting, mixers=mixers)
    write_json(args.output, result)
    args.output.with_suffix('.md').write_text(markdown(result), encoding='utf-8')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
