"""The mathematics of SUMix: label shares from semantic distance, and a regulariser of uncertainty."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
            alpha_a = factor * semantic_distance(mixed, clean[:n], a, b, distance)
            alpha_b = factor * semantic_distance(mixed, clean[partner], b, a, distance)
            new, new_partner = lam, lam_partner
            if relabel:
                new = learned_share(lam, lam_partner, _at(alpha_a, a), _at(alpha_b, b))
                new_partner = 1 - new

        ce_a, ce_b = (_cross_entropy(mixed_logits, labels, label_smoothing) for labels in (a, b))
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
        reg_a, reg_b = _cross_entropy((-gap_a).exp(), a), _cross_entropy((-gap_b).exp(), b)
        return dict(loss_mix=loss_mix, loss_reg=(lam * reg_a + lam_partner * reg_b).mean(), lam=new)


def unit_softmax(logits: Tensor) -> Tensor:
    """The softmax of each row, divided by its Euclidean norm."""
    return F.normalize(F.softmax(logits, dim=1), dim=1)


def semantic_distance(mixed: Tensor, clean: Tensor, own: Tensor, rival: Tensor, distance: str) -> Tensor:
    """How far mixed images are from one of the two that they were made of, class by class, ``(N, K)``, not scaled.

    Args:
        mixed (Tensor): ``(N, K)`` probabilities of the mixed images.
        clean (Tensor): ``(N, K)`` those of the clean images.
        own (Tensor): ``(N,)`` classes of the clean images.
        rival (Tensor): ``(N,)`` classes of the other images, which are erased unless both are of one class.
        distance (str): ``'signed'`` or ``'absolute'``.
    """
    same = (own == rival)[:, None]
    gap = mixed - torch.where(same, clean, clean.scatter(1, rival[:, None], 0))
    return unit_softmax(gap.abs() if distance == 'absolute' else gap)


def learned_share(lam: Tensor, lam_partner: Tensor, alpha_a: Tensor, alpha_b: Tensor) -> Tensor:
    """The new own share ``w_a / (w_a + w_b)``, where ``w`` is a share times ``exp(-distance)``; all ``(N,)``."""
    # From the logarithms of both weights: exp(-scale) underflows. Two shares of 0 leave nothing to weigh: infinity
    # minus infinity.
    return torch.sigmoid((lam.log() - alpha_a) - (lam_partner.log() - alpha_b)).nan_to_num(nan=0.5)


def _at(values: Tensor, labels: Tensor) -> Tensor:
    return values.gather(1, labels[:, None]).squeeze(1)


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(logits, labels, reduction='none', label_smoothing=smoothing)
