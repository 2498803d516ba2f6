"""A copy of a classifier that follows it slowly."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ..probes.sharding import in_groups, in_parts

#: The parts of a classifier that a teacher is a copy of.
ROOMS = ('backbone', 'neck', 'head')


class MomentumTeacher(nn.Module):
    """A copy of a classifier whose parameters are a moving average of the student's.

    In its first step it becomes the student as that is then, initialised or loaded; afterwards :meth:`follow` moves its
    parameters, and nothing else does: none of them takes a gradient. Batch norms have buffers of their own, which the
    batches that it sees itself fill. How many steps it took is kept in the checkpoint, so that a resumed run goes on.

    :meth:`show` puts it in the student's place, for an evaluation or, by :meth:`show_in`, in a checkpoint; a checkpoint
    says so itself, and the next step takes it back.

    Args:
        model (nn.Module): The classifier, with ``backbone``, ``head`` and perhaps ``neck``.

    Shape:
        Images ``(N, C, H, W)`` become logits ``(N, K)``.

    Example:
        >>> import torch
        >>> from mmmix import MomentumTeacher
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone, self.head = torch.nn.Flatten(), torch.nn.Linear(12, 2)
        >>> student = Net()
        >>> teacher = MomentumTeacher(student)
        >>> teacher.follow(student, 0.9)
        >>> _ = student.head.weight.data.add_(1)
        >>> teacher.follow(student, 0.9)
        >>> torch.testing.assert_close(teacher.head.weight, student.head.weight - 0.9)
    """

    steps: Tensor
    shown: Tensor
    backbone: nn.Module
    neck: nn.Module
    head: nn.Module

    def __init__(self, model: Any):
        super().__init__()
        for room in ROOMS:
            part = getattr(model, room, None)
            if part is not None:
                self.add_module(room, deepcopy(part))
        self.requires_grad_(False)
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self.register_buffer('shown', torch.zeros((), dtype=torch.bool))
        # The same where it can be asked for without waiting for the device.
        self._steps, self._shown = 0, False
        self._checked = False

    @property
    def count(self) -> int:
        """How many steps it took, known without waiting for the device."""
        return self._steps

    @property
    def began(self) -> bool:
        """Whether it took a step."""
        return self._steps > 0

    @torch.no_grad()
    def follow(self, model: Any, momentum: float) -> None:
        """Take a step towards the student; the first one goes all the way.

        Args:
            model (nn.Module): The student.
            momentum (float): How much of itself it keeps.

        Raises:
            RuntimeError: If parameters are sharded.
        """
        if not self._checked:
            refuse_parts(self, model)
            self._checked = True
        self.show(model, False)
        for mine, theirs in self.pairs(model):
            if self.began:
                both = list(zip(mine.parameters(), theirs.parameters(), strict=True))
                if both:
                    torch._foreach_lerp_([pair[0] for pair in both], [pair[1] for pair in both], 1 - momentum)
            else:
                mine.load_state_dict(theirs.state_dict())
        self._steps += 1
        self.steps += 1

    @torch.no_grad()
    def show(self, model: Any, yes: bool) -> None:
        """Change places with the student, parameters and buffers, unless it is so already.

        A teacher that never took a step is the student still, and stays where it is.

        Args:
            model (nn.Module): The student.
            yes (bool): Whether the teacher is to be in the student's place.
        """
        if self._shown == yes or not self.began:
            return
        for mine, theirs in self.pairs(model):
            both = [*zip(mine.parameters(), theirs.parameters(), strict=True)]
            for own, other in [*both, *zip(mine.buffers(), theirs.buffers(), strict=True)]:
                kept = own.clone()
                own.copy_(other)
                other.copy_(kept)
        self._shown = yes
        self.shown.fill_(yes)

    def show_in(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Change places with the student in what is about to be saved.

        Args:
            state_dict (dict[str, Tensor]): The classifier's, changed in place.
            prefix (str): Where the teacher is in it, e.g. ``'learned.automix.teacher.'``.
        """
        if self._shown or not self.began:
            return
        for key in [key for key in state_dict if key.startswith(tuple(f'{room}.' for room in self.rooms()))]:
            state_dict[key], state_dict[prefix + key] = state_dict[prefix + key], state_dict[key]
        state_dict[prefix + 'shown'] = torch.ones_like(state_dict[prefix + 'shown'])

    def pairs(self, model: Any) -> Iterator[tuple[nn.Module, nn.Module]]:
        """Each part of the teacher, and the student's."""
        for room in self.rooms():
            yield getattr(self, room), getattr(model, room)

    def rooms(self) -> list[str]:
        """Which parts of the classifier it has."""
        return [room for room in ROOMS if hasattr(self, room)]

    def forward(self, images: Tensor) -> Tensor:
        """The logits of images, in the precision that its parameters, or autocast, ask for."""
        first = next(self.parameters(), None)
        features = self.backbone(images if first is None else images.to(first.dtype))
        if hasattr(self, 'neck'):
            features = self.neck(features)
        return self.head(features)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if prefix + 'steps' in state_dict:
            self._steps = int(state_dict[prefix + 'steps'])
        if prefix + 'shown' in state_dict:
            self._shown = bool(state_dict[prefix + 'shown'])


def refuse_parts(teacher: nn.Module, model: nn.Module) -> None:
    """Refuse parameters that lie in parts on several ranks: inside a step, what is written into them would be lost.

    Args:
        teacher (nn.Module): Who follows.
        model (nn.Module): The student.

    Raises:
        RuntimeError: If some of them are.
    """
    if in_groups(model) or in_parts([*teacher.parameters(), *model.parameters()]):
        raise RuntimeError(
            'A teacher follows the network parameter by parameter, and FSDP and the third stage of DeepSpeed cut these '
            'into parts: train AutoMix and its kin under DDP.'
        )
