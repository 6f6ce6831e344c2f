"""What a worker does when things go wrong, and when there is too much of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    Query,
    RetryPolicy,
    Signal,
    TimeoutError,
    TimeoutType,
    Workflow,
    activity,
    all_of,
    log,
    open_executions,
    sleep,
    workflow,
)
from refold.events import MessageUndelivered, WorkflowExecutionSignaled
from refold_adapters import (
    Client,
    Engine,
    ManualClock,
    RunStatus,
    Store,
    UnknownTypeError,
    Worker,
    WorkflowFailedError,
    WorkflowParkedError,
    activity_context,
)
from refold_adapters.ports import CloseSession, Outcome, Write
from tests.cold_store import ColdStore
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
word = Signal("word", str)
heard = Query("heard", list)


@activity
def echo(text: str) -> str:
    return text


@workflow
def listener(count: int) -> Workflow[list[str]]:
    words: list[str] = []
    yield from heard.answer(lambda: words)
    while len(words) < count:
        words.append((yield from word.receive()))
    return words


@workflow
def say(text: str) -> Workflow[str]:
    return (yield from echo(text))


@workflow
def talk(text: str) -> Workflow[str]:
    yield from log("about to say it", text=text)
    yield from sleep(timedelta(0))
    yield from log("saying it", level="WARNING")
    return (yield from echo(text))


def test_an_unknown_activity_parks_the_run_and_names_the_known_ones(make_engine: MakeEngine) -> None:
    @activity
    def ecko(text: str) -> str:
        return text

    engine = make_engine(workflows=[say], activities=[ecko])
    handle = engine.start(say, "hi", id="s")
    with pytest.raises(
        WorkflowParkedError, match=r"RF5105: no worker here knows activity 'echo'[\s\S]*did you mean 'ecko'"
    ):
        handle.result(timeout=SOON)


def test_an_unknown_workflow_parks_the_run_in_an_engine(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[say])
    handle = engine.start("sey", "hi", id="s")
    with pytest.raises(WorkflowParkedError, match=r"RF5104[\s\S]*did you mean 'say'"):
        handle.result(timeout=SOON)


def test_a_worker_leaves_unknown_workflows_to_others(store: Store) -> None:
    knows_little = Worker(store, workflows=[listener])
    knows_little.start()
    client = Client(store)
    handle = client.start("say", "hi", id="s")
    knows_all = Worker(store, workflows=[say], activities=[echo])
    knows_all.start()
    try:
        assert "hi" == handle.result(timeout=SOON)
    finally:
        knows_little.shutdown()
        knows_all.shutdown()


def test_a_query_without_the_code_says_so(store: Store) -> None:
    handle = Client(store).start("listener", 1, id="l")
    with pytest.raises(UnknownTypeError, match="RF5104"):
        handle.query(heard)


def test_idle_runs_are_evicted_and_come_back(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listener], max_cached_workflows=2)
    handles = [engine.start(listener, 2, id=f"l{number}") for number in range(10)]
    for handle in handles:
        handle.signal(word, "first")
    until(lambda: len(open_executions()) <= 2)
    for handle in handles:
        handle.signal(word, "second")

    assert [["first", "second"]] * 10 == [handle.result(timeout=SOON) for handle in handles]


def test_workflow_logs_are_written_once(make_engine: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine = make_engine(workflows=[talk], activities=[echo], max_cached_workflows=0)
    with caplog.at_level(logging.INFO, logger="refold.workflow"):
        engine.run(talk, "hi", id="t")
    records = [record for record in caplog.records if record.name == "refold.workflow"]

    assert ["about to say it", "saying it"] == [record.message for record in records]
    assert ("t", "hi") == (records[0].workflow_id, records[0].text)  # type: ignore[attr-defined]


stuck = threading.Event()


@activity(start_to_close_timeout=timedelta(minutes=1), retry_policy=RetryPolicy(maximum_attempts=1))
def too_slow() -> None:
    stuck.set()
    activity_context().wait_for_cancellation(20)


@activity(
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(0)),
)
def silent() -> Any:
    context = activity_context()
    if context.info.attempt == 2:
        return list(context.last_heartbeat_details)
    context.heartbeat("half way", 7)
    stuck.set()
    context.wait_for_cancellation(20)
    return None


@workflow
def wait_for(which: str) -> Workflow[Any]:
    try:
        return (yield from {"slow": too_slow, "silent": silent}[which]())
    except ActivityError as error:
        return error.cause.type.value if isinstance(error.cause, TimeoutError) else str(error)


def test_an_attempt_that_takes_too_long_is_over(make_engine: MakeEngine, clock: ManualClock) -> None:
    stuck.clear()
    engine = make_engine(workflows=[wait_for], activities=[too_slow, silent])
    handle = engine.start(wait_for, "slow", id="w")
    assert stuck.wait(20)
    clock.advance(60_000_000)

    assert TimeoutType.START_TO_CLOSE.value == handle.result(timeout=SOON)


def test_a_silent_attempt_is_over_and_the_next_one_gets_its_details(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    stuck.clear()
    engine = make_engine(workflows=[wait_for], activities=[too_slow, silent])
    handle = engine.start(wait_for, "silent", id="w")
    assert stuck.wait(20)
    until(lambda: any(task.heartbeat for task in handle.describe().pending_activities))
    clock.advance(11_000_000)

    assert ["half way", 7] == handle.result(timeout=SOON)


@activity
def returns_nonsense() -> Any:
    return {1, 2}


@workflow
def ask_for_nonsense() -> Workflow[Any]:
    return (yield from returns_nonsense())


def test_a_result_that_cannot_be_stored_fails_the_activity_for_good(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[ask_for_nonsense], activities=[returns_nonsense])
    with pytest.raises(WorkflowFailedError) as caught:
        engine.run(ask_for_nonsense, id="n")

    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert "PayloadError" == caught.value.cause.cause.type


def test_more_activities_than_slots_all_run(make_engine: MakeEngine) -> None:
    @workflow
    def many(count: int) -> Workflow[int]:
        return len((yield from all_of(*[echo(str(number)) for number in range(count)])))

    engine = make_engine(workflows=[many], activities=[echo], max_concurrent_activities=2)
    assert 50 == engine.run(many, 50, id="m")


def test_shutdown_lets_running_activities_end_and_keeps_their_results(store: Store) -> None:
    release = threading.Event()
    begun = threading.Event()

    @activity(name="echo")
    def slow_echo(text: str) -> str:
        begun.set()
        release.wait(20)
        return text

    engine = Engine(store, workflows=[say], activities=[slow_echo])
    handle = engine.start(say, "kept", id="s")
    assert begun.wait(20)
    stopping = threading.Thread(target=engine.worker.shutdown)
    stopping.start()
    release.set()
    stopping.join(20)

    assert not stopping.is_alive()
    assert "kept" == handle.result(timeout=SOON)
    assert () == open_executions()


@pytest.mark.parametrize(("late", "undelivered"), [(1, 0), (3, 0), (5, 2)])
def test_a_message_that_meets_the_closing_turn_is_never_lost(
    store: Store, late: int, undelivered: int
) -> None:
    cold: Any = ColdStore(store, late, "l")
    engine = Engine(cold, workflows=[listener])
    try:
        handle = engine.start(listener, 1, id="l")
        handle.signal(word, "in time")
        assert ["in time"] == handle.result(timeout=SOON)
        history = handle.history()
    finally:
        engine.worker.shutdown()

    accepted = [event for event in history if isinstance(event, WorkflowExecutionSignaled)]
    assert undelivered == sum(isinstance(event, MessageUndelivered) for event in history)
    assert late + 1 == len(accepted) + undelivered


def test_a_worker_whose_session_was_taken_away_writes_nothing_and_begins_anew(store: Store) -> None:
    engine = Engine(store, workflows=[listener])
    try:
        handle = engine.start(listener, 1, id="l")
        (session,) = store.list_sessions()
        store.apply([CloseSession(token=session.token)])
        handle.signal(word, "after all")
        assert ["after all"] == handle.result(timeout=SOON)
        (new,) = store.list_sessions()
    finally:
        engine.worker.shutdown()

    assert session.token < new.token


POISON = """
import os, sys
from refold import Workflow, activity, workflow
from refold_adapters import Engine
@activity
def fine() -> int: return 1
@workflow
def poison() -> Workflow[int]:
    yield from fine()
    os._exit(9)
