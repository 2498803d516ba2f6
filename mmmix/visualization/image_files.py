"""Image files as a config's network sees them, and as its mixer mixes them."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from ..core import Mixer, Partners
from ..evaluation.pixels import PixelClassifier
from ..mixers import CutMix


def read_images(config: Config, model: Any, paths: Sequence[str]) -> Tensor:
    """Images as the config's test pipeline prepares them.

    Args:
        config (Config): The config of the model.
        model (nn.Module): The classifier, whose preprocessor they go through.
        paths (Sequence[str]): The files.

    Returns:
        Tensor: ``(N, 3, H, W)``, pixels in [0, 1].

    Raises:
        ValueError: If the images do not end up with one size.
    """
    given = config.test_dataloader.dataset.pipeline
    steps = [step for step in given if step.type not in ('LoadImageFromFile', 'PackInputs')]
    pipeline = Compose([dict(type='LoadImageFromFile'), *steps, dict(type='PackInputs')])
    packed = [pipeline(dict(img_path=path)) for path in paths]
    if not config.get('data_preprocessor', {}).get('to_rgb', False):
        for each in packed:  # files are read as BGR, but this network is used to RGB
            each['inputs'] = each['inputs'].flip(0)
    if len({tuple(each['inputs'].shape) for each in packed}) > 1:
        raise ValueError(
            'the images have several sizes and the test pipeline does not make them one: resize them first'
        )
    done = model.data_preprocessor(default_collate(packed), False)
    return PixelClassifier(model).to_pixels(done['inputs'])


class Neighbours(Partners):
    """Every image meets the one before it, so none meets itself."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Partners of a batch."""
        return images, scores, torch.arange(len(images), device=images.device).roll(1)


def mixer_at(config: Config, model: Any, share: float) -> Mixer:
    """The config's first mixer of this package, or CutMix, with a fixed own share and a partner for every image.

    Args:
        config (Config): The config.
        model (nn.Module): What its guides look at.
        share (float): The own share.
    """
    augments = config.model.get('train_cfg', {}).get('augments') or []
    augments = [augments] if isinstance(augments, dict) else augments
    mine = [augment for augment in augments if str(augment.get('type')).startswith('mmmix.')]
    mixer: Any = BATCH_AUGMENTS.build({**mine[0], 'prob': 1.0}) if mine else CutMix()
    mixer.partners = Neighbours()
    mixer.bind(model)
    mixer.draw_share = lambda images: torch.full((len(images),), share, device=images.device)
    return mixer
