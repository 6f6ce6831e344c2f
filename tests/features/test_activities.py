"""Activities end to end: their timeouts, attempts, cancellation and routing, through clients and workers, on each store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    CancelledError,
    RetryPolicy,
    RetryState,
    Signal,
    TimeoutError,
    TimeoutType,
    Workflow,
    activity,
    execute_activity,
    first_of,
    sleep,
    workflow,
)
from refold_adapters import Client, Engine, ManualClock, Store, Worker, WorkflowFailedError, activity_context
from refold_adapters.ports import ClaimTasks, CloseSession, Heartbeat, OpenSession, Outcome, Write
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ONCE = RetryPolicy(maximum_attempts=1)


def us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


class Stage:
    """What the activities of a test did, and doors that hold them."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.entered = threading.Semaphore(0)
        self.door = threading.Event()

    def enter(self, what: object) -> None:
        self.seen.append(what)
        self.entered.release()

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=20)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.door.set()


def cause_of(caught: pytest.ExceptionInfo[WorkflowFailedError]) -> tuple[ActivityError, BaseException]:
    error = caught.value.cause
    assert isinstance(error, ActivityError)
    assert error.cause is not None
    return error, error.cause


@workflow
def call_elsewhere(timeout: str) -> Workflow[str]:
    options = {timeout: MINUTE}
    return (yield from execute_activity("far", result_type=str, task_queue="far", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["schedule_to_start", "schedule_to_close"])
def test_an_activity_that_no_worker_takes_up_times_out(
    make_engine: MakeEngine, clock: ManualClock, kind: str
) -> None:
    """The worker of the run notices it, though it does not serve the queue of the activity."""
    engine = make_engine(workflows=[call_elsewhere])
    handle = engine.start(call_elsewhere, f"{kind}_timeout", id="r")
    clock.advance(us(MINUTE) - 1)
    assert 1 == len(handle.describe().pending_activities)
    clock.advance(1)
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    _, cause = cause_of(caught)
    assert isinstance(cause, TimeoutError)
    assert TimeoutType(kind.upper()) is cause.type


def test_a_task_that_times_out_is_not_taken_up_any_more(
    make_engine: MakeEngine, clock: ManualClock, store: Store
) -> None:
    engine = make_engine(workflows=[call_elsewhere])
    handle = engine.start(call_elsewhere, "schedule_to_start_timeout", id="r")
    clock.advance(us(MINUTE))
    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=SOON)
    assert [] == store.list_tasks(handle.run_id or "")


def test_an_activity_runs_where_its_queue_is_served(make_engine: MakeEngine, store: Store) -> None:
    @activity(name="far")
    def far() -> str:
        return activity_context().info.task_queue

    engine = make_engine(workflows=[call_elsewhere])
    worker = Worker(store, activities=[far], task_queue="far")
    worker.start()
    try:
        assert "far" == engine.start(call_elsewhere, "schedule_to_close_timeout", id="r").result(timeout=SOON)
    finally:
        worker.shutdown()


def test_hazard_43_schedule_to_close_counts_from_the_first_scheduling_and_tells_the_last_real_failure(
    make_engine: MakeEngine, clock: ManualClock, stage: Stage
) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=25), backoff_coefficient=1.0)

    @activity(schedule_to_close_timeout=MINUTE, retry_policy=policy)
    def fails() -> None:
        stage.enter(activity_context().info.attempt)
        raise ApplicationError("no luck", type="NoLuck")

    @workflow
    def tries() -> Workflow[None]:
        yield from fails()

    handle = make_engine(workflows=[tries], activities=[fails]).start(tries, id="r")
    for _ in range(2):
        stage.wait_until_entered()
        until(lambda: handle.describe().pending_activities[0].owner == 0)
        clock.advance(us(timedelta(seconds=25)))
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    error, cause = cause_of(caught)
    assert [1, 2, 3] == stage.seen
    assert RetryState.TIMEOUT is error.retry_state
    assert isinstance(cause, TimeoutError)
    assert TimeoutType.SCHEDULE_TO_CLOSE is cause.type
    assert isinstance(cause.__cause__, ApplicationError)
    assert "NoLuck" == cause.__cause__.type


