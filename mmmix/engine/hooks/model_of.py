"""The classifier that a run trains."""

from typing import Any

from mmengine.model import is_model_wrapper

from ...models import MixClassifier


def unwrapped(model: Any) -> Any:
    """The model inside whatever an MMEngine runner or strategy wrapped around it.

    Args:
        model (nn.Module): The ``model`` of a ``Runner`` or a ``FlexibleRunner``: wrapped for DDP, FSDP or DeepSpeed, or
            not at all.
    """
    while is_model_wrapper(model):
        model = model.module
    return model


def model_of(runner: Any, reason: str) -> MixClassifier:
    """The run's :class:`mmmix.MixClassifier`, out of its wrapper.

    Args:
        runner (Runner): The run.
        reason (str): Why it must be one, for the error.

    Raises:
        TypeError: If it is another model.
    """
    model = unwrapped(runner.model)
    if not isinstance(model, MixClassifier):
        raise TypeError(f"{reason}: use type='mmmix.MixClassifier' in place of '{type(model).__name__}'.")
    return model