@workflow
def innocent() -> Workflow[int]:
    return (yield from fine())
with Engine(sys.argv[1], workflows=[poison, innocent], activities=[fine]) as engine:
    engine.attach(poison, id="poison")
    print(engine.run(innocent, id=sys.argv[2]), flush=True)
    engine.handle("poison").result()
"""


def test_a_workflow_that_kills_its_worker_is_parked_in_the_end(tmp_path: Path) -> None:
    script = tmp_path / "poison.py"
    script.write_text(POISON)
    codes: list[int] = []
    done: subprocess.CompletedProcess[str] | None = None
    for number in range(12):
        done = subprocess.run(
            check=False,
            args=[sys.executable, str(script), str(tmp_path / "p.db"), f"i{number}"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        codes.append(done.returncode)
        if done.returncode != 9:
            break
    assert done is not None
    assert 1 == codes[-1], (codes, done.stderr)
    assert "RF5107" in done.stderr
    assert "1\n" == done.stdout


HELD = """
import sys, time
from refold import Workflow, activity, workflow
from refold_adapters import Engine
@activity
def first(path: str) -> str:
    with open(path, "a") as f: f.write("first\\n")
    return "first"
@activity
def second(path: str) -> str:
    with open(path, "a") as f: f.write("second\\n")
    if sys.argv[3] == "hang":
        print("hanging", flush=True)
        time.sleep(60)
    return "second"
