"""Attention as a network works it out: temporary hooks that listen while somebody else runs the network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ..ops.devices import without_autocast
from .modules import recorded, token_grid


def attentions(model: nn.Module) -> list[Any]:
    """All modules in ``model`` whose attention can be read, in the order of the network."""
    found: list[Any] = []
    for module in model.modules():
        inside_windows = isinstance(getattr(module, 'relative_position_index', None), Tensor)
        plain = hasattr(module, 'qkv') and hasattr(module, 'num_heads') and not inside_windows
        if hasattr(module, 'w_msa') or plain:
            found.append(module)
    return found


def find_attention(model: nn.Module) -> Any:
    """The last module in ``model`` whose attention can be read.

    Raises:
        ValueError: If there is none.
    """
    found = attentions(model)
    if not found:
        raise ValueError(
            f'{type(model).__name__} has no multi-head or window attention of mmpretrain to read: use a ViT or a Swin, '
            "or another guide, e.g. dict(type='mmmix.ClassActivation')."
        )
    return found[-1]


@contextmanager
def heard_attention(attention: Any, of: str = 'class') -> Iterator[Callable[[int, int], Tensor]]:
    """Listen to an attention module.

    Args:
        attention (nn.Module): A ``MultiheadAttention`` or a ``ShiftWindowMSA`` of mmpretrain, see
            :func:`find_attention`.
        of (str): Whose attention, ``'class'`` or ``'patches'``. In windows there is no class token. Defaults to
            ``'class'``.

    Yields:
        Callable[[int, int], Tensor]: From height and width of the images to what was heard last, averaged over the
        heads: ``(N, 1, rows, columns)``, float32, without a graph.
    """
    with ExitStack() as stack:
        if not hasattr(attention, 'w_msa'):
            tokens = stack.enter_context(recorded(attention.qkv))
            yield lambda height, width: plain_map(tokens[-1], attention.num_heads, of, height, width)
            return
        shapes: list[tuple[int, int]] = []
        handle = attention.register_forward_pre_hook(lambda _, args: shapes.append(args[1]))
        stack.callback(handle.remove)
        weights = stack.enter_context(recorded(attention.w_msa.softmax))
        yield lambda height, width: window_map(weights[-1], attention, shapes[-1])


@contextmanager
def heard_matrices(model: nn.Module) -> Iterator[Callable[[], Iterator[Tensor]]]:
    """Listen to all plain attention modules of a network.

    Yields:
        Callable[[], Iterator[Tensor]]: From the first block to the last, ``(N, L, L)``: what each token pays to each
        other one, averaged over the heads; float32, without a graph.
    """
    with ExitStack() as stack:
        heard = [(module, stack.enter_context(recorded(module.qkv))) for module in attentions(model)]
        yield lambda: (weights_of(tokens[-1], module.num_heads).mean(1) for module, tokens in heard)


def weights_of(qkv: Tensor, heads: int, first: int = 0, beyond: int | None = None) -> Tensor:
    """What the tokens ``first`` up to ``beyond`` pay to all: ``(N, L, 3 D)`` -> ``(N, heads, l, L)``, float32."""
    with without_autocast(qkv):
        n, count, width = qkv.shape
        split = qkv.detach().float().view(n, count, 3, heads, width // (3 * heads))
        query, key = split[:, first:beyond, 0].transpose(1, 2), split[:, :, 1].transpose(1, 2)
        return (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1)


def plain_map(qkv: Tensor, heads: int, of: str, height: int, width: int) -> Tensor:
    """What the class token, or the average patch, pays to each patch, ``(N, 1, rows, columns)``."""
    extra, rows, columns = token_grid(qkv.shape[1], height, width)
    asked = (0, 1) if extra and of == 'class' else (extra, None)
    paid = weights_of(qkv, heads, *asked).mean((1, 2))
    return paid[:, None, extra:].unflatten(2, (rows, columns))


def window_map(weights: Tensor, attention: Any, shape: tuple[int, int]) -> Tensor:
    """What each token is paid by its window, ``(N, 1, rows, columns)``."""
    (height, width), window = shape, attention.window_size
    shift = attention.shift_size
    if min(height, width) == window and not attention.pad_small_map:
        shift = 0
    rows, columns = -(-height // window), -(-width // window)
    paid = weights.detach().float().mean((1, 2)).view(-1, rows, columns, window, window)
    paid = paid.permute(0, 1, 3, 2, 4).reshape(-1, 1, rows * window, columns * window)
    # The windows were laid over a rolled map, padded at its end.
    return paid.roll((shift, shift), (2, 3))[..., :height, :width]
