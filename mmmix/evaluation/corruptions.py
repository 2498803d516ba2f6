"""Corruptions that are made on the fly, with torchvision, for data sets that have no corrupted version."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import ElasticTransform
from torchvision.transforms.v2 import functional as T

from ..core import check
from ..core.fields import choice

#: What each of the five severities means; ours, not those of the published CIFAR-C and ImageNet-C.
SEVERITIES: dict[str, tuple[float, ...]] = {
    'gaussian_noise': (0.04, 0.06, 0.08, 0.09, 0.10),
    'gaussian_blur': (0.4, 0.6, 0.8, 1.0, 1.4),
    'brightness': (1.1, 1.2, 1.3, 1.5, 1.7),
    'contrast': (0.75, 0.5, 0.4, 0.3, 0.15),
    'saturate': (0.5, 0.3, 0.1, 2.0, 4.0),
    'pixelate': (0.95, 0.9, 0.85, 0.75, 0.65),
    'jpeg_compression': (80, 65, 58, 50, 40),
    'elastic_transform': (10.0, 20.0, 30.0, 40.0, 50.0),
}


class Corruption:
    """One of eight common corruptions at one of five severities, made with torchvision.

    After `Benchmarking Neural Network Robustness to Common Corruptions and Perturbations
    <https://arxiv.org/abs/1903.12261>`_, for use where the published images are not at hand or do not exist. Strengths
    are ours (:data:`SEVERITIES`): compare networks with it, but not its numbers with published ones. Blur and
    distortion are relative to images of 32 pixels and grow with the side.

    Args:
        name (str): ``'gaussian_noise'``, ``'gaussian_blur'``, ``'brightness'``, ``'contrast'``, ``'saturate'``,
            ``'pixelate'``, ``'jpeg_compression'`` or ``'elastic_transform'``.
        severity (int): 1 (mild) to 5 (strong). Defaults to 3.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.evaluation import Corruption
        >>> Corruption('pixelate', 5)(torch.rand(2, 3, 32, 32), torch.zeros(2)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, name: str, severity: int = 3):
        self.name, self.severity = check(
            self, name=(name, choice(*SEVERITIES)), severity=(severity, choice(1, 2, 3, 4, 5))
        )

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Corrupt images ``(N, 3, H, W)`` in [0, 1]."""
        amount = SEVERITIES[self.name][self.severity - 1]
        return getattr(self, f'_{self.name}')(pixels, amount).clamp(0, 1)

    @staticmethod
    def _gaussian_noise(pixels: Tensor, amount: float) -> Tensor:
        return pixels + amount * torch.randn_like(pixels)

    @staticmethod
    def _gaussian_blur(pixels: Tensor, amount: float) -> Tensor:
        sigma = amount * min(pixels.shape[-2:]) / 32
        return T.gaussian_blur(pixels, kernel_size=2 * int(3 * sigma + 0.5) + 1, sigma=sigma)

    @staticmethod
    def _brightness(pixels: Tensor, amount: float) -> Tensor:
        return T.adjust_brightness(pixels, amount)

    @staticmethod
    def _contrast(pixels: Tensor, amount: float) -> Tensor:
        return T.adjust_contrast(pixels, amount)

    @staticmethod
    def _saturate(pixels: Tensor, amount: float) -> Tensor:
        return T.adjust_saturation(pixels, amount)

    @staticmethod
    def _pixelate(pixels: Tensor, amount: float) -> Tensor:
        size = list(pixels.shape[-2:])
        small = T.resize(pixels, [max(1, int(side * amount)) for side in size], antialias=True)
        return T.resize(small, size, interpolation=T.InterpolationMode.NEAREST)

    @staticmethod
    def _jpeg_compression(pixels: Tensor, amount: float) -> Tensor:
        images = (255 * pixels).round().clamp(0, 255).to(torch.uint8).cpu()
        return torch.stack([T.jpeg(image, int(amount)) for image in images]).to(pixels) / 255

    @staticmethod
    def _elastic_transform(pixels: Tensor, amount: float) -> Tensor:
        unit = min(pixels.shape[-2:]) / 32
        warp = ElasticTransform(alpha=amount * unit, sigma=4.0 * unit)
        return torch.stack([warp(image) for image in pixels])
