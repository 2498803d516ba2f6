"""The kinds of mixers: types that say what a method asks for, what it pastes, and whether it leaves labels alone."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.boxes import Box, Side, Size, area_size, box_mask, centred, clipped, random_centre
from ..ops.pixels import choose, paste, paste_each, take_rows, worth_a_loop
from ..ops.resample import resample, resize
from .arguments import Built
from .fields import again, number_or, part, settled, whole
from .mixer import Mixer
from .roles import Guide, Keep, Labels, Partners, Permutation
from .scene import Scene


class RatiolessMixer(Mixer, abstract=True):
    """Base of mixers that draw no ratio: what they see decides how much of each image there is.

    The drawn share is 0, and 1 for an image that the coin of ``prob`` spared.
    """

    alpha: float = settled(default=1.0)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the mask decides."""
        return torch.zeros(count, device=device)

    def told_share(self, share: Tensor) -> Tensor | None:
        """None: no ratio is drawn."""
        return None


def maps_of(scene: Scene | None, guide: Guide, images: Tensor, of_pool: bool = False, own_grid: bool = False) -> Tensor:
    """What is important in the images that a mixer's ``draw`` was given, worked out once a batch.

    If it was given features, guides look at their images all the same, and the maps are brought to their size.

    Args:
        scene (Scene, optional): The batch in hand.
        guide (Guide): Whom to ask.
        images (Tensor): ``own`` or ``other``, the very tensor that ``draw`` got.
        of_pool (bool): Whether the maps of the other images will be wanted too. Defaults to False.
        own_grid (bool): Whether to take the guide's own grid as it is. Defaults to False, the pixels.

    Returns:
        Tensor: ``(N, 1, H, W)``, float32, at least 0; or rows and columns of the guide's grid.
    """
    if scene is None or (images is not scene.shown and images is not scene.other):
        return guide.grid(images, None) if own_grid else guide(images, None)
    of_partners = images is scene.other
    rows = scene.importance(guide, of_pool or of_partners, own_grid)
    maps = rows.index_select(0, scene.partner) if of_partners else rows[: len(scene.own)]
    height, width = images.shape[-2:]
    return maps if own_grid or maps.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(maps, (height, width))


