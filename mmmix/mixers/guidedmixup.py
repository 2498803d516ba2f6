"""GuidedMixup."""

from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor

from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS, TASK_UTILS
from .mix import Mixer
from .resample import pixels_to_cells, shares_of_cells
from .saliencymix import SPECTRAL


@BATCH_AUGMENTS.register_module()
class GuidedMixup(Mixer):
    r"""GuidedMixup: pixels are mixed by how salient they are in both images; images meet whose salience lies apart.

    `GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps <https://arxiv.org/abs/2306.16612>`_. The guide's
    maps are blurred and divided by their sums; the own share of a pixel is ``s_own / (s_own + s_partner)``, and the
    labels are the mean of the mask. Partners form one cycle through the batch: from the two images whose maps are
    farthest apart (Euclidean) it goes on to the farthest one that is left. With the spectral residual this is the
    paper's Guided-SR, with :class:`InputGradient` its Guided-AP; the authors mix with ``prob`` 0.5 and 0.8.

    Deviations from the authors' code: a pixel that matters in neither image is shared equally; the cycle is found on
    the device. Given a batch nothing is random; ``partners`` replaces the cycle.

    Args:
        guide (Guide | dict, optional): What is important in an image. Defaults to None, :class:`SpectralResidual`.
        kernel (int): Side of the Gaussian blur in pixels, odd, 1 for none; at most what a small image can reflect.
            Defaults to 7.
        blur (float): Standard deviation of the blur in pixels. Defaults to 3.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``. Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, :class:`SaliencyCycle`.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the mean of the mask.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import GuidedMixup
        >>> mix = GuidedMixup().mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> sorted(mix.partner.tolist())
        [0, 1, 2, 3]
    """

    looks_at_partners = True

    def __init__(
        self,
        guide: Guide | dict | None = None,
        kernel: int = 7,
        blur: float = 3.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite)
        if isinstance(kernel, bool) or not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
            raise ValueError(f'GuidedMixup: `kernel` must be an odd number of pixels, e.g. 7, but got {kernel!r}.')
        if isinstance(blur, bool) or not isinstance(blur, (int, float)) or not 0 < blur < float('inf'):
            raise ValueError(f'GuidedMixup: `blur` must be a number above 0, e.g. 3.0, but got {blur!r}.')
        self.kernel = kernel
        self.blur = float(blur)
        self.guide = build_part(guide or SPECTRAL, Guide, 'guide')
        if partners is None:
            self.partners = SaliencyCycle(self.guide, kernel, blur)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the maps decide."""
        return torch.zeros(count, device=device)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Each pixel's part in the salience of both."""
        maps = self.partners.take_maps() if isinstance(self.partners, SaliencyCycle) else None
        if maps is None or self._scene is None:
            ours = self.importance(own), self.importance(other)
            mine, theirs = (smoothed(maps, self.kernel, self.blur) for maps in ours)
        else:
            maps = pixels_to_cells(maps, own.shape[2], own.shape[3])
            mine, theirs = maps, maps.index_select(0, self._scene.partner)
        both = mine + theirs
        mask = torch.where(both > 0, mine / both, 0.5)
        return torch.where((share == 1)[:, None, None, None], 1.0, mask), other


@TASK_UTILS.register_module()
class SaliencyCycle(Partners):
    """Partners that form one cycle through the batch, from each image to the one whose salience lies farthest.

    It starts with the two images whose maps are farthest apart, and visits nobody twice; see :class:`GuidedMixup`.
    Given a batch nothing is random.

    Args:
        guide (Guide | dict): What is important in an image.
        kernel (int): Side of the Gaussian blur of the maps in pixels, odd. Defaults to 7.
        blur (float): Standard deviation of the blur in pixels. Defaults to 3.0.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, SaliencyCycle
        >>> mixer = CutMix(partners=SaliencyCycle(dict(type='mmmix.SpectralResidual')))
        >>> mix = mixer.mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool((mix.partner != torch.arange(4)).all())
        True
    """

    def __init__(self, guide: Guide | dict, kernel: int = 7, blur: float = 3.0):
        self.guide: Guide = build_part(guide, Guide, 'guide')
        self.kernel = kernel
        self.blur = blur
        self._maps: Tensor | None = None

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


def smoothed(maps: Tensor, kernel: int, blur: float) -> Tensor:
    """Maps ``(N, 1, H, W)`` under a Gaussian blur with reflected borders, each divided by its sum; float32."""
    reach = min(kernel // 2, min(maps.shape[-2:]) - 1)
    weights = [exp(-((place / blur) ** 2) / 2) for place in range(-reach, reach + 1)]
    for dim in (2, 3):
        padded = F.pad(maps.float(), [0, 0, reach, reach] if dim == 2 else [reach, reach, 0, 0], mode='reflect')
        maps = torch.zeros(maps.shape, device=maps.device)
        for shift, weight in enumerate(weights):
            maps.add_(padded.narrow(dim, shift, maps.shape[dim]), alpha=weight / sum(weights))
    return shares_of_cells(maps)


def farthest_cycle(maps: Tensor) -> Tensor:
    """One cycle through all rows that always goes on to the farthest row not yet visited.

    The device never waits for the host: every step is a handful of small operations.

    Args:
        maps (Tensor): ``(N, L)``, N >= 2.

    Returns:
        Tensor: ``(N,)``, int64: where the cycle goes from each row. It is a permutation without fixed points.
    """
    n = len(maps)
    # Squared distances rank as distances do. What all maps have in common would only cost precision.
    maps = maps - maps.mean(0)
    square = maps.square().sum(1)
    distance = (square[:, None] + square - 2 * maps @ maps.T).fill_diagonal_(-float('inf'))
    farthest = distance.argmax().view(1)
    start, row = farthest // n, farthest % n
    partner = torch.empty(n, dtype=torch.long, device=maps.device).scatter_(0, start, row)
    visited = torch.zeros(n, device=maps.device)
    visited.scatter_(0, start, -float('inf'))
    for _ in range(n - 2):
        following = (distance.index_select(0, row) + visited).argmax(1)
        partner.scatter_(0, row, following)
        visited.scatter_(0, row, -float('inf'))
        row = following
    return partner.scatter_(0, row, start)
