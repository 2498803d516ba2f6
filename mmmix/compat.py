"""What makes mmmix at home in both OpenMMLab families, without a change to either."""

from functools import cache
from pickle import UnpicklingError
from typing import Any


def register_config_scope() -> None:
    """Let configs inherit from those of mmmix: ``_base_ = 'mmmix::quickstart/resnet_digits.py'``.

    MMEngine resolves ``package::`` only for the packages in its table.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.setdefault('mmmix', 'mmmix')


@cache
def allow_checkpoint_types() -> None:
    """Let ``torch.load`` read the log history in MMEngine's checkpoints, so that training can be resumed.

    Since PyTorch 2.6, ``torch.load`` accepts tensors, plain types and what is listed. onedl-mmengine brings its own
    list; for mmengine this one has the buffer of the logs, the arrays of numbers in it and nothing else.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.runner import checkpoint

    if hasattr(checkpoint, 'get_torch_safe_globals') or torch.__version__ < '2.6':
        return

    def method_of_buffer(owner: Any, name: str) -> Any:
        """Stand in for ``getattr``, which a hostile file could use for anything."""
        if owner is not HistoryBuffer:
            raise UnpicklingError(f'A checkpoint may not look up {name!r} in {owner!r}.')
        return getattr(owner, name)

    make_array: Any = np.zeros(1).__reduce__()[0]
    make_scalar: Any = np.float64(0).__reduce__()[0]
    number_types = [type(np.dtype(kind)) for kind in ('bool', 'int32', 'int64', 'float32', 'float64')]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            (method_of_buffer, 'builtins.getattr'),
            np.ndarray,
            np.dtype,
            *number_types,
            # NumPy 2 moved these two, and a checkpoint names the place they had when it was written.
            *((make_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
            *((make_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
        ]
    )
