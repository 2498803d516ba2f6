"""TokenMix."""

import torch
from torch import Tensor

from ..core import Built, Guide, TokenGuidedMixer
from ..core.fields import again, number, whole
from ..core.scene import Scene
from ..guides import Attention
from ..ops.cells import cells_to_pixels, shares_of_cells
from ..ops.masks import token_blocks


class TokenMix(TokenGuidedMixer, first=('patch_size',)):
    r"""TokenMix: several blocks of tokens of the partner replace those of the own image; labels follow the content.

    `TokenMix: Rethinking Image Mixing for Data Augmentation in Vision Transformers <https://arxiv.org/abs/2207.08409>`_.
    Blocks of tokens with an aspect ratio log-uniform in ``ratio`` are added, as in BEiT, until ``1 - share`` of the
    tokens and ``extra_tokens`` more are the partner's: of 14 x 14 tokens 112, so that 3 / 7 stay. Each label gets what
    is left of the importance in its image, divided by the sum of both. Importance is that of the guide's own grid: each
    token has that of the guide's cell at its place.

    These are the defaults of the authors' code, in which the 14 of ``minimum_tokens`` are added to the count and blocks
    may be single tokens. The paper has blocks of at least 14 tokens and half of all tokens: ``extra_tokens=0,
    min_tokens=14``; its last block is smaller when fewer tokens are missing.

    Deviations from the authors' code: importance is the attention of the network itself, from the step's clean pass,
    where theirs reads label maps of a large pretrained network from a file (any guide can take its place); the labels
    add to 1; any grid of tokens, and a block that is higher or wider than it is cut to it, where theirs draws again.

    Example:
        >>> import torch
        >>> from mmmix import SpectralResidual, TokenMix
        >>> mixer = TokenMix(patch_size=4, guide=SpectralResidual())
        >>> images, scores = mixer(torch.rand(4, 3, 32, 32), torch.eye(4))
    """

    share: float | None = number(
        default=0.5,
        above=0,
        below=1,
        optional=True,
        doc='The share of own tokens; None draws it from Beta(alpha, alpha).',
    )
    min_tokens: int = whole(default=1, least=1, doc='The least number of tokens in a block; 14 as in the paper.')
    ratio: float = number(
        default=0.3, above=0, most=1, doc='The smallest height / width of a block; the largest is its inverse.'
    )
    guide: Built[Guide] = again(
        default=None,
        stands_for=lambda: None,
        none=':class:`Attention`, which needs :class:`mmmix.MixClassifier`; nobody is asked where ``labels`` are given',
    )
    extra_tokens: int = whole(
        default=14, least=0, doc="So many more tokens than ``1 - share`` asks for are the partner's; 0 as in the paper."
    )
    alpha: float | None = number(  # type: ignore[assignment]
        default=None,
        above=0,
        optional=True,
        none='1',
        like=1.0,
        doc='Parameter of the Beta(alpha, alpha) distribution of the own share, for ``share=None`` alone.',
    )

    def __post_init__(self) -> None:
        """A policy that is named replaces the guide; the share is fixed or drawn."""
        super().__post_init__()
        if self.alpha is not None and self.share is not None:
            raise ValueError(
                f'TokenMix: `alpha` is for a share that is drawn, and share={self.share!r} is not: set share=None, or '
                'leave `alpha` out.'
            )
        if self.share is None:
            self.alpha = self.alpha or 1.0
        if self.labels is None:
            self.guide = self.guide or Attention()

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """The constant share, or the Beta law."""
        if self.share is None:
            return super().sample_share(count, device)
        return torch.full((count,), float(self.share), device=device)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens that stay; one mask for the batch with ``'batch'``."""
        height, width = own.shape[-2:]
        rows, columns = self.grid_of(own)
        share = self.of_masks(share).double()
        share = torch.where(share < 1, (share - self.extra_tokens / (rows * columns)).clamp(min=0), share)
        cells = token_blocks(share, rows, columns, self.min_tokens, self.ratio)
        mask = cells_to_pixels(cells[:, None], height, width)
        if self.labels is None and self._scene is not None:
            spread = (cells_to_pixels(maps, height, width) for maps in self.both_importances(own, other))
            mine, theirs = (shares_of_cells(maps) for maps in spread)
            kept = torch.where(mask, mine, 0.0).sum((1, 2, 3))
            given = torch.where(mask, 0.0, theirs).sum((1, 2, 3))
            both = kept + given
            lam = torch.where(both > 0, kept / both, mask.float().mean((1, 2, 3)))
            self.tell_shares(lam, 1 - lam)
        return mask, other

    def ask_guides(self, scene: Scene) -> None:
        """Ask for the whole pool, unless another policy decides on labels; see :meth:`Mixer.ask_guides`."""
        if self.labels is None:
            super().ask_guides(scene)
