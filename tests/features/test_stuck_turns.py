"""A turn of workflow code that does not come back is told, with its line, and its run is not lost."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from refold import Signal, Workflow, workflow
from refold.messages import SignalWorkflow
from refold_adapters import ManualClock
from refold_adapters.turns.acceptances import accept_write
from tests.features.running import SOON, MakeEngine, begin, ended_by

go = Signal("go")
entered, release = threading.Event(), threading.Event()


class Heard(logging.Handler):
    """Says when a stuck turn was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "RF5116" in record.getMessage():
            self.texts.append(record.getMessage())
            self.told.set()


@workflow
def at_once() -> Workflow[str]:
    yield from ()
    return "done"


@workflow
def blocking(later: bool) -> Workflow[str]:
    if later:
        yield from go.receive()
    entered.set()
    release.wait(60)  # the line that stands still
    yield from ()
    return "back"


@pytest.mark.parametrize("later", [False, True], ids=["first turn", "later turn"])
def test_a_turn_that_does_not_come_back_is_told_with_its_line(make_engine: MakeEngine, later: bool) -> None:
    entered.clear()
    release.clear()
    heard = Heard()
    logger = logging.getLogger("refold.worker")
    logger.addHandler(heard)
    try:
        engine = make_engine(workflows=[blocking])
        starter = threading.Thread(
            target=lambda: engine.start(blocking, later, id="b", task_timeout=timedelta(milliseconds=100))
        )
        starter.start()
        if later:
            starter.join(20)
            engine.store.apply([accept_write("b", None, SignalWorkflow(signal_name="go"))])
        assert entered.wait(20)
        assert heard.told.wait(20)
    finally:
        release.set()
        logger.removeHandler(heard)
    starter.join(20)
    handle = engine.handle("b", workflow=blocking)

    assert "back" == handle.result(timeout=SOON)
    (text,) = heard.texts
    line = blocking.fn.__code__.co_firstlineno + 5
    assert f"{__file__}:{line}, in blocking" in text


@workflow
def blocking_once() -> Workflow[str]:
    if not entered.is_set():
        entered.set()
        release.wait(60)
        yield from ()
        return "of the stuck worker"
    yield from ()
    return "of the other worker"


def test_a_run_whose_turn_is_stuck_is_taken_over_and_the_late_turn_changes_nothing(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    entered.clear()
    release.clear()
    stuck = make_engine(workflows=[blocking_once])
    try:
        begin(stuck, blocking_once, id="b")
        assert entered.wait(20)
        other = make_engine(workflows=[blocking_once])
        handle = other.handle("b", workflow=blocking_once)
        ended_by(clock, 10_000_000, handle)
        history = list(handle.history())
    finally:
        release.set()
    stuck.worker.shutdown()

    assert "of the other worker" == handle.result(timeout=SOON)
    assert history == list(handle.history())
    assert 1 == other.count()


def test_the_thread_that_watches_ends_with_its_worker(make_engine: MakeEngine) -> None:
    others = set(threading.enumerate())
    engine = make_engine(workflows=[at_once])
    engine.run(at_once, id="a")
    (watching,) = [each for each in set(threading.enumerate()) - others if each.name == "refold-turn-watch"]
    engine.worker.shutdown()
    watching.join(30)

    assert not watching.is_alive()
