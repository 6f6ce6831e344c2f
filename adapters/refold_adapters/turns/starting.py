"""How a run is started: the options of the client, and the write and the message that they make.

One rule: options are checked before anything is stored, and what one of them means is decided where it is acted on, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

import attrs

from refold import RetryPolicy, SearchAttributePair, Signal, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from refold.ids import checked_id
from refold.messages import SignalWorkflow, StartWorkflow
from refold.payloads import Plain, encode
from refold.policies import microseconds
from refold.search_attributes import plain_search_attributes
from refold.value import Value
from refold_adapters.ports import CreateRun, RunStatus
from refold_adapters.random_ids import random_hex, random_uuid
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.turns.properties import properties_of

_CLOSED = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)
#: The latest runs that stand in the way of a new one of their workflow id, by policy.
BLOCKED_BY: dict[WorkflowIDReusePolicy, Sequence[RunStatus]] = {
    WorkflowIDReusePolicy.ALLOW_DUPLICATE: (),
    WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY: (RunStatus.COMPLETED, RunStatus.CONTINUED_AS_NEW),
    WorkflowIDReusePolicy.REJECT_DUPLICATE: _CLOSED,
}


class StartKeywords(TypedDict, total=False):
    """The options of a start by name; what they mean is told at :class:`StartOptions`."""

    task_queue: str
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    request_id: str | None
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    start_delay: timedelta | None
    retry_policy: RetryPolicy | None
    memo: Mapping[str, Any] | None
    search_attributes: Iterable[SearchAttributePair]
    headers: Mapping[str, Any] | None
    build_id: str | None
    start_signal: tuple[Signal[Any] | str, Any] | None


def _plain_memo(memo: Mapping[str, Any] | None) -> dict[str, Plain] | None:
    return (
        None
        if memo is None
        else {checked_id(name, "memo key"): encode(value) for name, value in memo.items()}
    )


def end_of(start: StartWorkflow, at: int) -> int | None:
    """When the time of a run is up that is started at ``at``: it counts from there, or else from the end of the start's delay."""
    begins = at + (start.start_delay_us or 0)
    limits = [start.execution_expires_at]
    if start.execution_expires_at is None and start.execution_timeout_us is not None:
        limits.append(begins + start.execution_timeout_us)
    if start.run_timeout_us is not None:
        limits.append(begins + start.run_timeout_us)
    return min((limit for limit in limits if limit is not None), default=None)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StartOptions(Value):
    """The options of a start.

    ``id_reuse_policy`` says whether a *closed* run of the id allows another, ``id_conflict_policy`` what to do about an *open* one.
    A repeated ``request_id`` starts nothing new and gives the run that it started.  ``execution_timeout`` bounds the whole chain of
    runs, ``run_timeout`` one of them, ``task_timeout`` is shown; ``retry_policy`` begins a new run after a failure.  ``start_delay`` keeps
    the first turn back, unless another start's signal or update, or a request to cancel, comes first.  ``memo`` and ``search_attributes``
    describe the run to those who list runs, ``headers`` go along unread, ``build_id`` pins it to workers of that build.  ``start_signal``
    is a signal and its payload, delivered in the commit that starts the run, or else to the run that is open.
    """

    id: str
    task_queue: str = "default"
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL
    request_id: str | None = None
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    start_delay: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    memo: Mapping[str, Any] | None = None
    search_attributes: Iterable[SearchAttributePair] = ()
    headers: Mapping[str, Any] | None = None
    build_id: str | None = None
    start_signal: tuple[Signal[Any] | str, Any] | None = None

    def __attrs_post_init__(self) -> None:
        checked_id(self.id, "workflow id")
        checked_id(self.task_queue, "task queue")
        if self.request_id is not None:
            checked_id(self.request_id, "request id")
        if self.start_signal is not None:
            checked_pair(self.start_signal)
        if (
            self.id_conflict_policy is WorkflowIDConflictPolicy.TERMINATE_EXISTING
            and self.id_reuse_policy is WorkflowIDReusePolicy.REJECT_DUPLICATE
        ):
            raise ExecutionError(
                "RF5135",
                "id_conflict_policy=TERMINATE_EXISTING contradicts id_reuse_policy=REJECT_DUPLICATE",
                why="once the open run is terminated, the reuse policy forbids the new one",
                fix="use ALLOW_DUPLICATE_FAILED_ONLY, which a terminated run does not stand in the way of",
            )

    @property
    def takes_existing(self) -> bool:
        """Whether an open run of that id serves as well."""
        return self.id_conflict_policy is WorkflowIDConflictPolicy.USE_EXISTING

    def order(
        self, name: str, input: list[Plain], *, identity: str, now: int, owner: int = 0
    ) -> tuple[CreateRun, StartWorkflow]:
        """What creates a run (still without its message) for the session ``owner``, and the message."""
        run_id = random_uuid()
        delay_us = microseconds(self.start_delay, "start_delay", zero=True) or None
        lasts = microseconds(self.execution_timeout, "execution_timeout")
        search_attributes = plain_search_attributes(self.search_attributes)
        message = StartWorkflow(
            workflow_id=self.id,
            run_id=run_id,
            workflow_type=checked_id(name, "workflow name"),
            task_queue=self.task_queue,
            input=input,
            identity=identity,
            request_id=self.request_id or run_id,
            build_id=self.build_id,
            execution_timeout_us=lasts,
            run_timeout_us=microseconds(self.run_timeout, "run_timeout"),
            task_timeout_us=microseconds(self.task_timeout, "task_timeout"),
            start_delay_us=delay_us,
            execution_expires_at=None if lasts is None else now + (delay_us or 0) + lasts,
            retry_policy=None if self.retry_policy is None else self.retry_policy.to_plain(),
            memo=_plain_memo(self.memo),
            search_attributes=search_attributes or None,
            headers=None if self.headers is None else dict(encode(self.headers)),
        )
        creation = CreateRun(
            run_id=run_id,
            workflow_id=self.id,
            workflow_type=name,
            task_queue=self.task_queue,
            message=None,
            request_id=self.request_id or run_id,
            blocked_by=BLOCKED_BY[self.id_reuse_policy],
            owner=owner,
            ready_at=0 if delay_us is None else now + delay_us,
            build_id=self.build_id,
            properties=properties_of(message.memo, message.search_attributes),
            ends_at=end_of(message, now),
        )
        return creation, message

    def signal(self, identity: str) -> SignalWorkflow | None:
        """The signal that comes with the start."""
        if self.start_signal is None:
            return None
        signal, payload = self.start_signal
        request_id = random_hex() if self.request_id is None else f"{self.request_id} signal"
        return signal_message(signal, payload, identity=identity, request_id=request_id)


