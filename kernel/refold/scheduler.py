"""Resumes branches: the ready queue and the one loop that drives generators.

Theory of operation.  Notifications wait in one first-in-first-out queue.  Working one off resumes one branch, or starts one handler,
until it waits or ends; what that makes ready goes to the end of the queue.  When the queue is empty, conditions are judged in
order of registration; one that holds resumes its branch, and the queue is worked off again, until nothing changes.

``resume`` is the only place where workflow code runs.  It sends or throws a value in, takes the effect that comes out, and lets the
effect's performer (see ``performers``) answer at once or leave the branch waiting.  The rules are those numbered in ``flags``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import GeneratorType
from typing import Any

from refold import source
from refold.branches import WAITING, Branch, Thrown, Waiter
from refold.bugs import task_error
from refold.children import Child
from refold.combine import branch_ended, settle
from refold.declare import WorkflowDefinition
from refold.effects import (
    CancelExternal,
    Effect,
    JoinChild,
    ScheduleActivity,
    SignalExternal,
    StartChildWorkflow,
    StartTimer,
    Workflow,
)
from refold.errors import DefinitionError, WorkflowTaskError
from refold.events import WorkflowExecutionCancelRequested, WorkflowExecutionSignaled
from refold.failures import CancelledError
from refold.handlers import Handling
from refold.state import Ledger
from refold.tape import Tape
from refold.unyielded import MAKER, ReadOnly, Recorder
from refold.waits import (
    AnswerQuery,
    Group,
    HandleSignal,
    HandleUpdate,
    Join,
    Log,
    ReceiveSignal,
    WaitCondition,
    WaitHandlers,
)

#: Deepest chain of ``yield from``; far below Python's own limit, which depends on the caller's stack.
CHAIN_MAX = 200
#: How many effects of one turn may be answered at once, so that a loop that waits for nothing is noticed.
ANSWERS_MAX = 100_000

#: Effects at which a pending cancel request is delivered instead of performing them: those that may wait.
_BLOCKING: frozenset[type[Effect[Any]]] = frozenset(
    {
        *(ScheduleActivity, StartTimer, ReceiveSignal, WaitCondition, WaitHandlers, Group, Join),
        *(StartChildWorkflow, JoinChild, SignalExternal, CancelExternal),
    }
)
#: Errors that say nothing about the workflow and must never become its result.
_NEVER_A_RESULT = (SystemExit, GeneratorExit, RecursionError, MemoryError)


#: How each effect is carried out; ``performers`` fills it.
PERFORMERS: dict[type[Effect[Any]], Callable[..., Any]] = {}


class Scheduler:
    """The live part of a run: its branches, what they wait for, and what is ready."""

    __slots__ = (
        "answered",
        "branches",
        "cancels",
        "children",
        "conditions",
        "definition",
        "draws",
        "handlers",
        "handling",
        "ledger",
        "logs",
        "mailbox",
        "main",
        "outcome",
        "patches",
        "queries",
        "queue",
        "receivers",
        "recorder",
        "requests",
        "tape",
        "update_handlers",
        "waits",
    )

    def __init__(self, definition: WorkflowDefinition[..., Any], ledger: Ledger, tape: Tape) -> None:
        self.definition = definition
        self.ledger = ledger
        self.tape = tape
        self.main: Branch | None = None
        #: How the outermost frame ended: ``(value, error)``; None while it runs.
        self.outcome: tuple[Any, BaseException | None] | None = None
        self.queue: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        #: Who waits for a command, by its seq.
        self.waits: dict[int, Waiter] = {}
        #: Children that have not ended, by seq, and those that were asked to stop, by the seq of the request.
        self.children: dict[int, Child] = {}
        self.requests: dict[int, Child] = {}
        #: Signals applied and not yet consumed, and who receives or handles them, by name.
        self.mailbox: dict[str, deque[WorkflowExecutionSignaled]] = {}
        self.receivers: dict[str, list[Waiter]] = {}
        self.handlers: dict[str, HandleSignal] = {}
        #: The cancel requests of the run, in order.
        self.cancels: list[WorkflowExecutionCancelRequested] = []
        self.update_handlers: dict[str, HandleUpdate] = {}
        #: The messages whose handlers are at work, by branch.
        self.handling: dict[int, Handling] = {}
        self.conditions: list[tuple[Waiter, Callable[[], bool]]] = []
        self.queries: dict[str, AnswerQuery] = {}
        #: Answers given to ``patched``, by id.
        self.patches: dict[str, bool] = {}
        #: Effects that were answered at once in this turn.
        self.answered = 0
        self.branches = 0
        self.draws = 0
        self.logs: list[Log] = []
        #: Notes effects that are made; None on replay.
        self.recorder: Recorder | None = None

    # Branches -------------------------------------------------------------------------------------------------------

    def spawn(self, generator: Any, parent: Branch | None) -> Branch:
        """A new branch, not yet begun."""
        branch = Branch(self.branches, generator, parent)
        self.branches += 1
        if parent is not None:
            if parent.children is None:
                parent.children = {}
            parent.children[branch.id] = branch
        return branch

    def yield_site(self, branch: Branch) -> str:
        """The user's line that a branch, or else the one above it, waits at."""
        while not (found := source.yield_site(branch.generator)) and branch.parent is not None:
            branch = branch.parent
        return found

    def notify(self, action: Callable[..., None], *args: Any) -> None:
        """Put a notification at the end of the queue."""
        self.queue.append((action, args))

    def resume(self, branch: Branch, value: Any = None, error: BaseException | None = None) -> None:
        """Run a branch until it waits or ends."""
        if branch.ended or (self.outcome is not None and not branch.handler):
            return
        branch.wait = None
        generator = branch.generator
        while True:
            try:
                effect = generator.send(value) if error is None else self._throw(generator, error)
            except StopIteration as stop:
                branch_ended(self, branch, stop.value, None)
                return
            except BaseException as raised:
                self._raised(branch, raised)
                return
            error = None
            perform = PERFORMERS.get(effect.__class__)
            if perform is None:
                error = _foreign(effect, branch)
                value = None
                continue
            if self.recorder is not None:
                self.recorder.yielded(effect)
                self._check_depth(branch)
            if branch.cancels and effect.__class__ in _BLOCKING:
                branch.cancels -= 1
                error = CancelledError()
                continue
            try:
                value = perform(self, branch, branch, effect)
            except WorkflowTaskError:
                raise
            except DefinitionError as mistake:
                error = mistake
                continue
            except Thrown as thrown:
                error = thrown.error
                continue
            if value is WAITING:
                return
            self.answered += 1
            if self.answered > ANSWERS_MAX:
                raise _endless(branch)

    def _throw(self, generator: Workflow[Any], error: BaseException) -> Effect[Any]:
        """Raise an error in suspended code: what that code has not yielded yet, it may never come to."""
        if self.recorder is not None:
            self.recorder.forgive()
        return generator.throw(error)

    def deliver(self, waiter: Waiter, value: Any, error: BaseException | None = None) -> None:
        """Give a waiter what it waited for: a branch is resumed, a slot is settled, here and now."""
        decode = waiter.decode
        if decode is not None:
            waiter.decode = None
            if error is None:
                try:
                    value = decode(value)
                except DefinitionError as misfit:
                    value, error = None, misfit
        if type(waiter) is Branch:
            self.resume(waiter, value, error)
        else:
            settle(self, waiter, value, error, queued=False)

    def _raised(self, branch: Branch, error: BaseException) -> None:
        """The generator of a branch raised."""
        if isinstance(error, KeyboardInterrupt):
            raise error  # it is the user's, not the workflow's
        if isinstance(error, _NEVER_A_RESULT):
            raise _limit_hit(error) from error
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
            raise task_error(
                "RF1104",
                "StopIteration leaked out of workflow code",
                why="Python turns a StopIteration raised inside a generator into an error: often a `next()` on an empty iterator",
                fix="use `next(iterator, default)` or a for loop",
                error=error.__cause__,
            ) from error
        branch_ended(self, branch, None, error)

    def _check_depth(self, branch: Branch) -> None:
        depth = 0
        inner: Any = branch.generator
        while inner.__class__ is GeneratorType:  # as in source.chain(), which would take three times as long
            depth += 1
            inner = inner.gi_yieldfrom
        if depth > CHAIN_MAX:
            raise WorkflowTaskError(
                "RF1105",
                f"the chain of yield from is {depth} deep; the limit is {CHAIN_MAX}",
                why="Python's own limit depends on the caller's stack, so a replay could fail where the first run did not",
                fix="use a loop, or start() parts as branches of their own",
                where=source.yield_site(branch.generator),
            )

    # The queue ------------------------------------------------------------------------------------------------------

    def work_off(self) -> None:
        """Resume whatever is ready, then judge conditions, until nothing changes."""
        queue = self.queue
        while True:
            position = 0
            while position < len(queue):
                action, args = queue[position]
                position += 1
                action(*args)
            queue.clear()
            if not self.conditions or not self._judge():
                return

    def _judge(self) -> bool:
        """Resume the first branch whose condition holds; False if none does.  After the end, only handlers are asked."""
        for position, (waiter, holds_now) in enumerate(self.conditions):
            if self.outcome is not None and not _in_handler(waiter):
                continue
            error: BaseException | None = None
            token = MAKER.set(ReadOnly("a condition"))
            try:
                holds = holds_now()
            except Exception as raised:
                if isinstance(raised, _NEVER_A_RESULT):
                    raise _limit_hit(raised) from raised
                holds, error = True, raised
            finally:
                MAKER.reset(token)
            if holds:
                self.answered += 1
                if self.answered > ANSWERS_MAX:
                    raise _endless(waiter if isinstance(waiter, Branch) else waiter.branch)
                del self.conditions[position]
                self.deliver(waiter, None, error)
                return True
        return False


