"""KeepAugment's selective cut."""

from .quantile import QuantileKeep


class SelectiveCut(QuantileKeep):
    """KeepAugment's selective cut: what is cut out is never among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box
    may fall only where the sum of the guide's map inside it is at most the ``tau``-quantile over all candidates in that
    image; among these places it falls uniformly. The paper samples and rejects; here all places are rated at once from
    an integral image, so the cost is fixed and the device never waits for the host. ``tau=1`` is the mixer without a
    keep.

    What is a candidate can be read in two ways, of which ``candidates`` takes one. With ``'inside'`` the box keeps the
    size that it had after it was clipped at the border, so the law of the label shares is the mixer's own; with
    ``'clipped'`` it falls as the mixer lets it fall, and what lies beyond the border is not cut.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, InputGradient, SelectiveCut
        >>> keep = SelectiveCut(guide=InputGradient(), tau=0.6)
        >>> keep.bind(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)))
        >>> images, scores = CutMix(keep=keep)(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    below = True
