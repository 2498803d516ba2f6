"""A real image data set that needs no download."""

from collections.abc import Sequence

import numpy as np
from mmpretrain.datasets import BaseDataset
from PIL import Image

from ..core import check
from ..core.fields import choice, whole
from ..registry import DATASETS

#: Every fourth image of each class is a test image.
_TEST_EVERY = 4


@DATASETS.register_module()
class Digits(BaseDataset):
    """The handwritten digits that come with scikit-learn, as a classification data set.

    1,797 grey images of 8 x 8 pixels with 17 grey levels, ten classes: the test part of the `optical recognition of
    handwritten digits data set <https://archive.ics.uci.edu/dataset/80>`_ of the UCI repository. Each image is
    scaled to 0..255, enlarged to ``size`` x ``size`` with bilinear interpolation and repeated in three equal channels,
    so that a pipeline and a network for CIFAR take it as it is.

    The split is a rule and not a draw, so it is the same everywhere and for ever: counted per class in the order of
    the data set, images 3, 7, 11, ... (from 0) are the test split, all others the training split. That makes 1,352
    training and 445 test images, and about one test image in four in every class.

    Args:
        split (str): The part to load, "train" or "test". Defaults to "train".
        size (int): Height and width of the images. Defaults to 32.
        metainfo (dict, optional): Meta information, such as other names for the classes. Defaults to None.
        indices (int | Sequence[int], optional): Use only these images of the split, or the first so many. Defaults
            to None, which means all.
        serialize_data (bool): Whether workers share the images in serialized form. Defaults to True.
        pipeline (Sequence): Transforms, or configs of transforms; the first one finds the image under ``img``
            and the label under ``gt_label``. Defaults to an empty tuple.
        test_mode (bool): Whether a failing transform is an error instead of a reason to take another image.
            Defaults to False.
        lazy_init (bool): Whether to load the images at first use instead of now. Defaults to False.
        max_refetch (int): How many other images to try in place of a failing one. Defaults to 1000.

    Example:
        >>> from mmmix.datasets import Digits
        >>> digits = Digits(split='test')
        >>> len(digits), digits.metainfo['classes'][:3]
        (445, ('0', '1', '2'))
        >>> sample = digits[0]
        >>> sample['img'].shape, sample['img'].dtype, sample['gt_label']
        ((32, 32, 3), dtype('uint8'), 0)
    """

    METAINFO = {'classes': tuple('0123456789')}  # noqa: RUF012 (mmengine copies it for each data set)

    def __init__(
        self,
        split: str = 'train',
        size: int = 32,
        metainfo: dict | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        self.split, self.size = check(
            self, split=(split, choice('train', 'test')), size=(size, whole(default=32, least=1))
        )
        super().__init__(
            ann_file='',
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=pipeline,
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    def load_data_list(self) -> list[dict]:
        """Load the images and labels of the split.

        Returns:
            list[dict]: One dict per image: ``img``, an array of shape ``(size, size, 3)`` and type uint8, and
            ``gt_label``, an int.
        """
        return [
            {'img': np.repeat(enlarged(image, self.size)[..., None], 3, axis=-1), 'gt_label': label}
            for image, label in digits_of(self, self.split)
        ]

    def extra_repr(self) -> list[str]:
        """Describe the split.

        Returns:
            list[str]: Lines for ``repr``.
        """
        return [f'Split: \t{self.split}', f'Size: \t{self.size}']


def digits_of(owner: object, split: str) -> list[tuple[np.ndarray, int]]:
    """The digits of a split as they come with scikit-learn, in its order.

    Args:
        owner (object): Who asks, for the error.
        split (str): "train" or "test".

    Returns:
        list[tuple[np.ndarray, int]]: An image of 8 x 8 pixels in 0..255, uint8, and its label, for each digit.

    Raises:
        ModuleNotFoundError: If there is no scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'mmmix.{type(owner).__name__} needs scikit-learn: run `pip install "mmmix[quickstart]"`.'
        ) from error
    images, labels = load_digits(return_X_y=True)
    images = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)

    found = []
    seen = np.zeros(10, dtype=int)
    for image, label in zip(images, labels.tolist(), strict=True):
        is_test = seen[label] % _TEST_EVERY == _TEST_EVERY - 1
        seen[label] += 1
        if is_test == (split == 'test'):
            found.append((image, label))
    return found


def enlarged(image: np.ndarray, size: int) -> np.ndarray:
    """A grey image brought to ``size`` x ``size`` pixels bilinearly."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
