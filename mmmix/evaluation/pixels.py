"""Any mmpretrain classifier as a function of pixels, and changes of pixels that try it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import check
from ..core.fields import flag, number, whole
from ..probes.untouched import untouched

#: What changes images: ``(pixels, labels) -> pixels``, both images in [0, 1].
Change = Callable[[Tensor, Tensor], Tensor]


class PixelClassifier:
    """A classifier that takes pixels in [0, 1] and normalises them itself, so that attacks work in pixel space.

    Mean and standard deviation are those of the model's data preprocessor; a model without normalisation is taken to
    want pixels in [0, 255], which is what mmpretrain's pipelines give. The model is used in eval mode, in float32,
    and is left as it was.

    Args:
        model (nn.Module): An mmpretrain classifier: ``model(inputs, mode='tensor')`` gives logits.

    Example:
        >>> import torch
        >>> from mmpretrain.models import ImageClassifier
        >>> from mmmix.evaluation import PixelClassifier
        >>> model = ImageClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
        ...     data_preprocessor=dict(mean=[125.0] * 3, std=[60.0] * 3),
        ... )
        >>> PixelClassifier(model)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, model: nn.Module):
        self.model: Any = model
        preprocessor = model.data_preprocessor
        mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
        normalises = getattr(preprocessor, '_enable_normalize', mean is not None) and mean is not None
        self.mean: Any = mean if normalises else torch.zeros(1, 1, 1)
        self.std: Any = std if normalises else torch.ones(1, 1, 1)

    def to_inputs(self, pixels: Tensor) -> Tensor:
        """Normalise: what the network sees of pixels in [0, 1]."""
        return (255 * pixels - self.mean.to(pixels)) / self.std.to(pixels)

    def to_pixels(self, inputs: Tensor) -> Tensor:
        """Undo the normalisation, in float32."""
        inputs = inputs.float()
        return (inputs * self.std.to(inputs) + self.mean.to(inputs)) / 255

    def __call__(self, pixels: Tensor) -> Tensor:
        """Logits ``(N, K)``, float32, of images ``(N, C, H, W)`` in [0, 1]."""
        logits = self.model(self.to_inputs(pixels), mode='tensor')
        return (logits[-1] if isinstance(logits, (tuple, list)) else logits).float()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Eval mode and no autocast; every training flag is given back."""
        device = next(self.model.parameters()).device
        with untouched(self.model), torch.autocast(device.type, enabled=False):
            yield

    def batch(self, data: dict) -> tuple[Tensor, Tensor]:
        """Pixels in [0, 1] and labels of a batch as a data loader gives it.

        Args:
            data (dict): ``inputs`` and ``data_samples``, before the data preprocessor.

        Returns:
            tuple[Tensor, Tensor]: ``(N, C, H, W)`` float32 and ``(N,)`` int64, on the model's device.
        """
        done = self.model.data_preprocessor(data, False)
        labels = torch.cat([sample.gt_label for sample in done['data_samples']])
        return self.to_pixels(done['inputs']), labels.to(done['inputs'].device)


#: For pixels in [0, 1].
_EPSILON = number(default=8 / 255, least=0, most=1)


class FGSM:
    """One step of size epsilon along the sign of the loss's gradient, in pixel space.

    `Explaining and Harnessing Adversarial Examples <https://arxiv.org/abs/1412.6572>`_. The result lies in [0, 1];
    as the step is taken on pixels, each channel moves by epsilon whatever the normalisation.

    Args:
        classifier (PixelClassifier): Whom to attack.
        epsilon (float): Step, for pixels in [0, 1]. Defaults to 8 / 255.

    Raises:
        ValueError: If epsilon is out of range.
    """

    def __init__(self, classifier: PixelClassifier, epsilon: float = 8 / 255):
        self.classifier = classifier
        (self.epsilon,) = check(self, epsilon=(epsilon, _EPSILON))

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Attack images ``(N, C, H, W)`` with labels ``(N,)``."""
        return (pixels + self.epsilon * gradient_sign(self.classifier, pixels, labels)).clamp(0, 1)


class PGD:
    """Many small steps, each projected back into the epsilon ball and into valid pixels.

    `Towards Deep Learning Models Resistant to Adversarial Attacks <https://arxiv.org/abs/1706.06083>`_.

    Args:
        classifier (PixelClassifier): Whom to attack.
        epsilon (float): Radius of the ball in the maximum norm, for pixels in [0, 1]. Defaults to 8 / 255.
        step (float): Size of a step. Defaults to 2 / 255.
        steps (int): How many. Defaults to 10.
        random_start (bool): Whether to begin at a random place in the ball. Defaults to True.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        classifier: PixelClassifier,
        epsilon: float = 8 / 255,
        step: float = 2 / 255,
        steps: int = 10,
        random_start: bool = True,
    ):
        self.classifier = classifier
        self.epsilon, self.step, self.steps, self.random_start = check(
            self,
            epsilon=(epsilon, _EPSILON),
            step=(step, number(default=2 / 255, above=0)),
            steps=(steps, whole(default=10, least=1)),
            random_start=(random_start, flag()),
        )

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Attack images ``(N, C, H, W)`` with labels ``(N,)``."""
        low, high = (pixels - self.epsilon).clamp(min=0), (pixels + self.epsilon).clamp(max=1)
        moved = pixels
        if self.random_start:
            moved = torch.clamp(pixels + self.epsilon * (2 * torch.rand_like(pixels) - 1), low, high)
        for _ in range(self.steps):
            moved = torch.clamp(moved + self.step * gradient_sign(self.classifier, moved, labels), low, high)
        return moved


def gradient_sign(classifier: PixelClassifier, pixels: Tensor, labels: Tensor) -> Tensor:
    """The sign of the cross entropy's gradient; no parameter gets a gradient."""
    with classifier.at_rest(), torch.enable_grad():
        leaf = pixels.detach().float().requires_grad_()
        loss = F.cross_entropy(classifier(leaf), labels, reduction='sum')
        (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient.sign()


class Occlusion:
    """Mask a share of the patches of every image, at random places.

    The protocol of `Intriguing Properties of Vision Transformers <https://arxiv.org/abs/2105.10497>`_ (random
    PatchDrop), which the SUMix paper follows with a grid of 16 x 16 patches.

    Args:
        ratio (float): The share of masked patches, in [0, 1].
        grid (int): Patches along each side. Defaults to 16.
        fill (float): The pixel value in their place, in [0, 1]. Defaults to 0.0.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.evaluation import Occlusion
        >>> changed = Occlusion(0.25)(torch.ones(2, 3, 32, 32), torch.zeros(2))
        >>> changed.mean((1, 2, 3))
        tensor([0.7500, 0.7500])
    """

    def __init__(self, ratio: float, grid: int = 16, fill: float = 0.0):
        self.ratio, self.grid, self.fill = check(
            self,
            ratio=(ratio, number(least=0, most=1, like=0.25)),
            grid=(grid, whole(default=16, least=1)),
            fill=(fill, number(default=0.0, least=0, most=1)),
        )

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Mask patches of images ``(N, C, H, W)``; sides that the grid does not divide get patches of two sizes."""
        count = self.grid**2
        rank = torch.rand(len(pixels), count, device=pixels.device).argsort(1).argsort(1)
        masked = (rank < round(self.ratio * count)).view(-1, 1, self.grid, self.grid)
        rows, columns = (torch.arange(side, device=pixels.device) * self.grid // side for side in pixels.shape[-2:])
        return torch.where(masked[:, :, rows][..., columns], self.fill, pixels)
