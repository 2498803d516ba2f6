"""What the commands share: the config that their arguments end in, and the runner or classifier it describes.

The one place that reads configs and checkpoints; arguments and errors of one line are those of ``console.py``.
The package itself raises errors; ``console.one_line`` turns those that tell what to do into the end of a program.
"""

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import FlexibleRunner, Runner, load_checkpoint
from mmpretrain.registry import MODELS

from .compat import CheckpointError, allow_checkpoint_types, checked_loading, register_config_scope
from .console import fail, first_line, one_line, require_file
from .engine.checkpoint_files import newest_whole

register_config_scope()


@contextmanager
def loading(args: Namespace) -> Iterator[None]:
    """Load checkpoints without running what they may hold, unless ``--trust-checkpoint`` says so.

    Args:
        args (Namespace): The parsed arguments.
    """
    with one_line(CheckpointError), checked_loading(args.trust_checkpoint):
        yield


def last_checkpoint(work_dir: str) -> str | None:
    """Find the checkpoint to resume from, whatever a kill left, and print what was skipped, what was taken and why.

    Args:
        work_dir (str): The work dir of the run.

    Returns:
        str | None: The checkpoint; None if no checkpoint was completed.
    """
    path, lines = newest_whole(work_dir)
    for line in lines:
        print(line)
    return path


def find_checkpoint(source: Path) -> Path:
    """The checkpoint that is meant: the file itself, or the last one of a work dir, also of one that was copied.

    Args:
        source (Path): A checkpoint or a work dir.
    """
    if source.is_file():
        return source
    last = last_checkpoint(str(source))
    if last is None:
        fail(f'{str(source)!r} is neither a checkpoint nor a work dir that holds a whole one')
    return Path(last)


def read_config(path: str, options: dict | None = None) -> Config:
    """Read a config file; what MMEngine cannot make sense of ends the program in one line.

    Args:
        path (str): The file.
        options (dict, optional): What ``--cfg-options`` overrides in it, values as text or as they are. Defaults to
            None.
    """
    require_file(path, 'config')
    try:
        config = Config.fromfile(path)
        given = {key: parsed(value) if isinstance(value, str) else value for key, value in (options or {}).items()}
        config.merge_from_dict(given)
    except TypeError as error:
        if 'augments is a dict in the child config' not in str(error):
            fail(f'config {path!r}: {first_line(error)}')
        fail(
            f'config {path!r}: its base mixes with a list, where no dict fits: write '
            "`augments=[dict(type='mmmix....')]`"
        )
    except (SyntaxError, NameError, KeyError, IndexError, ValueError, OSError, AssertionError, ImportError) as error:
        fail(f'config {path!r}: {first_line(error)}')
    return config


def parsed(value: str) -> Any:
    """A value of ``--cfg-options`` as MMEngine reads it: a number, True, None, a list or text."""
    return DictAction._parse_iterable(value)


