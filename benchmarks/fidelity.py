"""Whether each method is its paper's: a slow reference of its law, written anew, beside our default and our switches.

``python benchmarks/fidelity.py`` draws from every law, works out everything that is given, writes
``benchmarks/fidelity.json`` and renders ``benchmarks/fidelity.md``; it takes a few minutes on one core. ``--images``
names a folder of PNGs of 32 x 32 pixels, of which some are drawn, or an archive ``.npz`` whose first array of four
dimensions holds ``(N, H, W, 3)`` bytes; without it images are random fields whose spectrum falls as that of
photographs. With ``opencv-contrib-python-headless`` installed it also holds ``FineGrained``
against OpenCV. What mixers draw is in ``fidelity_entries.py``, what is worked out from something given in
``fidelity_partners.py``, ``fidelity_guides.py``, ``fidelity_labels.py``, ``fidelity_heads.py``, ``fidelity_views.py``
and ``fidelity_styles.py``; a new method adds an entry to one of them, or says in :data:`WITHOUT` why it has none, and
``--only NAME`` adds its rows to the page and leaves the others as they are.
"""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fidelity_guides
import fidelity_heads
import fidelity_labels
import fidelity_partners
import fidelity_styles
import fidelity_views
import numpy as np
import torch
from fidelity_entries import Entry, entries
from fidelity_given import Given, held
from fidelity_laws import Array, Drawn
from fidelity_opencv import saliency
from fidelity_page import markdown
from fidelity_salience import fine_grained
from mmengine.config import Config
from mmengine.registry import Registry
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.classifiers import BaseClassifier
from PIL import Image
from scipy.stats import ks_2samp

from mmmix import FineGrained, Guide, Keep, Labels, Partners
from mmmix.evaluation.contenders import FixedGuide
from mmmix.evaluation.frame import environment, write_json
from mmmix.registry import BATCH_AUGMENTS, MODELS, TASK_UTILS, TRANSFORMS

ROOT = Path(__file__).resolve().parent.parent
MEAN, STD = (np.array(each).reshape(3, 1, 1) for each in ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)))
#: Two samples whose Kolmogorov-Smirnov test is less likely than this are not the same.
UNLIKELY = 1e-3
#: Methods whose law is stated nowhere, by section and name, and why there is nothing to hold them against.
WITHOUT: dict[tuple[str, str], str] = {
    ('mixers', 'AdAutoMix'): (
        'its masks are learned: `tests/mixers/test_adautomix.py` holds masks and losses against loops'
    ),
    ('mixers', 'AutoMix'): 'its mask is learned: `tests/mixers/test_automix.py` holds mask and losses against loops',
    ('mixers', 'TimmMixup'): (
        'it repeats a package: `tests/test_timm.py` holds pixels and labels against the installed timm'
    ),
    ('partners', 'Flip'): 'nothing is drawn: `tests/test_timm.py` holds the pairs against the installed timm',
    ('partners', 'Roll'): 'nothing is drawn: `tests/test_drop_in.py` holds the pairs against the installed torchvision',
    ('labels', 'DrawnShare'): ('a convention: `tests/test_drop_in.py` holds labels against the installed mmpretrain'),
    ('heads', 'SUMixDeiTClsHead'): 'the law is that of SUMixHead: `tests/models/test_sumix_heads.py` compares them',
    ('heads', 'SUMixEfficientFormerClsHead'): 'the law is that of SUMixHead: `tests/configs/test_stock_configs.py`',
    ('heads', 'SUMixLeViTClsHead'): 'the law is that of SUMixHead: `tests/configs/test_stock_configs.py` trains it',
    ('heads', 'SUMixStackedLinearClsHead'): 'the law is that of SUMixHead: `tests/configs/test_stock_configs.py`',
    ('heads', 'SUMixVigClsHead'): 'the law is that of SUMixHead, for another end of the network',
    ('heads', 'ReIDHead'): 'no method: losses of two kinds are added, `configs/reid` names them',
    ('heads', 'TrainingSignalAnnealing'): '`tests/models/test_semi_supervised.py` holds it against a loop',
    ('heads', 'DenseMix'): 'it carries labels along: `tests/core/test_label_maps.py` counts them pixel by pixel',
    ('guides', 'MergedAttention'): '`tests/guides/test_merged_attention.py` holds it against a loop over tokens',
    ('transforms', 'LoadSpectrogram'): 'no mixing: a slow Fourier sum is in the tests of the data sets',
    ('transforms', 'WeakStrong'): 'nothing is drawn: it sends two views along',
    ('mixers', 'SAMix'): 'its mask is learned: `tests/mixers/test_samix.py` holds mask and loss against loops',
}


