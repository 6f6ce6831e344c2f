"""Programs as values: trees of every effect.

A program is plain data, so it can be drawn at random, made smaller, printed, changed in one place, and pasted into a regression test.
``running`` gives each kind of step its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import attrs


class Node:
    """Base of all steps: prints as the expression that makes it."""

    def __repr__(self) -> str:
        fields = list(attrs.fields(type(self)))
        while fields and getattr(self, fields[-1].name) is fields[-1].default:
            fields.pop()
        values = (getattr(self, field.name) for field in fields)
        return f"{type(self).__name__}({', '.join(map(repr, values))})"


@attrs.frozen(repr=False)
class Act(Node):
    """An activity; its name decides how it is cancelled (see ``running.ACTIVITIES``).

    ``how`` it is called: by its declaration, ``locally``, or ``by name``.
    """

    name: str
    label: int = 0
    how: str = ""


@attrs.frozen(repr=False)
class Timer(Node):
    seconds: int


@attrs.frozen(repr=False)
class Receive(Node):
    """Take the next signal; signals ``a`` and ``b`` are received, ``x`` and ``y`` handled."""

    signal: str


@attrs.frozen(repr=False)
class Handled(Node):
    """Handle a signal from now on: by a plain function, or by one that goes on with ``body``."""

    signal: str
    body: Step | None = None
    abandon: bool = False


@attrs.frozen(repr=False)
class Answered(Node):
    """Handle an update from now on, as ``Handled`` does a signal; its validator refuses every third payload."""

    update: str
    body: Step | None = None
    abandon: bool = False


@attrs.frozen(repr=False)
class AllHandled(Node):
    """Wait until no handler is at work: only ever at the end of a program, as a handler must not."""


@attrs.frozen(repr=False)
class Until(Node):
    """Wait until handlers have seen at least so many signals."""

    signal: str
    least: int
    timeout: int | None = None


@attrs.frozen(repr=False)
class Compute(Node):
    """A recorded side effect."""

    value: int


@attrs.frozen(repr=False)
class Ask(Node):
    """One of the small questions (see ``running.QUESTIONS``)."""

    what: str


@attrs.frozen(repr=False)
class Patch(Node):
    """Take ``then`` where patched, else ``otherwise``; where that is None, the patch is deprecated."""

    patch_id: str
    then: Step
    otherwise: Step | None


@attrs.frozen(repr=False)
class Deprecate(Node):
    patch_id: str


@attrs.frozen(repr=False)
class Fail(Node):
    type: str


@attrs.frozen(repr=False)
class Seq(Node):
    steps: tuple[Step, ...]


@attrs.frozen(repr=False)
class Gather(Node):
    """A combinator; a step that is an effect goes in as it is, any other as a generator."""

    how: str
    steps: tuple[Step, ...]
    #: ``closely`` or ``loosely``: all steps go in as generators, and it is compared with how they end (see ``watching``).
    watched: str = ""


@attrs.frozen(repr=False)
class Begin(Node):
    """Start a step and keep its handle under a key that all branches share."""

    key: str
    step: Step


@attrs.frozen(repr=False)
class Join(Node):
    key: str


@attrs.frozen(repr=False)
class Stop(Node):
    key: str


@attrs.frozen(repr=False)
class Beside(Node):
    """Start a step, take another, then join the first."""

    started: Step
    own: Step


@attrs.frozen(repr=False)
class Shielded(Node):
    step: Step


@attrs.frozen(repr=False)
class Within(Node):
    seconds: int
    step: Step


@attrs.frozen(repr=False)
class Guard(Node):
    """``try`` a step, ``except`` failures, cancellation or both: clean up, then raise it again or go on."""

    step: Step
    catches: str
    cleanup: Step | None
    reraise: bool


@attrs.frozen(repr=False)
class Finally(Node):
    step: Step
    cleanup: Step | None


@attrs.frozen(repr=False)
class Compensated(Node):
    """A saga: steps with the labels of their compensations, then a step; on failure or cancellation all is undone."""

    done: tuple[tuple[Step, int], ...]
    then: Step


@attrs.frozen(repr=False)
class Sub(Node):
    """A workflow inside: by ``yield from``, or yielded as it is (``bare``); as a step of a combinator, a generator or a ``Routine``."""

    step: Step
    bare: bool


@attrs.frozen(repr=False)
class Child(Node):
    """A child workflow until it has ended; ``how`` is its cancellation type."""

    how: str
    label: int = 0


@attrs.frozen(repr=False)
class Spawn(Node):
    """A child workflow until it has started; its handle is kept under a key, like that of a step."""

    key: str
    how: str
    label: int = 0


@attrs.frozen(repr=False)
class Send(Node):
    """A message to another run: ``signal`` or ``cancel``."""

    what: str
    label: int = 0


@attrs.frozen(repr=False)
class Tell(Node):
    """A signal to the child under a key, if there is one."""

    key: str
    label: int = 0


@attrs.frozen(repr=False)
class Memo(Node):
    """Change the memo, or with ``indexed`` a search attribute."""

    value: int
    indexed: bool = False


@attrs.frozen(repr=False)
class Renew(Node):
    """Continue as new; ``how`` says as what (see ``running.RENEWALS``)."""

    how: str = "same"


Step: TypeAlias = (
    Act
    | Child
    | Spawn
    | Send
    | Tell
    | Memo
    | Renew
    | Timer
    | Receive
    | Handled
    | Answered
    | AllHandled
    | Until
    | Compute
    | Ask
    | Patch
    | Deprecate
    | Fail
    | Seq
    | Gather
    | Begin
    | Join
    | Stop
    | Beside
    | Shielded
    | Within
    | Guard
    | Finally
    | Compensated
    | Sub
)


def parts(step: Step) -> Iterator[Step]:
    """A step and all steps inside it, outermost first."""
    yield step
    for field in attrs.fields(type(step)):
        value = getattr(step, field.name)
        if isinstance(value, Node):
            yield from parts(value)  # type: ignore[arg-type]
        elif isinstance(value, tuple):
            for item in value:
                yield from parts(item[0] if isinstance(item, tuple) else item)
