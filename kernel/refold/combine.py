"""Combinators, started steps, and cancellation: how branches depend on one another.

A combinator is decided at the moment its deciding step settles, and in that moment its losers stop listening; it *ends* when the last
of them has unwound, and only then does its owner go on.  Cancelling is a walk down the tree: whatever a waiter waits for is
withdrawn, and the waiter gets one ``CancelledError``; what cannot be withdrawn (a shielded step, an activity whose cancellation is
waited for, code that cleans up) is waited for.

One rule: nothing here resumes a branch directly unless the notification being worked off is the branch's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refold.author import Outcome
from refold.branches import Branch, Gathering, Slot, Waiter
from refold.children import Child, cancel_child_wait, take_back
from refold.events import (
    ActivityTaskCancelRequested,
    ActivityTaskScheduled,
    RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated,
    TimerCanceled,
    TimerStarted,
)
from refold.failures import CancelledError, ContinueAsNewError, FailureError
from refold.handlers import handler_ended
from refold.policies import ActivityCancellationType
from refold.waits import Combine, ReceiveSignal, WaitCondition, WaitHandlers

if TYPE_CHECKING:
    from refold.scheduler import Scheduler

# Gatherings -----------------------------------------------------------------------------------------------------------


def settle(run: Scheduler, slot: Slot, value: Any, error: BaseException | None, *, queued: bool) -> None:
    """A step of a gathering has ended.

    ``queued`` says that the owner is to be resumed by a notification of its own, because it was a branch that ended.
    """
    gathering = slot.gathering
    _close_slot(slot, value, error)
    if not gathering.decided and _decides(gathering.how, error):
        gathering.decided = True
        gathering.winner = slot.index
        _cancel_slots(run, gathering)
    if gathering.left or gathering.starting:
        return
    value, error = result_of(gathering)
    if queued:
        gathering.owner.wait = None
        run.notify(run.deliver, gathering.owner, value, error)
    else:
        run.deliver(gathering.owner, value, error)


def _close_slot(slot: Slot, value: Any, error: BaseException | None) -> None:
    gathering = slot.gathering
    slot.done = True
    slot.late = gathering.decided
    slot.wait = None
    gathering.left -= 1
    gathering.values[slot.index] = value
    gathering.errors[slot.index] = error


def _decides(how: Combine, error: BaseException | None) -> bool:
    """Whether a step that ended so decides a combinator."""
    if isinstance(error, ContinueAsNewError):
        return True  # it is no outcome of a step: all of the workflow unwinds
    if how is Combine.ALL:
        return error is not None
    if how is Combine.ANY:
        return error is None
    return how is Combine.FIRST


def _cancel_slots(run: Scheduler, gathering: Gathering) -> None:
    for slot in gathering.slots:
        if not slot.done and cancel_wait(run, slot):
            _close_slot(slot, None, CancelledError())


def result_of(gathering: Gathering) -> tuple[Any, BaseException | None]:
    """The outcome of a gathering all of whose steps have ended."""
    if gathering.cancelled:
        return None, _failed_unwinding(gathering) or CancelledError()
    errors = gathering.errors
    match gathering.how:
        case Combine.ONE:
            return gathering.values[0], errors[0]
        case Combine.SETTLED:
            if gathering.decided:
                return None, errors[gathering.winner]
            return tuple(Outcome(v, e) for v, e in zip(gathering.values, errors, strict=True)), None
        case Combine.ALL:
            if gathering.decided:
                return None, errors[gathering.winner]
            return tuple(gathering.values), None
        case Combine.FIRST:
            error = errors[gathering.winner] or _failed_unwinding(gathering)
            return (gathering.winner, gathering.values[gathering.winner]), error
        case _:  # any_of
            if gathering.decided:
                error = errors[gathering.winner] or _failed_unwinding(gathering)
                return gathering.values[gathering.winner], error
            return None, BaseExceptionGroup(
                "every step failed", [error for error in errors if error is not None]
            )


def _failed_unwinding(gathering: Gathering) -> BaseException | None:
    """The error of a losing branch whose own code failed while it unwound: it must not pass in silence."""
    for slot in gathering.slots:
        if slot.index == gathering.winner:
            continue
        error = gathering.errors[slot.index]
        if slot.inner is not None:
            error = _failed_unwinding(slot.inner)
        elif slot.child is None or error is None or isinstance(error, CancelledError):
            continue
        elif not slot.late and isinstance(error, FailureError):
            continue  # it did not lose: steps may fail before any_of is decided
        if error is not None:
            return error
    return None


# Branches that end ------------------------------------------------------------------------------------------------------


def branch_ended(run: Scheduler, branch: Branch, value: Any, error: BaseException | None) -> None:
    """The generator of a branch has returned or raised; the branch ends once its children have."""
    branch.wait = None
    if branch is run.main:
        assert run.outcome is None, "once a handler has failed the run, its main code is not resumed"
        branch.ended = True
        run.outcome = (value, error if error is not None else _lost_failure(branch))
        return
    if branch.unwinding:
        branch.closing = (value, error)
        for child in branch.unfinished_children:
            cancel_branch(run, child)
        return
    _end(run, branch, value, error)


def _end(run: Scheduler, branch: Branch, value: Any, error: BaseException | None) -> None:
    branch.ended = True
    branch.value = value
    branch.error = error if error is not None else _lost_failure(branch)
    branch.children = None
    _leave(branch)
    if branch.slot is not None:
        gathering = branch.slot.gathering
        if gathering.how is Combine.ONE and not gathering.shielded:
            branch.slot.branch.cancels += branch.cancels
        settle(run, branch.slot, branch.value, branch.error, queued=True)
    for joiner in branch.joiners or ():
        joiner.wait = None
        run.notify(run.deliver, joiner, branch.value, branch.error)
    branch.joiners = None
    parent = branch.parent
    assert parent is not None, "only the main branch has none"
    if branch.handler and not parent.handler:
        handler_ended(run, branch)
        return
    if parent.closing is not None and not parent.ended and not parent.unwinding:
        _end(run, parent, *parent.closing)


def _leave(branch: Branch) -> None:
    """An ended branch is forgotten by its parent, unless its failure may still have to be raised there."""
    parent = branch.parent
    if parent is not None and parent.children is not None and not _unheard(branch):
        parent.children.pop(branch.id, None)


def _unheard(branch: Branch) -> bool:
    """Whether a branch has failed and nobody has taken or will take the failure."""
    return branch.error is not None and not branch.joined and not isinstance(branch.error, CancelledError)


def _lost_failure(branch: Branch) -> BaseException | None:
    """The failure of a started step that no one joined: it is raised in place of the result, so that it is not lost."""
    for child in (branch.children or {}).values():
        if child.ended and _unheard(child):
            return child.error
    return None


# Cancellation -----------------------------------------------------------------------------------------------------------


def cancel_branch(run: Scheduler, branch: Branch) -> None:
    """Make one cancel request of a branch: delivered at its current ``yield``, or at the next one that may wait."""
    if branch.ended:
        return
    if branch.closing is not None:
        for child in branch.unfinished_children:
            cancel_branch(run, child)
        return
    wait = branch.wait
    if wait is None or (wait.__class__ is Gathering and (wait.shielded or wait.decided)):
        branch.cancels += 1  # what is ready or decided is not taken back
    elif cancel_wait(run, branch):
        branch.wait = None
        branch.decode = None
        run.notify(run.resume, branch, None, CancelledError())


def cancel_wait(run: Scheduler, waiter: Waiter) -> bool:
    """Withdraw what a waiter waits for; False if it has to be waited for all the same."""
    wait = waiter.wait
    if isinstance(waiter, Slot) and waiter.child is not None:
        cancel_branch(run, waiter.child)
        return False
    match wait:
        case ActivityTaskScheduled():
            return _cancel_activity(run, waiter, wait)
        case TimerStarted():
            del run.waits[wait.seq]
            if wait.seq in run.ledger.pending:  # else it fired in this very turn
                _record(run, waiter, TimerCanceled, wait.seq)
        case ReceiveSignal():
            run.receivers[wait.name].remove(waiter)
        case WaitCondition() | WaitHandlers():
            run.conditions[:] = [entry for entry in run.conditions if entry[0] is not waiter]
        case Gathering():
            return _cancel_gathering(run, wait)
        case Branch():
            assert wait.joiners is not None
            wait.joiners.remove(waiter)
        case Child():
            return cancel_child_wait(run, waiter, wait)
        case SignalExternalWorkflowExecutionInitiated() | RequestCancelExternalWorkflowExecutionInitiated():
            return take_back(run, waiter, wait)
        case _:
            return False
    return True


def _cancel_activity(run: Scheduler, waiter: Waiter, scheduled: ActivityTaskScheduled) -> bool:
    seq = scheduled.seq
    how = (scheduled.options or {}).get("cancellation_type", ActivityCancellationType.TRY_CANCEL.value)
    waits = how == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED.value
    if seq not in run.ledger.pending:  # its outcome came in this very turn
        if waits:
            return False
    elif how != ActivityCancellationType.ABANDON.value and seq not in run.ledger.cancelling:
        _record(run, waiter, ActivityTaskCancelRequested, seq)
    if waits and seq in run.ledger.pending:
        return False
    del run.waits[seq]
    return True


def _cancel_gathering(run: Scheduler, gathering: Gathering) -> bool:
    if gathering.shielded or gathering.decided:
        return False
    if gathering.how is Combine.ONE:  # the request is the step's own, and its outcome stands
        _cancel_slots(run, gathering)
        return False
    gathering.cancelled = gathering.decided = True
    _cancel_slots(run, gathering)
    return gathering.left == 0


def _record(
    run: Scheduler, waiter: Waiter, kind: type[TimerCanceled | ActivityTaskCancelRequested], seq: int
) -> None:
    branch = waiter if isinstance(waiter, Branch) else waiter.branch
    run.tape.record(kind, {"seq": seq, "branch": branch.id}, lambda: run.yield_site(branch))
