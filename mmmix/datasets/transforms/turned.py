"""A regression task out of any images: by how much was it turned?"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from ...core import check
from ...core.fields import span
from ...registry import TRANSFORMS
from .operations import picture_of


@TRANSFORMS.register_module()
class Turned(BaseTransform):
    """Turn each image by an angle of its own, and make that the label: a regression task that needs no download.

    C-Mixup's paper does so with Fashion-MNIST. The angle is a rule and not a draw, so that it is the same in each epoch
    and for the test images: multiples of the golden ratio by the number of the sample, which are spread evenly. The
    label ``gt_score`` is uniform in [-1, 1] over the range.

    Args:
        degrees (Sequence[float]): The range of angles. Defaults to (-60.0, 60.0).

    Raises:
        TypeError: If images do not hold bytes.
        ValueError: If an argument is out of range.

    Required Keys:

    - img
    - sample_idx

    Modified Keys:

    - img

    Added Keys:

    - gt_score, ``(1,)``

    Example:
        >>> import numpy as np
        >>> from mmmix import Turned
        >>> Turned()(dict(img=np.zeros((8, 8, 3), np.uint8), sample_idx=0))['gt_score']
        array([-1.], dtype=float32)
    """

    def __init__(self, degrees: Sequence[float] = (-60.0, 60.0)):
        (self.degrees,) = check(self, degrees=(degrees, span(least=-180, most=180, like=(-60.0, 60.0))))

    def transform(self, results: dict) -> dict:
        """Turn one image."""
        image, (low, high) = results['img'], self.degrees
        place = results['sample_idx'] * (sqrt(5) - 1) / 2 % 1
        turned = picture_of(image, type(self).__name__).rotate(low + place * (high - low), Image.Resampling.BILINEAR)
        score = np.array([2 * place - 1], np.float32)
        return {**results, 'img': np.array(turned).reshape(image.shape), 'gt_score': score}

    def __repr__(self) -> str:
        return f'{type(self).__name__}(degrees={self.degrees})'
