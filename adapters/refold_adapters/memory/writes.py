"""What each write does to the memory store, but for claims.

One rule: a function checks every condition of its write before it changes anything.  Locks, and which write comes to which
function, are the store's business.
"""

from __future__ import annotations

import attrs

from refold_adapters import ports
from refold_adapters.memory.state import Run, State, Tombstone
from refold_adapters.ports import Outcome, RunStatus, SessionRow, StoredTurn, TaskRow
from refold_adapters.ports.writes import REFUSALS_KEPT

# Sessions -------------------------------------------------------------------------------------------------------------


def open_session(state: State, now: int, write: ports.OpenSession) -> Outcome:
    """Begin a session."""
    state.changes += 1
    state.last_token += 1
    token = state.last_token
    state.sessions[token] = SessionRow(token, write.identity, write.process, now + write.lease_us)
    return ports.Opened(token)


def renew_session(state: State, now: int, write: ports.RenewSession) -> Outcome:
    """Prolong a lease."""
    session = state.sessions.get(write.token)
    if session is None:
        return ports.Fenced()
    state.changes += 1
    state.sessions[write.token] = attrs.evolve(session, expires_at=now + write.lease_us)
    return ports.Done()


def close_session(state: State, now: int, write: ports.CloseSession) -> Outcome:
    """End a session."""
    session = state.sessions.get(write.token)
    if session is None:
        return ports.Fenced()
    if write.only_expired and session.expires_at > now:
        return ports.Refused()
    state.end_session(write.token, now, takeovers=0 if write.graceful else 1)
    return ports.Done()


# Runs -----------------------------------------------------------------------------------------------------------------


def create_run(state: State, now: int, write: ports.CreateRun) -> Outcome:
    """Create a run, unless one stands in the way."""
    if write.owner and write.owner not in state.sessions:
        return ports.Fenced()
    in_the_way = run_in_the_way(state, write)
    if in_the_way is not None:
        return in_the_way
    run = new_run(state, now, write)
    if write.message is not None:
        run.put_message(max(now, write.ready_at), write.message)
    state.add_run(run)
    return ports.Created(run.run_id)


def run_in_the_way(state: State, write: ports.CreateRun, closing: str | None = None) -> ports.Exists | None:
    """The run that a new one cannot stand beside; not the one of the run id ``closing``, which is about to be closed."""
    if (namesake := _namesake_of(state, write)) is not None:
        return namesake
    of_workflow = state.by_workflow.get(write.workflow_id, [])
    if write.request_id:
        twins: list[Run | Tombstone] = [
            *reversed(of_workflow),
            *(grave for grave in state.tombstones.values() if grave.workflow_id == write.workflow_id),
        ]
        for twin in twins:
            if twin.request_id == write.request_id:
                return ports.Exists(twin.run_id, twin.status, True)
    if of_workflow:
        latest = of_workflow[-1]
        is_open = latest.status is RunStatus.RUNNING and latest.run_id != closing
        if is_open or (latest.status in write.blocked_by and latest.first_run_id != write.instead_of):
            return ports.Exists(latest.run_id, latest.status)
    return None


def _namesake_of(state: State, write: ports.CreateRun) -> ports.Exists | None:
    """The run, there or removed, that has the run id already."""
    found = state.runs.get(write.run_id) or state.tombstones.get(write.run_id)
    if found is None:
        return None
    return ports.Exists(found.run_id, found.status, found.workflow_id == write.workflow_id)


def new_run(state: State, now: int, write: ports.CreateRun) -> Run:
    """A run, still without messages and unknown to the state."""
    state.last_order += 1
    return Run(
        order=state.last_order,
        run_id=write.run_id,
        workflow_id=write.workflow_id,
        workflow_type=write.workflow_type,
        task_queue=write.task_queue,
        request_id=write.request_id,
        started_at=now,
        owner=write.owner,
        build_id=write.build_id or None,
        ends_at=write.ends_at,
        properties=write.properties or ports.Properties(),
        first_run_id=write.first_run_id or write.run_id,
    )


