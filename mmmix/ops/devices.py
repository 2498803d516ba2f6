"""Tensors between host and device, what must not be autocast, and what must not be compiled."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

F = TypeVar('F', bound=Callable[..., Any])


def send(values: Tensor, device: torch.device) -> Tensor:
    """Move a small tensor from the host to the device without waiting for either."""
    if device.type == 'cpu':
        return values
    return values.pin_memory().to(device, non_blocking=True)


class Arriving:
    """A small tensor on its way to the host, without anybody waiting: ask for it a step later.

    Args:
        values (Tensor): What is sent; it is copied in the order of the device's other work.
    """

    def __init__(self, values: Tensor):
        self._values = values
        self._event: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def known(self) -> Tensor:
        """The values on the host; waits for what is still on its way."""
        if self._event is not None:
            self._event.synchronize()
        return self._values


def without_autocast(tensor: Tensor) -> AbstractContextManager:
    """A context in which nothing on the tensor's device is autocast; for nothing where nothing is."""
    kind = tensor.device.type
    try:
        enabled = torch.is_autocast_enabled(kind)
    except TypeError:  # PyTorch below 2.4 cannot tell for one device
        enabled = True
    return torch.autocast(kind, enabled=False) if enabled else nullcontext()


def eager(function: F) -> F:
    """``torch.compiler.disable`` that loads the compiler only where somebody compiles: it takes a second to import."""
    disabled: list[Any] = []

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if 'torch._dynamo' not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args, **kwargs)

    # The compiler calls it as it is, and does not look in.
    vars(run)['_torchdynamo_disable'] = True
    return cast(F, run)


def eager_unless_traced(method: F) -> F:
    """``eager`` for a method of an object that ``traces`` sometimes: then the compiler looks in."""
    as_it_is = eager(method)

    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() and not self.traces:
            return as_it_is(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return cast(F, run)
