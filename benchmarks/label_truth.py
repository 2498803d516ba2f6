"""Do labels tell the truth about what is visible, and do cuts spare it? Counted on scenes whose objects are known.

ResNets are trained on ``ScatteredDigits`` with CutMix and then asked about its test scenes, in eval mode:

- ``shares``: how far the label shares of a mixed image are from the visible share of its two digits, for the area and
  for each method that sets shares by itself. An object is visible by the part of its own ink that the mask shows; the
  visible share of an object is its visible part divided by the sum of both.
- ``cuts``: what Cutout, CutMix and RandomErasing take of the digit and of the area, with a selective cut by each guide.

    python benchmarks/label_truth.py                 # trains three networks: minutes on one core
    python benchmarks/label_truth.py --page          # the page and the picture from the results alone

``--kinds vit`` asks vision transformers, for TransMix, TokenMix and attention: in the epochs that a CPU has patience
for they stay at chance on these scenes, so that the page has none of them. A network is kept in the work dir and its
results in the JSON, so that a stopped command goes on where it was.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import label_truth_cuts as cuts
import label_truth_shares as shares
import torch
from label_truth_networks import CONFIG, ROOT, accuracy, config_of, read, trained
from label_truth_page import draw, page

from mmmix.evaluation.frame import Results, environment

KINDS = ('resnet', 'vit')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=3, help='networks of each kind; default: 3')
    parser.add_argument('--kinds', choices=KINDS, nargs='+', default=['resnet'], help='of networks; default: resnet')
    parser.add_argument('--epochs', type=int, default=16, help='default: 16')
    parser.add_argument('--rounds', type=int, default=5, help='how often the test scenes are mixed; default: 5')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'label_truth', help='for weights')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--page', action='store_true', help='measure nothing: the page and the picture alone')
    return parser.parse_args()


def one_network(args: argparse.Namespace, kind: str, seed: int) -> dict[str, Any]:
    """Train a network, or load it, and ask it."""
    model, scenes = trained(kind, seed, args.epochs, args.work_dir), read(config_of(kind, seed, args.epochs))
    # Who else was trained looks on as a teacher; the first network has the second one.
    other = args.work_dir / f'{kind}_{1 if seed == 0 else 0}.pth'
    if kind == 'resnet' and not other.exists():
        trained(kind, 1 if seed == 0 else 0, args.epochs, args.work_dir)
    found = dict(
        accuracy=round(accuracy(model, scenes), 2),
        shares=shares.measured(model, kind, scenes, args.rounds),
        cuts=cuts.measured(model, kind, scenes, other if kind == 'resnet' else None, args.rounds),
    )
    print(f'{kind}, seed {seed}: {found["accuracy"]:.1f} % top-1', flush=True)
    return json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 5))


def main() -> None:
    """Do every network that is not in the file yet, then write the page."""
    args = parse_args()
    torch.set_num_threads(1)
    setting = dict(
        mark='ours',
        config=f'{CONFIG.relative_to(ROOT)} with all training digits in two scenes each, CutMix (alpha 1) in half of '
        'the batches',
        epochs=args.epochs,
        rounds=args.rounds,
        not_asked=cuts.not_asked(args.kinds),
        **environment(),
    )
    results = Results(args.output, setting, strict=False)
    if not args.page:
        wanted = [dict(kind=kind, seed=seed) for seed in range(args.seeds) for kind in args.kinds]
        results.complete(wanted, lambda kind, seed: one_network(args, kind, seed))
    told = json.loads(args.output.read_text(encoding='utf-8'))
    page(args.output.with_suffix('.md'), told['setting'], told['runs'])
    draw(args.output.with_suffix('.png'), told['runs'])


if __name__ == '__main__':
    main()
