"""Partners whose salience lies apart."""

import torch
from torch import Tensor

from ..core.arguments import Built
from ..core.fields import number, part, state, whole
from ..core.roles import Guide, Partners
from ..ops.maps import farthest_cycle, smoothed


class SaliencyCycle(Partners):
    """Partners that form one cycle through the batch, from each image to the one whose salience lies farthest.

    It starts with the two images whose maps are farthest apart, and visits nobody twice; see :class:`GuidedMixup`.
    Given a batch nothing is random.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, SaliencyCycle
        >>> mixer = CutMix(partners=SaliencyCycle(dict(type='mmmix.SpectralResidual')))
        >>> mix = mixer.mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool((mix.partner != torch.arange(4)).all())
        True
    """

    guide: Built[Guide] = part(
        Guide, like="guide=dict(type='mmmix.SpectralResidual')", doc='What is important in an image.'
    )
    kernel: int = whole(
        default=7, least=1, odd=True, doc='Side of the Gaussian blur of the maps in pixels, 1 for none.'
    )
    blur: float = number(default=3.0, above=0, doc='Standard deviation of the blur in pixels.')
    _maps: Tensor | None = state()

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners; see :meth:`Partners.__call__`."""
        if len(images) == 1:
            return images, scores, torch.zeros(1, dtype=torch.long, device=images.device)
        self._maps = smoothed(self.guide(images, scores), self.kernel, self.blur)
        return images, scores, farthest_cycle(self._maps.flatten(1))

    def take_maps(self) -> Tensor | None:
        """The maps of the batch that was just paired, for a mixer that wants the same; they are given away once."""
        maps, self._maps = self._maps, None
        return maps
