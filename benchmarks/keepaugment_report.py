"""Turn the JSON files of the KeepAugment benchmarks into the Markdown beside them.

python benchmarks/keepaugment_report.py
"""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from mmmix.evaluation.frame import table

HERE = Path(__file__).parent
KEPT = """With an allocator that keeps its memory

On a CPU, glibc gives blocks beyond 32 MiB back to the system and fetches them anew, page by page. Activations of this
batch are that large, Cutout's own too. The guides avoid it by going through the batch in slices, which changes
nothing else. Told to keep its memory (`MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296`), the
allocator costs nobody anything, and slices make no difference."""


def page(name: str, title: str, text: str, about: dict[str, Any], tables: list[str]) -> None:
    """Write one page: the claim, the tables, and what they were measured on."""
    settings = '\n'.join(f'- {key}: {value}' for key, value in about.items() if key != 'mark')
    body = '\n\n'.join(tables)
    source = f'`python benchmarks/keepaugment_{name}.py`, all rows `ours`.'
    (HERE / f'keepaugment_{name}.md').write_text(f'# {title}\n\n{text}\n\n{body}\n\n{source}\n\n{settings}\n')


def spread(values: list[float]) -> str:
    """Mean and range."""
    if len(values) == 1:
        return f'{values[0]:.2f} (one seed)'
    return f'{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})'


def cost_table(result: dict[str, Any]) -> str:
    """One row for each variant."""
    rows = [
        [
            row['method'],
            f'{row["median_seconds"]:.2f}',
            f'{row["ratio"]:.3f} ({row["ratio_min"]:.3f} to {row["ratio_max"]:.3f})',
            row['budget'],
            f'{row["guide_seconds"]:.3f}' if 'guide_seconds' in row else '',
            f'{row["choice_seconds"]:.4f}' if 'choice_seconds' in row else '',
        ]
        for row in result['rows']
    ]
    head = ['method', 'seconds', 'relative to Cutout (range)', 'budget', 'of it in the guide', 'in the choice']
    return table(head, rows)


def cost(result: dict[str, Any]) -> None:
    """Step time relative to Cutout."""
    text = (
        'What a training step costs relative to Cutout. The paper measured 2.0, 1.26 and 1.21 on a GPU; by counting '
        'passes it is 1.67, 1.17, 1.19 and 1.05. These are figures of a CPU, in seconds of its own work: no '
        'GPU was at hand.'
    )
    tables = [cost_table(result)]
    kept = HERE / 'keepaugment_cost_kept_memory.json'
    if kept.exists():
        tables += [f'## {KEPT}', cost_table(json.loads(kept.read_text()))]
    if 'profile' in result:
        seconds = [[key, value] for key, value in result['profile'].items() if isinstance(value, float)]
        tables += [f'## Where the early head loses its budget\n\n{result["profile"]["reading"]}']
        tables += [table(['part', 'seconds'], seconds), f'Measured on {result["profile"]["of"]}.']
    page('cost', 'What a selective cut costs', text, result['about'], tables)


def cifar10(result: dict[str, Any]) -> None:
    """Test accuracy and fidelity by length."""
    cells, rows = result['cells'], []
    for length in sorted({cell['length'] for cell in cells}):
        for method in ('Cutout', 'KeepCutout'):
            own = [cell for cell in cells if cell['length'] == length and cell['method'] == method]
            keys = ('test_accuracy', 'train_accuracy_clean', 'train_accuracy_Cutout', 'train_accuracy_KeepCutout')
            if own:
                rows.append([length, method, len(own), *(spread([cell[key] for cell in own]) for key in keys)])
    head = ['length', 'trained with', 'seeds', 'test', 'training images', 'with Cutout', 'with KeepCutout']
    epochs = sorted({cell['epochs'] for cell in cells})
    text = (
        'Accuracy in percent: on test images, and in eval mode on training images that are clean or went through '
        f'either method at that length. {" and ".join(map(str, epochs))} epochs on 5,000 images are a small fraction '
        "of the paper's 200 epochs on 50,000: differences of a point or two are within the noise of such runs."
    )
    page('cifar10', 'Cutout against KeepCutout', text, result['about'], [table(head, rows)])


def fidelity(result: dict[str, Any]) -> None:
    """Accuracy on augmented training images, and the removed saliency."""
    tables = []
    if 'randaugment' in result:
        keys = ('trained_with', 'clean', 'RandAugment', 'KeepRandAugment')
        head = ['trained with', 'clean', 'with RandAugment', 'with KeepRandAugment']
        rows = [[row[key] for key in keys] for row in result['randaugment']]
        tables.append('## Two networks, each asked about both\n\n' + table(head, rows))
    if 'magnitude' in result:
        columns = ['magnitude', 'RandAugment', 'KeepRandAugment']
        rows = [[row[key] for key in columns] for row in result['magnitude']]
        tables.append('## One network, several magnitudes\n\n' + table(columns, rows))
    head = ['method', 'saliency', 'area', 'saliency with a keep', 'area with a keep']
    rows = [[row['method'], *(row[key] for key in list(row)[1:])] for row in result['mass']]
    tables.append('## Shares of saliency and of area that are removed\n\n' + table(head, rows))
    text = 'Accuracy in percent of trained networks on training images, in eval mode, and what cuts remove.'
    page('fidelity', 'How much of the images survives', text, result['about'], tables)


def main() -> None:
    """Write the pages whose JSON is there."""
    for write in (cost, cifar10, fidelity):
        path = HERE / f'keepaugment_{write.__name__}.json'
        if path.exists():
            write(json.loads(path.read_text()))


if __name__ == '__main__':
    main()
