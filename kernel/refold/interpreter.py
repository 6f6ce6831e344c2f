"""Makes one turn: external events in, workflow code resumed, derived events out.

Theory of operation.  The external events of a turn are folded into the ledger before any code runs, in their order: messages
first, then completions (rule 1).  The messages are then applied together (rule 2) and worked off; then each completion is delivered
and worked off by itself (rule 3).  When the outermost frame has returned or raised, the run is closed (rule 7; see ``closing``).

A live turn and a replayed one run the same code; only the tape differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refold import events as ev
from refold.children import delivered, happened
from refold.closing import close_code, finish
from refold.combine import cancel_branch
from refold.evolve import apply
from refold.mail import arrived
from refold.outcomes import activity_error
from refold.performers import register_performers
from refold.scheduler import Scheduler
from refold.state import Ledger
from refold.updates import accepted

register_performers()


def run_turn(run: Scheduler, externals: Sequence[ev.HistoryEvent]) -> list[str]:
    """Apply the external events of a turn and work off what follows; returns where code yielded while being closed."""
    ledger = run.ledger
    run.answered = 0
    asked = _asked_to_stop(ledger, externals) if ledger.cancelling else ()
    for event in externals:
        apply(ledger, event)
    if ledger.closed is not None:
        return close_code(run)
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
    return finish(run) if run.outcome is not None else []


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
        case ev.WorkflowExecutionUpdateAccepted():
            accepted(run, event)
        case ev.WorkflowExecutionCancelRequested():
            run.notify(_cancel_main, run, event)
        case _:
            pass  # it changes the ledger only


def _begin(run: Scheduler, event: ev.WorkflowExecutionStarted) -> None:
    generator = run.definition.fn(*run.definition.decode_input(event.input))
    run.main = run.spawn(generator, None)
    run.resume(run.main)


def _cancel_main(run: Scheduler, event: ev.WorkflowExecutionCancelRequested) -> None:
    assert run.main is not None
    run.cancels.append(event)
    if run.outcome is None:
        cancel_branch(run, run.main)
    else:
        run.main.cancels += 1  # too late for this run: the next one, if one follows, is asked


def _deliver_completion(run: Scheduler, event: Any, asked: Sequence[int]) -> None:
    """Give a command its outcome."""
    waiter = run.waits.pop(event.seq, None)
    if waiter is None:
        happened(run, event)  # of a child, or nobody waits for it any more
        return
    kind = event.__class__
    if kind is ev.ActivityTaskCompleted:
        run.deliver(waiter, event.result)
    elif kind is ev.TimerFired:
        run.deliver(waiter, None)
    elif waiter.wait.__class__ is ev.ActivityTaskScheduled:
        run.deliver(waiter, None, activity_error(event, waiter, asked))
    else:
        delivered(run, waiter, event)
