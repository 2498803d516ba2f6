"""The contracts of what a mixer is put together from: who, where, guided by what, how much of each label."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor

from ..ops.boxes import Box
from ..ops.draws import permutation
from .arguments import Built
from .fields import part, state
from .mix import Mix, with_shares
from .part import Part


class Guide(Part, abstract=True):
    """What is important in an image."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): ``(N, K)`` labels, for guides that look for what speaks for the label.

        Returns:
            Tensor: ``(N, 1, H, W)`` importance, float32, at least 0, without a graph.
        """
        raise NotImplementedError

    def grid(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every cell of the guide's own grid, for who wants no map of pixels.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): As in :meth:`__call__`.

        Returns:
            Tensor: ``(N, 1, rows, columns)``, as :meth:`__call__` gives; the pixels where there is no coarser grid.
        """
        return self(images, scores)


class Keep(Part, abstract=True):
    """Where a box may fall, given how important each pixel is."""

    guide: Built[Guide] = part(Guide, like="guide=dict(type='mmmix.InputGradient')", doc='What is important.')

    def allowed(
        self, importance: Tensor, heights: Tensor, widths: Tensor, clipped: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """The centres at which a box may be placed.

        Args:
            importance (Tensor): ``(N, 1, H, W)``, what the guide said.
            heights (Tensor): ``(N,)`` box heights.
            widths (Tensor): ``(N,)`` box widths.
            clipped (tuple[Tensor, Tensor], optional): ``(N,)`` each, bool: whether the box got its height, and its
                width, at the border, where it then stays if it can. Defaults to None, no box.

        Returns:
            Tensor: ``(N, H, W)``, bool, at least one True a map; every True holds the whole box inside the image.
        """
        raise NotImplementedError

    def move(self, importance: Tensor, box: Box, own_places: Tensor | None) -> Box:
        """Move the boxes that a mixer drew to places that are allowed.

        Args:
            importance (Tensor): ``(N, 1, H, W)``, what the guide said.
            box (Box): The boxes, which may stick out of the image, ``(N,)`` or ``(1,)`` each.
            own_places (Tensor, optional): ``(N, H, W)``, bool: the centres that the mixer draws from. None is all.

        Returns:
            Box: The moved boxes, ``(N,)`` each, which may stick out of the image.
        """
        raise NotImplementedError

    def __call__(
        self, importance: Tensor, heights: Tensor, widths: Tensor, clipped: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw a centre for each box, uniformly among the allowed ones.

        Returns:
            tuple[Tensor, Tensor]: Row and column of the centres, ``(N,)`` each.
        """
        raise NotImplementedError


class Partners(Part, abstract=True):
    """Who is mixed in.

    Attributes:
        drawn (Tensor, optional): ``(M - N,)`` indices in the training set of the pool's rows behind the batch, as
            drawn last, on the host; None of partners that cannot tell.
    """

    drawn: Tensor | None = state()

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose a partner for each image.

        Args:
            images (Tensor): ``(N, C, H, W)`` images of the batch.
            scores (Tensor): ``(N, K)`` their labels.

        Returns:
            tuple[Tensor, Tensor, Tensor]: The pool ``(M, C, H, W)``, whose rows ``0..N-1`` are the batch, its labels
            ``(M, K)`` and the row of each image's partner, ``(N,)``.
        """
        raise NotImplementedError

    def observe(self, images: Tensor, scores: Tensor, sample_idx: Sequence[int]) -> None:
        """Look at a clean batch after it was used, to remember some of it; called once a step by ``MixClassifier``.

        Args:
            images (Tensor): ``(N, C, H, W)`` clean images.
            scores (Tensor): ``(N, K)`` their labels.
            sample_idx (Sequence[int]): Their indices in the training set.
        """

    def remember(self, mix: Mix) -> None:
        """Look at what came out of a step, to mix it in later; called by the mixer, without a need for any model.

        Args:
            mix (Mix): The batch as it was mixed, or left unmixed.
        """

    def state_dict(self) -> dict[str, Any]:
        """What is remembered from step to step, in tensors and plain types, for :class:`mmmix.RandomStateHook`."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` of the same partners gave; tensors may come from another device.

        Args:
            state (dict[str, Any]): What they remembered.
        """


class Permutation(Partners):
    """A random permutation of the batch, as in Mixup and CutMix: an image may meet itself.

    Example:
        >>> import torch
        >>> from mmmix import Permutation
        >>> pool, scores, partner = Permutation()(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> sorted(partner.tolist())
        [0, 1, 2, 3]
    """

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch is the pool, and its rows are permuted."""
        return images, scores, permutation(len(images), images.device)


class Labels(Part, abstract=True):
    """How much of each label: by default the areas in the mask.

    A policy overrides :meth:`shares`. One that looks at how the network sees the *mixed* batch sets ``after_forward``
    and overrides :meth:`watch`: :class:`mmmix.MixClassifier` then asks it once that batch went through the network.
    """

    #: Whether the shares are known only after the mixed images went through the network.
    after_forward: bool = state(default=False)
    #: Whether it looks at how the network sees the mixed images: there are none where features are mixed.
    sees_mixed_images: bool = state(default=False)

    def shares(self, mix: Mix) -> tuple[Tensor, Tensor]:
        """The two label shares.

        Args:
            mix (Mix): The mixed batch, with area shares.

        Returns:
            tuple[Tensor, Tensor]: The own and the partner's share, ``(N,)`` each, float32.
        """
        return mix.lam, mix.lam_partner

    def watch(self, model: Any) -> AbstractContextManager[Callable[[Mix, Callable[[], Tensor]], Mix]]:
        """A context that lasts while the mixed batch goes through the network, for policies with ``after_forward``.

        Args:
            model (nn.Module): The classifier.

        Returns:
            AbstractContextManager: It gives a function from the :class:`mmmix.Mix` with area shares, and a function
            for the logits of the mixed batch ``(N, K)``, to the relabelled mix; called without gradients.
        """
        return nullcontext(lambda mix, predict: self.relabel(mix))

    def relabel(self, mix: Mix) -> Mix:
        """The same mix with this policy's shares, and the scores that follow from them."""
        return with_shares(mix, *self.shares(mix))
