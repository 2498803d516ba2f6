"""PuzzleMix."""

from collections.abc import Sequence
from math import comb

import torch
import torch.nn.functional as F
from torch import Tensor

from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .grid_labels import GridEnergy, least_energy
from .mix import Mixer
from .pixels import take_rows
from .resample import cells_to_pixels, pixels_to_cells, shares_of_cells

#: The authors' salience: the root mean square over the channels of the gradient of each image's loss.
LOSS_GRADIENT = dict(type='mmmix.InputGradient', target='loss', reduction='rms')


@BATCH_AUGMENTS.register_module()
class PuzzleMix(Mixer):
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

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        guide (Guide | dict, optional): What is important in an image. Defaults to None, the authors'
            ``InputGradient(target='loss', reduction='rms')``, which needs :class:`MixClassifier`.
        blocks (Sequence[int]): Cells a side, drawn for each batch; those finer than the image's pixels are left out.
            Defaults to (2, 4, 8, 16).
        beta (float): Weight of unlike neighbours. Defaults to 1.2.
        gamma (float): Weight of the seams, relative to ``beta``. Defaults to 0.5.
        eta (float): Weight of the prior. Defaults to 0.2.
        n_labels (int): How many own shares a cell may have, 2 to 4. Defaults to 3.
        neighbour_size (int): Seams are compared at this many pixels. Defaults to 4.
        transport (bool): Whether cells move. Defaults to True.
        t_eps (float): The cost of moving across the image. Defaults to 0.8.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one share a batch, a mask for each image) or ``'elem'`` (one share a sample).
            Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the mean of the mask.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import PuzzleMix, SpectralResidual
        >>> mix = PuzzleMix(guide=SpectralResidual(), blocks=(4,)).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool(torch.isin(mix.mask, torch.tensor([0.0, 0.5, 1.0])).all())
        True
    """

    looks_at_partners = True

    def __init__(
        self,
        alpha: float = 1.0,
        guide: Guide | dict | None = None,
        blocks: Sequence[int] = (2, 4, 8, 16),
        beta: float = 1.2,
        gamma: float = 0.5,
        eta: float = 0.2,
        n_labels: int = 3,
        neighbour_size: int = 4,
        transport: bool = True,
        t_eps: float = 0.8,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.guide = build_part(guide or LOSS_GRADIENT, Guide, 'guide')
        if not blocks or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 2 for n in blocks):
            raise ValueError(
                f'PuzzleMix: `blocks` must be numbers of cells from 2 up, e.g. (2, 4, 8, 16), but got {blocks!r}.'
            )
        for name, value in (('beta', beta), ('gamma', gamma), ('eta', eta), ('t_eps', t_eps)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float('inf'):
                raise ValueError(f'PuzzleMix: `{name}` must be a number of at least 0, but got {value!r}.')
        if n_labels not in (2, 3, 4):
            raise ValueError(f'PuzzleMix: `n_labels` must be 2, 3 or 4, but got {n_labels!r}.')
        if isinstance(neighbour_size, bool) or not isinstance(neighbour_size, int) or neighbour_size < 1:
            raise ValueError(
                f'PuzzleMix: `neighbour_size` must be a positive number of pixels, but got {neighbour_size!r}.'
            )
        self.blocks = tuple(blocks)
        self.beta = float(beta)
        self.gamma = float(gamma)
        self.eta = float(eta)
        self.n_labels = n_labels
        self.neighbour_size = neighbour_size
        self.transport = transport
        self.t_eps = float(t_eps)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Find the masks, move the cells of both images, and blend."""
        n_images, (height, width) = len(images), images.shape[-2:]
        other = take_rows(pool, partner)
        if self._scene is not None:
            self._scene.other = other
        if share.numel() == 1:
            share = torch.full((n_images,), float(share), device=images.device)
        fitting = [n for n in self.blocks if n <= min(height, width)]
        if not fitting:
            raise ValueError(
                f'PuzzleMix: images of {height} x {width} pixels have no room for any of blocks={self.blocks}.'
            )
        n = fitting[int(torch.randint(len(fitting), ()))]

        mine, theirs = (shares_of_cells(pixels_to_cells(self.importance(batch), n, n)) for batch in (images, other))
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


