"""What the pages for people outside OpenMMLab show runs, and needs what they say and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from alone import OPENMMLAB, blocks, missing, program, see
from mmengine.config import Config
from mmpretrain.registry import MODELS

import mmmix
from mmmix import family

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / 'docs'
PLAIN, MMPRETRAIN = DOCS / 'plain_pytorch.md', DOCS / 'from_mmpretrain.md'
CASES = [
    pytest.param(page, number, id=f'{page.stem}-{number}')
    for page in (PLAIN, DOCS / 'from_timm.md', DOCS / 'from_torchvision.md')
    for number, _ in enumerate(program(page), 2)
]


@pytest.mark.parametrize(('page', 'number'), CASES)
def test_blocks_run(page: Path, number: int) -> None:
    text, without = list(program(page))[number - 2]
    if without:
        pytest.skip(f'there is no {", ".join(without)}')
    exec(compile(text, f'{page.name} (block {number})', 'exec'), {'__name__': 'block'})


@pytest.mark.parametrize('block', blocks(MMPRETRAIN), ids=['before', 'after'])
def test_configs_of_mmpretrain_before_and_after(block: str, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(block, encoding='utf-8')
    config = Config.fromfile(path)
    config.model.backbone.depth, config.model.head.in_channels = 18, 512
    mixers = MODELS.build(config.model).data_preprocessor.batch_augments.augments
    names = ['Mixup', 'CutMix', 'ResizeMix', 'NoneType']
    assert [type(mixer).__name__ for mixer in mixers] == names
    assert type(mixers[0]).__module__.startswith('mmmix.') == ('mmmix.' in block)


def test_most_blocks_need_nothing_else() -> None:
    everywhere = [text for text, _ in program(PLAIN) if not missing(text) and 'timm' not in text]
    assert len(everywhere) >= 5


# --------------------------------------------------------------------------------- where there is PyTorch and no more


@pytest.fixture(scope='module')
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PyTorch, NumPy and what they require, without OpenMMLab."""
    folder = tmp_path_factory.mktemp('packages')
    see(folder)
    assert not [name for name in (*OPENMMLAB, 'torchvision', 'cv2') if (folder / name).exists()]
    return folder


def alone(packages: Path, code: str) -> subprocess.CompletedProcess:
    """Run Python with these packages and this checkout, and nothing else."""
    code = f'import sys; sys.path[:0] = [{str(ROOT)!r}, {str(packages)!r}]\n{code}'
    return subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=False)


def test_rooms_import_torch_alone(packages: Path) -> None:
    code = (
        'import torch; before = set(sys.modules)\n'
        'import mmmix\nfor name in dir(mmmix): getattr(mmmix, name)\n'
        'new = {name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n'
        'print(sorted(new), len(dir(mmmix)), "MixClassifier" in dir(mmmix))'
    )
    result = alone(packages, code)
    assert result.returncode == 0, result.stderr
    names, count, has = result.stdout.rsplit(maxsplit=2)
    assert names == "['mmmix']" and int(count) > 80 and has == 'False'


@pytest.mark.parametrize(
    ('code', 'error'),
    [
        ('from mmmix import MixClassifier', 'ImportError'),
        ('import mmmix; mmmix.HardSampleHook', 'ImportError'),
        ('import mmmix.datasets', 'ImportError'),
        ('from mmmix import CutMix; CutMix(keep=dict(type="mmmix.SelectiveCut"))', 'RuntimeError'),
    ],
)
def test_what_needs_openmmlab_names_the_command(packages: Path, code: str, error: str) -> None:
    result = alone(packages, code)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1 and last.startswith(f'{error}: ') and 'pip install "mmmix[onedl]"' in last
    assert error != 'RuntimeError' or 'the object itself' in last


def test_a_name_that_nobody_has(packages: Path) -> None:
    result = alone(packages, 'import mmmix; mmmix.MixClasifier')
    assert result.stderr.splitlines()[-1] == "AttributeError: module 'mmmix' has no attribute 'MixClasifier'"


def test_a_program_of_the_page_runs_there(packages: Path) -> None:
    text = next(text for text, _ in program(PLAIN) if 'sumix_terms' in text)
    result = alone(packages, text)
    assert result.returncode == 0, result.stderr


# ------------------------------------------------------------------------------------------------ where OpenMMLab is


def python(code: str) -> str:
    """What a process of its own prints."""
    code = f'import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()[-1]


@pytest.mark.compat
def test_an_import_leaves_mmengine_alone() -> None:
    assert python('from mmmix import CutMix; print("mmengine" in sys.modules)') == 'False'


@pytest.mark.compat
@pytest.mark.parametrize('first', ['mmmix', 'mmengine.config', 'mmengine'])
def test_the_scope_is_known_whoever_comes_first(first: str) -> None:
    """Only an import of mmmix enters it, in front of MMEngine's or behind, and MMEngine's modules stay as they are."""
    code = (
        f'import importlib.util, {first}, mmmix\n'
        'importlib.util.find_spec("mmengine.config.utils")\n'
        'from mmengine.config import Config, utils\n'
        'kind = type(utils.__spec__.loader).__name__ + type(utils.__loader__).__name__\n'
        'waits = [each for each in sys.meta_path if type(each).__module__.startswith("mmmix")]\n'
        'print(utils.MODULE2PACKAGE["mmmix"], kind, len(waits), sep="/")'
    )
    assert python(code) == 'mmmix/SourceFileLoaderSourceFileLoader/0'


@pytest.mark.compat
def test_a_type_is_found_without_an_import_of_mmmix() -> None:
    code = (
        'from mmpretrain.registry import BATCH_AUGMENTS\n'
        'keep = dict(type="mmmix.SelectiveCut", guide=dict(type="mmmix.InputGradient"))\n'
        'print(type(BATCH_AUGMENTS.build(dict(type="mmmix.CutMix", keep=keep)).keep.guide).__name__)'
    )
    assert python(code) == 'InputGradient'


def test_names_read_from_the_source_are_those_that_are_there() -> None:
    for room in (*mmmix._ROOMS, *mmmix._HOSTED):
        module = getattr(mmmix, room)
        assert list(mmmix._names(room)) == module.__all__
        assert all(getattr(mmmix, name) is getattr(module, name) for name in module.__all__ if name not in doubles())


def doubles() -> set[str]:
    """Names that several rooms offer: the first one has them."""
    names = [name for room in (*mmmix._ROOMS, *mmmix._HOSTED) for name in mmmix._names(room)]
    return {name for name in names if names.count(name) > 1}


def test_openmmlab_is_complete_here() -> None:
    family.check()
    assert set(family.FAMILY) == set(OPENMMLAB)
