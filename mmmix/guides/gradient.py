"""Saliency by the vanilla gradient."""

from typing import Any

from torch import Tensor

from ..core.fields import choice, number
from ..core.roles import Guide
from ..ops.devices import eager
from ..probes.gradients import REDUCTIONS, TARGETS, scaled_gradient
from ..probes.modules import check_scale


class InputGradient(Guide):
    """Saliency by the vanilla gradient: by default the largest absolute derivative of a logit over a pixel's channels.

    `Deep Inside Convolutional Networks <https://arxiv.org/abs/1312.6034>`_, as `KeepAugment
    <https://arxiv.org/abs/2011.11778>`_ uses it; ``target='loss', reduction='rms'`` is that of `Puzzle Mix
    <https://arxiv.org/abs/2009.06962>`_ and Co-Mixup. Inside :class:`mmmix.MixClassifier` it shares the step's one
    clean pass; a head that asks for a clean pass in train mode (SUMix as released) makes this gradient come from that
    pass too. A head with ``clean_pass='lowres'`` shares its small pass with guides whose ``scale`` is its
    ``clean_scale``. Guides that differ in ``reduction`` alone share one gradient; of two that differ in ``target`` the
    second takes a pass of its own, unless the pass is one in train mode.

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
    scale: float = number(
        default=1.0,
        above=0,
        most=1,
        like=0.5,
        doc='The gradient is taken at this fraction of the resolution (bicubic) and mapped back bilinearly: '
        "KeepAugment's low-resolution variant is 0.5.",
    )
    target: str = choice(
        *TARGETS,
        default='label',
        doc="``'label'`` differentiates the label's logit, soft labels weigh theirs; ``'max'`` the largest one, for "
        "images without a label; ``'loss'`` each image's own cross entropy, without a label that of the most probable "
        'class.',
    )
    reduction: str = choice(
        *REDUCTIONS,
        default='max',
        doc="Over the channels, ``'max'`` takes the largest absolute derivative, ``'rms'`` the root mean square.",
    )

    def check_model(self, model: Any) -> None:
        """Refuse a network that cannot look at so few pixels."""
        check_scale(model, self.scale, 'InputGradient')

    @eager
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        model = self.require_model()
        shared = model.clean_pass_of(images, self.scale) if hasattr(model, 'clean_pass_of') else None
        if shared is not None:
            return shared.saliency(self.target, self.reduction)[: len(images)]
        return scaled_gradient(model, images, scores, self.scale, self.target, reduction=self.reduction)
