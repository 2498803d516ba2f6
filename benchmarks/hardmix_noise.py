"""Does the memory of hard samples find wrong labels? 10 % of the digits' labels are flipped, and HardMix is trained.

``python benchmarks/hardmix_noise.py`` trains each arm with each seed (a minute or two each on one CPU core) and prints
the AUROC of hardness against "was flipped", the share of partners from the pool whose label was flipped beside the base
rate, and the test accuracy. It writes ``benchmarks/hardmix_noise.json``.
"""

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from sklearn.metrics import roc_auc_score

from mmmix.cli import build_runner
from mmmix.evaluation.frame import hardware, mean_and_deviation, write_json

ROOT = Path(__file__).resolve().parent.parent
ARMS: dict[str, dict] = {
    'HardMix': dict(type='mmmix.HardMix', partners=dict(type='mmmix.HardPool', size=128, min_size=16, prob=1.0)),
    'CutMix, hook only': dict(type='mmmix.CutMix', prob=0.5),
}


class Partners(Hook):
    """Count the partners that came from the pool, and those of them whose label was flipped."""

    def __init__(self, flipped: torch.Tensor) -> None:
        self.flipped = flipped
        self.count = self.hits = 0

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look at what the pool gave last."""
        for mixer in runner.model.mixers():
            drawn = getattr(mixer.partners, 'drawn', None)
            if drawn is not None and len(drawn):
                self.count += len(drawn)
                self.hits += int(self.flipped[drawn].sum())
                mixer.partners.drawn = drawn[:0]


def run(arm: str, seed: int, fraction: float, epochs: int, work_dir: str) -> dict[str, Any]:
    """Train one arm with one seed."""
    config = Config.fromfile(ROOT / 'configs/quickstart/resnet_digits_none.py')
    digits = config.train_dataloader.dataset
    config.merge_from_dict(
        {
            'train_dataloader.dataset': {
                '_delete_': True,
                'type': 'mmmix.CorruptedLabels',
                'dataset': digits,
                'fraction': fraction,
                'seed': seed,
                'flip': True,
            },
            'model.type': 'mmmix.MixClassifier',
            'model.train_cfg': dict(augments=ARMS[arm]),
            'custom_hooks': [dict(type='mmmix.HardSampleHook', min_hardness=0.0)],
            'train_cfg.max_epochs': epochs,
            'train_cfg.val_begin': epochs,
            'default_hooks.checkpoint.interval': -1,
            'randomness.seed': seed,
            'work_dir': work_dir,
            'log_level': 'WARNING',
            'launcher': 'none',
            'experiment_name': f'{arm}-{seed}',
        }
    )
    config.param_scheduler[1].end = epochs
    runner = build_runner(config)
    flipped = runner.train_dataloader.dataset.corrupted
    partners = Partners(flipped)
    runner.register_hook(partners)
    runner.train()
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'HardSampleHook')
    hardness = hook.table.hardness()
    return dict(
        arm=arm,
        seed=seed,
        auroc=round(float(roc_auc_score(flipped, hardness)), 4),
        base_rate=round(float(flipped.float().mean()), 4),
        flipped_among_the_hardest_tenth=round(
            float(flipped[hardness.topk(int(flipped.sum())).indices].float().mean()), 4
        ),
        partners_from_pool=partners.count,
        flipped_among_them=round(partners.hits / partners.count, 4) if partners.count else None,
        accuracy=round(float(runner.message_hub.get_scalar('val/accuracy/top1').current()), 2),
    )


def main() -> None:
    """Train, print, write."""
    parser = ArgumentParser(description='Wrong labels found by the memory of hard samples')
    parser.add_argument('--fraction', type=float, default=0.1, help='which part of the labels is flipped')
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks/hardmix_noise.json')
    args = parser.parse_args()
    torch.set_num_threads(1)

    results = []
    for seed in args.seeds:
        for arm in ARMS:
            with tempfile.TemporaryDirectory() as work_dir:
                results.append(run(arm, seed, args.fraction, args.epochs, work_dir))
            print(' '.join(f'{name}={value}' for name, value in results[-1].items()), flush=True)
    summary = {}
    for arm in ARMS:
        for name in ('auroc', 'flipped_among_them', 'accuracy'):
            values = [row[name] for row in results if row['arm'] == arm and row[name] is not None]
            if values:
                mean, spread = mean_and_deviation(values)
                summary[f'{arm}: {name}'] = dict(mean=round(mean, 4), std=round(spread or 0.0, 4))
                print(f'{arm}: {name} {mean:.4f} +- {spread or 0.0:.4f} (n={len(values)})')
    document = dict(
        mark='ours',
        what='AUROC of hardness against "label was flipped", end of training',
        config='configs/quickstart/resnet_digits_none.py with HardMix and HardSampleHook at their defaults',
        flipped=args.fraction,
        epochs=args.epochs,
        hardware=hardware('{machine} CPU, 1 thread', 'cpu'),
        torch=torch.__version__,
        summary=summary,
        runs=results,
    )
    write_json(args.output, document)


if __name__ == '__main__':
    main()
