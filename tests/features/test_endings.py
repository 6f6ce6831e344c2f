"""Runs end when they are to end, whoever serves them: by timeout, by terminate, and because their parent has closed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from refold import (
    ParentClosePolicy,
    RetryPolicy,
    Signal,
    TimeoutError,
    Workflow,
    start_child_workflow,
    workflow,
)
from refold.events import MessageUndelivered
from refold.messages import TimeOutWorkflow
from refold_adapters import (
    Client,
    Engine,
    ManualClock,
    RunStatus,
    Store,
    Worker,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowParkedError,
)
from refold_adapters.operating.endings import end_if_due, ending_turn
from refold_adapters.ports import StoredTurn
from tests.features.running import SECOND, SOON, MakeEngine, kinds, until

HOUR = timedelta(hours=1)
go = Signal("go", str)
ended = Signal("ended")


@workflow
def waiting() -> Workflow[str]:
    return (yield from go.receive())


@workflow
def broken() -> Workflow[str]:
    yield from go.receive()
    raise RuntimeError("a bug")


@workflow(name="broken")
def mended() -> Workflow[str]:
    yield from go.receive()
    return "mended"


@workflow
def parent(child: str, queue: str) -> Workflow[None]:
    yield from start_child_workflow(
        child, id="child", task_queue=queue, parent_close_policy=ParentClosePolicy.TERMINATE
    )
    yield from ended.receive()


def parked(engine: Engine, **options: object) -> WorkflowHandle[str]:
    """A run that a bug has parked."""
    handle = engine.start(broken, id="wf", **options)  # type: ignore[arg-type]
    handle.signal(go, "on")
    with pytest.raises(WorkflowParkedError):
        handle.result(timeout=SOON)
    return handle


def timed_out(handle: WorkflowHandle[str]) -> bool:
    """Whether the result says that the run timed out."""
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    return isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize("limit", ["run_timeout", "execution_timeout"])
def test_a_run_that_no_worker_has_begun_times_out_when_it_is_asked_for(
    store: Store, clock: ManualClock, limit: str
) -> None:
    client = Client(store)
    handle = client.start("anything", id="wf", **{limit: HOUR})  # type: ignore[arg-type]
    clock.advance(3599 * SECOND)
    before = handle.describe().run.status
    clock.advance(60 * SECOND)

    assert (RunStatus.RUNNING, RunStatus.TIMED_OUT) == (before, handle.describe().run.status)
    assert timed_out(handle)
    assert ["WorkflowExecutionStarted", "WorkflowExecutionTimedOut"] == kinds(handle)


def test_whoever_waits_for_a_run_without_a_worker_learns_of_its_timeout(
    store: Store, clock: ManualClock
) -> None:
    client = Client(store)
    future, _ = client.start("anything", id="wf", run_timeout=HOUR).watch()
    clock.advance(3660 * SECOND)

    assert RunStatus.TIMED_OUT is future.result(30).status
    client.closings.stop()


def test_a_worker_of_any_queue_ends_a_run_whose_time_is_up(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[waiting])
    run_id = Client(store).start("unknown", id="wf", task_queue="elsewhere", run_timeout=HOUR).run_id
    clock.advance(3660 * SECOND)

    def closed() -> bool:
        row = engine.store.find_run("wf", run_id)
        return row is not None and row.status is RunStatus.TIMED_OUT

    until(closed)


def test_a_worker_leaves_alone_what_somebody_else_ends_while_it_is_taken_up(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the claim, as its time is up, and the look at its history."""
    first = Worker(store, workflows=[waiting])
    first.start()
    handle = Client(store).start("waiting", id="run", execution_timeout=HOUR)
    until(lambda: handle.describe().run.turn == 1)
    first.shutdown()
    handle.pause()
    clock.advance(3660 * SECOND)
    read = store.read_turns
    taken_up = threading.Event()

    def read_after_its_end(run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        monkeypatch.undo()
        row = store.find_run("run", run_id)
        assert row is not None
        assert end_if_due(store, row).closed_at is not None
        turns = read(run_id, after_turn)
        taken_up.set()
        return turns

    monkeypatch.setattr(store, "read_turns", read_after_its_end)
    second = Worker(store, workflows=[waiting])
    second.start()
    assert taken_up.wait(30)
    stopping = threading.Thread(target=second.shutdown, daemon=True)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()
    assert "WorkflowExecutionTimedOut" == kinds(handle)[-1]
    assert 1 == kinds(handle).count("WorkflowExecutionTimedOut")


def test_the_time_of_a_delayed_start_counts_from_the_end_of_its_delay(
    store: Store, clock: ManualClock
) -> None:
    handle = Client(store).start("anything", id="wf", run_timeout=HOUR, start_delay=HOUR)
    clock.advance(7199 * SECOND)
    before = handle.describe().run.status
    clock.advance(60 * SECOND)

    assert (RunStatus.RUNNING, RunStatus.TIMED_OUT) == (before, handle.describe().run.status)


def test_the_time_of_a_run_counts_from_its_start_however_late_a_worker_begins_it(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    handle = Client(store).start("waiting", id="wf", run_timeout=HOUR)
    expected = clock.now_us() + 3600 * SECOND
    clock.advance(1800 * SECOND)
    engine = make_engine(workflows=[waiting])
    until(lambda: engine.row("wf", None).turn)

    assert [(0, expected)] == engine.store.list_timers(handle.run_id or "")


def test_a_parked_run_times_out(make_engine: MakeEngine, clock: ManualClock) -> None:
    handle = parked(make_engine(workflows=[broken]), run_timeout=HOUR)
    clock.advance(3601 * SECOND)

    assert RunStatus.TIMED_OUT is handle.describe().run.status


def test_a_paused_run_times_out(make_engine: MakeEngine, clock: ManualClock) -> None:
    engine = make_engine(workflows=[waiting])
    handle = engine.start(waiting, id="wf", run_timeout=HOUR)
    handle.pause("for the night")
    clock.advance(3601 * SECOND)

    assert timed_out(handle)


def test_what_a_run_that_times_out_has_not_heard_is_recorded(store: Store, clock: ManualClock) -> None:
    handle = Client(store).start("anything", id="wf", run_timeout=HOUR)
    handle.signal("news", "good")
    clock.advance(3660 * SECOND)
    handle.describe()

    assert [("news", ["good"])] == [
        (event.message_name, list(event.input))
        for event in handle.history()
        if isinstance(event, MessageUndelivered)
    ]


def test_a_run_that_times_out_without_a_worker_is_tried_again_with_what_it_has_not_heard(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    retry = RetryPolicy(maximum_attempts=2)
    handle = Client(store).start("waiting", id="wf", run_timeout=HOUR, retry_policy=retry)
    handle.signal(go, "still there")
    clock.advance(3660 * SECOND)
    first = handle.describe().run.status
    engine = make_engine(workflows=[waiting])
    clock.advance(10 * SECOND)

    assert RunStatus.RUNNING is first  # the handle has moved on to the next attempt
    assert "still there" == engine.handle("wf", workflow=waiting).result(timeout=SOON)


@pytest.mark.parametrize("standing", ["parked", "paused", "without a worker", "of an unknown type"])
def test_terminate_acts_at_once_however_a_run_stands(
    make_engine: MakeEngine, store: Store, standing: str
) -> None:
    engine = make_engine(workflows=[broken, waiting], fail_unknown_types=False)
    if standing == "parked":
        handle = parked(engine)
    elif standing == "paused":
        handle = engine.start(waiting, id="wf")
        handle.pause()
    else:
        queue = "elsewhere" if standing == "without a worker" else "default"
        handle = engine.start("unknown", id="wf", task_queue=queue)
    handle.terminate("enough")

    row = store.find_run("wf")
    assert row is not None
    assert RunStatus.TERMINATED is row.status


@pytest.mark.parametrize("how", ["completes", "is terminated"])
@pytest.mark.parametrize("standing", ["parked", "paused", "without a worker"])
def test_a_child_that_nobody_can_run_is_terminated_with_its_parent(
    make_engine: MakeEngine, store: Store, standing: str, how: str
) -> None:
    engine = make_engine(workflows=[parent, broken, waiting])
    child_type = "broken" if standing == "parked" else "waiting"
    queue = "elsewhere" if standing == "without a worker" else "default"
    handle = engine.start(parent, child_type, queue, id="parent")
    until(lambda: engine.count(workflow_id="child"))
    child = engine.handle("child")
    if standing == "parked":
        child.signal(go, "on")
        with pytest.raises(WorkflowParkedError):
            child.result(timeout=SOON)
    elif standing == "paused":
        until(lambda: engine.row("child", None).turn)
        child.pause()
    if how == "completes":
        handle.signal(ended)
        handle.result(timeout=SOON)
    else:
        handle.terminate("enough")
    with pytest.raises(WorkflowFailedError):
        child.result(timeout=SOON)

    assert RunStatus.TERMINATED is engine.row("child", None).status


def test_a_run_that_is_ended_by_two_at_once_is_ended_once(store: Store, clock: ManualClock) -> None:
    handle = Client(store).start("anything", id="wf", run_timeout=HOUR)
    clock.advance(3660 * SECOND)
    row = store.find_run("wf")
    assert row is not None
    first, second = end_if_due(store, row), end_if_due(store, row)

    assert (RunStatus.TIMED_OUT, first) == (first.status, second)
    assert 2 == len(handle.history())
    with pytest.raises(WorkflowClosedError, match="RF5103"):
        ending_turn(store, row, TimeOutWorkflow())
