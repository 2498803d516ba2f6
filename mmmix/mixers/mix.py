"""The contract of every mixed-sample method: :class:`Mix`, what came out, and :class:`Mixer`, what makes it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..part import Guide, Keep, Labels, Part, Partners, build_part
from ..partners import Permutation


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
    """

    images: Tensor
    scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    partner: Tensor
    mask: Tensor
    lam: Tensor
    lam_partner: Tensor

    @property
    def mixed(self) -> bool:
        """Whether anything was mixed at all, known without looking at the device."""
        return self.images is not self.pool

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
            lam_partner=(1 - ones).expand(len(images)))


@dataclass
class Scene:
    """The batch that is being mixed, so that guides are asked once and with the right labels."""

    own: Tensor
    own_scores: Tensor
    pool: Tensor
    pool_scores: Tensor
    partner: Tensor
    other: Tensor | None = None
    maps: dict[int, Tensor] = field(default_factory=dict)
    #: The own and the partner's label share, where the method has a law of its own; None for the area in the mask.
    shares: tuple[Tensor, Tensor] | None = None

    def importance(self, guide: Guide, of_partners: bool, whole_pool: bool) -> Tensor:
        """The guide's maps of the batch or of its partners; ``whole_pool`` asks for both at once."""
        rows = self.maps.get(id(guide))
        if rows is None or (of_partners and len(rows) < len(self.pool)):
            whole_pool = whole_pool or of_partners
            rows = guide(self.pool, self.pool_scores) if whole_pool else guide(self.own, self.own_scores)
            self.maps[id(guide)] = rows
        return rows.index_select(0, self.partner) if of_partners else rows[:len(self.own)]


def beta(alpha: float, count: int, device: torch.device | str) -> Tensor:
    """Draws from Beta(alpha, alpha), also for an ``alpha`` so small that both gamma variates underflow.

    Args:
        alpha (float): The parameter, above 0.
        count (int): How many.
        device (torch.device | str): Where to draw them.

    Returns:
        Tensor: ``(count,)``, float32, in [0, 1].
    """
    # Gamma(a) = Gamma(a + 1) * U^(1 / a), and a beta variate is the logistic of the difference of two log-gammas.
    gamma = torch._standard_gamma(torch.full((2, count), alpha + 1, device=device))
    uniform = 1 - torch.rand(2, count, device=device)
    log_gamma = gamma.log() + uniform.log() / alpha
    return torch.sigmoid(log_gamma[0] - log_gamma[1])


def take_rows(pool: Tensor, rows: Tensor) -> Tensor:
    """``pool[rows]`` in the pool's memory format, always a new tensor."""
    if pool.ndim == 4 and pool.is_contiguous(memory_format=torch.channels_last) and not pool.is_contiguous():
        return pool.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return pool.index_select(0, rows)


