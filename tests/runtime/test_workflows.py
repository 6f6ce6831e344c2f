"""Workflows end to end through client and worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import RFC_4122, UUID

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Query,
    QueryError,
    RetryPolicy,
    Signal,
    TerminatedError,
    Workflow,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    activity,
    all_of,
    first_of,
    sleep,
    wait_until,
    workflow,
)
from refold_adapters import (
    AsyncClient,
    Engine,
    ManualClock,
    RunStatus,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowNotFoundError,
    WorkflowParkedError,
    activity_context,
)
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
name_of = Signal("name_of", str)
stop = Signal("stop")
stage = Query("stage", str)


@activity
def double(number: int) -> int:
    return 2 * number


@activity
async def double_async(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@activity(executor="process")
def double_elsewhere(number: int) -> int:
    return 2 * number


@workflow
def sums(numbers: list[int]) -> Workflow[int]:
    parts = yield from all_of(*[double(number) for number in numbers])
    return sum(parts)


@workflow
def in_all_ways(number: int) -> Workflow[list[int]]:
    return list((yield from all_of(double(number), double_async(number), double_elsewhere(number))))


@workflow
def greet() -> Workflow[str]:
    at = "waiting"
    yield from stage.answer(lambda: at)
    name = yield from name_of.receive()
    at = "greeted"
    return f"hello {name}"


@workflow
def nap(hours: int) -> Workflow[str]:
    yield from sleep(timedelta(hours=hours))
    return "rested"


def test_a_workflow_of_parallel_activities_gives_its_result(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sums], activities=[double])

    assert 12 == engine.run(sums, [1, 2, 3], id="s")


def test_activities_run_in_threads_on_a_loop_and_in_processes(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[in_all_ways], activities=[double, double_async, double_elsewhere])

    assert [6, 6, 6] == engine.run(in_all_ways, 3, id="w")


def test_a_signal_sent_before_the_wait_is_received(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    handle = engine.start(greet, id="g")
    handle.signal(name_of, "Ada")

    assert "hello Ada" == handle.result(timeout=SOON)


def test_a_query_is_answered_on_open_and_on_closed_runs(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    handle = engine.start(greet, id="g")
    open_answer = handle.query(stage)
    handle.signal(name_of, "Ada")
    handle.result(timeout=SOON)

    assert ("waiting", "greeted") == (open_answer, handle.query(stage))
    with pytest.raises(QueryError, match="RF1111"):
        handle.query("no such query")


def test_a_timer_fires_when_the_stores_clock_says_so(make_engine: MakeEngine, clock: ManualClock) -> None:
    engine = make_engine(workflows=[nap])
    handle = engine.start(nap, 24, id="n")
    assert 1 == len(handle.describe().pending_timers)

    clock.advance(24 * 3600 * 1_000_000)

    assert "rested" == handle.result(timeout=SOON)


def test_two_starts_of_one_id_meet_the_policies(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    first = engine.start(greet, id="g")
    with pytest.raises(WorkflowAlreadyStartedError, match="RF5101"):
        engine.start(greet, id="g")
    same = engine.start(greet, id="g", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    assert first.run_id == same.run_id
    other = engine.start(greet, id="g", id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    assert first.run_id != other.run_id
    other.signal(name_of, "Bo")
    other.result(timeout=SOON)

    with pytest.raises(WorkflowAlreadyStartedError):
        engine.start(greet, id="g", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)
    with pytest.raises(WorkflowAlreadyStartedError):
        engine.start(greet, id="g", id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
    assert "g" == engine.start(greet, id="g").workflow_id


def test_run_takes_the_result_of_a_run_that_has_completed(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sums], activities=[double])

    assert [6, 6] == [engine.run(sums, [1, 2], id="s"), engine.run(sums, [100], id="s")]
    assert 200 == engine.run(sums, [100], id="s", id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE)


def test_a_run_id_is_a_random_uuid(make_engine: MakeEngine) -> None:
    engine = make_engine()
    ids = [UUID(engine.start("never", id=str(nth), task_queue="nobody's").run_id or "") for nth in range(8)]
    assert [(4, RFC_4122)] * 8 == [(each.version, each.variant) for each in ids]
    assert 8 == len(dict.fromkeys(ids))


def test_a_repeated_request_id_starts_nothing_new(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    first = engine.start(greet, id="g", request_id="once")
    again = engine.start(greet, id="g", request_id="once")

    assert first.run_id == again.run_id
    assert 1 == len(list(engine.list()))


def test_messages_to_unknown_and_closed_runs_are_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sums], activities=[double])
    engine.run(sums, [], id="s")

    with pytest.raises(WorkflowNotFoundError, match="RF5102"):
        engine.handle("nobody").signal(name_of, "x")
    with pytest.raises(WorkflowClosedError, match="RF5103"):
        engine.handle("s").signal(name_of, "x")
    with pytest.raises(WorkflowClosedError):
        engine.handle("s").cancel()
    with pytest.raises(WorkflowClosedError):
        engine.handle("s").terminate()
    with pytest.raises(WorkflowNotFoundError):
        engine.handle("nobody").result()


def test_terminate_ends_a_run_without_its_code(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    handle = engine.start(greet, id="g")
    handle.terminate("enough")

    with pytest.raises(WorkflowFailedError, match="enough") as caught:
        handle.result(timeout=SOON)
    assert isinstance(caught.value.cause, TerminatedError)
    assert RunStatus.TERMINATED is handle.describe().run.status


cleaned: list[str] = []


@activity
def clean_up(what: str) -> None:
    cleaned.append(what)


@workflow
def careful(what: str) -> Workflow[None]:
    try:
        yield from sleep(timedelta(days=1))
    except CancelledError:
        yield from clean_up(what)
        raise


def test_a_cancelled_run_cleans_up_first(make_engine: MakeEngine, place: str) -> None:
    engine = make_engine(workflows=[careful], activities=[clean_up])
    handle = engine.start(careful, place, id="c")
    handle.cancel("no longer wanted")

    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    assert isinstance(caught.value.cause, CancelledError)
    assert place in cleaned
    assert RunStatus.CANCELED is handle.describe().run.status


entered = threading.Event()


@activity
def obedient() -> str:
    context = activity_context()
    entered.set()
    context.wait_for_cancellation(20)
    context.raise_if_cancelled()
    return "was never asked"


@workflow
def race_with_signal() -> Workflow[int]:
    index, _ = yield from first_of(obedient(), stop.receive())
    return index


def test_a_losing_activity_is_asked_to_stop(make_engine: MakeEngine) -> None:
    entered.clear()
    engine = make_engine(workflows=[race_with_signal], activities=[obedient])
    handle = engine.start(race_with_signal, id="r")
    assert entered.wait(20)
    handle.signal(stop)

    assert 1 == handle.result(timeout=SOON)


@activity
def refuse(times: int) -> int:
    attempt = activity_context().info.attempt
    if attempt <= times:
        raise ApplicationError(f"attempt {attempt}", type="Busy")
    return attempt


@activity
def refuse_for_good() -> None:
    raise ApplicationError("never", type="Never", non_retryable=True)


@activity(retry_policy=RetryPolicy(non_retryable_error_types=["ValueError"]))
def refuse_by_type() -> None:
    raise ValueError("not again")


@activity(retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(0)))
def refuse_twice() -> None:
    raise ApplicationError("again", type="Again")


@workflow
def patient(times: int) -> Workflow[int]:
    return (yield from refuse(times))


@workflow
def impatient(which: str) -> Workflow[str]:
    step = {"good": refuse_for_good, "type": refuse_by_type, "twice": refuse_twice}[which]
    try:
        yield from step()
    except ActivityError as error:
        state = error.retry_state.value if error.retry_state else None
        return f"{state} {error.cause.type if isinstance(error.cause, ApplicationError) else error.cause}"
    return "no error"


def test_a_failing_activity_is_tried_again_after_its_backoff(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[patient], activities=[refuse])
    handle = engine.start(patient, 2, id="p")
    for seconds in (1, 2):
        until(partial(_is_at_attempt, handle, seconds + 1))
        assert handle.describe().pending_activities[0].last_failure is not None
        clock.advance(seconds * 1_000_000)

    assert 3 == handle.result(timeout=SOON)
    assert 4 == len(handle.history())


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("good", "NON_RETRYABLE_FAILURE Never"),
        ("type", "NON_RETRYABLE_FAILURE ValueError"),
        ("twice", "MAXIMUM_ATTEMPTS_REACHED Again"),
    ],
)
def test_some_failures_are_not_tried_again(make_engine: MakeEngine, which: str, expected: str) -> None:
    engine = make_engine(workflows=[impatient], activities=[refuse_for_good, refuse_by_type, refuse_twice])

    assert expected == engine.run(impatient, which, id="i")


@workflow
def buggy() -> Workflow[int]:
    yield from double(1)
    raise ValueError("a bug")


def test_a_bug_parks_the_run_and_mended_code_lets_it_go_on(make_engine: MakeEngine) -> None:
    broken = make_engine(workflows=[buggy], activities=[double])
    handle = broken.start(buggy, id="b")
    with pytest.raises(WorkflowParkedError, match="RF1110"):
        handle.result(timeout=SOON)
    assert RunStatus.RUNNING is handle.describe().run.status
    broken.worker.shutdown()

    @workflow(name="buggy")
    def mended() -> Workflow[int]:
        return (yield from double(1))

    again = make_engine(workflows=[mended], activities=[double])
    assert 2 == again.handle("b", workflow=mended).result(timeout=SOON)


def test_a_changed_workflow_parks_the_run_with_the_report(make_engine: MakeEngine) -> None:
    first = make_engine(workflows=[greet])
    first.start(greet, id="g")
    first.worker.shutdown()

    @workflow(name="greet")
    def changed() -> Workflow[int]:
        return (yield from double(1))

    second = make_engine(workflows=[changed], activities=[double])
    handle = second.handle("g")
    handle.signal(name_of, "Ada")
    with pytest.raises(WorkflowParkedError, match="RF4001"):
        handle.result(timeout=SOON)


@workflow
def conditional() -> Workflow[str]:
    seen: list[str] = []
    yield from name_of.handle(seen.append)
    yield from wait_until(lambda: len(seen) == 2)
    return " and ".join(seen)


def test_handlers_and_conditions_meet(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[conditional])
    handle = engine.start(conditional, id="c")
    handle.signal(name_of, "Ada")
    handle.signal(name_of, "Bo")

    assert "Ada and Bo" == handle.result(timeout=SOON)


def test_the_asyncio_client_does_the_same(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet, sums], activities=[double])

    async def converse() -> tuple[str, str, int]:
        client = AsyncClient(engine)
        handle = await client.start(greet, id="g")
        waiting = await handle.query(stage)
        await handle.signal(name_of, "Ada")
        return waiting, await handle.result(timeout=SOON), await client.run(sums, [4], id="s")

    assert ("waiting", "hello Ada", 8) == asyncio.run(converse())


def _is_at_attempt(handle: WorkflowHandle[int], number: int) -> bool:
    return [number] == [task.attempt for task in handle.describe().pending_activities]
