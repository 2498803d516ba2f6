"""OpenMMLab as the host of the rooms: what they ask of the framework around them."""

import logging
from typing import Any

from mmengine.logging import MessageHub, print_log
from mmengine.runner import load_checkpoint

from .compat import checked_loading
from .core.host import Host
from .registry import MODELS, TASK_UTILS


class OpenMMLab(Host):
    """What the rooms ask of OpenMMLab: parts from configs, networks by name, the epoch, the log of the run."""

    def build(self, config: dict) -> Any:
        """A part from its config; see :meth:`Host.build`."""
        return TASK_UTILS.build(config)

    def network(self, model: str | dict, checkpoint: str | bool) -> Any:
        """One of mmpretrain's by its name, or any classifier by its config; see :meth:`Host.network`."""
        with checked_loading():
            if isinstance(model, str):
                from mmpretrain.apis import get_model  # it imports every task of mmpretrain

                return get_model(model, pretrained=checkpoint)
            network = MODELS.build(model)
            if isinstance(checkpoint, str):
                load_checkpoint(network, checkpoint, map_location='cpu')
            return network

    def epoch(self) -> int | None:
        """The epoch of MMEngine's runner; see :meth:`Host.epoch`."""
        return MessageHub.get_current_instance().get_info('epoch')

    def progress(self) -> float | None:
        """How many of the iterations of MMEngine's runner are done; see :meth:`Host.progress`."""
        hub = MessageHub.get_current_instance()
        done, all_of_them = hub.get_info('iter'), hub.get_info('max_iters')
        return None if done is None or not all_of_them else done / all_of_them

    def log(self, message: str) -> None:
        """A line in the log of MMEngine's runner; see :meth:`Host.log`."""
        print_log(message, logger='current')

    def warn(self, message: str) -> None:
        """A line in the log of MMEngine's runner, marked as a warning; see :meth:`Host.warn`."""
        print_log(message, logger='current', level=logging.WARNING)
