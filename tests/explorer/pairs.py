"""Two things that a workflow can wait for, combined in each way: the workflows that are searched exhaustively.

A *pair* is the name of a combinator and of two kinds of waits.  All pairs are one workflow, whose arguments say which it is, so that a
history says it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations_with_replacement
from typing import Any

from refold import (
    ActivityCancellationType,
    ApplicationError,
    CancelledError,
    Query,
    Signal,
    Update,
    Workflow,
    activity,
    all_of,
    all_settled,
    any_of,
    execute_activity,
    execute_child_workflow,
    external_workflow,
    first_of,
    shield,
    sleep,
    start,
    start_child_workflow,
    wait_until,
    with_timeout,
    workflow,
)
from refold.messages import Message
from refold_adapters.testing import cancel, signal, update
from refold_adapters.testing.scope import Scope

WAITS = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED

note = Signal("note", str)
bell = Signal("bell")
rise = Update("rise", int, result_type=int)
seen = Query("seen", list[str])


@activity
def work(side: str) -> str:
    raise NotImplementedError


class Heard:
    """What the handlers of a run have heard, and what its code has received."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.level = 0

    def ring(self) -> None:
        self.taken.append("bell")

    def raised(self, by: int) -> int:
        self.level += by
        return self.level

    def receive(self) -> Workflow[str]:
        text = yield from note.receive()
        self.taken.append("note")
        return text


def _twice(side: str) -> Workflow[str]:
    first = yield from work(side)
    yield from sleep(timedelta(minutes=1))
    return first


def _started(side: str) -> Workflow[str]:
    handle = yield from start(work(side))
    return (yield from handle)


def _child_and_its_end(side: str) -> Workflow[str]:
    child = yield from start_child_workflow("kid", side, result_type=str, id=f"kid-{side}")
    return (yield from child)


#: What can be waited for, by name: the step, made for one side of the pair.
KINDS: dict[str, Callable[[str, Heard], Any]] = {
    "activity": lambda side, heard: work(side),
    "by name": lambda side, heard: execute_activity("work", side, cancellation_type=WAITS),
    "timer": lambda side, heard: sleep(timedelta(hours=1 if side == "left" else 2)),
    "child": lambda side, heard: execute_child_workflow("kid", side, result_type=str, id=f"kid-{side}"),
    "child's start": lambda side, heard: _child_and_its_end(side),
    "signal": lambda side, heard: heard.receive(),
    "handled": lambda side, heard: wait_until(lambda: "bell" in heard.taken),
    "update": lambda side, heard: wait_until(lambda: heard.level > 0),
    "handle": lambda side, heard: _started(side),
    "shielded": lambda side, heard: shield(work(side)),
    "in time": lambda side, heard: with_timeout(work(side), timedelta(minutes=5)),
    "message": lambda side, heard: external_workflow("other").signal(note, side),
    "request": lambda side, heard: external_workflow("other").cancel(),
    "two steps": lambda side, heard: _twice(side),
}


def _one_by_one(left: Any, right: Any) -> Workflow[list[object]]:
    first = yield from left
    second = yield from right
    return [first, second]


#: How two steps are combined.
COMBINATORS: dict[str, Callable[[Any, Any], Any]] = {
    "first_of": first_of,
    "all_of": all_of,
    "any_of": any_of,
    "all_settled": all_settled,
    "one by one": _one_by_one,
}


@workflow
def pair(how: str, left: str, right: str) -> Workflow[str]:
    """Wait for two things; whoever is cancelled cleans up."""
    heard = Heard()
    yield from seen.answer(lambda: heard.taken)
    yield from bell.handle(heard.ring)
    yield from rise.handle(heard.raised)
    try:
        answer = yield from COMBINATORS[how](KINDS[left]("left", heard), KINDS[right]("right", heard))
    except CancelledError:
        yield from shield(work("clean up"))
        raise
    return repr(answer)


def scope_of(how: str, left: str, right: str) -> Scope:
    """All that can happen to a pair: each activity and child succeeds or fails, and clients send what it listens to, and cancel it."""
    kinds = (left, right)
    messages: list[Message] = [signal(note, "m"), cancel()]
    messages += [signal(note, "n")] * (kinds.count("signal") > 1)
    messages += [signal(bell)] * ("handled" in kinds)
    messages += [update(rise, 1)] * ("update" in kinds)
    outcomes = {work: ["done", ApplicationError("no")], "kid": ["grown", ApplicationError("no")]}
    return Scope.of(pair, [how, left, right], outcomes=outcomes, messages=messages, faults=False)


def pairs() -> Iterator[tuple[str, str]]:
    """Each two kinds, those that are one kind twice among them."""
    return combinations_with_replacement(KINDS, 2)
