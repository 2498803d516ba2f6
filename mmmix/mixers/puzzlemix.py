"""PuzzleMix."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer
from ..core.fields import again, choice, flag, number, several, whole
from ..guides import InputGradient
from ..ops.cells import cells_to_pixels, pixels_to_cells, shares_of_cells
from ..ops.grid_energy import least_energy
from ..ops.puzzle import puzzle_energy, seams
from ..ops.transport import move_cells, transport_plan


def loss_gradient() -> InputGradient:
    """The authors' salience: the root mean square over the channels of the gradient of each image's loss."""
    return InputGradient(target='loss', reduction='rms')


class PuzzleMix(GuidedMixer, first=('alpha',)):
    r"""PuzzleMix: the mask that loses least salience and cuts where images agree; salient cells move where they show.

    `Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup <https://arxiv.org/abs/2009.06962>`_. On a
    grid of n x n cells, n drawn from ``blocks`` for each batch, every cell gets one of ``n_labels`` own shares so that
    an energy is least: the salience that is lost, seams between unlike pixels, unlike neighbours, and a prior around
    the drawn share. Then each image's cells move to where the mask shows them, as far as the salience that this brings
    outweighs the way. The labels are the mean of each image's mask.

    Deviations from the authors' code: all masks of a batch are found at once on the device (see :func:`least_energy`),
    not by graph cuts one by one on the CPU; pixels are compared in units of the batch's range, since a mixer does not
    know how images were normalised; a seam cannot make it attractive for neighbours to differ (weights are at least 0);
    a place that no cell moved to keeps its own; any height and width.
    Their extra loss on clean images and their adversarial noise are not here.

    Example:
        >>> import torch
        >>> from mmmix import PuzzleMix, SpectralResidual
        >>> mix = PuzzleMix(guide=SpectralResidual(), blocks=(4,)).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool(torch.isin(mix.mask, torch.tensor([0.0, 0.5, 1.0])).all())
        True
    """

    guide: Built[Guide] = again(
        default=None,
        stands_for=loss_gradient,
        none="the authors' ``InputGradient(target='loss', reduction='rms')``, which needs :class:`MixClassifier`",
    )
    blocks: tuple[int, ...] = several(
        default=(2, 4, 8, 16),
        least=2,
        doc="Cells a side, drawn for each batch; those finer than the image's pixels are left out.",
    )
    beta: float = number(default=1.2, least=0, doc='Weight of unlike neighbours.')
    gamma: float = number(default=0.5, least=0, doc='Weight of the seams, relative to ``beta``.')
    eta: float = number(default=0.2, least=0, doc='Weight of the prior.')
    n_labels: int = choice(2, 3, 4, default=3, doc='How many own shares a cell may have, 2 to 4.')
    neighbour_size: int = whole(default=4, least=1, doc='Seams are compared at this many pixels.')
    transport: bool = flag(default=True, doc='Whether cells move.')
    t_eps: float = number(default=0.8, least=0, doc='The cost of moving across the image.')

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Find the masks, move the cells of both images, and blend."""
        n_images, (height, width) = len(images), images.shape[-2:]
        other, share = self.gather(images, pool, partner), self.spread(share, images)
        fitting = [n for n in self.blocks if n <= min(height, width)]
        if not fitting:
            raise ValueError(
                f'PuzzleMix: images of {height} x {width} pixels have no room for any of blocks={self.blocks}.'
            )
        n = fitting[int(torch.randint(len(fitting), ()))]

        mine, theirs = (shares_of_cells(pixels_to_cells(maps, n, n)) for maps in self.both_importances(images, other))
        energy = puzzle_energy(
            mine,
            theirs,
            *seams(images, other, n, self.neighbour_size),
            share,
            beta=self.beta,
            gamma=self.gamma,
            eta=self.eta,
            n_labels=self.n_labels,
        )
        cells = torch.where((share == 1)[:, None, None], 1.0, least_energy(energy))[:, None]
        own = images
        if self.transport:
            # Both plans are found in one go: on a GPU it is the number of steps that counts.
            plan = transport_plan(torch.cat([cells, 1 - cells]), torch.cat([mine, theirs]), self.t_eps)
            own, other = move_cells(images, plan[:n_images]), move_cells(other, plan[n_images:])
        mask = cells_to_pixels(cells, height, width).to(images.dtype)
        return torch.lerp(other, own, mask), mask
