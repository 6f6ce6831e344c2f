"""The generator draws all that there is: a new effect, message or event that no program and no schedule shows fails here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import attrs
from hypothesis import Phase, given, settings

import refold
from property_tests import running
from property_tests.drawing import programs, schedules
from property_tests.programs import Node, Step, parts
from property_tests.schedules import Schedule, play
from refold import events as ev
from refold.author import Handle
from refold.declare import Activity
from refold.inbound import Query, Signal, Update
from refold.messages import MESSAGES
from refold.others import ChildWorkflowHandle, ExternalWorkflowHandle
from refold.scheduler import PERFORMERS

#: Written by whoever stores the history, behind its end, and by the kernel never.
NOT_OF_THE_KERNEL = {"MessageUndelivered"}


class EnoughError(Exception):
    """Everything has come up: no more examples are needed."""


@attrs.define
class Seen:
    """Names of what has come up."""

    steps: set[str] = attrs.field(factory=set)
    effects: set[str] = attrs.field(factory=set)
    messages: set[str] = attrs.field(factory=set)
    events: set[str] = attrs.field(factory=set)


ALL = Seen(
    steps={kind.__name__ for kind in Node.__subclasses__()},
    effects={kind.__name__ for kind in PERFORMERS},
    messages=set(MESSAGES),
    events=set(ev.event_kinds()) - NOT_OF_THE_KERNEL,
)


@contextmanager
def noting(performed: set[str]) -> Generator[None]:
    """Notes the names of the effects that are carried out."""
    before = dict(PERFORMERS)

    def noted(name: str, perform: Callable[..., Any]) -> Callable[..., Any]:
        def perform_and_note(*args: Any) -> Any:
            performed.add(name)
            return perform(*args)

        return perform_and_note

    PERFORMERS.update({kind: noted(kind.__name__, perform) for kind, perform in before.items()})
    try:
        yield
    finally:
        PERFORMERS.update(before)


@settings(max_examples=4_000, derandomize=True, database=None, phases=[Phase.generate])
@given(programs(), schedules())
def _draw(seen: Seen, program: Step, schedule: Schedule) -> None:
    with noting(seen.effects):
        conversation = play(program, schedule)
    seen.steps.update(type(part).__name__ for part in parts(program))
    seen.messages.update(type(each).__name__ for made in conversation.made for each in made.messages)
    seen.events.update(type(event).__name__ for event in conversation.history)
    if ALL == seen:
        raise EnoughError


def test_every_step_effect_message_and_event_comes_up_in_programs_and_schedules() -> None:
    """How many examples that takes varies; as a rule it is some hundreds."""
    seen = Seen()
    with suppress(EnoughError):
        _draw(seen)
    assert ALL == seen


def test_every_public_function_that_makes_an_effect_is_called_by_some_step() -> None:
    """By name: effects that share a class are told apart here."""
    public = {
        name
        for name in refold.__all__
        if inspect.isfunction(value := getattr(refold, name)) and value.__module__ in AUTHORS
    }
    assert {name for name in public if getattr(running, name, None) is not getattr(refold, name)} == set()
    assert {"sleep", "continue_as_new", "start_child_workflow"} <= public


def test_every_method_of_an_author_that_makes_an_effect_is_called_by_some_step() -> None:
    source = inspect.getsource(running)
    for cls, names in EFFECT_METHODS.items():
        public = {name for name, each in vars(cls).items() if name[0] != "_" and inspect.isfunction(each)}
        assert names <= public
        assert public - names <= HELPERS
        assert [] == [name for name in names if f".{name}(" not in source]


AUTHORS = {"refold.author", "refold.others"}
EFFECT_METHODS: dict[type, set[str]] = {
    Signal: {"receive", "handle"},
    Update: {"handle"},
    Query: {"answer"},
    Activity: {"local"},
    ChildWorkflowHandle: {"signal", "cancel"},
    ExternalWorkflowHandle: {"signal", "cancel"},
    Handle: set(),
}
#: Methods that make no effect.
HELPERS = {"encode", "decode", "options", "decode_input", "encode_answer", "decode_result", "running"}
