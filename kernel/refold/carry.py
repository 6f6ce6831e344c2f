"""What the next run of a workflow begins with: continue-as-new, retry, reset and fork, field by field.

One table says it, :data:`CARRY_OVER`; the functions below read the table, the documentation shows it, and the tests hold each of its
cells.  One rule: the next run follows from the state of the run before it alone, so whoever makes it makes the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import attrs

from refold.errors import MessageError
from refold.events import (
    WorkflowExecutionContinuedAsNew,
    WorkflowExecutionFailed,
    WorkflowExecutionStarted,
    WorkflowExecutionTimedOut,
)
from refold.failures import Failure, RetryState, TimeoutType
from refold.messages import Message, StartWorkflow
from refold.payloads import Plain
from refold.policies import RetryDecision, RetryPolicy, next_try
from refold.prng import uuid4_for
from refold.state import ExecutionState, Ledger
from refold.value import Value

#: How long after its start a run may continue as new at the earliest, where nothing reached it: or it would do nothing else.
CONTINUE_INTERVAL_US = 1_000_000


class Carry(str, Enum):
    """Where a field of the next run comes from."""

    SAME = "as the run was started"
    NOW = "as it is now"
    ASKED = "as asked for, else as it is now"
    GIVEN = "given by the caller"
    GIVEN_OR_SAME = "given by the caller, else as the run was started"
    CLEARED = "not carried over"
    COUNTED = "one more"
    THIS_RUN = "this run"
    FIRST_RUN = "the first run of the chain"
    NAMED = "named by the end of this run"
    DELAY = "the delay asked for, at least 1 s after the start of a run that nothing reached"
    BACKOFF = "the delay of the retry policy"
    FAILURE = "why this run failed"
    SEED = "that of this run"


@attrs.frozen(eq=False, repr=False)
class Row(Value):
    """One field of ``StartWorkflow``, and where each kind of next run has it from."""

    field: str
    continue_as_new: Carry
    retry: Carry
    reset: Carry
    fork: Carry


_S, _A, _G, _GS, _C = Carry.SAME, Carry.ASKED, Carry.GIVEN, Carry.GIVEN_OR_SAME, Carry.CLEARED

#: Every field of ``StartWorkflow``, in its order.
CARRY_OVER: tuple[Row, ...] = (
    Row("workflow_id", _S, _S, _S, _GS),
    Row("run_id", Carry.NAMED, Carry.NAMED, _G, _G),
    Row("workflow_type", _A, _S, _S, _S),
    Row("task_queue", _A, _S, _S, _S),
    Row("input", _A, _S, _S, _GS),
    Row("attempt", _C, Carry.COUNTED, _S, _C),
    Row("identity", _S, _S, _G, _G),
    Row("request_id", _C, _C, _G, _G),
    Row("random_seed", _C, _C, Carry.SEED, Carry.SEED),
    Row("build_id", _C, Carry.NOW, Carry.NOW, Carry.NOW),
    Row("first_run_id", Carry.FIRST_RUN, Carry.FIRST_RUN, Carry.FIRST_RUN, _C),
    Row("continued_run_id", Carry.THIS_RUN, Carry.THIS_RUN, _S, _C),
    Row("parent_workflow_id", _S, _S, _S, _C),
    Row("parent_run_id", _S, _S, _S, _C),
    Row("parent_seq", _S, _S, _S, _C),
    Row("execution_timeout_us", _S, _S, _S, _S),
    Row("run_timeout_us", _A, _S, _S, _S),
    Row("task_timeout_us", _A, _S, _S, _S),
    Row("start_delay_us", Carry.DELAY, Carry.BACKOFF, _C, _C),
    Row("cron_schedule", _S, _S, _S, _C),
    Row("retry_policy", _A, _S, _S, _S),
    Row("memo", _A, _S, _S, _S),
    Row("search_attributes", _A, _S, _S, _S),
    Row("headers", _S, _S, _S, _S),
    Row("last_completion_result", _S, _S, _S, _C),
    Row("last_failure", _C, Carry.FAILURE, _S, _C),
    Row("execution_expires_at", _S, _S, _C, _C),
    Row("undone", _C, _S, _S, _C),
)
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in attrs.fields(StartWorkflow)}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class NextRun(Value):
    """The run that follows one that has ended: its first turn is made of ``start`` and ``messages``."""

    start: StartWorkflow
    #: Signals that nobody received, and a cancel request that was not delivered any more, in their order.
    messages: Sequence[Message] = ()


def next_run_id(run_id: str) -> str:
    """The id of the run that follows one: the same, whoever asks."""
    return str(uuid4_for(f"{run_id}/next", 1))


def next_run(state: ExecutionState | Ledger, messages: Sequence[Message] = ()) -> NextRun | None:
    """The run that follows a closed one, by continue-as-new or retry; None where none does."""
    started, closed = state.started, state.closed
    if started is None or closed is None or getattr(closed, "new_run_id", None) is None:
        return None
    retried = not isinstance(closed, WorkflowExecutionContinuedAsNew)
    rules = {row.field: row.retry if retried else row.continue_as_new for row in CARRY_OVER}
    return NextRun(start=_start(state, rules, {}), messages=tuple(messages))


def reset_run(
    state: ExecutionState | Ledger, *, run_id: str, identity: str = "", request_id: str = ""
) -> StartWorkflow:
    """The start of a run that repeats this one up to some event, and goes on from there anew."""
    rules = {row.field: row.reset for row in CARRY_OVER}
    return _start(state, rules, {"run_id": run_id, "identity": identity, "request_id": request_id})


def fork_run(
    state: ExecutionState | Ledger,
    *,
    run_id: str,
    workflow_id: str | None = None,
    input: Sequence[Plain] | None = None,
    identity: str = "",
    request_id: str = "",
) -> StartWorkflow:
    """The start of a run of its own that begins as this one did, perhaps with another input."""
    rules = {row.field: row.fork for row in CARRY_OVER}
    given: dict[str, Any] = {"run_id": run_id, "identity": identity, "request_id": request_id}
    if workflow_id is not None:
        given["workflow_id"] = workflow_id
    if input is not None:
        given["input"] = input
    return _start(state, rules, given)


def _start(
    state: ExecutionState | Ledger, rules: Mapping[str, Carry], given: Mapping[str, Any]
) -> StartWorkflow:
    if state.started is None:
        raise MessageError(
            "RF3002",
            "there is no run to follow",
            why="a run follows from the one before it, and that has not started",
            fix="start the run first",
        )
    return StartWorkflow(**{name: _value(rule, name, state, given) for name, rule in rules.items()})


def _value(rule: Carry, name: str, state: Any, given: Mapping[str, Any]) -> Any:
    """One field of the next run."""
    started, closed = state.started, state.closed
    match rule:
        case Carry.SAME:
            return getattr(started, name)
        case Carry.NOW:
            return getattr(state, name) or None  # an empty build is what it was moved to that may be any
        case Carry.ASKED:
            return getattr(closed, name)
        case Carry.GIVEN | Carry.GIVEN_OR_SAME:
            return given[name] if name in given else getattr(started, name)
        case Carry.CLEARED:
            return _DEFAULTS[name]
        case Carry.COUNTED:
            return started.attempt + 1
        case Carry.THIS_RUN:
            return started.run_id
        case Carry.FIRST_RUN:
            return started.first_run_id or started.run_id
        case Carry.NAMED:
            return closed.new_run_id
        case Carry.DELAY:
            return _continue_delay(state) or None
        case Carry.BACKOFF:
            return _retry_delay(state) or None
        case Carry.FAILURE:
            return failure_of_end(closed)
        case _:  # Carry.SEED
            return started.random_seed or started.run_id


# Delays and retries -----------------------------------------------------------------------------------------------------


def _continue_delay(state: Any) -> int:
    asked: int = state.closed.backoff_us or 0
    if state.turn > 1 or state.signals or state.cancel_requests:
        return asked
    lived: int = state.closed.at - state.started.at
    return max(asked, CONTINUE_INTERVAL_US - lived)


def _retry_delay(state: Any) -> int:
    decision = retry_of(state.started, failure_of_end(state.closed), at=state.closed.at)
    return decision.delay_us or 0


def failure_of_end(closed: WorkflowExecutionFailed | WorkflowExecutionTimedOut) -> Failure:
    """Why a run failed, as data; a run that timed out has a failure of that kind."""
    if isinstance(closed, WorkflowExecutionFailed):
        return closed.failure
    return Failure("timeout", "the run timed out", timeout_type=TimeoutType.START_TO_CLOSE.value)


def retry_of(
    started: WorkflowExecutionStarted, failure: Failure, *, at: int, cancel_requested: bool = False
) -> RetryDecision:
    """Whether and when a workflow that failed at time ``at`` is tried again, by its retry policy.

    A run that would begin after the execution timeout has passed is not made; cancelled and terminated runs are not tried again.
    """
    if started.retry_policy is None:
        return RetryDecision(None, RetryState.RETRY_POLICY_NOT_SET)
    if failure.kind in ("cancelled", "terminated"):
        return RetryDecision(None, RetryState.NON_RETRYABLE_FAILURE)
    begun, expires = started.at, started.execution_expires_at
    if expires is not None and started.execution_timeout_us is not None:
        begun = expires - started.execution_timeout_us
    policy = RetryPolicy.from_plain(started.retry_policy)
    return next_try(
        attrs.evolve(policy, expiration_interval=None),  # of a chain of runs, that is the execution timeout
        failure,
        attempt=started.attempt,
        elapsed_us=at - begun,
        budget_us=None if expires is None else expires - begun,
        cancel_requested=cancel_requested,
        key=started.run_id,
    )


def retry_fields(
    started: WorkflowExecutionStarted, failure: Failure, *, at: int, cancel_requested: bool
) -> dict[str, Any]:
    """The fields of a terminal event that say whether another run follows; none where there is no policy."""
    decision = retry_of(started, failure, at=at, cancel_requested=cancel_requested)
    if decision.delay_us is not None:
        return {"retry_state": RetryState.IN_PROGRESS.value, "new_run_id": next_run_id(started.run_id)}
    if decision.retry_state in (None, RetryState.RETRY_POLICY_NOT_SET):
        return {}
    return {"retry_state": decision.retry_state.value}


def deadline_of(started: WorkflowExecutionStarted) -> int | None:
    """When a run times out, in microseconds since the epoch: by its own timeout, or by that of its chain; None if never."""
    limits = [started.execution_expires_at]
    if started.run_timeout_us is not None:
        limits.append(started.at + started.run_timeout_us)
    return min((limit for limit in limits if limit is not None), default=None)
