"""mmpretrain's own configs with mmmix on top, as its users would write them."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from stock import PAGE, README, SUMIX, augments_of, blocks, child, classifiers, kind_of, line_for, table, two_steps

TEXT = PAGE.read_text(encoding='utf-8')
HEADLINE, THREE = blocks()
#: A small config of each family that people train most, and the side of images that its network takes.
FAMILIES = {
    'resnet/resnet18_8xb32_in1k.py': 32,
    'wrn/wide-resnet50_8xb32_in1k.py': 32,
    'mobilenet_v2/mobilenet-v2_8xb32_in1k.py': 64,
    'mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py': 64,
    'efficientnet/efficientnet-b0_8xb32_in1k.py': 64,
    'convnext/convnext-tiny_32xb128_in1k.py': 64,
    'vision_transformer/vit-base-p32_64xb64_in1k-384px.py': 32,
    'deit/deit-tiny_4xb256_in1k.py': 64,
    'deit/deit-tiny-distilled_4xb256_in1k.py': 64,
    'swin_transformer/swin-tiny_16xb64_in1k.py': 224,
    'tinyvit/tinyvit-5m_8xb256_in1k.py': 224,
    'levit/levit-128s_8xb256_in1k.py': 224,
    'resnet/resnet50_8xb256-rsb-a3-100e_in1k.py': 32,
    'mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py': 32,
    'csra/resnet101-csra_1xb16_voc07-448px.py': 64,
    'conformer/conformer-tiny-p16_8xb128_in1k.py': 224,
}
BASES = pytest.mark.parametrize('base', FAMILIES)


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('mmpretrain')


def one_mixer(base: str, path: Path) -> Config:
    """The headline line on a stock config, with what the page says that it needs."""
    config = child(path, base, HEADLINE)
    if kind_of(config)[1] in ('LeViTClsHead', 'EfficientFormerClsHead'):
        config.model.head.distillation = False
    return config


def three_systems(base: str, path: Path) -> Config:
    """The README's second block with the head that the page names, mixing every batch, with pools from the start."""
    line = line_for(kind_of(Config.fromfile(child_base(base, path))))
    head = f'    {line},\n' if line else ''
    text, heads = re.subn(r' {4}head=dict.*\n', head, THREE)
    text, probs = re.subn(r'prob=0\.5,(?=\n)', 'prob=1.0,', text, count=1)
    text, pools = text.replace("'mmmix.HardPool', prob=0.5", "'mmmix.HardPool', prob=0.5, min_size=2"), 1
    text = text.replace("'mmmix.HardSampleHook'", "'mmmix.HardSampleHook', warmup_epochs=0, fraction=1.0")
    assert (heads, probs, pools) == (1, 1, 1)
    return child(path, base, text)


def child_base(base: str, path: Path) -> Path:
    """A config that is the stock one."""
    path.write_text(f"_base_ = 'mmpretrain::{base}'\n", encoding='utf-8')
    return path


def train(config: Config, base: str, work_dir: Path) -> tuple[Runner, dict[str, float], int]:
    """Two steps: the runner, the last step's log, and how many parameters moved."""
    runner = Runner.from_cfg(two_steps(config, work_dir, FAMILIES[base], several='csra' in base))
    before = [parameter.detach().clone() for parameter in runner.model.parameters()]
    runner.train()
    log = {name: float(buffer.current()) for name, buffer in runner.message_hub.log_scalars.items()}
    moved = sum(not torch.equal(*pair) for pair in zip(before, runner.model.parameters(), strict=True))
    return runner, log, len(before) - moved


@pytest.mark.slow
@BASES
def test_a_family_trains_with_one_mixer(base: str, tmp_path: Path) -> None:
    runner, log, still = train(one_mixer(base, tmp_path / 'mine.py'), base, tmp_path)
    (mixer,) = runner.model.data_preprocessor.batch_augments.augments
    assert type(mixer).__module__ == 'mmmix.mixers.cutmix'
    assert runner.iter == 2 and still == 0
    assert torch.isfinite(torch.tensor(log['train/loss']))


@pytest.mark.slow
@BASES
def test_a_family_trains_with_all_three_systems(base: str, tmp_path: Path) -> None:
    runner, log, still = train(three_systems(base, tmp_path / 'mine.py'), base, tmp_path)
    assert runner.iter == 2 and still == 0
    assert torch.isfinite(torch.tensor(log['train/loss']))
    assert log['train/mixed'] > 0
    table = runner.model.hard_table
    assert int((table.seen > 0).sum()) == 8, 'the clean pass rated every sample'
    (mixer,) = runner.model.mixers()
    assert mixer.keep is not None and mixer.partners.fill is not None
    has_sumix = type(runner.model.head).__name__.startswith('SUMix')
    stock_head = kind_of(Config.fromfile(child_base(base, tmp_path / 'base.py')))[1]
    assert has_sumix == ('train/lam_sumix' in log) == (stock_head in SUMIX)
    hooks = [type(hook).__name__ for hook in runner.hooks]
    assert ('EMAHook' in hooks) == ('convnext' in base), "the base's hooks stay"


