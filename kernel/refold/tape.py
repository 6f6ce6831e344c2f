"""Where derived events are written, or, on replay, compared with those written before.

One rule: whatever a workflow does passes through ``record`` (or ``schedule``, its fast twin for activities), which numbers it, folds it
into the ledger and returns the event: a new one in a live turn, the recorded one on replay.  So a replayed turn has the recorded
events by construction, and anything else is a divergence in that very turn.

Patch markers are matched by id, not by position: they are passed over wherever they stand, and those that no one has asked for by the
end of their turn are a divergence, unless they are deprecated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from refold import events as ev
from refold.divergence import (
    EVENTS_SHOWN,
    FAILURE_FACTS,
    Divergence,
    InputPolicy,
    Produced,
    Waits,
    difference,
    sentence,
)
from refold.evolve import apply, check_position, corrupt
from refold.failures import Failure
from refold.payloads import Plain, encode
from refold.state import Ledger

#: Fields that must agree whatever the policy, and fields that are compared under the policy for inputs.
_COMPARED: dict[type[ev.HistoryEvent], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ev.ActivityTaskScheduled: (("seq", "branch", "activity_type"), ("input",)),
    ev.ActivityTaskCancelRequested: (("seq", "branch"), ()),
    ev.TimerStarted: (("seq", "branch"), ("fire_at",)),
    ev.TimerCanceled: (("seq", "branch"), ()),
    ev.MarkerRecorded: (("seq", "branch", "marker_name"), ()),
    ev.StartChildWorkflowExecutionInitiated: (("seq", "branch", "workflow_type", "workflow_id"), ("input",)),
    ev.SignalExternalWorkflowExecutionInitiated: (
        ("seq", "branch", "signal_name", "workflow_id", "run_id", "child_seq"),
        ("input",),
    ),
    ev.RequestCancelExternalWorkflowExecutionInitiated: (
        ("seq", "branch", "workflow_id", "run_id", "child_seq"),
        ("reason",),
    ),
    ev.ExternalWorkflowCommandCanceled: (("seq", "branch"), ()),
    ev.WorkflowPropertiesModified: (("seq", "branch"), ("memo",)),
    ev.UpsertWorkflowSearchAttributes: (("seq", "branch"), ("search_attributes",)),
    ev.WorkflowExecutionUpdateCompleted: (("update_id",), ("result", "failure")),
    ev.WorkflowExecutionCompleted: ((), ("result", "unreceived")),
    ev.WorkflowExecutionFailed: ((), ("failure", "unreceived")),
    ev.WorkflowExecutionCanceled: ((), ("details", "unreceived")),
    ev.WorkflowExecutionContinuedAsNew: (
        ("workflow_type",),
        (
            *("input", "task_queue", "run_timeout_us", "task_timeout_us", "backoff_us", "retry_policy"),
            *("memo", "search_attributes", "carried"),
        ),
    ),
}

_ATOMS = frozenset({int, str, bool, float, type(None)})


class Tape:
    """The derived events of the turn being made or replayed."""

    __slots__ = (
        "at",
        "history",
        "history_bytes",
        "ledger",
        "length_before",
        "passed",
        "policy",
        "pos",
        "turn",
        "warnings",
        "written",
    )

    def __init__(self, ledger: Ledger, policy: InputPolicy) -> None:
        self.ledger = ledger
        self.policy = policy
        self.turn = 0
        self.at = 0
        #: Events recorded before this turn.
        self.length_before = 0
        #: Their size as they are stored, in a live turn, where whoever stores them says so.
        self.history_bytes = 0
        #: The stretch of history being replayed, or None in a live turn; ``pos`` is the place of the next event to compare with.
        self.history: Sequence[ev.HistoryEvent] | None = None
        self.pos = 0
        #: Events of the live turn, external ones included.
        self.written: list[ev.HistoryEvent] = []
        self.warnings: list[str] = []
        #: Patch markers of the recorded turn that were passed over.
        self.passed: list[ev.MarkerRecorded] = []

    # Writing --------------------------------------------------------------------------------------------------------

    def record(self, kind: type[ev.HistoryEvent], fields: dict[str, Any], site: Callable[[], str]) -> Any:
        """Write a derived event, or match it with the recorded one; ``site`` tells the line that asked for it, if it is needed."""
        if self.history is not None:
            event = self._match(kind, fields, site)
        else:
            if source := site():
                fields["source"] = source
            event = kind(self.ledger.last_event_id + 1, self.turn, self.at, **fields)
            self.written.append(event)
        apply(self.ledger, event)
        return event

    def recorded_activity(
        self, branch: int, name: str, args: tuple[Any, ...]
    ) -> ev.ActivityTaskScheduled | None:
        """The recorded event if it plainly is this activity, folded; None leaves it to ``record``, which says all there is to say."""
        history = self.history
        pos = self.pos
        if history is None or pos >= len(history):
            return None
        event = history[pos]
        ledger = self.ledger
        if (
            type(event) is ev.ActivityTaskScheduled
            and event.turn == self.turn
            and event.activity_type == name
            and event.branch == branch
            and event.seq == ledger.last_seq + 1
            and _same_atoms(event.input, args)
        ):
            self.pos = pos + 1
            apply(ledger, event)
            return event
        return None

    # Replaying ------------------------------------------------------------------------------------------------------

    def _upcoming(self) -> ev.HistoryEvent | None:
        """The recorded derived event that is next in this turn, past patch markers."""
        history = self.history
        assert history is not None
        while self.pos < len(history):
            event = history[self.pos]
            if event.turn != self.turn or event.external:
                return None
            if not (isinstance(event, ev.MarkerRecorded) and event.patch_id is not None):
                return event
            apply(self.ledger, event)
            self.passed.append(event)
            self.pos += 1
        return None

    def _match(
        self, kind: type[ev.HistoryEvent], fields: dict[str, Any], site: Callable[[], str]
    ) -> ev.HistoryEvent:
        recorded = self._upcoming()
        if recorded is None:
            raise self.diverged(
                None, Produced(kind.__name__, fields, site()), "The code goes on where its history does not."
            )
        if recorded.__class__ is not kind:
            raise self.diverged(
                recorded, Produced(kind.__name__, fields, site()), "They are different commands."
            )
        always, by_policy = _COMPARED[kind]
        for name in always:
            if getattr(recorded, name) != fields[name]:
                reason = sentence(name, getattr(recorded, name), fields[name])
                raise self.diverged(recorded, Produced(kind.__name__, fields, site()), reason)
        for name in by_policy:
            if not _same(getattr(recorded, name), fields.get(name)):
                self._inputs_differ(recorded, Produced(kind.__name__, fields, site()), name)
        self.pos += 1
        return recorded

    def _inputs_differ(self, recorded: ev.HistoryEvent, produced: Produced, name: str) -> None:
        part = difference(name, getattr(recorded, name), produced.fields.get(name))
        assert part is not None, "the tape and the report agree on what is the same"
        found = self.diverged(recorded, produced, sentence(*part))
        if self.policy is InputPolicy.STRICT:
            raise found
        self.warnings.append(str(found))

    def patch_recorded(self, patch_id: str) -> bool:
        """Whether this turn of the history holds the marker of a patch."""
        history = self.history
        assert history is not None
        if patch_id in self.ledger.patches:
            return True
        for pos in range(self.pos, len(history)):
            event = history[pos]
            if event.turn != self.turn:
                break
            if isinstance(event, ev.MarkerRecorded) and event.patch_id == patch_id:
                return True
        return False

    def end_turn(self, asked: dict[str, bool], waits: Callable[[], Waits]) -> None:
        """Raise unless the recorded turn is used up, and every patch it holds was asked for (``asked``) by now.

        ``waits`` tells where the code is instead, if that is needed.
        """
        left = self._upcoming()
        if left is not None:
            raise self.diverged(left, None, "The history goes on where the code does not.", waits=waits())
        if self.passed:
            passed, self.passed = self.passed, []
            for marker in passed:
                if not marker.deprecated and not asked.get(marker.patch_id or ""):
                    raise self.diverged(
                        marker,
                        None,
                        f"Nothing asks for patch {marker.patch_id!r} any more; deprecate it first.",
                        waits=waits(),
                        fix=f"keep deprecate_patch({marker.patch_id!r}) in its place until no open run has asked for the patch",
                    )

    def diverged(
        self, recorded: ev.HistoryEvent | None, produced: Produced | None, reason: str, **more: Any
    ) -> Any:
        """The error for two sides that do not agree, unless the history has a gap there that explains it."""
        history = self.history
        assert history is not None
        place = self.pos
        if place < len(history):
            check_position(self.ledger, history[place])
            if history[place].turn != self.turn and not history[place].external:
                raise corrupt(history[place], "a turn begins with what came from outside")
        if recorded is not None:
            place = recorded.event_id - history[0].event_id
        return Divergence(
            started=self.ledger.started,
            turn=self.turn,
            event_id=self.ledger.last_event_id if recorded is None else recorded.event_id,
            recorded=recorded,
            produced=produced,
            before=tuple(history[max(0, place - EVENTS_SHOWN) : place]),
            reason=reason,
            **more,
        ).error()


def _same_atoms(recorded: Sequence[Plain], args: tuple[Any, ...]) -> bool:
    """Whether arguments that need no encoding are those recorded; False where that cannot be told so simply."""
    if len(recorded) != len(args):
        return False
    place = 0
    for new in args:
        old = recorded[place]
        place += 1  # noqa: SIM113 - at every step of every replay, where zip() and enumerate() take twice as long
        kind = new.__class__
        if kind is not old.__class__ or old != new or kind not in _ATOMS:
            return False
    return True


def _same(recorded: Any, produced: Any) -> bool:
    """Whether plain data is the same, types included: True is not 1, nor is 1 the same as 1.0."""
    if isinstance(recorded, list | tuple) and isinstance(produced, list | tuple):
        old, new = cast("Sequence[Plain]", recorded), cast("Sequence[Plain]", produced)
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(recorded, dict) and isinstance(produced, dict):
        before, now = cast("dict[str, Plain]", recorded), cast("dict[str, Plain]", produced)
        return before.keys() == now.keys() and all(_same(value, now[key]) for key, value in before.items())
    if isinstance(recorded, Failure) and isinstance(produced, Failure):
        return all(_same(getattr(recorded, name), getattr(produced, name)) for name in FAILURE_FACTS)
    return type(cast(object, recorded)) is type(cast(object, produced)) and bool(recorded == produced)


def encoded(args: tuple[Any, ...]) -> list[Plain]:
    """Arguments as plain data."""
    return [encode(value) for value in args]
