"""The contract of every mixed-sample method: :class:`Mix`, what came out, and :class:`Mixer`, what makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..draws import beta
from ..part import Guide, Keep, Labels, Part, Partners, build_part, mix_scores, without_autocast
from ..partners import Permutation
from .pixels import choose, take_rows
from .scene import Scene, check_at, check_batch, let_take_at


@dataclass(frozen=True)
class Mix:
    """A mixed batch and everything that explains it.

    Attributes:
        images (Tensor): ``(N, C, H, W)`` mixed images.
        scores (Tensor): ``(N, K)`` mixed soft labels.
        pool (Tensor): ``(M, C, H, W)`` clean images; rows ``0..N-1`` are the batch itself.
        pool_scores (Tensor): ``(M, K)`` their labels.
        partner (Tensor): ``(N,)`` row of ``pool`` that was mixed into each image.
        mask (Tensor): ``(N, 1, H, W)`` share of each OWN pixel: 1 keeps it.
        lam (Tensor): ``(N,)`` share of the own label.
        lam_partner (Tensor): ``(N,)`` share of the partner's label; ``1 - lam`` unless the method says otherwise.
        at (str): Path of the module whose output was mixed. Then ``images`` are the clean batch and ``mask`` has the
            resolution of the features. Empty: the images were mixed.
    """

    images: Tensor
    scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    partner: Tensor
    mask: Tensor
    lam: Tensor
    lam_partner: Tensor
    at: str = ''

    @property
    def mixed(self) -> bool:
        """Whether anything was mixed at all, known without looking at the device."""
        return bool(self.at) or self.images is not self.pool

    @classmethod
    def unmixed(cls, images: Tensor, scores: Tensor) -> 'Mix':
        """The batch as it came, as a mix: every image keeps all of itself."""
        ones = images.new_ones((), dtype=torch.float32)
        return cls(
            images=images,
            scores=scores,
            pool=images,
            pool_scores=scores,
            partner=torch.arange(len(images), device=images.device),
            mask=ones.expand(len(images), 1, *images.shape[2:]),
            lam=ones.expand(len(images)),
            lam_partner=(1 - ones).expand(len(images)),
        )


class Mixer(Part):
    """Base of all mixers: a subclass answers *where*, in :meth:`draw`, and this class does the rest.

    A mixer is called as mmpretrain's batch augmentations are, ``images, scores = mixer(images, scores)``, inside the
    stock ``ImageClassifier`` too. :meth:`mix` returns the whole story. Inputs are never written to. One image alone has
    no partner and comes back as it is.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` draws one ratio for the batch, as the papers, ``'elem'`` one per sample.
            Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation of the batch.
        keep (Keep | dict, optional): Where a cut may fall, for mixers that cut boxes. Defaults to None, anywhere.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area in the mask.
        check_finite (bool): Whether to refuse images with NaN or infinity. It makes the device wait for the host, so it
            is for debugging. Defaults to False.
        at (str | Sequence[str], optional): At which depth :class:`mmmix.MixClassifier` mixes: paths of modules, one of
            which is drawn each step; ``''`` is the images. Every mixer takes it. Tokens are mixed as the map of their
            patches, class tokens by the label share. Guides still look at the images. Defaults to None, the images.

    Raises:
        TypeError: If an argument is unknown or a part does not fit its role.
        ValueError: If an argument is out of range, or nothing but images can be mixed with these parts and ``at`` says
            otherwise.

    Example:
        A new mixer is one method. This one keeps the left part of every image:

        >>> import torch
        >>> from mmmix import Mixer
        >>> class LeftMix(Mixer):
        ...     def draw(self, own, other, share):
        ...         x = torch.arange(own.shape[-1], device=own.device)
        ...         return (x < share[:, None, None, None] * own.shape[-1]).float(), other
        >>> mix = LeftMix(lam_mode='elem').mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> mix.images.shape, mix.lam.shape
        (torch.Size([4, 3, 8, 8]), torch.Size([4]))
    """

    #: Whether the method cuts boxes, so that a ``keep`` can move them.
    cuts = False
    #: Whether the method leaves labels alone (Cutout, GridMask): its label share is 1 whatever the mask says.
    label_preserving = False
    #: Whether the method asks for the importance of partners too, so that guides see the whole pool at once.
    looks_at_partners = False
    #: What tells it what is important, for mixers that ask.
    guide: Guide | None = None
    #: The least number of dimensions a batch must have: 2 for mixers that take any shape, 4 for mixers of images.
    min_ndim = 4
    #: Whether feature maps can be mixed as images are, so that ``at`` may name a module.
    mixes_features = True
    _scene: Scene | None = None

    def __init_subclass__(cls, **kwargs: Any):
        """Let every mixer take ``at``, whether its own ``__init__`` names it or not."""
        super().__init_subclass__(**kwargs)
        let_take_at(cls)

    def __init__(
        self,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        keep: Keep | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
        at: str | Sequence[str] | None = None,
    ):
        name = type(self).__name__
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < float('inf'):
            raise ValueError(f'{name}: `alpha` must be a number above 0, e.g. alpha=1.0, but got {alpha!r}.')
        if isinstance(prob, bool) or not isinstance(prob, (int, float)) or not 0 <= prob <= 1:
            raise ValueError(f'{name}: `prob` must lie in [0, 1], e.g. prob=0.5, but got {prob!r}.')
        if lam_mode not in ('batch', 'elem'):
            raise ValueError(
                f"{name}: `lam_mode` must be 'batch' (one ratio a batch) or 'elem' (one a sample), but got "
                f'{lam_mode!r}.'
            )
        if keep is not None and not self.cuts:
            raise ValueError(f'{name} cuts no box, so there is nothing for `keep` to move: remove `keep`.')
        self.alpha = float(alpha)
        self.prob = float(prob)
        self.lam_mode = lam_mode
        self.partners = build_part(partners, Partners, 'partners') or Permutation()
        self.keep = build_part(keep, Keep, 'keep')
        self.labels = build_part(labels, Labels, 'labels')
        self.check_finite = check_finite
        self.at = check_at(self, at)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Decide where: the one method that a new mixer writes.

        Args:
            own (Tensor): ``(N, C, H, W)`` images of the batch.
            other (Tensor): ``(N, C, H, W)`` their partners.
            share (Tensor): ``(N,)`` the drawn own shares, float32, all the same with ``lam_mode='batch'``.

        Returns:
            tuple[Tensor, Tensor]: The mask of own shares in [0, 1], of a shape that broadcasts to ``(N, 1, H, W)``, and
            the partners as they go into the mix: ``other`` itself or, say, a resized one.
        """
        raise NotImplementedError(f'{type(self).__name__} must define draw(own, other, share).')

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch: mmpretrain's contract for batch augmentations.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor): ``(N, K)`` one-hot or soft labels.

        Returns:
            tuple[Tensor, Tensor]: Mixed images and mixed soft labels.
        """
        if any(self.at):
            self.require_model()
        mix = self.mix(images, scores)
        return mix.images, mix.scores

    @torch.compiler.disable
    def mix(self, images: Tensor, scores: Tensor) -> Mix:
        """Mix a batch and tell the whole story.

        Args:
            images (Tensor): ``(N, C, H, W)`` images, or features of them: what is given here is what is mixed, whatever
                ``at`` says.
            scores (Tensor): ``(N, K)`` one-hot or soft labels.

        Returns:
            Mix: The mixed batch and everything that explains it.

        Raises:
            TypeError: If images are not floating point or labels are class indices.
            ValueError: If the batch is empty, or images and labels do not fit each other.
        """
        scene = self.meet(images, scores)
        if scene is None:
            mix = Mix.unmixed(images, scores if scores.is_floating_point() else scores.float())
        else:
            mix = self.mix_in(scene, scene.pool)[1]
        self.partners.remember(mix)
        return mix

    @torch.compiler.disable
    def meet(self, images: Tensor, scores: Tensor) -> Scene | None:
        """Who meets whom and how much of each: all that is settled before anything is mixed.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor): ``(N, K)`` one-hot or soft labels.

        Returns:
            Scene | None: None if the batch is to stay as it is.
        """
        scores = check_batch(images, scores, self.min_ndim, self.check_finite)
        if self.lam_mode == 'batch' and not self._lucky():
            return None
        with without_autocast(images):
            pool, pool_scores, partner = self.draw_partners(images, scores)
            if len(pool) == 1 and not self.label_preserving:
                return None
            return Scene(images, scores, pool, pool_scores, partner, self.draw_share(images))

    @torch.compiler.disable
    def mix_in(self, scene: Scene, pool: Tensor, at: str = '') -> tuple[Tensor, Mix]:
        """Mix the images of a scene, or features of them.

        Args:
            scene (Scene): What :meth:`meet` gave.
            pool (Tensor): ``(M, C, h, w)`` ``scene.pool``, or what the network makes of it.
            at (str): Path of the module that made it; empty for the images. Defaults to ``''``.

        Returns:
            tuple[Tensor, Mix]: What was mixed, ``(N, C, h, w)``, and the story of it.
        """
        scene.shown = scene.own if pool is scene.pool else pool[: len(scene.own)]
        self._scene = scene
        try:
            with without_autocast(pool):
                mixed, mask = self.blend(scene.shown, pool, scene.partner, scene.share)
                mix = self.finish(mixed, mask, pool, scene.pool_scores, scene.partner)
        finally:
            self._scene = None
        return mixed, replace(mix, images=scene.own, pool=scene.pool, at=at) if at else mix

    @torch.compiler.disable
    def draw_depth(self) -> str:
        """One of the places in ``at``, drawn on the host."""
        return self.at[0] if len(self.at) == 1 else self.at[int(torch.randint(len(self.at), ()))]

    def ask_guides(self, scene: Scene) -> None:
        """Ask the guides now: they may run the network, which cannot be done in the middle of a forward pass."""
        if self.guide is not None:
            scene.importance(self.guide, self.looks_at_partners, self.looks_at_partners)
        if self.keep is not None:
            scene.importance(self.keep.guide, False, self.looks_at_partners)

    def importance(self, images: Tensor, guide: Guide | None = None) -> Tensor:
        """What is important in the images that :meth:`draw` was given, worked out once a batch.

        If it was given features, guides look at their images all the same, and the maps are brought to their size.

        Args:
            images (Tensor): ``own`` or ``other``, the very tensor that :meth:`draw` got.
            guide (Guide, optional): Whom to ask. Defaults to None, the mixer's own ``guide``.

        Returns:
            Tensor: ``(N, 1, H, W)``, float32, at least 0.
        """
        guide = guide or self.guide
        if guide is None:
            raise ValueError(f"{type(self).__name__} needs a guide, e.g. guide=dict(type='mmmix.InputGradient').")
        scene = self._scene
        if scene is None or (images is not scene.shown and images is not scene.other):
            return guide(images, None)
        maps = scene.importance(guide, images is scene.other, self.looks_at_partners)
        height, width = images.shape[-2:]
        return maps if maps.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(maps, (height, width))

    def draw_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ask the partners; a label-preserving method has none: every image is its own."""
        if self.label_preserving:
            return images, scores, torch.arange(len(images), device=images.device)
        pool, pool_scores, partner = self.partners(images, scores)
        if self.model is not None and hasattr(self.model, 'open_pool'):
            self.model.open_pool(pool, pool_scores)
        return pool, pool_scores, partner

    def draw_share(self, images: Tensor) -> Tensor:
        """Draw the own shares: one value on the host with ``'batch'``, else one per sample on the images' device.

        Returns:
            Tensor: ``(1,)`` on the CPU, or ``(N,)``.
        """
        if self.lam_mode == 'batch':
            return self.sample_share(1, torch.device('cpu'))
        share = self.sample_share(len(images), images.device)
        chance = self.chance()
        if chance < 1:
            share = torch.where(torch.rand_like(share) < chance, share, 1.0)
        return share

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """The law of the own shares, ``(count,)``, float32: Beta(alpha, alpha) unless the method says otherwise.

        A method that draws its geometry by another law gives a share below 1 here: :meth:`draw` must keep all of an own
        image whose share is 1, because ``prob`` left it unmixed.
        """
        return beta(self.alpha, count, device)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the mask and blend with it.

        Args:
            images (Tensor): ``(N, C, H, W)`` images of the batch.
            pool (Tensor): ``(M, C, H, W)`` images that the partners are rows of.
            partner (Tensor): ``(N,)`` rows of ``pool``.
            share (Tensor): What :meth:`draw_share` gave.

        Returns:
            tuple[Tensor, Tensor]: Mixed images, and the own mask that they were mixed with, which broadcasts to
            ``(N, 1, H, W)``.
        """
        # A label-preserving method mixes with a fill: there is nobody to gather.
        gathered = images if self.label_preserving else take_rows(pool, partner)
        if self._scene is not None:
            self._scene.other = gathered
        if share.numel() == 1:
            share = torch.full((len(images),), float(share), device=images.device)
        mask, other = self.draw(images, gathered, share)
        # Inside a network the mask may be worked out from features that carry a graph; the label has no part in it.
        mask = mask.detach()
        mixes_in_place = other is gathered is not images and not (gathered.requires_grad or images.requires_grad)
        if mask.dtype == torch.bool:
            return choose(mask, images, other, overwrite=mixes_in_place), mask
        # The label is taken from the mask in the images' precision: half-precision pixels get half-precision shares.
        mask = mask.to(images.dtype)
        mixed = other.lerp_(images, mask) if mixes_in_place else torch.lerp(other, images, mask)
        return mixed, mask

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """Work out the label shares and put the story together."""
        n = len(partner)
        mask = mask.float()
        if self.label_preserving:
            lam, lam_partner = mask.new_ones(n), mask.new_zeros(n)
        elif self._scene is not None and self._scene.shares is not None:
            lam, lam_partner = self._scene.shares
        else:
            lam = mask.flatten(1).mean(1).expand(n)
            lam_partner = 1 - lam
        mix = Mix(
            images=mixed,
            scores=mix_scores(pool_scores, partner, lam, lam_partner),
            pool=pool,
            pool_scores=pool_scores,
            partner=partner,
            mask=mask.expand(n, 1, *mixed.shape[2:]),
            lam=lam,
            lam_partner=lam_partner,
        )
        if self.labels is None:
            return mix
        if self.labels.after_forward:
            self.labels.require_model()
            return mix
        return self.labels.relabel(mix)

    def _lucky(self) -> bool:
        """Toss the coin of ``prob`` for a whole batch, on the host."""
        chance = self.chance()
        return chance == 1 or bool(torch.rand(()) < chance)

    def chance(self) -> float:
        """The probability of mixing at this moment: ``prob``, unless the method lets it grow."""
        return self.prob
