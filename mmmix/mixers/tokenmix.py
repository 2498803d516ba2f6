"""TokenMix."""

import math

import torch
from torch import Tensor

from ..guides.attention import Attention
from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .mix import Mixer
from .mixpro import check_size
from .resample import cells_to_pixels, shares_of_cells

#: Attempts at a block, after which fewer tokens than wanted are mixed. The label follows what was mixed.
_ATTEMPTS = 30


@BATCH_AUGMENTS.register_module()
class TokenMix(Mixer):
    r"""TokenMix: several blocks of tokens of the partner replace those of the own image; labels follow the content.

    `TokenMix: Rethinking Image Mixing for Data Augmentation in Vision Transformers <https://arxiv.org/abs/2207.08409>`_.
    Blocks of at least ``min_tokens`` tokens and an aspect ratio log-uniform in ``ratio`` are added, as in BEiT, until
    ``1 - share`` of the tokens are the partner's. Each label gets what is left of the importance in its image, divided
    by the sum of both.

    Deviations from the authors' code: importance is the attention of the network itself, from the step's clean pass,
    where theirs reads label maps of a large pretrained network from a file (any guide can take its place); the labels
    add to 1; the last block is smaller than ``min_tokens`` when fewer tokens are missing, where theirs mixes 14 tokens
    more than asked for; any grid of tokens.

    Args:
        patch_size (int): Side of a token in pixels. Defaults to 16.
        share (float, optional): The share of own tokens; None draws it from Beta(alpha, alpha). Defaults to 0.5.
        min_tokens (int): The least number of tokens in a block. Defaults to 14.
        ratio (float): The smallest height / width of a block; the largest is its inverse. Defaults to 0.3.
        guide (Guide | dict, optional): What is important. Defaults to None, :class:`Attention`, which needs
            :class:`mmmix.MixClassifier`.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share, if ``share`` is None.
            Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one mask a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label, without asking the guide, e.g. :class:`Area`. Defaults
            to None, the importance.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If a part does not fit its role.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import SpectralResidual, TokenMix
        >>> mixer = TokenMix(patch_size=4, min_tokens=2, guide=SpectralResidual())
        >>> images, scores = mixer(torch.rand(4, 3, 32, 32), torch.eye(4))
    """

    looks_at_partners = True

    def __init__(
        self,
        patch_size: int = 16,
        share: float | None = 0.5,
        min_tokens: int = 14,
        ratio: float = 0.3,
        guide: Guide | dict | None = None,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.patch_size = check_size(patch_size, 'TokenMix', 'patch_size')
        if share is not None and (isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1):
            raise ValueError(f'TokenMix: `share` must lie between 0 and 1, or be None, but got {share!r}.')
        if isinstance(min_tokens, bool) or not isinstance(min_tokens, int) or min_tokens < 1:
            raise ValueError(f'TokenMix: `min_tokens` must be a positive whole number, but got {min_tokens!r}.')
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 < ratio <= 1:
            raise ValueError(f'TokenMix: `ratio` must lie in (0, 1], e.g. ratio=0.3, but got {ratio!r}.')
        self.share = share
        self.min_tokens = min_tokens
        self.ratio = float(ratio)
        # A policy that is named replaces the guide.
        self.guide = build_part(guide, Guide, 'guide') or (Attention() if self.labels is None else None)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """The constant share, or the Beta law."""
        if self.share is None:
            return super().sample_share(count, device)
        return torch.full((count,), float(self.share), device=device)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens that stay; one mask for the batch with ``'batch'``."""
        height, width = own.shape[-2:]
        rows, columns = max(1, height // self.patch_size), max(1, width // self.patch_size)
        if self.lam_mode == 'batch':
            share = share[:1]
        cells = token_blocks(share, rows, columns, self.min_tokens, self.ratio)
        mask = cells_to_pixels(cells[:, None], height, width)
        if self.labels is None and self._scene is not None:
            mine, theirs = (shares_of_cells(self.importance(images)) for images in (own, other))
            kept = torch.where(mask, mine, 0.0).sum((1, 2, 3))
            given = torch.where(mask, 0.0, theirs).sum((1, 2, 3))
            both = kept + given
            lam = torch.where(both > 0, kept / both, mask.float().mean((1, 2, 3)))
            self._scene.shares = lam, 1 - lam
        return mask, other


def token_blocks(share: Tensor, rows: int, columns: int, min_tokens: int, ratio: float) -> Tensor:
    """Grids of tokens from which blocks are taken until ``1 - share`` of the tokens are gone.

    Args:
        share (Tensor): ``(N,)`` shares that stay.
        rows (int): Rows of tokens.
        columns (int): Columns of tokens.
        min_tokens (int): The least number of tokens in a block, as long as so many are wanted.
        ratio (float): The smallest height / width of a block.

    Returns:
        Tensor: ``(N, rows, columns)``, bool, False in the blocks. Never more tokens are gone than wanted.
    """
    n, device = len(share), share.device
    drawn = torch.rand(_ATTEMPTS, 4, n, device=device, dtype=torch.float64)
    # Heights and widths, stacked, of blocks of area 1, and the sizes of the grid.
    stretch = ((2 * drawn[:, 1] - 1) * (-math.log(ratio) / 2)).exp()
    stretch = torch.stack([stretch, 1 / stretch], 1)
    limits = torch.cat([drawn.new_full((1, 1), rows), drawn.new_full((1, 1), columns)])
    place = torch.arange(max(rows, columns), device=device)
    missing = ((1 - share.double()) * rows * columns + 1e-6).floor()
    kept = torch.ones(n, rows, columns, dtype=torch.bool, device=device)
    for attempt in range(_ATTEMPTS):
        area = torch.lerp(missing.clamp(max=min_tokens), missing, drawn[attempt, 0])
        sides = torch.minimum((area.sqrt_() * stretch[attempt]).round_(), limits)
        first = (drawn[attempt, 2:] * (limits + 1 - sides)).floor_()
        inside = (place >= first[..., None]).logical_and_(place < (first + sides)[..., None])
        block = inside[0, :, :rows, None] & inside[1, :, None, :columns]
        count = block.logical_and_(kept).sum((1, 2))
        fits = count <= missing
        kept.logical_xor_(block.logical_and_(fits[:, None, None]))
        missing = missing - count * fits
    return kept
