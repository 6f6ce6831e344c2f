"""What an author calls inside a workflow.

Each function makes an inert effect; ``yield from`` it.  One rule: nothing here reads anything, so all of it can be called from
anywhere, and only yielding counts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar, cast, overload
from uuid import UUID

import attrs

from refold.effects import (
    ActivityType,
    Answering,
    AskPatch,
    Effect,
    JoinChild,
    RecordMarker,
    ScheduleActivity,
    StartTimer,
    Workflow,
)
from refold.errors import DefinitionError
from refold.events import SIDE_EFFECT_MARKER
from refold.failures import TimeoutError, TimeoutType
from refold.ids import checked_id
from refold.others import ChildWorkflowHandle
from refold.payloads import decoder
from refold.policies import ActivityOptions, microseconds
from refold.prng import Random
from refold.value import Value
from refold.waits import (
    AskInfo,
    CancelStep,
    Combine,
    DrawRandom,
    DrawUuid,
    Group,
    Join,
    Log,
    Now,
    Routine,
    Shield,
    Start,
    Step,
    WaitCondition,
    WaitHandlers,
    WorkflowInfo,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


@attrs.frozen(eq=False)
class Handle(Answering[T_co]):
    """A step that was started; ``yield from handle`` waits for its result, any number of times."""

    #: The kernel's side of it.
    branch: object = attrs.field(repr=False)

    def __iter__(self) -> Generator[Effect[Any], object, T_co]:
        join: Join[T_co] = Join(self.branch)
        answer: T_co = yield from join
        return answer


@attrs.frozen(eq=False, repr=False)
class Outcome(Value, Generic[T_co]):
    """How a step of ``all_settled`` ended: with a value, or with an error."""

    value: T_co | None = None
    error: BaseException | None = None

    def unwrap(self) -> T_co:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return cast(T_co, self.value)


# Combinators --------------------------------------------------------------------------------------------------------


@overload
def all_of() -> Group[tuple[()]]: ...
@overload
def all_of(a: Step[A], /) -> Group[tuple[A]]: ...
@overload
def all_of(a: Step[A], b: Step[B], /) -> Group[tuple[A, B]]: ...
@overload
def all_of(a: Step[A], b: Step[B], c: Step[C], /) -> Group[tuple[A, B, C]]: ...
@overload
def all_of(a: Step[A], b: Step[B], c: Step[C], d: Step[D], /) -> Group[tuple[A, B, C, D]]: ...
@overload
def all_of(a: Step[A], b: Step[B], c: Step[C], d: Step[D], e: Step[E], /) -> Group[tuple[A, B, C, D, E]]: ...
@overload
def all_of(*steps: Step[A]) -> Group[tuple[A, ...]]: ...
def all_of(*steps: Step[Any]) -> Any:
    """All results, as a tuple; the first failure cancels the other steps, waits until they have unwound, and is raised."""
    group: Group[Any] = Group(Combine.ALL, _checked(steps, "all_of"))
    return group


def all_settled(*steps: Step[T]) -> Group[tuple[Outcome[T], ...]]:
    """All outcomes, as a tuple of :class:`Outcome`; failures are not raised."""
    return Group(Combine.SETTLED, _checked(steps, "all_settled"))


@overload
def first_of(a: Step[A], /) -> Group[tuple[Literal[0], A]]: ...
@overload
def first_of(a: Step[A], b: Step[B], /) -> Group[tuple[Literal[0], A] | tuple[Literal[1], B]]: ...
@overload
def first_of(
    a: Step[A], b: Step[B], c: Step[C], /
) -> Group[tuple[Literal[0], A] | tuple[Literal[1], B] | tuple[Literal[2], C]]: ...
@overload
def first_of(
    a: Step[A], b: Step[B], c: Step[C], d: Step[D], /
) -> Group[tuple[Literal[0], A] | tuple[Literal[1], B] | tuple[Literal[2], C] | tuple[Literal[3], D]]: ...
@overload
def first_of(*steps: Step[A]) -> Group[tuple[int, A]]: ...
def first_of(*steps: Step[Any]) -> Any:
    """``(index, value)`` of the first step that ends, or its failure; the others are cancelled and unwound first."""
    group: Group[Any] = Group(Combine.FIRST, _checked(steps, "first_of", least=1))
    return group


def any_of(*steps: Step[T]) -> Group[T]:
    """The value of the first step that succeeds; if all fail, an ``ExceptionGroup`` of their failures."""
    return Group(Combine.ANY, _checked(steps, "any_of", least=1))


def start(step: Step[T]) -> Start[Handle[T]]:
    """Start a step beside this branch and answer with its :class:`Handle`; it never outlives the branch that started it."""
    return Start((_checked((step,), "start")[0],))


def cancel(handle: Handle[Any]) -> CancelStep:
    """Ask a started step to stop: it gets one ``CancelledError`` at its current ``yield``."""
    if not isinstance(handle, Handle):
        raise _misused("cancel", handle, "a handle that start() answered with")
    return CancelStep(handle.branch)


def shield(step: Step[T]) -> Shield[T]:
    """Run a step to its end even if the branch is cancelled; the request is delivered at the next ``yield`` after it."""
    return Shield((_checked((step,), "shield")[0],))


def with_timeout(step: Step[T], after: timedelta) -> Routine[T]:
    """The step's result, or :class:`TimeoutError` once ``after`` has passed and the step has been cancelled and unwound."""
    (step,) = _checked((step,), "with_timeout")
    microseconds(after, "timeout", zero=True)
    return Routine(_with_timeout, (step, after))


