"""Two views of one image, one of them changed a little and one a lot."""

from collections.abc import Callable, Sequence
from copy import deepcopy

from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .arrays import as_tensor, build_transform


@TRANSFORMS.register_module()
class WeakStrong(BaseTransform):
    """A weak and a strong view of the image, for :class:`mmmix.SemiSupervisedClassifier`.

    Both begin with the same image. The image becomes the weak view, the strong one travels along as ``strong_view``,
    and with it the ``clean_view`` that :class:`mmmix.KeepRandAugment` sends. No transform may come between this one and
    ``PackInputs``, which packs them by ``algorithm_keys=('strong_view', 'clean_view')``.

    Args:
        weak (Sequence[dict | Callable]): Transforms of the weak view.
        strong (Sequence[dict | Callable]): Transforms of the strong view.

    Required Keys:

    - img

    Modified Keys:

    - img, and what the weak transforms change

    Added Keys:

    - strong_view, ``(C, H, W)``
    - clean_view, if the strong transforms send one

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import WeakStrong
        >>> views = WeakStrong(weak=[], strong=[dict(type='Invert', prob=1.0)])
        >>> results = views(dict(img=np.zeros((8, 8, 3), np.uint8)))
        >>> int(results['img'].max()), int(results['strong_view'].min())
        (0, 255)
    """

    def __init__(
        self,
        weak: Sequence[dict | Callable[[dict], dict | None]],
        strong: Sequence[dict | Callable[[dict], dict | None]],
    ):
        self.weak = [build_transform(transform) for transform in weak]
        self.strong = [build_transform(transform) for transform in strong]

    def transform(self, results: dict) -> dict | None:
        """Both views."""
        views: list[dict] = []
        for transforms in (self.weak, self.strong):
            view: dict | None = deepcopy(results)
            for transform in transforms:
                view = transform(view)
                if view is None:
                    return None
            assert view is not None
            views.append(view)
        weak, strong = views
        weak['strong_view'] = as_tensor(strong['img'])
        if 'clean_view' in strong:
            weak['clean_view'] = strong['clean_view']
        return weak

    def __repr__(self) -> str:
        return f'{type(self).__name__}(weak={self.weak}, strong={self.strong})'
