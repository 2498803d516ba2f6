"""The card of a method, in front of its README in `configs/`: nothing in it is typed by hand.

Law and arguments come from the class, settings from the configs and `metafile.yml`, costs and results from
`benchmarks/*.json`, and the picture from the mixer itself, on the two photographs that scikit-learn ships.
"""

import inspect
import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.config import utils as of_configs
from pictures import picture_of

import mmmix
from mmmix.core import BoxMixer, Eraser, GuidedMixer, Labels, Mixer, Preserving, RatiolessMixer, WholeMixer

ROOT = Path(__file__).resolve().parents[1]
#: What the kinds say about a mixer, the first that fits.
KINDS = (
    (Eraser, 'erases places of the own image and leaves the label alone'),
    (Preserving, 'leaves the label alone'),
    (BoxMixer, 'pastes one box of the partner into the same place'),
    (WholeMixer, 'pastes the whole partner, resized, into a box'),
    (GuidedMixer, 'asks a guide what is important in the images'),
    (RatiolessMixer, 'draws no ratio: what it sees decides how much of each image there is'),
    (Mixer, 'draws a mask for the partner'),
)


def add(app: Any, docname: str, source: list[str]) -> None:
    """Put a card into the README of a method, its settings behind it, and the table of all into `methods.md`."""
    parts = docname.split('/')
    if parts[0] == 'configs':
        lead, text = split(source[0])
        source[0] = f'{lead}\n\n{front(parts[1])}{text}\n{settings(parts[1])}'
    elif docname == 'docs/methods':
        source[0] = source[0].replace('<!-- methods -->', table())


def split(text: str) -> tuple[str, str]:
    """A README up to its first paragraph, unless that leads to what follows, and the rest."""
    paragraphs = text.split('\n\n')
    first = next(i for i, each in enumerate(paragraphs) if not each.lstrip().startswith(('#', '>')))
    first -= paragraphs[first].endswith(':')
    return '\n\n'.join(paragraphs[: first + 1]), '\n\n'.join(paragraphs[first + 1 :])


def folders() -> list[str]:
    """The folders of methods: those that have a README."""
    return sorted(path.parent.name for path in (ROOT / 'configs').glob('*/README.md'))


# MMEngine reads every metafile of mmpretrain again for each config that inherits one of its own: most of the time that
# our configs take to read. Where it is called otherwise, nothing is lost but that time.
if hasattr(of_configs, '_get_cfg_metainfo'):
    of_configs._get_cfg_metainfo = cache(of_configs._get_cfg_metainfo)


def class_of(folder: str) -> tuple[str, type] | None:
    """The class that a folder is named after, with the room it is in; None if there is no such class."""
    plain = folder.replace('_', '')
    for ending in ('', 'head', 'loss'):
        for room in (*mmmix._ROOMS, *mmmix._HOSTED):
            for name in mmmix._names(room):
                if name.lower() == plain + ending:
                    return room, getattr(getattr(mmmix, room), name)
    return None


# ------------------------------------------------------------------------------------------------------------ configs


@cache
def runs() -> dict[str, list[dict]]:
    """Of every config that a metafile names: where it is, data, network, epochs, mixers and the figure of its paper."""
    named = [
        (folder, model)
        for folder in folders()
        for model in yaml.safe_load((ROOT / 'configs' / folder / 'metafile.yml').read_text('utf-8'))['Models'] or []
    ]
    with ProcessPoolExecutor(2) as pool:
        read = pool.map(run_of, [model for _, model in named], chunksize=16)
    found: dict[str, list[dict]] = {folder: [] for folder in folders()}
    for (folder, _), run in zip(named, read, strict=True):
        found[folder].append(run)
    return found


