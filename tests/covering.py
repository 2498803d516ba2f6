"""Which test executes which line: the suite runs once under coverage, and ``mutants.py`` asks for the tests of a line.

What is recorded is kept, and a file of tests is run again only if it changed, or the package where it executes it.
"""

import contextlib
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

#: The rooms whose lines are recorded.
ROOMS = ('mixers', 'partners', 'engine', 'models/classifiers')
PYTEST = ['-q', '-x', '-p', 'no:cacheprovider', '-m', 'not slow']


def preload() -> None:
    """Import what is not the package: a child process begins with it, and takes a second instead of ten."""
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')  # before torch is there
    for name in ('datasets', 'engine', 'evaluation', 'models'):
        importlib.import_module(f'mmpretrain.{name}')
    for name in ('matplotlib.pyplot', 'scipy.optimize', 'sklearn.datasets', 'torchvision'):
        importlib.import_module(name)
    assert 'mmmix' not in sys.modules, 'a child imports the package from the copy'


def in_child(folder: Path, job: Callable[[], int], timeout: float, log: Path) -> int | None:
    """Run ``job`` in a process of its own that finds the package in ``folder``: what it returns, None if it hangs."""

    def begin() -> None:
        os.setsid()
        with log.open('w') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(folder)
        sys.path[:] = [str(folder), *(each for each in sys.path if Path(each) != Path(__file__).parent)]
        os.environ.update(PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE='1')
        sys.dont_write_bytecode = True
        status = job()
        sys.stdout.flush()
        os._exit(status)

    child = multiprocessing.get_context('fork').Process(target=begin)
    child.start()
    child.join(timeout)
    hangs = child.exitcode is None
    assert child.pid is not None
    with contextlib.suppress(ProcessLookupError):  # what it started
        os.killpg(child.pid, signal.SIGKILL)
    child.join()
    return None if hangs else child.exitcode


class Chosen:
    """A pytest plugin: only these tests, in this order; remembers the one that failed."""

    def __init__(self, names: list[str], failed: Path):
        self.order = {name: index for index, name in enumerate(names)}
        self.failed = failed

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the others out."""
        items[:] = sorted((each for each in items if each.nodeid in self.order), key=lambda e: self.order[e.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down what found the fault."""
        if report.failed:
            self.failed.write_text(report.nodeid, encoding='utf-8')


class Recorder:
    """A pytest plugin: tells coverage which test runs, or which shared fixture, and measures how long it takes."""

    def __init__(self, coverage: object):
        self.coverage = coverage
        self.tests: dict[str, dict] = {}
        #: Seconds that each shared fixture takes.
        self.shared: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """A test begins; a process that it starts has its name in PYTEST_CURRENT_TEST."""
        shared = [each for each in getattr(item, 'fixturenames', []) if each != 'request']
        self.tests[item.nodeid] = dict(seconds=0.0, passed=False, skipped=False, fixtures=shared)
        self.coverage.switch_context(item.nodeid)  # type: ignore[attr-defined]
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Iterator[None]:
        """What a shared fixture executes counts for every test that asks for it."""
        if fixturedef.scope == 'function':
            return (yield)
        self.coverage.switch_context(f'fixture {fixturedef.argname}')  # type: ignore[attr-defined]
        begin = time.perf_counter()
        try:
            return (yield)
        finally:
            self.shared[fixturedef.argname] = time.perf_counter() - begin
            name = os.environ.get('PYTEST_CURRENT_TEST', '').rsplit(' ', 1)[0]
            self.coverage.switch_context(name)  # type: ignore[attr-defined]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The three phases of a test."""
        test = self.tests[report.nodeid]
        test['seconds'] = round(test['seconds'] + report.duration, 3)
        test['passed'] |= report.when == 'call' and report.passed
        test['skipped'] |= report.skipped


