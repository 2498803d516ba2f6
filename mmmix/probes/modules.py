"""Look into a network by module path: temporary forward hooks, no second implementation of anything."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from .untouched import untouched


class _Reached(Exception):  # noqa: N818 - not an error: the way out of a forward pass
    """The forward pass came to the module that it should stop at."""


def module_at(model: nn.Module, path: str) -> nn.Module:
    """The submodule at a path such as ``'backbone.layer1'`` or, counted from the end, ``'backbone.layers.-1'``.

    Raises:
        ValueError: If there is none; the error lists what is there.
    """
    module = model
    for name in filter(None, path.split('.')):
        children = dict(module.named_children())
        if name.startswith('-') and name[1:].isdigit() and int(name) + len(children) > 0:
            name = list(children)[int(name)]
        if name not in children:
            raise ValueError(
                f"There is no module '{path}' in {type(model).__name__}: {type(module).__name__} has no '{name}', "
                f'only {", ".join(children) or "nothing"}.'
            )
        module = children[name]
    return module


def float_dtype(model: nn.Module) -> torch.dtype:
    """What a model computes in: that of its first parameter of a floating point type; float32 without one."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def run(model: Any, images: Tensor) -> Any:
    """The forward pass in front of a classifier's head, or of any other model as a whole.

    If it is the step's clean pass that is still to run, then it is that one, and whoever asks for it later has it.
    """
    shared = model.clean_pass_of(images) if hasattr(model, 'clean_pass_of') else None
    if shared is not None and shared.fresh and len(shared.images) == len(images):
        return shared.outputs
    return model.extract_feat(images) if hasattr(model, 'extract_feat') else model(images)


@contextmanager
def recorded(module: nn.Module) -> Iterator[list[Any]]:
    """Listen to a module: a list of what its forward gives, as long as the context lasts."""
    heard: list[Any] = []
    handle = module.register_forward_hook(lambda _, args, output: heard.append(output))
    try:
        yield heard
    finally:
        handle.remove()


def output_at(model: nn.Module, path: str, images: Tensor) -> Any:
    """What the module at ``path`` gives for these images; the forward pass stops there.

    Raises:
        ValueError: If there is no such module, or if it is not part of the forward pass.
    """
    heard: list[Any] = []

    def stop(module: nn.Module, args: Any, output: Any) -> None:
        heard.append(output)
        raise _Reached

    _run_up_to(model, module_at(model, path).register_forward_hook(stop), images)
    if not heard:
        raise ValueError(
            f"The module '{path}' of {type(model).__name__} takes no part in its forward pass: name another one."
        )
    return heard[0]


def input_at(model: nn.Module, module: nn.Module, images: Tensor) -> tuple[Any, ...]:
    """What comes to a module that takes part in the forward pass, for these images; the pass stops there."""
    came: list[tuple[Any, ...]] = []

    def stop(module: nn.Module, args: tuple[Any, ...]) -> None:
        came.append(args)
        raise _Reached

    _run_up_to(model, module.register_forward_pre_hook(stop), images)
    return came[0]


def _run_up_to(model: nn.Module, handle: Any, images: Tensor) -> None:
    """The forward pass, as far as a hook lets it go."""
    with suppress(_Reached):
        try:
            run(model, images)
        finally:
            handle.remove()


def dry_run(model: nn.Module, path: str, instead: str = '', scale: float = 1.0) -> Any:
    """What the module at ``path`` gives for one empty image, by a pass that leaves no trace.

    Args:
        model (nn.Module): The network.
        path (str): Path of the module.
        instead (str): What to do where there is no telling what images the network takes, for the error. Defaults to
            ``''``.
        scale (float): Fraction of the network's own resolution. Defaults to 1.0.

    Raises:
        ValueError: If there is no such module, or no telling what images the network takes.
    """
    kernel = next((p for p in model.parameters() if p.ndim == 4), None)
    if kernel is None:
        raise ValueError(
            f"A dry run cannot tell what '{path}' gives: {type(model).__name__} has no convolution that says how many "
            f'channels images have{instead and ": "}{instead}.'
        )
    own = own_size(model)
    for size in [own] if own else [(64, 64), (224, 224)]:
        images = kernel.new_zeros(1, kernel.shape[1], *scaled_size(size, scale))
        try:
            with untouched(model), torch.no_grad():
                return output_at(model, path, images)
        except (AssertionError, RuntimeError) as error:
            # A network that does not say its size, such as LeViT, may take one size alone.
            refused = error
    raise refused


def own_size(model: Any) -> tuple[int, int] | None:
    """The height and width that a network's position embeddings and windows are made for; None for any."""
    backbone = getattr(model, 'backbone', model)
    embedding = getattr(backbone, 'patch_embed', None)
    size = getattr(backbone, 'img_size', None) or getattr(embedding, 'init_input_size', None)
    return (size, size) if isinstance(size, int) else size and (int(size[0]), int(size[1]))


def scaled_size(size: Sequence[int], scale: float) -> tuple[int, int]:
    """Height and width at a fraction of the resolution."""
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def check_scale(model: nn.Module, scale: float, name: str, path: str = 'backbone') -> None:
    """Refuse a lower resolution that the network cannot take, as windows of a fixed size may not.

    Args:
        model (nn.Module): The network; one that does not say what images it is made for takes what comes.
        scale (float): Fraction of the resolution.
        name (str): Who looks at it, for the error.
        path (str): How far images go. Defaults to ``'backbone'``.

    Raises:
        ValueError: If they do not get there.
    """
    size = own_size(model)
    if scale == 1 or size is None:
        return
    try:
        dry_run(model, path, scale=scale)
    except (AssertionError, RuntimeError) as error:
        kind, (first, *_) = type(model.backbone).__name__, [*str(error).splitlines(), '']
        raise ValueError(
            f'{name}: {kind} cannot look at scale={scale} of its {size[0]} x {size[1]} pixels ({first}): use scale=1, '
            'a larger one, or, in a Swin, `pad_small_map=True`.'
        ) from error


