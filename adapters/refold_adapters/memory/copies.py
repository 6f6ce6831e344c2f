"""Runs that begin as copies, and runs that are removed, in the memory store.

One rule: as in ``writes``, every condition is checked before anything is changed.
"""

from __future__ import annotations

from refold_adapters import ports
from refold_adapters.memory.state import State
from refold_adapters.memory.writes import (
    commit_turn,
    new_run,
    new_task,
    refused_turn,
    relay,
    run_in_the_way,
)
from refold_adapters.ports import Outcome, RunStatus


def copy_run(state: State, now: int, write: ports.CopyRun) -> Outcome:
    """Create a run that begins with turns, and close the one whose place it takes."""
    closes = write.closes
    in_the_way = run_in_the_way(state, write.run, None if closes is None else closes.run_id)
    if in_the_way is not None:
        return in_the_way
    for run_id in write.open_runs:
        needed = state.runs.get(run_id)
        if needed is None or needed.status is not RunStatus.RUNNING:
            return ports.Stale(0)
    commits = [*([] if closes is None else [closes]), *write.ends]
    for commit in commits:
        refusal = refused_turn(state, state.runs.get(commit.run_id), commit)
        if refusal is not None and refusal != ports.Committed():
            return refusal
    for commit in commits:
        commit_turn(state, now, commit)
    run = new_run(state, now, write.run)
    run.turns = list(write.turns)
    run.last_event_id = write.last_event_id
    run.history_bytes = sum(len(turn.data) for turn in write.turns)
    for seq, fire_at in write.timers:
        run.put_timer(seq, fire_at)
    for data, request_id in write.messages:
        run.put_message(now, data, request_id)
    state.add_run(run)
    for new in write.tasks:
        state.put_task(run, new_task(run, now, new, 0))
    for run_id, last in write.stands_for:
        state.heirs[run_id] = (run.run_id, last)
    for each in write.relays:
        relay(state, run, now, each)
    return ports.Created(run.run_id)


def change_run(state: State, now: int, write: ports.ChangeRun) -> Outcome:
    """Change how a run stands that has had no turn."""
    run = state.runs.get(write.run_id)
    if run is None:
        return ports.NotFound()
    if run.status is not RunStatus.RUNNING:
        return ports.Closed(run.run_id, run.status)
    if run.turns:
        return ports.Stale(len(run.turns))
    ready_at = run.earliest_work()
    run.put_message(now if ready_at is None else ready_at, write.message, write.request_id)
    if write.paused is not None:
        state.pause(run, now if write.paused else None)
    if write.build_id is not None:
        run.build_id = write.build_id or None
        run.owner = 0
    state.settle(run)
    return ports.Done()


def delete_run(state: State, now: int, write: ports.DeleteRun) -> Outcome:
    """Remove a closed run."""
    run = state.runs.get(write.run_id)
    if run is None:
        grave = state.tombstones.get(write.run_id)
        return ports.NotFound(None if grave is None else grave.deleted_at)
    if run.status is RunStatus.RUNNING:
        return ports.Refused()
    state.remove_run(run, now)
    return ports.Done()


def expire_runs(state: State, now: int, write: ports.ExpireRuns) -> Outcome:
    """Remove what was closed long ago."""
    closed = sorted(
        (run.closed_at, run.order, run) for run in state.runs.values() if run.closed_at is not None
    )
    expired = [run for closed_at, _, run in closed if closed_at <= write.closed_until][: max(0, write.limit)]
    for run in expired:
        state.remove_run(run, now)
    for grave in list(state.tombstones.values()):
        if grave.deleted_at <= write.forget_until:
            state.changes += 1
            del state.tombstones[grave.run_id]
    for request, (noted_at, _) in list(state.requests.items()):
        if noted_at <= write.forget_until:
            state.changes += 1
            del state.requests[request]
    rest = closed[len(expired) :]
    return ports.Expired(len(expired), rest[0][0] if rest else None)