class GuidedMixer(Mixer, abstract=True):
    """Base of mixers that ask a guide what is important in the own image, in the partner, or in both.

    A subclass says which guide stands for None: ``guide: Built[Guide] = again(default=None, stands_for=...)``.
    """

    guide: Built[Guide] = part(Guide, like="guide=dict(type='mmmix.InputGradient')", doc='What is important in images.')

    def importance(self, images: Tensor) -> Tensor:
        """What is important in the images, ``(N, 1, H, W)``; ``own`` or ``other`` as :meth:`draw` got them."""
        return maps_of(self._scene, self.guide, images)

    def both_importances(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is important in both images, from one pass of the guide over the pool."""
        return maps_of(self._scene, self.guide, own, of_pool=True), maps_of(self._scene, self.guide, other)

    def ask_guides(self, scene: Scene) -> None:
        """Ask for the whole pool; see :meth:`Mixer.ask_guides`."""
        scene.importance(self.guide, of_pool=True)


class TokenGuidedMixer(GuidedMixer, abstract=True, first=('patch_size',)):
    """Base of guided mixers whose unit is a token: they look at the guide's own grid, and at no map of pixels."""

    patch_size: int = whole(default=16, least=1, doc='Side of a token in pixels.')

    def grid_of(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of tokens."""
        height, width = images.shape[-2:]
        return max(1, height // self.patch_size), max(1, width // self.patch_size)

    def importance(self, images: Tensor) -> Tensor:
        """What is important in the images, on the guide's own grid; ``own`` or ``other`` as :meth:`draw` got them."""
        return maps_of(self._scene, self.guide, images, own_grid=True)

    def both_importances(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is important in both images, on the guide's own grid, from one pass over the pool."""
        return maps_of(self._scene, self.guide, own, of_pool=True, own_grid=True), self.importance(other)

    def ask_guides(self, scene: Scene) -> None:
        """Ask for the whole pool; see :meth:`Mixer.ask_guides`."""
        scene.importance(self.guide, of_pool=True, own_grid=True)


class BoxMixer(Mixer, abstract=True, first=('alpha', 'prob', 'lam_mode', 'partners')):
    """Base of mixers that paste one box of the partner into the same place of the own image.

    A subclass overrides :meth:`box_size`, :meth:`place` or :meth:`boxes`; one of :class:`CutMix` must not override
    :meth:`draw` alone, which is not asked where boxes are pasted as slices. ``keep`` moves each box to another place;
    the label follows what is then visible of it.
    """

    keep: Built[Keep | None] = part(
        Keep,
        default=None,
        none='anywhere',
        doc='Where the box may fall, e.g. :class:`SelectiveCut`.',
    )

    def box_size(self, share: Any, height: int, width: int) -> Size:
        """Heights and widths of the boxes before they are clipped, for own shares ``(N,)`` or one number."""
        return area_size(share, height, width)

    def boxes(self, own: Tensor, share: Tensor | float) -> Box:
        """Place the boxes: a uniform centre, clipped at the border, then moved by ``keep``.

        Args:
            own (Tensor): ``(N, C, H, W)`` images of the batch.
            share (Tensor | float): ``(N,)`` own shares, ``(1,)`` for one size in the whole batch, or a number for one
                box on the host.

        Returns:
            Box: Four integer tensors of as many boxes as shares, ``(N,)`` with a ``keep``, which may stick out of the
            image; four integers for a number.
        """
        height, width = own.shape[-2:]
        full = self.box_size(share, height, width)
        box = self.place(*full, height, width)
        if self.keep is None:
            return box
        importance = maps_of(self._scene, self.keep.guide, own)
        return self.keep.move(importance, box, self.own_places(*full, height, width))

    def own_places(self, heights: Tensor, widths: Tensor, height: int, width: int) -> Tensor | None:
        """The centres that :meth:`place` draws from, ``(N, H, W)``, bool; None is all of the image."""
        return None

    def place(self, heights: Side, widths: Side, height: int, width: int) -> Box:
        """Where boxes of these sizes fall before they are clipped and ``keep`` moves them: a uniform centre."""
        return centred(*random_centre(heights, height, width), heights, widths)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of the boxes: one for the batch with ``'batch'``, which ``keep`` moves in each image by itself."""
        return box_mask(self.boxes(own, self.of_masks(share)), *own.shape[-2:]), other

    def ask_guides(self, scene: Scene) -> None:
        """Ask the guide of ``keep``; see :meth:`Mixer.ask_guides`."""
        if self.keep is not None:
            scene.importance(self.keep.guide)


class WholeMixer(Mixer, abstract=True):
    """Base of mixers that resize the whole partner and paste it into a box of the own image.

    A subclass overrides :meth:`sample_share`, and :meth:`fitted` for what becomes of a box at the border: here it cuts
    the resized partner off.
    """

    interpolation = 'bilinear'

    def boxes(self, share: Tensor | float, height: int, width: int) -> Box:
        """Boxes with a uniform centre, not clipped, as many as shares; one box on the host for a number."""
        # A share that was a square in float32 must not lose a pixel to rounding.
        return centred(*random_centre(share, height, width), *area_size(share, height, width, 1e-4))

    def fitted(self, box: Box, visible: Box) -> Box:
        """The box that the whole partner is resized into, given the one drawn and what is visible of it."""
        return box

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of each image's box, and the partners resized so that they fit there."""
        height, width = own.shape[-2:]
        box = self.boxes(share, height, width)
        visible = clipped(box, height, width)
        zeros = torch.zeros_like(box[0])
        whole = zeros, zeros + height, zeros, zeros + width
        pasted = resample(other, whole, self.fitted(box, visible), self.interpolation)
        return box_mask(visible, height, width), pasted

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for the whole batch is resized and pasted as a slice; boxes that differ are the general case."""
        if share.numel() > 1 or self.lam_mode == 'elem':
            return super().blend(images, pool, partner, share)
        overwrite, (height, width) = self.may_overwrite(images), images.shape[-2:]
        box = self.boxes(float(share), height, width)
        top, bottom, left, right = visible = clipped(box, height, width)
        if bottom <= top or right <= left:
            return paste(images, (0, 0, 0, 0), pool[..., :0, :0], partner, overwrite)
        y, beyond_y, x, beyond_x = self.fitted(box, visible)
        # A pool no larger than the batch is resized as it lies, which saves gathering it first.
        if len(pool) > len(images):
            pool, partner = take_rows(pool, partner), torch.arange(len(images), device=images.device)
        small = resize(pool, beyond_y - y, beyond_x - x, self.interpolation)
        return paste(images, visible, small[..., top - y : bottom - y, left - x : right - x], partner, overwrite)


class Preserving(Mixer, abstract=True, first=('prob', 'lam_mode')):
    """Base of mixers that leave the label alone: they put something else into the image, and its label share is 1.

    Every image is changed by itself, whatever ``lam_mode``: it only says for whom the coin of ``prob`` is tossed.
    """

    alpha: float = settled(default=1.0)
    partners: Built[Partners] = settled(default=Permutation())
    labels: Built[Labels | None] = settled()
    lam_mode: str = again(
        default='elem',
        doc="For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; with both, every image is changed by "
        'itself.',
    )

    def find_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nobody is asked: every image is its own partner."""
        return images, scores, torch.arange(len(images), device=images.device)

    def gather(self, images: Tensor, pool: Tensor, partner: Tensor) -> Tensor:
        """The images themselves: there is nobody to gather."""
        return images

    def draw_share(self, images: Tensor) -> Tensor:
        """Whether each image is left alone: ``(N,)`` on their device, 1 leaves it, 0 changes it."""
        share = torch.zeros(len(images), device=images.device)
        chance = self.chance()
        if self.lam_mode == 'elem' and chance < 1:
            share = (torch.rand_like(share) >= chance).float()
        return share

    def label_shares(self, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """All of the own label."""
        return mask.new_ones(count), mask.new_zeros(count)


class Filling(Preserving, abstract=True):
    """Base of mixers that put a fill into some pixels: a number, or noise."""

    fill: float | str = number_or(
        'random',
        default=0.0,
        doc="What is put in: a number for all channels, after normalisation, or ``'random'`` for standard normal noise "
        'in every pixel and channel.',
    )

    @property
    def picks(self) -> bool:
        """A grey level can be filled in; noise and fractions are none."""
        return not isinstance(self.fill, str) and self.fill in range(256)

    def filling(self, own: Tensor) -> Tensor:
        """What is put in: a number, or noise of the images' shape."""
        if not isinstance(self.fill, str):
            return own.new_full((), self.fill)
        # Drawn by position and not by memory: the same noise for images in channels_last.
        return torch.randn(own.shape, device=own.device).to(own.dtype)


class Eraser(Filling, BoxMixer, abstract=True, first=('fill', 'prob', 'lam_mode', 'keep')):
    """Base of mixers that erase one box of each image.

    A subclass overrides :meth:`box_size`, and :meth:`place` where its boxes do not have a uniform centre.
    """

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """On a CPU noise is drawn for the boxes alone; elsewhere one pass over all pixels is faster."""
        if images.device.type != 'cpu' or images.requires_grad or torch.compiler.is_compiling():
            return super().blend(images, pool, partner, share)
        overwrite, (height, width) = self.may_overwrite(images), images.shape[-2:]
        box = clipped(self.boxes(images, share), height, width)
        mask = box_mask(box, height, width)
        if not isinstance(self.fill, str):
            fill = self.fill
            if worth_a_loop(images):
                return paste_each(images, box, lambda i, y, x: fill, overwrite), mask
            return choose(mask, images, self.filling(images), images if overwrite else None), mask
        if not worth_a_loop(images):
            areas = (box[1] - box[0]) * (box[3] - box[2])
            noise = torch.randn(images.shape[1] * int(areas.sum())).to(images.dtype)
            return (images if overwrite else images.clone()).masked_scatter_(mask.logical_not(), noise), mask

        def patch(i: int, y: slice, x: slice) -> Tensor:
            # A patch at a time stays in the cache.
            return torch.randn(images.shape[1], y.stop - y.start, x.stop - x.start).to(images.dtype)

        return paste_each(images, box, patch, overwrite), mask

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for each image; ``other`` is the fill."""
        filling = self.filling(own)
        return box_mask(self.boxes(own, share), *own.shape[-2:]), filling
