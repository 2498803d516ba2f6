"""Attention as a network works it out: temporary hooks that listen while somebody else runs the network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.devices import without_autocast
from .modules import extra_tokens, module_at, recorded, token_grid

#: Networks of mmpretrain that lay their tokens out as here, with all tokens attending to all, and in other ways.
PLAIN = ('VisionTransformer', 'DistilledVisionTransformer', 'DeiT3', 'BEiTViT')
OTHERS = ('SwinTransformer', 'SwinTransformerV2', 'PCPVT', 'SVT')
#: Where wrappers come from, which leave the tokens of what they wrap as they are.
_WRAPPERS = ('torch.', 'mmengine.', 'mmpretrain.models.peft.')


@dataclass
class Heard:
    """What an attention module made of its input: the softmax of ``query @ key / divisor + bias`` is the attention."""

    #: ``(N, heads, L, D)`` each, without a graph.
    query: Tensor
    key: Tensor
    divisor: float
    #: ``(heads, L, L)``.
    bias: Tensor | None = None

    def weights(self, first: int = 0, beyond: int | None = None) -> Tensor:
        """What the tokens ``first`` up to ``beyond`` pay to all, ``(N, heads, l, L)``, float32."""
        with without_autocast(self.query):
            products = self.query[:, :, first:beyond].float() @ self.key.float().transpose(-2, -1) / self.divisor
            return (products if self.bias is None else products + self.bias[:, first:beyond].float()).softmax(-1)


def author(module: Any) -> str:
    """The class of mmpretrain whose forward pass a module has; ``''`` for a class of somebody else's."""
    cls = next(cls for cls in type(module).__mro__ if 'forward' in vars(cls))
    return cls.__name__ if cls.__module__.startswith('mmpretrain.') else ''


def network_of(model: Any) -> nn.Module:
    """The network that lays out the tokens: a classifier's backbone, without what is wrapped around it."""
    network = getattr(model, 'backbone', model)
    while author(network) not in PLAIN + OTHERS and type(network).__module__.startswith(_WRAPPERS):
        children = list(network.children())
        if len(children) != 1:
            break
        network = children[0]
    return network


def attentions(module: nn.Module) -> list[Any]:
    """All modules in there whose attention can be read, in the order of the network."""
    return [part for part in module.modules() if author(part) in _LISTENERS or _in_windows(part)]


def find_attention(model: nn.Module, at: str | None = None) -> Any:
    """The last module whose attention can be read.

    Args:
        model (nn.Module): A classifier, or a network.
        at (str, optional): Path of the block to look into. Defaults to None, the whole network.

    Raises:
        ValueError: If there is none, or nobody looked yet at how this network attends.
    """
    network = network_of(model)
    kind, known = author(network), PLAIN + OTHERS
    if kind not in known:
        raise ValueError(
            f'How {type(network).__name__} attends is not known here: use a {", ".join(known[:-1])} or {known[-1]} of '
            "mmpretrain, or, as a guide, e.g. dict(type='mmmix.ClassActivation')."
        )
    found = attentions(network if at is None else module_at(model, at))
    # Of pooled tokens, as in the first stages of PCPVT and SVT, the map would be another one.
    if not found or getattr(found[-1], 'sr_ratio', 1) != 1:
        raise ValueError(
            f"'{at or 'backbone'}' of {kind} has no attention to single tokens that can be read: name another block in "
            '`at`, e.g. the last one, or leave it out.'
        )
    return found[-1]


@contextmanager
def heard_attention(
    model: nn.Module, at: str | None = None, of: str = 'class'
) -> Iterator[Callable[[int, int], Tensor]]:
    """Listen to one attention module, see :func:`find_attention`.

    Args:
        model (nn.Module): A classifier, or a network.
        at (str, optional): Path of the block. Defaults to None, the last one.
        of (str): Whose attention, ``'class'`` or ``'patches'``. In windows, and where there is no class token, it is
            the patches'. Defaults to ``'class'``.

    Yields:
        Callable[[int, int], Tensor]: From height and width of the images to what was heard last, averaged over the
        heads: ``(N, 1, rows, columns)``, float32, without a graph.
    """
    attention = find_attention(model, at)
    with ExitStack() as stack:
        if _in_windows(attention):
            shapes: list[tuple[int, int]] = []
            handle = attention.register_forward_pre_hook(lambda _, args: shapes.append(args[1]))
            stack.callback(handle.remove)
            weights = stack.enter_context(recorded(attention.w_msa.softmax))
            yield lambda height, width: window_map(weights[-1], attention, shapes[-1])
            return
        heard, extra = _LISTENERS[author(attention)](attention, stack), extra_tokens(network_of(model))
        yield lambda height, width: plain_map(heard(), extra, of, height, width)


