"""KeepAugment's selective cut."""

from .quantile import QuantileKeep


class SelectiveCut(QuantileKeep):
    """KeepAugment's selective cut: what is cut out is never among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box
    may fall only where the sum of the guide's map inside it is at most the ``tau``-quantile over all places of a box of
    that size in that image; among these places it falls uniformly. The paper samples and rejects; here all places are
    rated at once from an integral image, so the cost is fixed and the device never waits for the host.

    The box keeps the size that it had after it was clipped at the border, so the law of the label shares is the mixer's
    own. A box that was clipped is moved along the borders as long as one of these places is allowed, any other one over
    the whole image: ``tau=1`` is the mixer without a keep.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, InputGradient, SelectiveCut
        >>> keep = SelectiveCut(guide=InputGradient(), tau=0.6)
        >>> keep.bind(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)))
        >>> images, scores = CutMix(keep=keep)(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    below = True
