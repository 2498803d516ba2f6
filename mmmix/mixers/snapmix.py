"""SnapMix."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer
from ..core.fields import again
from ..guides import ClassActivation
from ..ops.boxes import Box, area_size, box_mask, centred, clipped, random_centre
from ..ops.cells import shares_of_cells
from ..ops.draws import beta
from ..ops.resample import resample


class SnapMix(GuidedMixer, first=('alpha',)):
    r"""SnapMix: labels follow what the class activation maps lose and gain, not the area.

    `SnapMix: Semantically Proportional Mixing for Augmenting Fine-grained Data <https://arxiv.org/abs/2012.04846>`_.
    Two boxes are drawn independently; the partner's is resized into the own one. With maps that sum to 1, the own
    label's share is 1 minus the sum of the own map in its box, and the partner's is the sum of the partner's map in its
    box: together they need not be 1. For a pair of one class both shares are their sum. The authors mix with ``prob``
    0.5 (CUB) to 1 and ``alpha`` 5.

    Deviations from the authors' code: an own and a partner's box for each image with ``'elem'``; resizing without
    aligned corners; maps come from the network in eval mode. An empty box leaves its image unmixed, as theirs does.

    Example:
        >>> import torch
        >>> from mmmix import SnapMix, SpectralResidual
        >>> mix = SnapMix(guide=SpectralResidual(), lam_mode='elem').mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam.shape, mix.lam_partner.shape
        (torch.Size([4]), torch.Size([4]))
    """

    guide: Built[Guide] = again(default=None, stands_for=ClassActivation, doc='The maps.')

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

        mine, theirs = (shares_of_cells(maps) for maps in self.both_importances(own, other))
        lost = torch.where(mask, 0.0, mine).sum((1, 2, 3))
        gained = torch.where(box_mask(cut, height, width), 0.0, theirs).sum((1, 2, 3))
        lam, lam_partner = 1 - lost, torch.where(empty, 0.0, gained)
        scene = self._scene
        if scene is not None:
            classes = scene.pool_scores.argmax(1)
            same = (classes[:n] == classes[scene.partner]) & ~empty
            both = lam + lam_partner
            self.tell_shares(torch.where(same, both, lam), torch.where(same, both, lam_partner))
        return mask, pasted


def random_box(share: Tensor, height: int, width: int) -> Box:
    """CutMix's boxes for these own shares."""
    return clipped(centred(*random_centre(share, height, width), *area_size(share, height, width)), height, width)


def area(box: Box) -> Tensor:
    """Pixels in each box."""
    top, bottom, left, right = box
    return (bottom - top) * (right - left)
