"""Ending runs that are to end whatever their code does: because their time is up, or because somebody who closed wants it so.

Whoever looks may do it: a worker of any queue, or a client that is asked about the run.  So a run ends in time also where nobody serves
its queue, its code is not known, it is parked or paused, or a turn of it does not come back.

One rule: a run that is in good hands is left to them, as they can show its code first what came before its time was up.
"""

from __future__ import annotations

import logging

import attrs

from refold import ExecutionState, RefoldError, Turn, decide_turn, evolve, fold
from refold.carry import next_run
from refold.codec import decode_message
from refold.events import HistoryEvent
from refold.messages import (
    CancelWorkflow,
    Message,
    SignalWorkflow,
    StartWorkflow,
    TerminateWorkflow,
    TimeOutWorkflow,
    UpdateWorkflow,
)
from refold_adapters.operating.inspection import read_history
from refold_adapters.ports import Committed, CommitTurn, RunRow, Store
from refold_adapters.random_ids import random_hex
from refold_adapters.runtime_errors import WorkflowClosedError
from refold_adapters.store_errors import StoreError
from refold_adapters.turns.acceptances import undelivered_events
from refold_adapters.turns.other_runs import next_of, relays_of
from refold_adapters.turns.turn_writes import commit_of

logger = logging.getLogger("refold.worker")

#: How long a run whose time is up is left to a worker of its queue that may be about to claim it.
GRACE_US = 10_000_000
_PAGE = 100
#: What people and other runs have said.
_SAID = (SignalWorkflow, CancelWorkflow, UpdateWorkflow)


def ending_turn(store: Store, row: RunRow, order: TerminateWorkflow | TimeOutWorkflow) -> CommitTurn:
    """The write that ends a run from outside, as it stands now; what it was told and has not heard is recorded as undelivered.

    Raises RF5103 where it has closed since ``row`` was read.
    """
    inbox = store.list_inbox(row.run_id)
    state = fold(read_history(store, row.run_id))
    if state.closed is not None:
        raise WorkflowClosedError(row.workflow_id, row.run_id, state.status.value)
    messages = {message.message_id: decode_message(message.data) for message in inbox}
    events: list[HistoryEvent] = []
    if state.started is None:  # it has had no turn yet: its history begins and ends here
        starts = [message for message in messages.values() if isinstance(message, StartWorkflow)]
        events = decide_turn(state, starts[:1], at=store.clock.now_us())
    after = state
    for event in events:
        after = evolve(after, event)
    (closed,) = decide_turn(after, [order], at=max(store.clock.now_us(), state.at))
    closed = attrs.evolve(closed, turn=state.turn + 1)
    after = evolve(after, closed)
    assert after.started is not None
    said = [message for message in inbox if isinstance(messages[message.message_id], _SAID)]
    following = next_run(after)
    go_on = [messages[each.message_id] for each in said]
    if following is not None:  # it is told what this run has not heard
        said = []
    turn = turn_from_outside(state, [*events, closed], closed)
    turn = attrs.evolve(turn, next=following)
    return commit_of(
        turn,
        token=0,
        run_id=row.run_id,
        turn_token=random_hex(),
        task_queue=row.task_queue,
        consumed=[message.message_id for message in inbox],
        undelivered=undelivered_events(turn, said),
        next=None if following is None else next_of(following, turn.at, go_on),
        relays=relays_of(turn, after.started, after.orphans),
    )


def turn_from_outside(state: ExecutionState, events: list[HistoryEvent], closed: HistoryEvent | None) -> Turn:
    """A turn that no code has made."""
    return Turn(
        number=state.turn + 1,
        at=events[-1].at,
        length_before=state.last_event_id,
        events=tuple(events),
        commands=(),
        logs=(),
        complaints=(),
        closed=closed,
    )


def ends_others(commit: CommitTurn) -> bool:
    """Whether a commit wants other runs to be ended."""
    return any(getattr(relay.write, "ends", False) for relay in commit.relays)


def end_due_runs(store: Store) -> list[RunRow]:
    """End the runs that are to end and are in nobody's hands, and those that are to end because of that; returns them, closed."""
    ended: list[RunRow] = []
    while True:
        found = [_end_or_complain(store, row) for row in store.list_ending(_PAGE)]
        closed = [row for row in found if row.closed_at is not None]
        ended += closed
        if not closed:
            return ended


def _end_or_complain(store: Store, row: RunRow) -> RunRow:
    """A run that cannot be ended, as its history cannot be read, keeps no other from being ended."""
    try:
        return end_if_due(store, row)
    except RefoldError as error:
        if isinstance(error, StoreError) and error.code != "RF5007":
            raise
        logger.warning("workflow %s cannot be ended: %s", row.workflow_id, error)
        return row


def end_if_due(store: Store, row: RunRow) -> RunRow:
    """End a run if it is to end and is in nobody's hands; returns its row as it then is."""
    while row.closed_at is None and row.ends_at is not None and row.ends_at <= store.clock.now_us():
        order = _order(store, row)
        if order is None:
            return row
        try:
            commit = ending_turn(store, row, order)
        except WorkflowClosedError:
            return store.find_run(row.workflow_id, row.run_id) or row  # somebody else was quicker
        (outcome,) = store.apply([commit])
        row = store.find_run(row.workflow_id, row.run_id) or attrs.evolve(row, ends_at=None)
        if isinstance(outcome, Committed) and ends_others(commit):
            end_due_runs(store)
    return row


def _order(store: Store, row: RunRow) -> TerminateWorkflow | TimeOutWorkflow | None:
    """How a run whose time is up is to end; None where it is left to those who have it."""
    for message in _inbox(store, row):
        if isinstance(message, TerminateWorkflow):
            return message
    if row.parked is not None or row.paused_at is not None:
        return TimeOutWorkflow()
    now = store.clock.now_us()
    if row.ends_at is None or now < row.ends_at + GRACE_US:
        return None
    if any(each.token == row.owner and each.expires_at > now for each in store.list_sessions()):
        return None
    return TimeOutWorkflow()


def _inbox(store: Store, row: RunRow) -> list[Message]:
    return [decode_message(message.data) for message in store.list_inbox(row.run_id)]
