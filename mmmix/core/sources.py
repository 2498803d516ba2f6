"""Where every pixel of a mixed batch comes from: mixers mix the addresses of pixels as they mix pixels."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .collage import Collage
from .kinds import Preserving
from .mix import Mix
from .mixer import Mixer
from .roles import Partners

#: Addresses go through the mixer this small, so that one that compares neighbouring pixels does not notice them. It is
#: a power of two, which takes nothing from their precision.
_SMALL = 2.0**-24


@dataclass(frozen=True)
class Layer:
    """One of the two images that a mixed pixel may be made of.

    Attributes:
        weight (Tensor): ``(N, H, W)``, float32: how much of each mixed pixel it is.
        row (Tensor): ``(N, H, W)``, int64: which image of the batch it is; -1 is no image, but a fill.
        y (Tensor): ``(N, H, W)``, float32: which row of that image, between two where it was resized.
        x (Tensor): ``(N, H, W)``, float32: which column.
    """

    weight: Tensor
    row: Tensor
    y: Tensor
    x: Tensor

    def nearest(self, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Image, row and column of the nearest pixel, to index ``(N, height, width)`` with."""
        y, x = (place.round().long().clamp_(0, side - 1) for place, side in ((self.y, height), (self.x, width)))
        return self.row.clamp(min=0), y, x


@dataclass(frozen=True)
class Sources:
    """A mixed batch, and where its pixels come from.

    Attributes:
        mix (Mix): The story of the batch.
        own (Layer): What the mask keeps.
        other (Layer): What it lets in. The weights of both add up to 1.
        pairs (bool): Whether each image shows one partner at most, in one place. Defaults to True.
    """

    mix: Mix
    own: Layer
    other: Layer
    pairs: bool = True

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """Both layers."""
        return self.own, self.other


def trace(mixer: Mixer, images: Tensor, scores: Tensor | None = None) -> Sources:
    """Mix a batch and find out where each pixel comes from, for labels of pixels and boxes.

    The addresses of pixels go through the mixer as further channels, so that any geometry is followed: boxes, masks of
    any form, partners that were resized or squeezed, collages of four. Guides look at the images alone.

    Args:
        mixer (Mixer): Any that mixes images and looks at no classifier.
        images (Tensor): ``(N, C, H, W)``, floating point.
        scores (Tensor, optional): ``(N, K)`` labels of whole images, for partners that ask for them, as ``NearLabels``
            do. Defaults to None: each image is a class of its own, and ``mix.scores`` says how much of each it shows.

    Returns:
        Sources: What was mixed, and of what.

    Raises:
        TypeError: If it is no mixer.
        ValueError: If the mixer needs a classifier, mixes features, remembers earlier batches or changes pixels in a
            way that has no address.

    Example:
        >>> import torch
        >>> from mmmix import CutMix
        >>> from mmmix.core.sources import trace
        >>> images = torch.rand(4, 3, 8, 8)
        >>> sources = trace(CutMix(), images)
        >>> rows, y, x = sources.other.nearest(8, 8)
        >>> torch.equal(images[rows, :, y, x].movedim(-1, 1), sources.mix.images)
        True
    """
    _check(mixer)
    scores = torch.eye(len(images), device=images.device) if scores is None else scores
    if isinstance(mixer, Preserving):
        mix = mixer.mix(images, scores)
        own = _in_place(mix, mix.mask[:, 0].float())
        return Sources(mix, own, replace(own, weight=1 - own.weight, row=torch.full_like(own.row, -1)))
    scene = mixer.meet(images, scores)
    if scene is None:
        mix = Mix.unmixed(images, scores)
        own = _in_place(mix, torch.ones_like(images[:, 0], dtype=torch.float32))
        return Sources(mix, own, replace(own, weight=torch.zeros_like(own.weight)))
    if len(scene.pool) != len(images):
        raise ValueError(
            f'{type(mixer).__name__}: {type(mixer.partners).__name__} bring images from outside the batch, whose '
            'labels of pixels nobody has: use other `partners`.'
        )
    pool = torch.cat([images.to(_wide(images)), _addresses(images) * _SMALL], 1)
    return replace(_read(*mixer.mix_in(scene, pool), images), pairs=not isinstance(mixer, Collage))


def _read(mixed: Tensor, mix: Mix, images: Tensor) -> Sources:
    """Images and addresses, from the channels that were mixed."""
    channels, mask = images.shape[1], mix.mask[:, 0].float()
    rows, y, x = (mixed[:, channels:].float() / _SMALL).unbind(1)
    mix = replace(mix, images=mixed[:, :channels].to(images.dtype).contiguous(), pool=images)
    own = _in_place(mix, mask)
    # A pixel of one image has its address written in it. In a blend the own image stands still, and what remains is
    # the other one's.
    whole = (mask == 0) | (mask == 1)
    theirs = [own.y + (y - own.y) / (1 - mask), own.x + (x - own.x) / (1 - mask)]
    read = rows.round().long()
    partner = mix.partner.view(-1, 1, 1).expand_as(read)
    return Sources(
        mix,
        Layer(mask, *(torch.where(whole, a, b) for a, b in ((read, own.row), (y, own.y), (x, own.x)))),
        Layer(1 - mask, *(torch.where(whole, a, b) for a, b in ((read, partner), (y, theirs[0]), (x, theirs[1])))),
    )


def _check(mixer: Mixer) -> None:
    """Refuse what leaves no address behind."""
    if not isinstance(mixer, Mixer):
        raise TypeError(f'Expected a mixer, such as CutMix(), but got {mixer!r}.')
    name = type(mixer).__name__
    if any(mixer.at):
        raise ValueError(f'{name} mixes features, but labels of pixels and boxes need mixed images: remove `at`.')
    for part in mixer.parts():
        if part.needs_model:
            raise ValueError(
                f'{name}: {type(part).__name__} looks at a classifier, which a batch with labels of pixels or boxes '
                'has not: take a mixer or a guide that looks at images alone, such as SpectralResidual.'
            )
    if type(mixer.partners).remember is not Partners.remember:
        raise ValueError(
            f'{name}: {type(mixer.partners).__name__} mixes in images of earlier batches, whose labels of pixels '
            'nobody has: use other `partners`.'
        )
    if not getattr(mixer, 'shows_pixels', True):
        raise ValueError(
            f'{name} makes values that are no pixels of any image: for labels of pixels and boxes take Mixup or CutMix.'
        )
    if getattr(mixer, 'transport', False):
        raise ValueError(f'{name}: with `transport` the pieces of both images lie in disorder: set transport=False.')


def _wide(images: Tensor) -> torch.dtype:
    """A type that holds the addresses exactly."""
    return torch.promote_types(images.dtype, torch.float32)


def _addresses(images: Tensor) -> Tensor:
    """Image, row and column of every pixel, ``(N, 3, H, W)``."""
    n, _, height, width = images.shape
    found = torch.empty(n, 3, height, width, dtype=_wide(images), device=images.device)
    found[:, 0] = torch.arange(n, device=images.device)[:, None, None]
    found[:, 1] = torch.arange(height, device=images.device)[:, None]
    found[:, 2] = torch.arange(width, device=images.device)
    return found


def _in_place(mix: Mix, weight: Tensor) -> Layer:
    """The own images where they are."""
    rows, y, x = _addresses(mix.images).float().unbind(1)
    return Layer(weight, rows.long(), y, x)
