"""Runs programs as workflows: what each kind of step means, written with the public names of refold as an author would.

One rule: whatever a program sees (results, failures, payloads, times, random numbers) goes into its trace, which it returns and which a
query answers with, so that nothing can differ unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from property_tests.programs import (
    Act,
    AllHandled,
    Answered,
    Ask,
    Begin,
    Beside,
    Child,
    Compensated,
    Compute,
    Deprecate,
    Fail,
    Finally,
    Gather,
    Guard,
    Handled,
    Join,
    Memo,
    Patch,
    Receive,
    Renew,
    Send,
    Seq,
    Shielded,
    Spawn,
    Step,
    Stop,
    Sub,
    Tell,
    Timer,
    Until,
    Within,
)
from property_tests.watching import Watch
from refold import (
    ActivityCancellationType,
    CancelledError,
    ChildWorkflowCancellationType,
    ChildWorkflowHandle,
    FailureError,
    Handle,
    HandlerUnfinishedPolicy,
    Outcome,
    Query,
    Random,
    RetryPolicy,
    Saga,
    SearchAttributeKey,
    Signal,
    Update,
    Workflow,
    WorkflowDefinition,
    WorkflowInfo,
    activity,
    all_handlers_finished,
    all_of,
    all_settled,
    any_of,
    cancel,
    continue_as_new,
    deprecate_patch,
    execute_activity,
    execute_child_workflow,
    external_workflow,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold.failures import ApplicationError
from refold.waits import Routine


@activity
def charge(label: int) -> int: ...


@activity
def reserve(label: int) -> int: ...


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
def patient(label: int) -> int: ...


@activity(cancellation_type=ActivityCancellationType.ABANDON)
def lax(label: int) -> int: ...


ACTIVITIES = {each.name: each for each in (charge, reserve, patient, lax)}
#: What a run may continue as.
RENEWALS: dict[str, Callable[[], Any]] = {
    "same": continue_as_new,
    "other": lambda: continue_as_new(1, workflow="elsewhere", task_queue="q", memo={"value": 0}),
    "later": lambda: continue_as_new(
        retry_policy=RetryPolicy(maximum_attempts=2), backoff_start_interval=timedelta(seconds=1)
    ),
}
#: How a child is cancelled.
CHILDREN = [each.value for each in ChildWorkflowCancellationType]
_NUMBER = SearchAttributeKey.int("number")
QUESTIONS: dict[str, Callable[[], Any]] = {
    "now": now,
    "random": random,
    "uuid4": uuid4,
    "info": info,
    "log": lambda: log("said", about="something"),
}
COMBINATORS: dict[str, Callable[..., Any]] = {
    "all_of": all_of,
    "all_settled": all_settled,
    "first_of": first_of,
    "any_of": any_of,
}
#: Answers with what the program has seen so far.
seen = Query("seen", object)

_CATCHES: dict[str, tuple[type[BaseException], ...]] = {
    "failure": (FailureError,),
    "cancel": (CancelledError,),
    "both": (FailureError, CancelledError),
}


class _Noted(Signal[int]):
    """A signal that notes what is consumed, in order."""

    def __init__(self, name: str, consumed: list[tuple[str, int]]) -> None:
        super().__init__(name, int)
        self.consumed = consumed

    def decode(self, input: list[Any]) -> int:
        payload = super().decode(input)
        self.consumed.append((self.name, payload))
        return payload


@attrs.define(eq=False)
class World:
    """What lies outside a program, and what a test gets to see of it."""

    #: What a side effect reads outside; replay must not ask for it.
    outside: Callable[[int], int] = lambda value: value
    #: Called from inside the workflow after each step.
    probe: Callable[[], None] = lambda: None
    #: Called whenever a condition is judged.
    judged: Callable[[], None] = lambda: None
    #: The signals that receivers and handlers took, with their payloads, in order.
    consumed: list[tuple[str, int]] = attrs.field(factory=list)
    trace: list[str] = attrs.field(factory=list)
    heard: dict[str, list[int]] = attrs.field(factory=lambda: {"x": [], "y": [], "u": [], "v": []})
    handles: dict[str, Handle[Any] | ChildWorkflowHandle[Any]] = attrs.field(factory=dict)
    #: The steps in which a ``CancelledError`` was raised, innermost first.
    cancelled: list[Step] = attrs.field(factory=list)
    #: What watched combinators did wrong.
    faults: list[str] = attrs.field(factory=list)
    #: Generators of the program that have begun and are not closed.
    open: int = 0

    def signal(self, name: str) -> Signal[int]:
        return _Noted(name, self.consumed)

    def has_heard(self, signal: str, least: int) -> bool:
        self.judged()
        return len(self.heard[signal]) >= least

    def tell(self, what: str) -> None:
        self.trace.append(what)
        self.probe()


def definition_of(program: Step, world: World) -> WorkflowDefinition[[], dict[str, Any]]:
    """A program as a workflow, for one execution: it runs in a world of its own."""

    def random_program() -> Workflow[dict[str, Any]]:
        yield from seen.answer(lambda: [list(world.trace), world.open])
        value = yield from run(program, world)
        return {"value": value, "trace": list(world.trace)}

    return workflow(random_program)


# Running --------------------------------------------------------------------------------------------------------------


def run(step: Step, world: World) -> Workflow[Any]:
    """A step as a workflow generator; answers with plain data."""
    world.open += 1
    try:
        value = plain((yield from _perform(step, world)))
        if not isinstance(step, Patch):  # it may be put around a step and be taken off again
            world.tell(f"{type(step).__name__}: {value}")
        return value
    except CancelledError:
        world.cancelled.append(step)
        raise
    finally:
        world.open -= 1


def _perform(step: Step, world: World) -> Workflow[Any]:
    match step:
        case Seq(steps):
            values: list[Any] = []
            for each in steps:
                values.append((yield from run(each, world)))
            return values
        case Sub(inner, bare):
            return (yield Routine(run, (inner, world))) if bare else (yield from run(inner, world))
        case Begin(key, inner):
            world.handles[key] = yield from start(effect_of(inner, world))
        case Spawn(key, how, label):
            kind = ChildWorkflowCancellationType(how)
            world.handles[key] = yield from start_child_workflow("sub", label, cancellation_type=kind)
            return "child"
        case Beside(started, own):
            handle = yield from start(run(started, world))
            value = yield from run(own, world)
            return [value, (yield from handle)]
        case Patch(patch_id, then, otherwise):
            if otherwise is None:
                yield from deprecate_patch(patch_id)
                return (yield from run(then, world))
            return (yield from run(then if (yield from patched(patch_id)) else otherwise, world))
        case Fail(type):
            raise ApplicationError("failed on purpose", type=type)
        case Gather(how, steps, ("closely" | "loosely") as closeness):
            watch = Watch(how, closeness == "closely", world.faults, world.cancelled)
            return (yield from watch.run(COMBINATORS[how], [run(each, world) for each in steps]))
        case Guard():
            return (yield from _guarded(step, world))
        case Finally(inner, cleanup):
            try:
                return (yield from run(inner, world))
            finally:
                world.tell("finally")
                if cleanup is not None:
                    yield from run(cleanup, world)
        case Compensated():
            return (yield from _compensated(step, world))
        case _:
            return (yield from effect_of(step, world))


def _guarded(step: Guard, world: World) -> Workflow[Any]:
    try:
        return (yield from run(step.step, world))
    except _CATCHES[step.catches] as error:
        world.tell(f"caught {error_name(error)}")
        if step.cleanup is not None:
            yield from run(step.cleanup, world)
        if step.reraise:
            raise
        return "caught"


def _compensated(step: Compensated, world: World) -> Workflow[Any]:
    saga = Saga()
    try:
        for each, label in step.done:
            yield from saga.do(run(each, world), undo=lambda _, label=label: reserve(label))
        return (yield from run(step.then, world))
    except (FailureError, CancelledError):
        yield from saga.compensate()
        raise


def effect_of(step: Step, world: World) -> Any:
    """What a combinator is given for a step: the effect, where it is one; else a generator."""
    match step:
        case Act(name, label, "locally"):
            return ACTIVITIES[name].local(label)
        case Act(name, label, "by name"):
            kept = ACTIVITIES[name].default_options.cancellation_type
            return execute_activity(name, label, result_type=int, cancellation_type=kept)
        case Act(name, label):
            return ACTIVITIES[name](label)
        case Child(how, label):
            kind = ChildWorkflowCancellationType(how)
            return execute_child_workflow("sub", label, cancellation_type=kind)
        case Send(what, label):
            other = external_workflow(f"w-other-{label}", "r-9" if label % 2 else None)
            return other.signal("s", label) if what == "signal" else other.cancel()
        case Memo(value, indexed):
            if indexed:
                return upsert_search_attributes(_NUMBER.value_set(value))
            return upsert_memo({"value": value or None})
        case Tell(key, label):
            child = world.handles.get(key)
            return child.signal("s", label) if isinstance(child, ChildWorkflowHandle) else now()
        case Renew(how):
            return RENEWALS[how]()
        case Timer(seconds):
            return sleep(timedelta(seconds=seconds))
        case Receive(signal):
            return world.signal(signal).receive()
        case Handled(signal, body):
            return world.signal(signal).handle(
                _handler(signal, body, world), unfinished_policy=_policy(step.abandon)
            )
        case Answered(update, body):
            return Update(update, int, result_type=object).handle(
                _handler(update, body, world), validator=_check, unfinished_policy=_policy(step.abandon)
            )
        case AllHandled():
            return all_handlers_finished()
        case Until(signal, least, timeout):
            limit = None if timeout is None else timedelta(seconds=timeout)
            return wait_until(lambda: world.has_heard(signal, least), timeout=limit)
        case Compute(value):
            return side_effect(lambda: world.outside(value), result_type=int)
        case Ask(what):
            return QUESTIONS[what]()
        case Deprecate(patch_id):
            return deprecate_patch(patch_id)
        case Gather(how, steps, ""):
            return COMBINATORS[how](*[effect_of(each, world) for each in steps])
        case Join(key):
            return world.handles[key] if key in world.handles else now()
        case Stop(key):
            handle = world.handles.get(key)
            if isinstance(handle, ChildWorkflowHandle):
                return handle.cancel()
            return now() if handle is None else cancel(handle)
        case Shielded(inner):
            return shield(effect_of(inner, world))
        case Within(seconds, inner):
            return with_timeout(effect_of(inner, world), timedelta(seconds=seconds))
        case Sub(inner, True):
            return Routine(run, (inner, world))
        case _:
            return run(step, world)


def _policy(abandon: bool) -> HandlerUnfinishedPolicy:
    return HandlerUnfinishedPolicy.ABANDON if abandon else HandlerUnfinishedPolicy.WARN_AND_ABANDON


def _check(payload: int) -> None:
    if payload % 3 == 0:
        raise ApplicationError("refused", payload)


def _handler(signal: str, body: Step | None, world: World) -> Callable[[int], Any]:
    def note(payload: int) -> None:
        world.heard[signal].append(payload)
        world.tell(f"heard {signal} {payload}")

    def handle(payload: int) -> Workflow[Any]:
        note(payload)
        assert body is not None
        return (yield from run(body, world))

    return note if body is None else handle


def plain(value: Any) -> Any:
    """What a program saw, as plain data."""
    match value:
        case Outcome(value=result, error=error):
            return ["ok", plain(result)] if error is None else ["failed", error_name(error)]
        case list() | tuple():
            return [plain(item) for item in value]
        case datetime() | UUID():
            return str(value)
        case Random():
            return value.randrange(1000)
        case WorkflowInfo():
            return [
                value.history_length,
                value.cancel_requested,
                dict(value.memo),
                len(value.search_attributes),
            ]
        case Handle() | ChildWorkflowHandle():
            return "handle"
        case _:
            return value


def error_name(error: BaseException) -> str:
    """An error in a word or two, causes included."""
    if isinstance(error, BaseExceptionGroup):
        return f"group({', '.join(map(error_name, error.exceptions))})"
    kind = getattr(error, "type", None)
    name = type(error).__name__ + (f"[{getattr(kind, 'value', kind)}]" if kind is not None else "")
    return name + (f" from {error_name(error.__cause__)}" if error.__cause__ is not None else "")
