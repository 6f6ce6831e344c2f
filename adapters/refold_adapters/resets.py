"""Runs that begin in the midst of another one: reset and fork.

A run is reset to a turn: the new run has all turns before it, and what came from outside in that turn is put into its inbox, so that
its code answers it anew.  Activities and timers that were open then are open again.  One rule: the new run, all that it begins with,
and the end of the old one are one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import attrs

from refold import RefoldError, fold
from refold import events as ev
from refold import messages as ms
from refold.carry import deadline_of
from refold.codec import decode_message, encode_event, encode_message
from refold.payloads import Plain
from refold_adapters.administration import terminating
from refold_adapters.inspection import read_history
from refold_adapters.ports import (
    CopyRun,
    Created,
    CreateRun,
    Exists,
    NewTask,
    Properties,
    RunRow,
    RunStatus,
    Store,
    StoredTurn,
)
from refold_adapters.properties import properties_after, properties_of
from refold_adapters.runtime_errors import ExecutionError, WorkflowAlreadyStartedError
from refold_adapters.turn_writes import DEADLINE, is_local, task_queue_of

#: What an event from outside was before it was recorded, for what can be told again.
_AGAIN: dict[type[ev.HistoryEvent], type[ms.Message]] = {
    ev.WorkflowExecutionSignaled: ms.SignalWorkflow,
    ev.WorkflowExecutionCancelRequested: ms.CancelWorkflow,
    ev.WorkflowExecutionUpdateAccepted: ms.UpdateWorkflow,
    ev.ActivityTaskCompleted: ms.CompleteActivity,
    ev.ActivityTaskFailed: ms.FailActivity,
    ev.ActivityTaskTimedOut: ms.TimeOutActivity,
    ev.ActivityTaskCanceled: ms.ReportActivityCanceled,
    ev.TimerFired: ms.FireTimer,
    ev.ChildWorkflowExecutionStarted: ms.ReportChildStarted,
    ev.StartChildWorkflowExecutionFailed: ms.ReportChildStartFailed,
    ev.ChildWorkflowExecutionCompleted: ms.CompleteChild,
    ev.ChildWorkflowExecutionFailed: ms.FailChild,
    ev.ChildWorkflowExecutionCanceled: ms.ReportChildCanceled,
    ev.ChildWorkflowExecutionTimedOut: ms.TimeOutChild,
    ev.ChildWorkflowExecutionTerminated: ms.ReportChildTerminated,
    ev.ExternalWorkflowExecutionSignaled: ms.ReportSignalDelivered,
    ev.SignalExternalWorkflowExecutionFailed: ms.ReportSignalFailed,
    ev.ExternalWorkflowExecutionCancelRequested: ms.ReportCancelDelivered,
    ev.RequestCancelExternalWorkflowExecutionFailed: ms.ReportCancelFailed,
}
_STARTED = ev.WorkflowExecutionStarted
#: What people and other runs have said, which is not to be lost.
_SAID = (ms.SignalWorkflow, ms.CancelWorkflow, ms.UpdateWorkflow)


@attrs.frozen(kw_only=True)
class Point:
    """A turn of a run: by its number, by one of its events, the first, or else the last one that its code made."""

    event_id: int | None = None
    turn: int | None = None
    first: bool = False

    def turn_of(self, history: Sequence[ev.HistoryEvent], row: RunRow) -> int:
        """Its number; raises RF5115 where there is no such turn."""
        made = [event.turn for event in history if not event.external or type(event) in (*_AGAIN, _STARTED)]
        if self.first:
            made = made[:1]
        elif self.event_id is not None:
            made = [event.turn for event in history if event.event_id == self.event_id]
        elif self.turn is not None:
            made = [event.turn for event in history if event.turn == self.turn]
        if not made:
            raise _impossible(row, "it has no such turn or event")
        return made[-1]


def reset_run(store: Store, row: RunRow, point: Point, *, reason: str, identity: str, reapply: bool) -> str:
    """Begin a run anew at a turn, and end the old one; returns the new run id."""
    run_id = str(uuid4())
    while True:
        is_open = row.closed_at is None
        why = f"reset to another run: {reason}" if reason else "reset to another run"
        closes = terminating(store, row, reason=why, identity=identity) if is_open else None
        left: list[ms.Message] = []
        if closes is not None and reapply:
            taken = dict.fromkeys(closes.consumed)
            inbox = [message for message in store.list_inbox(row.run_id) if message.message_id in taken]
            left = [
                message
                for message in map(decode_message, (m.data for m in inbox))
                if isinstance(message, _SAID)
            ]
        history = read_history(store, row.run_id)
        number = point.turn_of(history, row)
        after = [event for event in history if event.turn > number] if reapply else []
        said = [message for message in map(_told_again, after) if isinstance(message, _SAID)]
        copy = _copy(
            row,
            history,
            number,
            run_id,
            row.workflow_id,
            input=None,
            said=[*said, *left],
            now=store.clock.now_us(),
        )
        (outcome,) = store.apply([attrs.evolve(copy, closes=closes)])
        if isinstance(outcome, Created) or (isinstance(outcome, Exists) and outcome.run_id == run_id):
            return run_id
        if isinstance(outcome, Exists):
            raise WorkflowAlreadyStartedError(row.workflow_id, outcome.run_id, outcome.status.value)
        row = _found_again(store, row)


def fork_run(
    store: Store, row: RunRow, point: Point, *, workflow_id: str, input: Sequence[Plain] | None
) -> str:
    """Begin another run as a copy of this one up to a turn; returns its run id."""
    run_id = str(uuid4())
    history = read_history(store, row.run_id)
    copy = _copy(
        row,
        history,
        point.turn_of(history, row),
        run_id,
        workflow_id,
        input=input,
        said=(),
        now=store.clock.now_us(),
    )
    (outcome,) = store.apply([copy])
    if isinstance(outcome, Exists) and outcome.run_id != run_id:
        raise WorkflowAlreadyStartedError(workflow_id, outcome.run_id, RunStatus(outcome.status).value)
    return run_id


def _copy(
    row: RunRow,
    history: Sequence[ev.HistoryEvent],
    number: int,
    run_id: str,
    workflow_id: str,
    *,
    input: Sequence[Plain] | None,
    said: Sequence[ms.Message],
    now: int,
) -> CopyRun:
    """The write that begins a run with the turns before ``number``, and has it told again what that turn was told."""
    started = history[0]
    assert isinstance(started, ev.WorkflowExecutionStarted)
    began = attrs.evolve(
        started,
        workflow_id=workflow_id,
        run_id=run_id,
        random_seed=started.random_seed or started.run_id,
        request_id=run_id,
        build_id=row.build_id,
        input=list(started.input if input is None else input),
    )
    kept = [began, *history[1:]]
    kept = [event for event in kept if event.turn < number]
    told: list[ms.Message] = [] if kept else [_start_again(began)]
    again = (_told_again(event) for event in history if event.turn == number and event.external)
    told += [message for message in again if message is not None]
    tasks, timers, canceled = _open_again(row, kept, told)
    deadline = deadline_of(attrs.evolve(began, at=now)) if kept else None  # its time begins anew, too
    if deadline is not None:
        timers.append((DEADLINE, deadline))
    run = CreateRun(
        run_id=run_id,
        workflow_id=workflow_id,
        workflow_type=row.workflow_type,
        task_queue=row.task_queue,
        message=None,
        request_id=run_id,
        build_id=row.build_id,
        properties=_properties(began, kept),
    )
    return CopyRun(
        run=run,
        turns=_turns(kept),
        last_event_id=kept[-1].event_id if kept else 0,
        tasks=tasks,
        timers=timers,
        messages=[
            (encode_message(message), getattr(message, "request_id", ""))
            for message in (*told, *canceled, *said)
        ],
    )


def _open_again(
    row: RunRow, kept: Sequence[ev.HistoryEvent], told: Sequence[ms.Message]
) -> tuple[list[NewTask], list[tuple[int, int]], list[ms.Message]]:
    """What was open before the turn: its activities, its timers, and that activities which were asked to stop did so."""
    state = fold(kept)
    if state.paused:
        raise _impossible(row, "the run was paused there")
    settled = dict.fromkeys(getattr(message, "seq", 0) for message in told)
    tasks: list[NewTask] = []
    timers: list[tuple[int, int]] = []
    canceled: list[ms.Message] = []
    for seq, pending in state.pending.items():
        if seq in settled:
            continue
        if isinstance(pending, ev.TimerStarted):
            timers.append((seq, pending.fire_at))
        elif not isinstance(pending, ev.ActivityTaskScheduled):
            raise _impossible(row, f"{type(pending).__name__} (event {pending.event_id}) had no answer yet")
        elif seq in state.cancelling:
            canceled.append(ms.ReportActivityCanceled(seq=seq, attempt=0))
        elif not is_local(pending):
            queue = task_queue_of(pending, row.task_queue)
            data = encode_event(pending)
            tasks.append(NewTask(seq=seq, activity_type=pending.activity_type, task_queue=queue, data=data))
    return tasks, timers, canceled


def _properties(began: ev.WorkflowExecutionStarted, kept: Sequence[ev.HistoryEvent]) -> Properties | None:
    return properties_after(None, kept) or properties_of(began.memo, began.search_attributes)


def _turns(kept: Sequence[ev.HistoryEvent]) -> list[StoredTurn]:
    by_turn: dict[int, list[ev.HistoryEvent]] = {}
    for event in kept:
        by_turn.setdefault(event.turn, []).append(event)
    return [
        StoredTurn(number, events[0].event_id, b"\n".join(map(encode_event, events)))
        for number, events in by_turn.items()
    ]


def _start_again(began: ev.WorkflowExecutionStarted) -> ms.StartWorkflow:
    fields = {field.name: getattr(began, field.name) for field in attrs.fields(ms.StartWorkflow)}
    return ms.StartWorkflow(**fields)


def _told_again(event: ev.HistoryEvent) -> ms.Message | None:
    """The message that the event was; None for what cannot be told again."""
    if isinstance(event, ev.MessageUndelivered) and event.message_kind == "SignalWorkflow":
        return ms.SignalWorkflow(
            signal_name=event.message_name,
            input=event.input,
            identity=event.identity,
            request_id=event.request_id,
        )
    kind = _AGAIN.get(type(event))
    if kind is None:
        return None
    return kind(**{field.name: getattr(event, field.name) for field in attrs.fields(kind)})


def _found_again(store: Store, row: RunRow) -> RunRow:
    found = store.find_run(row.workflow_id, row.run_id)
    if found is None:
        raise _impossible(row, "it was deleted")
    return found


def _impossible(row: RunRow, why: str) -> RefoldError:
    return ExecutionError(
        "RF5115",
        f"workflow {row.workflow_id!r} (run {row.run_id}) cannot begin anew there: {why}",
        why="a run begins anew at a turn that it made, where it waits for nothing but activities and timers",
        fix="choose another turn; `refold show` lists them",
    )
