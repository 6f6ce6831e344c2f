"""What is for asyncio has what the classes that block have: every public name, with the same parameters and the types that belong to it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, get_overloads

import pytest

from refold_adapters import (
    ActivityHandle,
    AsyncActivityHandle,
    AsyncClient,
    AsyncStandaloneActivityHandle,
    AsyncWorkflowHandle,
    AsyncWorkflowUpdateHandle,
    Client,
    StandaloneActivityHandle,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

PAIRS: dict[type[Any], type[Any]] = {
    Client: AsyncClient,
    WorkflowHandle: AsyncWorkflowHandle,
    WorkflowUpdateHandle: AsyncWorkflowUpdateHandle,
    ActivityHandle: AsyncActivityHandle,
    StandaloneActivityHandle: AsyncStandaloneActivityHandle,
}
#: What clients and handles are to each other, and not to users.
PLUMBING: dict[type[Any], set[str]] = {
    Client: {"row", "send_update_with_start", "definition_of", "known_definition"},
    WorkflowHandle: {
        *("watch", "unwatch", "take_result", "current_row"),
        *("send_update", "started_update", "accepted_update", "look_for", "unwatch_update", "update_message"),
    },
    WorkflowUpdateHandle: {"watch", "unwatch", "take_result", "wait_for_answer"},
    StandaloneActivityHandle: {"take_result"},
}
#: A handle of one class becomes one of the other, and what is read page by page a list.
_RETURNS = {
    "Self": "AsyncWorkflowHandle[R_co]",
    "Iterator[RunRow]": "Rows",
    **{blocking.__name__: awaited.__name__ for blocking, awaited in PAIRS.items()},
}


def public(cls: type[Any]) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def for_asyncio(returned: str) -> str:
    """What an annotation of what blocks is for asyncio."""
    name, bracket, rest = returned.partition("[")
    return _RETURNS.get(returned) or _RETURNS.get(name, name) + bracket + rest


def shapes(method: Callable[..., Any], translate: Callable[[str], str]) -> list[object]:
    """Its overloads, or the one signature that it has: names, kinds, defaults and types."""
    found: list[object] = []
    for each in get_overloads(method) or [method]:
        signature = inspect.signature(each)
        parameters = [
            (one.name, one.kind, one.default, one.annotation)
            for one in signature.parameters.values()
            if one.name != "self"
        ]
        found.append((parameters, translate(str(signature.return_annotation))))
    return found


def methods() -> list[tuple[type[Any], str]]:
    return [
        (blocking, name)
        for blocking in PAIRS
        for name in sorted(public(blocking) - PLUMBING.get(blocking, set()))
        if inspect.isfunction(getattr(blocking, name))
    ]


@pytest.mark.parametrize("blocking", PAIRS, ids=lambda cls: cls.__name__)
def test_every_public_name_is_there_for_asyncio_and_no_other(blocking: type[Any]) -> None:
    assert public(blocking) - PLUMBING.get(blocking, set()) == public(PAIRS[blocking])


@pytest.mark.parametrize(("blocking", "name"), methods(), ids=lambda part: getattr(part, "__name__", part))
def test_parameters_and_types_are_those_of_what_blocks(blocking: type[Any], name: str) -> None:
    theirs, ours = getattr(blocking, name), getattr(PAIRS[blocking], name)

    assert shapes(theirs, for_asyncio) == shapes(ours, str)
    assert inspect.signature(theirs).parameters.keys() == inspect.signature(ours).parameters.keys()
    assert (ours.__doc__ or "").strip()


def test_only_what_asks_no_store_is_not_awaited() -> None:
    at_once = {
        (blocking.__name__, name)
        for blocking, name in methods()
        if not inspect.iscoroutinefunction(getattr(PAIRS[blocking], name))
    }

    assert {("Client", "handle"), ("Client", "activity"), ("Client", "get_activity_handle")} == at_once


def test_attributes_of_handles_are_there_for_asyncio() -> None:
    for blocking, awaited in PAIRS.items():
        given, kept = (
            set(re.findall(r"self\.([a-z]\w*)\b.* = ", inspect.getsource(cls.__init__)))
            for cls in (blocking, awaited)
        )
        assert given - {"store", "registry", "identity", "closings", "sender"} == kept, blocking


def test_a_difference_would_be_found() -> None:
    class Blocking:
        def call(self, one: int, *, two: str = "") -> None: ...

    class Drifted:
        async def call(self, one: int, *, two: str | None = None) -> None: ...

    class Narrowed:
        async def call(self, one: int) -> None: ...

    for other in (Drifted, Narrowed):
        assert shapes(Blocking.call, for_asyncio) != shapes(other.call, str)
