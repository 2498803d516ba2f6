"""Run a network as in evaluation, and leave it as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.utils.checkpoint
from torch import nn


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode, and leave every module as it was: training flags, buffers, whatever it keeps.

    Modules with a ``train`` of their own, which build for evaluation what they drop for training (LeViT and TinyViT
    their attention biases), are asked to.

    Args:
        model (nn.Module): The network.
    """
    flags = [(module, module.training) for module in model.modules()]
    own_way = [module for module, training in flags if training and type(module).train is not nn.Module.train]
    kept = [(module, dict(vars(module)), dict(module._buffers)) for module in own_way]
    try:
        for module in own_way:
            module.train(False)
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, attributes, buffers in kept:
            vars(module).clear()
            vars(module).update(attributes)
            module._buffers.clear()
            module._buffers.update(buffers)
        for module, training in flags:
            module.training = training


class _Plainly:
    """Stands in for a checkpoint that recomputes in the backward pass: it runs the function, and keeps what it gave."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        return function(*args)


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Let reentrant activation checkpoints keep their activations: ``torch.autograd.grad`` does not go through them.

    mmpretrain's ``with_cp`` and MMEngine's ``activation_checkpointing`` are reentrant. It takes the memory that a
    gradient by the pixels needs anyway.
    """
    module: Any = torch.utils.checkpoint
    usual = module.CheckpointFunction
    module.CheckpointFunction = _Plainly
    try:
        yield
    finally:
        module.CheckpointFunction = usual
