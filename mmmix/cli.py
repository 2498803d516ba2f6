"""What the command line tools share: arguments, the config they end in, and the runner it describes."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import NoReturn

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .compat import allow_checkpoint_types, register_config_scope

register_config_scope()


def fail(message: str) -> NoReturn:
    """End the program with one line that says what to do.

    Args:
        message (str): The line.
    """
    sys.exit(f'{Path(sys.argv[0]).name}: error: {message}')


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


def last_checkpoint(work_dir: str) -> str | None:
    """Find the checkpoint to resume from, also after a crash and in a work dir that was moved.

    MMEngine notes the path of each complete checkpoint in a file. That file is empty if the process dies while it is
    written, and outdated if the work dir is moved.

    Args:
        work_dir (str): The work dir of the run.

    Returns:
        str | None: The checkpoint; None if no checkpoint was completed.
    """
    note = Path(work_dir, 'last_checkpoint')
    if not note.is_file():
        return None
    noted = note.read_text(encoding='utf-8').strip()
    if '://' in noted or Path(noted).is_file():
        return noted
    if noted:
        moved = note.with_name(Path(noted).name)
        return str(moved) if moved.is_file() else None
    checkpoints = [*note.parent.glob('epoch_*.pth'), *note.parent.glob('iter_*.pth')]
    return str(max(checkpoints, key=lambda path: path.stat().st_mtime_ns)) if checkpoints else None


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that training and testing share.

    Args:
        parser (ArgumentParser): The parser of the tool.
    """
    parser.add_argument('--work-dir', help='where logs and results go; default: work_dirs/<name of the config>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override the config, e.g. train_dataloader.batch_size=32 model.backbone.strides=1,2,2,2',
    )
    parser.add_argument('--amp', action='store_true', help='use mixed precision (bfloat16 without a GPU)')
    parser.add_argument('--no-pin-memory', action='store_true', help='do not pin the memory of batches')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def load_config(args: Namespace) -> Config:
    """Read the config and apply the shared arguments.

    ``--cfg-options`` override the file, and other arguments both.

    Args:
        args (Namespace): The parsed arguments, of :func:`add_arguments` and ``config``.

    Returns:
        Config: The config, ready for what the tool itself changes.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = Config.fromfile(require_file(args.config, 'config'))
    config.merge_from_dict(args.cfg_options or {})
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
