"""Co-Mixup."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..part import Guide, build_part
from ..registry import BATCH_AUGMENTS
from .gridmix import cells_of, check_grid
from .mix import Mix, Mixer
from .puzzlemix import LOSS_GRADIENT
from .resample import cells_to_pixels, pixels_to_cells, shares_of_cells


@BATCH_AUGMENTS.register_module()
class CoMixup(Mixer):
    r"""Co-Mixup: the cells of several outputs are taken from as many inputs, salient and diverse at once.

    `Co-Mixup: Saliency Guided Joint Mixup with Supermodular Diversity <https://arxiv.org/abs/2102.03065>`_. The batch
    is divided into parts of ``part`` images. Every cell of every output of a part shows one of its inputs, so that an
    energy is low: the salience that is shown (negative), unlike neighbours (``beta``), inputs that other outputs show a
    lot already (``gamma``, above ``thres`` images' worth), and a random taste for some inputs (``eta``, Dirichlet). The
    label of an output is made of all its inputs by area.

    An output may thus hold more than two images: ``Mix.scores`` is the whole mixture; ``Mix.lam`` is the share of the
    own image, ``Mix.partner`` the strongest other one and ``Mix.lam_partner`` its share. Outputs are ordered so that
    each shows much of its own image. Heads that know only pairs (SUMix) see the strongest one.

    Deviations from the authors' code: all parts of a batch are solved at once on the device, by sweeps over a
    chessboard from several starts in place of graph cuts; cells show one input, never the mean of two; outputs
    that show the same inputs are not told apart; labels go into the head's own loss, not into a binary cross entropy of
    the softmax. Their extra loss on clean images is not here.

    Args:
        alpha (float): Parameter of the Dirichlet law of the taste. Defaults to 2.0.
        guide (Guide | dict, optional): What is important in an image. Defaults to None, the authors'
            ``InputGradient(target='loss', reduction='rms')``, which needs :class:`MixClassifier`.
        grid (int): Cells a side. Defaults to 4.
        part (int): Images that are mixed with each other. Defaults to 20.
        beta (float): Weight of unlike neighbours. Defaults to 0.32.
        gamma (float): Weight of inputs that are shown a lot. Defaults to 1.0.
        eta (float): Weight of the taste. Defaults to 0.05.
        omega (float): How much an input counts as shown when one with its peak far away is. Defaults to 0.001.
        thres (float): How many images' worth of an input is a lot. Defaults to 0.83.
        iterations (int): Rounds over all outputs. Defaults to 4.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``. Defaults to ``'batch'``.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import CoMixup, SpectralResidual
        >>> mix = CoMixup(guide=SpectralResidual()).mix(torch.rand(6, 3, 16, 16), torch.eye(6))
        >>> mix.scores.sum(1)
        tensor([1., 1., 1., 1., 1., 1.])
    """

    def __init__(
        self,
        alpha: float = 2.0,
        guide: Guide | dict | None = None,
        grid: int = 4,
        part: int = 20,
        beta: float = 0.32,
        gamma: float = 1.0,
        eta: float = 0.05,
        omega: float = 0.001,
        thres: float = 0.83,
        iterations: int = 4,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        check_finite: bool = False,
    ):
        super().__init__(alpha, prob=prob, lam_mode=lam_mode, check_finite=check_finite)
        for name, value in (('beta', beta), ('gamma', gamma), ('eta', eta), ('omega', omega), ('thres', thres)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float('inf'):
                raise ValueError(f'CoMixup: `{name}` must be a number of at least 0, but got {value!r}.')
        for name, value in (('part', part), ('iterations', iterations)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f'CoMixup: `{name}` must be a positive whole number, but got {value!r}.')
        self.guide = build_part(guide or LOSS_GRADIENT, Guide, 'guide')
        self.grid = check_grid(grid, 'CoMixup')
        self.part = part
        self.beta = float(beta)
        self.gamma = float(gamma)
        self.eta = float(eta)
        self.omega = float(omega)
        self.thres = float(thres)
        self.iterations = iterations
        self._scores: Tensor | None = None

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the energy decides."""
        return torch.zeros(count, device=device)

    def draw_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nobody yet: who is mixed in comes out of the energy."""
        return images, scores, torch.arange(len(images), device=images.device)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Find out which input each cell of each output shows, and show it."""
        n, (height, width) = len(images), images.shape[-2:]
        rows, columns = cells_of(images, self.grid)
        salience = shares_of_cells(pixels_to_cells(self.importance(images), rows, columns))[:, 0]
        whole = n // self.part * self.part
        shown = []
        for first, last, size in ((0, whole, self.part), (whole, n, n - whole)):
            if last > first:
                block = salience[first:last].unflatten(0, (-1, size))
                inputs = self.assign(block).flatten(0, 1)
                start = torch.arange(first, last, size, device=images.device).repeat_interleave(
                    size, output_size=last - first
                )
                shown.append(inputs + start[:, None, None])
        own = partner
        alone = (share == 1).to(images.device)[:, None, None]
        source = torch.where(alone, own[:, None, None], torch.cat(shown))

        pixels = cells_to_pixels(source[:, None], height, width)
        mixed = images.gather(0, pixels.expand(-1, images.shape[1], -1, -1))
        if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
            mixed = mixed.contiguous(memory_format=torch.channels_last)
        self._tell(source, pixels, own)
        return mixed, pixels == own[:, None, None, None]

    def _tell(self, source: Tensor, pixels: Tensor, own: Tensor) -> None:
        """Work out the shares of all inputs, and of the strongest other one."""
        n = len(own)
        area = torch.zeros(n, n, device=own.device)
        area.scatter_add_(1, pixels.flatten(1), area.new_ones(()).expand(n, pixels[0].numel()))
        area = area / pixels[0].numel()
        scene = self._scene
        if scene is None:
            return
        others = area.scatter(1, own[:, None], -1.0)
        strongest, scene.partner = others.max(1)
        scene.shares = area.gather(1, own[:, None]).squeeze(1), strongest.clamp(min=0)
        scores = scene.own_scores
        self._scores = (area @ scores.to(area.dtype)).to(scores.dtype)

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """The whole mixture in ``scores``, the strongest partner beside it."""
        assert self._scene is not None
        assert self._scores is not None
        mix = super().finish(mixed, mask, pool, pool_scores, self._scene.partner)
        scores, self._scores = self._scores, None
        return replace(mix, scores=scores)

    def assign(self, salience: Tensor) -> Tensor:
        """Which input each cell of each output shows.

        Args:
            salience (Tensor): ``(B, P, rows, columns)`` of B parts of P inputs, each summing to 1.

        Returns:
            Tensor: ``(B, P, rows, columns)``, int64, input 0..P-1 of the same part.
        """
        parts, size, rows, columns = salience.shape
        cells = rows * columns
        taste = torch._standard_gamma(torch.full((parts, size), self.alpha, device=salience.device))
        taste = taste / taste.sum(1, keepdim=True)
        cost = -salience - (self.eta / cells * (taste + 1e-8).log())[:, :, None, None]
        labels = torch.randint(size, (parts, size, rows, columns), device=salience.device)
        near = self._compatibility(salience)
        counts = label_counts(labels, size)
        for _ in range(self.iterations):
            for output in range(size):
                others = counts.sum(1) - counts[:, output]
                crowd = torch.einsum('bij,bj->bi', near, others)
                crowd = torch.where(crowd > self.thres * cells, 2 * self.gamma / cells * crowd, 0.0)
                field = PottsField(cost + crowd[:, :, None, None], self.beta / cells)
                labels[:, output] = field.lower(labels[:, output])
                counts[:, output] = label_counts(labels[:, output : output + 1], size)[:, 0]
        return own_first(labels, counts)

    def _compatibility(self, salience: Tensor) -> Tensor:
        """How much each input counts as shown where another is: itself, and far peaks a little; ``(B, P, P)``."""
        _, size, _, columns = salience.shape
        peak = salience.flatten(2).argmax(2)
        place = torch.stack([peak // columns, peak % columns], 2).float()
        far = (place[:, :, None] - place[:, None]).abs().sum(3)
        far = far * size / far.sum((1, 2), keepdim=True).clamp(min=1e-12)
        return (1 - self.omega) * torch.eye(size, device=salience.device) + self.omega * far


@dataclass(frozen=True)
class PottsField:
    """One labelled grid for each part: a cost for each label in each cell, and one price for unlike neighbours.

    Attributes:
        cost (Tensor): ``(B, L, rows, columns)``.
        price (float): What a pair of unlike neighbours costs.
    """

    cost: Tensor
    price: float

    def __call__(self, labels: Tensor) -> Tensor:
        """The energies of labellings ``(B, S, rows, columns)``: ``(B, S)``."""
        cells = self.cost.gather(1, labels).sum((2, 3))
        unlike = (labels[:, :, 1:] != labels[:, :, :-1]).sum((2, 3)) + (labels[..., 1:] != labels[..., :-1]).sum((2, 3))
        return cells + self.price * unlike

    def lower(self, labels: Tensor, sweeps: int = 3) -> Tensor:
        """A labelling ``(B, rows, columns)`` of no higher energy than ``labels`` has.

        Starts from it, from the best flat labelling and from the best label of each cell alone.
        """
        count, _, rows, columns = self.cost.shape
        flat = self.cost.sum((2, 3)).argmin(1).view(-1, 1, 1).expand(-1, rows, columns)
        starts = torch.stack([labels, flat, self.cost.argmin(1)], 1)
        place = torch.arange(rows, device=labels.device)[:, None] + torch.arange(columns, device=labels.device)
        found = starts
        for colour in range(2 * sweeps):
            like = torch.zeros(*found.shape[:2], *self.cost.shape[1:], device=labels.device)
            hot = torch.zeros_like(like).scatter_(2, found[:, :, None], 1.0)
            like[..., 1:, :] += hot[..., :-1, :]
            like[..., :-1, :] += hot[..., 1:, :]
            like[..., 1:] += hot[..., :-1]
            like[..., :-1] += hot[..., 1:]
            best = (self.cost[:, None] - self.price * like).argmin(2)
            found = torch.where(place % 2 == colour % 2, best, found)
        chosen = self(found).argmin(1).view(count, 1, 1, 1).expand(-1, 1, rows, columns)
        return found.gather(1, chosen).squeeze(1)


def label_counts(labels: Tensor, size: int) -> Tensor:
    """How many cells of each output show each input: ``(B, P, rows, columns)`` -> ``(B, P, size)``, float32."""
    flat = labels.flatten(2)
    counts = torch.zeros(*flat.shape[:2], size, device=labels.device)
    return counts.scatter_add_(2, flat, counts.new_ones(()).expand(flat.shape))


def own_first(labels: Tensor, counts: Tensor) -> Tensor:
    """Order the outputs of each part so that each stands where an input is that it shows a lot, greedily.

    Args:
        labels (Tensor): ``(B, P, rows, columns)``.
        counts (Tensor): ``(B, P, P)`` cells of each output that show each input.

    Returns:
        Tensor: ``(B, P, rows, columns)``, the outputs in their new order.
    """
    parts, size = counts.shape[:2]
    free = counts.clone()
    order = torch.zeros(parts, size, dtype=torch.long, device=labels.device)
    for _ in range(size):
        best = free.flatten(1).argmax(1)
        output, place = best[:, None] // size, best[:, None] % size
        order.scatter_(1, place, output)
        free.scatter_(1, output[:, :, None].expand(-1, -1, size), -1.0)
        free.scatter_(2, place[:, :, None].expand(-1, size, -1), -1.0)
    return labels.gather(1, order[:, :, None, None].expand_as(labels))
