"""What the lint looks for, by code.

One rule: a code never changes its meaning, since people write it into comments (``# noqa: RFL101``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


@frozen
class Rule:
    """One thing that workflow code must not do, and what to do instead where nothing better is known."""

    code: str
    title: str
    fix: str


@frozen
class Step:
    """A function on the way from a workflow to the place of a finding, and the line that the way goes on from."""

    function: str
    file: str
    line: int


@frozen
class Finding:
    """One mistake at one place; ``path`` is how workflow code gets there, and empty where it stands in the workflow itself."""

    file: str
    line: int
    column: int
    code: str
    message: str
    fix: str
    path: tuple[Step, ...] = ()


_ACTIVITY = "do it in an activity, and let the workflow have the result"

_RULES = (
    Rule("RFL001", "A file cannot be parsed", "mend the file; nothing in it was checked"),
    Rule("RFL101", "Workflow code reads a clock", "use `yield from now()`"),
    Rule("RFL102", "Workflow code draws random numbers", "use `(yield from random())`"),
    Rule(
        "RFL103",
        "Workflow code reads the environment of its process",
        "pass it as an argument, or read it once in `side_effect(...)`",
    ),
    Rule(
        "RFL104",
        "Workflow code uses id() or hash()",
        "use a key of your own: both differ from process to process",
    ),
    Rule("RFL201", "Workflow code touches files", _ACTIVITY),
    Rule("RFL202", "Workflow code uses the network or a database", _ACTIVITY),
    Rule("RFL203", "Workflow code starts processes", _ACTIVITY),
    Rule("RFL204", "Workflow code prints or logs", 'use `yield from log("...")`, which is silent on replay'),
    Rule(
        "RFL301", "Workflow code uses threads", "use `start(...)` or `all_of(...)` for what runs side by side"
    ),
    Rule(
        "RFL302",
        "Workflow code uses asyncio",
        "write a generator with `yield from`; `all_of`, `first_of` and `sleep` stand for gather, wait and sleep",
    ),
    Rule("RFL401", "Workflow code depends on the order of a set", "put it in order: `sorted(...)`"),
    Rule(
        "RFL402",
        "Workflow code uses a variable that outlives the run",
        "keep state in variables of the workflow, and pass it as an argument",
    ),
    Rule("RFL501", "An effect is made and not yielded", "write `yield from` before it"),
    Rule(
        "RFL502",
        "A yield where a run is put out of memory",
        "clean up in `except (FailureError, CancelledError)` or with `Saga`",
    ),
    Rule(
        "RFL503",
        "A request to stop is swallowed",
        "catch `Exception`, or `CancelledError` where stopping is to be handled, or end the block with `raise`",
    ),
)

#: All rules, in order of their codes.
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
