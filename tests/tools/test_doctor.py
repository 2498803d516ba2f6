"""``mmmix doctor`` in environments that are made up."""

from argparse import Namespace
from importlib import metadata

import pytest

from mmmix.commands import doctor

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
        ['onedl-mmcv 2.3.6 is installed, but `mmcv` is not there'],
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
