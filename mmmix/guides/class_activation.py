"""Class activation maps."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.fields import choice, text
from ..core.roles import Guide
from ..ops.devices import eager, without_autocast
from ..probes.attention import network_of
from ..probes.modules import as_map, extra_tokens, last_tensor, module_at, recorded, run
from ..probes.sharding import whole
from ..probes.untouched import untouched


class ClassActivation(Guide):
    r"""Class activation maps: the last feature map, weighed by how the head's linear layer weighs its channels.

    `Learning Deep Features for Discriminative Localization <https://arxiv.org/abs/1512.04150>`_. The map
    :math:`\sum_k w_{ck} f_k` of class c is brought to a minimum of 0 and to the images' size bilinearly; adding a
    constant leaves the order of equal boxes as it is. Forward only, in eval mode, in the step's one clean pass where
    that is still to run. In a network that ends in tokens (N, L, C) the patches are taken as a map; a ViT has them and
    its linear layer elsewhere: ``at='backbone.ln1', classifier='head.layers.head'``.

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
    at: str = text(
        default='backbone',
        what='the path of a module',
        doc='Path of the module that gives the feature map; of several maps the last one is taken.',
    )
    classifier: str = text(
        default='head.fc',
        what='the path of a linear layer',
        doc='Path of the linear layer that rates the pooled features.',
    )
    target: str = choice(
        'label',
        'max',
        default='label',
        doc="``'label'`` takes the label's class, soft labels weigh theirs; ``'max'``, and no labels, the predicted "
        'one.',
    )

    @eager
    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        model = self.require_model()
        linear = self.linear_of(model)
        size = images.shape[-2:]
        with without_autocast(images):
            dtype = linear.weight.dtype
            with untouched(model), recorded(module_at(model, self.at)) as heard:
                run(model, images.to(dtype))
            if not heard:
                raise ValueError(
                    f"ClassActivation: '{self.at}' takes no part in the forward pass: name another module."
                )
            maps = as_map(self.features_in(heard[-1]), size[0], size[1], extra_tokens(network_of(model))).float()
            if maps.shape[1] != linear.in_features:
                raise ValueError(
                    f"ClassActivation: '{self.at}' has {maps.shape[1]} channels but '{self.classifier}' takes "
                    f'{linear.in_features}: name the feature map in front of the pooling in `at`.'
                )
            weight = whole(linear.weight).float()
            if self.target == 'label' and scores is not None:
                rows = scores.float() @ weight
            else:
                logits = maps.mean((2, 3)) @ weight.T + (0 if linear.bias is None else whole(linear.bias).float())
                rows = weight.index_select(0, logits.argmax(1))
            found = torch.einsum('nc,nchw->nhw', rows, maps)[:, None]
            found = found - found.amin((2, 3), keepdim=True)
            return F.interpolate(found, size, mode='bilinear', align_corners=False)

    def check_model(self, model: Any) -> None:
        """Refuse a network that has its linear layer, or its last feature map, elsewhere."""
        self.linear_of(model)
        module_at(model, self.at)

    def linear_of(self, model: Any) -> nn.Linear:
        """The linear layer that rates the pooled features."""
        try:
            linear = module_at(model, self.classifier)
        except ValueError as error:
            raise ValueError(f'ClassActivation: {str(error).rstrip(".")}: {elsewhere(model)}') from None
        if not isinstance(linear, nn.Linear):
            raise ValueError(
                f"ClassActivation: '{self.classifier}' is a {type(linear).__name__}, no linear layer: "
                f'{elsewhere(model)}'
            )
        return linear

    def features_in(self, output: Any) -> Tensor:
        """The feature map or the tokens in what the module at ``at`` gave."""
        try:
            return last_tensor(output, lambda tensor: tensor.ndim in (3, 4))
        except ValueError:
            raise ValueError(
                f"ClassActivation: '{self.at}' gives neither a feature map (N, C, H, W) nor tokens (N, L, C): name the "
                "module that does in `at`, in a ViT at='backbone.ln1'."
            ) from None


def elsewhere(model: Any) -> str:
    """What to write where a network does not end in a feature map and a layer ``head.fc``, for the error."""
    head = getattr(model, 'head', None)
    found = [] if head is None else [path for path, part in head.named_modules() if isinstance(part, nn.Linear)]
    named = f', here classifier={f"head.{found[-1]}"!r}' if found else ''
    tokens = hasattr(getattr(model, 'backbone', None), 'ln1')
    where = ", here at='backbone.ln1'" if tokens else ''
    return f'name the linear layer in `classifier`{named}, and the last feature map or tokens in `at`{where}.'