def record(folder: Path, files: list[str], scratch: Path) -> dict[str, dict]:
    """Run files of tests, and see what each test executes in the rooms: ``{test: seconds, passed, lines}``."""
    settings, found = scratch / 'coveragerc', scratch / 'found.json'
    include = ''.join(f'\n    {folder}/mmmix/{room}/*' for room in ROOMS)
    settings.write_text(
        f'[run]\ndata_file = {scratch}/coverage\nparallel = true\nsigterm = true\n'
        'concurrency = multiprocessing,thread\n'
        f'context = ${{PYTEST_CURRENT_TEST-}}\ninclude = {include}\n',
        encoding='utf-8',
    )

    def job() -> int:
        import coverage

        os.environ['COVERAGE_PROCESS_START'] = str(settings)
        cover = coverage.Coverage(config_file=str(settings))
        recorder = Recorder(cover)
        cover.start()
        options = [each for each in PYTEST if each != '-x']
        status = pytest.main([*options, *files], plugins=[recorder])
        cover.stop()
        cover.save()
        cover.combine([str(scratch)])
        data = cover.get_data()
        lines: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for path in data.measured_files():
            by_context: dict[str, set[int]] = defaultdict(set)
            for line, contexts in data.contexts_by_lineno(path).items():
                for context in contexts:
                    # A process that a test started is called after the test and its phase.
                    name = context.rsplit(' (', 1)[0] if context.endswith((' (call)', ' (setup)')) else context
                    by_context[name].add(line)
            for name, executed in by_context.items():
                lines[name][str(Path(path).relative_to(folder))] = sorted(executed)
        for name, test in recorder.tests.items():
            fixtures = test.pop('fixtures')
            # Whoever comes first alone pays for what is shared, but run alone each of them does.
            test['alone'] = round(test['seconds'] + sum(recorder.shared.get(each, 0) for each in fixtures), 3)
            sources = [name, *(f'fixture {each}' for each in fixtures)]
            paths = {path for source in sources for path in lines[source]}
            test['lines'] = {p: sorted({n for s in sources for n in lines[s].get(p, [])}) for p in sorted(paths)}
        found.write_text(json.dumps(recorder.tests), encoding='utf-8')
        return int(status)

    found.unlink(missing_ok=True)
    in_child(folder, job, 3600, scratch / 'record.log')
    if not found.exists():
        raise SystemExit(f'The tests did not run to their end:\n{(scratch / "record.log").read_text()[-2000:]}')
    return json.loads(found.read_text(encoding='utf-8'))


class Map:
    """What the tests execute, kept in a file.

    Args:
        folder (Path): A copy of the checkout.
        store (Path): Where it is kept.
    """

    def __init__(self, folder: Path, store: Path):
        self.folder, self.store = folder, store
        self.kept: dict[str, dict] = json.loads(store.read_text(encoding='utf-8')) if store.exists() else {}
        #: What tests import from each other, by the name of the module.
        self.modules = {path.stem: path for path in (folder / 'tests').rglob('*.py')}

    def digest(self, paths: Collection[str], more: str = '') -> str:
        """A number for the content of files."""
        texts = [(self.folder / path).read_bytes() for path in paths if (self.folder / path).exists()]
        return hashlib.sha256(b'\0'.join([more.encode(), *texts])).hexdigest()[:16]

    def helpers_of(self, file: str) -> list[str]:
        """The files of tests that a file of tests imports, and what those import."""
        found, todo = {'conftest'}, [Path(file).stem]
        while todo:
            path = self.modules.get(todo.pop())
            named = set(re.findall(r'^(?:from|import) (\w+)', path.read_text(encoding='utf-8') if path else '', re.M))
            todo += named & self.modules.keys() - found
            found |= named & self.modules.keys()
        return sorted(str(self.modules[name].relative_to(self.folder)) for name in found)

    def digest_of(self, file: str, tests: dict[str, dict]) -> str:
        """A number for a file of tests, what it imports from others, and all that it executes in the rooms."""
        paths = {path for test in tests.values() for path in test['lines']}
        return self.digest([file, *self.helpers_of(file), *sorted(paths)])

    def renew(self, scratch: Path) -> None:
        """Run what changed."""
        every = [*(self.folder / 'tests').rglob('test_*.py')]
        every += [p for p in (self.folder / 'mmmix').rglob('*.py') if '>>> ' in p.read_text(encoding='utf-8')]
        files = sorted(str(path.relative_to(self.folder)) for path in every)
        self.kept = {file: kept for file, kept in self.kept.items() if file in files}
        kept = self.kept
        stale = [f for f in files if f not in kept or kept[f]['digest'] != self.digest_of(f, kept[f]['tests'])]
        if not stale:
            return
        print(f'Running {len(stale)} of {len(files)} files of tests to see what they execute ...', flush=True)
        tests = record(self.folder, stale, scratch)
        for file in stale:
            own = {name: test for name, test in tests.items() if name.split('::')[0] == file}
            kept[file] = dict(digest=self.digest_of(file, own), tests=own)
        unused = [name for name, test in tests.items() if not test['passed'] and not test['skipped']]
        if unused:
            print('Not used, since they fail without a fault:', *unused, sep='\n    ', flush=True)
        self.store.parent.mkdir(parents=True, exist_ok=True)
        self.store.write_text(json.dumps(kept), encoding='utf-8')

    def tests(self) -> dict[str, dict]:
        """All tests that pass."""
        return {n: test for kept in self.kept.values() for n, test in kept['tests'].items() if test['passed']}

    def of(self, path: str, *lines: Collection[int]) -> dict[str, dict]:
        """The tests of the first of several sets of lines that any test executes."""
        tests = [(name, test, set(test['lines'].get(path, ()))) for name, test in self.tests().items()]
        for each in lines:
            if found := {name: test for name, test, executed in tests if executed.intersection(each)}:
                return found
        return {}

    def in_file(self, file: str) -> dict[str, dict]:
        """The tests of a file."""
        return {name: test for name, test in self.tests().items() if name.startswith(f'{file}::')}
