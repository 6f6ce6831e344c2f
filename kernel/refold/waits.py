"""The effects that are answered inside the turn and leave no event: waits, combinators and small questions.

A wait is not a command: what it waits for is recorded when it arrives, the waiting itself never.  A *step* is what a
combinator takes: an effect, a handle, or a running workflow generator.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import attrs

from refold.effects import Effect, Workflow
from refold.payloads import Plain
from refold.policies import HandlerUnfinishedPolicy, RetryPolicy
from refold.prng import Random
from refold.unyielded import MAKER
from refold.value import Value

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


#: An effect, a handle, or a running workflow: whatever ``yield from`` takes to give a ``T``.
Step: TypeAlias = Generator[Effect[Any], object, T]


# Messages -----------------------------------------------------------------------------------------------------------


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ReceiveSignal(Effect[T_co]):
    """Take the next signal of a name, in order of arrival; waits where none is buffered."""

    name: str
    decode: Callable[[list[Plain]], T_co] = attrs.field(eq=False)


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class HandleSignal(Effect[None]):
    """From now on, give every signal of a name to a handler, which runs as a branch of its own."""

    name: str
    decode: Callable[[list[Plain]], Any] = attrs.field(eq=False)
    handler: Callable[..., Any] = attrs.field(eq=False)
    takes_payload: bool = True
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class HandleUpdate(Effect[None]):
    """From now on, give every update of a name that its validator accepts to a handler, whose result answers it."""

    name: str
    decode: Callable[[list[Plain]], Any] = attrs.field(eq=False)
    handler: Callable[..., Any] = attrs.field(eq=False)
    takes_payload: bool = True
    validator: Callable[..., object] | None = attrs.field(default=None, eq=False)
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class WaitHandlers(Effect[None]):
    """Wait until no handler of a message is at work."""


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AnswerQuery(Effect[None]):
    """From now on, answer queries of a name with a function that only reads."""

    name: str
    function: Callable[..., Any] = attrs.field(eq=False)


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class WaitCondition(Effect[None]):
    """Wait until a predicate over the workflow's variables holds."""

    predicate: Callable[[], bool] = attrs.field(eq=False)


# Combinators --------------------------------------------------------------------------------------------------------


class Combine(str, Enum):
    """When a combinator is decided, and by what."""

    ALL = "all_of"  # all succeeded, or the first failed
    SETTLED = "all_settled"  # all ended, however
    FIRST = "first_of"  # the first ended
    ANY = "any_of"  # the first succeeded, or all failed
    ONE = "step"  # the only step ended: its outcome as it is


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Group(Effect[T_co]):
    """Run steps at the same time and combine their outcomes."""

    how: Combine
    steps: tuple[Step[Any], ...]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Shield(Effect[T_co]):
    """Run a step that cancellation does not reach; a request waits until the step has ended."""

    steps: tuple[Step[T_co]]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Start(Effect[T_co]):
    """Run a step beside the branch that starts it; answers with a handle at once."""

    steps: tuple[Step[Any]]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Join(Effect[T_co]):
    """Wait for a started step; answers with its result or raises its failure."""

    branch: object


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class CancelStep(Effect[None]):
    """Ask a started step to stop; does not wait for it."""

    branch: object


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Routine(Effect[T_co]):
    """A workflow function with its arguments: runs inside the branch that yields it from, or as a step of a combinator.

    A value rather than a generator, so that it can be used twice, and so that forgetting to yield it is noticed.
    """

    function: Callable[..., Workflow[T_co]]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = attrs.field(factory=dict[str, Any])

    def __iter__(self) -> Generator[Effect[Any], object, T_co]:
        maker = MAKER.get()
        if maker is not None:
            maker.entered(self)
        return (yield from self.function(*self.args, **self.kwargs))


# Small questions ----------------------------------------------------------------------------------------------------


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Now(Effect[datetime]):
    """The time of this turn."""


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class DrawRandom(Effect[Random]):
    """A generator of random numbers that is the same on every replay."""


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class DrawUuid(Effect[UUID]):
    """An id that is the same on every replay."""


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AskInfo(Effect["WorkflowInfo"]):
    """What is known of the run."""


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Log(Effect[None]):
    """Say something to the log, once: a replay is silent."""

    level: str
    message: str
    fields: dict[str, object] = attrs.field(factory=dict[str, object])


@attrs.frozen(kw_only=True, eq=False, repr=False)
class WorkflowInfo(Value):
    """What a workflow may know of its run; ``yield from info()``."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    attempt: int
    started_at: datetime
    #: Events recorded before this turn.
    history_length: int
    #: True from the first cancel request on, also after the workflow has caught it.
    cancel_requested: bool
    #: True once the history is so long, or so large, that a ``continue_as_new`` at the next good moment is due.
    continue_as_new_suggested: bool = False
    #: The run that this one is a child of, as ``(workflow_id, run_id)``.
    parent: tuple[str, str] | None = None
    #: The first run of the chain of which this is one, by continue-as-new and retry; its own id, if it is the first.
    first_run_id: str = ""
    #: The run that this one follows.
    continued_run_id: str | None = None
    build_id: str | None = None
    #: From the start of the first run of the chain to the end of its last.
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    #: As they are now, changes included; search attributes as :meth:`SearchAttributeKey.value_in` reads them.
    memo: Mapping[str, Plain] = attrs.field(factory=dict[str, Plain])
    search_attributes: Mapping[str, Plain] = attrs.field(factory=dict[str, Plain])
    headers: Mapping[str, Plain] = attrs.field(factory=dict[str, Plain])
    #: What the last run of a schedule returned, in a list; None where none has.
    last_completion_result: Sequence[Plain] | None = None
    #: Why the run before this one failed, if this one is another attempt.
    last_failure: BaseException | None = None
