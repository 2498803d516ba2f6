"""What the command line tools share: arguments, the config they end in, and the runner or classifier it describes.

The one place that reads flags, configs and checkpoints. The package itself raises errors; :func:`one_line` turns those
that tell what to do into the end of a program.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import Runner, load_checkpoint
from mmpretrain.registry import MODELS

from .compat import CheckpointError, allow_checkpoint_types, checked_loading, register_config_scope
from .engine.checkpoint_files import newest_whole

register_config_scope()


def fail(message: str) -> NoReturn:
    """End the program with one line that says what to do.

    Args:
        message (str): The line.
    """
    sys.exit(f'{Path(sys.argv[0]).name}: error: {message}')


@contextmanager
def one_line(*errors: type[Exception]) -> Iterator[None]:
    """End the program with the message of an error that says what to do.

    Args:
        errors (type[Exception]): Which errors do.
    """
    try:
        yield
    except errors as error:
        fail(str(error))


def require_file(path: str, what: str) -> str:
    """End the program if a file is not there.

    Args:
        path (str): The file, or an address that MMEngine downloads, such as ``https://...``.
        what (str): What the file is for, as the message calls it.

    Returns:
        str: The path.
    """
    if '://' not in path and not Path(path).is_file():
        fail(f'{what} {path!r} does not exist')
    return path


@contextmanager
def loading(args: Namespace) -> Iterator[None]:
    """Load checkpoints without running what they may hold, unless :func:`add_trust`'s flag says so.

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


def add_trust(parser: ArgumentParser) -> None:
    """Add ``--trust-checkpoint``.

    Args:
        parser (ArgumentParser): The parser of the tool.
    """
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints whatever they hold, although that may run code; only for files that you trust',
    )


def add_options(parser: ArgumentParser, text: str) -> None:
    """Add ``--cfg-options``.

    Args:
        parser (ArgumentParser): The parser of the tool.
        text (str): What the help says of it.
    """
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help=text)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that training and testing share.

    Args:
        parser (ArgumentParser): The parser of the tool.
    """
    parser.add_argument('--work-dir', help='where logs and results go; default: work_dirs/<name of the config>')
    add_options(
        parser,
        'settings that override the config, e.g. train_dataloader.batch_size=32 model.backbone.strides=1,2,2,2',
    )
    add_trust(parser)
    parser.add_argument('--amp', action='store_true', help='use mixed precision (bfloat16 without a GPU)')
    parser.add_argument('--no-pin-memory', action='store_true', help='do not pin the memory of batches')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def read_config(path: str, options: dict | None = None) -> Config:
    """Read a config file.

    Args:
        path (str): The file.
        options (dict, optional): What ``--cfg-options`` overrides in it. Defaults to None.
    """
    config = Config.fromfile(require_file(path, 'config'))
    config.merge_from_dict(options or {})
    return config


def load_config(args: Namespace) -> Config:
    """Read the config and apply the shared arguments.

    ``--cfg-options`` override the file, and other arguments both.

    Args:
        args (Namespace): The parsed arguments, of :func:`add_arguments` and ``config``.

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
    if config.launcher == 'pytorch' and get_device() == 'cpu':
        # MMEngine picks a GPU per rank before it looks at the backend.
        torch.distributed.init_process_group('gloo')
        config.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel',
            'broadcast_buffers': False,
            'find_unused_parameters': config.get('find_unused_parameters', False),
            **(config.get('model_wrapper_cfg') or {}),
            'device_ids': None,
        }
    return RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)


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
