"""Turn the JSON files of the KeepAugment benchmarks into the Markdown beside them.

python benchmarks/keepaugment_report.py
"""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from mmmix.evaluation.frame import table

HERE = Path(__file__).parent


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
    for write in (cifar10, fidelity):
        path = HERE / f'keepaugment_{write.__name__}.json'
        if path.exists():
            write(json.loads(path.read_text()))


if __name__ == '__main__':
    main()
