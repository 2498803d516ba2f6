"""KeepAugment's early head: saliency from the first block alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.fields import choice, number, text, whole
from ..core.mix import Mix
from ..core.roles import Guide
from ..ops.devices import eager
from ..probes.gradients import scaled_gradient
from ..probes.modules import block_width, check_scale, module_at, output_at, pooled, recorded


class EarlyHead(Guide):
    """Saliency from an auxiliary head after an early block: the gradient sees only what lies before it.

    The early loss of `KeepAugment <https://arxiv.org/abs/2011.11778>`_: average pooling and a linear layer after the
    first block, trained beside the network with a small weight. To rate pixels, forward and backward stop at that
    block. ``scale=0.5`` adds the paper's low resolution. :class:`mmmix.MixClassifier` keeps the linear layer as
    ``learned.early_<path>``, trains it on each step's mixed batch and logs its loss as ``loss_early_<path>``; a plain
    classifier ignores it in a checkpoint. Everything before the block is trained by this loss too, as in the paper.

    Tokens, as transformers have them, are averaged, the class token among them.

    Raises:
        ValueError: If an argument is out of range or there is no such block.
        RuntimeError: When called without a :class:`mmmix.MixClassifier` that trained the head.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import MixClassifier
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64),
        ...     train_cfg=dict(augments=dict(type='mmmix.KeepCutout', guide=dict(type='mmmix.EarlyHead'))),
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(4)]
        >>> sorted(model.loss(torch.rand(4, 3, 32, 32), samples))
        ['lam', 'loss', 'loss_early_backbone_layer1', 'mix_acc', 'mixed']
    """

    needs_model = True
    at: str = text(
        default='backbone.layer1',
        what='the path of a block',
        doc="Path of the block in the classifier: ``'backbone.layer1'`` (ResNet, WRN), ``'backbone.layers.3'`` (ViT), "
        "``'backbone.stages.0'`` (Swin).",
    )
    loss_weight: float = number(default=0.3, least=0, doc='Weight of the auxiliary loss.')
    scale: float = number(
        default=1.0, above=0, most=1, like=0.5, doc='Fraction of the resolution that the gradient is taken at.'
    )
    target: str = choice(
        'label',
        'max',
        default='label',
        doc="``'label'`` differentiates the label's logit, ``'max'`` the largest one.",
    )
    in_channels: int | None = whole(
        default=None, least=1, optional=True, none='found by a dry run', like=64, doc="Width of the block's output."
    )

    @property
    def learns(self) -> str:
        """The name under which the classifier keeps the head."""
        return 'early_' + self.at.replace('.', '_')

    def check_model(self, model: Any) -> None:
        """Refuse a network without the block, or one that cannot look at so few pixels."""
        module_at(model, self.at)
        check_scale(model, self.scale, 'EarlyHead', self.at)

    def build_learned(self, model: Any) -> nn.Module:
        """The linear layer. It draws its weights on the side: the network starts as it would without it."""
        with torch.random.fork_rng(devices=[]):
            width = self.in_channels or block_width(model, self.at, 'set `in_channels` of EarlyHead')
            return nn.Linear(width, model.num_classes)

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Listen to the block while the mixed images go through the network; see :meth:`Part.listen`."""
        with recorded(module_at(model, self.at)) as heard:

            def losses(mix: Mix, _: Tensor) -> dict[str, Tensor]:
                logits = model.learned[self.learns](pooled(heard[-1]))
                return {f'loss_{self.learns}': self.loss_weight * F.cross_entropy(logits.float(), mix.scores.float())}

            yield losses

    @eager
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        model = self.require_model()
        learned = getattr(model, 'learned', {})
        if self.learns not in learned:
            raise RuntimeError(
                "EarlyHead learns a head beside the network: use type='mmmix.MixClassifier' and name the guide in its "
                '`train_cfg`.'
            )
        head = learned[self.learns]

        def forward(leaf: Tensor) -> tuple[Tensor]:
            return (head(pooled(output_at(model, self.at, leaf))),)

        return scaled_gradient(model, images, scores, self.scale, self.target, forward)
