"""Class activation maps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..part import Guide
from ..registry import TASK_UTILS
from .gradient import untouched
from .module_path import last_tensor, module_at, recorded, run, token_grid


@TASK_UTILS.register_module()
class ClassActivation(Guide):
    r"""Class activation maps: the last feature map, weighed by how the head's linear layer weighs its channels.

    `Learning Deep Features for Discriminative Localization <https://arxiv.org/abs/1512.04150>`_. The map
    :math:`\sum_k w_{ck} f_k` of class c is brought to a minimum of 0 and to the images' size bilinearly; adding a
    constant leaves the order of equal boxes as it is. Forward only, in eval mode, in the step's one clean pass where
    that is still to run. In a network that ends in tokens (N, L, C) the patches are taken as a map.

    Args:
        at (str): Path of the module that gives the feature map. Defaults to ``'backbone'``, of which the last map is
            taken.
        classifier (str): Path of the linear layer that rates the pooled features. Defaults to ``'head.fc'``.
        target (str): ``'label'`` takes the label's class, soft labels weigh theirs; ``'max'``, and no labels, the
            predicted one. Defaults to ``'label'``.

    Raises:
        ValueError: If an argument is out of range, a module is missing, or its width does not fit the linear layer.
        RuntimeError: When called without a model: use :class:`mmmix.MixClassifier`, or :meth:`bind` one.

    Example:
        >>> import torch
        >>> from mmpretrain.models import ImageClassifier
        >>> from mmmix import ClassActivation
        >>> model = ImageClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64),
        ... )
        >>> guide = ClassActivation()
        >>> guide.bind(model)
        >>> guide(torch.rand(2, 3, 32, 32), torch.eye(2, 10)).shape
        torch.Size([2, 1, 32, 32])
    """

    needs_model = True

    def __init__(self, at: str = 'backbone', classifier: str = 'head.fc', target: str = 'label'):
        if target not in ('label', 'max'):
            raise ValueError(f"ClassActivation: `target` must be 'label' or 'max', but got {target!r}.")
        self.at = at
        self.classifier = classifier
        self.target = target

    @torch.compiler.disable
    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): ``(N, K)`` labels. Defaults to None, the predicted class.

        Returns:
            Tensor: ``(N, 1, H, W)``, float32, at least 0.
        """
        model = self.require_model()
        linear = module_at(model, self.classifier)
        if not isinstance(linear, nn.Linear):
            raise ValueError(
                f"ClassActivation: '{self.classifier}' is a {type(linear).__name__}: name the linear layer that rates "
                'the pooled features in `classifier`.'
            )
        size = images.shape[-2:]
        with torch.autocast(images.device.type, enabled=False):
            dtype = linear.weight.dtype
            with untouched(model), recorded(module_at(model, self.at)) as heard:
                run(model, images.to(dtype))
            if not heard:
                raise ValueError(
                    f"ClassActivation: '{self.at}' takes no part in the forward pass: name another module."
                )
            maps = as_map(last_tensor(heard[-1], lambda tensor: tensor.ndim in (3, 4)), *size).float()
            if maps.shape[1] != linear.in_features:
                raise ValueError(
                    f"ClassActivation: '{self.at}' has {maps.shape[1]} channels but '{self.classifier}' takes "
                    f'{linear.in_features}: name the feature map in front of the pooling in `at`.'
                )
            weight = linear.weight.float()
            if self.target == 'label' and scores is not None:
                rows = scores.float() @ weight
            else:
                logits = maps.mean((2, 3)) @ weight.T + (0 if linear.bias is None else linear.bias.float())
                rows = weight.index_select(0, logits.argmax(1))
            found = torch.einsum('nc,nchw->nhw', rows, maps)[:, None]
            found = found - found.amin((2, 3), keepdim=True)
            return F.interpolate(found, size, mode='bilinear', align_corners=False)


def as_map(features: Tensor, height: int, width: int) -> Tensor:
    """Feature maps as they are; of tokens ``(N, L, C)`` the patches, laid out as a map."""
    if features.ndim == 4:
        return features
    extra, rows, columns = token_grid(features.shape[1], height, width)
    return features[:, extra:].transpose(1, 2).unflatten(2, (rows, columns))
