"""What a turn does to other runs, as parts of the write that commits it: children, signals, cancel requests, and the run that follows.

Pure, as ``turn_writes`` is.  One rule: every id that leaves here follows from the ids of the run and the ``seq`` of its command, so a
turn that is made again asks for the same, and what arrives twice is known by its request id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import attrs

from refold import Execution, ParentClosePolicy, Turn, WorkflowIDReusePolicy
from refold.carry import NextRun, failure_of_end
from refold.codec import decode_message, encode_message
from refold.events import (
    HistoryEvent,
    RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionInitiated,
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
    WorkflowExecutionStarted,
    WorkflowExecutionTerminated,
    WorkflowExecutionTimedOut,
)
from refold.messages import (
    CancelWorkflow,
    CompleteChild,
    FailChild,
    Message,
    ReportCancelDelivered,
    ReportCancelFailed,
    ReportChildCanceled,
    ReportChildStarted,
    ReportChildStartFailed,
    ReportChildTerminated,
    ReportSignalDelivered,
    ReportSignalFailed,
    SignalWorkflow,
    StartWorkflow,
    TerminateWorkflow,
    TimeOutChild,
)
from refold_adapters import ports
from refold_adapters.ports import AcceptMessage, CreateRun, InboxMessage, Relay
from refold_adapters.turns.properties import properties_of
from refold_adapters.turns.starting import BLOCKED_BY, end_of

ALREADY_EXISTS = "WORKFLOW_ALREADY_EXISTS"
NOT_FOUND = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"


def child_run_id(run_id: str, seq: int) -> str:
    """The id of the first run of a child."""
    return str(uuid5(NAMESPACE_OID, f"{run_id}/{seq}"))


def made_under(started: WorkflowExecutionStarted, seq: int) -> str:
    """The run id under which a run made a command: another one, if it began as a copy that has it."""
    copied: dict[str, int] = started.copied_from or {}
    for run_id, last in sorted(copied.items(), key=lambda each: each[1]):
        if seq <= last:
            return run_id
    return started.run_id


def child_of(started: WorkflowExecutionStarted, seq: int) -> str:
    """The id of the first run of a child of a run."""
    return child_run_id(made_under(started, seq), seq)


@attrs.frozen(eq=False, repr=False)
class Others:
    """What a turn does to other runs, and which late messages nobody can be shown any more."""

    relays: tuple[Relay, ...] = ()
    next: ports.NextRun | None = None
    lost: Sequence[InboxMessage] = ()


_NOTHING = Others()
_TO_OTHERS = frozenset(
    (
        StartChildWorkflowExecutionInitiated,
        SignalExternalWorkflowExecutionInitiated,
        RequestCancelExternalWorkflowExecutionInitiated,
    )
)


def others_of(turn: Turn, execution: Execution, late: Sequence[InboxMessage], task_queue: str) -> Others:
    """What a turn that ``execution`` has made does to others; ``late`` are messages that a closing turn could not be shown."""
    if turn.closed is None and _TO_OTHERS.isdisjoint(map(type, turn.commands)):
        return _NOTHING
    assert execution.started is not None
    relays = relays_of(turn, execution.started, turn.orphans, task_queue)
    if turn.next is None:
        return Others(relays, None, late)
    messages = {inbox.message_id: decode_message(inbox.data) for inbox in late}
    go_on = [message for message in messages.values() if goes_on(message)]
    lost = [inbox for inbox in late if not goes_on(messages[inbox.message_id])]
    return Others(relays, next_of(turn.next, turn.at, go_on), lost)


def relays_of(
    turn: Turn,
    started: WorkflowExecutionStarted,
    orphans: Iterable[StartChildWorkflowExecutionInitiated] = (),
    task_queue: str | None = None,
) -> tuple[Relay, ...]:
    """What a turn of the run that began with ``started`` does to others; ``orphans`` are the children that a closing turn leaves."""
    relays: list[Relay] = []
    for command in turn.commands:
        match command:
            case StartChildWorkflowExecutionInitiated():
                relays.append(_child(command, started, task_queue or started.task_queue, turn.at))
            case SignalExternalWorkflowExecutionInitiated():
                relays.append(_signal(command, started))
            case RequestCancelExternalWorkflowExecutionInitiated():
                relays.append(_cancel(command, started))
            case _:
                pass
    if turn.closed is not None:
        relays += [relay for orphan in orphans for relay in _closed_upon(orphan, started)]
        relays += _told_to_parent(turn, started)
    return tuple(relays)


def next_of(following: NextRun, at: int, late: Sequence[Message] = ()) -> ports.NextRun:
    """The run that follows one that closed at ``at``; ``late`` are messages that the closing turn could not be shown."""
    start = following.start
    return ports.NextRun(
        creation=creation_of(start, at, first_run_id=start.first_run_id or ""),
        messages=tuple(encode_message(message) for message in (*following.messages, *late)),
    )


def goes_on(message: Message) -> bool:
    """Whether a message is for the workflow, so that the next run can take it; the others tell of things that this run has begun."""
    return message.rank == 0 or isinstance(message, TerminateWorkflow)


def creation_of(start: StartWorkflow, at: int, **more: Any) -> CreateRun:
    """The write that creates a run which begins with ``start``, not before its delay."""
    return CreateRun(
        run_id=start.run_id,
        workflow_id=start.workflow_id,
        workflow_type=start.workflow_type,
        task_queue=start.task_queue,
        message=encode_message(start),
        request_id=start.request_id,
        ready_at=at + start.start_delay_us if start.start_delay_us else 0,
        ends_at=end_of(start, at),
        build_id=start.build_id,
        properties=properties_of(start.memo, start.search_attributes),
        **more,
    )


# Asked for by the workflow ------------------------------------------------------------------------------------------------


def _child(
    command: StartChildWorkflowExecutionInitiated, started: WorkflowExecutionStarted, queue: str, at: int
) -> Relay:
    options = command.options or {}
    seq, run_id = command.seq, child_run_id(started.run_id, command.seq)
    undone: dict[str, str] = started.undone or {}
    instead_of = undone.get(command.workflow_id)
    start = StartWorkflow(
        workflow_id=command.workflow_id,
        run_id=run_id,
        workflow_type=command.workflow_type,
        task_queue=options.get("task_queue", queue),
        input=command.input,
        request_id=run_id,
        parent_workflow_id=started.workflow_id,
        parent_run_id=started.run_id,
        parent_seq=seq,
        execution_timeout_us=options.get("execution_timeout_us"),
        run_timeout_us=options.get("run_timeout_us"),
        task_timeout_us=options.get("task_timeout_us"),
        retry_policy=options.get("retry_policy"),
        memo=options.get("memo"),
        search_attributes=options.get("search_attributes"),
        headers=command.headers,
        undone=None if instead_of is None else undone,
    )
    policy = WorkflowIDReusePolicy(options.get("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE))
    return Relay(
        write=creation_of(start, at, blocked_by=BLOCKED_BY[policy], instead_of=instead_of),
        done=encode_message(ReportChildStarted(seq=seq, run_id=run_id)),
        failed=encode_message(ReportChildStartFailed(seq=seq, cause=ALREADY_EXISTS)),
    )


def asked_again(
    command: SignalExternalWorkflowExecutionInitiated | RequestCancelExternalWorkflowExecutionInitiated,
    started: WorkflowExecutionStarted,
) -> Relay:
    """What a copied command asked, once more and under its first request id: who has heard it does not hear it again."""
    if isinstance(command, SignalExternalWorkflowExecutionInitiated):
        return _signal(command, started)
    return _cancel(command, started)


def _signal(command: SignalExternalWorkflowExecutionInitiated, started: WorkflowExecutionStarted) -> Relay:
    message = SignalWorkflow(
        signal_name=command.signal_name,
        input=command.input,
        request_id=f"{made_under(started, command.seq)}/{command.seq}",
        headers=command.headers,
        external_workflow_id=started.workflow_id,
    )
    return Relay(
        write=_to(command, started, message, message.request_id),
        done=encode_message(ReportSignalDelivered(seq=command.seq, run_id=command.run_id)),
        failed=encode_message(ReportSignalFailed(seq=command.seq, cause=NOT_FOUND)),
    )


def _cancel(
    command: RequestCancelExternalWorkflowExecutionInitiated, started: WorkflowExecutionStarted
) -> Relay:
    message = CancelWorkflow(
        reason=command.reason,
        request_id=f"{made_under(started, command.seq)}/{command.seq}",
        external_workflow_id=started.workflow_id,
    )
    return Relay(
        write=_to(command, started, message, message.request_id),
        done=encode_message(ReportCancelDelivered(seq=command.seq, run_id=command.run_id)),
        failed=encode_message(ReportCancelFailed(seq=command.seq, cause=NOT_FOUND)),
    )


def _to(
    command: SignalExternalWorkflowExecutionInitiated | RequestCancelExternalWorkflowExecutionInitiated,
    started: WorkflowExecutionStarted,
    message: Message,
    request_id: str,
) -> AcceptMessage:
    """To a child it goes to the present run of that very child, whoever may have its workflow id by now."""
    child = command.child_seq
    return AcceptMessage(
        workflow_id=command.workflow_id,
        data=encode_message(message),
        run_id=command.run_id,
        request_id=request_id,
        first_run_id=None if child is None else child_of(started, child),
        wakes=isinstance(message, CancelWorkflow),
    )


# Because the run has closed -----------------------------------------------------------------------------------------------


def _closed_upon(
    orphan: StartChildWorkflowExecutionInitiated, started: WorkflowExecutionStarted
) -> list[Relay]:
    """The parent close policy of a child."""
    policy = ParentClosePolicy((orphan.options or {}).get("parent_close_policy", ParentClosePolicy.TERMINATE))
    reason = f"its parent, workflow {started.workflow_id}, has closed"
    request_id = f"{started.run_id}/{orphan.seq}/parent-closed"
    message: Message
    if policy is ParentClosePolicy.TERMINATE:
        message = TerminateWorkflow(reason=reason)
    elif policy is ParentClosePolicy.REQUEST_CANCEL:
        message = CancelWorkflow(
            reason=reason, request_id=request_id, external_workflow_id=started.workflow_id
        )
    else:
        return []
    write = AcceptMessage(
        workflow_id=orphan.workflow_id,
        data=encode_message(message),
        request_id=request_id,
        first_run_id=child_of(started, orphan.seq),
        wakes=True,
        ends=isinstance(message, TerminateWorkflow),
    )
    return [Relay(write=write)]


def _told_to_parent(turn: Turn, started: WorkflowExecutionStarted) -> list[Relay]:
    """The outcome of a child that no run follows; a parent that is closed is not told."""
    seq, closed = started.parent_seq, turn.closed
    if seq is None or started.parent_workflow_id is None or closed is None or turn.next is not None:
        return []
    message = outcome_of_child(seq, closed)
    if message is None:
        return []
    write = AcceptMessage(
        workflow_id=started.parent_workflow_id,
        run_id=started.parent_run_id,
        data=encode_message(message),
        request_id=f"{started.run_id}/closed",
        answers=seq,
    )
    return [Relay(write=write)]


def outcome_of_child(seq: int, closed: HistoryEvent) -> Message | None:
    """What the parent of a child that ended so is told; None where another run follows."""
    match closed:
        case WorkflowExecutionCompleted():
            return CompleteChild(seq=seq, result=closed.result)
        case WorkflowExecutionFailed():
            return FailChild(seq=seq, failure=failure_of_end(closed), retry_state=closed.retry_state)
        case WorkflowExecutionCanceled():
            return ReportChildCanceled(seq=seq, details=closed.details)
        case WorkflowExecutionTimedOut():
            return TimeOutChild(seq=seq, retry_state=closed.retry_state)
        case WorkflowExecutionTerminated():
            return ReportChildTerminated(seq=seq, reason=closed.reason)
        case _:
            return None
