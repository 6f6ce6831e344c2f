"""Child workflows, and messages to other runs: how they are asked for, what comes back, and how waiting for them is cancelled.

The start and the end of a child are two outcomes, told in order; a child that could not be started has both at once.  What is said of
a child that nobody waits for changes nothing.  A request to a child to stop is made once, however often it is asked for.

One rule: nothing here resumes a branch directly; whoever waited is notified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refold import events as ev
from refold.branches import WAITING, Branch, Decode, Thrown, Waiter
from refold.child_options import ChildWorkflowCancellationType
from refold.effects import CancelExternal, Effect, JoinChild, SignalExternal, StartChildWorkflow
from refold.errors import DefinitionError
from refold.failures import CancelledError
from refold.others import ChildWorkflowHandle
from refold.outcomes import child_error, external_error
from refold.prng import uuid4_for
from refold.source import yield_site

if TYPE_CHECKING:
    from refold.scheduler import Scheduler

_WAIT_COMPLETED = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED.value
_WAIT_REQUESTED = ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED.value
_ABANDON = ChildWorkflowCancellationType.ABANDON.value


class Child:
    """A child workflow of this run, and who waits for what of it."""

    __slots__ = (
        *("callers", "cancelled", "decode", "initiated", "joiners", "main", "outcome"),
        *("request", "requesters", "run_id", "starter", "starter_cancelled"),
    )

    def __init__(
        self, initiated: ev.StartChildWorkflowExecutionInitiated, decode: Decode, main: Branch | None
    ) -> None:
        self.initiated = initiated
        self.decode = decode
        #: The outermost branch of the run that it belongs to.
        self.main = main
        self.run_id = ""
        #: The event of its end, once that was told.
        self.outcome: Any = None
        #: Who waits for its start, and who for its end.
        self.starter: Waiter | None = None
        self.joiners: list[Waiter] = []
        #: Those among them who were cancelled and wait for its end all the same.
        self.cancelled: list[Waiter] = []
        self.starter_cancelled = False
        #: The request to stop, if one was made; who waits until it has arrived, because they made it or were cancelled.
        self.request: ev.RequestCancelExternalWorkflowExecutionInitiated | None = None
        self.callers: list[Waiter] = []
        self.requesters: list[Waiter] = []


# Asking -----------------------------------------------------------------------------------------------------------------


def start_child(run: Scheduler, waiter: Waiter, branch: Branch, effect: StartChildWorkflow[Any]) -> Any:
    """Perform ``start_child_workflow`` or ``execute_child_workflow``."""
    seq = run.ledger.last_seq + 1
    fields: dict[str, Any] = {
        "seq": seq,
        "branch": branch.id,
        "workflow_id": effect.workflow_id or _made_up(run, seq),
        "workflow_type": effect.workflow_type,
        "input": effect.input,
    }
    if effect.options:
        fields["options"] = effect.options
    kind = ev.StartChildWorkflowExecutionInitiated
    initiated = run.tape.record(kind, fields, lambda: run.yield_site(branch))
    child = run.children[seq] = Child(initiated, effect.decode, run.main)
    waiter.wait = child
    if effect.until_started:
        child.starter = waiter
    else:
        _wait_for_end(child, waiter)
    return WAITING


def _made_up(run: Scheduler, seq: int) -> str:
    """An id for a child that was given none: of its own series, so that it does not depend on other draws."""
    started = run.ledger.started
    assert started is not None
    return str(uuid4_for(f"{started.random_seed or started.run_id}/child", seq))


def join_child(run: Scheduler, waiter: Waiter, branch: Branch, effect: JoinChild[Any]) -> Any:
    """Perform ``yield from child``."""
    child = _own(run, branch, effect.child)
    if child.outcome is None:
        waiter.wait = child
        _wait_for_end(child, waiter)
        return WAITING
    value, error = _end_of(child, asked=child.starter_cancelled)
    if error is not None:
        raise Thrown(error)
    return value if child.decode is None else child.decode(value)


def _wait_for_end(child: Child, waiter: Waiter) -> None:
    waiter.decode = child.decode
    child.joiners.append(waiter)


def signal_external(run: Scheduler, waiter: Waiter, branch: Branch, effect: SignalExternal) -> Any:
    """Perform ``external_workflow(...).signal(...)`` or ``child.signal(...)``."""
    fields: dict[str, Any] = {"signal_name": effect.signal_name, "input": effect.input}
    kind = ev.SignalExternalWorkflowExecutionInitiated
    event = run.tape.record(
        kind, _address(run, branch, effect, "signal") | fields, lambda: run.yield_site(branch)
    )
    waiter.wait = event
    run.waits[event.seq] = waiter
    return WAITING


def cancel_external(run: Scheduler, waiter: Waiter, branch: Branch, effect: CancelExternal) -> Any:
    """Perform ``external_workflow(...).cancel(...)`` or ``child.cancel(...)``."""
    if effect.child is not None:
        child = _own(run, branch, effect.child)
        if child.request is not None or child.initiated.seq not in run.ledger.pending:
            return None
        _request(run, branch, child, effect.reason)
        child.callers.append(waiter)
        waiter.wait = child
        return WAITING
    fields = _address(run, branch, effect, "cancel") | {"reason": effect.reason}
    kind = ev.RequestCancelExternalWorkflowExecutionInitiated
    event = run.tape.record(kind, fields, lambda: run.yield_site(branch))
    waiter.wait = event
    run.waits[event.seq] = waiter
    return WAITING


def _address(
    run: Scheduler, branch: Branch, effect: SignalExternal | CancelExternal, verb: str
) -> dict[str, Any]:
    """The fields that say to whom; raises :class:`DefinitionError` (RF1114) where that is the run itself."""
    started = run.ledger.started
    assert started is not None
    if effect.workflow_id == started.workflow_id and effect.run_id in (None, started.run_id):
        raise DefinitionError(
            "RF1114",
            f"workflow {started.workflow_id!r} wants to {verb} itself",
            why="the message would wait for a turn that waits for the message",
            fix="call what the handler would call, cancel a step that was started, or raise CancelledError",
            where=yield_site(branch.generator),
        )
    fields: dict[str, Any] = {
        "seq": run.ledger.last_seq + 1,
        "branch": branch.id,
        "workflow_id": effect.workflow_id,
        "run_id": effect.run_id,
        "child_workflow_only": effect.child is not None,
        "child_seq": None,
    }
    if effect.child is not None:
        fields["child_seq"] = _own(run, branch, effect.child).initiated.seq
    return fields


def _own(run: Scheduler, branch: Branch, child: object) -> Child:
    if isinstance(child, Child) and child.main is run.main:
        return child
    raise DefinitionError(
        "RF1109",
        "a handle of another run was used",
        why="a handle stands for a child that this run has started",
        fix="pass workflow ids between runs, not handles",
        where=yield_site(branch.generator),
    )


# What comes back --------------------------------------------------------------------------------------------------------


def happened(run: Scheduler, event: Any) -> None:
    """Something was said of a child, or of a request to one."""
    child = run.children.get(event.seq)
    if child is not None:
        if isinstance(event, ev.ChildWorkflowExecutionStarted):
            _started(run, child, event.run_id)
        else:
            _ended(run, child, event)
    elif (child := run.requests.pop(event.seq, None)) is not None:
        for waiter in child.callers:
            _notify(run, waiter, None, None)
        for waiter in child.requesters:
            _notify(run, waiter, None, CancelledError())
        child.callers, child.requesters = [], []


def _started(run: Scheduler, child: Child, run_id: str) -> None:
    child.run_id = run_id
    if child.starter is not None:
        starter, child.starter = child.starter, None
        handle: ChildWorkflowHandle[Any] = ChildWorkflowHandle(child.initiated.workflow_id, run_id, child)
        _notify(run, starter, handle, None)


def _ended(run: Scheduler, child: Child, event: Any) -> None:
    del run.children[child.initiated.seq]
    child.outcome = event
    if child.starter is not None:  # it could not be started
        starter, child.starter = child.starter, None
        _notify(run, starter, *_end_of(child, asked=False))
    for joiner in child.joiners:
        _notify(run, joiner, *_end_of(child, asked=child.starter_cancelled or joiner in child.cancelled))
    child.joiners, child.cancelled = [], []


def _end_of(child: Child, *, asked: bool) -> tuple[Any, BaseException | None]:
    """How a child ended, as a value or an error; ``asked`` says that whoever is told was cancelled, and the child with it."""
    event = child.outcome
    if isinstance(event, ev.ChildWorkflowExecutionCompleted):
        return event.result, None
    if asked and isinstance(event, ev.ChildWorkflowExecutionCanceled):
        return None, CancelledError("the child workflow was cancelled", *event.details)
    return None, child_error(child.initiated, child.run_id, event)


def _notify(run: Scheduler, waiter: Waiter, value: Any, error: BaseException | None) -> None:
    waiter.wait = None
    run.notify(run.deliver, waiter, value, error)


def delivered(run: Scheduler, waiter: Waiter, event: Any) -> None:
    """A message to another run has arrived, or could not."""
    failed = isinstance(
        event, ev.SignalExternalWorkflowExecutionFailed | ev.RequestCancelExternalWorkflowExecutionFailed
    )
    run.deliver(waiter, None, external_error(waiter.wait, event.cause) if failed else None)


# Cancelling who waits ---------------------------------------------------------------------------------------------------


def cancel_child_wait(run: Scheduler, waiter: Waiter, child: Child) -> bool:
    """Withdraw what a waiter waits for of a child; False if it has to be waited for all the same."""
    if waiter in child.requesters:
        return False
    if waiter in child.callers:
        return _cancel_call(run, waiter, child)
    seq = child.initiated.seq
    how = (child.initiated.options or {}).get("cancellation_type", _WAIT_COMPLETED)
    if how == _ABANDON:
        return _leave(child, waiter)
    if seq not in run.ledger.pending:  # its end came in this very turn
        return how != _WAIT_COMPLETED and _leave(child, waiter)
    if child.initiated.turn == run.tape.turn:
        _take_back(run, waiter, seq)
        del run.children[seq]
        return _leave(child, waiter)
    if child.request is None:
        _request(run, _branch(waiter), child, "")
    if how == _WAIT_COMPLETED:
        if waiter is child.starter:
            child.starter_cancelled = True
        elif waiter not in child.cancelled:
            child.cancelled.append(waiter)
        return False
    assert child.request is not None
    _leave(child, waiter)
    if how == _WAIT_REQUESTED and child.request.seq in run.ledger.pending:
        child.requesters.append(waiter)
        return False
    return True


def _leave(child: Child, waiter: Waiter) -> bool:
    waiter.decode = None
    if waiter is child.starter:
        child.starter = None
    else:
        child.joiners.remove(waiter)
    return True


def _cancel_call(run: Scheduler, waiter: Waiter, child: Child) -> bool:
    """Who asked a child to stop is cancelled: the request is taken back, if it has not left and no one else needs it."""
    child.callers.remove(waiter)
    request = child.request
    assert request is not None
    if request.turn == run.tape.turn and not child.requesters and not child.cancelled:
        _take_back(run, waiter, request.seq)
        del run.requests[request.seq]
        child.request = None
    return True


def take_back(
    run: Scheduler,
    waiter: Waiter,
    event: ev.SignalExternalWorkflowExecutionInitiated | ev.RequestCancelExternalWorkflowExecutionInitiated,
) -> bool:
    """Wait no longer for a message to another run; one that has not left is not sent."""
    del run.waits[event.seq]
    if event.turn == run.tape.turn and event.seq in run.ledger.pending:
        _take_back(run, waiter, event.seq)
    return True


def _take_back(run: Scheduler, waiter: Waiter, seq: int) -> None:
    branch = _branch(waiter)
    fields = {"seq": seq, "branch": branch.id}
    run.tape.record(ev.ExternalWorkflowCommandCanceled, fields, lambda: run.yield_site(branch))


def _request(run: Scheduler, branch: Branch, child: Child, reason: str) -> None:
    """Ask a child to stop, for the first time."""
    effect_fields: dict[str, Any] = {
        "seq": run.ledger.last_seq + 1,
        "branch": branch.id,
        "workflow_id": child.initiated.workflow_id,
        "run_id": None,
        "child_workflow_only": True,
        "child_seq": child.initiated.seq,
        "reason": reason,
    }
    kind = ev.RequestCancelExternalWorkflowExecutionInitiated
    request = run.tape.record(kind, effect_fields, lambda: run.yield_site(branch))
    child.request = request
    run.requests[request.seq] = child


def _branch(waiter: Waiter) -> Branch:
    return waiter if isinstance(waiter, Branch) else waiter.branch


PERFORM: dict[type[Effect[Any]], Any] = {
    StartChildWorkflow: start_child,
    JoinChild: join_child,
    SignalExternal: signal_external,
    CancelExternal: cancel_external,
}