def last_tensor(output: Any, fits: Callable[[Tensor], bool]) -> Tensor:
    """The last tensor in a module's output that fits, through nested tuples.

    Raises:
        ValueError: If there is none.
    """
    stack, found = [output], None
    while stack:
        item = stack.pop(0)
        if isinstance(item, (tuple, list)):
            stack = [*item, *stack]
        elif isinstance(item, Tensor) and fits(item):
            found = item
    if found is None:
        raise ValueError('The module gives neither a feature map (N, C, H, W) nor tokens (N, L, C): name another one.')
    return found


def pooled(output: Any) -> Tensor:
    """Average pooling of whatever a block gives: maps ``(N, C, H, W)`` or tokens ``(N, L, C)`` become ``(N, C)``."""
    features = last_tensor(output, lambda tensor: tensor.ndim in (2, 3, 4))
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features


def block_width(model: nn.Module, path: str, instead: str = '') -> int:
    """How many features the block at ``path`` gives, found by a :func:`dry_run`."""
    return pooled(dry_run(model, path, instead)).shape[1]


def place_width(model: nn.Module, path: str) -> int:
    """How many features each place of the map, or each token, has that the module at ``path`` gives.

    Raises:
        ValueError: If there is no such module, or it gives neither.
    """
    features = last_tensor(dry_run(model, path), lambda tensor: tensor.ndim in (3, 4))
    return features.shape[1 if features.ndim == 4 else 2]


def pre_logits_width(model: Any) -> int:
    """How many features a classifier has in front of its last linear layer, found by a :func:`dry_run`."""
    feats = dry_run(model, 'backbone')
    with untouched(model), torch.no_grad():
        features = model.head.pre_logits(model.neck(feats) if getattr(model, 'neck', None) is not None else feats)
    # A head of two tokens (DeiTClsHead) or two branches (ConformerHead) has two of them.
    return sum(each.shape[1] for each in (features if isinstance(features, (tuple, list)) else (features,)))


def extra_tokens(model: Any) -> int | None:
    """How many tokens a network says it puts in front of the patches; None if it does not say."""
    count = getattr(getattr(model, 'backbone', model), 'num_extra_tokens', None)
    return count if isinstance(count, int) else None


@lru_cache(maxsize=256)
def token_grid(count: int, height: int, width: int, extra: int | None = None) -> tuple[int, int, int]:
    """How many tokens come before the patches, and the rows and columns of these, for an image of this shape.

    Patches are square. A grid whose patch divides both sides goes before one whose rows and columns are both rounded
    down, or both up, and that one before a grid that merely has the image's proportions, as of patches that overlap.

    Args:
        count (int): The number of tokens, e.g. 197.
        height (int): Image height.
        width (int): Image width.
        extra (int, optional): How many tokens the network says it puts in front, see :func:`extra_tokens`; another
            number is tried only where that one leaves no grid. Defaults to None, 0 to 2.

    Returns:
        tuple[int, int, int]: Extra tokens (class, distillation), rows and columns, e.g. ``(1, 14, 14)``.

    Raises:
        ValueError: If no grid fits, or several equally well.
    """
    for asked in ((0, 1, 2),) if extra is None else ((extra,), (0, 1, 2)):
        found = [(fit, in_front, *grid) for in_front in asked for fit, *grid in _grids(count - in_front, height, width)]
        best = [(in_front, rows, columns) for fit, in_front, rows, columns in found if fit == min(found)[0]]
        if len(best) == 1:
            return best[0]
        if best:
            grids = ' and '.join(f'{rows} x {columns} behind {in_front}' for in_front, rows, columns in best)
            raise ValueError(
                f'{count} tokens fit several grids on an image of {height} x {width}, {grids}: use images whose sides '
                'the patch divides.'
            )
    raise ValueError(
        f'{count} tokens form no grid on an image of {height} x {width}: use images whose sides the patch divides.'
    )


def _grids(patches: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """How well it fits (0 is best), rows and columns of each grid of so many square patches, by its patch's side."""
    for rows in range(1, min(patches, height) + 1):
        columns, rest = divmod(patches, rows)
        if rest or columns > width:
            continue
        if height % rows == width % columns == 0 and height // rows == width // columns:
            yield 0, rows, columns
            continue
        # Rounded down, a side above `low` and at most `high` gives this grid; rounded up, from `least` to below `most`.
        low, high = max(height / (rows + 1), width / (columns + 1)), min(height / rows, width / columns)
        least = max(height / rows, width / columns)
        most = min(height / (rows - 1) if rows > 1 else math.inf, width / (columns - 1) if columns > 1 else math.inf)
        if math.floor(high) > low or math.ceil(least) < most:
            yield 1, rows, columns
        elif high > low or least < most:
            yield 2, rows, columns


def as_map(features: Tensor, height: int, width: int, extra: int | None = None) -> Tensor:
    """Feature maps as they are; of tokens ``(N, L, C)`` the patches, laid out as a map; see :func:`token_grid`."""
    if features.ndim == 4:
        return features
    extra, rows, columns = token_grid(features.shape[1], height, width, extra)
    return features[:, extra:].transpose(1, 2).unflatten(2, (rows, columns))
