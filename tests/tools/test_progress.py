"""What long work says of how much is done and how long the rest may take."""

from types import SimpleNamespace

import pytest

from mmmix import console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that the test sets."""
    held = SimpleNamespace(now=100.0)
    monkeypatch.setattr(console.time, 'monotonic', lambda: held.now)
    return held


def test_a_line_a_step_with_the_time_that_the_others_take(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture
) -> None:
    progress = console.Progress(4, 'Test')
    for seconds in (30, 90, 90, 30):
        clock.now += seconds
        progress.step()
    assert capsys.readouterr().err.splitlines() == [
        'Test 1 of 4, about 1:30 left',
        'Test 2 of 4, about 2:00 left',
        'Test 3 of 4, about 1:10 left',
        'Test 4 of 4, about 0:00 left',
    ]


def test_quick_steps_are_told_now_and_then(clock: SimpleNamespace, capsys: pytest.CaptureFixture) -> None:
    progress = console.Progress(1000, 'Sample', every=2, at_most=True)
    seen = []
    for item in progress.over(range(20)):
        clock.now += 0.25
        seen.append(item)
    assert seen == list(range(20))
    assert capsys.readouterr().err.splitlines() == [
        'Sample 8 of 1000, at most 4:08 left',
        'Sample 16 of 1000, at most 4:06 left',
    ]


def test_a_step_is_done_when_the_next_one_is_asked_for(clock: SimpleNamespace) -> None:
    progress = console.Progress(2, 'Batch', every=9)
    items = progress.over('ab')
    assert next(items) == 'a' and progress.done == 0
    assert next(items) == 'b' and progress.done == 1
    assert not list(items) and progress.done == 2
