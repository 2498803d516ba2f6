"""Saliency by the vanilla gradient."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..part import Guide
from ..registry import TASK_UTILS
from .slices import in_slices


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode, and give every module its own training flag back afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, training in flags:
            module.training = training


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
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    gradients: list[Tensor] = []
    outputs = []
    with untouched(model), torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
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


@TASK_UTILS.register_module()
class InputGradient(Guide):
    """Saliency by the vanilla gradient: by default the largest absolute derivative of a logit over a pixel's channels.

    `Deep Inside Convolutional Networks <https://arxiv.org/abs/1312.6034>`_, as `KeepAugment
    <https://arxiv.org/abs/2011.11778>`_ uses it; ``target='loss', reduction='rms'`` is that of `Puzzle Mix
    <https://arxiv.org/abs/2009.06962>`_ and Co-Mixup. Inside :class:`mmmix.MixClassifier` it shares the step's one
    clean pass; a head that asks for a clean pass in train mode (SUMix as released) makes this gradient come from that
    pass too. Guides that differ in ``reduction`` alone share one gradient; of two that differ in ``target`` the second
    takes a pass of its own, unless the pass is one in train mode.

    Args:
        scale (float): The gradient is taken at this fraction of the resolution (bicubic) and mapped back bilinearly:
            KeepAugment's low-resolution variant is 0.5. Defaults to 1.0.
        target (str): ``'label'`` differentiates the label's logit, soft labels weigh theirs; ``'max'`` the largest one,
            for images without a label; ``'loss'`` each image's own cross entropy, without a label that of the most
            probable class. Defaults to ``'label'``.
        reduction (str): Over the channels, ``'max'`` takes the largest absolute derivative, ``'rms'`` the root mean
            square. Defaults to ``'max'``.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: When called without a model: use :class:`mmmix.MixClassifier`, or :meth:`bind` one.

    Example:
        >>> import torch
        >>> from mmmix import InputGradient
        >>> guide = InputGradient()
        >>> guide.bind(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)))
        >>> guide(torch.rand(4, 3, 8, 8), torch.eye(4)).shape
        torch.Size([4, 1, 8, 8])
    """

    needs_model = True

    def __init__(self, scale: float = 1.0, target: str = 'label', reduction: str = 'max'):
        self.scale, self.target = check_gradient_args('InputGradient', scale, target, TARGETS)
        if reduction not in REDUCTIONS:
            raise ValueError(f"InputGradient: `reduction` must be 'max' or 'rms', but got {reduction!r}.")
        self.reduction = reduction

    @torch.compiler.disable
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): ``(N, K)`` labels. Defaults to None, the largest logit.

        Returns:
            Tensor: ``(N, 1, H, W)``, float32, at least 0.
        """
        model = self.require_model()
        if self.scale == 1:
            shared = model.clean_pass_of(images) if hasattr(model, 'clean_pass_of') else None
            if shared is not None:
                return shared.saliency(self.target, self.reduction)[: len(images)]
        return scaled_gradient(model, images, scores, self.scale, self.target, reduction=self.reduction)


def check_gradient_args(
    name: str, scale: float, target: str, targets: Sequence[str] = ('label', 'max')
) -> tuple[float, str]:
    """Refuse what the gradient guides cannot do, in one line that says what they can."""
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale <= 1:
        raise ValueError(f'{name}: `scale` must lie in (0, 1], e.g. 0.5 for half the resolution, but got {scale!r}.')
    if target not in targets:
        raise ValueError(f'{name}: `target` must be {" or ".join(map(repr, targets))}, but got {target!r}.')
    return float(scale), target


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
    size = images.shape[-2:]
    small = [max(1, round(side * scale)) for side in size]
    copy = F.interpolate(images.detach().float(), small, mode='bicubic', align_corners=False)
    found = input_gradient(model, copy, scores, target, forward, reduction)[0]
    return F.interpolate(found, size, mode='bilinear', align_corners=False)