@pytest.mark.slow
def test_the_headline_parses_on_every_stock_config(tmp_path: Path) -> None:
    count = 0
    for configs in classifiers().values():
        for path in configs:
            (mixer,) = augments_of(child(tmp_path / 'mine.py', path, HEADLINE))
            assert mixer == dict(type='mmmix.CutMix', alpha=1.0), path
            count += 1
    assert count >= 400


@pytest.mark.slow
def test_the_page_lists_every_family() -> None:
    """Renew it with ``python tests/stock.py``."""
    try:
        version = metadata.version('onedl-mmpretrain')
    except metadata.PackageNotFoundError:
        pytest.skip('the page is of onedl-mmpretrain')
    assert version.startswith('1.3.')
    assert f'<!-- families: begin -->\n{table()}\n<!-- families: end -->' in TEXT
    count = sum(map(len, classifiers().values()))
    every = [config for configs in classifiers().values() for config in configs.values()]
    lists = sum(isinstance((config.model.get('train_cfg') or {}).get('augments'), list) for config in every)
    assert f"mmpretrain's {count} classifier configs" in README
    assert f'mmpretrain has {count} configs' in TEXT and f'{lists} configs in all' in TEXT


@pytest.mark.parametrize('base', [base for base in FAMILIES if 'csra' not in base and 'conformer' not in base])
def test_the_wrong_head_is_one_line_at_build(base: str, tmp_path: Path) -> None:
    """The README's block as it stands, on networks of other heads: it is built, or says what to write."""
    config = child(tmp_path / 'mine.py', base, THREE)
    config.model.backbone.pop('init_cfg', None)
    right = kind_of(Config.fromfile(child_base(base, tmp_path / 'base.py')))
    try:
        MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    except (TypeError, ValueError) as error:
        text = str(error)
        assert '\n' not in text
        words = "set loss=dict(_delete_=True, type='CrossEntropyLoss')" if right[2] else f'mmmix.{SUMIX[right[1]]}'
        assert words in text
    else:
        assert right[1] in ('LinearClsHead', 'VisionTransformerClsHead') and not right[2]


@pytest.mark.parametrize(
    ('base', 'words'),
    [
        ('csra/resnet101-csra_1xb16_voc07-448px.py', 'keep CSRAClsHead'),
        ('conformer/conformer-tiny-p16_8xb128_in1k.py', 'keep ConformerHead'),
        ('vgg/vgg11_8xb32_in1k.py', 'keep that head'),
        ('lenet/lenet5_mnist.py', 'keep that head'),
    ],
)
def test_heads_without_a_counterpart_are_kept(base: str, words: str, tmp_path: Path) -> None:
    config = child(tmp_path / 'mine.py', base, THREE)
    with pytest.raises(TypeError, match=words) as error:
        MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    assert '\n' not in str(error.value)


def test_distillation_that_mmpretrain_cannot_train_is_said_at_build(tmp_path: Path) -> None:
    text = f"{HEADLINE}\nmodel['type'] = 'mmmix.MixClassifier'\n"
    config = child(tmp_path / 'mine.py', 'efficientformer/efficientformer-l1_8xb128_in1k.py', text)
    config.model.head.distillation = True
    with pytest.raises(ValueError, match='set `distillation=False` in `head`'):
        MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})


EXAMPLES = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
SWITCH = next(block for block in EXAMPLES if 'SwitchRecipeHook' in block)


@pytest.mark.parametrize('kind', ['ImageClassifier', 'mmmix.MixClassifier'])
def test_mixing_off_for_the_last_epochs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page has it, with epoch 2 of 2 in place of 91 of 100."""
    from mmmix import CutMix

    base, text = SWITCH.replace('action_epoch=91', 'action_epoch=2').split('\n', 1)
    config = child(tmp_path / 'mine.py', re.findall(r'::(.*)\'', base)[0], text)
    config.model.type = kind
    config.model.backbone.depth, config.model.head.in_channels = 18, 512
    config = two_steps(config, tmp_path, size=32)
    config.train_cfg.max_epochs = 2
    runner = Runner.from_cfg(config)
    mixed = []
    mix_met = CutMix.mix_met

    def noted(self: CutMix, scene: Any, *batch: Any) -> Any:
        mixed.append((runner.epoch, scene is not None))
        return mix_met(self, scene, *batch)

    monkeypatch.setattr(CutMix, 'mix_met', noted)
    runner.train()
    assert runner.iter == 4 and {epoch for epoch, met in mixed if met} == {0}


def test_the_examples_of_the_page_parse(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 3
    for block in EXAMPLES:
        (tmp_path / 'mine.py').write_text(block)
        Config.fromfile(tmp_path / 'mine.py')
