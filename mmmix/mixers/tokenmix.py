"""TokenMix."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer
from ..core.fields import again, number, whole
from ..core.scene import Scene
from ..guides import Attention
from ..ops.cells import cells_to_pixels, shares_of_cells
from ..ops.masks import token_blocks


class TokenMix(GuidedMixer):
    r"""TokenMix: several blocks of tokens of the partner replace those of the own image; labels follow the content.

    `TokenMix: Rethinking Image Mixing for Data Augmentation in Vision Transformers <https://arxiv.org/abs/2207.08409>`_.
    Blocks of at least ``min_tokens`` tokens and an aspect ratio log-uniform in ``ratio`` are added, as in BEiT, until
    ``1 - share`` of the tokens are the partner's. Each label gets what is left of the importance in its image, divided
    by the sum of both.

    Deviations from the authors' code: importance is the attention of the network itself, from the step's clean pass,
    where theirs reads label maps of a large pretrained network from a file (any guide can take its place); the labels
    add to 1; the last block is smaller than ``min_tokens`` when fewer tokens are missing, where theirs mixes 14 tokens
    more than asked for; any grid of tokens.

    Example:
        >>> import torch
        >>> from mmmix import SpectralResidual, TokenMix
        >>> mixer = TokenMix(patch_size=4, min_tokens=2, guide=SpectralResidual())
        >>> images, scores = mixer(torch.rand(4, 3, 32, 32), torch.eye(4))
    """

    patch_size: int = whole(default=16, least=1, doc='Side of a token in pixels.')
    share: float | None = number(
        default=0.5,
        above=0,
        below=1,
        optional=True,
        doc='The share of own tokens; None draws it from Beta(alpha, alpha).',
    )
    min_tokens: int = whole(default=14, least=1, doc='The least number of tokens in a block.')
    ratio: float = number(
        default=0.3, above=0, most=1, doc='The smallest height / width of a block; the largest is its inverse.'
    )
    guide: Built[Guide] = again(
        default=None,
        stands_for=lambda: None,
        none=':class:`Attention`, which needs :class:`mmmix.MixClassifier`; nobody is asked where ``labels`` are given',
    )

    def __post_init__(self) -> None:
        """A policy that is named replaces the guide."""
        super().__post_init__()
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
        rows, columns = max(1, height // self.patch_size), max(1, width // self.patch_size)
        share = self.of_masks(share)
        cells = token_blocks(share, rows, columns, self.min_tokens, self.ratio)
        mask = cells_to_pixels(cells[:, None], height, width)
        if self.labels is None and self._scene is not None:
            mine, theirs = (shares_of_cells(maps) for maps in self.both_importances(own, other))
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
