"""Learned masks in training: they come to follow the share, ranks agree, and MMEngine's runner shows the teacher."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from networks import RESNET, classifier
from ranks import two_ranks
from torch import Tensor

from mmmix import Digits
from mmmix.learned import AdAutoMixBlock

ROOT = Path(__file__).resolve().parents[2]
STEPS = 150


def own_mask(block: Any, seen: Tensor, share: float, images: int) -> Tensor:
    """The masks of own images with this share; others divide the rest evenly."""
    if not isinstance(block, AdAutoMixBlock):
        return block(seen, seen.flip(0), torch.full((len(seen),), share), (16, 16))
    shares = torch.tensor([share] + [(1 - share) / (images - 1)] * (images - 1)).expand(len(seen), images)
    return block([seen, seen.flip(0), seen.roll(1, 0)][:images], shares, (16, 16))[:, :1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'args', 'rate', 'within'),
    [
        ('AutoMix', {}, 0.1, 0.15),
        ('SAMix', dict(variance=0.1), 0.03, 0.4),
        ('AdAutoMix', {}, 0.1, 0.15),
        ('AdAutoMix', dict(n_images=2), 0.1, 0.15),
    ],
)
def test_the_mask_comes_to_follow_the_share(name: str, args: dict[str, Any], rate: float, within: float) -> None:
    """A short training on digits, with a heavier loss on the mask and a share for each image.

    SAMix's share only scales features, by at most 2, and its three layers begin near 0: it has just begun by then.
    """
    torch.manual_seed(0)
    digits = Digits(size=16, serialize_data=False)
    images = torch.stack([torch.from_numpy(digits[i]['img'].copy()).permute(2, 0, 1) for i in range(256)]) / 128 - 1
    labels = [digits[i]['gt_label'] for i in range(256)]
    known_parts: dict[str, Any] = RESNET
    network = {
        **known_parts,
        'backbone': {**known_parts['backbone'], 'base_channels': 4, 'stem_channels': 4},
        'head': {**known_parts['head'], 'num_classes': 10, 'in_channels': 32},
    }
    model: Any = classifier(network, dict(type=f'mmmix.{name}', lam_mode='elem', mask_weight=2.0, **args)).train()
    learner = model.learned[name.lower()]
    block = list(learner.block.parameters())
    known = {id(parameter) for parameter in block}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.Adam([dict(params=rest, lr=0.01), dict(params=block, lr=rate)])
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(images), (32,)).tolist()
        losses = model.loss(images[rows], [DataSample().set_gt_label(int(labels[row])) for row in rows])
        optimizer.zero_grad()
        torch.stack([value for key, value in losses.items() if 'loss' in key]).sum().backward()
        optimizer.step()
        schedule.step()
    seen = learner.look(images[:64])
    shares, images_of_each = [0.2, 0.35, 0.5, 0.65, 0.8], args.get('n_images', 3)
    with torch.no_grad():
        means = [float(own_mask(learner.block, seen, share, images_of_each).mean()) for share in shares]
    # The loss leaves a mask alone that is at most 0.1 off.
    assert means == pytest.approx(shares, abs=within)
    assert means == sorted(means)
    assert means[-1] - means[0] > 0.01


@pytest.mark.slow
@pytest.mark.parametrize('name', ['AutoMix', 'SAMix', 'AdAutoMix'])
def test_two_ranks_agree(name: str, tmp_path: Path) -> None:
    """Student, teacher, block and clean head are the same on both, also after steps that another mixer mixed."""
    files = [tmp_path / f'{rank}.pth' for rank in range(2)]
    two_ranks('learned_runs.py', files, 200, name)
    one, two = (torch.load(file) for file in files)
    assert int(one['steps']) == int(two['steps']) == 4
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one['backbone.conv1.weight'], one[f'learned.{name.lower()}.teacher.backbone.conv1.weight'])


def runner(work_dir: Path, epochs: int, resume: bool = False, hooks: tuple = ('mmmix.TeacherHook',)) -> Runner:
    """A run of AutoMix on a few digits."""
    config = Config.fromfile(ROOT / 'configs/quickstart/resnet_digits_none.py')
    config.merge_from_dict(
        dict(
            model=dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.AutoMix'))),
            train_cfg=dict(max_epochs=epochs, val_interval=1),
            train_dataloader=dict(batch_size=16, dataset=dict(indices=32), num_workers=0, persistent_workers=False),
            val_dataloader=dict(batch_size=16, dataset=dict(indices=32), num_workers=0, persistent_workers=False),
            custom_hooks=[*config.get('custom_hooks', []), *(dict(type=hook) for hook in hooks)],
            work_dir=str(work_dir),
            resume=resume,
            launcher='none',
            log_level='ERROR',
        )
    )
    return Runner.from_cfg(config)


@pytest.mark.slow
def test_the_runner_shows_and_saves_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner(tmp_path, 2)
    model: Any = run.model
    teacher = model.learned['automix'].teacher
    shown: list[bool] = []
    predict = type(model).predict

    def noted(*args: Any, **kwargs: Any) -> Any:
        shown.append(bool(teacher.shown))
        return predict(*args, **kwargs)

    monkeypatch.setattr(type(model), 'predict', noted)
    run.train()
    assert shown and all(shown) and not bool(teacher.shown)
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['state_dict']
    assert bool(saved['learned.automix.teacher.shown'])
    now = model.state_dict()
    assert torch.equal(saved['backbone.conv1.weight'], now['learned.automix.teacher.backbone.conv1.weight'])
    assert torch.equal(saved['learned.automix.teacher.backbone.conv1.weight'], now['backbone.conv1.weight'])
    # A run that goes on has the student back with its first step, with the hook or without.
    again = runner(tmp_path, 3, resume=True, hooks=())
    again.train()
    other: Any = again.model
    assert int(other.learned['automix'].teacher.steps) == int(teacher.steps) * 3 // 2
    assert not bool(other.learned['automix'].teacher.shown)


@pytest.mark.slow
def test_the_hook_needs_a_teacher(tmp_path: Path) -> None:
    config = runner(tmp_path, 1).cfg
    config.model.train_cfg = dict(augments=dict(type='mmmix.CutMix'))
    with pytest.raises(ValueError, match='TeacherHook needs one teacher') as caught:
        Runner.from_cfg(Config({**config, 'experiment_name': 'without'})).train()
    assert '\n' not in str(caught.value)
