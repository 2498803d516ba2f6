"""What makes mmmix at home in both OpenMMLab families, without a change to either."""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn
from zipfile import is_zipfile

import torch

from .scope import register_config_scope as register_config_scope

# -------------------------------------------------------------------------------------------- what checkpoints may hold


@cache
def checkpoint_types() -> list[Any]:
    """What MMEngine's own checkpoints hold besides tensors and plain types: the buffer of the logs and its numbers."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    def method_of_buffer(owner: Any, name: str) -> Any:
        """Stand in for ``getattr``, which a hostile file could use for anything."""
        if owner is not HistoryBuffer:
            raise UnpicklingError(f'A checkpoint may not look up {name!r} in {owner!r}.')
        return getattr(owner, name)

    make_array: Any = np.zeros(1).__reduce__()[0]
    make_scalar: Any = np.float64(0).__reduce__()[0]
    number_types = [type(np.dtype(kind)) for kind in ('bool', 'int32', 'int64', 'float32', 'float64')]
    return [
        HistoryBuffer,
        (method_of_buffer, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *number_types,
        # NumPy 2 moved these two, and a checkpoint names the place they had when it was written.
        *((make_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
        *((make_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
    ]


@cache
def allow_checkpoint_types() -> None:
    """Let ``torch.load`` read the log history in MMEngine's checkpoints, so that plain mmengine resumes training.

    Since PyTorch 2.6, ``torch.load`` accepts tensors, plain types and what is listed. onedl-mmengine brings its own
    list; mmengine has none.
    """
    from mmengine.runner import checkpoint

    if not hasattr(checkpoint, 'get_torch_safe_globals') and _can_list():
        torch.serialization.add_safe_globals(checkpoint_types())


def _own_types() -> AbstractContextManager:
    """While it lasts, ``torch.load`` accepts what MMEngine's own checkpoints hold."""
    if not _can_list():
        return nullcontext()
    known = torch.serialization.get_safe_globals()
    # What a context adds it removes in the end, even what was there before.
    return torch.serialization.safe_globals([each for each in checkpoint_types() if each not in known])


def _can_list() -> bool:
    """Whether this PyTorch can be told by name what a checkpoint may hold."""
    return torch.__version__ >= '2.6'


# ------------------------------------------------------------------------------------------------- reading checkpoints

_trusted: ContextVar[bool | None] = ContextVar('trusted', default=None)


class CheckpointError(ValueError):
    """A checkpoint that cannot or must not be loaded; the message is one line that says what to do."""


class BrokenCheckpointError(CheckpointError):
    """A file that is no whole checkpoint."""


class ForeignCheckpointError(CheckpointError):
    """A checkpoint that holds more than tensors, plain types and what MMEngine writes."""


@contextmanager
def checked_loading(trust: bool | None = None) -> Iterator[None]:
    """While it lasts, whoever loads a checkpoint runs nothing that it may hold; afterwards all is as it was.

    MMEngine loads through ``CheckpointLoader``, which stands aside for :func:`read_checkpoint` and drops the config
    text that ``Runner.resume`` would run. Whatever asks ``torch.load`` itself is held to ``weights_only=True`` by
    PyTorch's own switch in the environment, even where it asks for the opposite, as onedl-mmengine does when a file
    does not load otherwise.

    Args:
        trust (bool, optional): Whether files are loaded whatever they hold, for those one trusts. Defaults to None: as
            the context around this one says, else not.

    Raises:
        CheckpointError: If a checkpoint is not whole, or holds what may run.
    """
    from mmengine.runner import CheckpointLoader

    if _trusted.get() is not None and trust in (None, _trusted.get()):
        yield
        return
    token = _trusted.set(bool(trust))
    switches = {'TORCH_FORCE_WEIGHTS_ONLY_LOAD': not trust, 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': bool(trust)}
    environment = {name: os.environ.get(name) for name in switches}
    load = vars(CheckpointLoader)['load_checkpoint']
    try:
        os.environ.update({name: '1' if on else '0' for name, on in switches.items()})
        CheckpointLoader.load_checkpoint = staticmethod(_stand_in(CheckpointLoader.load_checkpoint))
        yield
    finally:
        CheckpointLoader.load_checkpoint = load
        for name, value in environment.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})
        _trusted.reset(token)


def read_checkpoint(path: str | Path, map_location: Any = 'cpu', trust: bool | None = None) -> Any:
    """Read a checkpoint file without running anything that it may hold.

    Args:
        path (str | Path): The file.
        map_location (str | torch.device | Callable): Where tensors go, see ``torch.load``. Defaults to ``'cpu'``.
        trust (bool, optional): Whether it may hold anything. Defaults to None, as :func:`checked_loading` says.

    Returns:
        Any: What the file holds, usually a dict.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not whole, or holds what may run.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{str(path)!r} is no file: name a checkpoint that is there.')
    trusted = bool(_trusted.get() if trust is None else trust)
    try:
        with _own_types():
            return torch.load(path, map_location=map_location, weights_only=not trusted)
    except torch.OutOfMemoryError:
        raise
    except (UnpicklingError, EOFError, RuntimeError, ValueError, LookupError, AttributeError) as error:
        refuse(error, str(path))


def refuse(error: Exception, name: str) -> NoReturn:
    """Say in one line why a checkpoint is not loaded.

    Args:
        error (Exception): What ``torch.load`` raised.
        name (str): The file or address.

    Raises:
        CheckpointError: Always.
    """
    text = str(error)
    found = re.search(r'GLOBAL ([\w.]+)', text)
    if found is None and (not isinstance(error, UnpicklingError) or not is_zipfile(name)):
        first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        first = re.split(r'(?<=[.:])\s', first)[0].rstrip('.:')
        raise BrokenCheckpointError(
            f'{name!r} is no whole checkpoint ({first}): copy it again, or take an older one.'
        ) from error
    paragraphs = [part.strip() for part in text.split('\n\n') if part.strip()]
    what = found[1].rstrip('.') if found else paragraphs[min(1, len(paragraphs) - 1)].splitlines()[0]
    raise ForeignCheckpointError(
        f'{name!r} holds `{what}`, and loading that may run code: if you trust the file, add --trust-checkpoint (in '
        'Python, load it within `mmmix.compat.checked_loading(trust=True)`).'
    ) from error


def _stand_in(load: Any) -> Any:
    """What takes the place of ``CheckpointLoader.load_checkpoint``."""

    def load_checkpoint(filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        from mmengine.logging import print_log

        if '://' in filename:
            try:
                with _own_types():
                    content = load(filename, map_location, logger)
            except UnpicklingError as error:
                refuse(error, filename)
        else:
            print_log(f'Loads checkpoint from {filename}', logger=logger)
            content = read_checkpoint(filename, map_location)
        if not _trusted.get() and isinstance(content, dict) and isinstance(content.get('meta'), dict):
            content['meta'].pop('config', None)  # a text that `Runner.resume` would run
        return content

    return load_checkpoint
