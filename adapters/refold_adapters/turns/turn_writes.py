"""A turn as the write that commits it: a pure translation from the kernel's terms to the store's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from refold import Turn
from refold.carry import deadline_of
from refold.codec import encode_event, encode_message
from refold.events import (
    ActivityTaskCanceled,
    ActivityTaskCancelRequested,
    ActivityTaskCompleted,
    ActivityTaskFailed,
    ActivityTaskScheduled,
    ActivityTaskTimedOut,
    HistoryEvent,
    TimerCanceled,
    TimerFired,
    TimerStarted,
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionContinuedAsNew,
    WorkflowExecutionFailed,
    WorkflowExecutionOptionsUpdated,
    WorkflowExecutionPaused,
    WorkflowExecutionStarted,
    WorkflowExecutionTerminated,
    WorkflowExecutionTimedOut,
    WorkflowExecutionUnpaused,
)
from refold.messages import ReportActivityCanceled
from refold_adapters.activities.task_ends import CHECK, CHECK_LOCAL, LOCAL_CHECK_US, first_check
from refold_adapters.ports import (
    CancelTask,
    Closing,
    CommitTurn,
    NewTask,
    NextRun,
    Properties,
    Relay,
    RunStatus,
)
from refold_adapters.ports.writes import DEADLINE

_STATUS: dict[type[HistoryEvent], RunStatus] = {
    WorkflowExecutionCompleted: RunStatus.COMPLETED,
    WorkflowExecutionFailed: RunStatus.FAILED,
    WorkflowExecutionCanceled: RunStatus.CANCELED,
    WorkflowExecutionTerminated: RunStatus.TERMINATED,
    WorkflowExecutionTimedOut: RunStatus.TIMED_OUT,
    WorkflowExecutionContinuedAsNew: RunStatus.CONTINUED_AS_NEW,
}
__all__ = ["DEADLINE", "commit_of", "is_local", "task_queue_of"]


def task_queue_of(event: ActivityTaskScheduled, run_queue: str) -> str:
    """The queue of an activity: its own, or else its run's."""
    queue: str = event.options.get("task_queue", run_queue) if event.options else run_queue
    return queue


def _task_of(event: ActivityTaskScheduled, line: bytes, run_queue: str, *, claimed: bool) -> NewTask:
    return NewTask(
        seq=event.seq,
        activity_type=event.activity_type,
        task_queue=task_queue_of(event, run_queue),
        data=line,
        claimed=claimed,
    )


_ACTIVITY_ENDS = frozenset(
    (ActivityTaskCompleted, ActivityTaskFailed, ActivityTaskTimedOut, ActivityTaskCanceled)
)


def _check_of(event: ActivityTaskScheduled) -> list[tuple[int, int]]:
    """When it is to be looked after an activity, if ever, as a timer of its run."""
    if is_local(event):
        return [(event.seq | CHECK_LOCAL, event.at + LOCAL_CHECK_US)]
    check_at = first_check(event)
    return [] if check_at is None else [(event.seq | CHECK, check_at)]


def _checks_on(event: HistoryEvent) -> tuple[int, int]:
    """What an activity's end makes needless."""
    seq: int = getattr(event, "seq")  # noqa: B009 - each of the ends has one
    return seq | CHECK, seq | CHECK_LOCAL


def _cancel_of(event: ActivityTaskCancelRequested) -> CancelTask:
    report = encode_message(ReportActivityCanceled(seq=event.seq, attempt=0))
    return CancelTask(seq=event.seq, report=report)


def is_local(event: ActivityTaskScheduled) -> bool:
    """Whether an activity is run by the worker that made the turn, without a task."""
    return bool(event.options and event.options.get("local"))


def _standing_after(turn: Turn) -> tuple[bool | None, str | None]:
    """Whether the run is paused and which build alone may run it, each as far as the turn changes it; else None."""
    paused: bool | None = None
    build_id: str | None = None
    for event in turn.events:
        match event:
            case _ if not event.message:
                break  # messages to its code come first
            case WorkflowExecutionStarted():
                build_id = event.build_id
            case WorkflowExecutionPaused() | WorkflowExecutionUnpaused():
                paused = isinstance(event, WorkflowExecutionPaused)
            case WorkflowExecutionOptionsUpdated():
                build_id = event.options.get("build_id", build_id)
            case _:
                pass  # another message
    return paused, build_id


def commit_of(
    turn: Turn,
    *,
    token: int,
    run_id: str,
    turn_token: str,
    task_queue: str,
    claim: Callable[[ActivityTaskScheduled], bool] = lambda _: False,
    consumed: Sequence[int] = (),
    finished: tuple[tuple[int, int], ...] = (),
    dropped: tuple[int, ...] = (),
    undelivered: Sequence[HistoryEvent] = (),
    next: NextRun | None = None,
    relays: tuple[Relay, ...] = (),
    properties: Properties | None = None,
    ends_at: int | None = None,
) -> CommitTurn:
    """The write that appends ``turn``; ``claim`` says which new activity tasks the committing session runs at once.

    ``undelivered`` follow the terminal event; ``next`` and ``relays`` are for other runs; ``ends_at`` is a limit fixed at the start.
    """
    lines, closing = list[bytes](), None
    tasks: list[NewTask] = []
    cancel_tasks: list[CancelTask] = []
    timers: list[tuple[int, int]] = []
    removed_timers: list[int] = []
    asked = dict.fromkeys([command.event_id for command in turn.commands])
    for event in (*turn.events, *undelivered) if undelivered else turn.events:
        lines.append(line := encode_event(event))
        match event:
            case ActivityTaskScheduled() if event.event_id in asked:
                timers += _check_of(event) if event.options else ()
                if not is_local(event):
                    tasks.append(_task_of(event, line, task_queue, claimed=claim(event)))
            case _ if type(event) in _ACTIVITY_ENDS:
                removed_timers += _checks_on(event)
            case TimerStarted() if event.event_id in asked:
                timers.append((event.seq, event.fire_at))
            case WorkflowExecutionStarted() if (deadline := deadline_of(event)) is not None:
                timers.append((DEADLINE, min(deadline, ends_at or deadline)))
            case TimerFired() | TimerCanceled() if event.external or event.event_id in asked:
                removed_timers.append(event.seq)
            case ActivityTaskCancelRequested() if event.event_id in asked:
                cancel_tasks.append(_cancel_of(event))
            case _:
                if event is turn.closed:
                    closing = Closing(status=_STATUS[type(event)], event=line)
    paused, build_id = _standing_after(turn)
    return CommitTurn(
        token=token,
        run_id=run_id,
        turn=turn.number,
        turn_token=turn_token,
        first_event_id=turn.length_before + 1,
        event_count=len(lines),
        data=b"\n".join(lines),
        consumed=tuple(consumed),
        finished=finished,
        dropped_tasks=dropped,
        tasks=tuple(tasks),
        cancel_tasks=tuple(cancel_tasks),
        timers=tuple(timers),
        removed_timers=tuple(removed_timers),
        closing=closing,
        next=next,
        relays=relays,
        properties=properties,
        paused=paused,
        build_id=build_id,
    )