def test_schedule_to_close_ends_a_running_attempt(
    make_engine: MakeEngine, clock: ManualClock, stage: Stage
) -> None:
    @activity(schedule_to_close_timeout=MINUTE)
    def slow() -> None:
        stage.enter("slow")
        activity_context().wait_for_cancellation(20)
        stage.enter("asked to stop")

    @workflow
    def waits() -> Workflow[None]:
        yield from slow()

    handle = make_engine(workflows=[waits], activities=[slow]).start(waits, id="r")
    stage.wait_until_entered()
    clock.advance(us(MINUTE))
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    _, cause = cause_of(caught)
    assert isinstance(cause, TimeoutError)
    assert TimeoutType.SCHEDULE_TO_CLOSE is cause.type
    stage.wait_until_entered()
    assert ["slow", "asked to stop"] == stage.seen


def test_an_attempt_that_is_taken_up_in_time_is_not_touched_by_schedule_to_start(
    make_engine: MakeEngine, clock: ManualClock, stage: Stage
) -> None:
    @activity(schedule_to_start_timeout=MINUTE)
    def slow() -> str:
        stage.enter("slow")
        assert stage.door.wait(20)
        return "done"

    @workflow
    def waits() -> Workflow[str]:
        return (yield from slow())

    handle = make_engine(workflows=[waits], activities=[slow]).start(waits, id="r")
    stage.wait_until_entered()
    clock.advance(us(3 * MINUTE))
    stage.door.set()
    assert "done" == handle.result(timeout=SOON)


@workflow
def resumes() -> Workflow[list[int]]:
    retry = RetryPolicy(initial_interval=timedelta(0))
    return (
        yield from execute_activity(
            "counts", result_type=list[int], heartbeat_timeout=MINUTE, retry_policy=retry
        )
    )


def test_hazard_42_held_back_details_reach_the_next_attempt_after_a_failure(make_engine: MakeEngine) -> None:
    @activity(name="counts")
    def counts() -> list[int]:
        context = activity_context()
        if context.info.attempt == 1:
            for number in range(10):
                context.heartbeat(number)
            raise ApplicationError("half way")
        return list(context.last_heartbeat_details)

    assert [9] == make_engine(workflows=[resumes], activities=[counts]).run(resumes, id="r")


def test_hazard_42_held_back_details_reach_the_next_attempt_after_a_timeout(
    make_engine: MakeEngine, clock: ManualClock, stage: Stage
) -> None:
    @activity(name="counts")
    def counts() -> list[int]:
        context = activity_context()
        if context.info.attempt == 1:
            for number in range(10):
                context.heartbeat(number)
            stage.enter("silent")
            context.wait_for_cancellation(20)
        return list(context.last_heartbeat_details)

    handle = make_engine(workflows=[resumes], activities=[counts]).start(resumes, id="r")
    stage.wait_until_entered()
    until(lambda: handle.describe().pending_activities[0].heartbeat is not None)
    clock.advance(us(MINUTE))
    assert [9] == handle.result(timeout=SOON)


