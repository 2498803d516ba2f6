"""What the transforms of this room share: arrays, PIL images and tensors, and guides that need no model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core import Guide, check
from ...core.fields import part
from ...registry import TRANSFORMS

_GUIDES = dict(spectral_residual='mmmix.SpectralResidual', fine_grained='mmmix.FineGrained')


class OnPIL:
    """Run a torchvision transform of PIL images on the array under ``img``.

    Args:
        inner (Callable): From PIL image to PIL image.
    """

    def __init__(self, inner: Callable[[Any], Any]):
        self.inner = inner

    def __call__(self, results: dict) -> dict:
        """The results with the image transformed."""
        image = results['img']
        grey = image.ndim == 3 and image.shape[2] == 1
        found = np.array(self.inner(Image.fromarray(image[..., 0] if grey else image)))
        return {**results, 'img': found[..., None] if grey else found}

    def __repr__(self) -> str:
        return repr(self.inner)


def build_transform(transform: dict | Callable[[dict], dict | None]) -> Callable[[Any], Any]:
    """A transform from its config; those of torchvision are given PIL images."""
    if not isinstance(transform, dict):
        return transform
    built = TRANSFORMS.build(transform)
    if str(transform['type']).rpartition('.')[2].startswith('torchvision/'):
        return OnPIL(built.t)
    return built


def image_guide(guide: str | dict | Guide, name: str) -> Guide:
    """A guide that looks at images alone.

    Raises:
        ValueError: If there is none of this name, or if it looks at the model.
    """
    if isinstance(guide, str):
        if guide not in _GUIDES:
            raise ValueError(f'{name}: `guide` must be {", ".join(map(repr, _GUIDES))} or a config, but got {guide!r}.')
        guide = dict(type=_GUIDES[guide])
    (built,) = check(name, guide=(guide, part(Guide, like="guide='spectral_residual'")))
    if built.needs_model:
        raise ValueError(
            f'{name}: {type(built).__name__} looks at the model, which workers do not have: use '
            "guide='spectral_residual' here, or the mixers mmmix.KeepCutout and mmmix.KeepPaste."
        )
    return built


def as_tensor(image: np.ndarray) -> Tensor:
    """An image ``(H, W, C)`` or ``(H, W)`` as a tensor ``(C, H, W)`` of its own."""
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order='C'))
