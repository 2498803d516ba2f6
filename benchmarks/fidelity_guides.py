"""Guides beside slow references, on small networks and on images."""

from typing import Any

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_laws import Array
from fidelity_networks import SmoothNet, attention_of, resized, slopes, vit
from fidelity_salience import fine_grained, residual_map
from scipy.ndimage import convolve
from torch import Tensor

from mmmix import Attention, ClassActivation, EarlyHead, FineGrained, Guide, InputGradient, SpectralResidual, Teacher
from mmmix.mixers.guidedmixup import authors_residual


def small(images: Array, count: int = 3) -> Array:
    """A few small images, as float32 has them."""
    return images[:count, :, 8:16, 8:16].astype(np.float32).astype(float)


def asked(guide: Guide, model: Any, images: Array, scores: Tensor | None) -> Array:
    """What a guide says of images, ``(N, H, W)``."""
    guide.bind(model)
    return guide(torch.from_numpy(images).float(), scores)[:, 0].numpy()


def gradient(args: dict[str, Any], early: bool = False) -> Measure:
    """The derivative of what is asked for, by finite differences; the largest, or the root mean square, of a pixel."""

    def measure(images: Array) -> tuple[Array, Array]:
        model, seen, labels = SmoothNet(), small(images), [3, 0, 4]
        scale = args.get('scale', 1.0)
        theirs = []
        for image, label in zip(seen, labels, strict=True):
            look = image if scale == 1 else resized(image, 4, 4, cubic=True)

            def rated(batch: Tensor, label: int = label) -> Tensor:
                if early:
                    return model.learned['early_first'](model.first(batch).mean((2, 3)))[:, label]
                logits = model(batch)
                return -logits.log_softmax(1)[:, label] if args.get('target') == 'loss' else logits[:, label]

            slope = slopes(rated, look)
            root = args.get('reduction') == 'rms'
            found = np.sqrt((slope**2).mean(0)) if root else np.abs(slope).max(0)
            theirs.append(found if scale == 1 else resized(found, 8, 8))
        guide: Guide = EarlyHead(at='first', **args) if early else InputGradient(**args)
        return np.stack(theirs), asked(guide, model, seen, torch.eye(5)[labels])

    return measure


def class_activation(target: str) -> Measure:
    """The channels of the last map, weighed as the linear layer weighs them for the class, down to a minimum of 0."""

    def measure(images: Array) -> tuple[Array, Array]:
        model, seen, labels = SmoothNet(), small(images), [3, 0, 4]
        with torch.no_grad():
            maps = model.second(model.first(torch.from_numpy(seen))).numpy()
            logits = model(torch.from_numpy(seen)).numpy()
        weight, theirs = model.fc.weight.detach().numpy(), []
        for features, label, logit in zip(maps, labels, logits, strict=True):
            row = weight[label if target == 'label' else int(logit.argmax())]
            found = sum(w * channel for w, channel in zip(row, features, strict=True))
            theirs.append(resized(found - found.min(), 8, 8))
        guide = ClassActivation(at='second', classifier='fc', target=target)
        return np.stack(theirs), asked(guide, model, seen, torch.eye(5)[labels])

    return measure


def attention(of: str) -> Measure:
    """The last block's attention to each patch, by the class token or by the average patch, made as large as images."""

    def measure(images: Array) -> tuple[Array, Array]:
        model, seen = vit(), images[:4]
        paid = attention_of(model, torch.from_numpy(seen).float())[-1]
        rows = paid[:, 0, 1:] if of == 'class' else paid[:, 1:, 1:].mean(1)
        theirs = resized(rows.reshape(4, 4, 4), 32, 32)
        return theirs, asked(Attention(of=of), model, seen, None)

    return measure


