"""Transforms that make views of an image, and what is lost on them, beside slow references."""

import math

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_heads import CLASSES, cross_entropy
from fidelity_laws import Array
from fidelity_networks import softmax
from PIL import Image, ImageOps

from mmmix import AugMix, JensenShannonLoss, PixMix, Turned

DECILES = np.linspace(0.1, 0.9, 9)


def operation(rng: np.random.Generator, picture: Image.Image, severity: float = 3) -> Image.Image:
    """One of the nine operations on a picture of 32 x 32 pixels, as the authors' code has them."""
    level, sign = rng.uniform(0.1, severity) / 10, rng.choice([-1, 1])
    shift = sign * int(32 / 3 * level)
    matrices = [(1, sign * 0.3 * level, 0, 0, 1, 0), (1, 0, 0, sign * 0.3 * level, 1, 0), (1, 0, shift, 0, 1, 0),
                (1, 0, 0, 0, 1, shift)]  # fmt: skip
    which = rng.integers(9)
    if which < 4:
        return picture.transform((32, 32), Image.Transform.AFFINE, matrices[which], Image.Resampling.BILINEAR)
    if which == 4:
        return picture.rotate(sign * int(30 * level), Image.Resampling.BILINEAR)
    if which == 5:
        return ImageOps.posterize(picture, 4 - int(4 * level))
    if which == 6:
        return ImageOps.solarize(picture, 256 - int(256 * level))
    return ImageOps.autocontrast(picture) if which == 7 else ImageOps.equalize(picture)


def bytes_of(images: Array, count: int) -> Array:
    """Images ``(N, 32, 32, 3)`` of bytes, stretched to all grey levels."""
    low, high = images.min(), images.max()
    return ((images[:count] - low) / (high - low) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def augmix_of(rng: np.random.Generator, image: Array) -> Array:
    """One mixture, chain by chain."""
    weights, share = rng.dirichlet([1, 1, 1]), rng.beta(1, 1)
    mixed = np.zeros(image.shape)
    for weight in weights:
        picture = Image.fromarray(image)
        for _ in range(rng.integers(1, 4)):
            picture = operation(rng, picture)
        mixed += weight * np.asarray(picture)
    return (1 - share) * image + share * mixed


def augmix(images: Array) -> tuple[Array, Array]:
    """How far mixtures are from their images: the deciles of the mean change of a pixel."""
    rng, pixels = np.random.default_rng(0), bytes_of(images, 60)
    transform, theirs, ours = AugMix(views=1), [], []
    for image in pixels:
        for _ in range(40):
            theirs.append(np.abs(augmix_of(rng, image) - image).mean() / 255)
            view = transform(dict(img=image))['views'][0].numpy().transpose(1, 2, 0)
            ours.append(np.abs(view.astype(float) - image).mean() / 255)
    return np.quantile(theirs, DECILES), np.quantile(ours, DECILES)


def pixmix_of(rng: np.random.Generator, image: Array, picture: Array, k: int = 4, beta: float = 3) -> Array:
    """One mixture, round by round; both in [0, 1]."""

    def start() -> Array:
        return np.asarray(operation(rng, Image.fromarray((255 * image).astype(np.uint8)))) / 255

    mixed = start() if rng.random() < 0.5 else image
    for _ in range(rng.integers(k + 1)):
        other = start() if rng.random() < 0.5 else picture
        multiply = rng.random() < 0.5
        if rng.random() < 0.5:
            a, b = rng.beta(beta, 1), rng.beta(1, beta)
        else:
            a, b = 1 + rng.beta(1, beta), -rng.beta(1, beta)
        if multiply:
            mixed = (2 * mixed) ** a * np.maximum(2 * other, 1e-37) ** b / 2
        else:
            mixed = (a * (2 * mixed - 1) + b * (2 * other - 1) + 1) / 2
        mixed = np.clip(mixed, 0, 1)
    return mixed


def pixmix(images: Array) -> tuple[Array, Array]:
    """As for AugMix; both sides mix with the next image in place of a fractal."""
    rng, pixels = np.random.default_rng(0), bytes_of(images, 60)
    transform, theirs, ours = PixMix(count=1, size=8), [], []
    for image, picture in zip(pixels / 255, np.roll(pixels, 1, 0) / 255, strict=True):
        for _ in range(60):
            theirs.append(np.abs(pixmix_of(rng, image, picture) - image).mean())
            mixed = transform.mixed((255 * image).round().astype(np.uint8), picture.astype(np.float32))
            ours.append(np.abs(mixed / 255 - image).mean())
    return np.quantile(theirs, DECILES), np.quantile(ours, DECILES)


def turned(images: Array) -> tuple[Array, Array]:
    """Images turned by -60 to 60 degrees, and where in that range the angle lies."""
    transform, theirs, ours = Turned(), [], []
    for i, image in enumerate(bytes_of(images, 12)):
        place = (i * 0.6180339887498949) % 1
        picture = Image.fromarray(image).rotate(120 * place - 60, Image.Resampling.BILINEAR)
        theirs += [np.asarray(picture).ravel() / 255, [2 * place - 1]]
        found = transform(dict(img=image, sample_idx=i))
        ours += [found['img'].ravel() / 255, found['gt_score']]
    return np.concatenate(theirs), np.concatenate(ours)


def divergence(weight: float) -> Measure:
    """Cross entropy of the images, and the mean divergence of three predictions from their mean, image by image."""

    def measure(images: Array) -> tuple[Array, Array]:
        logits = 3 * torch.randn(3, 8, CLASSES, dtype=torch.double)
        labels = torch.arange(8) % CLASSES
        loss = 0.0
        for i, label in enumerate(labels.tolist()):
            rows = [softmax(logits[view, i].numpy()) for view in range(3)]
            mean = sum(rows) / 3
            apart = sum(p * math.log(p / m) for row in rows for p, m in zip(row, mean, strict=True)) / 3
            loss += (cross_entropy(logits[0, i].numpy(), label) + weight * apart) / 8
        ours = JensenShannonLoss(weight=weight)(logits.flatten(0, 1), labels)
        return np.array([loss]), np.array([float(ours)])

    return measure


def entries() -> list[Given]:
    """Transforms and the loss that compares views."""
    return [
        Given('transforms', 'AugMix', 'three chains of one to three of nine operations, averaged, mixed with the image',
              'code', 'deciles of the mean change of a pixel', augmix, near=0.01),
        Given('transforms', 'PixMix', 'up to four rounds of a picture or a changed copy, added or multiplied', 'code',
              'deciles of the mean change of a pixel', pixmix, near=0.015),
        Given('transforms', 'Turned', 'turned by an angle of its own, which is the label', 'the angles are ours',
              'pixels and labels', turned),
        Given('heads', 'JensenShannonLoss', 'cross entropy, and 12 times the divergence of three predictions', 'code',
              'loss of a batch', divergence(12.0), near=1e-6),
    ]  # fmt: skip