def test_hazard_42_details_reach_the_next_attempt_after_the_worker_is_lost(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    """The lease of the worker ends, and nobody has heard how the attempt ended."""

    @activity(name="counts")
    def counts() -> list[int]:
        return [activity_context().info.attempt, *activity_context().last_heartbeat_details]

    client = Client(store)
    handle = client.start("resumes", id="r")
    _lose_a_worker_with_an_attempt(store, handle.run_id or "", b"[7]", workflows=[resumes])
    make_engine(workflows=[resumes], activities=[counts])
    assert [2, 7] == handle.result(timeout=SOON)


def test_hazard_42_held_back_details_are_recorded_when_the_worker_gives_the_attempt_up(
    make_engine: MakeEngine, stage: Stage
) -> None:
    @activity(name="counts")
    def counts() -> list[int]:
        context = activity_context()
        if context.info.attempt == 1:
            for number in range(10):
                context.heartbeat(number)
            stage.enter("beaten")
            assert stage.door.wait(20)
        return list(context.last_heartbeat_details)

    engine = make_engine(workflows=[resumes], activities=[counts])
    handle = engine.start(resumes, id="r")
    stage.wait_until_entered()
    engine.worker.shutdown(grace=timedelta(0))
    make_engine(workflows=[resumes], activities=[counts])
    assert [9] == handle.result(timeout=SOON)


def _lose_a_worker_with_an_attempt(
    store: Store, run_id: str, details: bytes | None, workflows: list[object]
) -> None:
    """Have the run schedule its activity, have a session claim it and beat, and end the session as if it had died."""
    scheduler = Worker(store, workflows=workflows)  # type: ignore[arg-type]
    scheduler.start()
    until(lambda: len(store.list_tasks(run_id)) == 1)
    scheduler.shutdown()
    (opened,) = store.apply([OpenSession(identity="dies", process="host/1/1", lease_us=1)])
    token: int = opened.token  # type: ignore[union-attr]
    store.apply([ClaimTasks(token=token, task_queues=("default",), activity_types=None, limit=1)])
    if details is not None:
        (task,) = store.list_tasks(run_id)
        store.apply([Heartbeat(token=token, run_id=run_id, seq=task.seq, attempt=1, details=details)])
    store.apply([CloseSession(token=token)])


def test_heartbeats_are_recorded_at_most_every_80_percent_of_the_timeout(
    make_engine: MakeEngine, store: Store, clock: ManualClock, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = clock.now_us()
    recorded: list[tuple[int, bytes]] = []
    apply = store.apply

    def noting(writes: Sequence[Write]) -> Sequence[Outcome]:
        beats = [write.details for write in writes if isinstance(write, Heartbeat)]
        recorded.extend(((clock.now_us() - begun) // us(SECOND), details) for details in beats)
        return apply(writes)

    @activity(name="counts")
    def counts() -> list[int]:
        activity_context().heartbeat(0)
        until(lambda: bool(recorded))
        for number in range(1, 10):
            activity_context().heartbeat(number)
        stage.enter("beaten")
        assert stage.door.wait(60)
        return []

    @activity
    def nothing() -> None:
        """Its worker has seen all heartbeats when it has seen the end of this."""

    monkeypatch.setattr(store, "apply", noting)
    engine = make_engine(workflows=[resumes], activities=[counts, nothing])
    handle = engine.start(resumes, id="r")
    stage.wait_until_entered()
    for seconds in (0, 47, 1):
        clock.advance(us(seconds * SECOND))
        engine.execute_activity(nothing, id=f"after {seconds}")
    until(lambda: len(recorded) > 1)

    assert [(0, b"[0]"), (48, b"[9]")] == recorded
    stage.door.set()
    assert [] == handle.result(timeout=SOON)


@workflow
def only_once() -> Workflow[str]:
    return (yield from execute_activity("pay", result_type=str, at_most_once=True))


def test_hazard_49_an_activity_at_most_once_is_not_begun_again_after_a_crash(
    make_engine: MakeEngine, store: Store, stage: Stage
) -> None:
    @activity(name="pay")
    def pay() -> str:
        stage.enter("paid")
        return "paid"

    handle = Client(store).start("only_once", id="r")
    _lose_a_worker_with_an_attempt(store, handle.run_id or "", None, workflows=[only_once])
    make_engine(workflows=[only_once], activities=[pay])
    with pytest.raises(WorkflowFailedError, match="RF5120") as caught:
        handle.result(timeout=SOON)
    _, cause = cause_of(caught)
    assert isinstance(cause, ApplicationError)
    assert "WorkerLost" == cause.type
    assert [] == stage.seen


def test_hazard_49_every_attempt_has_the_same_idempotency_key(make_engine: MakeEngine, stage: Stage) -> None:
    @activity(retry_policy=RetryPolicy(initial_interval=timedelta(0)))
    def pay() -> None:
        info = activity_context().info
        stage.enter(info.idempotency_key)
        if info.attempt < 3:
            raise ApplicationError("again")

    @workflow
    def pays() -> Workflow[None]:
        yield from pay()
        yield from pay()

    make_engine(workflows=[pays], activities=[pay]).run(pays, id="r")
    assert 6 == len(stage.seen)
    assert 1 == len(dict.fromkeys(stage.seen[:3]))
    assert 1 == len(dict.fromkeys(stage.seen[3:]))
    assert stage.seen[0] != stage.seen[5]


def test_an_activity_at_most_once_that_fails_is_not_tried_again(
    make_engine: MakeEngine, stage: Stage
) -> None:
    @activity(name="pay")
    def pay() -> str:
        stage.enter("tried")
        raise ApplicationError("no")

    engine = make_engine(workflows=[only_once], activities=[pay])
    with pytest.raises(WorkflowFailedError):
        engine.run(only_once, id="r")
    assert ["tried"] == stage.seen


@pytest.mark.parametrize("kind", list(ActivityCancellationType))
def test_a_cancelled_activity_is_waited_for_as_its_cancellation_type_says(
    make_engine: MakeEngine, stage: Stage, kind: ActivityCancellationType
) -> None:
    @activity(cancellation_type=kind)
    def stubborn() -> str:
        stage.enter("begun")
        asked = activity_context().wait_for_cancellation(
            0.05 if kind is ActivityCancellationType.ABANDON else 20
        )
        stage.enter(asked)
        return "finished"

    go_on = Signal("go on")

    @workflow
    def waits() -> Workflow[str]:
        try:
            return (yield from stubborn())
        except CancelledError:
            yield from go_on.receive()  # the end of its run would ask it to stop, too
            return "cancelled"

    handle = make_engine(workflows=[waits], activities=[stubborn]).start(waits, id="r")
    stage.wait_until_entered()
    handle.cancel()
    stage.wait_until_entered()
    finishes = kind is ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    if not finishes:
        handle.signal(go_on)
    assert ("finished" if finishes else "cancelled") == handle.result(timeout=SOON)
    assert ["begun", kind is not ActivityCancellationType.ABANDON] == stage.seen


def test_a_coroutine_is_cancelled_where_it_waits(make_engine: MakeEngine, stage: Stage) -> None:
    import asyncio

    @activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
    async def waits() -> None:
        stage.enter("begun")
        try:
            await asyncio.Event().wait()
        finally:
            stage.enter("unwound")

    @workflow
    def race() -> Workflow[str]:
        try:
            yield from waits()
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    handle = make_engine(workflows=[race], activities=[waits]).start(race, id="r")
    stage.wait_until_entered()
    handle.cancel()
    assert "cancelled" == handle.result(timeout=SOON)
    assert ["begun", "unwound"] == stage.seen


def test_hazard_45_a_cancelled_activity_that_fails_is_not_tried_again(
    make_engine: MakeEngine, stage: Stage
) -> None:
    @activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
    def fails() -> None:
        stage.enter("begun")
        activity_context().wait_for_cancellation(20)
        raise ApplicationError("could not stop in order")

    @workflow
    def waits() -> Workflow[str]:
        try:
            yield from fails()
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    handle = make_engine(workflows=[waits], activities=[fails]).start(waits, id="r")
    stage.wait_until_entered()
    handle.cancel()
    assert "cancelled" == handle.result(timeout=SOON)
    assert ["begun"] == stage.seen


def test_hazard_45_an_activity_that_raises_cancelled_by_itself_ends_as_cancelled(
    make_engine: MakeEngine, stage: Stage
) -> None:
    @activity
    def gives_up() -> None:
        stage.enter("begun")
        raise CancelledError("enough")

    @workflow
    def waits() -> Workflow[str]:
        try:
            yield from gives_up()
        except ActivityError as error:
            return type(error.cause).__name__
        return "not cancelled"

    assert "CancelledError" == make_engine(workflows=[waits], activities=[gives_up]).run(waits, id="r")
    assert ["begun"] == stage.seen


def test_hazard_46_a_late_cancel_hits_no_other_attempt(make_engine: MakeEngine, stage: Stage) -> None:
    """The first activity ends while its cancel request is on its way; the one that its thread does next is not asked to stop."""

    @activity
    def quick(number: int) -> int:
        return number

    @activity
    def after(number: int) -> bool:
        return activity_context().cancelled

    @workflow
    def races() -> Workflow[list[bool]]:
        seen: list[bool] = []
        for number in range(20):
            yield from first_of(quick(number), sleep(timedelta(0)))
            seen.append((yield from after(number)))
        return seen

    engine = make_engine(workflows=[races], activities=[quick, after], max_concurrent_activities=2)
    assert [False] * 20 == engine.run(races, id="r")


@pytest.mark.parametrize("value", [None, "", [], {}, 0, False], ids=repr)
def test_hazard_47_a_result_that_is_empty_is_a_result(make_engine: MakeEngine, value: object) -> None:
    calls: list[object] = []

    @activity
    def gives() -> object:
        calls.append(value)
        return value

    @workflow
    def takes() -> Workflow[object]:
        result = yield from gives()
        yield from sleep(timedelta(0))
        return result

    assert value == make_engine(workflows=[takes], activities=[gives], max_cached_workflows=0).run(
        takes, id="r"
    )
    assert [value] == calls


def test_an_activity_sees_that_its_worker_is_shutting_down(make_engine: MakeEngine, stage: Stage) -> None:
    @activity
    def watches() -> str:
        stage.enter("begun")
        return "told" if activity_context().wait_for_worker_shutdown(20) else "not told"

    @workflow
    def waits() -> Workflow[str]:
        return (yield from watches())

    engine = make_engine(workflows=[waits], activities=[watches])
    handle = engine.start(waits, id="r")
    stage.wait_until_entered()
    engine.worker.shutdown()
    make_engine(workflows=[waits], activities=[watches])
    assert "told" == handle.result(timeout=SOON)


@activity(retry_policy=RetryPolicy(initial_interval=SECOND))
def doubled(number: int) -> int:
    if activity_context().info.attempt < number:
        raise ApplicationError("not yet")
    return 2 * number


@workflow
def locally(number: int) -> Workflow[int]:
    return (yield from doubled.local(number))


def test_a_local_activity_runs_without_a_task(make_engine: MakeEngine, store: Store, stage: Stage) -> None:
    @activity
    def looks() -> int:
        return len(store.list_tasks(activity_context().info.run_id))

    @workflow
    def local() -> Workflow[int]:
        return (yield from looks.local())

    assert 0 == make_engine(workflows=[local], activities=[looks]).run(local, id="r")


def test_a_local_activity_is_tried_again_by_its_worker(make_engine: MakeEngine, clock: ManualClock) -> None:
    handle = make_engine(workflows=[locally], activities=[doubled]).start(locally, 3, id="r")
    done = threading.Event()

    def run_the_clock() -> None:
        while not done.wait(0.01):
            clock.advance(us(SECOND))

    thread = threading.Thread(target=run_the_clock)
    thread.start()
    try:
        assert 6 == handle.result(timeout=SOON)
    finally:
        done.set()
        thread.join()


def test_a_local_activity_runs_again_after_its_worker_is_lost(
    make_engine: MakeEngine, clock: ManualClock, stage: Stage
) -> None:
    @activity
    def blocks() -> str:
        stage.enter("begun")
        if len(stage.seen) == 1:
            activity_context().wait_for_cancellation(20)
            return "of the lost one"
        return "of the heir"

    @workflow
    def local() -> Workflow[str]:
        return (yield from blocks.local())

    first = make_engine(workflows=[local], activities=[blocks])
    handle = first.start(local, id="r")
    stage.wait_until_entered()
    first.worker.shutdown(grace=timedelta(0))
    make_engine(workflows=[local], activities=[blocks])
    clock.advance(us(timedelta(seconds=10)))
    assert "of the heir" == handle.result(timeout=SOON)