def accept_message(state: State, now: int, write: ports.AcceptMessage) -> Outcome:
    """Put a message into an inbox."""
    run = state.find_run("" if write.run_id is not None else write.workflow_id, write.run_id)
    if write.answers is not None and write.run_id and (run is None or run.status is not RunStatus.RUNNING):
        run = state.heir_of(write.run_id, write.answers) or run
    if run is None:
        grave = None if write.run_id is None else state.tombstones.get(write.run_id)
        fits = grave is not None and write.workflow_id in ("", grave.workflow_id)
        return ports.NotFound(grave.deleted_at if grave is not None and fits else None)
    if write.workflow_id not in ("", run.workflow_id) or write.first_run_id not in (None, run.first_run_id):
        return ports.NotFound()
    if run.status is not RunStatus.RUNNING:
        return ports.Closed(run.run_id, run.status)
    if write.request_id and any(message.request_id == write.request_id for message in run.inbox.values()):
        return ports.Accepted(run.run_id, None)
    first = None if run.turns or write.wakes else run.inbox.get(1)
    ready_at = now if first is None else max(now, first.ready_at)
    number = run.put_message(ready_at, write.data, write.request_id)
    if write.ends:
        run.ends_at = now
    state.settle(run)
    return ports.Accepted(run.run_id, number)


def park_run(state: State, now: int, write: ports.ParkRun) -> Outcome:
    """Take a run out of the claimable ones."""
    run = state.runs.get(write.run_id)
    if write.token not in state.sessions or run is None or run.owner != write.token:
        return ports.Fenced()
    run.parked = write.reason
    run.parked_at, run.parked_kind, run.parked_line = now, write.kind, write.line
    run.owner = 0
    state.settle(run)
    return ports.Done()


def unpark_runs(state: State, write: ports.UnparkRuns) -> Outcome:
    """Make parked runs claimable again."""
    if write.run_ids is None:
        runs = [run for run in state.runs.values() if run.task_queue in write.task_queues]
    else:
        runs = [state.runs[run_id] for run_id in write.run_ids if run_id in state.runs]
    for run in runs:
        if run.parked is not None:
            unpark(run)
            run.takeovers = 0
            state.settle(run)
    return ports.Done()


def unpark(run: Run) -> None:
    """It is parked no more."""
    run.parked = run.parked_at = run.parked_kind = run.parked_line = None


def release_runs(state: State, write: ports.ReleaseRuns) -> Outcome:
    """Give up runs."""
    if write.token not in state.sessions:
        return ports.Fenced()
    for run_id in write.run_ids:
        run = state.runs.get(run_id)
        if run is not None and run.owner == write.token:
            run.owner = 0
            state.settle(run)
    return ports.Done()


# Turns ----------------------------------------------------------------------------------------------------------------


def commit_turn(state: State, now: int, write: ports.CommitTurn) -> Outcome:
    """Append a turn, and carry out what it says."""
    run = state.runs.get(write.run_id)
    refusal = refused_turn(state, run, write)
    if refusal is not None or run is None:
        return refusal or ports.NotFound()
    run.turns.append(StoredTurn(write.turn, write.first_event_id, write.data))
    run.turn_token = write.turn_token
    run.last_event_id = write.first_event_id + write.event_count - 1
    run.history_bytes += len(write.data)
    run.takeovers = 0
    run.owner = run.owner or write.token
    run.properties = write.properties or run.properties
    if write.paused is not None:
        state.pause(run, now if write.paused else None)
    if write.build_id is not None:
        run.build_id = write.build_id or None
        run.owner = write.token and run.owner
    if write.closing is None:
        _carry_out(state, run, now, write)
    else:
        _close(state, run, now, write.closing)
    state.settle(run)
    if write.next is not None:
        _create_next(state, now, write.next)
    for each in write.relays:
        relay(state, run, now, each)
    return ports.Committed()


def _create_next(state: State, now: int, following: ports.NextRun) -> None:
    creation = following.creation
    run = new_run(state, now, creation)
    own = () if creation.message is None else (creation.message,)
    for data in (*own, *following.messages):
        run.put_message(max(now, creation.ready_at), data)
    state.add_run(run)


