"""Mixed precision where MMEngine has none."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from ..registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Mixed precision by bfloat16 autocast alone, on any device.

    MMEngine's ``AmpOptimWrapper`` refuses to work without a GPU, because its loss scaling does. bfloat16 has the range
    of float32 and needs no loss scaling. ``tools/train.py --amp`` takes this wrapper where there is no GPU.

    Args:
        optimizer (Optimizer): The optimizer to wrap.
        accumulative_counts (int): Iterations whose gradients are added up before a step. Defaults to 1.
        clip_grad (dict, optional): How to clip gradients, see ``OptimWrapper``. Defaults to None.

    Example:
        >>> import torch
        >>> from mmmix.engine.optim_wrapper import AutocastOptimWrapper
        >>> model = torch.nn.Linear(2, 2)
        >>> wrapper = AutocastOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
        >>> with wrapper.optim_context(model):
        ...     model(torch.ones(1, 2, device=model.weight.device)).dtype
        torch.bfloat16
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Compute in mixed precision, and synchronise gradients only before a step.

        Args:
            model (nn.Module): The model that is trained.

        Yields:
            None: Nothing; the forward pass belongs inside the context.
        """
        with super().optim_context(model), torch.autocast(get_device(), dtype=torch.bfloat16):
            yield
