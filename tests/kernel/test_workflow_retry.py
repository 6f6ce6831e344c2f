"""Workflow retry: whether, when and as what a failed run is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    Failure,
    RetryPolicy,
    TerminatedError,
    Workflow,
    execute_child_workflow,
    workflow,
)
from refold import events as ev
from refold.carry import next_run_id
from refold.messages import ReportChildTerminated, SignalWorkflow, TimeOutWorkflow
from tests.kernel.driving import BEGIN, SECOND, drive, signalled
from tests.kernel.parts import approval, charge, sub

POLICY = RetryPolicy(maximum_attempts=3, non_retryable_error_types=("Fatal",))
PLAIN = POLICY.to_plain()


@workflow
def pays() -> Workflow[int]:
    return (yield from charge(1))


@workflow
def raises(type_: str, non_retryable: bool = False) -> Workflow[None]:
    yield from approval.receive()
    raise ApplicationError("no", type=type_, non_retryable=non_retryable)


def failed(run: Any) -> ev.WorkflowExecutionFailed:
    closed = run.closed
    assert isinstance(closed, ev.WorkflowExecutionFailed)
    return closed


def test_a_failed_run_with_a_policy_is_followed_by_another_attempt() -> None:
    with drive(raises, "x", retry_policy=PLAIN, attempt=2, memo={"a": 1}) as run:
        turn = run.signal(approval, "go")
        assert ("IN_PROGRESS", next_run_id("r-1")) == (failed(run).retry_state, failed(run).new_run_id)
        assert turn.next is not None
        start = turn.next.start
        assert (3, 2_000_000, ["x"], {"a": 1}) == (
            start.attempt,
            start.start_delay_us,
            start.input,
            start.memo,
        )
        assert failed(run).failure == start.last_failure


@pytest.mark.parametrize(
    ("fields", "args", "state"),
    [
        ({}, ("x",), None),
        ({"retry_policy": PLAIN, "attempt": 3}, ("x",), "MAXIMUM_ATTEMPTS_REACHED"),
        ({"retry_policy": PLAIN}, ("Fatal",), "NON_RETRYABLE_FAILURE"),
        ({"retry_policy": PLAIN}, ("x", True), "NON_RETRYABLE_FAILURE"),
        ({"retry_policy": PLAIN, "execution_timeout_us": SECOND}, ("x",), "TIMEOUT"),
    ],
)
def test_a_run_that_may_not_be_tried_again_says_why(
    fields: dict[str, Any], args: tuple[Any, ...], state: str | None
) -> None:
    with drive(raises, *args, **fields) as run:
        turn = run.signal(approval, "go")
        assert (state, None) == (failed(run).retry_state, failed(run).new_run_id)
        assert turn.next is None


def test_the_execution_timeout_limits_the_chain_and_not_each_run() -> None:
    expires = BEGIN + 4 * SECOND
    fields: dict[str, Any] = {"retry_policy": PLAIN, "execution_timeout_us": 100 * SECOND}
    with drive(raises, "x", execution_expires_at=expires, **fields) as run:
        run.signal(approval, "go")  # at BEGIN + 1 s, the next would begin at + 2 s
        assert "IN_PROGRESS" == failed(run).retry_state
    with drive(raises, "x", execution_expires_at=expires, attempt=2, **fields) as run:
        run.turn(signalled(approval, "go"), at=BEGIN + 2 * SECOND)  # the next would begin at + 4 s
        assert "TIMEOUT" == failed(run).retry_state


def test_the_first_run_of_a_chain_counts_when_the_chain_expires() -> None:
    with drive(raises, "x", retry_policy=PLAIN, execution_timeout_us=100 * SECOND) as run:
        turn = run.signal(approval, "go")
        assert turn.next is not None
        assert (BEGIN + 100 * SECOND, 100 * SECOND) == (
            turn.next.start.execution_expires_at,
            turn.next.start.execution_timeout_us,
        )


def test_a_cancelled_run_is_not_tried_again() -> None:
    @workflow
    def hurt() -> Workflow[None]:
        try:
            yield from approval.receive()
        except CancelledError:
            raise ApplicationError("hurt") from None

    with drive(hurt, retry_policy=PLAIN) as run:
        run.cancel()
        assert "CANCEL_REQUESTED" == failed(run).retry_state


@pytest.mark.parametrize("kind", [CancelledError, TerminatedError])
def test_a_run_that_fails_as_cancelled_or_terminated_is_not_tried_again(kind: type[BaseException]) -> None:
    @workflow
    def ends() -> Workflow[None]:
        yield from approval.receive()
        raise kind("over")

    with drive(ends, retry_policy=PLAIN) as run:
        run.signal(approval, "go")
        assert "NON_RETRYABLE_FAILURE" == failed(run).retry_state


def test_signals_that_nobody_received_are_carried_to_the_next_attempt() -> None:
    with drive(raises, "x", retry_policy=PLAIN) as run:
        turn = run.turn(signalled(approval, "go"), signalled(approval, "again"))
        assert turn.next is not None
        assert [SignalWorkflow(signal_name="approval", input=["again"])] == list(turn.next.messages)
        assert 1 == len(failed(run).unreceived)


# Timing out -------------------------------------------------------------------------------------------------------------


def test_a_run_that_times_out_is_tried_again_by_its_policy() -> None:
    with drive(pays, retry_policy=PLAIN, beside=[signalled(approval, "early")]) as run:
        turn = run.turn(TimeOutWorkflow())
        closed = run.closed
        assert isinstance(closed, ev.WorkflowExecutionTimedOut)
        assert ("IN_PROGRESS", next_run_id("r-1")) == (closed.retry_state, closed.new_run_id)
        assert turn.next is not None
        assert (
            Failure("timeout", "the run timed out", timeout_type="START_TO_CLOSE")
            == turn.next.start.last_failure
        )
        assert 1 == len(turn.next.messages)


def test_a_run_that_times_out_without_a_policy_or_beyond_its_chain_is_not_tried_again() -> None:
    with drive(pays) as run:
        assert run.turn(TimeOutWorkflow()).next is None
    with drive(pays, retry_policy=PLAIN, execution_timeout_us=SECOND) as run:
        turn = run.turn(TimeOutWorkflow())
        assert isinstance(turn.closed, ev.WorkflowExecutionTimedOut)
        assert ("TIMEOUT", None) == (turn.closed.retry_state, turn.closed.new_run_id)


def test_what_the_message_decides_stands() -> None:
    with drive(pays, retry_policy=PLAIN) as run:
        turn = run.turn(TimeOutWorkflow(retry_state="TIMEOUT"))
        assert turn.next is None


# Hazards ----------------------------------------------------------------------------------------------------------------


def test_hazard_44_the_backoff_of_a_run_saturates_however_often_it_was_tried() -> None:
    endless = RetryPolicy(backoff_coefficient=1e308, maximum_interval=timedelta(hours=1)).to_plain()
    with drive(raises, "x", retry_policy=endless, attempt=10**6) as run:
        turn = run.signal(approval, "go")
        assert turn.next is not None
        assert 3600 * SECOND == turn.next.start.start_delay_us


def test_jitter_is_the_same_whoever_computes_it_and_another_in_the_next_run() -> None:
    jittered = RetryPolicy(initial_interval=timedelta(seconds=100), jitter=0.5).to_plain()
    delays = []
    for run_id in ("r-1", "r-1", "r-2"):
        with drive(raises, "x", retry_policy=jittered, run_id=run_id) as run:
            turn = run.signal(approval, "go")
            assert turn.next is not None
            delays.append(turn.next.start.start_delay_us)
    assert delays[0] == delays[1] != delays[2]
    assert all(50 * SECOND <= (delay or 0) <= 100 * SECOND for delay in delays)


def test_hazard_51_failures_do_not_grow_from_attempt_to_attempt() -> None:
    size = []
    start: Any = {"retry_policy": RetryPolicy().to_plain()}
    for _ in range(1_000):
        with drive(raises, "x", recheck=False, **start) as run:
            turn = run.signal(approval, "go")
        assert turn.next is not None
        size.append(len(repr(turn.next.start.last_failure)))
        start = {
            "retry_policy": turn.next.start.retry_policy,
            "attempt": turn.next.start.attempt,
            "run_id": turn.next.start.run_id,
            "last_failure": turn.next.start.last_failure,
        }
    assert [size[0]] * 1_000 == size


def test_a_child_that_was_terminated_does_not_stop_its_parent_from_being_tried_again() -> None:
    @workflow
    def parent() -> Workflow[int]:
        return (yield from execute_child_workflow(sub, 1))

    with drive(parent, retry_policy=PLAIN) as run:
        run.turn(ReportChildTerminated(seq=1))
        assert "IN_PROGRESS" == failed(run).retry_state
        assert "child_workflow" == failed(run).failure.kind
