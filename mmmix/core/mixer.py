"""The contract of every mixed-sample method: a mixer answers where, and this base does the rest."""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..ops.devices import eager_unless_traced, without_autocast
from ..ops.pixels import choose, take_rows
from .arguments import Built
from .batch import as_clips, as_frames, check_batch, looks
from .fields import flag, number, part, places, state, whole
from .mix import Mix, smoothed
from .ratio import Ratio
from .roles import Labels, Partners, Permutation
from .scene import Scene, check_depths


class Mixer(Ratio, abstract=True, first=('alpha', 'prob', 'lam_mode')):
    """Base of all mixers: a subclass answers *where*, in :meth:`draw`, and this class does the rest.

    A mixer is called as mmpretrain's batch augmentations are, ``images, scores = mixer(images, scores)``, inside the
    stock ``ImageClassifier`` too. :meth:`mix` returns the whole story. Inputs are never written to. One image alone has
    no partner and comes back as it is.

    Its kinds are types: :class:`mmmix.core.kinds.GuidedMixer` asks a guide, ``BoxMixer`` pastes boxes, ``WholeMixer``
    pastes whole partners, ``RatiolessMixer`` draws no ratio, and ``Preserving`` leaves labels alone.

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

    partners: Built[Partners] = part(
        Partners, default=None, stands_for=Permutation, none='a random permutation of the batch', doc='Who is mixed in.'
    )
    labels: Built[Labels | None] = part(
        Labels, default=None, none="the method's own", doc="How much of each label, in place of the method's law."
    )
    check_finite: bool = flag(
        default=False,
        doc='Whether to refuse images with NaN or infinity. It makes the device wait for the host: for debugging.',
    )
    at: tuple[str, ...] = places(
        default=None,
        none='the images',
        doc='At which depth :class:`mmmix.MixClassifier` mixes: paths of modules, one of which is drawn each step; '
        "``''`` is the images. Tokens are mixed as the map of their patches, class tokens by the label share. Guides "
        'still look at the images.',
    )
    num_classes: int | None = whole(
        default=None,
        least=1,
        optional=True,
        none='labels are scores',
        like=10,
        doc='How many classes there are, so that labels may be class indices ``(N,)``.',
    )
    label_smoothing: float = number(
        default=0.0,
        least=0,
        below=1,
        like=0.1,
        doc='How much of each label is spread evenly over all classes, mixed or not; 0 where the loss smooths.',
    )
    mask_tells: ClassVar[bool] = True  #: Whether a mask of ones says that an image was left as it is.
    _scene: Scene | None = state()

    def __post_init__(self) -> None:
        """Refuse parts that look at mixed images where features are mixed."""
        if any(self.at):
            check_depths(type(self).__name__, self.partners, self.labels)
            self.needs_model = True
            if self.label_smoothing:
                raise ValueError(
                    f'{type(self).__name__}: `label_smoothing` is for mixed images, but with `at` features are mixed: '
                    "smooth in the head, dict(type='LabelSmoothLoss'), or remove `at`."
                )

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

    @property
    def traces(self) -> bool:
        """Whether ``torch.compile`` may look in: nothing is decided on the host, and no model is looked at."""
        return self.lam_mode == 'elem' and self.model is None and not (self.on_host or self.partners.on_host)

    def takes(self, images: Tensor) -> bool:
        """Whether the mixer mixes batches of so many dimensions: images, and clips where nothing looks at them."""
        return images.ndim == 4 or (images.ndim == 5 and not looks(self))

    @property
    def picks(self) -> bool:
        """Whether every pixel goes into the mix as it is, so that uint8 images can be mixed."""
        return False

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch: mmpretrain's contract for batch augmentations.

        Args:
            images (Tensor): ``(N, C, H, W)``, or clips ``(N, C, T, H, W)`` whose frames are all mixed by one mask.
            scores (Tensor): ``(N, K)`` one-hot or soft labels, or with ``num_classes`` class indices ``(N,)``.

        Returns:
            tuple[Tensor, Tensor]: Mixed images and mixed soft labels ``(N, K)``.
        """
        if any(self.at):
            self.require_model()
        mix = self.mix(images, scores)
        return mix.images, mix.scores

    @eager_unless_traced
    def mix(self, images: Tensor, scores: Tensor) -> Mix:
        """Mix a batch and tell the whole story.

        Args:
            images (Tensor): ``(N, C, H, W)`` images, or features of them: what is given here is what is mixed, whatever
                ``at`` says.
            scores (Tensor): ``(N, K)`` one-hot or soft labels, or with ``num_classes`` class indices ``(N,)``.

        Returns:
            Mix: The mixed batch and everything that explains it.

        Raises:
            TypeError: If images are neither floating point nor, where pixels are picked, uint8.
            ValueError: If the batch is empty, or images and labels do not fit each other or ``num_classes``.
        """
        return self.mix_met(self.meet(images, scores), images, scores)

    @eager_unless_traced
    def mix_met(self, scene: Scene | None, images: Tensor, scores: Tensor) -> Mix:
        """Mix a batch of which :meth:`meet` settled who meets whom; see :meth:`mix`."""
        if scene is None:
            mix = Mix.unmixed(images, check_batch(self, images, scores))
        else:
            mix = self.mix_in(scene, scene.pool)[1]
        # What is remembered comes back as a partner, and must not be smoothed again.
        self.partners.remember(mix)
        return smoothed(mix, self.label_smoothing)

    @eager_unless_traced
    def meet(self, images: Tensor, scores: Tensor) -> Scene | None:
        """Who meets whom and how much of each: all that is settled before anything is mixed.

        Returns:
            Scene | None: None if the batch is to stay as it is.
        """
        scores = check_batch(self, images, scores)
        if self.lam_mode == 'batch' and not self._lucky():
            return None
        with without_autocast(images):
            met = self.find_partners(images, scores)
            return None if met is None else Scene(images, scores, *met, self.draw_share(images))

    @eager_unless_traced
    def mix_in(self, scene: Scene, pool: Tensor, at: str = '') -> tuple[Tensor, Mix]:
        """Mix the images of a scene, or features of them.

        Args:
            scene (Scene): What :meth:`meet` gave.
            pool (Tensor): ``(M, C, h, w)`` ``scene.pool``, or what the network makes of it.
            at (str): Path of the module that made it; empty for the images. Defaults to ``''``.

        Returns:
            tuple[Tensor, Mix]: What was mixed, ``(N, C, h, w)``, and the story of it.
        """
        shown = as_frames(pool)
        scene.shown = scene.own if shown is scene.pool else shown[: len(scene.own)]
        self._scene = scene
        try:
            with without_autocast(pool):
                mixed, mask = self.blend(scene.shown, shown, scene.partner, scene.share)
                if shown is not pool:
                    mixed, mask = as_clips(mixed, mask, pool)
                mix = self.finish(mixed, mask, pool, scene.pool_scores, scene.partner)
        finally:
            self._scene = None
        if scene.overwrite:
            mix = replace(mix, pool=pool[:0])
        return mixed, replace(mix, images=scene.own, pool=scene.pool, at=at) if at else mix

    def ask_guides(self, scene: Scene) -> None:
        """Ask the guides now: they may run the network, which cannot be done in the middle of a forward pass."""

    def find_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Ask the partners for a pool, its labels and each image's row; None if there is nobody to meet."""
        pool, pool_scores, partner = self.partners(images, scores)
        if self.model is not None and hasattr(self.model, 'open_pool'):
            self.model.open_pool(pool, pool_scores)
        return None if len(pool) == 1 else (pool, pool_scores, partner)

    def gather(self, images: Tensor, pool: Tensor, partner: Tensor) -> Tensor:
        """Each image's partner, ``(N, C, H, W)``, a tensor that nobody else holds."""
        other = take_rows(pool, partner)
        if self._scene is not None:
            self._scene.other = other
        return other

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
        gathered = self.gather(images, pool, partner)
        mask, other = self.draw(images, gathered, self.spread(share, images))
        # Inside a network the mask may be worked out from features that carry a graph; the label has no part in it.
        mask = mask.detach()
        mixes_in_place = other is gathered is not images and not (gathered.requires_grad or images.requires_grad)
        if mask.dtype == torch.bool:
            into = other if mixes_in_place else images if self.may_overwrite(images) else None
            return choose(mask, images, other, into), mask
        # The label is taken from the mask in the images' precision: half-precision pixels get half-precision shares.
        mask = mask.to(images.dtype)
        mixed = other.lerp_(images, mask) if mixes_in_place else torch.lerp(other, images, mask)
        return mixed, mask

    def may_overwrite(self, images: Tensor) -> bool:
        """Whether nobody else wants these images of the batch, so that they may become the mixed ones."""
        scene = self._scene
        return scene is not None and scene.overwrite and images is scene.own and not images.requires_grad

    def tell_shares(self, lam: Tensor, lam_partner: Tensor) -> None:
        """Called by :meth:`draw` of a method whose labels do not follow the area: both label shares, ``(N,)`` each."""
        if self._scene is not None:
            self._scene.shares = lam, lam_partner

    def label_shares(self, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The own and the partner's label share, ``(N,)`` each: what the method told, or the area in the mask."""
        if self._scene is not None and self._scene.shares is not None:
            return self._scene.shares
        lam = mask.flatten(1).mean(1).expand(count)
        return lam, 1 - lam

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """Work out the label shares and put the story together."""
        mask = mask.float()
        drawn = None if self._scene is None else self.told_share(self._scene.share)
        mix = Mix.told(mixed, mask, pool, pool_scores, partner, *self.label_shares(mask, len(partner)), drawn)
        labels: Any = self.labels
        if labels is None:
            return mix
        if labels.after_forward:
            labels.require_model()
            return mix
        return labels.relabel(mix)
