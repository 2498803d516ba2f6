"""PuzzleMix."""

from typing import Any

import torch
from torch import Tensor

from ..core import Built, Guide
from ..core.clean_loss import CleanLossMixer
from ..core.fields import again, choice, flag, number, several, whole
from ..guides import InputGradient
from ..ops.cells import cells_to_pixels, pixels_to_cells, shares_of_cells
from ..ops.grid_energy import least_energy
from ..ops.puzzle import puzzle_energy, seams
from ..ops.transport import move_cells, transport_plan
from ..probes.gradients import raw_gradient, saliency


def loss_gradient() -> InputGradient:
    """The authors' salience: the root mean square over the channels of the gradient of each image's loss."""
    return InputGradient(target='loss', reduction='rms')


class PuzzleMix(CleanLossMixer, first=('alpha',)):
    r"""PuzzleMix: the mask that loses least salience and cuts where images agree; salient cells move where they show.

    `Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup <https://arxiv.org/abs/2009.06962>`_. On a
    grid of n x n cells, n drawn from ``blocks`` for each batch, every cell gets one of ``n_labels`` own shares so that
    an energy is least: the salience that is lost, seams between unlike pixels, unlike neighbours, and a prior around
    the drawn share. Then each image's cells, or pieces of ``t_size`` pixels of them, move to where the mask shows them,
    as far as the salience that this brings outweighs the way. The labels are the mean of each image's mask.

    The authors' settings: on CIFAR ``t_size=4``; on Tiny-ImageNet and ImageNet ``clean_lam=1``; in their adversarial
    runs ``adv_p`` 0.1 (CIFAR) and 0.15 (Tiny-ImageNet), where with that chance the own images, and with that chance
    anew the partners, get noise of at most ``adv_eps`` of 255 levels along the sign of the gradient of their loss.

    Deviations from the authors' code: all masks of a batch are found at once on the device (see :func:`least_energy`),
    not by graph cuts one by one on the CPU; pixels are compared in units of the batch's range, since a mixer does not
    know how images were normalised; a seam cannot make it attractive for neighbours to differ (weights are at least 0);
    a place that no cell moved to keeps its own; any height and width; ``clean_lam`` stands beside the head's loss as in
    their ImageNet code (on CIFAR they add ``2 * clean_lam / classes`` of it to a binary cross entropy of the softmax);
    images with noise are mixed, and rate their salience, but the clean loss is that of images without it.

    Example:
        >>> import torch
        >>> from mmmix import PuzzleMix, SpectralResidual
        >>> mix = PuzzleMix(guide=SpectralResidual(), blocks=(4,)).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool(torch.isin(mix.mask, torch.tensor([0.0, 0.5, 1.0])).all())
        True
    """

    on_host = True
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
    t_size: int | None = whole(
        default=None,
        least=1,
        optional=True,
        none="the mask's own cells",
        like=4,
        doc="Side of what moves, in pixels: the mask's cells are divided into pieces of about this size.",
    )
    adv_p: float = number(
        default=0.0,
        least=0,
        most=1,
        like=0.1,
        doc='Chance of adversarial noise, tossed for each batch and once for the own images and once for the partners. '
        'Above 0 it needs :class:`mmmix.MixClassifier`, and a pass more where there is noise.',
    )
    adv_eps: float = number(default=10.0, above=0, doc='How far the noise goes, in levels of a pixel of 0..255.')

    def __post_init__(self) -> None:
        """Noise is for images, and needs a model."""
        super().__post_init__()
        if self.adv_p and any(self.at):
            raise ValueError('PuzzleMix: `adv_p` puts noise into images, but with `at` features are mixed: keep one.')
        self.needs_model = self.needs_model or self.adv_p > 0

    def bind(self, model: Any) -> None:
        """Look at ``model``; see :meth:`Part.bind`. With ``adv_p`` it must tell how images were normalised."""
        if self.adv_p and not hasattr(model, 'data_preprocessor'):
            raise TypeError(
                f'PuzzleMix: `adv_eps` counts levels of a pixel, but {type(model).__name__} does not tell how images '
                "were normalised: use type='mmmix.MixClassifier', or adv_p=0."
            )
        super().bind(model)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Find the masks, move the cells of both images, and blend."""
        n_images, (height, width) = len(images), images.shape[-2:]
        other, share = self.gather(images, pool, partner), self.spread(share, images)
        fitting = [n for n in self.blocks if n <= min(height, width)]
        if not fitting:
            raise ValueError(
                f'PuzzleMix: images of {height} x {width} pixels have no room for any of blocks={self.blocks}: '
                'it needs as many pixels a side as cells, so name smaller `blocks`, or mix larger images.'
            )
        n = fitting[int(torch.randint(len(fitting), ()))]
        noisy = [self.adv_p > 0 and bool(torch.rand((), generator=self.coins) < self.adv_p) for _ in range(2)]
        noise, maps = self.noise(pool) if any(noisy) else (None, None)
        both = (
            self.both_importances(images, other) if maps is None else (maps[:n_images], maps.index_select(0, partner))
        )
        mine, theirs = (shares_of_cells(pixels_to_cells(each, n, n)) for each in both)
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
        own, alone = images, (share == 1)[:, None, None]
        cells = torch.where(alone, 1.0, least_energy(energy))[:, None]
        if noise is not None:
            own = torch.where(alone[..., None], images, self.noised(images, noise[:n_images])) if noisy[0] else own
            other = self.noised(other, noise.index_select(0, partner)) if noisy[1] else other
        if self.transport:
            own, other = self.moved(own, other, cells, both, alone)
        mask = cells_to_pixels(cells, height, width).to(images.dtype)
        return torch.lerp(other, own, mask), mask

    def moved(
        self, own: Tensor, other: Tensor, cells: Tensor, maps: tuple[Tensor, Tensor], alone: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both images with their cells, or pieces of ``t_size`` pixels of them, where the mask shows them."""
        n = cells.shape[-1]
        pieces = max(1, min(own.shape[-2:]) // n // self.t_size) if self.t_size else 1
        if pieces > 1:
            cells = cells_to_pixels(cells, n * pieces, n * pieces)
        mine, theirs = (shares_of_cells(pixels_to_cells(each, n * pieces, n * pieces)) for each in maps)
        # Both plans are found in one go: on a GPU it is the number of steps that counts.
        plan = transport_plan(torch.cat([cells, 1 - cells]), torch.cat([mine, theirs]), self.t_eps)
        # An image that is not mixed has nowhere to go, even where the way costs nothing.
        place = torch.arange(plan[0].numel(), device=plan.device).view(plan.shape[1:])
        return move_cells(own, torch.where(alone, place, plan[: len(own)])), move_cells(other, plan[len(own) :])

    # ---------------------------------------------------------------------------------------------- adversarial noise

    def noise(self, pool: Tensor) -> tuple[Tensor, Tensor | None]:
        """The authors' noise for all images of the pool, and their salience where that is the gradient at hand.

        From a random start the noise goes ``adv_eps + 2`` levels along the sign of the gradient of each image's loss,
        back to at most ``adv_eps``, and is weakened by one random number for the batch.
        """
        model, scene, guide = self.require_model(), self._scene, self.guide
        level, _, _ = self.levels(pool)
        most = self.adv_eps * level
        begun = self.noised(pool.float(), (2 * torch.rand(pool.shape, device=pool.device) - 1) * most)
        gradient, _ = raw_gradient(model, begun, None if scene is None else scene.pool_scores, 'loss')
        gone = begun - pool + (most + 2 * level) * gradient.float().sign()
        noise = torch.minimum(torch.maximum(gone, -most), most) * float(torch.rand(()))
        is_salience = isinstance(guide, InputGradient) and guide.target == 'loss' and guide.scale == 1
        return noise, saliency(gradient, guide.reduction) if is_salience else None  # type: ignore[attr-defined]

    def noised(self, images: Tensor, noise: Tensor) -> Tensor:
        """Images with noise, in the range that pixels have."""
        _, low, high = self.levels(images)
        return torch.minimum(torch.maximum(images + noise, low), high).to(images.dtype)

    def levels(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One level of a pixel, black and white as the network sees them, ``(C, 1, 1)``, float32."""
        preprocessor = self.require_model().data_preprocessor
        mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
        zero = torch.zeros(1, 1, 1, device=images.device)
        mean, std = (zero, zero + 1) if mean is None or std is None else (mean.to(zero), std.to(zero))
        return 1 / std, -mean / std, (255 - mean) / std
