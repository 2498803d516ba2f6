"""How pixels of two batches come together: rows taken, one of two pixels chosen, boxes pasted; no copy too many."""

from collections.abc import Callable

import torch
from torch import Tensor

#: The integers that hold the bits of a float of so many bytes.
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
#: Values of an image from which on a CPU copies a box sooner than it looks at all pixels.
_WORTH_A_LOOP = 2**15


def worth_a_loop(images: Tensor) -> bool:
    """Whether boxes are pasted into these images sooner one after the other than by a mask."""
    compiles = torch.compiler.is_compiling()
    return images.device.type == 'cpu' and images[0].numel() >= _WORTH_A_LOOP and not compiles


def take_rows(pool: Tensor, rows: Tensor) -> Tensor:
    """``pool[rows]`` in the pool's memory format, always a new tensor."""
    if pool.ndim == 4 and pool.is_contiguous(memory_format=torch.channels_last) and not pool.is_contiguous():
        return pool.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return pool.index_select(0, rows)


def choose(mask: Tensor, own: Tensor, other: Tensor, into: Tensor | None = None) -> Tensor:
    """``torch.where(mask, own, other)`` in the memory format of ``own``.

    Args:
        mask (Tensor): Bool, broadcasts to ``(N, C, H, W)``.
        own (Tensor): ``(N, C, H, W)``.
        other (Tensor): Broadcasts to ``own``, in its dtype.
        into (Tensor, optional): ``own`` or ``other``, of the shape of ``own``, if it may become the result. Defaults to
            None, a new tensor.

    Returns:
        Tensor: ``(N, C, H, W)``: what was chosen, bit by bit, so that NaN on one side stays there.
    """
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and (own.requires_grad or other.requires_grad)):
        return torch.where(mask, own, other)
    if own.device.type != 'cpu' or own.dtype != other.dtype or own.element_size() not in _BITS:
        return torch.where(mask, own, other, out=torch.empty_like(own) if into is None else into)
    # PyTorch's `where` goes pixel by pixel on a CPU; three passes over the bits as integers are several times faster.
    bits = _BITS[own.element_size()]
    if into is other:
        result, rest, kept = other, own, mask.logical_not()
    else:
        result, rest, kept = own if into is own else own.clone(), other, mask
    kept = kept.to(bits).neg_()
    words, others = result.view(bits), rest.view(bits)
    words.bitwise_xor_(others).bitwise_and_(kept).bitwise_xor_(others)
    return result


def paste_each(
    images: Tensor,
    box: tuple[Tensor, ...],
    patches: Callable[[int, slice, slice], Tensor | float],
    overwrite: bool = False,
) -> Tensor:
    """Images on a CPU in which a box of each is replaced, one after the other.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        box (tuple[Tensor, ...]): ``top, bottom, left, right``, ``(N,)`` each, inside the image.
        patches (Callable[[int, slice, slice], Tensor | float]): From the number of the image and the rows and columns
            of its box, which is not empty, to what is put there.
        overwrite (bool): Whether to write into ``images``, which patches must then be no views of. Defaults to False, a
            copy.

    Returns:
        Tensor: ``(N, C, H, W)``.
    """
    places = [
        (i, slice(top, bottom), slice(left, right))
        for i, (top, bottom, left, right) in enumerate(torch.stack(box, 1).tolist())
        if bottom > top and right > left
    ]
    # All of them first: some may be taken from where another one goes.
    ready = [patches(*place) for place in places]
    mixed = images if overwrite else images.clone()
    for (i, y, x), patch in zip(places, ready, strict=True):
        mixed[i, :, y, x] = patch
    return mixed


def paste(
    images: Tensor, box: tuple[int, int, int, int], patches: Tensor, rows: Tensor, overwrite: bool = False
) -> tuple[Tensor, Tensor]:
    """The images with one box replaced by rows of patches.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        box (tuple[int, int, int, int]): ``top, bottom, left, right``, inside the image.
        patches (Tensor): ``(M, C, bottom - top, right - left)``.
        rows (Tensor): ``(N,)`` rows of ``patches``.
        overwrite (bool): Whether to write into ``images``, of which patches may be a view. Defaults to False, a copy.

    Returns:
        tuple[Tensor, Tensor]: The images, and the mask of own pixels, ``(1, 1, H, W)``, float32.
    """
    top, bottom, left, right = box
    mixed = images if overwrite else images.clone()
    hole = mixed[..., top:bottom, left:right]
    if overwrite or (torch.is_grad_enabled() and (images.requires_grad or patches.requires_grad)):
        hole.copy_(patches.index_select(0, rows))
    else:
        # Straight into its place: the patches are not gathered first.
        torch.ops.aten.index.Tensor_out(patches, [rows], out=hole)
    mask = images.new_ones((1, 1, *images.shape[-2:]), dtype=torch.float32)
    mask[..., top:bottom, left:right] = 0
    return mixed, mask


def overlaid(pool: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
    """The pixels of several rows of a pool, each as far as its mask shows it.

    Args:
        pool (Tensor): ``(M, C, H, W)``.
        rows (Tensor): ``(N, n)`` rows of it.
        masks (Tensor): ``(N, n, H, W)``, or what broadcasts to it.

    Returns:
        Tensor: ``(N, C, H, W)``.
    """
    first, *others = (
        take_rows(pool, each) * mask[:, None] for each, mask in zip(rows.t(), masks.unbind(1), strict=True)
    )
    for other in others:
        first = first + other
    return first
