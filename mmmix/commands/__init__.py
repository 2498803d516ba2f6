"""The command ``mmmix``: ``mmmix train CONFIG``, ``python -m mmmix train CONFIG``, ``python tools/train.py CONFIG``.

Each command is a module with ``HELP``, ``add_arguments(parser)`` and ``run(args)``. Nothing here imports PyTorch or
OpenMMLab before the arguments are read and found good: help is quick, and works where they are missing.
"""

import io
import os
import re
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module

from .. import console
from ..version import __version__

#: The command -> its module here, and what ``mmmix --help`` says of it.
COMMANDS = {
    'train': 'train a model',
    'test': 'test a model',
    'browse': 'draw mixed batches of a config',
    'hard-samples': 'show and list the hardest samples of a run',
    'robustness': 'test under attack, occlusion and corruption',
    'cam': 'draw where networks look in mixed images',
    'localize': "say where a classifier's maps show objects",
    'export': 'write a classifier with the names of another package',
    'summarize': 'summarise runs as a Markdown table',
    'bench': 'time mixers beside their peers',
    'doctor': 'print versions, and what would go wrong here',
}
#: What MMEngine and our registries say where a config names an unknown type, or one with arguments that do not fit.
NOT_BUILT = re.compile(
    r'^class `\w+` in |__init__\(\) (got an unexpected|missing)|is not in the [\w:]+ registry'
    r'|^mmmix(\.\w+ is a| has no) '
)
#: Those that work without OpenMMLab.
ALONE = ('doctor',)


def main(argv: Sequence[str] | None = None) -> None:
    """The console script ``mmmix``.

    Args:
        argv (Sequence[str], optional): The arguments. Defaults to None, those of the process.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = ArgumentParser(
        prog='mmmix',
        description='Mixed-sample augmentation: train, test and look.',
        epilog='`mmmix COMMAND --help` says more about each.',
    )
    parser.add_argument('--version', action='version', version=f'mmmix {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, line in COMMANDS.items():
        commands.add_parser(name, help=line, add_help=False)
    # The first argument is a command or a flag of `mmmix` itself.
    command = parser.parse_args(argv[:1]).command
    try:
        run(command, argv[1:], program=f'mmmix {command}')
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def run(command: str, argv: Sequence[str] | None = None, program: str | None = None) -> None:
    """Run one command.

    Args:
        command (str): Its name.
        argv (Sequence[str], optional): Its arguments. Defaults to None, those of the process.
        program (str, optional): What its messages call it. Defaults to None, the name of the script.
    """
    console.program = program
    module = import_module(f'.{command.replace("-", "_")}', __name__)
    parser = ArgumentParser(prog=program, description=module.HELP)
    module.add_arguments(parser)
    args: Namespace = parser.parse_args(argv)
    if hasattr(module, 'check'):
        module.check(args)
    if command not in ALONE:
        prepare(*getattr(module, 'NEEDS', ()))
    try:
        module.run(args)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = console.first_line(error)
        if not NOT_BUILT.search(text):
            raise
        console.fail(text)


def prepare(*modules: str) -> None:
    """Import OpenMMLab without what it says of its own matters; where it is missing, name the command to run.

    Args:
        *modules (str): What else of ours is imported so, e.g. ``'evaluation.contenders'``.
    """
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            for name in ('family', 'cli', 'models', 'datasets', *modules):
                import_module(f'mmmix.{name}')
    except ImportError as error:
        console.fail(f'{console.first_line(error)} `mmmix doctor` says more.')
