"""Coins that fall alike on all ranks, where the number of passes through the network hangs on them."""

from hashlib import blake2b
from typing import Any

import torch
from mmengine.dist import broadcast, get_world_size
from mmengine.logging import MessageHub

from ...core import Mixer


class CommonCoins:
    """Where the ranks draw what they must draw alike: the recipe, the depth and whether the batch is mixed at all.

    A pass of clean images may be a collective: in train mode under synchronised batch norms, in any mode where the
    network is sharded. A rank that mixes runs it and one that does not mix does not, and they wait for each other for
    good. So where somebody looks at the model, these draws come from a generator that every rank seeds alike, from the
    first rank's seed and the iteration: nothing is saved, and a resumed run draws what the uninterrupted one would
    have. Ratios, boxes and partners stay each rank's own. In one process nothing of this happens.
    """

    def __init__(self) -> None:
        self._seed: int | None = None
        self._iteration: Any = None
        self._again = 0

    @torch.compiler.disable
    def of_step(self, head: Any, recipe: Any) -> torch.Generator | None:
        """The generator of the step that begins; None where each rank draws from torch's own.

        Args:
            head (nn.Module): The head.
            recipe (Recipe): The mixers in force.
        """
        if get_world_size() == 1 or not looks_at_model(head, recipe):
            return None
        if self._seed is None:
            seed = torch.tensor(torch.initial_seed() % 2**63)
            broadcast(seed)
            self._seed = int(seed)
        # Outside a runner nobody counts, and a runner may be asked twice in an iteration.
        iteration = MessageHub.get_current_instance().get_info('iter')
        self._again = self._again + 1 if iteration == self._iteration else 0
        self._iteration = iteration
        key = blake2b(f'{self._seed} {iteration} {self._again}'.encode(), digest_size=7).digest()
        return torch.Generator().manual_seed(int.from_bytes(key))


def looks_at_model(head: Any, recipe: Any) -> bool:
    """Whether the head, or a part of a mixer, may send clean images through the network.

    Args:
        head (nn.Module): The head.
        recipe (Recipe): The mixers in force.
    """
    augments = [augment for augment in recipe.augments if isinstance(augment, Mixer)]
    return hasattr(head, 'loss_mix') or any(part.needs_model for mixer in augments for part in mixer.parts())
