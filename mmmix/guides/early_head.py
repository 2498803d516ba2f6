"""KeepAugment's early head: saliency from the first block alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..part import Guide
from ..registry import TASK_UTILS
from .gradient import check_gradient_args, scaled_gradient, untouched
from .module_path import module_at, output_at, pooled, recorded

if TYPE_CHECKING:
    from ..mixers import Mix


@TASK_UTILS.register_module()
class EarlyHead(Guide):
    """Saliency from an auxiliary head after an early block: the gradient sees only what lies before it.

    The early loss of `KeepAugment <https://arxiv.org/abs/2011.11778>`_: average pooling and a linear layer after the
    first block, trained beside the network with a small weight. To rate pixels, forward and backward stop at that
    block. ``scale=0.5`` adds the paper's low resolution. :class:`mmmix.MixClassifier` keeps the linear layer as
    ``learned.early_<path>``, trains it on each step's mixed batch and logs its loss as ``loss_early_<path>``; a plain
    classifier ignores it in a checkpoint. Everything before the block is trained by this loss too, as in the paper.

    Tokens, as transformers have them, are averaged, the class token among them.

    Args:
        at (str): Path of the block in the classifier: ``'backbone.layer1'`` (ResNet, WRN), ``'backbone.layers.3'``
            (ViT), ``'backbone.stages.0'`` (Swin). Defaults to ``'backbone.layer1'``.
        loss_weight (float): Weight of the auxiliary loss. Defaults to 0.3.
        scale (float): Fraction of the resolution that the gradient is taken at. Defaults to 1.0.
        target (str): ``'label'`` differentiates the label's logit, ``'max'`` the largest one. Defaults to ``'label'``.
        in_channels (int, optional): Width of the block's output. Defaults to None: found by a dry run.

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

    def __init__(
        self,
        at: str = 'backbone.layer1',
        loss_weight: float = 0.3,
        scale: float = 1.0,
        target: str = 'label',
        in_channels: int | None = None,
    ):
        if not isinstance(at, str) or not at:
            raise ValueError(f"EarlyHead: `at` must be the path of a block, e.g. 'backbone.layer1', but got {at!r}.")
        if isinstance(loss_weight, bool) or not isinstance(loss_weight, (int, float)) or not loss_weight >= 0:
            raise ValueError(f'EarlyHead: `loss_weight` must be at least 0, e.g. 0.3, but got {loss_weight!r}.')
        self.at = at
        self.loss_weight = float(loss_weight)
        self.scale, self.target = check_gradient_args('EarlyHead', scale, target)
        self.in_channels = in_channels

    @property
    def learns(self) -> str:
        """The name under which the classifier keeps the head."""
        return 'early_' + self.at.replace('.', '_')

    def build_learned(self, model: Any) -> nn.Module:
        """The linear layer. It draws its weights on the side: the network starts as it would without it."""
        with torch.random.fork_rng(devices=[]):
            return nn.Linear(self.in_channels or block_width(model, self.at), model.num_classes)

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[['Mix', Tensor], dict[str, Tensor]]]:
        """Listen to the block while the mixed images go through the network; see :meth:`Part.listen`."""
        with recorded(module_at(model, self.at)) as heard:

            def losses(mix: 'Mix', _: Tensor) -> dict[str, Tensor]:
                logits = model.learned[self.learns](pooled(heard[-1]))
                return {f'loss_{self.learns}': self.loss_weight * F.cross_entropy(logits.float(), mix.scores.float())}

            yield losses

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


def block_width(model: nn.Module, at: str) -> int:
    """How many features a block gives, found by a dry run that leaves no trace."""
    kernel = next((p for p in model.parameters() if p.ndim == 4), None)
    if kernel is None:
        raise ValueError(f"EarlyHead cannot find out how many features '{at}' has: set `in_channels`.")
    size = getattr(getattr(model, 'backbone', None), 'img_size', 64)
    height, width = (size, size) if isinstance(size, int) else size
    with untouched(model), torch.no_grad():
        return pooled(output_at(model, at, kernel.new_zeros(1, kernel.shape[1], height, width))).shape[1]
