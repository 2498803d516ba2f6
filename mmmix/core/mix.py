"""What came out of mixing a batch, and how its labels follow from the shares."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mix:
    """A mixed batch and everything that explains it.

    Attributes:
        images (Tensor): ``(N, C, H, W)`` mixed images.
        scores (Tensor): ``(N, K)`` mixed soft labels.
        pool (Tensor): ``(M, C, H, W)`` clean images; rows ``0..N-1`` are the batch itself.
        pool_scores (Tensor): ``(M, K)`` their labels.
        partner (Tensor): ``(N,)`` row of ``pool`` that was mixed into each image.
        mask (Tensor): ``(N, 1, H, W)`` share of each OWN pixel: 1 keeps it.
        lam (Tensor): ``(N,)`` share of the own label.
        lam_partner (Tensor): ``(N,)`` share of the partner's label; ``1 - lam`` unless the method says otherwise.
        mixed (bool): Whether anything was mixed at all, known without looking at the device.
        share (Tensor, optional): The own share that was drawn, before the mask was: ``(N,)``, or ``(1,)`` on the host
            for one in the whole batch; None where nothing was mixed.
        at (str): Path of the module whose output was mixed. Then ``images`` are the clean batch and ``mask`` has the
            resolution of the features. Empty: the images were mixed.
    """

    images: Tensor
    scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    partner: Tensor
    mask: Tensor
    lam: Tensor
    lam_partner: Tensor
    mixed: bool = True
    at: str = ''
    share: Tensor | None = None

    @classmethod
    def told(
        cls,
        images: Tensor,
        mask: Tensor,
        pool: Tensor,
        pool_scores: Tensor,
        partner: Tensor,
        lam: Tensor,
        lam_partner: Tensor,
        share: Tensor | None = None,
    ) -> 'Mix':
        """The story of mixed images, with the labels that follow; the mask broadcasts to ``(N, 1, H, W)``."""
        return cls(
            images=images,
            scores=mix_scores(pool_scores, partner, lam, lam_partner),
            pool=pool,
            pool_scores=pool_scores,
            partner=partner,
            mask=mask.expand(len(partner), 1, *images.shape[2:]),
            lam=lam,
            lam_partner=lam_partner,
            share=share,
        )

    @classmethod
    def unmixed(cls, images: Tensor, scores: Tensor) -> 'Mix':
        """The batch as it came, as a mix: every image keeps all of itself."""
        ones = images.new_ones((), dtype=torch.float32)
        return cls(
            images=images,
            scores=scores,
            pool=images,
            pool_scores=scores,
            partner=torch.arange(len(images), device=images.device),
            mask=ones.expand(len(images), 1, *images.shape[2:]),
            lam=ones.expand(len(images)),
            lam_partner=(1 - ones).expand(len(images)),
            mixed=False,
        )


def with_shares(mix: Mix, lam: Tensor, lam_partner: Tensor) -> Mix:
    """The same mix with these label shares, ``(N,)`` each, and the scores that follow from them."""
    scores = mix_scores(mix.pool_scores, mix.partner, lam, lam_partner)
    return replace(mix, scores=scores, lam=lam, lam_partner=lam_partner)


def smoothed(mix: Mix, smoothing: float) -> Mix:
    """The same mix with so much of each label spread evenly over all classes, in the mixture as in the pool."""
    if not smoothing:
        return mix
    scores, pool_scores = (
        (1 - smoothing) * rows + smoothing / rows.shape[1] * rows.sum(1, keepdim=True)
        for rows in (mix.scores, mix.pool_scores)
    )
    return replace(mix, scores=scores, pool_scores=pool_scores)


def mix_scores(pool_scores: Tensor, partner: Tensor, lam: Tensor, lam_partner: Tensor) -> Tensor:
    """The mixed soft labels, ``(N, K)``, of the first rows of a pool and their partners in it, with shares ``(N,)``."""
    own, other = pool_scores[: lam.shape[0]], pool_scores.index_select(0, partner)
    # One new tensor in place of four: with many classes the labels are not small.
    dtype = torch.promote_types(own.dtype, lam.dtype)
    scores = other.to(dtype).mul_(lam_partner[:, None])
    return scores.addcmul_(own.to(dtype), lam[:, None].to(dtype)).to(own.dtype)


def mix_many(pool_scores: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
    """The mixed soft labels ``(N, K)`` of rows ``(N, n)`` of a pool, with shares ``(N, n)``."""
    return (shares[:, :, None] * pool_scores[rows]).sum(1)
