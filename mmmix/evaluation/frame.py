"""The frame of every benchmark: turns, what it ran on, the JSON of its results and the page about them.

Contenders take their turns in one process, round after round, so that a slow moment of the machine hits all of them.
What counts are medians, and ratios within a round.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import torch

K = TypeVar('K', bound=Hashable)
PACKAGES = {
    'torch', 'torchvision', 'timm', 'kornia', 'onedl-mmpretrain', 'mmpretrain', 'onedl-mmengine', 'mmengine',
}  # fmt: skip

# --------------------------------------------------------------------------------------------------------------- turns


def clock(device: torch.device | str = 'cpu', own_work: bool = False) -> Callable[[], float]:
    """A clock in seconds, that tells the time at which the device has done all that it was told.

    Args:
        device (torch.device | str): The device. Defaults to ``'cpu'``.
        own_work (bool): On a CPU, count this process's own work and not the time on the wall. Defaults to False.
    """
    if torch.device(device).type != 'cuda':
        return time.process_time if own_work else time.perf_counter

    def finished() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return finished


def timed(action: Callable[[], object], now: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that an action takes, by a clock."""
    start = now()
    action()
    return now() - start


def in_turns(
    contenders: Mapping[K, Callable[[], Any]], rounds: int, warm_up: int = 0, alternate: bool = False
) -> dict[K, list[Any]]:
    """Let contenders take their turns, round after round.

    Args:
        contenders (Mapping[K, Callable[[], Any]]): What each does in its turn; it gives what it measured.
        rounds (int): How many rounds.
        warm_up (int): Rounds in front of them that do not count. Defaults to 0.
        alternate (bool): Turn the order round every other time, so that none always follows another. Defaults to False.

    Returns:
        dict[K, list[Any]]: What each contender gave in each round.
    """
    found: dict[K, list[Any]] = {name: [] for name in contenders}
    for number in range(warm_up + rounds):
        names = list(contenders)
        for name in reversed(names) if alternate and number % 2 else names:
            given = contenders[name]()
            if number >= warm_up:
                found[name].append(given)
    return found


def ratios(own: Sequence[float], base: Sequence[float]) -> list[float]:
    """The ratio within each round: it does not feel a drift of the machine."""
    return [ours / theirs for ours, theirs in zip(own, base, strict=True)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; one value is all three."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return low, middle, high


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation over seeds; None for one seed alone."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


# ------------------------------------------------------------------------------------------------------ what it ran on


def hardware(of_cpu: str, device: torch.device | str | None = None) -> str:
    """The name of the GPU, else what is to be said of the CPU.

    Args:
        of_cpu (str): A text, in which ``{machine}`` is the architecture.
        device (torch.device | str, optional): Where it ran. Defaults to None, a GPU if there is one.
    """
    on_gpu = torch.cuda.is_available() if device is None else torch.device(device).type == 'cuda'
    return torch.cuda.get_device_name() if on_gpu else of_cpu.format(machine=platform.machine())


def environment() -> dict[str, Any]:
    """Versions and hardware."""
    found = {d.metadata['Name']: d.version for d in metadata.distributions()}
    versions = {name: found[name] for name in sorted(PACKAGES & found.keys())}
    of_machine: dict[str, Any] = {'machine': platform.machine(), 'cores': torch.get_num_threads()}
    if torch.cuda.is_available():
        of_machine['gpu'] = torch.cuda.get_device_name()
    return {'versions': versions, 'hardware': of_machine, 'python': platform.python_version()}


# --------------------------------------------------------------------------------------------------- results and pages


def write_json(path: Path, content: Any) -> None:
    """Write results; the file is never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix('.tmp')
    half.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    half.replace(path)


class Results:
    """A file of runs, written after every run, so that a stopped comparison goes on where it was.

    Several processes may write runs of their own into one file.

    Args:
        path (Path): The file.
        setting (dict): What all runs have in common.
        names (tuple[str, str]): What the file calls the setting and the runs. Defaults to ``('setting', 'runs')``.
        strict (bool | Sequence[str]): Whether the runs in the file must have this very setting, or which entries of it
            they must have. Defaults to True.

    Raises:
        ValueError: If the file holds runs of another setting, which stay.
    """

    def __init__(
        self,
        path: Path,
        setting: dict,
        names: tuple[str, str] = ('setting', 'runs'),
        strict: bool | Sequence[str] = True,
    ) -> None:
        self.path = path
        self.setting = setting
        self.names = names
        entries = {*setting, *self.held} if strict is True else strict or ()
        if any(self.held.get(entry) != setting.get(entry) for entry in entries):
            raise ValueError(f'{path} holds runs of another setting, which stay: choose another --output')

    def _read(self) -> dict:
        empty = dict(zip(self.names, (self.setting, []), strict=True))
        return json.loads(self.path.read_text(encoding='utf-8')) if self.path.exists() else empty

    @property
    def held(self) -> dict:
        """The setting in the file; what was given, if there is no file yet."""
        return self._read()[self.names[0]]

    @property
    def runs(self) -> list[dict]:
        """The finished runs."""
        return self._read()[self.names[1]]

    def add(self, run: dict) -> None:
        """Write one more run."""
        import fcntl

        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            runs = [*self.runs, run]
            write_json(self.path, dict(zip(self.names, (self.setting, runs), strict=True)))
        finally:
            os.close(folder)

    def complete(self, wanted: Iterable[dict], run: Callable[..., dict]) -> None:
        """Do every run that is not in the file yet.

        Args:
            wanted (Iterable[dict]): What tells each run from the others, e.g. ``dict(arm=..., seed=...)``.
            run (Callable[..., dict]): Does a run, given that by name, and tells what came out.
        """
        for key in wanted:
            if not any(key.items() <= done.items() for done in self.runs):
                self.add({**key, **run(**key)})


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; None is an empty cell."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join('' if cell is None else str(cell) for cell in line) + ' |' for line in lines)


def renew(path: Path, content: str, name: str) -> None:
    """Put content between the markers of a Markdown page, ``<!-- name: begin -->`` and ``<!-- name: end -->``.

    Args:
        path (Path): The page.
        content (str): What stands there from now on.
        name (str): The name in the markers.

    Raises:
        ValueError: If the page has no markers.
    """
    begin, end = f'<!-- {name}: begin -->', f'<!-- {name}: end -->'
    text = path.read_text(encoding='utf-8')
    if begin not in text or end not in text:
        raise ValueError(f'{path} has no place for the table: add the lines {begin} and {end}.')
    head, rest = text.split(begin, 1)
    path.write_text(f'{head}{begin}\n{content}\n{end}{rest.split(end, 1)[1]}', encoding='utf-8')