def checked_pair(value: Any) -> None:
    """Raise RF5136 where a start signal is not a pair of a signal and its payload."""
    try:
        signal, _ = value
    except (TypeError, ValueError):
        signal = None
    if not isinstance(signal, Signal | str):
        raise not_sendable(value, "start_signal=(signal, payload)")


def not_sendable(value: object, form: str) -> ExecutionError:
    """The error for what is sent in place of a declared signal or update, or its name."""
    return ExecutionError(
        "RF5136",
        f"{value!r} cannot be sent to a workflow",
        why="what is sent is named by a Signal or Update, or by its name, and its payload is an argument of its own",
        fix=f"pass {form}",
    )


def signal_message(
    signal: Signal[Any] | str, payload: Any, *, identity: str, request_id: str | None
) -> SignalWorkflow:
    """A signal as a message; raises RF13xx for a payload that does not fit, and RF5136 for what is no signal."""
    given: object = signal
    if not isinstance(given, Signal | str):
        raise not_sendable(given, "the signal, and its payload after it or as payload=...")
    if isinstance(signal, str):
        name = checked_id(signal, "signal name")
        plain: list[Plain] = [] if payload is None else [encode(payload)]
    else:
        name, plain = signal.name, signal.encode(payload)
    return SignalWorkflow(
        signal_name=name, input=plain, identity=identity, request_id=request_id or random_hex()
    )