def run_of(model: dict) -> dict:
    """What a config says, for one row of a table."""
    config = Config.fromfile(ROOT / model['Config'])
    data = config.train_dataloader.dataset
    while 'dataset' in data:
        data = data['dataset']
    recipe = config.model.get('train_cfg') or {}
    augments = recipe.get('augments') or []
    backbone = config.model.get('backbone', {})
    results = model.get('Results') or [{}]
    figures = [value for key, value in results[0].get('Metrics', {}).items() if 'paper' in key]
    size = [str(backbone[key]) for key in ('depth', 'arch') if isinstance(backbone.get(key), int | str)]
    return dict(
        config=model['Config'],
        data=results[0].get('Dataset') or data['type'].removeprefix('mmmix.'),
        network=' '.join([str(backbone.get('type', '')).removeprefix('mmmix.'), *size]),
        epochs=config.get('train_cfg', {}).get('max_epochs', ''),
        model=config.model.get('type', ''),
        mixers=[plain(each) for each in (augments if isinstance(augments, list) else [augments])],
        probs=list(recipe.get('probs') or []),
        paper=figures[0] if figures else '',
    )


def plain(value: Any) -> Any:
    """A config without MMEngine's classes."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return type(value)(plain(each) for each in value) if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """A config in short: ``CutMix(alpha=1.0)``."""
    if isinstance(value, dict) and 'type' in value:
        name = str(value['type']).removeprefix('mmmix.')
        return f'{name}({", ".join(f"{key}={shown(each)}" for key, each in value.items() if key != "type")})'
    if isinstance(value, list):
        return f'[{", ".join(map(shown, value))}]'
    return repr(value)


def argument(config: dict, name: str) -> str:
    """The value of an argument of a mixer: the config's, or the default of the class."""
    kind = getattr(mmmix, config['type'].removeprefix('mmmix.'), None)
    takes = {} if kind is None or '.' not in config['type'] else inspect.signature(kind.__init__).parameters
    value = config.get(name, takes[name].default if name in takes else None)
    return '' if value is None else str(value)


def settings(folder: str) -> str:
    """The settings of all configs of a folder."""
    rows = ['## Settings of the configs', '', 'Read from the files. Top-1 is the figure of the paper, in percent.', '']
    rows += ['| config | data | network | epochs | alpha | prob | top-1 | mixers |', '| --- ' * 8 + '|']
    for run in runs()[folder]:
        path = Path(run['config'])
        alphas, probs = ([argument(each, name) for each in run['mixers']] for name in ('alpha', 'prob'))
        mixers = ', '.join(f'`{shown(each)}`' for each in run['mixers']) or 'none'
        drawn = f', drawn with {run["probs"]}' if run['probs'] else ''
        cells = (
            f'[{path.stem}](/{path})',
            run['data'],
            run['network'],
            run['epochs'],
            ', '.join(filter(None, alphas)),
            ', '.join(filter(None, probs)),
            run['paper'],
            mixers + drawn,
        )
        rows.append(f'| {" | ".join(str(cell) for cell in cells)} |')
    return '\n'.join(rows) + '\n'


# -------------------------------------------------------------------------------------------------------------- cards


def law(kind: type) -> str:
    """The first paragraph of the docstring, in one line."""
    first = (inspect.getdoc(kind) or '').split('\n\n')[0]
    return re.sub(r':\w+:`[~.]?', '`', ' '.join(first.split()).replace('``', '`'))


def front(folder: str) -> str:
    """The card."""
    met = class_of(folder)
    if met is None:
        return ''
    room, kind = met
    facts = dict(facts_of(folder, kind)) if issubclass(kind, Mixer) else {}
    if issubclass(kind, Labels):
        facts['fits'] = f"any mixer that takes `labels`: `labels=dict(type='mmmix.{kind.__name__}')`"
    where = f'{room}.transforms' if '.transforms.' in kind.__module__ and room != 'datasets' else room
    if found := '; '.join(measured(folder)):
        facts['top-1'] = f'{found}; bold where the interval leaves out zero'
    facts['reference'] = f'{{py:class}}`mmmix.{where}.{kind.__name__}`'
    picture = f'{picture_of(kind)}\n\n' if issubclass(kind, Mixer) else ''
    rows = '\n'.join(f'| {name} | {value} |' for name, value in facts.items())
    return f'{picture}| | |\n| --- | --- |\n{rows}\n\n'


