"""What a command says and asks before it works: errors of one line, arguments and their bounds. It imports nothing."""

import sys
import time
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Item = TypeVar('Item')

#: What the errors of this process call it; None for the name of the script.
program: str | None = None


def fail(message: str) -> NoReturn:
    """End the program with one line that says what to do.

    Args:
        message (str): The line.
    """
    sys.exit(f'{program or Path(sys.argv[0]).name}: error: {message}')


@contextmanager
def one_line(*errors: type[Exception]) -> Iterator[None]:
    """End the program with the message of an error that says what to do.

    Args:
        errors (type[Exception]): Which errors do.
    """
    try:
        yield
    except errors as error:
        fail(first_line(error))


def first_line(error: Exception) -> str:
    """The first line of what an error says, without the quotes that a ``KeyError`` puts around it."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


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


def between(kind: type, least: float, most: float | None = None) -> Callable[[str], Any]:
    """A type of argument: a number within bounds.

    Args:
        kind (type): ``int`` or ``float``.
        least (float): The smallest.
        most (float, optional): The largest. Defaults to None, any.
    """
    what = f'{"a whole number" if kind is int else "a number"} of at least {least}'
    what += '' if most is None else f' and at most {most}'

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise ArgumentTypeError(f'{text!r} is not {what}') from None
        if not (value >= least and (most is None or value <= most)):
            raise ArgumentTypeError(f'{text} is not {what}')
        return value

    return read


class KeyValues(Action):
    """``--cfg-options``: settings ``KEY=VALUE``, kept as text until there is a config to change."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Refuse what is no setting, and add the others to those before."""
        found = dict(getattr(namespace, self.dest) or {})
        for text in values:
            key, equals, value = text.partition('=')
            if not equals or not key:
                parser.error(f'{option_string} takes KEY=VALUE, but got {text!r}')
            found[key] = value
        setattr(namespace, self.dest, found)


def add_trust(parser: ArgumentParser) -> None:
    """Add ``--trust-checkpoint``.

    Args:
        parser (ArgumentParser): The parser of the command.
    """
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints whatever they hold, although that may run code; only for files that you trust',
    )


def add_options(parser: ArgumentParser, text: str) -> None:
    """Add ``--cfg-options``.

    Args:
        parser (ArgumentParser): The parser of the command.
        text (str): What the help says of it.
    """
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, metavar='KEY=VALUE', help=text)


def add_shared(parser: ArgumentParser) -> None:
    """Add the arguments that training and testing share.

    Args:
        parser (ArgumentParser): The parser of the command.
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


def in_work_dirs(config: str, name: str) -> Path:
    """Where a command writes unless it is told: ``work_dirs/<config>/<name>``."""
    return Path('work_dirs') / Path(config).stem / name


class Progress:
    """Says on the terminal how many of the steps are done and how long the others may take.

    Args:
        steps (int): How many there are.
        what (str): What they are, as the line calls them.
        every (float): So many seconds lie between two lines. Defaults to 0, a line a step.
        at_most (bool): Whether the work may end before all steps are done. Defaults to False.
    """

    def __init__(self, steps: int, what: str, every: float = 0, at_most: bool = False):
        self.steps, self.what, self.every, self.about = steps, what, every, 'at most' if at_most else 'about'
        self.done, self.start = 0, time.monotonic()
        self.said = self.start

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if now - self.said < self.every:
            return
        self.said = now
        left = (now - self.start) / self.done * (self.steps - self.done)
        minutes, seconds = divmod(round(left), 60)
        print(f'{self.what} {self.done} of {self.steps}, {self.about} {minutes}:{seconds:02d} left', file=sys.stderr)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each a step that is done when the next one is asked for."""
        for item in items:
            yield item
            self.step()


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return ', '.join(names)
