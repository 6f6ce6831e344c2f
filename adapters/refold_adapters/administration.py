"""What is done to runs from outside without their code: ending them."""

from __future__ import annotations

from uuid import uuid4

import attrs

from refold import Turn, decide_turn, evolve, fold
from refold.codec import decode_events, decode_message
from refold.events import WorkflowExecutionTerminated
from refold.messages import StartWorkflow, TerminateWorkflow
from refold_adapters.inspection import read_history
from refold_adapters.other_runs import relays_of
from refold_adapters.ports import Committed, CommitTurn, RunRow, Stale, Store, Unseen
from refold_adapters.runtime_errors import WorkflowClosedError, WorkflowNotFoundError
from refold_adapters.turn_writes import commit_of


def terminating(store: Store, row: RunRow, *, reason: str, identity: str, request_id: str = "") -> CommitTurn:
    """The write that ends a run from outside, as it stands now."""
    inbox = store.list_inbox(row.run_id)
    state = fold(read_history(store, row.run_id))
    messages = [decode_message(message.data) for message in inbox]
    events = []
    if state.started is None:  # it has had no turn yet: its history begins and ends here
        starts = [message for message in messages if isinstance(message, StartWorkflow)]
        events = decide_turn(state, starts[:1], at=store.clock.now_us())
    after = state
    for event in events:
        after = evolve(after, event)
    order = TerminateWorkflow(reason=reason, identity=identity, request_id=request_id)
    (terminated,) = decide_turn(after, [order], at=max(store.clock.now_us(), state.at))
    number = state.turn + 1
    terminated = attrs.evolve(terminated, turn=number)
    turn = Turn(
        number=number,
        at=terminated.at,
        length_before=state.last_event_id,
        events=(*events, terminated),
        commands=(),
        logs=(),
        complaints=(),
        closed=terminated,
    )
    after = evolve(after, terminated)
    assert after.started is not None
    return commit_of(
        turn,
        token=0,
        run_id=row.run_id,
        turn_token=uuid4().hex,
        task_queue=row.task_queue,
        consumed=[message.message_id for message in inbox],
        relays=relays_of(turn, after.started, after.orphans),
    )


def terminate(store: Store, row: RunRow, *, reason: str, identity: str, request_id: str = "") -> RunRow:
    """Append the terminal turn to a run, whoever owns it, and return its row as it then is.

    The turn of a worker that was under way at that moment is refused, and so are later outcomes of its activities.  A repeated
    ``request_id`` changes nothing.
    """
    while True:
        if row.closed_at is not None:
            if request_id and _was_terminated_by(row, request_id):
                return row
            raise WorkflowClosedError(row.workflow_id, row.run_id, row.status.value)
        (outcome,) = store.apply(
            [terminating(store, row, reason=reason, identity=identity, request_id=request_id)]
        )
        found = store.find_run(row.workflow_id, row.run_id)
        if found is None:
            raise WorkflowNotFoundError(row.workflow_id, row.run_id)
        if isinstance(outcome, Committed):
            return found
        assert isinstance(outcome, Stale | Unseen), outcome
        row = found


def _was_terminated_by(row: RunRow, request_id: str) -> bool:
    (event,) = decode_events(row.closing_event or b"")
    return isinstance(event, WorkflowExecutionTerminated) and event.request_id == request_id
