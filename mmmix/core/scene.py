"""What is settled before a batch is mixed."""

from dataclasses import dataclass, field

from torch import Tensor

from .roles import Guide, Labels, Partners


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
    maps: dict[tuple[int, bool], Tensor] = field(default_factory=dict)
    #: Whether nobody else wants the batch, so that the mixed images may be written over it.
    overwrite: bool = False
    #: The own and the partner's label share, where the method has a law of its own; None for the area in the mask.
    shares: tuple[Tensor, Tensor] | None = None

    def importance(self, guide: Guide, of_pool: bool = False, own_grid: bool = False) -> Tensor:
        """The guide's maps, asked for at most once.

        Args:
            guide (Guide): Whom to ask.
            of_pool (bool): Whether to ask for all rows of the pool. Defaults to False, at least those of the batch.
            own_grid (bool): Whether to ask for the guide's own grid. Defaults to False, the pixels.

        Returns:
            Tensor: ``(M, 1, H, W)``, or ``(N, 1, H, W)`` if nobody asked for more; or rows and columns of the grid.
        """
        rows = self.maps.get((id(guide), own_grid))
        if rows is None or (of_pool and len(rows) < len(self.pool)):
            ask = guide.grid if own_grid else guide
            rows = ask(self.pool, self.pool_scores) if of_pool else ask(self.own, self.own_scores)
            self.maps[id(guide), own_grid] = rows
        return rows


def check_depths(name: str, partners: Partners, labels: Labels | None) -> None:
    """Refuse parts that look at mixed images where ``at`` has features mixed.

    Args:
        name (str): The mixer, for the error.
        partners (Partners): Its partners.
        labels (Labels, optional): Its labels.
    """
    if type(partners).remember is not Partners.remember:
        raise ValueError(
            f'{name}: {type(partners).__name__} mixes in the images of the last step, but with `at` no images are '
            'mixed: use other `partners`, or remove `at`.'
        )
    if labels is not None and labels.sees_mixed_images:
        raise ValueError(
            f'{name}: {type(labels).__name__} looks at the mixed images, but with `at` features are mixed: use other '
            '`labels`, or remove `at`.'
        )
