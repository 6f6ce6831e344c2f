"""Retries of a whole workflow, its timeouts and its delayed start, end to end by the store's clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import (
    ApplicationError,
    RetryPolicy,
    Signal,
    TimeoutError,
    Workflow,
    continue_as_new,
    info,
    sleep,
    workflow,
)
from refold_adapters import Engine, ManualClock, RunStatus, WorkflowFailedError
from tests.features.running import SECOND, SOON, MakeEngine, begin, ended_by, kinds, until

go = Signal("go")


@workflow
def succeeds_at(attempt: int) -> Workflow[list[object]]:
    who = yield from info()
    if who.attempt < attempt:
        raise ApplicationError("not yet", type="Early")
    return [who.attempt, None if who.last_failure is None else str(who.last_failure)]


@workflow
def waiting() -> Workflow[str]:
    yield from go.receive()
    return "gone"


@workflow
def slow() -> Workflow[str]:
    yield from sleep(timedelta(hours=1))
    return "at last"


@workflow
def second_time_lucky(follows: str) -> Workflow[str]:
    who = yield from info()
    if who.continued_run_id is None:
        if follows == "retry":
            raise ApplicationError("not yet", type="Early")
        yield from continue_as_new(follows, backoff_start_interval=timedelta(minutes=1))
    yield from go.receive()
    return "gone"


WORKFLOWS = [succeeds_at, waiting, slow, second_time_lucky]


def policy(**options: object) -> dict[str, object]:
    return RetryPolicy(**options).to_plain()  # type: ignore[arg-type]


def test_a_failed_workflow_is_tried_again_after_its_backoff_and_the_result_follows(
    make_engine: MakeEngine, clock: ManualClock
):
    engine = make_engine(workflows=WORKFLOWS)
    begun = clock.now_us()
    retry = policy(initial_interval=timedelta(seconds=10), backoff_coefficient=2.0, maximum_attempts=3)
    handle = begin(engine, succeeds_at, 3, id="wf", retry_policy=retry)
    ended_by(clock, SECOND, handle)
    attempt, failure = handle.result(timeout=SOON)
    assert 3 == attempt
    assert "not yet" in str(failure)
    assert 30 * SECOND <= clock.now_us() - begun
    statuses = [row.status for row in engine.list(workflow_id="wf")]
    assert sorted([RunStatus.FAILED, RunStatus.FAILED, RunStatus.COMPLETED]) == sorted(statuses)


def test_the_last_failure_stands_when_the_attempts_are_used_up(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS)
    handle = begin(engine, succeeds_at, 9, id="wf", retry_policy=policy(maximum_attempts=2))
    ended_by(clock, SECOND, handle)
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    assert "not yet" in str(caught.value.__cause__)
    assert 2 == len(list(engine.list(workflow_id="wf")))


def test_a_run_that_takes_too_long_times_out(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS)
    handle = begin(engine, waiting, id="wf", run_timeout_us=60 * SECOND)
    ended_by(clock, 10 * SECOND, handle)
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    assert TimeoutError is type(caught.value.__cause__)
    assert "WorkflowExecutionTimedOut" == kinds(handle)[-1]


def test_a_run_that_times_out_is_tried_again(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS)
    retry = policy(maximum_attempts=2)
    handle = begin(engine, waiting, id="wf", run_timeout_us=60 * SECOND, retry_policy=retry)
    ended_by(clock, 10 * SECOND, handle)
    statuses = [row.status for row in engine.list(workflow_id="wf")]
    assert [RunStatus.TIMED_OUT, RunStatus.TIMED_OUT] == statuses


def test_the_execution_timeout_ends_the_whole_chain(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS)
    begun = clock.now_us()
    retry = policy(initial_interval=timedelta(seconds=1), maximum_attempts=0)
    handle = begin(
        engine,
        waiting,
        id="wf",
        run_timeout_us=20 * SECOND,
        execution_timeout_us=90 * SECOND,
        retry_policy=retry,
    )
    ended_by(clock, SECOND, handle)
    runs = list(engine.list(workflow_id="wf"))
    assert 4 <= len(runs) <= 5
    assert {RunStatus.TIMED_OUT} == {row.status for row in runs}
    assert 90 * SECOND + 5 * SECOND >= clock.now_us() - begun


def test_messages_that_came_before_the_time_was_up_are_shown_first(
    make_engine: MakeEngine, clock: ManualClock
):
    engine = make_engine(workflows=WORKFLOWS)
    handle = begin(engine, waiting, id="wf", run_timeout_us=60 * SECOND)
    clock.advance(59 * SECOND)
    handle.signal(go)
    clock.advance(10 * SECOND)
    assert "gone" == handle.result(timeout=SOON)


def test_a_delayed_start_waits_for_its_time(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS)
    handle = begin(engine, succeeds_at, 1, id="wf", start_delay_us=60 * SECOND)
    clock.advance(59 * SECOND)
    assert not handle.history()
    ended_by(clock, SECOND, handle)
    assert 1 == handle.result(timeout=SOON)[0]


def until_the_second_run(engine: Engine, workflow_id: str) -> str:
    """Wait until the run that follows the first is there; its id."""
    until(lambda: len(list(engine.list(workflow_id=workflow_id))) == 2)
    return next(run.run_id for run in engine.list(workflow_id=workflow_id) if run.status is RunStatus.RUNNING)


@pytest.mark.parametrize("with_start", [False, True], ids=["signal", "signal with start"])
@pytest.mark.parametrize("follows", ["retry", "continue as new"])
def test_a_signal_waits_with_a_run_that_follows_another_after_a_backoff(
    make_engine: MakeEngine, clock: ManualClock, follows: str, with_start: bool
):
    engine = make_engine(workflows=WORKFLOWS)
    retry = RetryPolicy(initial_interval=timedelta(minutes=1), maximum_attempts=2)
    handle = engine.start(
        second_time_lucky, follows, id="wf", retry_policy=retry if follows == "retry" else None
    )
    second = until_the_second_run(engine, "wf")
    if with_start:
        engine.signal_with_start(second_time_lucky, follows, id="wf", signal=go)
    else:
        handle.signal(go)
    clock.advance(59 * SECOND)
    before = (engine.row("wf", second).turn, len(engine.store.list_inbox(second)))
    clock.advance(SECOND)

    assert "gone" == handle.result(timeout=SOON)
    assert (0, 2) == before


def test_a_request_to_cancel_ends_the_backoff_of_a_retry(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS)
    retry = RetryPolicy(initial_interval=timedelta(minutes=1), maximum_attempts=2)
    handle = engine.start(second_time_lucky, "retry", id="wf", retry_policy=retry)
    until_the_second_run(engine, "wf")
    handle.cancel()
    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=SOON)

    assert RunStatus.CANCELED is engine.row("wf", None).status


def test_the_time_of_a_run_is_no_timer_that_it_waits_for(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS)
    handle = begin(engine, waiting, id="wf", run_timeout_us=60 * SECOND)
    until(handle.history)
    assert [0] == [seq for seq, _ in engine.store.list_timers(handle.run_id or "")]
    assert [] == list(handle.describe().pending_timers)


def test_jitter_leaves_out_a_part_of_the_delay_before_the_next_run(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    policy = RetryPolicy(initial_interval=timedelta(seconds=100), jitter=0.5, maximum_attempts=2)
    engine = make_engine(workflows=[always_fails])
    delays: list[int] = []
    for name in ("a", "b", "c"):
        began = clock.now_us()
        handle = engine.start(always_fails, id=name, retry_policy=policy)
        with pytest.raises(WorkflowFailedError):
            handle.result(timeout=SOON, follow_runs=False)
        due = engine.store.next_due_at(("default",))
        assert due is not None
        delays.append(due - began)
        clock.set(due)
        with pytest.raises(WorkflowFailedError):
            handle.result(timeout=SOON)
    assert all(50 * SECOND <= delay <= 100 * SECOND for delay in delays)
    assert 3 == len(dict.fromkeys(delays))


@workflow
def always_fails() -> Workflow[None]:
    raise ApplicationError("not yet")
    yield