def _in_handler(waiter: Waiter) -> bool:
    return waiter.handler if isinstance(waiter, Branch) else waiter.branch.handler


def _limit_hit(error: BaseException) -> WorkflowTaskError:
    return task_error(
        "RF1106",
        f"{type(error).__name__} in workflow code: {error}",
        why="such errors depend on the machine and the caller's stack, so they must not decide a workflow",
        fix="make the code lighter (less recursion, less data), or move it into an activity",
        error=error,
    )


def _endless(branch: Branch) -> WorkflowTaskError:
    return WorkflowTaskError(
        "RF1116",
        f"the turn did not come to an end after {ANSWERS_MAX:,} effects",
        why="it goes round in a loop in which nothing waits, so no other event would ever be seen",
        fix="wait in the loop for a timer, an activity, a signal or a condition that is not true already",
        where=source.yield_site(branch.generator),
    )


def _foreign(effect: object, branch: Branch) -> DefinitionError:
    """The error for something that is no effect, to be raised at the line that yielded it."""
    return DefinitionError(
        "RF1102",
        f"a {type(effect).__name__} was yielded: {effect!r:.80}",
        why="a workflow may yield only effects: activities, timers, signals, combinators and the like",
        fix="use `yield from` for another workflow or generator, and yield activities by calling them",
        where=source.yield_site(branch.generator),
    )
