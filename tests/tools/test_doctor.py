"""``mmmix doctor`` in environments that are made up."""

import subprocess
import sys
from argparse import Namespace
from importlib import metadata
from pathlib import Path

import pytest

from mmmix.commands import doctor

ROOT = Path(__file__).resolve().parents[2]
TORCH = {'torch': '2.14.1', 'torchvision': '0.29.1', 'numpy': '2.1', 'setuptools': '80.9'}
ONEDL = {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6', 'onedl-mmpretrain': '1.3.6'}
ORIGINAL = {'mmengine': '0.10.7', 'mmcv-lite': '2.2.0', 'mmpretrain': '1.2.0'}
MODULES = ('mmengine', 'mmcv', 'mmpretrain')


def environment(installed: dict[str, str], modules: tuple = MODULES, python: tuple = (3, 11)) -> doctor.Environment:
    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    return doctor.Environment(version, lambda name: object() if name in modules else None, python)


CASES: list[tuple[str, doctor.Environment, list[str]]] = [
    ('nothing', environment({}, ()), ['PyTorch is missing', 'OpenMMLab is missing']),
    ('torch alone', environment(TORCH, ()), ['OpenMMLab is missing: mixers work in plain PyTorch']),
    ('onedl', environment(TORCH | ONEDL), []),
    ('onedl, setuptools of today', environment(TORCH | ONEDL | {'setuptools': '84.2'}), []),
    ('original, old torch', environment(TORCH | ORIGINAL | {'torch': '2.5.1+cu124'}), []),
    ('original', environment(TORCH | ORIGINAL), ['cannot resume its own checkpoints with torch 2.14.1']),
    (
        'original, setuptools of today',
        environment(TORCH | ORIGINAL | {'setuptools': '81.0', 'torch': '2.5'}),
        ['pip install "setuptools<81"'],
    ),
    (
        'original without setuptools',
        environment({name: v for name, v in (TORCH | ORIGINAL | {'torch': '2.5'}).items() if name != 'setuptools'}),
        ['and none is installed: pip install "setuptools<81"'],
    ),
    (
        'both',
        environment(TORCH | ONEDL | ORIGINAL),
        ['one over the other (onedl-'],
    ),
    ('mixed', environment(TORCH | ONEDL | {'mmcv-lite': '2.2.0'}), ['both OpenMMLab families are installed']),
    (
        'no mmcv',
        environment({k: v for k, v in (TORCH | ONEDL).items() if k != 'onedl-mmcv'}, ('mmengine', 'mmpretrain')),
        ['mmcv of OpenMMLab is missing: pip install "mmmix[onedl]"'],
    ),
    (
        'metadata without its package',
        environment(TORCH | ONEDL, ('mmengine', 'mmpretrain')),
        ['but `mmcv` is not there: pip install --force-reinstall --no-deps onedl-mmcv==2.3.6'],
    ),
    (
        'too new',
        environment(TORCH | ONEDL | {'onedl-mmpretrain': '1.4.0'}),
        ['not tried with onedl-mmpretrain 1.4.0: pip install "onedl-mmpretrain>=1.2.0,<1.4"'],
    ),
    ('old torch', environment(TORCH | ONEDL | {'torch': '2.0.1'}), ['torch 2.0.1 is older than 2.1']),
    ('no torchvision', environment({**ONEDL, 'torch': '2.14.1', 'setuptools': '80'}), ['torchvision is missing']),
    ('python', environment(TORCH | ONEDL, python=(3, 9)), ['Python 3.9 is not supported']),
]


@pytest.mark.parametrize(('here', 'words'), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_would_go_wrong(here: doctor.Environment, words: list[str], capsys: pytest.CaptureFixture) -> None:
    found = [f'{what}: {command}' for what, command in doctor.problems(here)]
    assert len(found) == len(words), found
    text = '\n'.join(found)
    assert all(word in text for word in words), text
    assert all('\n' not in line for line in found)
    if words:
        with pytest.raises(SystemExit) as stop:
            doctor.run(Namespace(), here)
        assert stop.value.code == 1
    else:
        doctor.run(Namespace(), here)
        assert 'Nothing is known that would go wrong.' in capsys.readouterr().out


def test_what_is_here_is_printed(capsys: pytest.CaptureFixture) -> None:
    import torch

    with pytest.raises(SystemExit) if list(doctor.problems(doctor.Environment())) else _nothing():
        doctor.run(Namespace())
    out = capsys.readouterr().out
    assert f'torch        {torch.__version__.split("+")[0]}' in out and 'devices      cpu (1 threads)' in out


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


# ------------------------------------------------------------------------------ in environments that Python itself sees


def seen(folder: Path) -> subprocess.CompletedProcess:
    """``mmmix doctor`` of this checkout where nothing but a folder of packages is installed."""
    code = (
        f'import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]; sys.argv[1:] = ["doctor"]\n'
        'from mmmix.commands import main\nmain()'
    )
    return subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=False)


def put(folder: Path, *distributions: str) -> Path:
    """What pip leaves of distributions: their metadata, and packages to import."""
    for each in distributions:
        name, version = each.split('==')
        info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
        info.mkdir(parents=True)
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n', encoding='utf-8')
        (folder / name.removeprefix('onedl-').removesuffix('-lite')).mkdir(exist_ok=True)
    for package in folder.iterdir():
        if '.' not in package.name:
            (package / '__init__.py').write_text('raise ImportError("nothing is imported")', encoding='utf-8')
    return folder


def named(family: dict[str, str]) -> list[str]:
    return [f'{name}=={version}' for name, version in family.items()]


def test_with_nothing_installed(tmp_path: Path) -> None:
    result = seen(tmp_path)
    assert result.returncode == 1 and not result.stderr
    assert (
        '\ntorch        not installed\n' in result.stdout and '- PyTorch is missing: pip install torch' in result.stdout
    )


@pytest.mark.parametrize('family', [ONEDL, ORIGINAL], ids=['onedl', 'original'])
def test_with_a_family(tmp_path: Path, family: dict[str, str]) -> None:
    result = seen(put(tmp_path, *named(family), 'torchvision==0.29.1', 'setuptools==80.9'))
    (problem,) = [line for line in result.stdout.splitlines() if line.startswith('- ')]
    assert problem.startswith('- PyTorch is missing') and not result.stderr
    carriers = [
        line.split()[1] for line in result.stdout.splitlines() if line.split()[:1] and line.split()[0] in MODULES
    ]
    assert carriers == list(family)


def test_with_both_families(tmp_path: Path) -> None:
    result = seen(put(tmp_path, *named(ONEDL), *named(ORIGINAL), 'torchvision==0.29.1'))
    assert result.returncode == 1 and 'onedl-mmcv 2.3.6 and mmcv-lite 2.2.0' in result.stdout
    every = ' '.join([*ONEDL, *ORIGINAL])
    assert f'pip uninstall -y {every} && pip install "mmmix[onedl]"' in result.stdout


def test_a_reader_who_leaves_gets_no_traceback(tmp_path: Path) -> None:
    """As ``mmmix doctor | head -1``."""
    code = f'import sys; sys.path.insert(0, {str(ROOT)!r}); from mmmix.commands import main; main(["doctor"])'
    process = subprocess.Popen(
        [sys.executable, '-I', '-S', '-u', '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == '' and process.wait() == 1
    process.stderr.close()


def test_the_page_shows_what_it_says() -> None:
    """The problems of its four environments, in the words of today."""
    page = (ROOT / 'docs' / 'doctor.md').read_text(encoding='utf-8')
    plain = {name: version for name, version in TORCH.items() if name != 'torchvision'}
    for here in (
        environment({}, ()),
        environment(plain, ()),
        environment(TORCH | ONEDL),
        environment(TORCH | ORIGINAL),
        environment(TORCH | ONEDL | ORIGINAL),
    ):
        for what, command in doctor.problems(here):
            assert f'\n- {what}: {command}\n' in page, what
    assert 'Nothing is known that would go wrong.' in page and '/work' not in page and '/home' not in page
