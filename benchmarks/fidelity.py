"""Whether each mixer is its paper's: the authors' law, written anew, beside our default and our switches.

``python benchmarks/fidelity.py`` draws from every law, writes ``benchmarks/fidelity.json`` and renders
``benchmarks/fidelity.md``; it takes a few minutes on one core. ``--images FILE.npz`` takes the images from an archive
whose first array of four dimensions holds ``(N, H, W, 3)`` bytes; without it they are random fields whose spectrum
falls as that of photographs. With ``opencv-contrib-python-headless`` installed it also holds ``FineGrained`` against
OpenCV. Laws and entries are in ``fidelity_laws.py``, ``fidelity_salience.py`` and ``fidelity_entries.py``.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fidelity_entries import WITHOUT, Entry, entries
from fidelity_laws import Array, Drawn, saliencymix
from fidelity_salience import fine_grained
from mmengine.config import Config
from scipy.stats import ks_2samp

from mmmix import FineGrained
from mmmix.evaluation.contenders import FixedGuide
from mmmix.evaluation.frame import environment, table, write_json
from mmmix.registry import BATCH_AUGMENTS

ROOT = Path(__file__).resolve().parent.parent
MEAN, STD = (np.array(each).reshape(3, 1, 1) for each in ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)))
#: Two samples whose Kolmogorov-Smirnov test is less likely than this are not the same.
UNLIKELY = 1e-3


def pictures(path: Path | None, count: int, seed: int = 0) -> Array:
    """Images ``(N, 3, 32, 32)`` of bytes: of an archive, or random fields with the spectrum ``1 / f``."""
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
    taken = {'lam_mode': 'elem', 'prob': 1.0, **entry.args, **args}
    if entry.mixer in ('AttentiveMix', 'SnapMix', 'PuzzleMix', 'CoMixup'):
        taken['guide'] = FixedGuide(maps)
    mixer = BATCH_AUGMENTS.build(dict(type=f'mmmix.{entry.mixer}', **taken))
    # Features are drawn as images are, and the law does not look at the network.
    mixer.at, mixer.needs_model = ('',), False
    shares, masks = [], []
    for _ in range(rounds):
        mix = mixer.mix(images, torch.eye(len(images)))
        shares.append(mix.scores.amax(1) if entry.mixer == 'CoMixup' else mix.lam)
        masks.append(mix.mask[:, 0])
    return Drawn(torch.cat(shares).double().numpy(), torch.cat(masks).double().numpy())


def compare(entry: Entry, pixels: Array, maps: Array, scale: float = 1.0) -> list[dict]:
    """The rows of one entry: the reference, our default, our switches."""
    count = min(entry.images or len(pixels), len(pixels))
    rounds = max(1, round(entry.rounds * scale))
    images = (pixels[:count] / 255 - MEAN) / STD
    some = maps[:count]
    if entry.mixer == 'SaliencyMix':
        some = np.stack([fine_grained(image) for image in images])
    rng = np.random.default_rng(0)
    draws = [entry.law(rng, images, some) for _ in range(rounds)]
    theirs = Drawn(*(np.concatenate(each) for each in zip(*draws, strict=True)))
    tensors = torch.from_numpy(images).float(), torch.from_numpy(some)[:, None].float()
    torch.manual_seed(0)
    rows = [row_of(entry, 'authors', theirs, None)]
    for name, args in {'ours': {}, **entry.switches}.items():
        rows.append(row_of(entry, name, ours(entry, args, *tensors, rounds), theirs))
    if not entry.why and rows[1]['p'] < UNLIKELY and rows[1]['ks'] > 0.02:
        raise ValueError(f'{entry.mixer} is not the law of its authors (KS {rows[1]["ks"]:.3f}): say why in its entry.')
    rows[1]['verdict'] = f'differs: {entry.why}' if entry.why else 'same'
    return rows


def compared(entry: Entry, drawn: Drawn) -> Array:
    """The numbers whose laws are compared: own shares, or the kept area where the own label stays."""
    return drawn.mask.mean((1, 2)) if entry.area else drawn.lam


def row_of(entry: Entry, name: str, drawn: Drawn, theirs: Drawn | None) -> dict:
    """One row: what was drawn, and its distance from the reference."""
    values = compared(entry, drawn)
    row: dict[str, Any] = dict(
        mixer=entry.mixer,
        law=name,
        draws=len(values),
        mean=round(float(values.mean()), 4),
        spread=round(float(values.std()), 4),
        statistic=round(entry.statistic(drawn), 4),
    )
    if theirs is not None:
        test = ks_2samp(values, compared(entry, theirs))
        row |= dict(ks=round(float(test.statistic), 4), p=float(test.pvalue))
    return row


def saliency(pixels: Array) -> dict | None:
    """``FineGrained`` beside OpenCV, None without it."""
    try:
        from cv2.saliency import StaticSaliencyFineGrained_create
    except ImportError:
        print('FineGrained is not held against OpenCV: pip install opencv-contrib-python-headless')
        return None
    detector = StaticSaliencyFineGrained_create()
    normal = ((pixels / 255 - MEAN) / STD).astype(np.float32)

    def maps_of(images: Array) -> Array:
        return np.stack([detector.computeSaliency(np.ascontiguousarray(i.transpose(1, 2, 0)))[1] for i in images])

    # OpenCV takes blue, green, red; the authors give it normalised floats in the order red, green, blue.
    truth, of_floats = maps_of(pixels[:, ::-1]), maps_of(normal)
    found = FineGrained()(torch.from_numpy(normal))[:, 0].numpy()
    flat = truth.reshape(len(truth), -1)
    peaks = {name: maps.reshape(len(maps), -1).argmax(1) for name, maps in
             (('opencv', truth), ('ours', found), ('floats', of_floats))}  # fmt: skip
    width = pixels.shape[3]

    def near(one: str, other: str) -> float:
        a, b = (np.stack(np.divmod(peaks[name], width)) for name in (one, other))
        return round(float((np.abs(a - b).max(0) <= 3).mean()), 4)

    at_ours = flat[np.arange(len(flat)), peaks['ours']] / flat.max(1)
    together = [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(truth, found, strict=True)]
    return dict(
        images=len(pixels),
        correlation=round(float(np.mean(together)), 5),
        least_correlation=round(float(np.min(together)), 4),
        peak_within_3=near('opencv', 'ours'),
        least_of_peak_at_ours=round(float(at_ours.min()), 4),
        floats_peak_within_3=near('opencv', 'floats'),
        own_share=own_share_around(truth, pixels),
        floats_own_share=own_share_around(of_floats, pixels),
    )


def own_share_around(maps: Array, pixels: Array, rounds: int = 10) -> float:
    """The mean own share of the authors' boxes around the peaks of these maps, at ``alpha=1``."""
    rng, law = np.random.default_rng(0), saliencymix(1.0)
    return round(float(np.mean([law(rng, pixels, maps).lam.mean() for _ in range(rounds)])), 4)


