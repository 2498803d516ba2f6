"""The contracts of what a mixer is put together from: who, where, guided by what, how much of each label."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .registry import TASK_UTILS

if TYPE_CHECKING:
    from .mixers import Mix


class Part:
    """A choice in a mixed-sample method: a plain object that may hold further parts and may look at the model.

    A part is built from a config, holds no parameters and is not a module: nothing of it enters a checkpoint. Arguments
    that its class does not take are errors that list the ones it takes.

    Attributes:
        needs_model (bool): Whether the part itself asks the trained model for gradients, features or sample identities.
        model: The :class:`mmmix.MixClassifier` (or any classifier) that it looks at, ``None`` until :meth:`bind`.
    """

    needs_model = False
    #: The name of what the part learns beside the network, or None; see :meth:`build_learned` and :meth:`listen`.
    learns: Any = None
    model: Any = None

    def __new__(cls, *args, **kwargs):
        """Refuse arguments that the class does not take, in one line that lists those it takes."""
        takes = inspect.signature(cls.__init__).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            unknown = [name for name in kwargs if name not in takes]
            if unknown:
                known = ', '.join(name for name in takes if name != 'self') or 'no arguments'
                raise TypeError(f'{cls.__name__} does not take `{"`, `".join(unknown)}`: it takes {known}.')
        return super().__new__(cls)

    def parts(self) -> Iterator['Part']:
        """This part and every part that it holds, outermost first."""
        yield self
        for value in vars(self).values():
            if isinstance(value, Part):
                yield from value.parts()

    def bind(self, model: Any) -> None:
        """Let this part and all that it holds look at ``model``.

        :class:`mmmix.MixClassifier` does it by itself; call it to use a guide with a classifier of your own.

        Args:
            model (nn.Module): A classifier whose ``model(images)`` gives logits of shape ``(N, K)``.
        """
        for part in self.parts():
            part.model = model

    def build_learned(self, model: Any) -> nn.Module:
        """What a part that ``learns`` trains beside the network.

        :class:`mmmix.MixClassifier` asks once, before the optimizer is built, and keeps it as ``learned.<name>``.

        Args:
            model (nn.Module): The classifier.
        """
        raise NotImplementedError(f'{type(self).__name__} must define build_learned(model).')

    def check_model(self, model: Any) -> None:
        """Refuse, in one line, a classifier that this part cannot work with; asked once, when it is built.

        Args:
            model (nn.Module): The classifier.
        """

    def listen(self, model: Any) -> AbstractContextManager[Callable[['Mix', Tensor], dict[str, Tensor]]]:
        """A context that lasts while the mixed images go through the network in a training step.

        It is entered in every training step, whichever mixer mixes: ``model.mixer`` tells. What is learned must be part
        of the graph in each of them.

        Args:
            model (nn.Module): The classifier.

        Returns:
            AbstractContextManager: It gives a function from the :class:`mmmix.Mix` and the logits of the mixed images
            ``(N, K)`` to losses by name, which :class:`mmmix.MixClassifier` adds to those of its head.
        """
        raise NotImplementedError(f'{type(self).__name__} must define listen(model).')

    def require_model(self) -> Any:
        """The bound model, or the error that says where to get one.

        Raises:
            RuntimeError: If no model was bound.
        """
        if self.model is None:
            raise RuntimeError(
                f"{type(self).__name__} looks at the model: use type='mmmix.MixClassifier' in place of "
                "'ImageClassifier' (or call `bind(model)`)."
            )
        return self.model

    def __repr__(self) -> str:
        takes = inspect.signature(type(self).__init__).parameters
        shown = ', '.join(f'{name}={getattr(self, name)!r}' for name in takes if name != 'self' and hasattr(self, name))
        return f'{type(self).__name__}({shown})'


class Guide(Part):
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


class Keep(Part):
    """Where a box may fall, given how important each pixel is.

    Attributes:
        guide (Guide): What tells how important each pixel is.
    """

    guide: Guide

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

    def __call__(
        self, importance: Tensor, heights: Tensor, widths: Tensor, clipped: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw a centre for each box, uniformly among the allowed ones.

        Returns:
            tuple[Tensor, Tensor]: Row and column of the centres, ``(N,)`` each.
        """
        raise NotImplementedError


