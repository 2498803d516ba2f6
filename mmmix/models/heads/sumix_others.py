"""SUMix in the heads of single families: MobileNetV3, distilled DeiT, LeViT, EfficientFormer, Vision GNN."""

from typing import Any

from mmpretrain.models import (
    DeiTClsHead,
    EfficientFormerClsHead,
    LeViTClsHead,
    StackedLinearClsHead,
    VigClsHead,
)

from ...registry import MODELS
from .sumix_mixin import SUMixMixin


@MODELS.register_module()
class SUMixStackedLinearClsHead(SUMixMixin, StackedLinearClsHead):
    """``StackedLinearClsHead`` with SUMix, for MobileNetV3.

    As :class:`SUMixHead`; the features that the uncertainty layer sees are those of the last hidden layer, behind its
    dropout.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the pooled features.
        mid_channels (Sequence[int]): Widths of the hidden layers.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``StackedLinearClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: As :class:`SUMixHead`.

    Example:
        >>> from mmmix import SUMixStackedLinearClsHead
        >>> SUMixStackedLinearClsHead(num_classes=10, in_channels=96, mid_channels=[64]).uncertainty
        Linear(in_features=64, out_features=10, bias=True)
    """

    @property
    def feature_dim(self) -> int:
        """The width of the last hidden layer."""
        return self.mid_channels[-1]


@MODELS.register_module()
class SUMixDeiTClsHead(SUMixMixin, DeiTClsHead):
    """``DeiTClsHead`` with SUMix, for the class and the distillation token of ``DistilledVisionTransformer``.

    As :class:`SUMixVisionTransformerClsHead`; the features that the uncertainty layer sees are both tokens, side by
    side, as the logits are the mean of a linear layer on each. There is no teacher: mmpretrain trains this network
    without distillation, and warns of it.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of a token.
        hidden_dim (int, optional): Width of the hidden layer, if there is one. Defaults to None.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``DeiTClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: As :class:`SUMixHead`.

    Example:
        >>> from mmmix import SUMixDeiTClsHead
        >>> SUMixDeiTClsHead(num_classes=10, in_channels=192).uncertainty
        Linear(in_features=384, out_features=10, bias=True)
    """

    @property
    def feature_dim(self) -> int:
        """The width of both tokens, or of the hidden layer behind each of them."""
        return 2 * (self.in_channels if self.hidden_dim is None else self.hidden_dim)


@MODELS.register_module()
class SUMixLeViTClsHead(SUMixMixin, LeViTClsHead):
    """``LeViTClsHead`` with SUMix. mmpretrain does not train LeViT with distillation, so it is off.

    As :class:`SUMixHead`; the features that the uncertainty layer sees are those in front of the head's batch norm.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the pooled features.
        distillation (bool): Must be False. Defaults to False; the stock configs say True.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``LeViTClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: As :class:`SUMixHead`, or with distillation.

    Example:
        >>> from mmmix import SUMixLeViTClsHead
        >>> SUMixLeViTClsHead(num_classes=10, in_channels=384).uncertainty
        Linear(in_features=384, out_features=10, bias=True)
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int | None = None, *, distillation: bool = False, **kwargs: Any
    ):
        super().__init__(num_classes=num_classes, in_channels=in_channels, distillation=distillation, **kwargs)

    @property
    def feature_dim(self) -> int:
        """The width of the pooled features."""
        return self.head.linear.in_features


@MODELS.register_module()
class SUMixEfficientFormerClsHead(SUMixMixin, EfficientFormerClsHead):
    """``EfficientFormerClsHead`` with SUMix. mmpretrain does not train it with distillation, so it is off.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the pooled features.
        distillation (bool): Must be False. Defaults to False.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``EfficientFormerClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: As :class:`SUMixHead`, or with distillation.

    Example:
        >>> from mmmix import SUMixEfficientFormerClsHead
        >>> SUMixEfficientFormerClsHead(num_classes=10, in_channels=448).uncertainty
        Linear(in_features=448, out_features=10, bias=True)
    """

    def __init__(self, num_classes: int, in_channels: int, *, distillation: bool = False, **kwargs: Any):
        super().__init__(num_classes=num_classes, in_channels=in_channels, distillation=distillation, **kwargs)

    @property
    def feature_dim(self) -> int:
        """The width of the pooled features."""
        return self.in_channels


@MODELS.register_module()
class SUMixVigClsHead(SUMixMixin, VigClsHead):
    """``VigClsHead`` with SUMix, for Vision GNN.

    As :class:`SUMixHead`; the features that the uncertainty layer sees are those of the hidden layer, behind its batch
    norm and dropout.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the pooled features.
        **kwargs: The options of SUMix, see :class:`SUMixMixin`, and what else ``VigClsHead`` takes.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: As :class:`SUMixHead`.

    Example:
        >>> from mmmix import SUMixVigClsHead
        >>> SUMixVigClsHead(num_classes=10, in_channels=64, hidden_dim=32).uncertainty
        Linear(in_features=32, out_features=10, bias=True)
    """

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """The number of classes, which the host keeps to itself."""
        return self.fc2.out_features

    @property
    def feature_dim(self) -> int:
        """The width of the hidden layer."""
        return self.fc2.in_features
