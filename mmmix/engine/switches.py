"""What a flag of ``tools/train.py`` or ``tools/test.py`` changes in a config."""

from copy import deepcopy

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.hooks import CheckpointHook


def use_amp(config: Config) -> None:
    """Replace the optimizer wrapper by one for mixed precision; without a GPU it is bfloat16.

    Args:
        config (Config): The config, changed in place.

    Raises:
        ValueError: If the wrapper is one of another kind.
    """
    wrapper = config.optim_wrapper
    if wrapper.get('type', 'OptimWrapper') not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp cannot replace the optimizer wrapper {wrapper.type!r}: remove --amp')
    if get_device() == 'cpu':
        wrapper.type = 'mmmix.AutocastOptimWrapper'
        for only_on_gpu in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(only_on_gpu, None)
    else:
        wrapper.type = 'AmpOptimWrapper'


def use_scaled_lr(config: Config) -> None:
    """Scale the learning rate with the batch size over all ranks.

    Args:
        config (Config): The config, changed in place.

    Raises:
        ValueError: If the config does not say what batch size its learning rate is meant for.
    """
    if 'base_batch_size' not in (config.get('auto_scale_lr') or {}):
        raise ValueError(
            '--auto-scale-lr needs the batch size that the learning rate is meant for: add '
            '`auto_scale_lr = dict(base_batch_size=...)` to the config'
        )
    config.auto_scale_lr.enable = True


def use_resumable_runs(config: Config) -> None:
    """Let a killed and resumed run equal one that was not killed, and no kill leave it without a whole checkpoint.

    Args:
        config (Config): The config, changed in place: :class:`mmmix.SafeCheckpointHook` takes the place of MMEngine's
            ``CheckpointHook`` and keeps its arguments; :class:`mmmix.RandomStateHook` is added unless it is there.
    """
    hooks = config.setdefault('default_hooks', ConfigDict())
    hooks.setdefault('checkpoint', dict(type='CheckpointHook', interval=1))
    custom = config.custom_hooks = list(config.get('custom_hooks') or [])
    for hook in (hooks.checkpoint, *custom):
        if isinstance(hook, dict) and hook.get('type') in ('CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook):
            hook['type'] = 'mmmix.SafeCheckpointHook'
    named = [hook.get('type') if isinstance(hook, dict) else type(hook) for hook in custom]
    if not any(getattr(name, '__name__', str(name)).split('.')[-1] == 'RandomStateHook' for name in named):
        config.custom_hooks = [*custom, dict(type='mmmix.RandomStateHook')]


def use_visualization(config: Config, show: bool, wait_time: float, out_dir: str | None, interval: int) -> None:
    """Switch on the hook that draws predictions.

    Args:
        config (Config): The config, changed in place.
        show (bool): Whether to draw in a window.
        wait_time (float): Seconds that a window stays.
        out_dir (str, optional): Where pictures are written.
        interval (int): Draw every so many images.

    Raises:
        ValueError: If the config has no such hook.
    """
    if config.get('default_hooks', {}).get('visualization') is None:
        raise ValueError(
            '--show and --show-dir need the hook that draws: add '
            "`default_hooks = dict(visualization=dict(type='VisualizationHook'))` to the config"
        )
    config.default_hooks.visualization.update(
        enable=True, show=show, wait_time=wait_time, out_dir=out_dir, interval=interval
    )


def use_tta(config: Config) -> None:
    """Wrap the model and the pipeline for augmentation at test time.

    Args:
        config (Config): The config, changed in place.
    """
    dataset = config.test_dataloader.dataset
    if 'tta_pipeline' not in config:
        *transforms, pack = deepcopy(dataset.pipeline)
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        config.tta_pipeline = [*transforms, dict(type='TestTimeAug', transforms=[flips, [pack]])]
    model = config.get('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
    config.model = ConfigDict(**model, module=config.model)
    dataset.pipeline = config.tta_pipeline
