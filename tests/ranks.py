"""Programs of several processes, for tests of what ranks must do alike."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> str:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(('', 0))
        return str(probe.getsockname()[1])


def started(command: list[str], session: bool = False) -> subprocess.Popen:
    """A process that finds the package and the tests, on one thread; what it says can be read."""
    return subprocess.Popen(
        command,
        env={**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "tests"}', 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=session,
    )


def two_ranks(program: str, files: list[Path], timeout: float, *more: str) -> None:
    """Run ``tests/PROGRAM FILE RANK PORT MORE`` twice, side by side; both must end well."""
    port = free_port()
    ranks = [
        started([sys.executable, str(ROOT / 'tests' / program), str(file), str(rank), port, *more])
        for rank, file in enumerate(files)
    ]
    try:
        said = [process.communicate(timeout=timeout)[0] for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert [process.returncode for process in ranks] == [0, 0], said


def launched(program: str, *args: object, timeout: float = 200) -> subprocess.CompletedProcess:
    """Run ``tests/PROGRAM ARGS`` on two ranks under torchrun; nothing of it is left behind when it does not end."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={free_port()}']
    command += [str(ROOT / 'tests' / program), *map(str, args)]
    process = started(command, session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output)
