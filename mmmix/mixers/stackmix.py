"""StackMix."""

import torch
from torch import Tensor

from ..core import RatiolessMixer
from ..core.fields import choice, flag
from ..ops.pixels import choose, take_rows
from ..ops.resample import resize


class StackMix(RatiolessMixer):
    r"""StackMix: the two images side by side, half of the label each.

    `StackMix: A Complementary Mix Algorithm <https://arxiv.org/abs/2011.12618>`_. With ``keep_size=False`` the mixed
    image is twice as wide (or high), as in the paper, which also shows the network each test image stacked with itself;
    that is up to the test pipeline. The default squeezes both images so that the size stays.

    Deviation: ``keep_size=True`` is ours. Where a side is odd, the own image gets the larger half, and the labels
    follow.

    Example:
        >>> import torch
        >>> from mmmix import StackMix
        >>> images, scores = StackMix(keep_size=False)(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> images.shape
        torch.Size([4, 3, 8, 16])
    """

    axis: str = choice(
        'width',
        'height',
        default='width',
        doc="``'width'`` puts the images side by side, ``'height'`` on top of each other.",
    )
    keep_size: bool = flag(
        default=True,
        doc='Whether both are squeezed to half so that the image keeps its size; otherwise it doubles. There an image '
        'that is not mixed among others that are is stacked with itself.',
    )

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """One half."""
        return torch.full((count,), 0.5, device=device)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Squeeze, stack, and leave those alone that the coin of ``prob`` spared."""
        dim = 3 if self.axis == 'width' else 2
        side = images.shape[dim]
        first, second = images, take_rows(pool, partner)
        if self.keep_size:
            halves = (side + 1) // 2, side // 2
            first, second = (
                self._squeezed(part, dim, half) for part, half in ((first, halves[0]), (second, halves[1]))
            )
        shape = [1, 1, 1, 1]
        shape[dim] = first.shape[dim] + second.shape[dim]
        own_side = torch.arange(shape[dim], device=images.device).view(shape) < first.shape[dim]
        mixed = torch.cat([first, second], dim)
        if self.lam_mode == 'elem':
            alone = (share == 1)[:, None, None, None]
            mixed = choose(alone, images if self.keep_size else torch.cat([images, images], dim), mixed)
            own_side = own_side | alone
        if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
            mixed = mixed.contiguous(memory_format=torch.channels_last)
        return mixed, own_side.expand(-1, -1, *mixed.shape[2:])

    @staticmethod
    def _squeezed(images: Tensor, dim: int, half: int) -> Tensor:
        if half == 0:
            return images.narrow(dim, 0, 0)
        size = list(images.shape[2:])
        size[dim - 2] = half
        return resize(images, size[0], size[1])
