"""What each write does to an activity task in the memory store.

One rule: a write names the session and the attempt that hold the task; token 0 stands outside of every session.
"""

from __future__ import annotations

import attrs

from refold_adapters import ports
from refold_adapters.memory.state import Run, State
from refold_adapters.ports import Outcome, TaskRow


def _held_task(state: State, token: int, run_id: str, seq: int, attempt: int) -> tuple[Run, TaskRow] | None:
    run = state.runs.get(run_id)
    task = None if run is None else run.tasks.get(seq)
    if run is None or task is None or task.attempt != attempt or (token and task.owner != token):
        return None
    return run, task


def retry_task(state: State, write: ports.RetryTask) -> Outcome:
    """Give a task back for another attempt."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    held = _held_task(state, write.token, write.run_id, write.seq, write.attempt)
    if held is None:
        return ports.Gone()
    run, task = held
    if task.cancel_requested:
        return ports.Refused()
    again = attrs.evolve(
        task,
        attempt=write.next_attempt,
        visible_at=write.visible_at,
        started_at=None,
        owner=0,
        last_failure=write.failure,
        heartbeat=task.heartbeat if write.heartbeat is None else write.heartbeat,
    )
    state.put_task(run, again)
    return ports.Done()


def finish_task(state: State, now: int, write: ports.FinishTask) -> Outcome:
    """Turn a task into a message with its outcome."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    held = _held_task(state, write.token, write.run_id, write.seq, write.attempt)
    if held is None:
        return ports.Gone()
    run, task = held
    state.drop_task(run, task.seq)
    run.put_message(now, write.message)
    state.settle(run)
    return ports.Done()


def heartbeat(state: State, now: int, write: ports.Heartbeat) -> Outcome:
    """Record details of an attempt."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    held = _held_task(state, write.token, write.run_id, write.seq, write.attempt)
    if held is None:
        return ports.Gone()
    run, task = held
    state.put_task(run, attrs.evolve(task, heartbeat=write.details, heartbeat_at=now))
    return ports.Beat(task.cancel_requested)


def detach_task(state: State, write: ports.DetachTask) -> Outcome:
    """Leave an attempt to somebody outside."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    held = _held_task(state, write.token, write.run_id, write.seq, write.attempt)
    if held is None:
        return ports.Gone()
    run, task = held
    state.put_task(run, attrs.evolve(task, owner=ports.OUTSIDE))
    if write.check_at is not None:
        run.drop_timer(write.check)
        run.put_timer(write.check, write.check_at)
        state.settle(run)
    return ports.Done()


def change_task(state: State, write: ports.ChangeTask) -> Outcome:
    """Change a task from outside."""
    run = state.runs.get(write.run_id)
    task = None if run is None else run.tasks.get(write.seq)
    if run is None or task is None:
        return ports.Gone()
    changed = attrs.evolve(
        task,
        paused=task.paused if write.paused is None else write.paused,
        options=task.options if write.options is None else write.options,
        task_queue=task.task_queue if write.task_queue is None else write.task_queue,
        heartbeat=None if write.forget_heartbeat else task.heartbeat,
    )
    if not task.owner:
        changed = attrs.evolve(
            changed,
            attempt=task.attempt if write.attempt is None else write.attempt,
            visible_at=task.visible_at if write.visible_at is None else write.visible_at,
        )
    state.put_task(run, changed)
    return ports.Done()
