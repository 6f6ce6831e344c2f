"""Activities that a client starts by themselves, on each store."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import attrs
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    DefinitionError,
    PayloadError,
    RetryPolicy,
    TerminatedError,
    TimeoutError,
    Workflow,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    activity,
    sleep,
    workflow,
)
from refold_adapters import (
    ActivityNotFoundError,
    Client,
    Engine,
    ExecutionError,
    ManualClock,
    RunStatus,
    Store,
    Worker,
    WorkflowAlreadyStartedError,
    WorkflowParkedError,
    activity_context,
)
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
MINUTE_US = 60_000_000
begun: SimpleQueue[str] = SimpleQueue()


@attrs.frozen
class Order:
    sku: str
    cents: int


@attrs.frozen
class Receipt:
    order: Order
    attempt: int


@activity
def charge(order: Order) -> Receipt:
    return Receipt(order, activity_context().info.attempt)


@activity
def nothing() -> None:
    return None


@activity(retry_policy=RetryPolicy(initial_interval=timedelta(0), maximum_attempts=2))
def refuse(reason: str) -> None:
    raise ApplicationError(reason, activity_context().info.attempt, type="Refused")


@activity
def wait_until_asked() -> str:
    context = activity_context()
    context.heartbeat("waiting")
    assert context.wait_for_cancellation(20)
    raise CancelledError("stopped")


@activity
def elsewhere() -> str:
    begun.put(activity_context().info.activity_type)
    activity_context().complete_async()


@activity(retry_policy=RetryPolicy(initial_interval=timedelta(0)))
def die_once() -> int:
    if activity_context().info.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return activity_context().info.attempt


@workflow
def sleeps() -> Workflow[None]:
    yield from sleep(timedelta(hours=1))


def test_an_activity_is_started_without_a_workflow_and_gives_its_typed_result(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(activities=[charge, nothing])
    handle = engine.start_activity(charge, Order("tea", 450), id="charge-1")

    assert Receipt(Order("tea", 450), 1) == handle.result(timeout=SOON)
    assert RunStatus.COMPLETED is handle.describe().status
    assert "charge" == handle.describe().activity_type
    assert engine.execute_activity(nothing, id="nothing-1") is None


def test_an_activity_is_started_by_name_on_a_worker_without_workflows(store: Store) -> None:
    worker = Worker(store, activities=[charge], task_queue="pay")
    worker.start()
    try:
        client = Client(store)
        handle = client.start_activity(
            "charge", {"sku": "tea", "cents": 1}, id="c", task_queue="pay", result_type=Receipt
        )
        assert Receipt(Order("tea", 1), 1) == handle.result(timeout=SOON)
        again = Client(store).get_activity_handle("c", activity=charge)
        assert Receipt(Order("tea", 1), 1) == again.result(timeout=SOON)
        assert {"order": {"sku": "tea", "cents": 1}, "attempt": 1} == client.get_activity_handle("c").result()
    finally:
        worker.shutdown()


def test_a_worker_that_does_not_know_the_activity_leaves_it_to_one_that_does(store: Store) -> None:
    other, knows = Worker(store), Worker(store, activities=[charge])
    other.start()
    try:
        handle = Client(store).start_activity(charge, Order("tea", 1), id="c")
        until(lambda: handle.describe().attempt is not None)
        knows.start()
        assert Receipt(Order("tea", 1), 1) == handle.result(timeout=SOON)
    finally:
        other.shutdown()
        knows.shutdown()


def test_an_engine_that_does_not_know_the_activity_says_so(make_engine: MakeEngine) -> None:
    handle = make_engine(activities=[nothing]).start_activity("nothin", id="n")
    with pytest.raises(WorkflowParkedError, match=r"nothin.*did you mean 'nothing'"):
        handle.result(timeout=SOON)


def test_a_stand_alone_activity_belongs_to_no_build(store: Store) -> None:
    """The worker that begins it may be gone: its run is made by any other of its queue."""
    first = Worker(store, build_id="1")
    first.start()
    handle = Client(store).start_activity(charge, Order("tea", 1), id="c")
    until(lambda: handle.describe().attempt is not None)
    first.shutdown()
    second = Worker(store, activities=[charge], build_id="2")
    second.start()
    try:
        assert Receipt(Order("tea", 1), 1) == handle.result(timeout=SOON)
    finally:
        second.shutdown()


def test_it_is_tried_again_and_its_failure_reaches_the_caller(make_engine: MakeEngine) -> None:
    handle = make_engine(activities=[refuse]).start_activity(refuse, "no", id="r")
    with pytest.raises(ActivityError, match="refuse") as raised:
        handle.result(timeout=SOON)
    cause = raised.value.cause
    assert isinstance(cause, ApplicationError)
    assert ("no", "Refused", (2,)) == (cause.message, cause.type, tuple(cause.details))
    assert ("refuse", "r") == (raised.value.activity_type, raised.value.activity_id)


def test_options_of_the_call_replace_the_declared_ones(make_engine: MakeEngine) -> None:
    once = RetryPolicy(maximum_attempts=1)
    handle = make_engine(activities=[refuse]).start_activity(refuse, "no", id="r", retry_policy=once)
    with pytest.raises(ActivityError) as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, ApplicationError)
    assert (1,) == tuple(raised.value.cause.details)


@pytest.mark.parametrize("option", ["schedule_to_close_timeout", "schedule_to_start_timeout"])
def test_it_times_out_where_nobody_takes_it_up(store: Store, clock: ManualClock, option: str) -> None:
    worker = Worker(store)
    worker.start()
    try:
        options = {option: timedelta(minutes=1)}
        handle = Client(store).start_activity("unknown", id="u", **options)  # type: ignore[call-overload]
        until(lambda: handle.describe().attempt is not None)
        clock.advance(MINUTE_US)
        with pytest.raises(ActivityError) as raised:
            handle.result(timeout=SOON)
        assert isinstance(raised.value.cause, TimeoutError)
    finally:
        worker.shutdown()


@pytest.mark.parametrize("option", ["start_to_close_timeout", "heartbeat_timeout"])
def test_an_attempt_that_takes_too_long_is_over(
    make_engine: MakeEngine, clock: ManualClock, option: str
) -> None:
    options = {option: timedelta(minutes=1), "retry_policy": RetryPolicy(maximum_attempts=1)}
    engine = make_engine(activities=[wait_until_asked])
    handle = engine.start_activity(wait_until_asked, id="w", **options)  # type: ignore[call-overload]
    until(lambda: _heartbeat(handle) == b'["waiting"]')
    clock.advance(MINUTE_US)
    with pytest.raises(ActivityError) as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, TimeoutError)


def _heartbeat(handle: object) -> bytes | None:
    attempt = handle.describe().attempt  # type: ignore[attr-defined]
    return None if attempt is None else attempt.heartbeat


def test_its_code_is_asked_to_stop_and_the_caller_sees_it_cancelled(make_engine: MakeEngine) -> None:
    handle = make_engine(activities=[wait_until_asked]).start_activity(wait_until_asked, id="w")
    until(lambda: _heartbeat(handle) == b'["waiting"]')
    handle.cancel("enough")
    with pytest.raises(ActivityError) as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, CancelledError)
    assert RunStatus.CANCELED is handle.describe().status


def test_one_that_has_not_begun_ends_cancelled(store: Store) -> None:
    worker = Worker(store)
    handle = Client(store).start_activity(charge, Order("tea", 1), id="c")
    handle.cancel()
    worker.start()
    try:
        with pytest.raises(ActivityError) as raised:
            handle.result(timeout=SOON)
        assert isinstance(raised.value.cause, CancelledError)
    finally:
        worker.shutdown()


def test_it_is_terminated_without_asking_its_code(make_engine: MakeEngine) -> None:
    handle = make_engine(activities=[elsewhere]).start_activity(elsewhere, id="e")
    assert "elsewhere" == begun.get(timeout=20)
    handle.terminate("enough")
    with pytest.raises(ActivityError, match="TERMINATED") as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, TerminatedError)


def test_policies_of_ids_hold_for_it(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sleeps], activities=[charge, elsewhere])
    first = engine.start_activity(elsewhere, id="w", request_id="q")
    assert first.run_id == engine.start_activity(elsewhere, id="w", request_id="q").run_id
    with pytest.raises(WorkflowAlreadyStartedError, match="RF5101"):
        engine.start_activity(elsewhere, id="w")
    existing = WorkflowIDConflictPolicy.USE_EXISTING
    assert first.run_id == engine.start_activity(elsewhere, id="w", id_conflict_policy=existing).run_id
    first.terminate()
    engine.execute_activity(charge, Order("tea", 1), id="w")
    with pytest.raises(WorkflowAlreadyStartedError):
        engine.start_activity(
            charge, Order("tea", 1), id="w", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE
        )
    engine.start(sleeps, id="s")
    with pytest.raises(WorkflowAlreadyStartedError):
        engine.start_activity(charge, Order("tea", 1), id="s", id_conflict_policy=existing)
    terminate = WorkflowIDConflictPolicy.TERMINATE_EXISTING
    with pytest.raises(WorkflowAlreadyStartedError, match="share their ids"):
        engine.start_activity(charge, Order("tea", 1), id="s", id_conflict_policy=terminate)
    assert RunStatus.RUNNING is engine.handle("s").describe().run.status
    other = engine.start_activity(elsewhere, id="e")
    with pytest.raises(WorkflowAlreadyStartedError, match="share their ids"):
        engine.start(sleeps, id="e", id_conflict_policy=terminate)
    again = engine.start_activity(elsewhere, id="e", id_conflict_policy=terminate)
    assert other.run_id != again.run_id
    with pytest.raises(ActivityNotFoundError, match="RF5121"):
        engine.get_activity_handle("s").describe()


def test_nobody_waits_longer_than_the_time_that_is_given(make_engine: MakeEngine) -> None:
    engine = make_engine(activities=[elsewhere])
    with pytest.raises(builtins.TimeoutError):
        engine.execute_activity(elsewhere, id="e", timeout=timedelta(0))
    assert RunStatus.RUNNING is engine.get_activity_handle("e").describe().status


def test_it_is_listed_apart_from_workflows(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sleeps], activities=[charge])
    engine.start(sleeps, id="s")
    engine.execute_activity(charge, Order("tea", 1), id="c")

    assert ["s"] == [row.workflow_id for row in engine.list()]
    assert ["s"] == [row.workflow_id for row in engine.list("WorkflowId != 'x'")]
    assert 1 == engine.count()
    assert ["c"] == [row.workflow_id for row in engine.list_activities()]
    assert (1, 0) == (
        engine.count_activities("ExecutionStatus = 'Completed'"),
        engine.count_activities("WorkflowId = 's'"),
    )


def test_it_is_completed_from_outside(make_engine: MakeEngine) -> None:
    handle = make_engine(activities=[elsewhere]).start_activity(elsewhere, id="e")
    assert "elsewhere" == begun.get(timeout=20)
    handle.open_attempt().complete("done")
    assert "done" == handle.result(timeout=SOON)
    with pytest.raises(ActivityNotFoundError):
        handle.open_attempt()


def test_it_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """It is begun again by a worker that has no workflows either."""
    path = tmp_path / "runs.db"
    command = [sys.executable, "-m", "tests.features.test_standalone_activities", str(path)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=60)
    assert -signal.SIGKILL == ended.returncode
    with Engine(path, activities=[die_once]) as engine:
        assert 2 == engine.get_activity_handle("d", activity=die_once).result(timeout=SOON)


def test_mistakes_are_told_before_anything_is_stored(make_engine: MakeEngine) -> None:
    engine = make_engine(activities=[charge])
    with pytest.raises(PayloadError, match="RF1302"):
        engine.start_activity(charge, "tea", id="c")
    with pytest.raises(DefinitionError, match="RF1004"):
        engine.start_activity(charge, Order("tea", 1), id="c", start_to_clse_timeout=SOON)  # type: ignore[call-overload]
    assert 0 == engine.count_activities()


def test_no_workflow_may_have_a_name_of_refold(store: Store) -> None:
    @workflow(name="__refold_activity")
    def mine() -> Workflow[None]:
        yield from sleep(timedelta(1))

    with pytest.raises(ExecutionError, match="RF5111"):
        Worker(store, workflows=[mine])


if __name__ == "__main__":
    with Engine(sys.argv[1], activities=[die_once]) as doomed:
        doomed.execute_activity(die_once, id="d")