def seams(own: Tensor, other: Tensor, n: int, size: int) -> tuple[Tensor, Tensor]:
    """How unlike pixels are across the borders of cells, for each choice of image on both sides.

    Args:
        own (Tensor): ``(N, C, H, W)``.
        other (Tensor): ``(N, C, H, W)``.
        n (int): Cells a side.
        size (int): Pixels are averaged over squares of about this side first.

    Returns:
        tuple[Tensor, Tensor]: ``(2, 2, N, n - 1, n)`` and ``(2, 2, N, n, n - 1)``, float32: the first index is the
        image above (left), 0 the partner and 1 the own one, the second that below (right).
    """
    k = max(1, min(own.shape[-2:]) // n // size)
    own, other = own.float(), other.float()
    range_ = (own.amax() - own.amin()).clamp(min=1e-6)
    pair = [F.adaptive_avg_pool2d(images, (n * k, n * k)) / range_ for images in (other, own)]
    down = torch.stack([_across(a, b, k) for a in pair for b in pair])
    pair = [images.transpose(2, 3) for images in pair]
    right = torch.stack([_across(a, b, k) for a in pair for b in pair]).transpose(2, 3)
    return down.unflatten(0, (2, 2)), right.unflatten(0, (2, 2))


def _across(above: Tensor, below: Tensor, k: int) -> Tensor:
    """The mean absolute difference of each cell's last row in one image and the next cell's first row in another."""
    difference = (above[:, :, k - 1 : -1 : k] - below[:, :, k::k]).abs().mean(1)
    return difference.unflatten(2, (-1, k)).mean(3)


def puzzle_energy(
    mine: Tensor,
    theirs: Tensor,
    down: Tensor,
    right: Tensor,
    share: Tensor,
    *,
    beta: float,
    gamma: float,
    eta: float,
    n_labels: int,
) -> GridEnergy:
    """The energy that PuzzleMix's mask makes least.

    Args:
        mine (Tensor): ``(N, 1, n, n)`` salience of the own cells, summing to 1.
        theirs (Tensor): ``(N, 1, n, n)`` that of the partner's.
        down (Tensor): ``(2, 2, N, n - 1, n)``, see :func:`seams`.
        right (Tensor): ``(2, 2, N, n, n - 1)``.
        share (Tensor): ``(N,)`` drawn own shares.
        beta (float): Weight of unlike neighbours.
        gamma (float): Weight of the seams, relative to ``beta``.
        eta (float): Weight of the prior.
        n_labels (int): How many own shares a cell may have.
    """
    n = mine.shape[-1]
    weight = beta / n / 16
    down, right = weight * gamma * down, weight * gamma * right
    # What a cell loses if it is the partner's, and if it is the own image's: the other one's salience, and its part in
    # the seams around it, averaged over what its neighbours may be.
    loses = []
    for image, salience in ((0, mine), (1, theirs)):
        loss = salience[:, 0].clone()
        loss[:, :-1] += down[image].mean(0)
        loss[:, 1:] += down[:, image].mean(0)
        loss[:, :, :-1] += right[image].mean(0)
        loss[:, :, 1:] += right[:, image].mean(0)
        loses.append(loss[:, None])
    values = torch.linspace(0, 1, n_labels, device=mine.device).view(1, -1, 1, 1)
    unary = (1 - values) * loses[0] + values * loses[1] + eta / n**2 * binomial_prior(share, n_labels)[:, :, None, None]
    mixed = [(d[1, 0] + d[0, 1] - d[1, 1] - d[0, 0]) / 2 for d in (down, right)]
    return GridEnergy(unary, (weight + mixed[0]).clamp(min=0), (weight + mixed[1]).clamp(min=0))


def binomial_prior(share: Tensor, n_labels: int) -> Tensor:
    """Minus the logarithm of a binomial law of the labels around the drawn share: ``(N, n_labels)``."""
    tries = n_labels - 1
    likelihood = [comb(tries, hits) * share**hits * (1 - share) ** (tries - hits) for hits in range(n_labels)]
    return -(torch.stack(likelihood, 1) + 1e-8).log()


def transport_plan(cells: Tensor, salience: Tensor, eps: float, on_host: bool | None = None) -> Tensor:
    """Where the cells of an image move so that salience comes to where the mask shows it.

    Moving a cell costs ``eps`` times the squared way, less its salience where the mask shows anything. Each cell bids
    for the cheapest place; where several meet, the cheapest stays and the others bid elsewhere, for n rounds.

    Args:
        cells (Tensor): ``(N, 1, n, n)`` shares of this image.
        salience (Tensor): ``(N, 1, n, n)``.
        eps (float): The cost of the way across one side of the image.
        on_host (bool, optional): Whether values may be looked at, so that only cells that lost bid again. The plan is
            the same. Defaults to None: on the CPU, where this is the faster way.

    Returns:
        Tensor: ``(N, n, n)``, int64: the cell that goes to each place. A place that nobody won keeps its own.
    """
    count, _, n, _ = cells.shape
    on_host = cells.device.type == 'cpu' if on_host is None else on_host
    if on_host and count > (images := max(1, 2**21 // n**4)):
        # The costs of that many images stay in the cache.
        parts = zip(cells.split(images), salience.split(images), strict=True)
        return torch.cat([transport_plan(*part, eps, on_host) for part in parts])
    place = torch.arange(n * n, device=cells.device)
    y, x = place // n, place % n
    way = ((y[:, None] - y) ** 2 + (x[:, None] - x) ** 2) * (eps / (n - 1) ** 2)
    shown = (cells > 0).to(salience.dtype)
    cost = torch.addcmul(way, salience.view(count, -1, 1), shown.view(count, 1, -1), value=-1)
    least, wanted = cost.min(2)
    nobody = n * n
    for bid in range(n):
        lowest = torch.full_like(least, float('inf')).scatter_reduce_(1, wanted, least, 'amin')
        bidder = torch.where(least == lowest.gather(1, wanted), place, nobody)
        winner = torch.full_like(wanted, nobody).scatter_reduce_(1, wanted, bidder, 'amin')
        lost = winner.gather(1, wanted) != place
        if bid == n - 1 or (on_host and not lost.any()):
            break
        least, wanted = bid_again(cost, least, wanted, lost, on_host)
    return torch.where(winner == nobody, place, winner).view(count, n, n)


def bid_again(cost: Tensor, least: Tensor, wanted: Tensor, lost: Tensor, on_host: bool) -> tuple[Tensor, Tensor]:
    """Make lost places dearer by 1, in ``cost`` itself, and let those who lost look for the cheapest again.

    Args:
        cost (Tensor): ``(N, cells, places)``.
        least (Tensor): ``(N, cells)`` what each cell bid.
        wanted (Tensor): ``(N, cells)`` for which place.
        lost (Tensor): ``(N, cells)`` whether it was not the one to get it.
        on_host (bool): Whether values may be looked at; else all cells look again.

    Returns:
        tuple[Tensor, Tensor]: The new ``least`` and ``wanted``.
    """
    if not on_host:
        cost.scatter_add_(2, wanted[:, :, None], lost[:, :, None].to(cost.dtype))
        return cost.min(2)
    rows, losers = cost.flatten(0, 1), lost.flatten().nonzero().squeeze(1)
    rows.index_put_((losers, wanted.flatten()[losers]), cost.new_ones(()), accumulate=True)
    cheapest, place = rows.index_select(0, losers).min(1)
    return (
        least.flatten().index_copy(0, losers, cheapest).view_as(least),
        wanted.flatten().index_copy(0, losers, place).view_as(wanted),
    )


def move_cells(images: Tensor, source: Tensor) -> Tensor:
    """Put the cells of each image into other places.

    Cells of an image whose sides are no multiples of n differ by a pixel: a smaller one repeats its last row or column.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        source (Tensor): ``(N, n, n)`` the cell (row-major) that goes to each place.

    Returns:
        Tensor: ``(N, C, H, W)``, in the images' memory format.
    """
    height, width = images.shape[-2:]
    n = source.shape[-1]
    if height % n == 0 and width % n == 0:
        return _move_rows(images, source)
    source = cells_to_pixels(source[:, None], height, width)[:, 0]
    row = _pixel_of(source // n, height, n, -1)
    column = _pixel_of(source % n, width, n, 1)
    index = (row * width + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, index).view_as(images)
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        moved = moved.contiguous(memory_format=torch.channels_last)
    return moved


def _move_rows(images: Tensor, source: Tensor) -> Tensor:
    """:func:`move_cells` for cells of one size: a row of pixels of a cell lies in one piece, and is moved in one."""
    count, channels, height, width = images.shape
    n = source.shape[-1]
    high, device = height // n, images.device
    first = source // n * (high * n) + source % n
    below = torch.arange(high, device=device)[:, None] * n
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        start = torch.arange(count, device=device).view(-1, 1, 1, 1) * (height * n)
        rows = images.permute(0, 2, 3, 1).reshape(count * height * n, -1)
        moved = rows.index_select(0, (start + first[:, :, None] + below).flatten())
        return moved.view(count, height, width, channels).permute(0, 3, 1, 2)
    start = torch.arange(count * channels, device=device).view(count, channels, 1, 1, 1) * (height * n)
    rows = images.reshape(count * channels * height * n, -1)
    return rows.index_select(0, (start + first[:, None, :, None] + below).flatten()).view(images.shape)


def _pixel_of(cell: Tensor, size: int, n: int, axis: int) -> Tensor:
    """Along one axis, the pixel of cell ``cell`` that goes to each pixel ``(N, H, W)``; ``axis`` -1 is vertical."""
    first = (torch.arange(n + 1, device=cell.device) * size + n - 1) // n
    pixel = torch.arange(size, device=cell.device)
    offset = pixel - first[pixel * n // size]
    offset = offset[:, None] if axis == -1 else offset
    return first[cell] + torch.minimum(offset, (first[1:] - first[:-1])[cell] - 1)
