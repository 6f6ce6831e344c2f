"""Tells changed code what an unchanged run was told, and says in which turn it does something else.

This is the other opinion that replay is held against.  The changed code runs for the first time, live, and its events are compared here
with the recorded ones: nothing of the kernel's own comparison takes part.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import attrs

from refold import Execution, Failure, RefoldError, WorkflowDefinition
from refold import events as ev
from refold.unyielded import Recorder
from tests.recordings import Recording

#: What says where or how, and not what: a change of it is none of the workflow's behaviour.
_HINTS = frozenset({"source", "options", "value"})
#: What a run may have been given differently under the policy for inputs.
_INPUTS = frozenset(
    {
        *(
            "input",
            "fire_at",
            "result",
            "failure",
            "details",
            "unreceived",
            "reason",
            "memo",
            "search_attributes",
        ),
        *("task_queue", "run_timeout_us", "task_timeout_us", "backoff_us", "retry_policy", "carried"),
    }
)


@attrs.frozen
class Difference:
    """The first turn in which changed code does something else; ``code`` where it fails instead of doing anything."""

    turn: int
    code: str | None = None


def first_difference(
    definition: WorkflowDefinition[..., Any],
    recording: Recording,
    *,
    inputs: bool = True,
    watch: bool = False,
) -> Difference | None:
    """Where the code first does something else than the recording.

    With ``inputs`` the same commands with other arguments are something else, and with ``watch`` it is an error, as in any first run, to
    make an effect and never yield it; a replay does not look for that.
    """
    with Execution(definition) as run, nullcontext() if watch else _without_watch():
        run._run.patches = answers = Answers()
        for number, step in enumerate(recording.steps, 1):
            answers.known = {
                e.patch_id: True for e in recording.prefix(number) if isinstance(e, ev.MarkerRecorded)
            }
            recorded = [event for event in recording.history if event.turn == number]
            try:
                made = run.turn(*step.messages, at=step.at).events
            except RefoldError as error:
                return Difference(number, error.code)
            if behaviour(made, inputs=inputs) != behaviour(recorded, inputs=inputs):
                return Difference(number)
    return None


class Answers(dict[str, bool]):
    """Answers ``patched`` as a replay does: a patch that the recording has not come to yet was not there when it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str | None, bool] = {}

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self and key not in self.known:
            self[key] = False
        return super().get(key, default)


@contextmanager
def _without_watch() -> Generator[None]:
    """Effects that are made and never yielded are no error."""
    check = Recorder.check
    Recorder.check = lambda self: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Recorder.check = check  # type: ignore[method-assign]


def behaviour(events: Sequence[ev.HistoryEvent], *, inputs: bool) -> object:
    """What a turn did: its derived events in order, and, wherever they stand, the patches that it asked for."""
    derived = [event for event in events if not event.external]
    patches = [
        e.patch_id for e in derived if isinstance(e, ev.MarkerRecorded) and e.patch_id and not e.deprecated
    ]
    others = [event for event in derived if not (isinstance(event, ev.MarkerRecorded) and event.patch_id)]
    return sorted(patches), [_facts(event, inputs) for event in others]


def _facts(event: ev.HistoryEvent, inputs: bool) -> object:
    facts = {
        field.name: _plain(getattr(event, field.name))
        for field in attrs.fields(type(event))
        if field.name not in _HINTS and field.name != "event_id" and (inputs or field.name not in _INPUTS)
    }
    return type(event).__name__, repr(facts)


def _plain(value: object) -> object:
    if isinstance(value, Failure):
        return (value.kind, value.type, value.message, value.non_retryable, value.details)
    return list(value) if isinstance(value, tuple) else value