@workflow
def two(path: str) -> Workflow[list[str]]:
    a = yield from first(path)
    b = yield from second(path)
    return [a, b]
with Engine(sys.argv[1], workflows=[two], activities=[first, second]) as engine:
    print(engine.run(two, sys.argv[2], id="two"), flush=True)
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path: Path) -> None:
    script, ledger = tmp_path / "held.py", tmp_path / "ledger"
    script.write_text(HELD)
    command = [sys.executable, str(script), str(tmp_path / "h.db"), str(ledger)]
    with subprocess.Popen([*command, "hang"], stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout is not None
        assert "hanging\n" == held.stdout.readline()
        os.kill(held.pid, signal.SIGKILL)
    again = subprocess.run([*command, "go"], capture_output=True, text=True, timeout=60, check=True)

    assert "['first', 'second']\n" == again.stdout
    assert ["first", "second", "second"] == ledger.read_text().split()


def test_describe_says_what_a_run_waits_for(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listener])
    handle = engine.start(listener, 1, id="l")
    description = handle.describe()
    assert description.waiting is not None
    (waiting,) = description.waiting

    assert "signal 'word'" in str(waiting.wait)
    assert "test_worker.py" in waiting.frames[-1]
    assert RunStatus.RUNNING is description.run.status


def test_a_store_that_fails_for_a_while_loses_nothing(store: Store) -> None:
    from refold_adapters import StoreError

    class Failing:
        def __init__(self) -> None:
            self.left = 3

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def apply(self, writes: list[Write]) -> list[Outcome]:
            if self.left and any(type(write).__name__ == "CommitTurn" for write in writes):
                self.left -= 1
                raise StoreError("RF5004", "the disk is full", why="a test says so", fix="make room")
            return store.apply(writes)

    failing: Any = Failing()
    engine = Engine(failing, workflows=[say], activities=[echo])
    try:
        assert "hi" == engine.run(say, "hi", id="s")
    finally:
        engine.worker.shutdown()
    assert 0 == failing.left
