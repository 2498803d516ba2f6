"""Runs side by side, each saved when it ends; a stopped command goes on where it was."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from mmmix.evaluation.frame import Results

Run = Callable[[dict[str, Any]], dict[str, Any]]


def _timed(one_run: Run, job: dict[str, Any]) -> dict[str, Any]:
    """One run in a process of its own, and the seconds that it took."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = one_run(job)
    return {**found, 'seconds': round(time.perf_counter() - start, 1)}


def run_all(
    one_run: Run,
    keys: list[dict[str, Any]],
    setting: dict[str, Any],
    results: Results,
    workers: int,
    minutes: float = float('inf'),
) -> None:
    """Do every run that is not among the results yet, in order.

    Args:
        one_run (Callable): From a job, which is a key and the setting, to what was found. A function of a module.
        keys (list[dict]): What names each run, such as its arm and its seed.
        setting (dict): What all of them have in common.
        results (Results): Where each run is saved, its key with it.
        workers (int): How many run side by side.
        minutes (float): After so many no run is begun. Defaults to infinity.
    """
    ahead = [key for key in keys if not any(key.items() <= run.items() for run in results.runs)]
    begun, taken = time.perf_counter(), []
    # A process of its own for each run, forked from one that has imported everything and done nothing.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['small_data_runs', 'small_data_tuning'])
    with context.Pool(workers, maxtasksperchild=1) as pool:
        running: list[tuple[dict[str, Any], Any]] = []
        while ahead or running:
            while ahead and len(running) < workers and time.perf_counter() - begun < 60 * minutes:
                key = ahead.pop(0)
                running.append((key, pool.apply_async(_timed, (one_run, {**setting, **key}))))
            if not running:
                return
            done = next((each for each in running if each[1].ready()), None)
            if done is None:
                time.sleep(0.2)
                continue
            running.remove(done)
            run = {**done[0], **done[1].get()}
            results.add(run)
            taken.append(run['seconds'])
            left = (len(ahead) + len(running)) * statistics.median(taken) / workers / 60
            said = '  '.join(f'{name} {value}' for name, value in run.items())
            print(f'{said}; {len(ahead) + len(running)} to go, {left:.0f} min left', flush=True)
