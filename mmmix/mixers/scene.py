"""What is settled before a batch is mixed, and the checks of what a mixer is given."""

import functools
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..part import Guide, Partners


@dataclass
class Scene:
    """The batch that is being mixed, so that guides are asked once and with the right labels."""

    own: Tensor
    own_scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    partner: Tensor
    #: The drawn own shares, ``(N,)`` or ``(1,)``.
    share: Tensor
    #: What the mixer is shown of the batch and of its partners: images, or features of them.
    shown: Tensor | None = None
    other: Tensor | None = None
    maps: dict[int, Tensor] = field(default_factory=dict)
    #: The own and the partner's label share, where the method has a law of its own; None for the area in the mask.
    shares: tuple[Tensor, Tensor] | None = None

    def importance(self, guide: Guide, of_partners: bool, whole_pool: bool) -> Tensor:
        """The guide's maps of the batch or of its partners; ``whole_pool`` asks for both at once."""
        rows = self.maps.get(id(guide))
        if rows is None or (of_partners and len(rows) < len(self.pool)):
            whole_pool = whole_pool or of_partners
            rows = guide(self.pool, self.pool_scores) if whole_pool else guide(self.own, self.own_scores)
            self.maps[id(guide)] = rows
        return rows.index_select(0, self.partner) if of_partners else rows[: len(self.own)]


def check_at(mixer: Any, at: str | Sequence[str] | None) -> tuple[str, ...]:
    """The places where a mixer mixes.

    Raises:
        ValueError: If they are no paths, or if this mixer and its parts can mix nothing but images.
    """
    name = type(mixer).__name__
    places = ('',) if at is None else (at,) if isinstance(at, str) else tuple(at)
    if not places or not all(isinstance(place, str) for place in places):
        raise ValueError(f"{name}: `at` must name modules, e.g. at=['', 'backbone.layer1'], but got {at!r}.")
    if not any(places):
        return places
    if not mixer.mixes_features:
        raise ValueError(f'{name} mixes images only: remove `at`.')
    if type(mixer.partners).remember is not Partners.remember:
        raise ValueError(
            f'{name}: {type(mixer.partners).__name__} mixes in the images of the last step, but with `at` no images '
            'are mixed: use other `partners`, or remove `at`.'
        )
    if mixer.labels is not None and mixer.labels.sees_mixed_images:
        raise ValueError(
            f'{name}: {type(mixer.labels).__name__} looks at the mixed images, but with `at` features are mixed: use '
            'other `labels`, or remove `at`.'
        )
    mixer.needs_model = True
    return places


def let_take_at(cls: type) -> None:
    """Let the ``__init__`` of a mixer that does not name ``at`` take it all the same."""
    init = vars(cls).get('__init__')
    if init is None or 'at' in inspect.signature(init).parameters:
        return
    signature = inspect.signature(init)

    @functools.wraps(init)
    def taking_at(self: Any, *args: Any, at: str | Sequence[str] | None = None, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if at is not None:
            self.at = check_at(self, at)

    named = inspect.Parameter('at', inspect.Parameter.KEYWORD_ONLY, default=None)
    taking_at.__signature__ = signature.replace(parameters=[*signature.parameters.values(), named])  # type: ignore[attr-defined]
    cls.__init__ = taking_at  # type: ignore[misc]


def check_batch(images: Any, scores: Any, min_ndim: int = 4, check_finite: bool = False) -> Tensor:
    """Refuse a batch that cannot be mixed, in one line that says what to do.

    Args:
        images (Tensor): What should be ``(N, C, H, W)`` floating point images.
        scores (Tensor): What should be ``(N, K)`` labels.
        min_ndim (int): The least number of dimensions of ``images``. Defaults to 4.
        check_finite (bool): Whether to look for NaN and infinity, at the price of a synchronisation. Defaults to False.

    Returns:
        Tensor: The scores as floating point.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        what = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f'Only floating point images can be mixed, but got {what}: call `.float()` or normalise first.')
    if images.ndim < min_ndim:
        raise ValueError(
            f'Expected images of shape (N, C, H, W), but got {tuple(images.shape)}: add the missing '
            'dimensions, e.g. `images[None]`.'
        )
    if not isinstance(scores, Tensor):
        raise TypeError(
            f'Expected labels of shape (N, K), but got {type(scores).__name__}: pass one-hot or soft scores.'
        )
    if scores.ndim != 2:
        raise ValueError(
            f'Expected labels of shape (N, K), but got {tuple(scores.shape)}: class indices must be made '
            'one-hot first, e.g. `torch.nn.functional.one_hot(labels, num_classes)`.'
        )
    if len(images) == 0:
        raise ValueError('The batch is empty: there is nothing to mix, so skip it or drop empty batches in the loader.')
    if len(images) != len(scores):
        raise ValueError(f'Got {len(images)} images but {len(scores)} labels: pass one row of scores per image.')
    if images.device != scores.device:
        raise ValueError(f'Images are on {images.device} but labels on {scores.device}: move both to one device.')
    if check_finite and not bool(torch.isfinite(images).all()):
        raise ValueError('Some images hold NaN or infinity: look at the data pipeline and at `mean` and `std`.')
    return scores if scores.is_floating_point() else scores.float()
