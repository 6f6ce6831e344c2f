"""Hazard 35, a wake-up that is lost: it is shown absent with every look switched off that would make good for it later."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

import attrs
import pytest

from refold import Signal, Workflow, workflow
from refold import events as ev
from refold.codec import encode_events
from refold_adapters import WorkflowUpdateStage
from refold_adapters.ports import RunRow, RunStatus, StoredTurn
from refold_adapters.turns.results import ending_of
from refold_adapters.turns.update_news import news_in
from refold_adapters.waiting import closings, update_waits
from refold_adapters.waiting.closings import Closings
from refold_adapters.waiting.update_waits import UpdateWait
from refold_adapters.worker.baton import Baton
from tests.runtime.conftest import MakeEngine

FAR = 600.0


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_parallel(*jobs: Callable[[], None]) -> None:
    """Carry out jobs, each on a thread of its own; raises what one of them raises."""
    errors: list[BaseException] = []

    def carry_out(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=carry_out, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it waits for a wake-up that never came"
    if errors:
        raise errors[0]


def test_hazard_35_whatever_is_put_is_done_though_whoever_might_do_it_is_just_leaving(
    eager_threads: None,
) -> None:
    """Three threads bring and may do, one waits; nobody looks by himself within the time of the test."""
    baton, items = Baton(), 10_000
    done = [0]

    def one() -> None:
        done[0] += 1

    def bring() -> None:
        for _ in range(items):
            baton.put(one)
            if baton.grab():
                baton.do_all()
                baton.give(FAR)

    def wait() -> None:
        baton.take()
        while done[0] < 3 * items:
            baton.wait(20.0)
        baton.give(FAR)

    def nudge_at_the_end() -> None:
        bring()
        baton.put(lambda: None)

    in_parallel(wait, bring, bring, nudge_at_the_end)
    assert 3 * items == done[0]


class OneRun:
    """A store of one run, which is open until it is said to be closed."""

    def __init__(self) -> None:
        self.open = RunRow(
            workflow_id="w",
            run_id="r",
            workflow_type="t",
            task_queue="q",
            status=RunStatus.RUNNING,
            started_at=0,
            closed_at=None,
            turn=1,
            last_event_id=1,
            history_bytes=0,
            owner=0,
            parked=None,
            closing_event=None,
        )
        self.closed = attrs.evolve(self.open, closed_at=1, status=RunStatus.COMPLETED, closing_event=b"x")
        self.row = self.open
        self.turns: list[StoredTurn] = []

    def find_run(self, workflow_id: str, run_id: str) -> RunRow:
        row = self.row
        return row  # noqa: RET504 - two lines, so that the run can close between them

    def read_turns(self, run_id: str, after_turn: int) -> list[StoredTurn]:
        return [each for each in self.turns if each.number > after_turn]

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def changed_elsewhere(self) -> bool:
        return False


WAITING = (closings.__file__, update_waits.__file__, __file__)


def broken_in_upon(wait: Callable[[], Any], news: Callable[[], None], line: int) -> tuple[Any, bool]:
    """What ``wait`` answers if another thread brings ``news`` at the so many-th line of the way, and whether there is such a line.

    Where a lock holds that thread up, it goes on when the lock is released, as it does in life.
    """
    bringer = threading.Thread(target=news, daemon=True)
    lines = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in WAITING:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                bringer.start()
                bringer.join(0.02)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer = wait()
    finally:
        sys.settrace(before)
    if lines >= line:
        bringer.join(20)
    return answer, lines >= line


@pytest.fixture
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The looks that would find out later what was missed are switched off."""
    monkeypatch.setattr(closings, "FALLBACK_SECONDS", FAR)
    monkeypatch.setattr(closings, "POLL_SECONDS", FAR)


def lines_tried(try_at: Callable[[int], bool]) -> int:
    """Try one line after the other, until there is none; how many there were."""
    return next(line - 1 for line in count(1) if not try_at(line))


def test_hazard_35_no_wait_for_the_end_of_a_run_misses_it_wherever_it_comes(no_second_look: None) -> None:
    """The run closes at each line of the way that begins to wait for it."""

    def try_at(line: int) -> bool:
        store: Any = OneRun()
        waits = Closings(store)
        waits.runs_here = lambda run_id: True

        def close() -> None:
            store.row = store.closed
            ending = ending_of(store.closed)
            assert ending is not None
            waits.settle(ending)

        future, broken_in = broken_in_upon(lambda: waits.watch("w", "r"), close, line)
        assert not broken_in or future.done(), f"closed at line {line}, and nobody was told"
        waits.stop()
        return broken_in

    assert 15 < lines_tried(try_at)


@pytest.mark.parametrize("stage", list(WorkflowUpdateStage))
def test_hazard_35_no_wait_for_an_update_misses_it_wherever_it_comes(
    no_second_look: None, stage: WorkflowUpdateStage
) -> None:
    """The update is answered at each line of the way that begins to wait for it."""
    accepted = ev.WorkflowExecutionUpdateAccepted(2, 2, 0, "u", "update")
    answered = ev.WorkflowExecutionUpdateCompleted(3, 2, 0, "u", result=1)

    def try_at(line: int) -> bool:
        store: Any = OneRun()
        waits = Closings(store)
        waits.runs_here = lambda run_id: True

        def answer() -> None:
            data = encode_events([accepted, answered])
            store.turns = [StoredTurn(number=2, first_event_id=2, data=data)]
            for news in news_in([accepted, answered]):
                waits.updates.tell("r", news)

        def wait() -> UpdateWait:
            made = waits.updates.register("w", "r", "u", stage)
            waits.updates.check(made)
            return made

        made, broken_in = broken_in_upon(wait, answer, line)
        assert not broken_in or made.future.done(), f"answered at line {line}, and nobody was told"
        waits.stop()
        return broken_in

    assert 20 < lines_tried(try_at)


word = Signal("word", int)


@workflow
def adds(count: int) -> Workflow[int]:
    total = 0
    for _ in range(count):
        total += yield from word.receive()
    return total


def test_hazard_35_neither_signals_nor_results_wait_for_the_look_that_bounds_the_damage(
    make_engine: MakeEngine, eager_threads: None, no_second_look: None
) -> None:
    """Callers on several threads; with the polling switched off, a lost wake-up would be waited for until the test fails."""
    engine = make_engine(workflows=[adds], max_cached_workflows=2)
    results: list[int] = []

    def call(name: int) -> None:
        for number in range(25):
            handle = engine.start(adds, 2, id=f"{name}-{number}")
            handle.signal(word, 1)
            handle.signal(word, 2)
            results.append(handle.result())

    in_parallel(*[lambda name=name: call(name) for name in range(4)])  # type: ignore[misc]
    assert [3] * 100 == results
