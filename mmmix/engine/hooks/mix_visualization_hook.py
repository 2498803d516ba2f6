"""Mixed training batches in the visualizer."""

from functools import partial
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook

from ...core import Mix, check
from ...core.fields import text, whole
from ...models import MixClassifier
from ...registry import HOOKS
from ...visualization import draw_mix
from .model_of import model_of


@HOOKS.register_module()
class MixVisualizationHook(Hook):
    """Draw mixed training batches into every visualizer backend: local files, TensorBoard, Weights & Biases.

    A picture shows, for some images of the batch, the own image, its partner, the mask, the mixed image and the soft
    label. Only rank 0 draws. Drawing waits for the device, so choose the interval accordingly.

    Args:
        interval (int): Draw every this many iterations, the first one included. Defaults to 1000.
        rows (int): How many images of the batch. Defaults to 6.
        name (str): Name of the pictures in the visualizer. Defaults to ``'train_mix'``.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If the model is not a :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import MixVisualizationHook
        >>> custom_hooks = [dict(type='mmmix.MixVisualizationHook', interval=500)]
        >>> hook = MixVisualizationHook(interval=500)
    """

    def __init__(self, interval: int = 1000, rows: int = 6, name: str = 'train_mix'):
        self.interval, self.rows, self.name = check(
            self,
            interval=(interval, whole(least=1, like=1000)),
            rows=(rows, whole(least=1, like=6)),
            name=(name, text(like='train_mix')),
        )

    def before_train(self, runner) -> None:
        """Check that the model tells how it mixes, before anything is trained."""
        self._model(runner)

    def before_train_iter(self, runner, batch_idx: int, data_batch: Any = None) -> None:
        """Listen to this iteration, if it is one to draw."""
        if runner.iter % self.interval == 0 and dist.is_main_process():
            self._model(runner).on_mix = partial(self._draw, runner)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop listening."""
        if dist.is_main_process():
            self._model(runner).on_mix = None

    @torch.compiler.disable
    @torch.no_grad()
    def _draw(self, runner, mix: Mix) -> None:
        preprocessor = self._model(runner).data_preprocessor
        mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
        classes = (getattr(runner.train_dataloader.dataset, 'metainfo', None) or {}).get('classes')
        picture = draw_mix(mix, mean, std, classes, rows=self.rows, title=f'iteration {runner.iter}')
        runner.visualizer.add_image(self.name, picture, step=runner.iter)

    @staticmethod
    def _model(runner) -> MixClassifier:
        return model_of(runner, 'MixVisualizationHook draws what MixClassifier mixes')
