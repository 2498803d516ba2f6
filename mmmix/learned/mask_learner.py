"""What a mixer with a learned mask adds to the classifier."""

from typing import Any

import torch
from torch import Tensor, nn

from ..probes.modules import as_map, extra_tokens, last_tensor, module_at, recorded
from .momentum_teacher import MomentumTeacher


class MaskLearner(nn.Module):
    """A teacher, the block that draws masks from its features, and a head of the student's for clean images.

    Args:
        model (nn.Module): The classifier, which the teacher is a copy of.
        block (nn.Module): See :class:`MixBlock`.
        features (str): Path of the module whose output the block sees, ``'backbone...'``.
        width (int, optional): How many features the clean images' own linear head takes. Defaults to None, no such
            head.

    Example:
        >>> from mmmix import MixClassifier
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32),
        ...     train_cfg=dict(augments=dict(type='mmmix.AutoMix')),
        ... )
        >>> sorted(dict(model.learned['automix'].named_children()))
        ['block', 'clean_head', 'teacher']
    """

    def __init__(self, model: Any, block: nn.Module, features: str, width: int | None = None):
        super().__init__()
        self.teacher = MomentumTeacher(model)
        self.block = block
        self.features = features
        self.clean_head = None if width is None else nn.Linear(width, model.num_classes)

    @torch.no_grad()
    def look(self, images: Tensor) -> Tensor:
        """The teacher's feature maps ``(N, C, h, w)`` of images, without a graph; all of its backbone runs.

        The batch norms behind the features must see clean images too: at inference they see nothing else.
        """
        return self._hear(images, self.teacher.backbone)[0]

    @torch.no_grad()
    def look_and_tell(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What :meth:`look` gives, and the teacher's logits of the images, ``(N, K)``, float32; in one pass."""
        maps, logits = self._hear(images, self.teacher)
        return maps, logits.float()

    def _hear(self, images: Tensor, network: nn.Module) -> tuple[Tensor, Any]:
        """The maps at the place in the teacher while a network that has it runs, and what that gives."""
        with recorded(module_at(self.teacher, self.features)) as heard:
            output = network(images.to(next(self.teacher.parameters()).dtype))
        found = last_tensor(heard[-1], lambda tensor: tensor.ndim in (3, 4))
        return as_map(found, images.shape[2], images.shape[3], extra_tokens(self.teacher)), output

    def nothing(self, like: Tensor) -> Tensor:
        """A zero in whose graph all is that learns, for steps in which it does not: distributed training wants it."""
        zero = like.new_zeros((), dtype=torch.float32)
        return sum((0 * p.sum() for p in self.parameters() if p.requires_grad), zero)
