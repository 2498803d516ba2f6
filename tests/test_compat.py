"""What must work with every OpenMMLab family: stock configs, a run of the stock classifier, its checkpoint."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, checkpoint
from mmpretrain.models.utils.batch_augments import Mixup as HostMixup
from mmpretrain.registry import MODELS

from mmmix.compat import allow_checkpoint_types
from mmmix.mixers import CutMix

pytestmark = pytest.mark.compat

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / 'configs' / 'examples').glob('*.py'))


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_stock_config_with_one_line_of_mmmix_builds(path):
    config = Config.fromfile(path)
    assert 'custom_imports' not in config
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    mixers = [type(mixer) for mixer in model.data_preprocessor.batch_augments.augments if mixer is not None]
    assert mixers == ([CutMix, HostMixup] if 'swin' in path.stem else [CutMix])


def tiny_config(work_dir: Path) -> Config:
    """The quickstart network made tiny, in the stock classifier with CutMix; two iterations an epoch."""
    config = Config.fromfile(ROOT / 'configs' / 'quickstart' / 'resnet_digits_none.py')
    config.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': work_dir.name,
            'log_level': 'WARNING',
            'model.backbone.stem_channels': 4,
            'model.backbone.base_channels': 4,
            'model.head.in_channels': 32,
            'model.train_cfg': dict(augments=dict(type='mmmix.CutMix', alpha=1.0)),
            'train_dataloader.batch_size': 8,
            'train_dataloader.dataset.indices': 16,
            'val_dataloader.dataset.indices': 16,
            'train_cfg.max_epochs': 1,
        }
    )
    return config


def test_stock_classifier_trains_saves_and_resumes(tmp_path):
    first = Runner.from_cfg(tiny_config(tmp_path / 'run'))
    first.train()
    assert first.iter == 2
    assert type(first.model.data_preprocessor.batch_augments.augments[0]) is CutMix

    config = tiny_config(tmp_path / 'run')
    config.merge_from_dict({'train_cfg.max_epochs': 2, 'resume': True, 'experiment_name': 'resumed'})
    second = Runner.from_cfg(config)
    second.load_or_resume()
    assert second.iter == 2
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    second.train()
    assert (second.epoch, second.iter) == (2, 4)
    assert len(second.message_hub.get_scalar('train/loss').data[0]) == 4


class Hostile:
    """Pickles to a look-up in another object than MMEngine's log buffer."""

    def __reduce__(self):
        return getattr, (torch.Tensor, 'numpy')


@pytest.mark.skipif(hasattr(checkpoint, 'get_torch_safe_globals'), reason='this mmengine brings its own list')
def test_checkpoints_may_look_up_methods_of_the_log_buffer_only(tmp_path):
    allow_checkpoint_types()
    torch.save(Hostile(), tmp_path / 'hostile.pth')
    with pytest.raises(Exception, match="may not look up 'numpy'"):
        torch.load(tmp_path / 'hostile.pth')