class Mixer(Part):
    """Base of all mixers: a subclass answers *where*, in :meth:`draw`, and this class does the rest.

    A mixer is called as mmpretrain's batch augmentations are, ``images, scores = mixer(images, scores)``, inside the stock
    ``ImageClassifier`` too. :meth:`mix` returns the whole story. Inputs are never written to. One image alone has no
    partner and comes back as it is.

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

    Raises:
        TypeError: If an argument is unknown or a part does not fit its role.
        ValueError: If an argument is out of range.

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
    _scene: 'Scene | None' = None

    def __init__(self,
                 alpha: float = 1.0,
                 prob: float = 1.0,
                 lam_mode: str = 'batch',
                 partners: Partners | dict | None = None,
                 keep: Keep | dict | None = None,
                 labels: Labels | dict | None = None,
                 check_finite: bool = False):
        name = type(self).__name__
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < float('inf'):
            raise ValueError(f'{name}: `alpha` must be a number above 0, e.g. alpha=1.0, but got {alpha!r}.')
        if isinstance(prob, bool) or not isinstance(prob, (int, float)) or not 0 <= prob <= 1:
            raise ValueError(f'{name}: `prob` must lie in [0, 1], e.g. prob=0.5, but got {prob!r}.')
        if lam_mode not in ('batch', 'elem'):
            raise ValueError(f"{name}: `lam_mode` must be 'batch' (one ratio a batch) or 'elem' (one a sample), but got "
                             f'{lam_mode!r}.')
        if keep is not None and not self.cuts:
            raise ValueError(f'{name} cuts no box, so there is nothing for `keep` to move: remove `keep`.')
        self.alpha = float(alpha)
        self.prob = float(prob)
        self.lam_mode = lam_mode
        self.partners = build_part(partners, Partners, 'partners') or Permutation()
        self.keep = build_part(keep, Keep, 'keep')
        self.labels = build_part(labels, Labels, 'labels')
        self.check_finite = check_finite

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
        mix = self.mix(images, scores)
        return mix.images, mix.scores

    @torch.compiler.disable
    def mix(self, images: Tensor, scores: Tensor) -> Mix:
        """Mix a batch and tell the whole story.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor): ``(N, K)`` one-hot or soft labels.

        Returns:
            Mix: The mixed batch and everything that explains it.

        Raises:
            TypeError: If images are not floating point or labels are class indices.
            ValueError: If the batch is empty, or images and labels do not fit each other.
        """
        scores = check_batch(images, scores, self.min_ndim, self.check_finite)
        with torch.autocast(images.device.type, enabled=False):
            mix = self._mix(images, scores)
            self.partners.remember(mix)
            return mix

    def _mix(self, images: Tensor, scores: Tensor) -> Mix:
        if self.lam_mode == 'batch' and not self._lucky():
            return Mix.unmixed(images, scores)
        pool, pool_scores, partner = self.draw_partners(images, scores)
        if len(pool) == 1 and not self.label_preserving:
            return Mix.unmixed(images, scores)
        self._scene = Scene(images, scores, pool, pool_scores, partner)
        try:
            mixed, mask = self.blend(images, pool, partner, self.draw_share(images))
            return self.finish(mixed, mask, pool, pool_scores, partner)
        finally:
            self._scene = None

    def importance(self, images: Tensor, guide: Guide | None = None) -> Tensor:
        """What is important in the images that :meth:`draw` was given, worked out once a batch.

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
        if scene is None or (images is not scene.own and images is not scene.other):
            return guide(images, None)
        return scene.importance(guide, images is scene.other, self.looks_at_partners)

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
        if mask.dtype == torch.bool:
            return torch.where(mask, images, other), mask
        # The label is taken from the mask in the images' precision: half-precision pixels get half-precision shares.
        mask = mask.to(images.dtype)
        mixes_in_place = other is gathered is not images and not (gathered.requires_grad or images.requires_grad)
        mixed = other.lerp_(images, mask) if mixes_in_place else torch.lerp(other, images, mask)
        return mixed, mask

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """Work out the label shares and put the story together."""
        n = len(partner)
        lam = mask.float().flatten(1).mean(1).expand(n)
        lam_partner = 1 - lam
        if self.label_preserving:
            lam, lam_partner = torch.ones_like(lam), torch.zeros_like(lam)
        elif self._scene is not None and self._scene.shares is not None:
            lam, lam_partner = self._scene.shares
        mix = Mix(
            images=mixed,
            scores=pool_scores[:n],
            pool=pool,
            pool_scores=pool_scores,
            partner=partner,
            mask=mask.float().expand(n, 1, *mixed.shape[2:]),
            lam=lam,
            lam_partner=lam_partner)
        if self.labels is None:
            return _AREA.relabel(mix)
        if self.labels.after_forward:
            self.labels.require_model()
            return _AREA.relabel(mix)
        return self.labels.relabel(mix)

    def _lucky(self) -> bool:
        """Toss the coin of ``prob`` for a whole batch, on the host."""
        chance = self.chance()
        return chance == 1 or bool(torch.rand(()) < chance)

    def chance(self) -> float:
        """The probability of mixing at this moment: ``prob``, unless the method lets it grow."""
        return self.prob


#: The policy of a mixer that was given none.
_AREA = Labels()


def check_batch(images: Any, scores: Any, min_ndim: int = 4, check_finite: bool = False) -> Tensor:
    """Refuse a batch that cannot be mixed, in one line that says what to do.

    Args:
        images (Tensor): What should be ``(N, C, H, W)`` floating point images.
        scores (Tensor): What should be ``(N, K)`` labels.
        min_ndim (int): The least number of dimensions of ``images``. Defaults to 4.
        check_finite (bool): Whether to look for NaN and infinity, at the price of a synchronisation. Defaults to False.

    Returns:
        Tensor: The scores as floating point.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        what = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f'Only floating point images can be mixed, but got {what}: call `.float()` or normalise first.')
    if images.ndim < min_ndim:
        raise ValueError(f'Expected images of shape (N, C, H, W), but got {tuple(images.shape)}: add the missing '
                         'dimensions, e.g. `images[None]`.')
    if not isinstance(scores, Tensor):
        raise TypeError(f'Expected labels of shape (N, K), but got {type(scores).__name__}: pass one-hot or soft scores.')
    if scores.ndim != 2:
        raise ValueError(f'Expected labels of shape (N, K), but got {tuple(scores.shape)}: class indices must be made '
                         'one-hot first, e.g. `torch.nn.functional.one_hot(labels, num_classes)`.')
    if len(images) == 0:
        raise ValueError('The batch is empty: there is nothing to mix, so skip it or drop empty batches in the loader.')
    if len(images) != len(scores):
        raise ValueError(f'Got {len(images)} images but {len(scores)} labels: pass one row of scores per image.')
    if images.device != scores.device:
        raise ValueError(f'Images are on {images.device} but labels on {scores.device}: move both to one device.')
    if check_finite and not bool(torch.isfinite(images).all()):
        raise ValueError('Some images hold NaN or infinity: look at the data pipeline and at `mean` and `std`.')
    return scores if scores.is_floating_point() else scores.float()
