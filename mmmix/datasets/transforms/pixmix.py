"""PixMix in the data pipeline."""

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from ...core import check
from ...core.fields import flag, number, text, whole
from ...registry import TRANSFORMS
from ..fractals import kept_fractals
from .annotations import check_annotations
from .operations import MOVERS, array_of, as_bytes, changed, operations, picture_of

#: A picture covers this much more than the image, as the authors' 36 pixels do 32.
_BEYOND = 36 / 32
_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.webp')


@TRANSFORMS.register_module()
class PixMix(BaseTransform):
    r"""An image is mixed a few times with a picture of fractals or with a changed copy of itself; the label stays.

    `PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures <https://arxiv.org/abs/2112.05135>`_. It begins
    with the image or, with equal chance, one of the operations of :class:`mmmix.AugMix` on it. Up to ``k`` times the
    same picture, or the image after another operation, is added to it or multiplied with it, with random weights that
    ``beta`` keeps near the image. For any classifier and any pipeline of images.

    The authors mix with 14,230 fractals and feature visualisations, which are to be downloaded. Here ``count`` fractals
    of random affine iterated function systems are drawn instead, or the pictures of a ``folder`` of yours are taken.

    Deviations from the authors' code: the pictures; shifts are relative to the width or height of the image; the result
    is rounded to grey levels before it is normalised; random numbers come from torch.

    Args:
        folder (str, optional): A folder with pictures, in it or in folders of it. Defaults to None, fractals.
        k (int): How often is mixed, at most; from 0 up with equal chance. Defaults to 4.
        beta (float): How near to the image the weights stay. Defaults to 3.0.
        severity (float): The largest level of an operation, in (0.1, 10]. Defaults to 3.0.
        all_ops (bool): Whether colour, contrast, brightness and sharpness are changed too. Defaults to False.
        count (int): How many fractals are drawn. Defaults to 1000.
        size (int): Their height and width, from which they are resized to the image. Defaults to 64.
        seed (int): Which ones. Defaults to 0.
        cache (str, optional): A folder to keep them in: they are drawn when the first image comes, by one process, and
            shared. Defaults to None: they are drawn when the transform is built, in about ten seconds, and anew in
            every run.

    Raises:
        TypeError: If images do not hold bytes.
        ValueError: If an argument is out of range, if there are no pictures in ``folder``, or if a sample has boxes,
            masks or keypoints, which would not move.

    Required Keys:

    - img

    Modified Keys:

    - img

    Example:
        >>> import numpy as np
        >>> from mmmix import PixMix
        >>> image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        >>> PixMix(count=8, size=16)(dict(img=image))['img'].shape
        (32, 32, 3)
    """

    def __init__(
        self,
        folder: str | None = None,
        k: int = 4,
        beta: float = 3.0,
        severity: float = 3.0,
        all_ops: bool = False,
        count: int = 1000,
        size: int = 64,
        seed: int = 0,
        cache: str | None = None,
    ):
        (
            self.folder,
            self.k,
            self.beta,
            self.severity,
            self.all_ops,
            self.count,
            self.size,
            self.seed,
            self.cache,
        ) = check(
            self,
            folder=(folder, text(what='a path', optional=True, like='data/pictures')),
            k=(k, whole(least=0, like=4)),
            beta=(beta, number(above=0, like=3.0)),
            severity=(severity, number(above=0.1, most=10, like=3.0)),
            all_ops=(all_ops, flag()),
            count=(count, whole(least=1, like=1000)),
            size=(size, whole(least=8, like=64)),
            seed=(seed, whole(least=0, like=0)),
            cache=(cache, text(what='a path', optional=True, like='data/fractals')),
        )
        self.operations = operations(self.all_ops)
        self.files: list[Path] = []
        if self.folder is not None:
            self.files = sorted(path for path in Path(self.folder).rglob('*') if path.suffix.lower() in _ENDINGS)
            if not self.files:
                raise ValueError(
                    f'PixMix: there are no pictures ({", ".join(_ENDINGS)}) in {self.folder!r}: name another `folder`, '
                    'or leave it out to mix with fractals.'
                )
        elif self.cache is None:
            self._fractals()

    def _fractals(self) -> np.ndarray:
        return kept_fractals(self.count, self.size, self.seed, self.cache)

    def transform(self, results: dict) -> dict:
        """Mix the image."""
        check_annotations(results, MOVERS, type(self).__name__)
        image = results['img']
        return {**results, 'img': self.mixed(image, self.picture(image))}

    def picture(self, image: np.ndarray) -> np.ndarray:
        """One of the pictures, resized and cropped to the image, in [0, 1], float32, of its shape."""
        if self.files:
            with Image.open(self.files[int(torch.randint(len(self.files), ()))]) as opened:
                drawn = opened.convert('RGB')
        else:
            fractals = self._fractals()
            drawn = Image.fromarray(np.asarray(fractals[int(torch.randint(len(fractals), ()))]))
        height, width = image.shape[:2]
        factor = _BEYOND * max(height / drawn.height, width / drawn.width)
        drawn = drawn.resize((round(drawn.width * factor), round(drawn.height * factor)), Image.Resampling.BILINEAR)
        left = int(torch.randint(drawn.width - width + 1, ()))
        top = int(torch.randint(drawn.height - height + 1, ()))
        drawn = drawn.crop((left, top, left + width, top + height))
        return array_of(drawn if image.ndim == 3 and image.shape[2] == 3 else drawn.convert('L'), image) / 255

    def mixed(self, image: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """The image mixed with a picture and with itself.

        Args:
            image (np.ndarray): ``(H, W, C)`` or ``(H, W)``, uint8.
            picture (np.ndarray): Of its shape, in [0, 1].

        Returns:
            np.ndarray: Of its shape, uint8.
        """
        own = picture_of(image, type(self).__name__)

        def another() -> np.ndarray:
            return array_of(changed(own, self.operations, self.severity), image) / 255

        mixed = another() if _coin() else image.astype(np.float32) / 255
        for _ in range(int(torch.randint(self.k + 1, ()))):
            other = another() if _coin() else picture
            blend = added if _coin() else multiplied
            mixed = blend(mixed, other, *self.weights()).clip(0, 1)
        return as_bytes(255 * mixed)

    def weights(self) -> tuple[float, float]:
        """Weights of what is there and of what comes: Beta(beta, 1) and Beta(1, beta), or as far beyond 1 and 0."""
        first, second = (float(torch.rand(())) ** (1 / self.beta) for _ in range(2))
        return (first, 1 - second) if _coin() else (2 - first, second - 1)

    def __repr__(self) -> str:
        pictures = (
            f'folder={self.folder!r}' if self.files else f'count={self.count}, size={self.size}, seed={self.seed}'
        )
        return (
            f'{type(self).__name__}({pictures}, k={self.k}, beta={self.beta}, severity={self.severity}, '
            f'all_ops={self.all_ops}, cache={self.cache!r})'
        )


def _coin() -> bool:
    return bool(torch.rand(()) < 0.5)


def added(mixed: np.ndarray, other: np.ndarray, own: float, weight: float) -> np.ndarray:
    """Weighted sum, of colours between -1 and 1."""
    return (own * (2 * mixed - 1) + weight * (2 * other - 1) + 1) / 2


def multiplied(mixed: np.ndarray, other: np.ndarray, own: float, weight: float) -> np.ndarray:
    """Weighted geometric mean, of colours between 0 and 2."""
    return (2 * mixed) ** own * (2 * other).clip(1e-37) ** weight / 2
