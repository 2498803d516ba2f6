"""AdAutoMix."""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Labels, Mix
from ..core.fields import again, flag, number, settled, state, whole
from ..core.mix import mix_many
from ..learned import AdAutoMixBlock
from ..ops.devices import eager
from ..ops.draws import beta, permutation
from ..ops.pixels import overlaid
from .automix import AutoMix


class AdAutoMix(AutoMix, first=('alpha',)):
    r"""AdAutoMix: :class:`AutoMix` with several images in each mix, and a block that every other step works against.

    `Adversarial AutoMixup <https://arxiv.org/abs/2312.11954>`_. :class:`AdAutoMixBlock` gives each of ``n_images``
    images a mask; a softmax makes them add up to 1. Shares of three or more images are draws from Beta(alpha, alpha)
    divided by their sum, those of two are a draw and the rest. Further images than two are other ones of the batch. Of
    the block's draw ``CE`` is the teacher's cross entropy, and ``cos`` the cosine between its logits of the mixed
    images and of the clean ones that they show, weighted by their shares. In the teacher's first step and every
    ``interval`` ones after it ``loss_block`` is ``-beta CE + (1 - beta) cos``: the block is paid for mixes that the
    teacher finds hard, and that do not look like any of their images. In the other steps it is ``CE``. With three or
    more images ``loss_clean`` is ``1 - flat_weight`` of the cross entropy of the clean images and ``flat_weight`` of
    that of the mixed batch's images and shares without a mask, as in Mixup, by the network's own head.

    Teacher, evaluation and labels are those of :class:`AutoMix`; what is learned is ``learned.adautomix``. The label of
    a mix is made of all its images: ``Mix.scores`` is the whole mixture; ``Mix.partner`` is the strongest image beside
    the own one and ``Mix.lam_partner`` its share, an image that is shown twice having both its shares. Heads that know
    only pairs (SUMix) see that one. Partners of any kind give the second image; policies of labels other than
    :class:`Area` share out between two, so they need ``n_images=2``.

    The authors' settings: on CIFAR ``beta=0.3``, on Tiny-ImageNet 0.4, on ImageNet 0.1 and ``n_images=2``; with Swin
    and on most fine-grained sets ``fewer=True``.

    Cost of a step, where plain training is one pass forward and one backward: with three images the student 3 and 3,
    with two 2 and 2, the teacher 2 forward and 1 backward to the pixels.

    Deviations from the authors' code: on CIFAR and Tiny-ImageNet their block never sees the shares, and nothing there
    ties a mask to the share in its label; here it always sees them, and AutoMix's loss on the means stays, with
    ``mask_weight``. In OpenMixup's copy, not in their own, three masks are flat where the share is *not* small, that is
    in every step. ``as_released=True`` brings back all three. Both draws have shares of their own, also with three
    images. The teacher's view of the clean images comes from the pass that the block looks with; they run one more for
    each image.

    Raises:
        TypeError: If an argument is unknown, or the model does not train what a part learns.
        ValueError: If an argument is out of range, the labels know only pairs, the network has no such feature map, or
            the head wants the clean images without a graph.
        RuntimeError: If there is no :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import AdAutoMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.AdAutoMix')]))
        >>> AdAutoMix(n_images=2, beta=0.1).n_images
        2
    """

    alpha: float = again(default=1.0)
    at: tuple[str, ...] = settled(default=('',))
    n_images: int = whole(default=3, least=2, doc='How many images each mix shows.')
    fewer: bool = flag(
        default=False, doc='Whether each batch has 2 to ``n_images`` images, drawn evenly; else always ``n_images``.'
    )
    beta: float = number(default=0.3, least=0, most=1, doc='Weight of the cross entropy that the block works against.')
    interval: int = whole(default=2, least=1, doc='In every so many steps the block works against the teacher.')
    flat_weight: float = number(
        default=0.5, least=0, most=1, doc='Share of Mixup without a mask in ``loss_clean``, with three or more images.'
    )
    lam_margin: float = again(
        default=0.03, doc="Where the own share, or what is left of it, is at most this, the student's masks are flat."
    )
    upsample: str = again(default='bilinear')
    mask_adjust: float = settled(default=0.0)
    as_released: bool = again(
        default=False,
        doc="Whether the faults of the authors' code stay: a block that does not see the shares, no loss on the means "
        "of masks, and, with three or more images, OpenMixup's margin.",
    )
    #: How many images this batch's mixes show, where that is drawn.
    _count: int | None = state()
    #: The teacher's logits of the clean images.
    _told: Tensor | None = state()
    #: Of the student's draw: how the images beside the own one share what it leaves, and which those behind the
    #: partner are, rows of the batch.
    _rest: Tensor | None = state()
    _further: list[Tensor] = state()
    #: What was mixed: rows of the pool and the drawn shares, ``(N, n)`` each, and the label shares.
    _drawn: tuple[Tensor, Tensor] | None = state()
    _counted: Tensor | None = state()

    def __post_init__(self) -> None:
        """Refuse labels that know only pairs."""
        super().__post_init__()
        labels: Any = self.labels
        if self.n_images == 2 or labels is None:
            return
        if labels.after_forward or type(labels).shares is not Labels.shares:
            raise ValueError(
                f'{type(self).__name__}: {type(labels).__name__} shares a label out between two images, but here are '
                f"{self.n_images}: use labels=dict(type='mmmix.Area') or None, or n_images=2."
            )

    # ----------------------------------------------------------------------------------------------- the student's draw

    @property
    def count(self) -> int:
        """How many images each mix of this batch shows."""
        return self._count or self.n_images

    def sample_shares(self, count: int, device: torch.device) -> Tensor:
        """The law of the shares of all images, ``(count, n)``, float32; the own one is in front."""
        if self.count == 2:
            own = beta(self.alpha, count, device)
            return torch.stack([own, 1 - own], 1)
        draws = beta(self.alpha, count * self.count, device).view(count, -1)
        draws = draws.clamp(min=torch.finfo(draws.dtype).tiny)
        return draws / draws.sum(1, keepdim=True)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """The law of the own shares; how the others share the rest is drawn with them."""
        shares = self.sample_shares(count, device).clamp(min=torch.finfo(torch.float32).tiny)
        self._rest = shares[:, 1:] / shares[:, 1:].sum(1, keepdim=True)
        return shares[:, 0]

    def find_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Ask the partners for the second image; further ones are of the batch."""
        if self.fewer:
            self._count = int(torch.randint(2, self.n_images + 1, (), generator=self.coins))
        found = super().find_partners(images, scores)
        self._further = [permutation(len(images), images.device) for _ in range(self.count - 2)]
        return found

    def look(self, images: Tensor) -> Tensor:
        """What the block sees of images; the teacher's logits are kept."""
        seen, self._told = self.learner().look_and_tell(images)
        return seen

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Show each pixel of all images as far as their masks say."""
        seen, seen_partners, further, rest = self._seen, self._seen_partners, self._further, self._rest
        assert seen is not None, 'meet() comes first'
        assert seen_partners is not None
        assert rest is not None
        own = self.spread(share, images)[:, None]
        shares = torch.cat([own, (1 - own) * self.sent(rest, images)], 1)
        rows = torch.stack([torch.arange(len(images), device=images.device), partner, *further], 1)
        with torch.no_grad():
            features = [seen[: len(images)], seen_partners, *(seen.index_select(0, each) for each in further)]
            masks = self.learner().block(features, shares, images.shape[-2:])
        masks = torch.where(self.flat(own)[:, :, None, None], shares[:, :, None, None], masks).to(images.dtype)
        self._drawn = rows, shares
        self._counted = shares if self.labels is None else masks.float().mean((2, 3))
        same = rows[:, :, None] == rows[:, None]
        self.tell(rows, (same * self._counted[:, None]).sum(2), same[:, 0])
        return overlaid(pool, rows, masks), (masks * same[:, 0, :, None, None]).sum(1, keepdim=True)

    def flat(self, own: Tensor) -> Tensor:
        """Where the student's masks are flat, for own shares."""
        rest = 1 - own
        if self.as_released and self.count > 2:
            return (own <= self.lam_margin) | (rest > self.lam_margin)
        return torch.minimum(own, rest) <= self.lam_margin

    def sent(self, few: Tensor, images: Tensor) -> Tensor:
        """What was drawn for the batch on the host, ``(1, n)``, as ``(N, n)`` on the images' device."""
        if len(few) > 1 or self.lam_mode == 'elem':
            return few
        return torch.stack([torch.full((len(images),), float(each), device=images.device) for each in few[0]], 1)

    def tell(self, rows: Tensor, of_each: Tensor, is_own: Tensor) -> None:
        """Settle which image stands beside the own one in the story, and the shares of both.

        Args:
            rows (Tensor): ``(N, n)`` rows of the pool.
            of_each (Tensor): ``(N, n)`` the share of each of them, in all places where it is shown.
            is_own (Tensor): ``(N, n)`` whether it is the own one.
        """
        strongest, place = of_each.masked_fill(is_own, -1)[:, 1:].max(1)
        self.tell_shares(of_each[:, 0], strongest.clamp(min=0))
        if self._scene is not None:
            self._scene.partner = rows[:, 1:].gather(1, place[:, None]).squeeze(1)

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """The whole mixture in ``scores``, the strongest partner beside it."""
        assert self._scene is not None
        assert self._drawn is not None
        assert self._counted is not None
        mix = super().finish(mixed, mask, pool, pool_scores, self._scene.partner)
        if self.count == 2:
            return mix
        return replace(mix, scores=mix_many(pool_scores, self._drawn[0], self._counted).to(pool_scores.dtype))

    # ------------------------------------------------------------------------------------------- what is learned beside

    def build_block(self, width: int) -> nn.Module:
        """The block, for features of so many channels."""
        return AdAutoMixBlock(width, sees_lam=not self.as_released, upsample=self.upsample)

    def mask_weight_now(self) -> float:
        """The weight of the loss on the means of masks at this moment."""
        return 0.0 if self.as_released else super().mask_weight_now()

    @property
    def adversarial(self) -> bool:
        """Whether the block works against the teacher in this step; counted in the teacher's steps."""
        return (self.learner().teacher.count - 1) % self.interval == 0

    def clean_loss(self, model: Any, mix: Mix) -> Tensor:
        """The student's cross entropy of the clean images, and of those of the mixed batch without masks.

        Args:
            model (MixClassifier): The classifier.
            mix (Mix): The mixed batch.
        """
        clean = super().clean_loss(model, mix)
        if self.count == 2 or self.flat_weight == 0:
            return clean
        assert self._drawn is not None
        rows, shares = self._drawn
        images = overlaid(mix.pool, rows, shares[:, :, None, None].to(mix.pool.dtype))
        logits = model.head(eager(model.extract_feat)(images)).float()
        flat = F.cross_entropy(logits, mix_many(mix.pool_scores.float(), rows, shares))
        return torch.lerp(clean, flat, self.flat_weight)

    def block_draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The draw that trains the block: rows of the batch, the own one in front, and shares, ``(N, n)`` each."""
        n, device = len(images), images.device
        few = self.lam_mode == 'batch'
        shares = self.sample_shares(1 if few else n, torch.device('cpu') if few else device)
        others = [permutation(n, device) for _ in range(self.count - 1)]
        return torch.stack([torch.arange(n, device=device), *others], 1), self.sent(shares, images)

    def block_losses(self, images: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """The losses that train the block, for or against the teacher, on a draw of its own.

        Args:
            images (Tensor): ``(N, C, H, W)`` clean images of the batch.
            scores (Tensor): ``(N, K)`` their labels, float32.
        """
        seen, told = self._seen, self._told
        assert seen is not None, 'meet() comes first'
        assert told is not None
        learner = self.learner()
        rows, shares = self.block_draw(images)
        masks = learner.block([seen.index_select(0, each) for each in rows.t()], shares, images.shape[-2:])
        logits = learner.teacher(overlaid(images.float(), rows, masks)).float()
        loss = F.cross_entropy(logits, mix_many(scores, rows, shares))
        if self.adversarial:
            alike = F.cosine_similarity(logits[:, None], told[rows], dim=2)
            loss = (1 - self.beta) * (shares * alike).sum(1).mean() - self.beta * loss
        self._seen = self._seen_partners = self._told = self._drawn = None
        return {'loss_block': loss, 'loss_mask': self.mask_weight_now() * self.mask_loss(masks, shares)}

    def mask_loss(self, mask: Tensor, share: Tensor) -> Tensor:
        """How far the means of masks ``(N, n, H, W)`` are off their shares ``(N, n)``, beyond the slack."""
        return ((mask.mean((2, 3)) - share).abs() - self.mask_slack).clamp(min=0).mean()
