"""GuidedMixup."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer, Partners, RatiolessMixer
from ..core.fields import again, number, whole
from ..guides import SpectralResidual
from ..ops.cells import pixels_to_cells
from ..ops.maps import smoothed
from ..partners import SaliencyCycle


def authors_residual() -> SpectralResidual:
    """The authors' spectral residual: not squared, at most 128 pixels wide, and blurred once before the mixer does."""
    return SpectralResidual(size=128, sigma=3.0, kernel=7, border='reflect', squared=False)


class GuidedMixup(RatiolessMixer, GuidedMixer):
    r"""GuidedMixup: pixels are mixed by how salient they are in both images; images meet whose salience lies apart.

    `GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps <https://arxiv.org/abs/2306.16612>`_. The guide's
    maps are blurred and divided by their sums; the own share of a pixel is ``s_own / (s_own + s_partner)``, and the
    labels are the mean of the mask. Partners form one cycle through the batch: from the two images whose maps are
    farthest apart (Euclidean) it goes on to the farthest one that is left. The default guide is the paper's Guided-SR;
    ``InputGradient(target='loss', reduction='rms')`` is its Guided-AP. The authors mix with ``prob`` 0.5 and 0.8.

    Deviations from the authors' code: the default guide takes the mean of the channels for grey, where theirs has
    their luma; a pixel that matters in neither image is shared equally; the cycle is found on the device, through the
    whole batch (theirs in parts of ``m_part``). Given a batch nothing is random; ``partners`` replaces the cycle.

    Example:
        >>> import torch
        >>> from mmmix import GuidedMixup
        >>> mix = GuidedMixup().mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> sorted(mix.partner.tolist())
        [0, 1, 2, 3]
    """

    guide: Built[Guide] = again(
        default=None,
        stands_for=authors_residual,
        none="the authors' spectral residual, ``SpectralResidual(size=128, sigma=3.0, kernel=7, border='reflect', "
        'squared=False)``',
    )
    kernel: int = whole(
        default=7,
        least=1,
        odd=True,
        doc='Side of the Gaussian blur in pixels, 1 for none; at most what a small image can reflect.',
    )
    blur: float = number(default=3.0, above=0, doc='Standard deviation of the blur in pixels.')
    partners: Built[Partners] = again(default=None, stands_for=lambda: None, none=':class:`SaliencyCycle`')

    def __post_init__(self) -> None:
        """By default partners are found by the very maps that pixels are mixed by."""
        self.partners = self.partners or SaliencyCycle(guide=self.guide, kernel=self.kernel, blur=self.blur)
        super().__post_init__()

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Each pixel's part in the salience of both."""
        maps = self.partners.take_maps() if isinstance(self.partners, SaliencyCycle) else None
        if maps is None or self._scene is None:
            both = self.both_importances(own, other)
            mine, theirs = (smoothed(each, self.kernel, self.blur) for each in both)
        else:
            maps = pixels_to_cells(maps, own.shape[2], own.shape[3])
            mine, theirs = maps, maps.index_select(0, self._scene.partner)
        total = mine + theirs
        mask = torch.where(total > 0, mine / total, 0.5)
        return torch.where((share == 1)[:, None, None, None], 1.0, mask), other
