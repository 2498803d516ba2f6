"""Gradients by the images, and the saliency that they are."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.devices import without_autocast
from .modules import float_dtype, scaled_size
from .sharding import kept_together
from .slices import in_slices
from .untouched import untouched, without_checkpoints

#: What the gradient may be taken of, and how the channels of a pixel become one number.
TARGETS, REDUCTIONS = ('label', 'max', 'loss'), ('max', 'rms')


def saliency_target(logits: Tensor, scores: Tensor | None, target: str) -> Tensor:
    """The sum over the batch of what saliency speaks about, in float32: each image has the gradient of its own.

    Args:
        logits (Tensor): ``(N, K)``.
        scores (Tensor, optional): ``(N, K)`` labels; soft labels weigh their logits, or their losses.
        target (str): ``'label'``, ``'max'`` or ``'loss'``; without labels ``'label'`` is ``'max'``, and ``'loss'`` that
            of the most probable class.
    """
    logits = logits.float()
    if target == 'loss':
        log_probabilities = logits.log_softmax(1)
        if scores is None:
            return -log_probabilities.amax(1).sum()
        return -(log_probabilities * scores.to(logits.dtype)).sum()
    if target == 'label' and scores is not None:
        return (logits * scores.to(logits.dtype)).sum()
    return logits.amax(1).sum()


def saliency(gradient: Tensor, reduction: str = 'max') -> Tensor:
    """One number for each pixel of the gradient: ``(N, C, H, W)`` -> ``(N, 1, H, W)``, float32.

    Args:
        gradient (Tensor): ``(N, C, H, W)``.
        reduction (str): ``'max'``, the largest absolute value over the channels, or ``'rms'``, their root mean square.
            Defaults to ``'max'``.
    """
    gradient = gradient.detach().float()
    if reduction == 'rms':
        return gradient.square().mean(1, keepdim=True).sqrt()
    return gradient.abs().amax(1, keepdim=True)


def raw_gradient(
    model: nn.Module,
    images: Tensor,
    scores: Tensor | None,
    target: str = 'label',
    forward: Callable[[Tensor], Any] | None = None,
) -> tuple[Tensor, Any]:
    """The gradient ``(N, C, H, W)`` behind :func:`input_gradient`, in the model's dtype, and what ``forward`` gave."""
    dtype = float_dtype(model)
    gradients: list[Tensor] = []
    outputs = []
    with untouched(model), kept_together(model), without_checkpoints(), torch.enable_grad(), without_autocast(images):
        for part, labels in in_slices(images, scores):
            leaf = part.detach().to(dtype).requires_grad_()
            found = (model(leaf),) if forward is None else forward(leaf)
            gradients += torch.autograd.grad(saliency_target(found[-1], labels, target), leaf)
            outputs.append([output.detach() for output in found])
    if len(gradients) == 1:
        return gradients[0], tuple(outputs[0])
    return torch.cat(gradients), tuple(torch.cat(column) for column in zip(*outputs, strict=True))


def input_gradient(
    model: nn.Module,
    images: Tensor,
    scores: Tensor | None,
    target: str = 'label',
    forward: Callable[[Tensor], Any] | None = None,
    reduction: str = 'max',
) -> tuple[Tensor, Any]:
    """Vanilla-gradient saliency, without a trace on the model.

    The model runs in eval mode and float32 with autocast off; no parameter receives a gradient, no flag and no
    statistic changes.

    Args:
        model (nn.Module): ``model(images)`` gives logits ``(N, K)``.
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor, optional): ``(N, K)`` labels.
        target (str): ``'label'``, the label's logit, ``'max'``, the largest one, or ``'loss'``, each image's own cross
            entropy. Defaults to ``'label'``.
        forward (Callable, optional): What to run in place of ``model``, giving a tuple that ends in the logits.
            Defaults to None.
        reduction (str): Over the channels, ``'max'`` or ``'rms'``; see :func:`saliency`. Defaults to ``'max'``.

    Returns:
        tuple[Tensor, Any]: Saliency ``(N, 1, H, W)`` and what ``forward`` gave, both without a graph.
    """
    gradient, outputs = raw_gradient(model, images, scores, target, forward)
    return saliency(gradient, reduction), outputs


def scaled_gradient(
    model: nn.Module,
    images: Tensor,
    scores: Tensor | None,
    scale: float,
    target: str,
    forward: Callable[[Tensor], Any] | None = None,
    reduction: str = 'max',
) -> Tensor:
    """:func:`input_gradient` of a bicubic copy at ``scale``, mapped back bilinearly: ``(N, 1, H, W)``."""
    if scale == 1:
        return input_gradient(model, images, scores, target, forward, reduction)[0]
    found = input_gradient(model, smaller(images, scale), scores, target, forward, reduction)[0]
    return brought_back(found, images)


def smaller(images: Tensor, scale: float) -> Tensor:
    """A bicubic copy at a fraction of the resolution, float32, without a graph; the images themselves at 1."""
    if scale == 1:
        return images
    size = scaled_size(images.shape[-2:], scale)
    return F.interpolate(images.detach().float(), size, mode='bicubic', align_corners=False)


def brought_back(maps: Tensor, images: Tensor) -> Tensor:
    """Maps of a smaller copy, ``(N, 1, h, w)``, at the resolution of the images, bilinearly."""
    size = images.shape[-2:]
    return maps if maps.shape[-2:] == size else F.interpolate(maps, size, mode='bilinear', align_corners=False)