def methods() -> Iterator[tuple[str, str]]:
    """Every method that is registered, by the section of the page and its name: all but networks and classifiers."""
    for registry in (BATCH_AUGMENTS, TASK_UTILS, TRANSFORMS, MODELS):
        registry.import_from_location()

    def ours(registry: Registry) -> Iterator[tuple[str, type]]:
        # Whoever extends the package, as its tests do, registers methods of his own.
        return ((name, kind) for name, kind in registry.module_dict.items() if kind.__module__.startswith('mmmix.'))

    yield from (('mixers', name) for name, _ in ours(BATCH_AUGMENTS))
    kinds = dict(partners=Partners, guides=Guide, keeps=Keep, labels=Labels)
    for name, part in ours(TASK_UTILS):
        yield next(section for section, kind in kinds.items() if issubclass(part, kind)), name
    yield from (('keeps' if name.startswith('Keep') else 'transforms', name) for name, _ in ours(TRANSFORMS))
    networks = BaseBackbone, BaseClassifier
    yield from (('heads', name) for name, part in ours(MODELS) if not issubclass(part, networks))


def given() -> list[Given]:
    """All entries that draw nothing that counts."""
    rooms = fidelity_partners, fidelity_guides, fidelity_labels, fidelity_heads, fidelity_views, fidelity_styles
    return [entry for room in rooms for entry in room.entries()]


def pictures(path: Path | None, count: int, seed: int = 0) -> Array:
    """Images ``(N, 3, 32, 32)`` of bytes: of a folder, of an archive, or random fields with the spectrum ``1 / f``."""
    if path is not None and path.is_dir():
        files = np.random.default_rng(seed).permutation(sorted(str(file) for file in path.rglob('*.png')))[:count]
        return np.stack([np.asarray(Image.open(file)) for file in files]).transpose(0, 3, 1, 2)
    if path is not None:
        arrays = np.load(path)
        found = next(arrays[key] for key in arrays if arrays[key].ndim == 4)[:count]
        return found.transpose(0, 3, 1, 2)
    rng = np.random.default_rng(seed)
    frequency = np.maximum(np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)), 1 / 32)
    waves = (rng.standard_normal((count, 3, 32, 32)) + 1j * rng.standard_normal((count, 3, 32, 32))) / frequency
    fields = np.fft.ifft2(waves).real
    fields = fields.mean(1, keepdims=True) + 0.3 * fields
    return np.clip(128 + 60 * fields / fields.std((1, 2, 3), keepdims=True), 0, 255).astype(np.uint8)


def ours(entry: Entry, args: dict[str, Any], images: torch.Tensor, maps: torch.Tensor, rounds: int) -> Drawn:
    """What our mixer draws."""
    given = dict(guide=FixedGuide(maps)) if entry.given else {}
    taken = {'lam_mode': 'elem', 'prob': 1.0, **given, **entry.args, **args}
    mixer = BATCH_AUGMENTS.build(dict(type=f'mmmix.{entry.mixer}', **taken))
    if entry.model is not None:
        mixer.bind(entry.model)
    # Features are drawn as images are, and the law does not look at the network.
    mixer.at, mixer.needs_model = ('',), False
    shares, masks = [], []
    for _ in range(rounds):
        mix = mixer.mix(images, torch.eye(len(images)))
        shares.append(entry.share(mix))
        masks.append(mix.mask[:, 0])
    return Drawn(torch.cat(shares).double().numpy(), torch.cat(masks).double().numpy())


def compare(entry: Entry, pixels: Array, maps: Array, scale: float = 1.0) -> list[dict]:
    """The rows of one entry: the reference, our default, our switches."""
    count = min(entry.images or len(pixels), len(pixels))
    rounds = max(1, round(entry.rounds * scale))
    images = (pixels[:count] / 255 - MEAN) / STD
    some = np.stack([fine_grained(image) for image in images]) if entry.fine else maps[:count]
    rng = np.random.default_rng(0)
    draws = [entry.law(rng, images, some) for _ in range(rounds)]
    theirs = Drawn(*(np.concatenate(each) for each in zip(*draws, strict=True)))
    tensors = torch.from_numpy(images).float(), torch.from_numpy(some)[:, None].float()
    torch.manual_seed(0)
    many = np.tile(some, (rounds, 1, 1))
    rows = [row_of(entry, 'authors', theirs, many, None)]
    for name, args in {entry.ours: {}, **entry.switches}.items():
        rows.append(row_of(entry, name, ours(entry, args, *tensors, rounds), many, theirs))
    if not entry.why and rows[1]['p'] < UNLIKELY and rows[1]['ks'] > 0.02:
        raise ValueError(f'{entry.mixer} is not the law of its authors (KS {rows[1]["ks"]:.3f}): say why in its entry.')
    rows[1]['verdict'] = f'differs: {entry.why}' if entry.why else 'same'
    return rows


