"""The states of all random number generators that training draws from."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """The states of PyTorch's generators, NumPy's and Python's, of this process.

    Attributes:
        torch (Tensor): Of the CPU, uint8.
        cuda (Tensor, optional): Of the current GPU, uint8; None without one.
        numpy (tuple): As ``numpy.random.get_state`` gives it.
        python (tuple): As ``random.getstate`` gives it.

    Example:
        >>> import torch
        >>> from mmmix.engine.random_states import RandomState
        >>> state = RandomState.now()
        >>> drawn = torch.rand(3)
        >>> RandomState.of(state.plain()).restore()
        >>> bool((torch.rand(3) == drawn).all())
        True
    """

    torch: Tensor
    cuda: Tensor | None
    numpy: tuple
    python: tuple

    @classmethod
    def now(cls, accelerator: bool = True) -> 'RandomState':
        """The states as they are; nothing waits for the device.

        Args:
            accelerator (bool): Whether the GPU's is wanted too. Defaults to True.
        """
        on_gpu = accelerator and torch.cuda.is_available() and torch.cuda.is_initialized()
        cuda = torch.cuda.get_rng_state() if on_gpu else None
        numbers: Any = np.random.get_state()  # noqa: NPY002 - the generator that transforms draw from
        return cls(torch.get_rng_state(), cuda, numbers, random.getstate())

    def restore(self) -> None:
        """Go on drawing from here."""
        torch.set_rng_state(self.torch)
        if self.cuda is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.cuda)
        np.random.set_state(self.numpy)  # noqa: NPY002
        random.setstate(self.python)

    def plain(self) -> dict[str, Any]:
        """The same in tensors and plain types, as checkpoints may hold them."""
        _, keys, pos, has_gauss, cached = self.numpy
        version, numbers, gauss = self.python
        return dict(
            torch=self.torch,
            cuda=self.cuda,
            numpy=[torch.from_numpy(keys.astype(np.int64)), int(pos), int(has_gauss), float(cached)],
            python=[version, torch.tensor(numbers), gauss],
        )

    @classmethod
    def of(cls, plain: dict[str, Any]) -> 'RandomState':
        """What :meth:`plain` gave; its tensors may have come to another device."""
        keys, *rest = plain['numpy']
        version, numbers, gauss = plain['python']
        cuda = plain['cuda']
        return cls(
            plain['torch'].cpu(),
            None if cuda is None else cuda.cpu(),
            ('MT19937', keys.cpu().numpy().astype(np.uint32), *rest),
            (version, tuple(numbers.tolist()), gauss),
        )

    @classmethod
    def fresh(cls, *key: int) -> 'RandomState':
        """The states that follow from some numbers alone; those in force stay as they are.

        Args:
            key (int): Numbers from 0 on.
        """
        before = cls.now()
        seed_draws(*key)
        if before.cuda is not None:
            torch.cuda.manual_seed(torch.initial_seed())
        state = cls.now()
        before.restore()
        return state


def seed_draws(*key: int) -> None:
    """Seed the generators of the CPU.

    Args:
        key (int): Numbers from 0 on; any change of any of them is another seed.
    """
    first, second, third, fourth = (int(word) for word in np.random.SeedSequence(key).generate_state(4))
    torch.default_generator.manual_seed(first << 32 | second)
    np.random.seed(third)  # noqa: NPY002
    random.seed(fourth)