def _with_timeout(step: Step[T], after: timedelta) -> Workflow[T]:
    match (yield from first_of(step, sleep(after))):
        case (0, value):
            return value
        case _:
            raise TimeoutError(f"the step did not end within {after}", type=TimeoutType.STEP)


def wait_until(predicate: Callable[[], bool], *, timeout: timedelta | None = None) -> Effect[None]:
    """Wait until a predicate over the workflow's own variables holds; :class:`TimeoutError` if ``timeout`` passes first."""
    condition = WaitCondition(predicate)
    if timeout is None:
        return condition
    return with_timeout(condition, timeout)


def all_handlers_finished() -> WaitHandlers:
    """Wait until no handler of a signal or an update is at work; for the end of a workflow, not for handlers (RF1117)."""
    return WaitHandlers()


def _checked(steps: tuple[Any, ...], name: str, *, least: int = 0) -> tuple[Any, ...]:
    if len(steps) < least:
        raise DefinitionError(
            "RF1002",
            f"{name}() was called without steps",
            why="nothing could ever decide it",
            fix="give it a step",
        )
    for step in steps:
        if not isinstance(step, Effect | Handle | ChildWorkflowHandle | Generator):
            raise _misused(name, step, "an effect, a handle, or a workflow generator")
    return tuple(map(_as_step, steps))


def _as_step(step: Any) -> Any:
    """A handle of a child stands for waiting for its result."""
    return JoinChild[Any](step.child) if isinstance(step, ChildWorkflowHandle) else step


def _misused(name: str, value: object, wanted: str) -> DefinitionError:
    return DefinitionError(
        "RF1002",
        f"{name}() was given {value!r}, which is {type(value).__name__}",
        why=f"it takes {wanted}",
        fix="pass the call itself, not its result: `all_of(charge(order), ...)`",
    )


# Steps ----------------------------------------------------------------------------------------------------------------


def sleep(duration: timedelta) -> StartTimer:
    """Wait for a durable timer, by the store's clock; zero means until the next turn."""
    microseconds(duration, "duration", zero=True)
    return StartTimer(duration)


@overload
def execute_activity(
    name: str, /, *args: object, result_type: type[T], **options: Any
) -> ScheduleActivity[T]: ...
@overload
def execute_activity(name: str, /, *args: object, **options: Any) -> ScheduleActivity[Any]: ...
def execute_activity(name: str, /, *args: object, result_type: Any = Any, **options: Any) -> Any:
    """Run an activity by its name, where its code is not at hand; the options are those of :class:`ActivityOptions`."""
    checked_id(name, "activity name")
    plain = ActivityOptions().changed(options).to_plain()
    effect: ScheduleActivity[Any] = ScheduleActivity(ActivityType(name, plain, decoder(result_type)), args)
    return effect


@overload
def side_effect(compute: Callable[[], T], /) -> RecordMarker[T]: ...
@overload
def side_effect(compute: Callable[[], Any], /, *, result_type: type[T]) -> RecordMarker[T]: ...
def side_effect(compute: Callable[[], Any], /, *, result_type: Any = Any) -> Any:
    """Compute a value once, in the first run of this turn, and take the recorded one ever after; it must not fail."""
    return RecordMarker(SIDE_EFFECT_MARKER, compute, decoder(result_type))


def patched(patch_id: str) -> AskPatch:
    """True in runs that reach this code for the first time, False in those that went by before it was added."""
    return AskPatch(checked_id(patch_id, "patch id"))


def deprecate_patch(patch_id: str) -> AskPatch:
    """Say that every run takes the patched path, so that the marker may be missing or be left over."""
    return AskPatch(checked_id(patch_id, "patch id"), deprecated=True)


# Small questions --------------------------------------------------------------------------------------------------------


def now() -> Effect[datetime]:
    """The time of this turn (aware, UTC): it stands still between two waits."""
    return Now()


def random() -> Effect[Random]:
    """A generator of random numbers that draws the same on every replay."""
    return DrawRandom()


def uuid4() -> Effect[UUID]:
    """An id that is the same on every replay."""
    return DrawUuid()


def info() -> Effect[WorkflowInfo]:
    """What is known of this run."""
    return AskInfo()


def log(
    message: str, *, level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO", **fields: object
) -> Log:
    """Log a message, once: replay is silent."""
    return Log(level, message, fields)