def settings(method: str) -> str:
    """What the committed config of a method says of its mixer."""
    if not method:
        return '-'
    path = sorted((ROOT / 'configs' / method).glob('*_cifar100.py'))[0]
    augment = Config.fromfile(path).model.train_cfg.augments
    augment = augment[0] if isinstance(augment, list) else augment
    return ', '.join(f'{key}={value!r}' for key, value in augment.items() if key not in ('type', 'guide')) or 'defaults'


def markdown(result: dict) -> str:
    """The page."""
    rows = []
    for row in result['rows']:
        distance = None if 'ks' not in row else f'{row["ks"]:.3f}'
        law = {'authors': f'authors ({row.get("source", "")})'}.get(row['law'], f'`{row["law"]}`')
        numbers = [f'{row[key]:.3f}' for key in ('mean', 'spread', 'statistic')]
        rows.append([row['mixer'] if row['law'] == 'authors' else '', law, *numbers, distance, row.get('label'),
                     row.get('settings'), row.get('verdict')])  # fmt: skip
    rows += [[name, None, *[None] * 6, f'no reference: {why}'] for name, why in result['without'].items()]
    text = (
        "# Whether each mixer is its paper's\n\n`python benchmarks/fidelity.py`, "
        f'{result["setting"]["images"]}.\n\nFor every mixer the law of its authors, written anew from paper or code '
        '(slow, one image at a time), and beside it our default and our switches, each image with a draw of its own. '
        '`mean` and `spread` are those of the own share (of the area that stays, where the own label does), `KS` is '
        'their Kolmogorov-Smirnov distance from the authors, `statistic` is one of the mask:\n'
        'changes down the columns over those along the rows (FMix), boxes that touch the border (boxes), the area that '
        'stays (grids and cells), the standard deviation of the mask within an image (soft masks), outputs that hold '
        'one input (CoMixup). The settings are those of the committed CIFAR-100 config. Where a law follows salience, '
        'the authors and ours are given the same maps (fine-grained saliency) unless the guide is part of the '
        'method.\n\n'
    )
    text += table(['mixer', 'law', 'mean', 'spread', 'statistic', 'KS', 'label', 'settings', 'verdict'], rows)
    found = result['saliency']
    if found is not None:
        text += (
            f'\n\n## FineGrained beside OpenCV\n\nOver {found["images"]} images the maps have a correlation of '
            f'{found["correlation"]:.4f} on average (least {found["least_correlation"]:.3f}); the peak lies within 3 '
            f"pixels of OpenCV's in {100 * found['peak_within_3']:.1f} %, and OpenCV's own map is at least "
            f'{found["least_of_peak_at_ours"]:.3f} of its peak where ours peaks: the rest is its rounding. Given '
            "normalised floats, as SaliencyMix's authors do, OpenCV reads their bytes as pixels: that peak lies within "
            f'3 pixels of the one of the image in {100 * found["floats_peak_within_3"]:.1f} %, and their boxes have a '
            f'mean own share of {found["floats_own_share"]:.3f}; around the peaks of the image it is '
            f'{found["own_share"]:.3f}.'
        )
    return text + '\n'


def main() -> None:
    """Draw, write and render."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, help='archive of images; by default random fields')
    parser.add_argument('--what', default='images', help='what the archive holds, for the page')
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'fidelity.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    pixels = pictures(args.images, args.count)
    maps = FineGrained()(torch.from_numpy((pixels / 255 - MEAN) / STD).float())[:, 0].double().numpy()
    rows = []
    for entry in entries(pixels / 255):
        found = compare(entry, pixels, maps)
        found[0] |= dict(source=entry.source, label=entry.label, settings=settings(entry.config))
        rows += found
        print(json.dumps(found[1]))
    kind = 'random fields' if args.images is None else args.what
    setting = dict(images=f'{len(pixels)} {kind} of 32 x 32 pixels', **environment())
    result = dict(setting=setting, rows=rows, without=WITHOUT, saliency=saliency(pixels))
    write_json(args.output, result)
    args.output.with_suffix('.md').write_text(markdown(result), encoding='utf-8')


if __name__ == '__main__':
    main()
