"""Co-Mixup."""

import torch
from torch import Tensor

from ..core import Built, Guide
from ..core.clean_loss import CleanLossMixer
from ..core.collage import Collage
from ..core.fields import again, number, whole
from ..ops.cells import cells_of, cells_to_pixels, pixels_to_cells, shares_of_cells
from ..ops.potts import PottsField, label_counts, own_first
from .puzzlemix import loss_gradient


class CoMixup(CleanLossMixer, Collage, first=('alpha',)):
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
    the softmax. With fine-grained saliency on CIFAR-10 the strongest input of an output has .60 of it on average (.18
    its deviation), theirs .58 (.14), and 7 % of our outputs hold one input, 6 % of theirs (``benchmarks/fidelity.md``).
    The authors train with ``clean_lam=1``, which stands beside the head's loss here; their salience then comes from the
    same pass in train mode, and so does ours.

    Example:
        >>> import torch
        >>> from mmmix import CoMixup, SpectralResidual
        >>> mix = CoMixup(guide=SpectralResidual()).mix(torch.rand(6, 3, 16, 16), torch.eye(6))
        >>> mix.scores.sum(1)
        tensor([1., 1., 1., 1., 1., 1.])
    """

    on_host = True
    alpha: float = again(default=2.0, doc='Parameter of the Dirichlet law of the taste.')
    guide: Built[Guide] = again(
        default=None,
        stands_for=loss_gradient,
        none="the authors' ``InputGradient(target='loss', reduction='rms')``, which needs :class:`MixClassifier`",
    )
    grid: int = whole(default=4, least=1, doc='Cells a side.')
    part: int = whole(default=20, least=1, doc='Images that are mixed with each other.')
    beta: float = number(default=0.32, least=0, doc='Weight of unlike neighbours.')
    gamma: float = number(default=1.0, least=0, doc='Weight of inputs that are shown a lot.')
    eta: float = number(default=0.05, least=0, doc='Weight of the taste.')
    omega: float = number(
        default=0.001, least=0, doc='How much an input counts as shown when one with its peak far away is.'
    )
    thres: float = number(default=0.83, least=0, doc="How many images' worth of an input is a lot.")
    iterations: int = whole(default=4, least=1, doc='Rounds over all outputs.')

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
        self._tell(source, pixels)
        return mixed, pixels == own[:, None, None, None]

    def _tell(self, source: Tensor, pixels: Tensor) -> None:
        """Work out the shares of all inputs."""
        n = len(source)
        area = torch.zeros(n, n, device=source.device)
        area.scatter_add_(1, pixels.flatten(1), area.new_ones(()).expand(n, pixels[0].numel()))
        self.tell_areas(area / pixels[0].numel())

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
