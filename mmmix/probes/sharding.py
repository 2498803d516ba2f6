"""Networks whose parameters lie in parts on several ranks: by PyTorch's FSDP, the first or the second, or DeepSpeed."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

#: What FSDP 1 and DeepSpeed's third stage write on a parameter, and what FSDP 2 makes of one.
MARKS = ('_fsdp_flattened', 'ds_id', 'full_tensor')


def in_groups(model: nn.Module) -> list[Any]:
    """The modules of a network that ``fully_shard`` gave parameters of their own group, the network itself included.

    Args:
        model (nn.Module): The network.
    """
    return of_kind(model, 'FSDPModule')


def of_kind(model: nn.Module, name: str) -> list[Any]:
    """The modules of a network that are of a class of PyTorch's FSDP, the network itself included.

    Args:
        model (nn.Module): The network.
        name (str): Of the class.
    """
    # Who shards has imported it; nobody else should have to.
    kind = getattr(sys.modules.get('torch.distributed.fsdp'), name, ())
    return [module for module in model.modules() if isinstance(module, kind)]


def in_parts(parameters: Iterable[Tensor]) -> bool:
    """Whether a rank holds some of these parameters in part, or has put them together for the moment only.

    Args:
        parameters (Iterable[Tensor]): Of a module.
    """
    return any(hasattr(parameter, mark) for parameter in parameters for mark in MARKS)


def whole(tensor: Tensor) -> Tensor:
    """A parameter as a whole, in whatever group ``fully_shard`` put it; all ranks must ask for it.

    Args:
        tensor (Tensor): The parameter, or another tensor.
    """
    return tensor.full_tensor() if hasattr(tensor, 'full_tensor') else tensor


@contextmanager
def kept_together(model: nn.Module) -> Iterator[None]:
    """Let a backward pass in the middle of a forward pass leave parameters put together that the rest of it needs.

    At the end of any backward pass ``fully_shard`` takes all parameters apart, those of the network's own group too,
    which nobody puts together again before the next step.

    Args:
        model (nn.Module): The network.

    Raises:
        RuntimeError: If modules inside the network are wrapped by FSDP 1, which then does not add up the gradients of
            the ranks, or if DeepSpeed's third stage has it, with which this was never tried.
    """
    wrapped = of_kind(model, 'FullyShardedDataParallel')
    if wrapped and wrapped[0] is not model:
        raise RuntimeError(
            'A gradient by the images within a step spoils the gradients of parameters that FSDP wrapped module by '
            'module: leave out its `auto_wrap_policy`, shard by `fully_shard`, or take a guide without gradients.'
        )
    if any(hasattr(parameter, 'ds_id') for parameter in model.parameters()):
        raise RuntimeError(
            'A gradient by the images within a step was never tried with the third stage of DeepSpeed: take the second '
            'or a guide without gradients.'
        )
    groups = in_groups(model)
    for module in groups:
        module.set_reshard_after_backward(False, recurse=False)
    try:
        yield
    finally:
        for module in groups:
            module.set_reshard_after_backward(True, recurse=False)
