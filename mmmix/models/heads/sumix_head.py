"""SUMix: learn each mixed sample's label shares from semantic distance, regularise by uncertainty."""

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models import LinearClsHead, VisionTransformerClsHead
from torch import Tensor, nn

from ...mixers import Mix
from ...registry import MODELS

_REGULARIZERS = ('semantic', 'uncertainty', 'both', None)
_DISTANCES = ('absolute', 'signed')


def unit_softmax(logits: Tensor) -> Tensor:
    """The softmax of each row, divided by its Euclidean norm."""
    return F.normalize(F.softmax(logits, dim=1), dim=1)


def sumix_terms(
    pool_logits: Tensor,
    mixed_logits: Tensor,
    pool_uncertainty: Tensor,
    mixed_uncertainty: Tensor,
    pool_labels: Tensor,
    partner: Tensor,
    lam: Tensor,
    lam_partner: Tensor | None = None,
    *,
    scale: float | None = 100.0,
    lam_reduction: str = 'sample',
    relabel: bool = True,
    regularizer: str | None = 'both',
    distance: str = 'signed',
    label_smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """The mathematics of `SUMix <https://arxiv.org/abs/2407.07805>`_, for a whole batch at once.

    Where the paper and the released code differ: ``lam_reduction='sample'`` is the paper's Eq. 3; ``'batch'`` averages
    the new shares over the batch, as the released code does by reducing the cross entropy first. The released code
    multiplies the distances by the batch size, which was 100: ``scale=100.0``. Pairs of one class are compared as they
    are; the released code erases the very class that they share.

    The released distance is the softmax of the *signed* difference of two predictions. At the label's own class that
    difference is 0 for a mixed image that looks like the clean one and -1 for one that looks nothing like it, so the
    label whose image is hidden gains weight: the opposite of what the paper says of its Eq. 4. ``distance='absolute'``
    takes the magnitude of the difference and does what the paper says. This function keeps to the formulas as they were
    released, ``'signed'``; the heads choose ``'absolute'``. With ``lam_reduction='batch', scale=None`` beside
    ``'signed'`` it is the released code. ``benchmarks/sumix_shares.md`` has both, measured.

    With ``scale=100`` and few classes the entries of the distances are large, about ``scale / sqrt(K)``, so that
    ``exp(-distance)`` is nearly 0 for every class and ``loss_reg`` is nearly ``log(K)`` without a gradient: see the
    README of ``configs/sumix``. That is the released behaviour.

    Args:
        pool_logits (Tensor): ``(M, K)`` logits of the clean images; rows ``0..N-1`` are the batch.
        mixed_logits (Tensor): ``(N, K)`` logits of the mixed images.
        pool_uncertainty (Tensor): ``(M, K)`` ``U`` of the clean images.
        mixed_uncertainty (Tensor): ``(N, K)`` ``U`` of the mixed images.
        pool_labels (Tensor): ``(M,)`` class indices.
        partner (Tensor): ``(N,)`` row of the pool that was mixed in.
        lam (Tensor): ``(N,)`` own shares in [0, 1].
        lam_partner (Tensor, optional): ``(N,)`` the partners' shares. Defaults to None, ``1 - lam``. Where the two do
            not add to 1 (SnapMix), the learned ones do.
        scale (float, optional): Factor of the semantic distances; None is the batch size. Defaults to 100.0.
        lam_reduction (str): ``'sample'`` or ``'batch'``. Defaults to ``'sample'``.
        relabel (bool): Whether to learn the shares; otherwise the losses use ``lam``. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        distance (str): ``'signed'`` (the released code) or ``'absolute'`` (the paper's text). Defaults to
            ``'signed'``.
        label_smoothing (float): Smoothing of the cross entropy on the mixed images. Defaults to 0.0.

    Returns:
        dict[str, Tensor]: ``loss_mix`` and ``loss_reg``, scalars, and ``lam``, ``(N,)`` new own shares without a graph.
    """
    dtype = torch.promote_types(mixed_logits.dtype, torch.float32)
    with torch.autocast(mixed_logits.device.type, enabled=False):
        pool_logits, mixed_logits, lam = pool_logits.to(dtype), mixed_logits.to(dtype), lam.to(dtype)
        lam_partner = 1 - lam if lam_partner is None else lam_partner.to(dtype)
        pool_uncertainty, mixed_uncertainty = pool_uncertainty.to(dtype), mixed_uncertainty.to(dtype)
        n = len(mixed_logits)
        a, b = pool_labels[:n], pool_labels[partner]
        factor = float(n) if scale is None else scale

        with torch.no_grad():
            clean, mixed = pool_logits.softmax(1), mixed_logits.softmax(1)
            same = (a == b)[:, None]
            own, other = clean[:n], clean[partner]
            own_only = torch.where(same, own, own.scatter(1, b[:, None], 0))
            other_only = torch.where(same, other, other.scatter(1, a[:, None], 0))
            gap_own, gap_other = mixed - own_only, mixed - other_only
            if distance == 'absolute':
                gap_own, gap_other = gap_own.abs(), gap_other.abs()
            alpha_a, alpha_b = factor * unit_softmax(gap_own), factor * unit_softmax(gap_other)
            new, new_partner = lam, lam_partner
            if relabel:
                # w_a / (w_a + w_b) from the logarithms of both weights: exp(-scale) underflows.
                log_a = lam.log() - alpha_a.gather(1, a[:, None]).squeeze(1)
                log_b = lam_partner.log() - alpha_b.gather(1, b[:, None]).squeeze(1)
                # Two shares of 0 leave nothing to weigh: infinity minus infinity.
                new = torch.sigmoid(log_a - log_b).nan_to_num(nan=0.5)
                new_partner = 1 - new

        def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
            return F.cross_entropy(logits, labels, reduction='none', label_smoothing=smoothing)

        ce_a, ce_b = cross_entropy(mixed_logits, a, label_smoothing), cross_entropy(mixed_logits, b, label_smoothing)
        if lam_reduction == 'batch':
            loss_mix = new.mean() * ce_a.mean() + new_partner.mean() * ce_b.mean()
        else:
            loss_mix = (new * ce_a + new_partner * ce_b).mean()

        if regularizer is None:
            return dict(loss_mix=loss_mix, loss_reg=loss_mix.new_zeros(()), lam=new)
        gap_a = torch.zeros_like(alpha_a)
        gap_b = gap_a
        if regularizer in ('semantic', 'both'):
            gap_a, gap_b = gap_a + alpha_a, gap_b + alpha_b
        if regularizer in ('uncertainty', 'both'):
            gap_a = gap_a + pool_uncertainty[:n] + mixed_uncertainty
            gap_b = gap_b + pool_uncertainty[partner] + mixed_uncertainty
        reg_a, reg_b = cross_entropy((-gap_a).exp(), a), cross_entropy((-gap_b).exp(), b)
        return dict(loss_mix=loss_mix, loss_reg=(lam * reg_a + lam_partner * reg_b).mean(), lam=new)


class SUMixMixin:
    """What SUMix adds to a head whose logits are one linear layer behind ``pre_logits``.

    The host class provides ``pre_logits``, ``forward``, ``loss_module`` and ``num_classes``.

    Args:
        gamma (float): Weight of the regulariser. Defaults to 0.5.
        scale (float, optional): Factor of the semantic distances; None is the batch size, as released.
            Defaults to 100.0.
        lam_reduction (str): ``'sample'`` (the paper) or ``'batch'`` (the released code). Defaults to ``'sample'``.
        relabel (bool): Whether to learn the label shares. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        distance (str): ``'absolute'`` (the paper's text) or ``'signed'`` (the released code); see :func:`sumix_terms`.
            Defaults to ``'absolute'``.
        clean_pass (str): ``'train'``: the clean images go through the network in train mode and the regulariser
            reaches the backbone on their side too, as released. ``'detached'``: in eval mode, without a graph.
            Defaults to ``'train'``.
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
        name = type(self).__name__
        if not gamma >= 0:
            raise ValueError(f'{name}: `gamma` must be at least 0, e.g. gamma=0.5, but got {gamma!r}.')
        if scale is not None and not scale > 0:
            raise ValueError(f'{name}: `scale` must be above 0, or None for the batch size, but got {scale!r}.')
        if lam_reduction not in ('sample', 'batch'):
            raise ValueError(f"{name}: `lam_reduction` must be 'sample' or 'batch', but got {lam_reduction!r}.")
        if regularizer not in _REGULARIZERS:
            raise ValueError(
                f"{name}: `regularizer` must be 'semantic', 'uncertainty', 'both' or None, but got {regularizer!r}."
            )
        if distance not in _DISTANCES:
            raise ValueError(f"{name}: `distance` must be 'absolute' or 'signed', but got {distance!r}.")
        if clean_pass not in ('train', 'detached'):
            raise ValueError(f"{name}: `clean_pass` must be 'train' or 'detached', but got {clean_pass!r}.")
        kind = type(self.loss_module).__name__
        if (
            getattr(self.loss_module, 'class_weight', None) is not None
            or getattr(self.loss_module, 'mode', 'original') != 'original'
        ):
            raise ValueError(
                f"{name}: {kind} may neither weigh classes nor smooth labels in another mode than 'original'."
            )
        if getattr(self.loss_module, 'use_sigmoid', False) or kind not in ('CrossEntropyLoss', 'LabelSmoothLoss'):
            raise ValueError(
                f'{name} weighs two softmax cross entropies and cannot use {kind} with '
                f'use_sigmoid={getattr(self.loss_module, "use_sigmoid", False)}: '
                "set loss=dict(type='CrossEntropyLoss') or LabelSmoothLoss."
            )
        self.gamma = gamma
        self.scale = scale
        self.lam_reduction = lam_reduction
        self.relabel = relabel
        self.regularizer = regularizer
        self.distance = distance
        self.clean_pass = clean_pass
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
                share) and
            ``uncertainty`` (mean ``U`` of the mixed images).
        """
        features, logits = self.pre_logits(feats), self(feats)
        uncertainty = unit_softmax(self.uncertainty(features).float())
        if clean is None:
            loss = self.loss_module(logits, mix.scores)
            # The uncertainty layer stays in the graph of every step, as DDP expects.
            return dict(
                loss=loss,
                loss_reg=0 * uncertainty.sum(),
                lam_sumix=mix.lam.mean(),
                uncertainty=uncertainty.detach().mean(),
            )
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
        # With other regularisers than 'uncertainty' and 'both' the layer has no gradient of its own.
        loss_reg = self.gamma * terms['loss_reg'] + 0 * uncertainty.sum()
        weight = getattr(self.loss_module, 'loss_weight', 1.0)
        return dict(
            loss=weight * terms['loss_mix'],
            loss_reg=loss_reg,
            lam_sumix=terms['lam'].mean(),
            uncertainty=uncertainty.detach().mean(),
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
        **kwargs: As in ``LinearClsHead``. ``loss`` is ``CrossEntropyLoss`` or, for smoothing, ``LabelSmoothLoss``.

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
        """Width of what ``pre_logits`` gives."""
        return self.in_channels


@MODELS.register_module()
class SUMixVisionTransformerClsHead(SUMixMixin, VisionTransformerClsHead):
    """``VisionTransformerClsHead`` with SUMix, for the class tokens of ViT and DeiT.

    `SUMix: Mixup with Semantic and Uncertain Information <https://arxiv.org/abs/2407.07805>`_. As
    :class:`SUMixHead`; the features that the uncertainty layer sees are the class tokens, or with ``hidden_dim``
    what the hidden layer makes of them. The default ``init_cfg`` of the host sets all linear layers to 0, this one
        included: ``U`` starts uniform and learns
    from there.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the class token.
        hidden_dim (int, optional): Width of the hidden layer, if there is one. Defaults to None.
        gamma (float): Weight of the regulariser. Defaults to 0.5.
        scale (float, optional): Factor of the semantic distances; None is the batch size, as released.
            Defaults to 100.0.
        lam_reduction (str): ``'sample'`` (the paper's Eq. 3) or ``'batch'`` (the released code). Defaults to
            ``'sample'``.
        relabel (bool): Whether to learn the label shares. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        distance (str): ``'absolute'`` (the paper's text) or ``'signed'`` (the released code); see :func:`sumix_terms`.
            Defaults to ``'absolute'``.
        clean_pass (str): ``'train'`` or ``'detached'``, as in :class:`SUMixHead`. Defaults to ``'train'``.
        **kwargs: As in ``VisionTransformerClsHead``. ``loss`` is ``CrossEntropyLoss`` or ``LabelSmoothLoss``.

    Raises:
        ValueError: If an argument is out of range, or the loss is not a softmax cross entropy.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import MixClassifier
        >>> arch = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32, patch_size=8),
        ...     head=dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=10, in_channels=16),
        ...     train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=2.0)),
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(4)]
        >>> sorted(model.loss(torch.rand(4, 3, 32, 32), samples))
        ['lam', 'lam_sumix', 'loss', 'loss_reg', 'mix_acc', 'mixed', 'uncertainty']
    """

    @property
    def feature_dim(self) -> int:
        """Width of what ``pre_logits`` gives."""
        return self.in_channels if self.hidden_dim is None else self.hidden_dim
