"""What mixing is worth with few labels and small objects: paired seeds on scattered digits, seconds a run.

Every arm is a change of ``configs/quickstart/resnet_scattered_none.py``, trained through ``MixClassifier`` and
MMEngine's runner with the hooks that a user would name, and has the same seeds, which fix initialisation and order. A
difference is that to the arm's own base, seed by seed, with its 95 % interval.

    python benchmarks/scattered_accuracy.py          # ten seeds of each arm; a run is saved when it ends
    python benchmarks/scattered_accuracy.py --page   # the page and the picture from the results alone

A stopped command goes on where it was.
"""

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from label_truth_networks import CONFIG, ROOT, read
from mmengine.config import Config
from mmengine.runner import Runner
from small_data_arms import GRADIENT, HARD, Arm, spared, sumix
from small_data_tables import COLUMNS, arm_row, draw, shown, summary

from mmmix.compat import register_config_scope
from mmmix.evaluation.calibration import expected_calibration_error
from mmmix.evaluation.frame import Results, environment, table, write_json

CUTMIX: dict[str, Any] = dict(type='mmmix.CutMix', alpha=1.0, lam_mode='elem', prob=0.5)
CUTOUT: dict[str, Any] = dict(type='mmmix.Cutout', length=12)
POOL: dict[str, Any] = dict(type='mmmix.HardPool', size=128, min_size=16, prob=0.5)
ARMS: dict[str, Arm] = {
    'none': Arm(),
    'cutmix': Arm('none', CUTMIX),
    'sumix': Arm('cutmix', CUTMIX, sumix(clean_pass='detached')),
    'hardmix': Arm('cutmix', {**CUTMIX, 'partners': POOL}, hooks=HARD),
    'keepcutmix': Arm('cutmix', {**CUTMIX, 'keep': spared('clipped')}),
    'all three': Arm(
        'cutmix', {**CUTMIX, 'partners': POOL, 'keep': spared('clipped')}, sumix(clean_pass='detached'), HARD
    ),
    'cutout': Arm('none', CUTOUT),
    'keepcutout': Arm('cutout', {**CUTOUT, 'keep': spared('clipped')}),
}
BEGIN = """# What mixing is worth with few labels and small objects

{claim}

{labels} labelled scenes of `ScatteredDigits`, {epochs} epochs, a ResNet of 78 k parameters, shifts of up to 4 pixels.
Each arm changes [{config}](../{config}) and has the same
seeds, which fix initialisation and order. `top-1` is that of the last epoch on the 890 test scenes, in percent, mean
over the seeds and standard deviation. A difference is that to the arm's base, seed by seed, with its 95 % interval;
**bold** where the interval leaves out zero. `NLL` is the negative log-likelihood, `ECE` the calibration error in
percent. Every number is `ours`.

{table}

![Differences to the base]({picture})

`cutmix`: alpha 1, a box for each image, half of the images. `sumix`: on top of it `SUMixHead` with its defaults and a
detached clean pass. `hardmix`: half of the partners from the pool of hard samples. `keepcutmix`, `keepcutout`: a
selective cut by `{gradient}`, tau 0.6, the mixer's own places as candidates. `cutout`: length 12.

`python benchmarks/scattered_accuracy.py`; {hardware}
"""


def one_run(arm: str, seed: int) -> dict[str, Any]:
    """Train the network as an arm says, and rate it."""
    config, start = Config.fromfile(CONFIG), time.process_time()
    how = ARMS[arm]
    config.model.type = 'mmmix.MixClassifier'
    config.model.head.update(how.head)
    if how.augments is not None:
        config.model.train_cfg = dict(augments=how.augments)
    config.custom_hooks = list(how.hooks)
    scenes = read(config)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.test_cfg = config.test_dataloader = config.test_evaluator = None
    config.default_hooks.checkpoint, config.log_level = None, 'ERROR'
    config.randomness.seed, config.experiment_name = seed, f'{arm} {seed}'
    with tempfile.TemporaryDirectory() as config.work_dir:
        runner = Runner.from_cfg(config)
        begun = time.process_time()
        runner.train()
        taken = time.process_time() - begun
    model: Any = runner.model.eval()
    labels = scenes.scores.argmax(1)
    with torch.no_grad():
        logits = model(scenes.images, mode='tensor')
    return dict(
        top1=round(100 * float((logits.argmax(1) == labels).float().mean()), 3),
        nll=round(float(F.cross_entropy(logits, labels)), 4),
        ece=round(float(expected_calibration_error(logits.softmax(1), labels)), 4),
        seconds_a_step=round(taken / runner.iter, 5),
        seconds=round(time.process_time() - start, 1),
    )


def claim_of(arms: list[dict[str, Any]]) -> str:
    """What came out: the differences that are none of chance, and the others."""
    plain, hidden = [], []
    for arm in arms[1:]:
        difference = shown(arm['top1_difference'], 1)
        text = f'{arm["arm"]} {difference.strip("*")} points over {arm["base"]}'
        (plain if difference.startswith('**') else hidden).append(text)
    told = (
        f'Top-1 differs by more than chance: {"; ".join(plain)}.' if plain else 'Nothing differs by more than chance.'
    )
    return f'{told} Within it: {"; ".join(hidden)}.' if hidden else told


def page(path: Path, setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write the arms into the results, the page and the picture beside them."""
    arms = summary(ARMS, runs)
    write_json(path, {'setting': setting, 'arms': arms, 'runs': runs})
    text = BEGIN.format(
        claim=claim_of(arms),
        labels=setting['labels'],
        epochs=setting['epochs'],
        config=setting['config'],
        table=table(COLUMNS, map(arm_row, arms)),
        picture=path.with_suffix('.png').name,
        gradient=GRADIENT['type'].removeprefix('mmmix.'),
        hardware=f'torch {setting["versions"]["torch"]}, one core of a shared {setting["hardware"]["machine"]} CPU.',
    )
    path.with_suffix('.md').write_text(text, encoding='utf-8')
    draw(path.with_suffix('.png'), ARMS, runs)


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=10, help='how many; default: 10')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--page', action='store_true', help='no runs: the page and the picture from the results')
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    register_config_scope()
    config = Config.fromfile(CONFIG)
    setting = dict(
        config=str(CONFIG.relative_to(ROOT)),
        labels=config.train_dataloader.dataset.indices,
        epochs=config.train_cfg.max_epochs,
    )
    results = Results(args.output, {**setting, **environment()}, strict=tuple(setting))
    if not args.page:
        # Seed by seed, so that a stopped comparison has all arms with the same seeds.
        for seed in range(args.seeds):
            for arm in ARMS:
                results.complete([dict(arm=arm, seed=seed)], one_run)
                run = next(run for run in results.runs if (run['arm'], run['seed']) == (arm, seed))
                print(f'{arm:12} seed {seed}  top-1 {run["top1"]:.2f}  {run["seconds"]:.0f} CPU s', flush=True)
    page(args.output, {**setting, **environment()}, results.runs)


if __name__ == '__main__':
    main()
