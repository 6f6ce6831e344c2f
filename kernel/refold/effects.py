"""What a workflow yields: the base of all effects, and the commands.

An :class:`Effect` is a frozen value that iterates by yielding itself, so ``yield effect`` and ``yield from effect`` are the same
to the kernel, and ``yield from`` has the precise static type of the answer.  Making one does nothing.

The effects in this module are *commands*: they leave the kernel and are recorded as events.  Those that are answered inside
the turn are in ``waits``.  One rule: no effect knows how it is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar

import attrs

from refold.payloads import Plain
from refold.unyielded import MAKER
from refold.value import Value

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


if TYPE_CHECKING:

    class Answering(Generator["Effect[Any]", object, T_co]):
        """To type checkers it is a generator, because one of the four sees through ``yield from`` only where there is one."""

        def send(self, value: object, /) -> Effect[Any]:
            """Not there."""
            ...

        def throw(self, *error: Any) -> Effect[Any]:
            """Not there."""
            ...

else:

    class Answering(Generic[T_co]):
        """What ``yield from`` takes to give a ``T``: an effect or a handle."""

        __slots__ = ()


class Effect(Answering[T_co], Value):
    """Something a workflow asks for; ``yield from effect`` gives the answer, a ``T``."""

    #: ``_note`` is how ``unyielded`` knows it again; it is no part of the value.
    __slots__ = ("__weakref__", "_note")

    def __attrs_post_init__(self) -> None:
        maker = MAKER.get()
        if maker is not None:
            maker.made(self)

    if TYPE_CHECKING:

        def __iter__(self) -> Generator[Effect[Any], object, T_co]: ...

    else:

        def __iter__(self):
            return (yield self)


#: What a workflow function returns: a generator of effects whose ``return`` is a ``T``.
Workflow: TypeAlias = Generator[Effect[Any], object, T]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ActivityType(Value, Generic[T]):
    """What the kernel needs to know of an activity: its name, its options as plain data, and how to read its result."""

    name: str
    options: dict[str, Plain] = attrs.field(factory=dict[str, Plain])
    #: Turns the plain result into the declared type; ``None`` where it is taken as it is.
    decode: Callable[[Plain], T] | None = attrs.field(default=None, eq=False)


@attrs.frozen(weakref_slot=False, init=False, eq=False, repr=False)
class ScheduleActivity(Effect[T_co]):
    """Run an activity; answers with its result or raises :class:`ActivityError`."""

    activity: ActivityType[Any]
    args: tuple[object, ...] = ()

    def __init__(self, activity: ActivityType[Any], args: tuple[object, ...] = ()) -> None:
        # Made at every step of every replay; written out, it takes half the time of the one that attrs writes.
        _set_activity(self, activity)
        _set_args(self, args)
        maker = MAKER.get()
        if maker is not None:
            maker.made(self)


_set_activity: Callable[..., None] = ScheduleActivity.__dict__["activity"].__set__
_set_args: Callable[..., None] = ScheduleActivity.__dict__["args"].__set__


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class StartTimer(Effect[None]):
    """Wait for a durable timer; ``duration`` is at least zero."""

    duration: timedelta


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class RecordMarker(Effect[T_co]):
    """Compute a value once, on the first run, and take the recorded one on every replay."""

    marker_name: str
    compute: Callable[[], T_co] = attrs.field(eq=False)
    decode: Callable[[Plain], T_co] | None = attrs.field(default=None, eq=False)


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AskPatch(Effect[bool]):
    """Ask whether this run takes the patched path; the answer is fixed, by id, when it is first asked."""

    patch_id: str
    deprecated: bool = False


# Other runs -------------------------------------------------------------------------------------------------------------


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class StartChildWorkflow(Effect[T_co]):
    """Start a child workflow; answers with its handle once it has started, or with its result once it has ended."""

    workflow_type: str
    #: Made up, the same on every replay, if None.
    workflow_id: str | None
    input: list[Plain]
    options: dict[str, Plain]
    decode: Callable[[Plain], Any] | None = attrs.field(eq=False)
    until_started: bool = True


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class JoinChild(Effect[T_co]):
    """Wait for the end of a child workflow; answers with its result or raises :class:`ChildWorkflowError`."""

    child: object


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class SignalExternal(Effect[None]):
    """Send a signal to another run; answers once that has accepted it, or raises :class:`ExternalWorkflowError`."""

    workflow_id: str
    run_id: str | None
    signal_name: str
    input: list[Plain]
    #: The child it is for, where it is for one.
    child: object = None


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class CancelExternal(Effect[None]):
    """Ask another run to stop; answers once the request has reached it, or raises :class:`ExternalWorkflowError`."""

    workflow_id: str
    run_id: str | None
    reason: str = ""
    child: object = None


# The run itself ---------------------------------------------------------------------------------------------------------


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ModifyProperties(Effect[None]):
    """Change the memo of the run; what is None is taken away."""

    memo: dict[str, Plain]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class UpsertSearchAttributes(Effect[None]):
    """Change the search attributes of the run; what is None is taken away."""

    search_attributes: dict[str, Plain]


@attrs.frozen(weakref_slot=False, kw_only=True, eq=False, repr=False)
class ContinueAsNew(Effect[NoReturn]):
    """End this run and go on as a new one with a fresh history; what is None stays as it is now."""

    args: tuple[object, ...]
    #: None stands for this workflow: its arguments are checked when the effect is carried out.
    workflow_type: str | None
    task_queue: str | None
    run_timeout_us: int | None
    task_timeout_us: int | None
    backoff_us: int | None
    retry_policy: dict[str, Plain] | None
    memo: dict[str, Plain] | None
    search_attributes: dict[str, Plain] | None
