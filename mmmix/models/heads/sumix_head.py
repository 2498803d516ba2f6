"""SUMix: learn each mixed sample's label shares from semantic distance, regularise by uncertainty."""

from typing import Any

from mmpretrain.models import LinearClsHead, VisionTransformerClsHead
from torch import Tensor, nn

from ...core import Mix, check
from ...core.fields import choice, flag, number
from ...registry import MODELS
from ..losses.sumix import sumix_terms, unit_softmax


class SUMixMixin:
    """What SUMix adds to a head whose logits are one linear layer behind ``pre_logits``.

    `SUMix: Mixup with Semantic and Uncertain Information <https://arxiv.org/abs/2407.07805>`_. The host class provides
    ``pre_logits``, ``forward``, ``loss_module`` and ``num_classes``; its ``loss`` is ``CrossEntropyLoss`` or, for
    smoothing, ``LabelSmoothLoss``.

    Args:
        *args: As the host class takes them.
        gamma (float): Weight of the regulariser. Defaults to 0.5.
        scale (float, optional): Factor of the semantic distances; None is the batch size, as released.
            Defaults to 100.0.
        lam_reduction (str): ``'sample'`` (the paper's Eq. 3) or ``'batch'`` (the released code). Defaults to
            ``'sample'``.
        relabel (bool): Whether to learn the label shares. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        distance (str): ``'absolute'`` (the paper's text) or ``'signed'`` (the released code); see :func:`sumix_terms`.
            Defaults to ``'absolute'``.
        clean_pass (str): ``'train'``: the clean images go through the network in train mode and the regulariser
            reaches the backbone on their side too, as released. ``'detached'``: in eval mode, without a graph.
            Defaults to ``'train'``.
        **kwargs: As the host class takes them.

    Raises:
        ValueError: If an argument is out of range, or the loss is not a softmax cross entropy.
    """

    num_classes: int
    loss_module: nn.Module
    pre_logits: Any
    __call__: Any

    def __init__(
        self,
        *args: Any,
        gamma: float = 0.5,
        scale: float | None = 100.0,
        lam_reduction: str = 'sample',
        relabel: bool = True,
        regularizer: str | None = 'both',
        distance: str = 'absolute',
        clean_pass: str = 'train',
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.gamma, self.scale, self.lam_reduction, self.relabel, self.regularizer, self.distance, self.clean_pass = (
            check(
                self,
                gamma=(gamma, number(least=0, like=0.5)),
                scale=(scale, number(above=0, optional=True, like=100.0)),
                lam_reduction=(lam_reduction, choice('sample', 'batch')),
                relabel=(relabel, flag()),
                regularizer=(regularizer, choice('semantic', 'uncertainty', 'both', None)),
                distance=(distance, choice('absolute', 'signed')),
                clean_pass=(clean_pass, choice('train', 'detached')),
            )
        )
        check_loss(type(self).__name__, self.loss_module)
        self.uncertainty = nn.Linear(self.feature_dim, self.num_classes)

    @property
    def feature_dim(self) -> int:
        """Width of what ``pre_logits`` gives."""
        raise NotImplementedError

    def loss_mix(self, feats: tuple, mix: Mix, clean: Any) -> dict[str, Tensor]:
        """The losses on a mixed batch.

        Args:
            feats (tuple): Features of the mixed images.
            mix (Mix): How they were mixed.
            clean (CleanPass, optional): The network's view of all rows of ``mix.pool``; None if nothing was mixed.

        Returns:
            dict[str, Tensor]: ``loss``, ``loss_reg`` (already weighted), and for the log ``lam_sumix`` (mean new own
                share) and ``uncertainty`` (mean ``U`` of the mixed images).
        """
        features, logits = self.pre_logits(feats), self(feats)
        uncertainty = unit_softmax(self.uncertainty(features).float())
        # Without a mix, or with other regularisers than 'uncertainty' and 'both', the uncertainty layer has no gradient
        # of its own; it stays in the graph of every step, as DDP expects.
        none = 0 * uncertainty.sum()
        if clean is None:
            loss, loss_reg, lam = self.loss_module(logits, mix.scores), none, mix.lam
        else:
            terms = sumix_terms(
                clean.logits,
                logits,
                unit_softmax(self.uncertainty(clean.features).float()),
                uncertainty,
                clean.labels,
                mix.partner,
                mix.lam,
                mix.lam_partner,
                scale=self.scale,
                lam_reduction=self.lam_reduction,
                relabel=self.relabel,
                regularizer=self.regularizer,
                distance=self.distance,
                label_smoothing=getattr(self.loss_module, 'label_smooth_val', 0.0),
            )
            loss = getattr(self.loss_module, 'loss_weight', 1.0) * terms['loss_mix']
            loss_reg, lam = self.gamma * terms['loss_reg'] + none, terms['lam']
        return dict(loss=loss, loss_reg=loss_reg, lam_sumix=lam.mean(), uncertainty=uncertainty.detach().mean())


def check_loss(name: str, loss: nn.Module) -> None:
    """Refuse a loss that is no softmax cross entropy, or weighs classes.

    Args:
        name (str): Whose loss it is, for the error.
        loss (nn.Module): mmpretrain's.

    Raises:
        ValueError: If SUMix cannot weigh two of it.
    """
    kind = type(loss).__name__
    if getattr(loss, 'class_weight', None) is not None or getattr(loss, 'mode', 'original') != 'original':
        raise ValueError(f"{name}: {kind} may neither weigh classes nor smooth labels in another mode than 'original'.")
    sigmoid = getattr(loss, 'use_sigmoid', False)
    if sigmoid or kind not in ('CrossEntropyLoss', 'LabelSmoothLoss'):
        raise ValueError(
            f'{name} weighs two softmax cross entropies and cannot use {kind} with use_sigmoid={sigmoid}: '
            "set loss=dict(type='CrossEntropyLoss') or LabelSmoothLoss."
        )


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
        ValueError: If an argument is out of range, or the loss is not a softmax cross entropy.

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
        ['lam', 'lam_sumix', 'loss', 'loss_reg', 'mix_acc', 'mixed', 'uncertainty']
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
        ValueError: If an argument is out of range, or the loss is not a softmax cross entropy.

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
