"""AugMix in the data pipeline."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from ...core import check
from ...core.fields import flag, number, span, whole
from ...ops.draws import beta
from ...registry import TRANSFORMS
from .annotations import check_annotations
from .arrays import as_tensor
from .operations import MOVERS, array_of, as_bytes, changed, operations, picture_of


@TRANSFORMS.register_module()
class AugMix(BaseTransform):
    r"""Several chains of operations on one image, averaged, and mixed with the image itself.

    `AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty <https://arxiv.org/abs/1912.02781>`_.
    Each of ``width`` chains is 1 to 3 operations long; their results are averaged with Dirichlet weights, and that is
    mixed with the image by a Beta weight. The label stays. Operations are autocontrast, equalize, posterize, solarize,
    rotate, shear and translate, each at a level uniform in [0.1, ``severity``] of 10: none of those that benchmarks of
    corruptions test.

    - ``views=2``, the paper's: the image stays and two such mixtures travel along as ``views``. Let
      ``PackInputs(algorithm_keys=('views',))`` pack them and :class:`mmmix.JensenShannonLoss` compare what
      :class:`mmmix.MixClassifier` makes of them. No other transform may follow before ``PackInputs``.
    - ``views=0``: the image becomes one mixture, for any classifier and any pipeline of images.

    Deviations from the authors' code: shifts are relative to the width or height of the image, which there is a
    constant; mixtures are rounded to grey levels before they are normalised; random numbers come from torch.

    Args:
        views (int): How many mixtures travel along; 0 puts one in the place of the image. Defaults to 2.
        severity (float): The largest level of an operation, in (0.1, 10]. Defaults to 3.0.
        width (int): How many chains. Defaults to 3.
        depth (Sequence[int]): The least and the largest number of operations in a chain. Defaults to (1, 3).
        alpha (float): Parameter of the Dirichlet weights of the chains and of the Beta weight of their mean. Defaults
            to 1.0.
        all_ops (bool): Whether colour, contrast, brightness and sharpness are changed too: some of that is what
            benchmarks of corruptions test. Defaults to False.

    Raises:
        TypeError: If images do not hold bytes.
        ValueError: If an argument is out of range, or a sample has boxes, masks or keypoints, which would not move.

    Required Keys:

    - img

    Modified Keys:

    - img (with ``views=0``)

    Added Keys:

    - views (else), ``(views, C, H, W)``, uint8

    Example:
        >>> import numpy as np
        >>> from mmmix import AugMix
        >>> image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        >>> AugMix()(dict(img=image))['views'].shape
        torch.Size([2, 3, 32, 32])
        >>> AugMix(views=0)(dict(img=image))['img'].shape
        (32, 32, 3)
    """

    def __init__(
        self,
        views: int = 2,
        severity: float = 3.0,
        width: int = 3,
        depth: Sequence[int] = (1, 3),
        alpha: float = 1.0,
        all_ops: bool = False,
    ):
        self.views, self.severity, self.width, self.depth, self.alpha, self.all_ops = check(
            self,
            views=(views, whole(least=0, like=2)),
            severity=(severity, number(above=0.1, most=10, like=3.0)),
            width=(width, whole(least=1, like=3)),
            depth=(depth, span(least=1, whole=True, like=(1, 3))),
            alpha=(alpha, number(above=0, like=1.0)),
            all_ops=(all_ops, flag()),
        )
        self.operations = operations(self.all_ops)

    def transform(self, results: dict) -> dict:
        """Add views of the image, or put one in its place."""
        check_annotations(results, MOVERS, type(self).__name__)
        image = results['img']
        picture = picture_of(image, type(self).__name__)
        if not self.views:
            return {**results, 'img': self.mixture(picture, image)}
        views = [as_tensor(self.mixture(picture, image)) for _ in range(self.views)]
        return {**results, 'views': torch.stack(views)}

    def mixture(self, picture: Image.Image, image: np.ndarray) -> np.ndarray:
        """One mixture, of the shape of the image, uint8.

        Args:
            picture (Image.Image): The image as a picture.
            image (np.ndarray): ``(H, W, C)`` or ``(H, W)``, uint8.
        """
        weights = torch._standard_gamma(torch.full((self.width,), self.alpha, dtype=torch.float64))
        weights = weights / weights.sum()
        share = float(beta(self.alpha, 1, 'cpu'))
        low, high = self.depth
        mixed = (1 - share) * image.astype(np.float32)
        for weight in weights.tolist():
            chain = picture
            for _ in range(int(torch.randint(low, high + 1, ()))):
                chain = changed(chain, self.operations, self.severity)
            mixed += share * weight * array_of(chain, image)
        return as_bytes(mixed)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(views={self.views}, severity={self.severity}, width={self.width}, '
            f'depth={self.depth}, alpha={self.alpha}, all_ops={self.all_ops})'
        )
