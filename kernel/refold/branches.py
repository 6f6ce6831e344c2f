"""The tree of branches: what runs, what each waits for, and how suspended code is closed.

A *branch* is one generator being driven; a *slot* is the place of one step in a combinator.  Both are *waiters*: they wait for one
thing at a time, held in ``wait``.  Branches form a tree and nothing outlives its parent.

The kernel owns its generators.  ``discard`` closes them on the caller's thread, marked dead first, so that whatever a ``finally``
yields is thrown away; a generator that will not close is kept (quarantined) and named, and never blocks anyone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, tzinfo
from typing import Any, Final, TypeAlias, final

import attrs

from refold.effects import Effect
from refold.payloads import Plain
from refold.source import yield_site
from refold.unyielded import MAKER
from refold.value import Value
from refold.waits import Combine

#: How often a generator is asked to close before it is given up.
CLOSES_MAX = 8


class Thrown(Exception):
    """A performer's answer is an error, to be raised in the workflow at the line that yielded."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class _Waiting:
    """The type of :data:`WAITING`."""

    __slots__ = ()


#: What performing an effect answers with when the answer comes later.
WAITING: Final = _Waiting()

Decode: TypeAlias = Callable[[Plain], Any] | None


@final
class Branch:
    """One generator and where it stands."""

    __slots__ = (
        "cancels",
        "children",
        "closing",
        "decode",
        "depth",
        "ended",
        "error",
        "generator",
        "handler",
        "id",
        "joined",
        "joiners",
        "parent",
        "slot",
        "value",
        "wait",
    )

    def __init__(
        self, id: int, generator: Generator[Effect[Any], object, Any], parent: Branch | None
    ) -> None:
        self.id = id
        self.generator = generator
        self.parent = parent
        #: How many branches and combinators it is inside of.
        self.depth: int = 0 if parent is None else parent.depth + 1
        #: The slot of a combinator that waits for this branch, if one does.
        self.slot: Slot | None = None
        #: Children that have not ended, or whose failure nobody has taken, by id.
        self.children: dict[int, Branch] | None = None
        self.joiners: list[Waiter] | None = None
        #: What it waits for: a recorded command, an effect, a gathering or a branch; None while ready, running or ended.
        self.wait: Any = None
        self.decode: Decode = None
        #: Cancel requests that are still to be delivered.
        self.cancels = 0
        #: The outcome of a branch that has returned but whose children are still unwinding.
        self.closing: tuple[Any, BaseException | None] | None = None
        self.ended = False
        self.value: Any = None
        self.error: BaseException | None = None
        #: Somebody has taken (or will take) the outcome.
        self.joined = False
        #: Runs a message handler, or below one.
        self.handler: bool = parent is not None and parent.handler

    @property
    def unfinished_children(self) -> list[Branch]:
        """The children that have not ended."""
        return [child for child in (self.children or {}).values() if not child.ended]

    @property
    def unwinding(self) -> bool:
        """Whether a child has not ended."""
        return any(not child.ended for child in (self.children or {}).values())


class Gathering:
    """A combinator that has begun: one slot a step."""

    __slots__ = (
        "cancelled",
        "decided",
        "depth",
        "errors",
        "how",
        "left",
        "owner",
        "shielded",
        "slots",
        "starting",
        "values",
        "winner",
    )

    def __init__(self, how: Combine, owner: Waiter, count: int, *, shielded: bool = False) -> None:
        self.how = how
        self.owner = owner
        self.depth: int = owner.depth + 1
        self.slots: list[Slot] = []
        self.values: list[Any] = [None] * count
        self.errors: list[BaseException | None] = [None] * count
        self.left = count
        self.decided = False
        self.winner = -1
        #: Its owner was cancelled: it ends as soon as its steps have unwound.
        self.cancelled = False
        self.shielded = shielded
        #: Its steps are still being begun, so its outcome is returned rather than delivered.
        self.starting = True


@final
class Slot:
    """The place of one step in a gathering."""

    __slots__ = ("branch", "child", "decode", "depth", "done", "gathering", "index", "inner", "late", "wait")

    def __init__(self, gathering: Gathering, index: int, branch: Branch) -> None:
        self.gathering = gathering
        self.index = index
        self.depth: int = gathering.depth
        #: The branch that yielded the combinator: commands of the slot are recorded as its.
        self.branch = branch
        #: The branch that runs the step, where the step is a generator.
        self.child: Branch | None = None
        #: The combinator that is the step, where the step is one.
        self.inner: Gathering | None = None
        self.wait: Any = None
        self.decode: Decode = None
        self.done = False
        #: It ended when its gathering had been decided: it had lost.
        self.late = False


Waiter: TypeAlias = Branch | Slot


@attrs.frozen(eq=False, repr=False)
class Quarantined(Value):
    """A generator that would not close: it stays in memory, and the code at ``source`` must be changed (RF1103)."""

    source: str
    generator: object = attrs.field(eq=False, repr=False)


#: Strong references to generators that would not close: dropping one would run its code on some other thread.
_QUARANTINE: list[Quarantined] = []


class _Kept(tzinfo):
    """Keeps a generator to the end of the process and through it.

    When the interpreter is torn down, what nobody holds is closed once more: code that will not close would run again, with its
    globals gone, and some of it for ever.  This object holds itself by way of a ``datetime``, into which the garbage collector does
    not look, so it is never found to be garbage.
    """

    def __init__(self, generator: object) -> None:
        self._generator = generator
        self._hold = datetime(1, 1, 1, tzinfo=self)


def quarantined() -> tuple[Quarantined, ...]:
    """The generators that would not close, of all executions of this process."""
    return tuple(_QUARANTINE)


def discard(branch: Branch) -> list[str]:
    """Close a branch and all below it, deepest and youngest first; returns where code yielded while it was closed.

    Nobody is told of the effects that are made meanwhile.
    """
    complaints: list[str] = []
    token = MAKER.set(None)
    try:
        for each in reversed(_subtree(branch)):
            if not each.ended:
                each.ended = True
                each.wait = None
                complaints += _close(each.generator)
    finally:
        MAKER.reset(token)
    return complaints


def _subtree(branch: Branch) -> list[Branch]:
    """The branch and its descendants, parents first; with a list instead of recursion, as trees may be deep."""
    found = [branch]
    for each in found:
        found.extend((each.children or {}).values())
    return found


def _close(generator: Generator[Effect[Any], object, Any]) -> list[str]:
    complaints: list[str] = []
    for _ in range(CLOSES_MAX):
        try:
            generator.close()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if not _still_open(error):
                return complaints  # raised by the user's clean-up: the generator is closed, and no one is left to tell
            complaints.append(yield_site(generator))
        else:
            return complaints
    _QUARANTINE.append(Quarantined(yield_site(generator), generator))
    _Kept(generator)  # type: ignore[abstract]  # nobody asks it for a time zone
    return complaints


def _still_open(error: BaseException) -> bool:
    """Whether ``close`` failed because the generator yielded instead of ending."""
    return isinstance(error, RuntimeError) and "ignored GeneratorExit" in str(error)
