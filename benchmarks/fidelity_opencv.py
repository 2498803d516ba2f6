"""``FineGrained`` beside OpenCV's detector, on images of bytes and on the floats that SaliencyMix's authors give it."""

import numpy as np
import torch
from fidelity_laws import Array, saliencymix

from mmmix import FineGrained


def saliency(pixels: Array, normal: Array) -> dict | None:
    """``FineGrained`` beside OpenCV, None without it.

    Args:
        pixels (Array): ``(N, 3, H, W)`` bytes.
        normal (Array): The same, normalised.
    """
    try:
        from cv2.saliency import StaticSaliencyFineGrained_create
    except ImportError:
        print('FineGrained is not held against OpenCV: pip install opencv-contrib-python-headless')
        return None
    detector = StaticSaliencyFineGrained_create()
    normal = normal.astype(np.float32)

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
