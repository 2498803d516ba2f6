"""Where do maps of a classifier say that objects are? Without mixing, with Mixup and with CutMix, on scattered digits.

The arms are the configs of ``configs/localization``, trained by MMEngine's runner, with the same seeds, which fix
initialisation and order. Boxes around the class activation map of the true class stand beside the true ones, by
``mmmix.evaluation.localize``; a difference is that to no mixing, seed by seed, with its 95 % interval.

    python benchmarks/localization.py          # five seeds of each arm; a run is saved when it ends
    python benchmarks/localization.py --page   # the page and the picture from the results alone

A stopped command goes on where it was.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from label_truth_networks import ROOT
from mmengine.config import Config
from mmengine.runner import Runner
from small_data_tables import interval, shown

from mmmix import ClassActivation, ScatteredDigits, cli
from mmmix.compat import register_config_scope
from mmmix.evaluation import localize
from mmmix.evaluation.frame import Results, environment, table, write_json
from mmmix.evaluation.localization import box_of, overlap

ARMS = ('none', 'mixup', 'cutmix')
#: What is rated, and what the page calls it.
RATED = dict(max_box_acc='MaxBoxAcc', top1_loc='top-1 localisation', top1='top-1')
#: Scenes that the picture shows.
SHOWN = 6
BEGIN = """# Where maps of a classifier say that objects are

{claim}

{labels} labelled scenes of `ScatteredDigits`, {epochs} epochs, the ResNet of
[configs/localization](../configs/localization/README.md) with a last map of 8 x 8. A box is drawn around the largest
part of the class activation map of the true class that is above a threshold. `MaxBoxAcc` is the percentage of the
{images} test scenes where it meets the true one with an IoU of at least 0.5, at the threshold that is best for the
network; `top-1 localisation` asks for the right class too. Mean and standard deviation over the seeds, which fix
initialisation and order; a difference is that to `none`, seed by seed, with its 95 % interval, **bold** where that
leaves out zero. Every number is `ours`.

{table}

Who draws the same square in the middle of every scene, of the best size, meets {middle:.1f} %.

![Curves over thresholds, and boxes]({picture})

Left: accuracy of the boxes by threshold, mean over the seeds and one standard deviation. Right: the first test scenes,
the true box in white and that of each arm's first seed.

CutMix's paper (Table 9, `paper`) has on CUB-200 with a ResNet-50 49.41 % without mixing, 49.30 with Mixup and 54.81
with CutMix, at one threshold for all: `not run` here.

`python benchmarks/localization.py`; {hardware}
"""


def config_of(arm: str) -> Path:
    """The config of an arm."""
    return ROOT / 'configs' / 'localization' / f'resnet_{arm}_scattered.py'


def one_run(arm: str, seed: int) -> dict[str, Any]:
    """Train the network of an arm, and look where its maps point."""
    config, start = Config.fromfile(config_of(arm)), time.process_time()
    loader = cli.build_loader(config)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.test_cfg = config.test_dataloader = config.test_evaluator = None
    config.default_hooks.checkpoint, config.log_level = None, 'ERROR'
    config.randomness.seed, config.experiment_name = seed, f'{arm} {seed}'
    with tempfile.TemporaryDirectory() as config.work_dir:
        runner = Runner.from_cfg(config)
        runner.train()
    model: Any = runner.model.eval()
    guide = ClassActivation()
    found = localize(model, loader, guide)
    samples = [loader.dataset[i] for i in range(SHOWN)]
    data = model.data_preprocessor(
        dict(inputs=[each['inputs'] for each in samples], data_samples=[each['data_samples'] for each in samples])
    )
    labels = torch.cat([sample.gt_label for sample in data['data_samples']])
    maps = guide(data['inputs'], torch.eye(10)[labels])[:, 0]
    return dict(
        **{key: round(getattr(found, key), 3) for key in RATED},
        threshold=found.threshold,
        curve={f'{threshold:.2f}': round(value, 2) for threshold, value in found.curve.items()},
        boxes=[box_of(each, found.threshold) for each in maps],
        seconds=round(time.process_time() - start, 1),
    )


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each arm: its seeds, its values, and the paired differences to the first arm."""
    by_arm = {arm: {run['seed']: run for run in runs if run['arm'] == arm} for arm in ARMS}
    arms = []
    for arm, own in by_arm.items():
        if not own:
            continue
        entry: dict[str, Any] = dict(arm=arm, seeds=sorted(own), threshold=[own[seed]['threshold'] for seed in own])
        common = [seed for seed in sorted(own) if seed in by_arm[ARMS[0]] and arm != ARMS[0]]
        for key in RATED:
            entry[key] = [own[seed][key] for seed in entry['seeds']]
            if common:
                mean, half = interval([own[seed][key] - by_arm[ARMS[0]][seed][key] for seed in common])
                entry[f'{key}_difference'] = dict(mean=round(mean, 3), half=round(half, 3), pairs=len(common))
        arms.append(entry)
    return arms


def row(entry: dict[str, Any]) -> list[Any]:
    """One arm as a row of the page."""
    cells: list[Any] = [entry['arm'], len(entry['seeds'])]
    for key in RATED:
        spread = f' ± {statistics.stdev(entry[key]):.1f}' if len(entry[key]) > 1 else ''
        cells += [f'{statistics.mean(entry[key]):.1f}{spread}', shown(entry.get(f'{key}_difference'), 1)]
    return cells