def load_config(args: Namespace) -> Config:
    """Read the config and apply the shared arguments.

    ``--cfg-options`` override the file, and other arguments both.

    Args:
        args (Namespace): The parsed arguments, of ``console.add_shared`` and ``config``.

    Returns:
        Config: The config, ready for what the tool itself changes.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = read_config(args.config, args.cfg_options)
    config.launcher = args.launcher
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    return config


def set_up_loaders(config: Config, *names: str, pin_memory: bool, persistent_workers: bool) -> None:
    """Give data loaders the defaults of OpenMMLab's tools, where they make sense.

    Args:
        config (Config): The config, changed in place.
        names (str): The loaders, such as ``train_dataloader``; one that the config lacks is skipped.
        pin_memory (bool): Whether batches may be pinned, which only an accelerator profits from.
        persistent_workers (bool): Whether workers may outlive an epoch, which PyTorch refuses where there are none.
    """
    for name in names:
        loader = config.get(name)
        if loader is None:
            continue
        loader.setdefault('collate_fn', {'type': 'default_collate'})
        loader.pin_memory = loader.get('pin_memory', True) and pin_memory and get_device() != 'cpu'
        loader.persistent_workers = (
            loader.get('persistent_workers', True) and persistent_workers and loader.get('num_workers', 0) > 0
        )


def build_runner(config: Config) -> Runner:
    """Build the runner that a config describes; on machines without a GPU, ranks talk through gloo.

    Args:
        config (Config): The complete config.

    Returns:
        Runner: MMEngine's runner, or the ``runner_type`` that the config asks for.
    """
    allow_checkpoint_types()
    refuse_to_resume(config)
    if config.get('launcher') == 'pytorch' and get_device() == 'cpu':
        # MMEngine picks a GPU per rank before it looks at the backend.
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group('gloo')
        _wrap_without_gpu(config)
    return RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)


def refuse_to_resume(config: Config) -> None:
    """End the program where MMEngine itself cannot resume.

    Its FSDPStrategy hands arguments to PyTorch in an order that changed in PyTorch 2.1.

    Args:
        config (Config): The complete config.
    """
    if config.get('resume') and (config.get('strategy') or {}).get('type') == 'FSDPStrategy':
        fail(
            "MMEngine's FSDPStrategy cannot load the state of an optimizer with PyTorch 2.1 or newer: begin a run with "
            '`load_from` of the checkpoint, or train with DDPStrategy'
        )


def _wrap_without_gpu(config: Config) -> None:
    """Let the wrapper of the model ask for no GPU; ``FlexibleRunner`` has it from its strategy."""
    flexible = 'runner_type' in config and issubclass(RUNNERS.get(config.runner_type), FlexibleRunner)
    owner = config.setdefault('strategy', ConfigDict(type='DDPStrategy')) if flexible else config
    key = 'model_wrapper' if flexible else 'model_wrapper_cfg'
    if flexible and owner.type != 'DDPStrategy':
        return
    owner[key] = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': config.get('find_unused_parameters', False),
        **(owner.get(key) or {}),
        'device_ids': None,
    }


def build_classifier(
    config: Config,
    weights: str | dict | None = None,
    *,
    kind: str | None = None,
    initialise: bool = False,
    device: str | None = None,
) -> Any:
    """Build the classifier that a config describes, in eval mode.

    Args:
        config (Config): The config; it is not changed.
        weights (str | dict, optional): A checkpoint, by its file or as ``read_checkpoint`` gives it. Defaults to
            None, as built.
        kind (str, optional): Another type of classifier than the config's. Defaults to None.
        initialise (bool): Whether to draw the weights before the checkpoint is loaded. Defaults to False.
        device (str, optional): Where the model goes. Defaults to None, the accelerator if there is one.

    Returns:
        nn.Module: The classifier.
    """
    if isinstance(weights, str):
        require_file(weights, 'checkpoint')
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    allow_checkpoint_types()
    settings = deepcopy(config.model)
    if 'data_preprocessor' in config:
        settings.setdefault('data_preprocessor', deepcopy(config.data_preprocessor))
    if kind is not None:
        settings['type'] = kind
    model = MODELS.build(settings)
    if initialise:
        MMLogger.get_current_instance().setLevel('WARNING')  # else every parameter has its line
        with one_line(CheckpointError), checked_loading():
            model.init_weights()
    if isinstance(weights, dict):
        model.load_state_dict(weights['state_dict'], strict=False)
    elif weights is not None:
        with one_line(CheckpointError), checked_loading():
            load_checkpoint(model, weights, map_location='cpu')
    return model.to(torch.device(device or get_device())).eval()


def build_loader(
    config: Config,
    dataset: dict | None = None,
    *,
    name: str = 'test_dataloader',
    seed: int | None = None,
    **changes: Any,
) -> Any:
    """Build a data loader of a config.

    Args:
        config (Config): The config; it is not changed.
        dataset (dict, optional): A data set in place of the config's; it gets the config's pipeline unless it has one.
            Defaults to None.
        name (str): Which loader. Defaults to ``'test_dataloader'``.
        seed (int, optional): Seed of the order of samples. Defaults to None.
        **changes (Any): Settings in place of the config's.
    """
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    settings = deepcopy(config[name])
    if dataset is not None:
        settings.dataset = {'pipeline': settings.dataset.get('pipeline', []), **dataset}
    settings.setdefault('collate_fn', dict(type='default_collate'))
    settings.update(persistent_workers=False, **changes)
    return Runner.build_dataloader(settings, seed=seed)
