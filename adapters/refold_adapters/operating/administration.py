"""What is done to runs from outside without their code: ending, pausing and re-optioning them.

One rule: each is a turn of its own, appended by whoever asks for it.  The turn of a worker that is under way at that moment is
refused, and made again from what the history then says: so a pause and a turn never disagree about which came first.
"""

from __future__ import annotations

from refold import decide_turn, fold
from refold.codec import decode_events, encode_message
from refold.events import WorkflowExecutionTerminated
from refold.messages import Message, PauseWorkflow, TerminateWorkflow, UnpauseWorkflow, UpdateWorkflowOptions
from refold_adapters.operating.endings import end_due_runs, ending_turn, ends_others, turn_from_outside
from refold_adapters.operating.inspection import read_history
from refold_adapters.operating.requests import Request
from refold_adapters.ports import (
    ChangeRun,
    Committed,
    CommitTurn,
    Done,
    Repeated,
    RunRow,
    Stale,
    Store,
    Unseen,
)
from refold_adapters.random_ids import random_hex
from refold_adapters.runtime_errors import WorkflowClosedError, WorkflowNotFoundError
from refold_adapters.turns.turn_writes import commit_of


def terminating(store: Store, row: RunRow, *, reason: str, identity: str, request_id: str = "") -> CommitTurn:
    """The write that terminates a run from outside, as it stands now."""
    return ending_turn(store, row, TerminateWorkflow(reason=reason, identity=identity, request_id=request_id))


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
            if ends_others(commit):
                end_due_runs(store)
            return row
        assert isinstance(outcome, Stale | Unseen), outcome


def _was_terminated_by(row: RunRow, request_id: str) -> bool:
    (event,) = decode_events(row.closing_event or b"")
    return isinstance(event, WorkflowExecutionTerminated) and event.request_id == request_id


def tell(store: Store, row: RunRow, message: Message, request: Request) -> None:
    """Have a run told something that needs no code; it holds when this returns, or else with the first turn of a run that had none."""
    write: ChangeRun | CommitTurn | None
    while True:
        if row.closed_at is not None:
            raise WorkflowClosedError(row.workflow_id, row.run_id, row.status.value)
        if row.turn == 0:
            write = _before_first_turn(row.run_id, message)
        else:
            state = fold(read_history(store, row.run_id))
            events = decide_turn(state, [message], at=max(store.clock.now_us(), state.at))
            write = None  # it is so already
            if events:
                write = commit_of(
                    turn_from_outside(state, events, None),
                    token=0,
                    run_id=row.run_id,
                    turn_token=random_hex(),
                    task_queue=row.task_queue,
                )
        if isinstance(request.apply(write), Done | Committed | Repeated | None):
            return
        row = _again(store, row)


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


def _again(store: Store, row: RunRow) -> RunRow:
    found = store.find_run(row.workflow_id, row.run_id)
    if found is None:
        raise WorkflowNotFoundError(row.workflow_id, row.run_id)
    return found
