"""Where ``torch.compile`` has to stop in a training step, for every mixer.

A step is the mixer, a small network and the loss, as one function; a mixer that asks the network looks at that network.
``breaks`` is how often the compiler hands over to Python, and why it does so first: a place that lies inside functions
counts once for each of those that it leaves. ``graphs`` is what is compiled in the end. No break is one graph,
``fullgraph=True``. A ratio for the whole batch (``'batch'``) is drawn on the host, which is a break by choice: the host
then knows the box, and moves no more than that. Counted with PyTorch's tracer, nothing is run on a device.

    python benchmarks/graph_breaks.py

``benchmarks/graph_breaks.md`` is what came out.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import torch
import torch._dynamo.utils
import torch.nn.functional as F
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from mmmix import MixClassifier
from mmmix.evaluation.frame import environment, table, write_json
from mmmix.registry import BATCH_AUGMENTS as OURS

MODES = ('batch', 'elem')


def network(augments: dict[str, Any] | None = None) -> MixClassifier:
    """A small network of convolutions, perhaps with a mixer that looks at it."""
    return MixClassifier(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=8, in_channels=32),
        train_cfg=None if augments is None else dict(augments=augments),
    )


def counted(name: str, mode: str) -> dict[str, Any] | None:
    """How often the compiler stops in a step with a mixer; None where the mixer has no such step."""
    try:
        how = dict(type=f'mmmix.{name}', lam_mode=mode, prob=1.0)
        mixer: Any = BATCH_AUGMENTS.build(how)
        if any(part.needs_model for part in (mixer, *mixer.parts())):
            model = network(how)
            (mixer,) = model.mixers()
        else:
            model = network()
        images, scores = torch.rand(8, 3, 32, 32), torch.eye(8)
        mixer(images, scores)
    except (TypeError, ValueError, RuntimeError) as error:
        print(f'  {name} ({mode}) sits out: {str(error).splitlines()[0]}', flush=True)
        return None

    def step(images: Tensor, scores: Tensor) -> Tensor:
        mixed, labels = mixer(images, scores)
        return F.cross_entropy(model.head(model.extract_feat(mixed)), labels)

    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    torch.compile(step, backend='eager')(images, scores)
    # A reason is the compiler's first line, without its frames.
    reasons = {str(reason).strip().splitlines()[0]: times for reason, times in counters['graph_break'].items()}
    graphs = counters['stats']['unique_graphs']
    return dict(method=name, mode=mode, graphs=graphs, breaks=sum(reasons.values()), reasons=reasons)


def page(rows: list[dict[str, Any]], told: dict[str, Any]) -> str:
    """The results in words."""
    first, *text = __doc__.strip().split('\n\n')
    whole = [row for row in rows if not row['breaks']]
    lines = [[row['method'], row['mode'], row['graphs'], row['breaks'], next(iter(row['reasons']), '')] for row in rows]
    return (
        '\n\n'.join(
            [
                f'# Graph breaks\n\n{first}\n\n{text[0]}',
                f'{len(whole)} of {len(rows)} steps are one graph, mixer and all. In the others the mixer is called as '
                f'it is, and network and loss are compiled into {max(row["graphs"] for row in rows)} graph at most.',
                table(['method', 'mode', 'graphs', 'breaks', 'the first one'], lines),
                f'Counted with torch {told["versions"]["torch"]}.',
                '`python benchmarks/graph_breaks.py`',
            ]
        )
        + '\n'
    )


def main() -> None:
    """Count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', metavar='METHOD', help='these alone')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    import mmmix.mixers  # noqa: F401 - enters them

    names = args.only or sorted(OURS.module_dict)
    found = (counted(name, mode) for name in names for mode in MODES)
    rows = [row for row in found if row is not None]
    told = environment()
    write_json(args.output, dict(setting=told, rows=rows))
    args.output.with_suffix('.md').write_text(page(rows, told), encoding='utf-8')


if __name__ == '__main__':
    main()