class Partners(Part):
    """Who is mixed in."""

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

    def remember(self, mix: 'Mix') -> None:
        """Look at what came out of a step, to mix it in later; called by the mixer, without a need for any model.

        Args:
            mix (Mix): The batch as it was mixed, or left unmixed.
        """


class Labels(Part):
    """How much of each label: by default the areas in the mask.

    A policy overrides :meth:`shares`. One that looks at how the network sees the *mixed* batch sets ``after_forward``
    and overrides :meth:`watch`: :class:`mmmix.MixClassifier` then asks it once that batch went through the network.
    """

    #: Whether the shares are known only after the mixed images went through the network.
    after_forward = False
    #: Whether it looks at how the network sees the mixed images: there are none where features are mixed.
    sees_mixed_images = False

    def shares(self, mix: 'Mix') -> tuple[Tensor, Tensor]:
        """The two label shares.

        Args:
            mix (Mix): The mixed batch, with area shares.

        Returns:
            tuple[Tensor, Tensor]: The own and the partner's share, ``(N,)`` each, float32.
        """
        return mix.lam, mix.lam_partner

    def watch(self, model: Any) -> AbstractContextManager[Callable[['Mix', Callable[[], Tensor]], 'Mix']]:
        """A context that lasts while the mixed batch goes through the network, for policies with ``after_forward``.

        Args:
            model (nn.Module): The classifier.

        Returns:
            AbstractContextManager: It gives a function from the :class:`mmmix.Mix` with area shares, and a function
            for the logits of the mixed batch ``(N, K)``, to the relabelled mix; called without gradients.
        """
        return nullcontext(lambda mix, predict: self.relabel(mix))

    def relabel(self, mix: 'Mix') -> 'Mix':
        """The same mix with this policy's shares, and the scores that follow from them."""
        return with_shares(mix, *self.shares(mix))


def with_shares(mix: 'Mix', lam: Tensor, lam_partner: Tensor) -> 'Mix':
    """The same mix with these label shares, ``(N,)`` each, and the scores that follow from them."""
    scores = mix_scores(mix.pool_scores, mix.partner, lam, lam_partner)
    return replace(mix, scores=scores, lam=lam, lam_partner=lam_partner)


def mix_scores(pool_scores: Tensor, partner: Tensor, lam: Tensor, lam_partner: Tensor) -> Tensor:
    """The mixed soft labels, ``(N, K)``, of the first rows of a pool and their partners in it, with shares ``(N,)``."""
    own, other = pool_scores[: lam.shape[0]], pool_scores.index_select(0, partner)
    # One new tensor in place of four: with many classes the labels are not small.
    dtype = torch.promote_types(own.dtype, lam.dtype)
    scores = other.to(dtype).mul_(lam_partner[:, None])
    return scores.addcmul_(own.to(dtype), lam[:, None].to(dtype)).to(own.dtype)


def without_autocast(tensor: Tensor) -> AbstractContextManager:
    """A context in which nothing on the tensor's device is autocast; for nothing where nothing is."""
    kind = tensor.device.type
    try:
        enabled = torch.is_autocast_enabled(kind)
    except TypeError:  # PyTorch below 2.4 cannot tell for one device
        enabled = True
    return torch.autocast(kind, enabled=False) if enabled else nullcontext()


def build_part(cfg: Any, kind: type, role: str) -> Any:
    """Build the part that fills ``role``, and check that it is of the kind that fits there.

    Args:
        cfg (Part | dict | None): A part, its config, or None, which stays None.
        kind (type): What fits there, e.g. :class:`Guide`.
        role (str): The name of the argument, for the error.

    Raises:
        TypeError: If something else than a ``kind`` was given.
    """
    part = TASK_UTILS.build(cfg) if isinstance(cfg, dict) else cfg
    if part is not None and not isinstance(part, kind):
        raise TypeError(f'`{role}` takes a {kind.__name__} or its config, e.g. {role}=dict(type=...), but got {cfg!r}.')
    return part
