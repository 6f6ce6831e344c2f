"""What is done to runs from outside without their code: ending, pausing and re-optioning them.

One rule: each is a turn of its own, appended by whoever asks for it.  The turn of a worker that is under way at that moment is
refused, and made again from what the history then says: so a pause and a turn never disagree about which came first.
"""

from __future__ import annotations

from uuid import uuid4

import attrs

from refold import ExecutionState, Turn, decide_turn, evolve, fold
from refold.codec import decode_events, decode_message, encode_message
from refold.events import HistoryEvent, WorkflowExecutionTerminated
from refold.messages import (
    Message,
    PauseWorkflow,
    StartWorkflow,
    TerminateWorkflow,
    UnpauseWorkflow,
    UpdateWorkflowOptions,
)
from refold_adapters.inspection import read_history
from refold_adapters.other_runs import relays_of
from refold_adapters.ports import ChangeRun, Committed, CommitTurn, Done, RunRow, Stale, Store, Unseen
from refold_adapters.runtime_errors import WorkflowClosedError, WorkflowNotFoundError
from refold_adapters.turn_writes import commit_of


def terminating(store: Store, row: RunRow, *, reason: str, identity: str, request_id: str = "") -> CommitTurn:
    """The write that ends a run from outside, as it stands now."""
    inbox = store.list_inbox(row.run_id)
    state = fold(read_history(store, row.run_id))
    messages = [decode_message(message.data) for message in inbox]
    events: list[HistoryEvent] = []
    if state.started is None:  # it has had no turn yet: its history begins and ends here
        starts = [message for message in messages if isinstance(message, StartWorkflow)]
        events = decide_turn(state, starts[:1], at=store.clock.now_us())
    after = state
    for event in events:
        after = evolve(after, event)
    order = TerminateWorkflow(reason=reason, identity=identity, request_id=request_id)
    (terminated,) = decide_turn(after, [order], at=max(store.clock.now_us(), state.at))
    terminated = attrs.evolve(terminated, turn=state.turn + 1)
    turn = _turn(state, [*events, terminated], terminated)
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
        commit = terminating(store, row, reason=reason, identity=identity, request_id=request_id)
        (outcome,) = store.apply([commit])
        row = _again(store, row)
        if isinstance(outcome, Committed):
            return row
        assert isinstance(outcome, Stale | Unseen), outcome


def _was_terminated_by(row: RunRow, request_id: str) -> bool:
    (event,) = decode_events(row.closing_event or b"")
    return isinstance(event, WorkflowExecutionTerminated) and event.request_id == request_id


def tell(store: Store, row: RunRow, message: Message) -> None:
    """Have a run told something that needs no code; it holds when this returns, or else with the first turn of a run that had none."""
    while True:
        if row.closed_at is not None:
            raise WorkflowClosedError(row.workflow_id, row.run_id, row.status.value)
        if row.turn == 0:
            (outcome,) = store.apply([_before_first_turn(row.run_id, message)])
            if isinstance(outcome, Done):
                return
        else:
            state = fold(read_history(store, row.run_id))
            events = decide_turn(state, [message], at=max(store.clock.now_us(), state.at))
            if not events:
                return
            (outcome,) = store.apply(
                [
                    commit_of(
                        _turn(state, events, None),
                        token=0,
                        run_id=row.run_id,
                        turn_token=uuid4().hex,
                        task_queue=row.task_queue,
                    )
                ]
            )
            if isinstance(outcome, Committed):
                return
        row = _again(store, row)


def change_options(store: Store, row: RunRow, *, build_id: str, identity: str) -> None:
    """Move a run to another build, or to any if it is empty."""
    request_id = uuid4().hex
    tell(
        store,
        row,
        UpdateWorkflowOptions(options={"build_id": build_id}, identity=identity, request_id=request_id),
    )


def _before_first_turn(run_id: str, message: Message) -> ChangeRun:
    """It holds at once, and is recorded in the first turn; a start that is delayed stays so."""
    paused = (
        isinstance(message, PauseWorkflow) if isinstance(message, PauseWorkflow | UnpauseWorkflow) else None
    )
    build_id = message.options.get("build_id") if isinstance(message, UpdateWorkflowOptions) else None
    request_id: str = getattr(message, "request_id", "")
    return ChangeRun(
        run_id=run_id,
        message=encode_message(message),
        request_id=request_id,
        paused=paused,
        build_id=build_id,
    )


def _turn(state: ExecutionState, events: list[HistoryEvent], closed: HistoryEvent | None) -> Turn:
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


def _again(store: Store, row: RunRow) -> RunRow:
    found = store.find_run(row.workflow_id, row.run_id)
    if found is None:
        raise WorkflowNotFoundError(row.workflow_id, row.run_id)
    return found