def claim_of(arms: list[dict[str, Any]]) -> str:
    """What came out of boxes, and whether it is more than chance."""
    parts = []
    for entry in arms[1:]:
        difference = entry['max_box_acc_difference']
        how = 'more than chance' if abs(difference['mean']) > difference['half'] else 'within chance'
        parts.append(f'{entry["arm"]} {difference["mean"]:+.1f} ± {difference["half"]:.1f} points of MaxBoxAcc, {how}')
    return f'Beside no mixing: {"; ".join(parts)}.' if parts else 'No arm has a base yet.'


def scenes_of(config: Config) -> ScatteredDigits:
    """The test scenes."""
    told = {key: value for key, value in config.test_dataloader.dataset.items() if key not in ('type', 'pipeline')}
    return ScatteredDigits(**told)


def best_in_the_middle(scenes: ScatteredDigits) -> float:
    """Percent of the true boxes that one square in the middle meets, at its best size."""
    boxes = [scenes.get_data_info(i)['box'] for i in range(len(scenes))]
    side = len(scenes.get_data_info(0)['img'])
    squares = [(edge, side - edge, edge, side - edge) for edge in range(side // 2)]
    return max(100 * statistics.mean(overlap(square, box) >= 0.5 for box in boxes) for square in squares)


def draw(path: Path, runs: list[dict[str, Any]], scenes: ScatteredDigits) -> None:
    """Curves over thresholds, and scenes with their boxes."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(10, 3.4), layout='constrained', dpi=110)
    left, right = figure.subfigures(1, 2, width_ratios=(4, 6))
    axis, colours = left.subplots(), dict(zip(ARMS, ('tab:orange', 'tab:green', 'deepskyblue'), strict=True))
    for arm in ARMS:
        curves = [run['curve'] for run in runs if run['arm'] == arm]
        if not curves:
            continue
        thresholds = list(curves[0])
        columns = [[curve[threshold] for curve in curves] for threshold in thresholds]
        mean = [statistics.mean(column) for column in columns]
        spread = [statistics.stdev(column) if len(column) > 1 else 0 for column in columns]
        at = [float(threshold) for threshold in thresholds]
        axis.plot(at, mean, color=colours[arm], label=arm)
        low, high = ([m + sign * s for m, s in zip(mean, spread, strict=True)] for sign in (-1, 1))
        axis.fill_between(at, low, high, color=colours[arm], alpha=0.2, linewidth=0)
    axis.set(xlabel='threshold', ylabel='boxes with an IoU of at least 0.5 (%)', ylim=(0, 100))
    axis.legend(frameon=False)
    first = {run['arm']: run['boxes'] for run in reversed(runs)}
    for i, cell in enumerate(right.subplots(2, SHOWN // 2).flat):
        info = scenes.get_data_info(i)
        cell.imshow(info['img'])
        cell.set_axis_off()
        for box, colour in [(info['box'], 'white'), *((first[arm][i], colours[arm]) for arm in ARMS if arm in first)]:
            top, bottom, begin, end = box
            corner = (begin - 0.5, top - 0.5)
            cell.add_patch(Rectangle(corner, end - begin, bottom - top, fill=False, color=colour, linewidth=1.5))
    figure.savefig(path)


def page(path: Path, setting: dict[str, Any], runs: list[dict[str, Any]], scenes: ScatteredDigits) -> None:
    """Write the arms into the results, the page and the picture beside them."""
    arms, middle = summary(runs), best_in_the_middle(scenes)
    write_json(path, dict(setting=setting, middle=round(middle, 3), arms=arms, runs=runs))
    head = ['arm', 'seeds', *(cell for name in RATED.values() for cell in (name, 'difference'))]
    text = BEGIN.format(
        claim=claim_of(arms),
        labels=setting['labels'],
        epochs=setting['epochs'],
        images=len(scenes),
        table=table(head, map(row, arms)),
        middle=middle,
        picture=path.with_suffix('.png').name,
        hardware=f'torch {setting["versions"]["torch"]}, one core of a shared {setting["hardware"]["machine"]} CPU.',
    )
    path.with_suffix('.md').write_text(text, encoding='utf-8')
    draw(path.with_suffix('.png'), runs, scenes)


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=5, help='how many; default: 5')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--page', action='store_true', help='no runs: the page and the picture from the results')
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    register_config_scope()
    config = Config.fromfile(config_of('none'))
    setting = dict(labels=config.train_dataloader.dataset.indices, epochs=config.train_cfg.max_epochs)
    results = Results(args.output, {**setting, **environment()}, strict=tuple(setting))
    if not args.page:
        # Seed by seed, so that a stopped comparison has all arms with the same seeds.
        for seed in range(args.seeds):
            for arm in ARMS:
                results.complete([dict(arm=arm, seed=seed)], one_run)
                run = next(run for run in results.runs if (run['arm'], run['seed']) == (arm, seed))
                print(
                    f'{arm:7} seed {seed}  MaxBoxAcc {run["max_box_acc"]:.2f}  {run["seconds"]:.0f} CPU s', flush=True
                )
    page(args.output, {**setting, **environment()}, results.runs, scenes_of(config))


if __name__ == '__main__':
    main()