def teacher(images: Array) -> tuple[Array, Array]:
    """The mean over the channels of the last map, down to a minimum of 0; each pixel takes its cell."""
    torch.manual_seed(0)
    net = dict(type='ImageClassifier', backbone=dict(type='ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8))
    guide, seen = Teacher(net, checkpoint=False, size=32), torch.from_numpy(images[:4]).float()
    found = guide(seen)[:, 0].numpy()
    with torch.no_grad():
        maps = guide.network.extract_feat(seen, stage='backbone')[-1].numpy()
    theirs = []
    for features in maps:
        mean = features.mean(0)
        cells = mean - mean.min()
        size = len(cells)
        theirs.append([[cells[y * size // 32, x * size // 32] for x in range(32)] for y in range(32)])
    return np.array(theirs), found


def fine(images: Array) -> tuple[Array, Array]:
    """OpenCV's detector without its rounding, pixel by pixel."""
    seen = images[:6].astype(np.float32)
    return np.stack([fine_grained(image) for image in seen.astype(float)]), asked(FineGrained(), None, seen, None)


def residual_of_guidedmixup(images: Array) -> tuple[Array, Array]:
    """The map of GuidedMixup's code, without its second blur, of grey images; both of sum 1."""
    seen = np.repeat(images[:6, :1], 3, 1)
    found = asked(authors_residual(), None, seen, None)
    found = np.stack([residual_map(image, blurs=1) for image in seen]), found / found.sum((1, 2), keepdims=True)
    return found[0] * 1000, found[1] * 1000


def residual_of_code(image: Array, kernel: int = 10) -> Array:
    """The spectral residual's code on one image, whose longer side becomes 64: zeros lie around the Gaussian's map."""
    waves = np.fft.fft2(resized(image.mean(0), 64, 64))
    spectrum = np.log(np.abs(waves))
    residual = spectrum - convolve(spectrum, np.ones((3, 3)) / 9, mode='nearest')
    squared = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(waves)))) ** 2
    way = np.arange(kernel) - (kernel - 1) / 2
    bell = np.exp(-(way[:, None] ** 2 + way**2) / (2 * 2.5**2))
    return convolve(squared, bell / bell.sum(), mode='constant')


def residual_of_mosaics(kernel: int) -> Measure:
    """How well each map goes with the code's, on mosaics of four images."""

    def measure(images: Array) -> tuple[Array, Array]:
        rows = [np.concatenate([images[i:40:4], images[i + 1 : 40 : 4]], 3) for i in (0, 2)]
        seen = np.concatenate(rows, 2)
        ours = asked(SpectralResidual(), None, seen, None)
        found = [
            np.corrcoef(residual_of_code(i, kernel).ravel(), o.ravel())[0, 1] for i, o in zip(seen, ours, strict=True)
        ]
        return np.ones(len(seen)), np.array(found)

    return measure


def peaks_at_border(images: Array) -> tuple[Array, Array]:
    """Whether each map peaks within a tenth of the side from the border."""
    ours = asked(SpectralResidual(), None, images[:200], None)
    found = []
    for maps in ([residual_of_code(image) for image in images[:200]], ours):
        peaks = np.array([divmod(int(each.argmax()), each.shape[1]) for each in maps]) / maps[0].shape[0]
        found.append(((peaks < 0.1) | (peaks >= 0.9)).any(1))
    return found[0], found[1]


def entries() -> list[Given]:
    """The guides."""
    rated, paper = 'importance of each pixel', 'paper'
    small_scale, puzzle = dict(scale=0.5), dict(target='loss', reduction='rms')
    return [
        Given('guides', 'InputGradient', "the largest derivative of the label's logit over the channels", paper, rated,
              gradient({}), near=1e-6),
        Given('guides', 'InputGradient', 'the same of a bicubic copy of half the size, mapped back', paper, rated,
              gradient(small_scale), ours='scale=0.5', near=1e-6),
        Given('guides', 'InputGradient', 'root mean square over the channels of the derivative of the loss',
              "Puzzle Mix's code", rated, gradient(puzzle), ours="target='loss', reduction='rms'", near=1e-6),
        Given('guides', 'EarlyHead', 'the largest derivative of the logit of a linear layer behind the first block',
              paper, rated, gradient({}, early=True), near=1e-6),
        Given('guides', 'EarlyHead', 'the same of a bicubic copy of half the size, mapped back', paper, rated,
              gradient(small_scale, early=True), ours='scale=0.5', near=1e-6),
        Given('guides', 'ClassActivation', "the last map's channels by the weights of the label, least value 0", paper,
              rated, class_activation('label')),
        Given('guides', 'ClassActivation', 'the same of the class that the network predicts', paper, rated,
              class_activation('max'), ours="target='max'"),
        Given('guides', 'Attention', 'class token to patches in the last block, mean over heads', "TransMix's code",
              rated, attention('class')),
        Given('guides', 'Attention', 'all patches to patches, on average', "SMMix's code", rated, attention('patches'),
              ours="of='patches'"),
        Given('guides', 'Teacher', 'mean over the channels of the last map, nearest cell', 'paper of Attentive CutMix',
              rated, teacher, near=1e-3, config='attentivemix'),
        Given('guides', 'FineGrained', "OpenCV's static fine-grained saliency without rounding", 'code', rated, fine),
        Given('guides', 'SpectralResidual', "GuidedMixup's spectral residual: amplitude not squared, mirrored border",
              'code', 'importance of each pixel, of sum 1,000', residual_of_guidedmixup, near=1e-3,
              ours="size=128, sigma=3.0, kernel=7, border='reflect', squared=False"),
        Given('guides', 'SpectralResidual', 'the spectral residual at 64 pixels; Gaussian of 9, zeros around', 'code',
              'correlation of maps of 64 x 64 pixels', residual_of_mosaics(9)),
        Given('guides', 'SpectralResidual', 'the same with a Gaussian of 10 pixels', 'code',
              'correlation of maps of 64 x 64 pixels', residual_of_mosaics(10),
              why='the Gaussian has a centre, and so 9 pixels'),
        Given('guides', 'SpectralResidual', 'smaller images are enlarged to 64 pixels first', 'code',
              'peak in the outer tenth of the image (0 or 1)', peaks_at_border, ours='images of 32 pixels',
              why='they are taken as they are: maps of enlarged ones peak at the border'),
    ]  # fmt: skip