def relay(state: State, sender: Run, now: int, relay: ports.Relay) -> None:
    """What a turn does to another run, and what its own run is told of it."""
    write = relay.write
    outcome = (
        create_run(state, now, write)
        if isinstance(write, ports.CreateRun)
        else accept_message(state, now, write)
    )
    report = relay.done if isinstance(outcome, ports.Created | ports.Accepted) else relay.failed
    if report is not None and sender.status is RunStatus.RUNNING:
        sender.put_message(now, report)
        state.settle(sender)


def refused_turn(state: State, run: Run | None, write: ports.CommitTurn) -> Outcome | None:
    """Why a turn cannot be appended, or that it was before; None where it can."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    if run is None:
        return ports.NotFound()
    if write.token and run.owner not in (0, write.token):
        return ports.Fenced()
    turn = len(run.turns)
    if turn != write.turn - 1 or run.status is not RunStatus.RUNNING:
        repeated = bool(write.turn_token) and (turn, run.turn_token) == (write.turn, write.turn_token)
        return ports.Committed() if repeated else ports.Stale(turn)
    if write.token and turn == 0 and run.paused_at is not None:
        return ports.Stale(turn)
    if write.closing is not None:
        unseen = [message for message in run.messages() if message.message_id not in write.consumed]
        if unseen:
            return ports.Unseen(unseen)
    if write.next is not None and (namesake := _namesake_of(state, write.next.creation)) is not None:
        return namesake
    for seq, attempt in write.finished:
        task = run.tasks.get(seq)
        if task is None or task.attempt != attempt or (write.token and task.owner != write.token):
            return ports.Gone()
    return None


def _carry_out(state: State, run: Run, now: int, write: ports.CommitTurn) -> None:
    for message_id in write.consumed:
        run.inbox.pop(message_id, None)
    for seq, _ in write.finished:
        state.drop_task(run, seq)
    for seq in write.dropped_tasks:
        state.drop_task(run, seq)
    for new in write.tasks:
        state.put_task(run, new_task(run, now, new, write.token))
    for cancel in write.cancel_tasks:
        task = run.tasks.get(cancel.seq)
        if task is None:
            continue
        if task.owner:
            state.put_task(run, attrs.evolve(task, cancel_requested=True))
        else:
            state.drop_task(run, cancel.seq)
            run.put_message(now, cancel.report)
    for seq, fire_at in write.timers:
        run.put_timer(seq, fire_at)
    for seq in write.removed_timers:
        run.drop_timer(seq)


def new_task(run: Run, now: int, new: ports.NewTask, token: int) -> TaskRow:
    """A task as it is when a turn creates it."""
    owner = token if new.claimed else 0
    return TaskRow(
        run_id=run.run_id,
        workflow_id=run.workflow_id,
        workflow_type=run.workflow_type,
        seq=new.seq,
        activity_type=new.activity_type,
        task_queue=new.task_queue,
        data=new.data,
        attempt=1,
        scheduled_at=now,
        visible_at=now,
        started_at=now if owner else None,
        owner=owner,
        cancel_requested=False,
        heartbeat=None,
        last_failure=None,
    )


def _close(state: State, run: Run, now: int, closing: ports.Closing) -> None:
    run.status = closing.status
    run.closing_event = closing.event
    run.closed_at = now
    run.owner = 0
    unpark(run)
    state.pause(run, None)
    run.ends_at = None
    run.inbox.clear()
    run.timers.clear()
    run.due.clear()
    for seq in list(run.tasks):
        state.drop_task(run, seq)


def consume_messages(state: State, write: ports.ConsumeMessages) -> Outcome:
    """Take messages, timers and tasks off a run without a turn."""
    run = state.runs.get(write.run_id)
    if write.token not in state.sessions or run is None or run.owner != write.token:
        return ports.Fenced()
    for message_id in write.message_ids:
        run.inbox.pop(message_id, None)
    for refusal in write.refusals:
        run.refusals[refusal.message_id] = refusal.data
        for old in [number for number in run.refusals if number <= refusal.message_id - REFUSALS_KEPT]:
            del run.refusals[old]
    for seq in write.timers:
        run.drop_timer(seq)
    for seq, fire_at in write.new_timers:
        run.put_timer(seq, fire_at)
    for seq, attempt in write.finished:
        task = run.tasks.get(seq)
        if task is not None and (task.owner, task.attempt) == (write.token, attempt):
            state.drop_task(run, seq)
    state.settle(run)
    return ports.Done()
