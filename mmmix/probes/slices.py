"""A batch in slices, for passes in which every image is for itself."""

from collections.abc import Iterator

import torch
from torch import Tensor

#: How many pixels go through a network at once for each thread of a CPU.
PIXELS: float = 2**15


def in_slices(images: Tensor, scores: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The batch as it is best sent through a network in eval mode: on a CPU a few images at a time.

    The activations of early blocks are large, and the C library's allocator gives blocks beyond 32 MiB back to the
    system each time, to have them filled with zeros again, page by page, at the next layer. In eval mode every image is
    for itself, so the gradient of a slice is that of the batch. Other devices get the whole batch.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor, optional): ``(N, K)``.

    Yields:
        tuple[Tensor, Tensor | None]: Images and scores of a slice, views of those given.

    Example:
        >>> import torch
        >>> from mmmix.probes.slices import in_slices
        >>> images = torch.rand(3, 3, 256, 256 * torch.get_num_threads())
        >>> [len(part) for part, _ in in_slices(images, None)]
        [1, 1, 1]
    """
    size = len(images)
    if images.device.type == 'cpu':
        size = max(1, int(PIXELS * torch.get_num_threads() / (images.shape[-2] * images.shape[-1])))
    for start in range(0, max(len(images), 1), max(size, 1)):
        part = slice(start, start + size)
        yield images[part], None if scores is None else scores[part]
