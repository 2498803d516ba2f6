"""Fine-grained saliency: centre against surround."""

import torch
from torch import Tensor

from ..core.fields import several
from ..core.roles import Guide
from ..ops.devices import without_autocast
from ..ops.maps import bounds


class FineGrained(Guide):
    """Fine-grained saliency: how far each pixel departs from its surround, at several scales.

    `Human detection using a mobile platform and novel features derived from a visual saliency mechanism
    <https://doi.org/10.1016/j.imavis.2009.06.006>`_, the detector that SaliencyMix takes from OpenCV. It looks at the
    image alone. The image is made grey; at each scale the surround is the mean over a square around the pixel without
    the pixel, clipped at the border, from one integral image; brighter and darker pixels count alike, and scales are
    added. Batched on the images' device, without OpenCV.

    The radii and the mean without the centre were read in OpenCV's source (``staticSaliencyFineGrained.cpp`` in
    opencv_contrib), not in the paper; nothing was compared with OpenCV's output. Deviations from it: grey is the plain
    mean of the channels and is not blurred first (there twice, by a Gaussian of 3 x 3); the square is centred,
    ``2 * radius + 1`` on a side (there ``2 * radius``, half a pixel to the lower right); responses are in floating
    point (there cut to whole numbers at each scale); and those to brighter and to darker centres are added as they are
    (there each is brought to 0..255 first).

    Example:
        >>> import torch
        >>> from mmmix import FineGrained
        >>> images = torch.zeros(1, 3, 32, 32)
        >>> images[..., 8, 20] = 1
        >>> int(FineGrained()(images).flatten().argmax()) == 8 * 32 + 20
        True
    """

    radii: tuple[int, ...] = several(
        default=(12, 24, 28, 48, 56, 112),
        least=1,
        doc="Half the sides of the surrounds in pixels, by default OpenCV's.",
    )

    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        with without_autocast(images):
            grey = images.double().mean(1)
            n, height, width = grey.shape
            integral = grey.new_zeros(n, height + 1, width + 1)
            integral[:, 1:, 1:] = grey.cumsum(1).cumsum(2)
            found = torch.zeros_like(grey)
            for radius in self.radii:
                (top, bottom), (left, right) = (bounds(side, radius, grey.device) for side in (height, width))
                rows = integral.index_select(1, bottom) - integral.index_select(1, top)
                sums = rows.index_select(2, right) - rows.index_select(2, left)
                area = (bottom - top)[:, None] * (right - left)[None, :]
                found += (grey - (sums - grey) / (area - 1).clamp(min=1)).abs()
            return found[:, None].float()
