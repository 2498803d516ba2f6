"""Partners whose labels are near."""

import torch
from torch import Tensor

from ..core.fields import number
from ..core.roles import Partners


class NearLabels(Partners):
    r"""Partners with near labels, for regression: C-Mixup.

    `C-Mixup: Improving Generalization in Regression <https://arxiv.org/abs/2210.05775>`_. Between labels that are far
    apart a straight line need not hold, so an image meets each one of the batch with a chance in proportion to a
    Gaussian of the distance of their labels,

    .. math::
        P(j \mid i) \propto \exp\left(-\frac{\lVert y_i - y_j \rVert^2}{2 \, \text{bandwidth}^2}\right),

    itself included. Labels are those of a :class:`mmmix.RegressionHead`, ``(N, K)`` numbers. In :class:`Mixup` it is
    the paper's method, with ``at=[...]`` its variant on features, and other mixers take it as well. A large
    ``bandwidth`` is a partner drawn evenly, a small one nobody but images of the same label.

    Deviation from the authors' code: partners come from the batch, as in its ``batch_type=1``, where its default
    draws from the whole training set with a table of all pairs.

    Example:
        >>> import torch
        >>> from mmmix import Mixup, NearLabels
        >>> mixer = Mixup(alpha=2.0, partners=NearLabels(bandwidth=0.1))
        >>> mix = mixer.mix(torch.rand(8, 3, 8, 8), torch.linspace(0, 1, 8)[:, None])
        >>> mix.scores.shape
        torch.Size([8, 1])
    """

    bandwidth: float = number(
        default=1.0, above=0, like=0.1, doc='Standard deviation of the Gaussian, in units of the labels.'
    )

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a partner for each image, all at once."""
        labels = scores.float() / self.bandwidth
        far = torch.cdist(labels, labels, compute_mode='donot_use_mm_for_euclid_dist')
        # The largest of logarithms of chances with Gumbel noise is a draw from them, and nothing underflows.
        noise = torch.empty_like(far).exponential_().log_()
        return images, scores, (-0.5 * far.square() - noise).argmax(1)
