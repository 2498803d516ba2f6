"""The heads with SUMix: a linear layer behind pooled features, and behind class tokens."""

from mmpretrain.models import LinearClsHead, VisionTransformerClsHead

from ...registry import MODELS
from .sumix_mixin import SUMixMixin


@MODELS.register_module()
class SUMixHead(SUMixMixin, LinearClsHead):
    """Linear head with SUMix: learned label shares and an uncertainty regulariser, for any mixer and any partners.

    `SUMix: Mixup with Semantic and Uncertain Information <https://arxiv.org/abs/2407.07805>`_. Use it under
    :class:`mmmix.MixClassifier`. One linear layer, ``uncertainty``, is added for training; at inference this is the
    plain ``LinearClsHead``, which loads the checkpoint. Soft labels count as their largest class. See
    :func:`sumix_terms` for the formulas and for what differs from the released code.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the features.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``LinearClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If an argument is out of range or belongs to the other distance, or the loss is not a softmax cross
            entropy.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import MixClassifier
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmmix.SUMixHead', num_classes=10, in_channels=512, gamma=0.5),
        ...     train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=0.2)),
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(4)]
        >>> sorted(model.loss(torch.rand(4, 3, 32, 32), samples))
        ['lam', 'lam_sumix', 'loss', 'loss_reg', 'mix_acc', 'mixed', 'sumix_reg_grad', 'sumix_saturated', 'uncertainty']
    """

    @property
    def feature_dim(self) -> int:
        """The width of the features."""
        return self.in_channels


@MODELS.register_module()
class SUMixVisionTransformerClsHead(SUMixMixin, VisionTransformerClsHead):
    """``VisionTransformerClsHead`` with SUMix, for the class tokens of ViT and DeiT.

    As :class:`SUMixHead`; the features that the uncertainty layer sees are the class tokens, or with ``hidden_dim``
    what the hidden layer makes of them. The default ``init_cfg`` of the host sets all linear layers to 0, this one
    included: ``U`` starts uniform and learns from there.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the class token.
        hidden_dim (int, optional): Width of the hidden layer, if there is one. Defaults to None.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``VisionTransformerClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If an argument is out of range or belongs to the other distance, or the loss is not a softmax cross
            entropy.

    Example:
        >>> from mmmix import SUMixVisionTransformerClsHead
        >>> head = dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=10, in_channels=192)
        >>> SUMixVisionTransformerClsHead(num_classes=10, in_channels=192, hidden_dim=64).uncertainty
        Linear(in_features=64, out_features=10, bias=True)
    """

    @property
    def feature_dim(self) -> int:
        """The width of the class token, or of the hidden layer behind it."""
        return self.in_channels if self.hidden_dim is None else self.hidden_dim
