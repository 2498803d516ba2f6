"""A trained classifier and its test images, as a config describes them."""

from copy import deepcopy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint
from mmpretrain.registry import MODELS
from torch import nn

from ..compat import allow_checkpoint_types


def load_classifier(config: Config, checkpoint: str, device: str | None = None) -> nn.Module:
    """Build the model of a config and load a checkpoint into it.

    Args:
        config (Config): The config; it is not changed.
        checkpoint (str): The checkpoint.
        device (str, optional): Where the model goes. Defaults to None, the accelerator if there is one.

    Returns:
        nn.Module: The classifier in eval mode.
    """
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    allow_checkpoint_types()
    cfg = deepcopy(config.model)
    if 'data_preprocessor' in config:
        cfg.setdefault('data_preprocessor', deepcopy(config.data_preprocessor))
    model = MODELS.build(cfg)
    load_checkpoint(model, checkpoint, map_location='cpu')
    model = model.to(torch.device(device or get_device()))
    model.eval()
    return model


def build_loader(config: Config, dataset: dict | None = None) -> Any:
    """The test loader of a config.

    Args:
        config (Config): The config; it is not changed.
        dataset (dict, optional): A data set in place of the config's; it gets the config's pipeline unless it has one.
            Defaults to None.
    """
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    cfg = deepcopy(config.test_dataloader)
    if dataset is not None:
        cfg.dataset = {'pipeline': cfg.dataset.get('pipeline', []), **dataset}
    cfg.setdefault('collate_fn', dict(type='default_collate'))
    cfg.persistent_workers = False
    return Runner.build_dataloader(cfg)
