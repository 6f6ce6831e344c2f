"""What a reset undoes beside the run itself: the runs that went on where it ended, and the children that it started too late.

One rule: whatever is to be open no more when the new run begins is found here, with all that it has started in its turn, so that it is
ended in the commit of the reset and nothing of it stands in the way of what is started anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from refold import ParentClosePolicy
from refold import events as ev
from refold import messages as ms
from refold.codec import decode_events, decode_message
from refold_adapters.operating.administration import terminating
from refold_adapters.operating.copying import runs_of_chain
from refold_adapters.operating.inspection import read_history
from refold_adapters.operating.retelling import said_again, told_again
from refold_adapters.ports import CommitTurn, RunRow, Store
from refold_adapters.turns.other_runs import child_of
from refold_adapters.turns.results import next_run_of


def open_run(store: Store, row: RunRow) -> RunRow | None:
    """The open run of the workflow id."""
    latest = store.find_run(row.workflow_id)
    return None if latest is None or latest.closed_at is not None else latest


@attrs.frozen
class Later:
    """A run that went on where another one ended."""

    row: RunRow
    history: Sequence[ev.HistoryEvent]
    #: What was said to it, but for what the run before it handed on.
    said: Sequence[ms.Message]


def later_runs(store: Store, row: RunRow) -> list[Later]:
    """The runs that went on where this one ended, by continue-as-new and retry, in order."""
    later: list[Later] = []
    closing = row.closing_event
    while closing is not None and (run_id := next_run_of(closing)) is not None:
        following = store.find_run(row.workflow_id, run_id)
        if following is None:
            break  # it was deleted
        inbox = store.list_inbox(run_id)  # before the history: what a turn takes in between is in both
        history = read_history(store, run_id)
        unread = [decode_message(message.data) for message in inbox]
        said = said_again([*told_again(history), *unread], ())
        later.append(Later(following, history, said[_handed_on(closing) :]))
        closing = following.closing_event
    return later


def _handed_on(closing: bytes) -> int:
    """How many of the first messages of the next run were in the history of the run that ended so."""
    (closed,) = decode_events(closing)
    if isinstance(closed, ev.WorkflowExecutionContinuedAsNew):
        return len(closed.carried)
    return len(getattr(closed, "unreceived", ()))


def without(commit: CommitTurn, children: Collection[str], *, answers: bool) -> CommitTurn:
    """The write without what it tells these children, by their first runs, and with ``answers`` without what it tells its parent."""
    kept = [
        relay
        for relay in commit.relays
        if getattr(relay.write, "first_run_id", None) not in children
        and not (answers and getattr(relay.write, "answers", None) is not None)
    ]
    return attrs.evolve(commit, relays=kept)


@attrs.define
class Undone:
    """Children that are started no more, and what they have started in their turn."""

    #: By workflow id, the first run of each; of two, that of the later one.
    first_runs: dict[str, str] = attrs.field(factory=dict[str, str])
    #: Those that are to be ended.
    open: list[RunRow] = attrs.field(factory=list[RunRow])

    def add(self, store: Store, workflow_id: str, first_run_id: str) -> None:
        """A child, and those of its own that do not outlive it."""
        for row in runs_of_chain(store, workflow_id, first_run_id):  # none where it could not be started
            self.first_runs[workflow_id] = first_run_id
            if row.closed_at is None:
                self.open.append(row)
            self.add_children(store, read_history(store, row.run_id))

    def add_children(
        self, store: Store, history: Sequence[ev.HistoryEvent], but: Collection[str] = ()
    ) -> None:
        """The children of a run that do not outlive it."""
        for first_run_id, event in children_in(history):
            policy = (event.options or {}).get("parent_close_policy", ParentClosePolicy.TERMINATE)
            if first_run_id not in but and ParentClosePolicy(policy) is ParentClosePolicy.TERMINATE:
                self.add(store, event.workflow_id, first_run_id)

    def ends(self, store: Store, identity: str) -> list[CommitTurn]:
        """The writes that end the open ones: there is no command any more that they could answer."""
        reason = "its parent was reset to before its start"
        return [
            without(
                terminating(store, row, reason=reason, identity=identity),
                self.first_runs.values(),
                answers=True,
            )
            for row in self.open
        ]


def children_in(
    history: Sequence[ev.HistoryEvent],
) -> list[tuple[str, ev.StartChildWorkflowExecutionInitiated]]:
    """The children that a run has asked for, with the id of the first run of each."""
    if not history:
        return []
    began = history[0]
    assert isinstance(began, ev.WorkflowExecutionStarted)
    return [
        (child_of(began, event.seq), event)
        for event in history
        if isinstance(event, ev.StartChildWorkflowExecutionInitiated)
    ]
