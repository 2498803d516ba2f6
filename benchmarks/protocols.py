"""Protocols of papers in little: persons seen by several cameras, and spoken words.

Each arm is a config of ``configs/reid`` or ``configs/speech`` with a small network, on persons and sounds that
this file makes.

    python benchmarks/protocols.py                 # three seeds of each arm; a run is saved when it ends
    python benchmarks/protocols.py --tasks speech  # one of them
    python benchmarks/protocols.py --page          # the page from the results alone

A stopped command goes on where it was.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from scipy.io import wavfile
from small_data_tables import interval, shown

from mmmix.cli import build_runner
from mmmix.compat import register_config_scope
from mmmix.evaluation.frame import Results, environment, table, write_json

ROOT = Path(__file__).resolve().parent.parent
#: The task -> its arms, each with its config; the first arm is the base of the others.
ARMS: dict[str, dict[str, str]] = {
    'persons': {
        'none': 'reid/resnet50_120e-none_market1501',
        'erasing': 'reid/resnet50_120e-erasing_market1501',
        'keeperasing': 'reid/resnet50_120e-keeperasing_market1501',
    },
    'speech': {
        'none': 'speech/lenet_30e_google-commands',
        'mixup, alpha 0.1': 'speech/lenet_30e-mixup-a01_google-commands',
        'mixup, alpha 0.2': 'speech/lenet_30e-mixup-a02_google-commands',
    },
}
#: The task -> what is rated.
RATED = {'persons': ('rank-1', 'mAP'), 'speech': ('validation', 'test')}
TOLD = {
    'persons': """\
Sixty persons with clothes of three colours, seen by four cameras of different colour casts, half of the images behind
a bar; thirty persons to train on, thirty others as queries and gallery. A ResNet-18 with an eighth of the channels on
images of 64 x 32, 30 epochs. Rank-1 and mAP in percent.""",
    'speech': """\
Six words of two tones that glide, in noise that is as loud as they are: 90 sounds to train on, 30 to validate, 60 to
test. The LeNet of the configs, 9 epochs of batches of 10, the learning rate divided by ten every three; mixing begins
with the third. Error in percent.""",
}


def persons(root: Path) -> None:
    """Images in Market-1501's folders and under its names."""
    rng = np.random.default_rng(0)
    clothes = rng.integers(30, 226, (61, 3, 3))
    cast = rng.uniform(0.7, 1.3, (4, 3))

    def write(folder: str, person: int, camera: int, number: int) -> None:
        image = np.full((64, 32, 3), rng.integers(60, 196, 3)[None, None], dtype=float)
        left, top = rng.integers(4, 10), rng.integers(2, 8)
        for part, (start, end) in enumerate(((0, 12), (12, 32), (32, 54))):
            image[top + start : top + end, left : left + 18] = clothes[person, part]
        if rng.random() < 0.5:
            at = rng.integers(0, 48)
            image[at : at + 14] = rng.integers(0, 256, 3)
        image = image * cast[camera] + 25 * rng.standard_normal(image.shape)
        name = f'{person:04d}_c{camera + 1}s1_{number:06d}_00.jpg'
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(root / folder / name)

    for person in range(1, 31):
        for number in range(12):
            write('bounding_box_train', person, number % 4, number)
    for person in range(31, 61):
        for camera in range(4):
            write('query', person, camera, 0)
            for number in (1, 2):
                write('bounding_box_test', person, camera, number)


def words(root: Path) -> None:
    """Sounds in the folders and with the lists of Google's commands."""
    rng = np.random.default_rng(0)
    lists: dict[str, list[str]] = {'validation_list.txt': [], 'testing_list.txt': []}
    glides = rng.uniform(300, 5000, (6, 2, 2))
    for word, glide in enumerate(glides):
        (root / f'word{word}').mkdir(parents=True)
        for i in range(30):
            at = np.arange(rng.integers(9000, 16000)) / 16000
            ways = glide * rng.uniform(0.8, 1.25)
            sound = sum(np.sin(2 * np.pi * (a * at + (b - a) * at**2 / 2)) for a, b in ways)
            sound = sound + rng.standard_normal(len(at))
            wavfile.write(root / f'word{word}' / f'{i}.wav', 16000, (6000 * sound).clip(-32768, 32767).astype(np.int16))
        lists['validation_list.txt'] += [f'word{word}/{i}.wav' for i in range(5)]
        lists['testing_list.txt'] += [f'word{word}/{i}.wav' for i in range(5, 15)]
    for name, files in lists.items():
        (root / name).write_text('\n'.join(files) + '\n', encoding='utf-8')


