"""Makes one turn: external events in, workflow code resumed, derived events out.

Theory of operation.  The external events of a turn are folded into the ledger before any code runs, in their order: messages
first, then completions (rule 1).  The messages are then applied together (rule 2) and worked off; then each completion is delivered
and worked off by itself (rule 3).  When the outermost frame has returned or raised, the terminal event is recorded last (rule 7) and
every generator is closed.

A live turn and a replayed one run the same code; only the tape differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from refold import events as ev
from refold.branches import Waiter, discard
from refold.declare import WorkflowDefinition
from refold.errors import RefoldError
from refold.evolve import apply
from refold.failures import (
    ActivityError,
    CancelledError,
    FailureError,
    RetryState,
    TimeoutError,
    TimeoutType,
    error_of,
    failure_of,
)
from refold.mail import arrived
from refold.payloads import encode
from refold.performers import register_performers
from refold.scheduler import Scheduler, task_error
from refold.state import Ledger
from refold.tape import encoded

register_performers()


def run_turn(run: Scheduler, externals: Sequence[ev.HistoryEvent]) -> list[str]:
    """Apply the external events of a turn and work off what follows; returns where code yielded while being closed."""
    ledger = run.ledger
    asked = _asked_to_stop(ledger, externals) if ledger.cancelling else ()
    for event in externals:
        apply(ledger, event)
    if ledger.closed is not None:
        return _close_code(run)
    for event in externals:
        if event.message:
            _apply_message(run, event)
            continue
        if run.queue or run.conditions:  # the messages, or the completion before this one
            run.work_off()
        if run.outcome is not None:
            break
        _deliver_completion(run, event, asked)
    if run.queue or run.conditions:
        run.work_off()
    return _finish(run) if run.outcome is not None else []


def _asked_to_stop(ledger: Ledger, externals: Sequence[ev.HistoryEvent]) -> Sequence[int]:
    """The activities that were asked to stop and now have, by seq."""
    stopped = [event.seq for event in externals if isinstance(event, ev.ActivityTaskCanceled)]
    return [seq for seq in stopped if seq in ledger.cancelling]


def _apply_message(run: Scheduler, event: ev.HistoryEvent) -> None:
    match event:
        case ev.WorkflowExecutionStarted():
            run.notify(_begin, run, event)
        case ev.WorkflowExecutionSignaled():
            arrived(run, event)
        case ev.WorkflowExecutionCancelRequested():
            run.notify(_cancel_main, run)
        case _:
            pass  # it changes the ledger only


def _begin(run: Scheduler, event: ev.WorkflowExecutionStarted) -> None:
    generator = run.definition.fn(*run.definition.decode_input(event.input))
    run.main = run.spawn(generator, None)
    run.resume(run.main)


def _cancel_main(run: Scheduler) -> None:
    from refold.combine import cancel_branch

    assert run.main is not None
    cancel_branch(run, run.main)


def _deliver_completion(run: Scheduler, event: Any, asked: Sequence[int]) -> None:
    """Give a command its outcome."""
    waiter = run.waits.pop(event.seq, None)
    if waiter is None:
        return  # nobody waits for it any more
    kind = event.__class__
    if kind is ev.ActivityTaskCompleted:
        run.deliver(waiter, event.result)
    elif kind is ev.TimerFired:
        run.deliver(waiter, None)
    else:
        run.deliver(waiter, None, _activity_error(event, waiter, asked))


def _activity_error(event: Any, waiter: Waiter, asked: Sequence[int]) -> BaseException:
    """The exception for an activity that did not complete."""
    scheduled: ev.ActivityTaskScheduled = waiter.wait
    match event:
        case ev.ActivityTaskCanceled():
            cause: BaseException = CancelledError("the activity was cancelled", *event.details)
            if event.seq in asked:
                return cause
            state = None
        case ev.ActivityTaskTimedOut():
            cause = TimeoutError(
                f"the activity timed out ({event.timeout_type})",
                type=TimeoutType(event.timeout_type),
                last_heartbeat_details=event.last_heartbeat_details,
            )
            cause.__cause__ = None if event.last_failure is None else error_of(event.last_failure)
            state = event.retry_state
        case _:
            cause = error_of(event.failure)
            state = event.retry_state
    error = ActivityError(
        f"activity {scheduled.activity_type!r} failed: {cause}",
        activity_type=scheduled.activity_type,
        activity_id=scheduled.activity_id or str(scheduled.seq),
        retry_state=None if state is None else RetryState(state),
    )
    error.__cause__ = cause
    return error


def _finish(run: Scheduler) -> list[str]:
    """Record how the run ended, and close all its code."""
    assert run.outcome is not None
    kind, fields = _terminal_event(run, *run.outcome)
    left = [event.event_id for buffer in run.mailbox.values() for event in buffer]
    fields["unreceived"] = sorted(left) if left else ()
    run.tape.record(kind, fields, lambda: "")
    run.waits.clear()
    run.conditions.clear()
    run.receivers.clear()
    return _close_code(run)


def _close_code(run: Scheduler) -> list[str]:
    if run.recorder is not None:
        run.recorder.forgive()
    return [] if run.main is None else discard(run.main)


def _terminal_event(
    run: Scheduler, value: Any, error: BaseException | None
) -> tuple[type[ev.HistoryEvent], dict[str, Any]]:
    if error is None:
        return ev.WorkflowExecutionCompleted, {"result": encode(value)}
    if isinstance(error, CancelledError) and run.ledger.cancel_requests:
        return ev.WorkflowExecutionCanceled, {"details": encoded(error.details)}
    if _fails_the_run(run.definition, error):
        return ev.WorkflowExecutionFailed, {"failure": failure_of(error)}
    if isinstance(error, RefoldError):
        raise error
    raise task_error(
        "RF1110",
        f"{run.definition.name} raised {type(error).__name__}: {error}",
        why="an error that is not a failure is taken for a bug: the run is not failed, it waits for mended code",
        fix="mend the code and restart the worker; to fail the run, raise ApplicationError or list the type in"
        " failure_exception_types",
        error=error,
    ) from error


def _fails_the_run(definition: WorkflowDefinition[..., Any], error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(_fails_the_run(definition, inner) for inner in group.exceptions)
    return isinstance(error, (FailureError, CancelledError, *definition.failure_exception_types))