def facts_of(folder: str, kind: Any) -> Iterator[tuple[str, str]]:
    """What is to be known of a mixer, by name."""
    yield 'kind', next(text for base, text in KINDS if issubclass(kind, base))
    takes = inspect.signature(kind.__init__).parameters
    slots = [name for name in ('partners', 'keep', 'guide', 'labels', 'at') if name in takes]
    yield 'takes', ', '.join(f'[`{name}`]({page})' for name, page in SLOTS.items() if name in slots) or 'no other part'
    asks = {run['model'] for run in runs()[folder] if any(kind.__name__ in repr(each) for each in run['mixers'])}
    if asks == {'mmmix.MixClassifier'}:
        yield 'classifier', '`mmmix.MixClassifier`, in the configs below'
    elif asks:
        yield 'classifier', "mmpretrain's `ImageClassifier`, or `mmmix.MixClassifier`"
    yield 'cost', cost(kind.__name__) or 'not measured beside the others'


#: Where the parts that a mixer takes are described.
SLOTS = {
    'partners': '/docs/api/partners.md',
    'keep': '/docs/api/keeps.md',
    'guide': '/docs/api/guides.md',
    'labels': '/docs/api/labels.md',
    'at': '/configs/manifoldmix/README.md',
}
SIZES = {'imagenet': 'ImageNet', 'cifar': 'CIFAR'}


@cache
def numbers(name: str) -> dict:
    """What a benchmark measured."""
    return json.loads((ROOT / 'benchmarks' / f'{name}.json').read_text(encoding='utf-8'))


def cost(name: str) -> str:
    """How long a mixer takes, in copies of the batch; empty if it was not measured."""
    told = []
    for run in numbers('mixers')['runs']:
        if run['dtype'] == 'float32':
            times = {
                each['mode']: each['ratio']
                for each in run['results']
                if each['package'] == 'mmmix' and each['method'] == name
            }
            modes = ', '.join(f'{ratio:.1f} (`{mode}`)' for mode, ratio in times.items())
            told += [f'{modes} at the size of {SIZES[run["shape"]]}'] if times else []
    where = '[in copies of the batch](/benchmarks/README.md#mixers-beside-their-peers), on a CPU'
    return f'{"; ".join(told)}; {where}' if told else ''


#: Comparisons over seeds, and what their pages are called here.
COMPARISONS = {
    'small_data': 'on 5,000 images of CIFAR-10',
    'small_data_tail': 'where a few classes have most of the images',
    'small_data_coarse': "on CIFAR-100's superclasses",
    'scattered_accuracy': 'on few labels and small objects',
}


def measured(arm: str) -> Iterator[str]:
    """What a comparison of this repository found for the arm of that name, in the words of its page."""
    for page, what in COMPARISONS.items():
        for found in numbers(page)['arms']:
            if found['arm'] == arm and 'top1_difference' in found:
                mean, half = (found['top1_difference'][key] for key in ('mean', 'half'))
                # One pair of seeds has no interval.
                width = '' if half is None else f' ± {half:.2f}'
                bold = '**' if half is not None and abs(mean) > half else ''
                base = found['base'].replace('none', 'no mixing')
                yield f'{bold}{mean:+.2f}{width}{bold} points to {base} [{what}](/benchmarks/{page}.md)'


def table() -> str:
    """All methods: picture, law, page."""
    rows = ['| method | in one line | cost |', '| --- | --- | --- |']
    for folder in folders():
        text = (ROOT / 'configs' / folder / 'README.md').read_text(encoding='utf-8')
        title, met = text.split('\n', 1)[0].removeprefix('# '), class_of(folder)
        line = law(met[1]) if met else ' '.join(text.split('\n\n')[2].split())
        rows.append(f'| [{title}](/configs/{folder}/README.md) | {line} | {quick(met)} |')
    return '\n'.join(rows)


def quick(met: tuple[str, type] | None) -> str:
    """The cost at the size of ImageNet, in the mode of the papers, in copies of the batch."""
    if met is None:
        return ''
    runs = [run for run in numbers('mixers')['runs'] if (run['dtype'], run['shape']) == ('float32', 'imagenet')]
    found = [
        each['ratio']
        for run in runs
        for each in run['results']
        if (each['package'], each['method']) == ('mmmix', met[1].__name__)
    ]
    return f'{found[0]:.1f}' if found else ''