@contextmanager
def heard_matrices(model: nn.Module) -> Iterator[Callable[[], Iterator[Tensor]]]:
    """Listen to all attention modules of a network in which all tokens attend to all.

    Yields:
        Callable[[], Iterator[Tensor]]: From the first block to the last, ``(N, L, L)``: what each token pays to each
        other one, averaged over the heads; float32, without a graph.
    """
    with ExitStack() as stack:
        heard = [_LISTENERS[author(each)](each, stack) for each in attentions(network_of(model))]
        yield lambda: (each().weights().mean(1) for each in heard)


def plain_map(heard: Heard, extra: int | None, of: str, height: int, width: int) -> Tensor:
    """What the class token, or the average patch, pays to each patch, ``(N, 1, rows, columns)``."""
    extra, rows, columns = token_grid(heard.key.shape[2], height, width, extra)
    asked = (0, 1) if extra and of == 'class' else (extra, None)
    paid = heard.weights(*asked).mean((1, 2))
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


# ------------------------------------------------------------------------------------- how each kind of module is heard


def _in_windows(module: Any) -> bool:
    return author(module) == 'ShiftWindowMSA' and author(module.w_msa) in ('WindowMSA', 'WindowMSAV2')


def split(tokens: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Heads apart: ``(N, L, parts * heads * D)`` -> as many ``(N, heads, L, D)``, without a graph."""
    n, count, width = tokens.shape
    return tokens.detach().view(n, count, parts, heads, width // (parts * heads)).permute(2, 0, 3, 1, 4).unbind(0)


def divisor(attention: Any, query: Tensor) -> float:
    """What mmpretrain divides products by: with ``qk_scale`` a function of its own, which is given the number."""
    return getattr(attention.scaled_dot_product_attention, 'keywords', {}).get('scale') or query.shape[-1] ** 0.5


def _multihead(attention: Any, stack: ExitStack) -> Callable[[], Heard]:
    tokens = stack.enter_context(recorded(attention.qkv))

    def heard() -> Heard:
        query, key, _ = split(tokens[-1], 3, attention.num_heads)
        return Heard(query, key, divisor(attention, query))

    return heard


def _subsampled(attention: Any, stack: ExitStack) -> Callable[[], Heard]:
    queries, others = stack.enter_context(recorded(attention.q)), stack.enter_context(recorded(attention.kv))

    def heard() -> Heard:
        (query,), (key, _) = (split(queries[-1], 1, attention.num_heads), split(others[-1], 2, attention.num_heads))
        return Heard(query, key, divisor(attention, query))

    return heard


def _beit(attention: Any, stack: ExitStack) -> Callable[[], Heard]:
    """Its projection may be no call of a module, so it is done once more; biases are its own and all blocks' common."""
    calls: list[tuple[Tensor, Tensor | None]] = []

    def note(module: Any, args: tuple, kwargs: dict) -> None:
        given = dict(zip(('x', 'rel_pos_bias'), args, strict=False)) | kwargs
        calls.append((given['x'].detach(), given.get('rel_pos_bias')))

    stack.callback(attention.register_forward_pre_hook(note, with_kwargs=True).remove)

    @torch.no_grad()
    def heard() -> Heard:
        tokens, common = calls[-1]
        linear = attention.qkv
        offset = linear.bias
        if attention.bias == 'qv_bias':
            offset = torch.cat([attention.q_bias, torch.zeros_like(attention.v_bias), attention.v_bias])
        with without_autocast(tokens):
            projected = F.linear(tokens.float(), linear.weight.float(), None if offset is None else offset.float())
        query, key, _ = split(projected, 3, attention.num_heads)
        bias = None if common is None else common.detach()
        if attention.relative_position_bias_table is not None:
            own = attention.relative_position_bias_table.detach()[attention.relative_position_index].permute(2, 0, 1)
            bias = own if bias is None else own + bias
        return Heard(query, key, 1 / attention.scale, bias)

    return heard


_LISTENERS: dict[str, Callable[[Any, ExitStack], Callable[[], Heard]]] = {
    'MultiheadAttention': _multihead,
    'GlobalSubsampledAttention': _subsampled,
    'BEiTAttention': _beit,
}
