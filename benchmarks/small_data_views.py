"""The training views of the small-data comparison, drawn from images in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.registry import TRANSFORMS
from small_data_images import Images
from torch import Tensor

Samples = Sequence[dict[str, Any]]


class Views:
    """Training views, drawn from images in memory: a flip, and a crop where the regime has one.

    Args:
        images (Tensor): ``(N, C, H, W)`` all training images.
        crop (int): See ``Regime``.
        seed (int): Of the draws, which nobody else shares.
        flip (float): How many images are mirrored. Defaults to 0.5.
    """

    def __init__(self, images: Tensor, crop: int, seed: int, flip: float = 0.5):
        self.images = images
        self.crop, self.flip = crop, flip
        self.draws = torch.Generator().manual_seed(seed)

    def __call__(self, samples: Samples) -> dict[str, Any]:
        """Collate samples, which are numbers of images."""
        device = self.images.device
        batch = self.images[torch.tensor([sample['inputs'] for sample in samples]).to(device)]
        turned = (torch.rand(len(batch), 1, 1, 1, generator=self.draws) < self.flip).to(device)
        batch = torch.where(turned, batch.flip(3), batch)
        if self.crop:
            height, width = batch.shape[2:]
            top, left = torch.randint(2 * self.crop + 1, (2, len(batch), 1), generator=self.draws).to(device)
            rows = (top + torch.arange(height, device=device))[:, None, :, None]
            columns = (left + torch.arange(width, device=device))[:, None, None, :]
            which = torch.arange(len(batch), device=device)[:, None, None, None]
            channels = torch.arange(batch.shape[1], device=device)[None, :, None, None]
            batch = F.pad(batch, [self.crop] * 4)[which, channels, rows, columns]
        batch = batch.contiguous(memory_format=torch.channels_last)
        return dict(inputs=batch, data_samples=[sample['data_samples'] for sample in samples])


class Worker:
    """Transforms of a data pipeline behind the views: they see 8-bit images, the network sees what they make of them.

    Args:
        transforms (Sequence[dict]): Configs of transforms, which leave the size alone. A ``clean_view`` that they send
            along comes with the samples, normalised.
        images (Images): What they are normalised by.
        views (Callable): Collates samples.
    """

    def __init__(
        self, transforms: Sequence[dict[str, Any]], images: Images, views: Callable[[Samples], dict[str, Any]]
    ):
        self.transforms = [TRANSFORMS.build(transform) for transform in transforms]
        self.mean, self.std = images.mean, images.std
        self.views = views

    def __call__(self, samples: Samples) -> dict[str, Any]:
        """Collate samples, which are numbers of images."""
        batch = self.views(samples)
        pixels = (batch['inputs'].cpu() * self.std + self.mean).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        made = []
        for image, sample in zip(pixels.numpy(), batch['data_samples'], strict=True):
            results = dict(img=np.ascontiguousarray(image))
            for transform in self.transforms:
                results = transform(results)
            made.append(torch.from_numpy(np.array(results['img'])))
            if 'clean_view' in results:
                clean = (results['clean_view'] - self.mean[0]) / self.std[0]
                sample.set_field(clean.to(batch['inputs'].device), 'clean_view')
        inputs = (torch.stack(made).permute(0, 3, 1, 2) - self.mean) / self.std
        inputs = inputs.to(batch['inputs'].device).contiguous(memory_format=torch.channels_last)
        return {**batch, 'inputs': inputs}
