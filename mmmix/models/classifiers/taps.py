"""Mixing inside the network: a temporary hook on the module whose output is to be mixed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...core import Mix, Mixer
from ...core.scene import Scene
from ...probes.attention import network_of
from ...probes.modules import extra_tokens, module_at, token_grid


@contextmanager
def tapped(model: nn.Module, mixer: Mixer, scene: Scene, at: str) -> Iterator[list[Mix]]:
    """While ``scene.pool`` goes through the network, mix what the module at ``at`` makes of it.

    In front of the module the network sees all rows of the pool, behind it those of the batch. The module must be one
    that everything goes through: a stage or a block, not a layer beside a shortcut.

    Args:
        model (nn.Module): The classifier.
        mixer (Mixer): How to mix.
        scene (Scene): Who meets whom.
        at (str): Path of the module.

    Yields:
        list[Mix]: Empty; holds the story once the module was passed.

    Raises:
        ValueError: If the module takes no part in the forward pass, or its output cannot be mixed.
    """
    told: list[Mix] = []

    def mix(module: nn.Module, args: Any, output: Any) -> Any:
        handle.remove()  # once, also where a module is used twice
        mixed, mix = mix_output(mixer, scene, at, output, extra_tokens(network_of(model)))
        told.append(mix)
        return mixed

    handle = module_at(model, at).register_forward_hook(mix)
    try:
        yield told
    finally:
        handle.remove()
    if not told:
        raise ValueError(f"The module '{at}' takes no part in the forward pass: name another one in `at`.")


def mix_output(mixer: Mixer, scene: Scene, at: str, output: Any, in_front: int | None = None) -> tuple[Any, Mix]:
    """Mix the last tensor in a module's output; whatever else it gives stays as it is. See :func:`mix_features`."""
    told: list[Mix] = []

    def mix(features: Tensor) -> Tensor:
        mixed, mix = mix_features(mixer, scene, at, features, in_front)
        told.append(mix)
        return mixed

    output = with_last(output, lambda item: isinstance(item, Tensor) and len(item) == len(scene.pool), mix)
    if not told:
        raise ValueError(f"The module '{at}' gives no tensor with a row for each image: name another one in `at`.")
    return output, told[0]


def with_last(output: Any, fits: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """The same nest of tuples and lists, with its last item that fits changed."""
    if fits(output):
        return change(output)
    if not isinstance(output, (tuple, list)):
        return output
    items = list(output)
    for i in reversed(range(len(items))):
        changed = with_last(items[i], fits, change)
        if changed is not items[i]:
            items[i] = changed
            break
    else:
        return output
    return type(output)(items)


def mix_features(
    mixer: Mixer, scene: Scene, at: str, features: Tensor, in_front: int | None = None
) -> tuple[Tensor, Mix]:
    """Mix features as images are.

    Maps are ``(M, C, h, w)``. Tokens ``(M, L, C)`` are mixed as the map of their patches, and class tokens, which have
    no place on it, by the mean of the mask. Vectors ``(M, C)`` are for mixers that take any shape.

    Args:
        mixer (Mixer): How to mix.
        scene (Scene): Who meets whom.
        at (str): Path of the module that gives the features.
        features (Tensor): What is mixed.
        in_front (int, optional): How many tokens the network says come before the patches. Defaults to None.

    Returns:
        tuple[Tensor, Mix]: The mixed features, in the layout that they came in, and the story.

    Raises:
        ValueError: If the mixer cannot mix features of this shape.
    """
    if features.ndim == 4 or (features.ndim == 2 and mixer.takes(features)):
        return mixer.mix_in(scene, features, at)
    if features.ndim != 3:
        raise ValueError(
            f"{type(mixer).__name__} mixes maps and tokens, but '{at}' gives {tuple(features.shape)}: name a module in "
            'front of the pooling in `at`, or use Mixup.'
        )
    extra, rows, columns = token_grid(features.shape[1], *scene.pool.shape[2:], in_front)
    maps = features[:, extra:].transpose(1, 2).unflatten(2, (rows, columns))
    mixed, mix = mixer.mix_in(scene, maps, at)
    tokens = mixed.flatten(2).transpose(1, 2)
    if extra:
        share = mix.mask.mean((1, 2, 3))[:, None, None].to(features.dtype)
        ends = features[:, :extra]
        other = ends.index_select(0, scene.partner)
        tokens = torch.cat([torch.lerp(other, ends[: len(other)], share), tokens], 1)
    return tokens, mix