def compared(entry: Entry, drawn: Drawn) -> Array:
    """The numbers whose laws are compared: own shares, or the kept area where the own label stays."""
    return drawn.mask.mean((1, 2)) if entry.area else drawn.lam


def row_of(entry: Entry, name: str, drawn: Drawn, maps: Array, theirs: Drawn | None) -> dict:
    """One row: what was drawn, and its distance from the reference."""
    values = compared(entry, drawn)
    row: dict[str, Any] = dict(
        mixer=entry.mixer,
        law=name,
        draws=len(values),
        mean=round(float(values.mean()), 4),
        spread=round(float(values.std()), 4),
        statistic=round(entry.statistic(drawn, maps), 4),
    )
    if theirs is not None:
        test = ks_2samp(values, compared(entry, theirs))
        row |= dict(ks=round(float(test.statistic), 4), p=float(test.pvalue))
    return row


def merged(rows: list[dict]) -> list[list[dict]]:
    """The rows of each entry together: that of its reference begins one."""
    groups: list[list[dict]] = []
    for row in rows:
        if row['law'] == 'authors':
            groups.append([])
        groups[-1].append(row)
    return groups


def settings(method: str, of_head: bool = False) -> str:
    """What the committed config of a method says of its mixer, or of its head."""
    if not method:
        return '-'
    paths = sorted((ROOT / 'configs' / method).glob(f'*{method}*_cifar100.py'))
    path = min(paths, key=lambda path: len(path.name))
    model = Config.fromfile(path).model
    part = model.head if of_head else model.train_cfg.augments
    part = part[0] if isinstance(part, list) else part
    hidden = ('type', 'guide', 'num_classes', 'in_channels', 'topk')
    return shown({key: part[key] for key in part if key not in hidden}) or 'defaults'


def shown(args: dict[str, Any]) -> str:
    """Arguments as a call has them; of a part its type with its arguments."""
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in args.items()}
    return ', '.join(
        f'{key}={value.pop("type").split(".")[-1]}({shown(value)})' if isinstance(value, dict) else f'{key}={value!r}'
        for key, value in values.items()
    )


def main() -> None:
    """Draw, work out, write and render."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, help='folder or archive of images; by default random fields')
    parser.add_argument('--what', default='images', help='what they are, for the page')
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--only', nargs='+', metavar='NAME', help='methods to renew; the others keep their rows')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'fidelity.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    pixels = pictures(args.images, args.count)
    images = (pixels / 255 - MEAN) / STD
    maps = FineGrained()(torch.from_numpy(images).float())[:, 0].double().numpy()
    drawn, worked_out = [], []
    for entry in entries(pixels / 255):
        if args.only and entry.mixer not in args.only:
            continue
        found = compare(entry, pixels, maps)
        found[0] |= dict(source=entry.source, label=entry.label, settings=settings(entry.config))
        drawn += found
        print(json.dumps(found[1]))
    for each in given():
        if args.only and each.method not in args.only:
            continue
        worked_out.append(held(each, images) | dict(settings=settings(each.config, each.section == 'heads')))
        print(json.dumps(worked_out[-1]))
    kind = 'random fields' if args.images is None else args.what
    setting = dict(images=f'{len(pixels)} {kind} of 32 x 32 pixels', **environment())
    without = [dict(section=section, method=name, why=why) for (section, name), why in WITHOUT.items()]
    if args.only:
        known = json.loads(args.output.read_text(encoding='utf-8'))
        rows = [row for row in merged(known['rows']) if row[0]['mixer'] not in args.only] + merged(drawn)
        order = [(entry.mixer, entry.source) for entry in entries(pixels / 255)]
        rows.sort(key=lambda group: order.index((group[0]['mixer'], group[0]['source'])))
        worked_out += [row for row in known['given'] if row['method'] not in args.only]
        places = [(entry.section, entry.method) for entry in given()]
        worked_out.sort(key=lambda row: places.index((row['section'], row['method'])))
        result = known | dict(rows=[row for group in rows for row in group], given=worked_out, without=without)
    else:
        result = dict(setting=setting, rows=drawn, given=worked_out, without=without)
        result['saliency'] = saliency(pixels, images)
    write_json(args.output, result)
    args.output.with_suffix('.md').write_text(markdown(result), encoding='utf-8')


if __name__ == '__main__':
    main()
