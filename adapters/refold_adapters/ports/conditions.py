"""Conditions on runs, as a tree of values: what a store is asked to find runs by.

One rule: a comparison with a value that is not there is false, and ``Not`` turns it into true; there is no third truth value.  Texts
are compared by code points, numbers by value, times as microseconds since the epoch; a text stands in no relation to a number.
A tree says only what is to hold: where it came from (a query text, arguments) and how a store finds out (SQL, a loop) is not its
business.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

import attrs

from refold.value import Value

Scalar: TypeAlias = str | int | float


class Column(str, Enum):
    """What every run has; the value is the name of the field of ``RunRow``, where None says that it is not there."""

    WORKFLOW_ID = "workflow_id"
    RUN_ID = "run_id"
    WORKFLOW_TYPE = "workflow_type"
    TASK_QUEUE = "task_queue"
    STATUS = "status"
    BUILD_ID = "build_id"
    STARTED_AT = "started_at"
    CLOSED_AT = "closed_at"
    PAUSED_AT = "paused_at"
    PARKED_AT = "parked_at"
    PARKED_KIND = "parked_kind"
    PARKED_LINE = "parked_line"
    EVENTS = "last_event_id"
    HISTORY_BYTES = "history_bytes"


class TermKind(str, Enum):
    """How the values of a search attribute are compared."""

    #: As whole texts.
    TEXT = "text"
    #: Single words of a text, in lower case.
    WORD = "word"
    NUMBER = "number"
    #: 0 or 1.
    BOOL = "bool"
    #: Microseconds since the epoch.
    TIME = "time"


@attrs.frozen(eq=False, repr=False)
class Term(Value):
    """One value that a run is found by, under the name of a search attribute; a list of keywords makes several."""

    name: str
    kind: TermKind
    value: Scalar


@attrs.frozen(eq=False, repr=False)
class Attribute(Value):
    """A search attribute, as far as its values are of that kind (of any kind, if None); it may have several."""

    name: str
    kind: TermKind | None = None


Subject: TypeAlias = Column | Attribute


class Operator(str, Enum):
    """How two values are compared."""

    EQUAL = "="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@attrs.frozen(eq=False, repr=False)
class Compare(Value):
    """The value, or one of its values, stands in that relation to ``value``."""

    subject: Subject
    operator: Operator
    value: Scalar


@attrs.frozen(eq=False, repr=False)
class StartsWith(Value):
    """The text, or one of them, begins with ``prefix``."""

    subject: Subject
    prefix: str


@attrs.frozen(eq=False, repr=False)
class IsNull(Value):
    """It has no value."""

    subject: Subject


@attrs.frozen(eq=False, repr=False)
class Not(Value):
    """The condition does not hold."""

    condition: Condition


@attrs.frozen(eq=False, repr=False)
class AllOf(Value):
    """All conditions hold; with none, always."""

    conditions: Sequence[Condition]


@attrs.frozen(eq=False, repr=False)
class AnyOf(Value):
    """At least one condition holds; with none, never."""

    conditions: Sequence[Condition]


Condition: TypeAlias = Compare | StartsWith | IsNull | Not | AllOf | AnyOf


def prefix_end(prefix: str) -> str | None:
    """The first text, by code points, after all that begin with ``prefix``; None if there is none."""
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last < 0x10FFFF:
            # Surrogates are no characters: no text that can be stored has one.
            return prefix[: length - 1] + chr(0xE000 if last == 0xD7FF else last + 1)
    return None
