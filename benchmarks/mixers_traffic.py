"""What a mixer asks of an accelerator, counted without one: operations launched and bytes moved.

``python benchmarks/mixers_traffic.py`` runs every mixer, and every peer that can, on PyTorch's meta device, which has
shapes and no values. It counts the operations that would be launched there, and the bytes that they would read and
write if each read its inputs once and wrote its outputs once, in units of ``images.clone()``. Time on a GPU is no less
than either allows: one launch after the other takes the host some microseconds each, and bytes move at the memory's
bandwidth. Sorting, selecting and Fourier transforms move their bytes more than once. It is a count, not a measurement.

Memory is counted too: the most that is held at once beyond the batch that goes in and what comes out, in units of one
float32 mask for each image.
"""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmmix.evaluation.contenders import SHAPES, ours, peers
from mmmix.evaluation.frame import table, write_json

CALLS = 20
#: Thousands of launches a call.
SLOW = ('CoMixup',)


class Traffic(TorchDispatchMode):
    """Counts what would be launched on the meta device, and the bytes that it would move.

    Args:
        device (str): Whose operations and memory are counted. Defaults to ``'meta'``.
    """

    def __init__(self, device: str = 'meta') -> None:
        super().__init__()
        self.device = device
        self.launches = 0
        self.bytes = 0
        #: What is held of what was made here, by its storage.
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and count it unless it is a view, an allocation, or on the host."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self._hold(outputs, [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)])
        aliases = [returned.alias_info for returned in func._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        name = func._schema.name.removeprefix('aten::')
        if is_view or 'empty' in name or not any(output.device.type == self.device for output in outputs):
            return result
        self.launches += 1
        self.bytes += sum(map(touched, outputs))
        # What only lends its shape or is overwritten is not read.
        if not name.startswith('new_') and not name.endswith('_like') and name not in ('copy_', 'fill_'):
            inputs = tree_leaves((args, {key: value for key, value in kwargs.items() if key != 'out'}))
            self.bytes += sum(touched(leaf) for leaf in inputs if isinstance(leaf, Tensor))
        elif name == 'copy_':
            self.bytes += touched(args[1])
        return result

    def _hold(self, outputs: list[Tensor], inputs: list[Tensor]) -> None:
        """Take note of new memory on the device, and of what is still held."""
        known = {tensor.untyped_storage()._cdata for tensor in inputs}
        for output in outputs:
            storage = output.untyped_storage()
            if output.device.type == self.device and storage._cdata not in known:
                self._held[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._held = {key: held for key, held in self._held.items() if not held[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._held.values()))


def touched(tensor: Tensor) -> int:
    """The bytes behind a tensor, a dimension that it is only expanded along not counted."""
    count = tensor.element_size()
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else 1
    return count if tensor.numel() else 0


def count(call: Callable[[], Any], calls: int = CALLS) -> tuple[float, float, float]:
    """Launches and bytes of a call, on average over random draws; and the most bytes held beyond what it gives."""
    launches, moved, held = 0, 0, 0
    for _ in range(calls):
        with Traffic() as traffic:
            given = call()
        launches += traffic.launches
        moved += traffic.bytes
        result = {leaf.untyped_storage()._cdata: leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)}
        held = max(held, traffic.peak - sum(leaf.untyped_storage().nbytes() for leaf in result.values()))
    return launches / calls, moved / calls, float(held)


def measure(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """All contenders at one shape."""
    images, scores = torch.empty(shape, device='meta'), torch.empty(shape[0], 1000, device='meta')
    clone, mask = count(images.clone)[1], 4 * shape[0] * shape[2] * shape[3]
    rows = []
    for package, method, mode, call in (*ours(images, scores), *peers(images, scores)):
        try:
            launches, moved, held = count(call, 2 if method in SLOW else CALLS)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            print(f'  {package} {method} ({mode}) asks for values: {str(error).splitlines()[0][:90]}')
            continue
        rows.append(
            dict(
                package=package,
                method=method,
                mode=mode,
                launches=round(launches, 1),
                traffic=round(moved / clone, 2),
                masks=round(held / mask, 2),
            )
        )
    return rows


def markdown(runs: dict[str, list[dict[str, Any]]]) -> str:
    """A table: a row for each method and mode."""
    rows = {(r['method'], r['mode'], r['package']) for results in runs.values() for r in results}
    head = ['method', 'mode', 'package', 'launches', *(f'{name} {SHAPES[name]}: bytes / clone' for name in runs)]
    head.append('memory at imagenet, in masks')
    lines = []
    for method, mode, package in sorted(rows):
        found = [
            next((r for r in results if (r['method'], r['mode'], r['package']) == (method, mode, package)), None)
            for results in runs.values()
        ]
        launches = next(r['launches'] for r in found if r)
        cells = [f'{r["traffic"]:.2f}' if r else None for r in found]
        memory = f'{found[0]["masks"]:.2f}' if found[0] else None
        lines.append([method, mode, package, f'{launches:.0f}', *cells, memory])
    return table(head, lines) + '\n'


def main() -> None:
    """Count and write."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    torch.manual_seed(0)
    autocast, enabled = torch.autocast, torch.is_autocast_enabled
    # Autocast does not know the meta device.
    torch.autocast = lambda kind, **rest: nullcontext() if kind == 'meta' else autocast(kind, **rest)  # type: ignore
    torch.is_autocast_enabled = lambda kind: kind != 'meta' and enabled(kind)  # type: ignore
    runs = {name: measure(shape) for name, shape in SHAPES.items()}
    write_json(args.output, dict(torch=torch.__version__, mark='simulated', runs=runs))
    _, *text = __doc__.strip().split('\n\n')
    told = '\n\n'.join(' '.join(part.split()) for part in text)
    page = f'# Launches and bytes\n\nMarked `simulated`. {told}\n\n'
    page += (
        'Guides that look at a model are replaced by a fixed map. Peers that ask for values on the way, which makes '
    )
    page += 'the host wait for a GPU, cannot be run like this and are missing.\n\n'
    args.output.with_suffix('.md').write_text(page + markdown(runs))
    print(markdown(runs))


if __name__ == '__main__':
    main()
