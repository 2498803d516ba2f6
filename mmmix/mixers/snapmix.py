"""SnapMix."""

import torch
from torch import Tensor

from ..draws import beta
from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .boxes import Box, area_size, box_mask, centred, clipped, random_centre
from .mix import Mixer
from .resample import resample, shares_of_cells

CAM = dict(type='mmmix.ClassActivation')


@BATCH_AUGMENTS.register_module()
class SnapMix(Mixer):
    r"""SnapMix: labels follow what the class activation maps lose and gain, not the area.

    `SnapMix: Semantically Proportional Mixing for Augmenting Fine-grained Data <https://arxiv.org/abs/2012.04846>`_.
    Two boxes are drawn independently; the partner's is resized into the own one. With maps that sum to 1, the own
    label's share is 1 minus the sum of the own map in its box, and the partner's is the sum of the partner's map in its
    box: together they need not be 1. For a pair of one class both shares are their sum. The authors mix with ``prob``
    0.5 (CUB) to 1 and ``alpha`` 5.

    Deviations from the authors' code: an own and a partner's box for each image with ``'elem'``; resizing without
    aligned corners; maps come from the network in eval mode. An empty box leaves its image unmixed, as theirs does.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of both boxes' areas. Defaults to 1.0.
        guide (Guide | dict, optional): The maps. Defaults to None, :class:`ClassActivation`, which needs
            :class:`MixClassifier`.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (two boxes a batch) or ``'elem'`` (two a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the sums of the maps.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import SnapMix, SpectralResidual
        >>> mix = SnapMix(guide=SpectralResidual(), lam_mode='elem').mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam.shape, mix.lam_partner.shape
        (torch.Size([4]), torch.Size([4]))
    """

    looks_at_partners = True

    def __init__(
        self,
        alpha: float = 1.0,
        guide: Guide | dict | None = None,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.guide = build_part(guide or CAM, Guide, 'guide')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Both boxes, the partner's resized into the own one, and the shares that follow from the maps."""
        n, (height, width) = len(own), own.shape[-2:]
        count = 1 if self.lam_mode == 'batch' else n
        box = random_box(share[:count], height, width)
        cut = random_box(beta(self.alpha, count, own.device), height, width)
        empty = (area(box) == 0) | (area(cut) == 0)
        # A box without rows pastes nothing, wherever the other box lies.
        box = box[0], torch.where(empty, box[0], box[1]), box[2], box[3]
        mask = box_mask(box, height, width)
        pasted = resample(other, cut, box)

        mine, theirs = (shares_of_cells(self.importance(images)) for images in (own, other))
        lost = torch.where(mask, 0.0, mine).sum((1, 2, 3))
        gained = torch.where(box_mask(cut, height, width), 0.0, theirs).sum((1, 2, 3))
        lam, lam_partner = 1 - lost, torch.where(empty, 0.0, gained)
        scene = self._scene
        if scene is not None:
            classes = scene.pool_scores.argmax(1)
            same = (classes[:n] == classes[scene.partner]) & ~empty
            both = lam + lam_partner
            scene.shares = torch.where(same, both, lam), torch.where(same, both, lam_partner)
        return mask, pasted


def random_box(share: Tensor, height: int, width: int) -> Box:
    """CutMix's boxes for these own shares."""
    return clipped(centred(*random_centre(share, height, width), *area_size(share, height, width)), height, width)


def area(box: Box) -> Tensor:
    """Pixels in each box."""
    top, bottom, left, right = box
    return (bottom - top) * (right - left)
