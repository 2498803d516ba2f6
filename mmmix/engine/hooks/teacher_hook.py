"""The hook that has the teacher of a learned mixer evaluated and saved in the student's place."""

from typing import Any

from mmengine.hooks import Hook

from ...core import check
from ...core.fields import text
from ...learned import MomentumTeacher
from ...registry import HOOKS
from .model_of import model_of


@HOOKS.register_module()
class TeacherHook(Hook):
    """Evaluate and save the teacher of :class:`mmmix.AutoMix` and its kin in the student's place.

    With it, validation and test run the teacher, and in checkpoints ``backbone``, ``neck`` and ``head`` are the
    teacher's, so that a plain classifier loads the teacher; the student is under ``learned`` then. Without it they are
    the student's. A checkpoint says itself which of them it has in front: training goes on with the student, with this
    hook or without. The teacher that is seen is the one that the last step looked with.

    Args:
        learned (str, optional): Which of ``learned.*`` has the teacher, where there are several. Defaults to None, the
            only one.

    Raises:
        TypeError: If the model is no :class:`mmmix.MixClassifier`.
        ValueError: If there is no teacher, or there are several.

    Example:
        >>> custom_hooks = [dict(type='mmmix.TeacherHook')]
    """

    def __init__(self, learned: str | None = None):
        (self.learned,) = check(self, learned=(learned, text(optional=True, like='automix')))

    def teacher(self, runner: Any) -> tuple[Any, str, MomentumTeacher]:
        """The classifier, what its teacher is called, and the teacher."""
        model = model_of(runner, 'TeacherHook shows the teacher of a mixer that learns')
        teachers = {name: getattr(module, 'teacher', None) for name, module in model.learned.items()}
        found = {name: teacher for name, teacher in teachers.items() if isinstance(teacher, MomentumTeacher)}
        wanted = list(found) if self.learned is None else [name for name in found if name == self.learned]
        if len(wanted) != 1:
            names = ', '.join(f"'{name}'" for name in found) or 'none'
            raise ValueError(
                f'TeacherHook needs one teacher, but `learned` has {names}: train with a mixer such as mmmix.AutoMix, '
                'name one in `learned=`, or remove the hook.'
            )
        return model, wanted[0], found[wanted[0]]

    def before_run(self, runner: Any) -> None:
        """Say at once if there is no teacher."""
        self.teacher(runner)

    def before_val_epoch(self, runner: Any) -> None:
        """The teacher is evaluated."""
        self._show(runner, True)

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        """The student is back."""
        self._show(runner, False)

    def before_test_epoch(self, runner: Any) -> None:
        """The teacher is evaluated."""
        self._show(runner, True)

    def after_test_epoch(self, runner: Any, metrics: Any = None) -> None:
        """The student is back."""
        self._show(runner, False)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """The teacher is saved in front."""
        _, name, teacher = self.teacher(runner)
        teacher.show_in(checkpoint['state_dict'], f'learned.{name}.teacher.')

    def _show(self, runner: Any, yes: bool) -> None:
        model, _, teacher = self.teacher(runner)
        teacher.show(model, yes)