def in_little(config: Config, work_dir: Path, seed: int) -> None:
    """What all tasks have in common."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].update(num_workers=0, persistent_workers=False)
    config.default_hooks.checkpoint = None
    config.randomness = dict(seed=seed)
    config.update(work_dir=str(work_dir), launcher='none', log_level='ERROR')


def identities(config: Config, root: Path, seed: int) -> dict[str, float]:
    """Ranks of made persons."""
    if not root.exists():
        persons(root)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = str(root)
        for transform in config[name].dataset.pipeline:
            if transform.type == 'Resize':
                transform.scale = (32, 64)
            if transform.type == 'RandomCrop':
                transform.update(crop_size=(64, 32), padding=4)
    config.model.backbone = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8, strides=(1, 2, 2, 1))
    config.model.head.update(in_channels=64, num_classes=30)
    config.data_preprocessor.num_classes = 30
    config.train_cfg.update(max_epochs=30, val_interval=30)
    config.param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[15, 25], gamma=0.1)
    config.optim_wrapper.optimizer.lr = 3e-3
    runner = build_runner(config)
    runner.train()
    found = runner.test()
    return {name: float(found[f'reid/{name}']) for name in RATED['persons']}


def sounds(config: Config, root: Path, seed: int) -> dict[str, float]:
    """Errors on made words."""
    if not root.exists():
        words(root)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = str(root)
    config.train_dataloader.batch_size = 10
    config.model.head.num_classes = config.data_preprocessor.num_classes = 6
    config.train_cfg.update(max_epochs=9, val_interval=9)
    config.param_scheduler.step_size = 3
    config.optim_wrapper.optimizer.lr = 1e-3
    for hook in config.get('custom_hooks', []):
        hook.schedule[0].action_epoch = 3
    runner = build_runner(config)
    runner.train()
    validated = float(runner.message_hub.get_scalar('val/accuracy/top1').current())
    return dict(validation=100 - validated, test=100 - float(runner.test()['accuracy/top1']))


TASKS: dict[str, Callable[[Config, Path, int], dict[str, float]]] = {
    'persons': identities,
    'speech': sounds,
}
PAGE = """# Protocols of papers in little

The configs of [re-identification](../configs/reid/README.md) and [speech](../configs/speech/README.md) from start to
end, with small networks, on data that is made. The papers' own data sets are `not run`: this shows that the protocols
work, and nothing about the papers' figures. Mean and standard deviation over the seeds; a difference is that to the
task's first arm, seed by seed, with its 95 % interval, **bold** where that leaves out zero. Every number is `ours`.

{parts}

`python benchmarks/protocols.py`; {hardware}
"""


def part(task: str, runs: list[dict[str, Any]]) -> str:
    """A task with its table."""
    by_arm = {arm: {run['seed']: run for run in runs if (run['task'], run['arm']) == (task, arm)} for arm in ARMS[task]}
    base, rows = by_arm[next(iter(by_arm))], []
    for arm, own in by_arm.items():
        cells: list[Any] = [f'[{arm}](../configs/{ARMS[task][arm]}.py)', len(own)]
        for key in RATED[task]:
            values = [own[seed][key] for seed in sorted(own)]
            spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
            cells.append(f'{statistics.mean(values):.1f}{spread}' if values else '`not run`')
            common = [seed for seed in sorted(own) if seed in base and own is not base]
            pairs = [own[seed][key] - base[seed][key] for seed in common]
            cells.append(shown(dict(zip(('mean', 'half'), interval(pairs), strict=True)), 1) if len(pairs) > 1 else '')
        rows.append(cells)
    head = ['arm', 'seeds', *(cell for key in RATED[task] for cell in (key, 'difference'))]
    return f'## {task.capitalize()}\n\n{TOLD[task]}\n\n{table(head, rows)}'


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS))
    parser.add_argument('--seeds', type=int, default=3, help='how many; default: 3')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--page', action='store_true', help='no runs: the page from the results')
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    register_config_scope()
    results = Results(args.output, environment(), strict=False)
    with tempfile.TemporaryDirectory() as folder:

        def run(task: str, arm: str, seed: int) -> dict[str, Any]:
            config, start = Config.fromfile(ROOT / 'configs' / f'{ARMS[task][arm]}.py'), time.process_time()
            config.experiment_name = f'{task} {arm} {seed}'
            in_little(config, Path(folder) / 'runs', seed)
            found = TASKS[task](config, Path(folder) / task, seed)
            taken = round(time.process_time() - start, 1)
            print(f'{task}, {arm}, seed {seed}: {found}  {taken:.0f} CPU s', flush=True)
            return dict(**{key: round(value, 3) for key, value in found.items()}, seconds=taken)

        wanted = [
            dict(task=task, arm=arm, seed=seed)
            for task in args.tasks
            for seed in range(args.seeds)
            for arm in ARMS[task]
        ]
        results.complete([] if args.page else wanted, run)
    setting = environment()
    write_json(args.output, dict(setting=setting, runs=results.runs))
    text = PAGE.format(
        parts='\n\n'.join(part(task, results.runs) for task in TASKS),
        hardware=f'torch {setting["versions"]["torch"]}, one core of a shared {setting["hardware"]["machine"]} CPU.',
    )
    args.output.with_suffix('.md').write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
