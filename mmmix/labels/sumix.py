"""The mathematics of SUMix: label shares from semantic distance, and a regulariser of uncertainty."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: The two readings of the paper's Eq. 4.
DISTANCES = ('l2', 'released')


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
    distance: str = 'l2',
    temperature: float | None = None,
    scale: float | None = None,
    lam_reduction: str | None = None,
    relabel: bool = True,
    regularizer: str | None = 'both',
    known: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> dict[str, Tensor]:
    r"""The mathematics of `SUMix <https://arxiv.org/abs/2407.07805>`_, for a whole batch at once.

    The paper says of its Eq. 4 that it tends to 0 where the mixed image holds little of a clean one, and to 1 where it
    holds all of it. There are two readings of it.

    ``distance='l2'`` is our reading of section 4.2, one number for each pair:

    .. math::
        \alpha = e^{-T \lVert \mathrm{softmax}(\hat z) - \mathrm{softmax}(z) \rVert_2}, \qquad
        \lambda' = \frac{\lambda \alpha_a}{\lambda \alpha_a + (1 - \lambda) \alpha_b}.

    With T = 1 an alpha is at least :math:`e^{-\sqrt 2} = 0.243`, so the odds of the two labels move by a factor of at
    most 4.1. In the regulariser ``T * distance`` stands in the exponent, the same for every class, where the released
    code has a vector. Do not expect the new shares to follow what is visible. They win where one of the objects is
    hidden: with less than 5 % of the own digit in the picture its share is .04 on average, the area's .14. They lose in
    ordinary mixes, where their mean error against the visible ink is .13 and the plain area's is .08; T = 0.5 errs less
    (.09), T = 2 more (.19).

    ``distance='released'`` is the released code, a vector for each pair:
    ``scale * l2(softmax(softmax(mixed) - erased))``, where ``erased`` are the probabilities of the clean image without
    those of the *other* image's class, which is the own class in a pair of one class; ``l2`` divides by the Euclidean
    norm, ``w = share * exp(-vector[label])``, and ``scale`` is the batch size on one device. Three things follow. The
    difference has a sign: at the label's own class it is 0 for an image that is seen and -1 for one that is hidden, so
    the label that is hidden gains weight. The cross entropies are averaged before they meet the shares, so that only
    the batch's mean share acts (``lam_reduction='batch'``). And with a scale of 100 and few classes ``exp(-vector)`` is
    nearly 0 in every class, so that ``loss_reg`` is nearly ``log(K)`` without a gradient.
    ``benchmarks/sumix_shares.md`` has both, measured.

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
        distance (str): ``'l2'`` (our reading of the paper) or ``'released'`` (the authors' code). Defaults to ``'l2'``.
        temperature (float, optional): T of ``'l2'``. Defaults to None, 1.
        scale (float, optional): Factor of the vectors of ``'released'``. Defaults to None, the batch size.
        lam_reduction (str, optional): ``'sample'``, the paper's Eq. 3, or ``'batch'``, the mean of the new shares, as
            ``'released'`` takes it. Defaults to None, ``'sample'`` with ``'l2'``.
        relabel (bool): Whether to learn the shares; otherwise the losses use ``lam``. Defaults to True.
        regularizer (str, optional): ``'semantic'``, ``'uncertainty'``, ``'both'`` or None. Defaults to ``'both'``.
        known (Tensor, optional): ``(M,)`` bool, which ``pool_logits`` mean something. A pair with another row keeps
            the proportion of its shares, and its distances are 0. Defaults to None, all.
        label_smoothing (float): Smoothing of the cross entropy on the mixed images. Defaults to 0.0.

    Returns:
        dict[str, Tensor]: ``loss_mix`` and ``loss_reg``, scalars, and ``lam``, ``(N,)`` new own shares without a graph.

    Raises:
        ValueError: If ``distance`` is unknown, or an argument of the other reading was given.
    """
    temperature, scale, lam_reduction = reading('sumix_terms', distance, temperature, scale, lam_reduction)
    dtype = torch.promote_types(mixed_logits.dtype, torch.float32)
    with torch.autocast(mixed_logits.device.type, enabled=False):
        pool_logits, mixed_logits, lam = pool_logits.to(dtype), mixed_logits.to(dtype), lam.to(dtype)
        lam_partner = 1 - lam if lam_partner is None else lam_partner.to(dtype)
        pool_uncertainty, mixed_uncertainty = pool_uncertainty.to(dtype), mixed_uncertainty.to(dtype)
        n = len(mixed_logits)
        a, b = pool_labels[:n], pool_labels[partner]

        with torch.no_grad():
            clean, mixed = pool_logits.softmax(1), mixed_logits.softmax(1)
            if distance == 'l2':
                # One number for all classes.
                far_a, far_b = (l2_distance(mixed, rows)[:, None] for rows in (clean[:n], clean[partner]))
                at_a = at_b = torch.zeros_like(a)
            else:
                far_a = released_distance(mixed, clean[:n], b)
                far_b = released_distance(mixed, clean[partner], a)
                at_a, at_b = a, b
            factor = temperature or scale or n
            far_a, far_b = factor * far_a, factor * far_b
            if known is not None:
                both = (known[:n] & known[partner])[:, None]
                far_a, far_b = (torch.where(both, far, 0.0) for far in (far_a, far_b))
            new, new_partner = lam, lam_partner
            if relabel:
                new = learned_share(lam, lam_partner, _at(far_a, at_a), _at(far_b, at_b))
                new_partner = 1 - new

        ce_a, ce_b = (_cross_entropy(mixed_logits, labels, label_smoothing) for labels in (a, b))
        if lam_reduction == 'batch':
            loss_mix = new.mean() * ce_a.mean() + new_partner.mean() * ce_b.mean()
        else:
            loss_mix = (new * ce_a + new_partner * ce_b).mean()

        if regularizer is None:
            return dict(loss_mix=loss_mix, loss_reg=loss_mix.new_zeros(()), lam=new)
        gap_a = torch.zeros_like(mixed_uncertainty)
        gap_b = gap_a
        if regularizer in ('semantic', 'both'):
            gap_a, gap_b = gap_a + far_a, gap_b + far_b
        if regularizer in ('uncertainty', 'both'):
            gap_a = gap_a + pool_uncertainty[:n] + mixed_uncertainty
            gap_b = gap_b + pool_uncertainty[partner] + mixed_uncertainty
        reg_a, reg_b = _cross_entropy(_weights(gap_a), a), _cross_entropy(_weights(gap_b), b)
        return dict(loss_mix=loss_mix, loss_reg=(lam * reg_a + lam_partner * reg_b).mean(), lam=new)


def reading(
    owner: str, distance: str, temperature: float | None, scale: float | None, lam_reduction: str | None
) -> tuple[float | None, float | None, str]:
    """What the arguments of the two readings are, given which one it is.

    Args:
        owner (str): Whose arguments they are, for the error.
        distance (str): ``'l2'`` or ``'released'``.
        temperature (float, optional): As given; None if it was not.
        scale (float, optional): Likewise.
        lam_reduction (str, optional): Likewise.

    Returns:
        tuple[float | None, float | None, str]: Temperature, scale and reduction. The temperature is None with
        ``'released'``, the scale with ``'l2'`` and where it is the batch size.

    Raises:
        ValueError: If the reading is unknown, or an argument of the other one was given.
    """
    if distance not in DISTANCES:
        raise ValueError(f"{owner}: `distance` must be 'l2' or 'released', but got {distance!r}.")
    if distance == 'l2':
        if scale is not None:
            raise ValueError(
                f"{owner}: `scale` belongs to distance='released': remove it, or set `temperature` for distance='l2'."
            )
        return 1.0 if temperature is None else temperature, None, lam_reduction or 'sample'
    if temperature is not None:
        raise ValueError(
            f"{owner}: `temperature` belongs to distance='l2': remove it, or set `scale` for distance='released'."
        )
    if lam_reduction == 'sample':
        raise ValueError(
            f"{owner}: distance='released' takes the batch mean of the shares: remove lam_reduction='sample', or use "
            "distance='l2'."
        )
    return None, scale, 'batch'


def unit_softmax(logits: Tensor) -> Tensor:
    """The softmax of each row, divided by its Euclidean norm."""
    return F.normalize(F.softmax(logits, dim=1), dim=1)


def l2_distance(mixed: Tensor, clean: Tensor) -> Tensor:
    """How far mixed images are from one of the two that they were made of, by their probabilities, ``(N,)``."""
    return (mixed - clean).norm(dim=1)


def released_distance(mixed: Tensor, clean: Tensor, rival: Tensor) -> Tensor:
    """The same, class by class, ``(N, K)``, as released and not scaled.

    Args:
        mixed (Tensor): ``(N, K)`` probabilities of the mixed images.
        clean (Tensor): ``(N, K)`` those of the clean images.
        rival (Tensor): ``(N,)`` classes of the other images, which are erased.
    """
    return unit_softmax(mixed - clean.scatter(1, rival[:, None], 0))


def learned_share(lam: Tensor, lam_partner: Tensor, far_a: Tensor, far_b: Tensor) -> Tensor:
    """The new own share ``w_a / (w_a + w_b)``, where ``w`` is a share times ``exp(-distance)``; all ``(N,)``."""
    # From the logarithms of both weights: exp(-scale) underflows. Two shares of 0 leave nothing to weigh: infinity
    # minus infinity.
    return torch.sigmoid((lam.log() - far_a) - (lam_partner.log() - far_b)).nan_to_num(nan=0.5)


def _weights(gap: Tensor) -> Tensor:
    # Only where U are raw logits can a gap be negative, and its exponential overflow.
    return (-gap).clamp(max=80).exp()


def _at(values: Tensor, labels: Tensor) -> Tensor:
    return values.gather(1, labels[:, None]).squeeze(1)


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(logits, labels, reduction='none', label_smoothing=smoothing)
