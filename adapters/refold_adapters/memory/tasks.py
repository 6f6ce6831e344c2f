"""What each write does to an activity task in the memory store.

One rule: a write names the session and the attempt that hold the task; token 0 stands outside of every session.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from refold_adapters import ports
from refold_adapters.memory.state import Run, State
from refold_adapters.ports import Outcome, TaskRow

_OfAttempt: TypeAlias = ports.RetryTask | ports.FinishTask | ports.Heartbeat | ports.DetachTask


@attrs.frozen
class _Held:
    run: Run
    task: TaskRow


def _held_task(state: State, write: _OfAttempt) -> _Held | Outcome:
    """The task, where the session of the write lives and holds it in that attempt; else what refuses the write."""
    if write.token and write.token not in state.sessions:
        return ports.Fenced()
    run = state.runs.get(write.run_id)
    task = None if run is None else run.tasks.get(write.seq)
    if run is None or task is None or task.attempt != write.attempt or write.token not in (0, task.owner):
        return ports.Gone()
    return _Held(run, task)


def retry_task(state: State, write: ports.RetryTask) -> Outcome:
    """Give a task back for another attempt."""
    held = _held_task(state, write)
    if not isinstance(held, _Held):
        return held
    run, task = held.run, held.task
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
    held = _held_task(state, write)
    if not isinstance(held, _Held):
        return held
    run, task = held.run, held.task
    if write.holder not in (None, task.owner):
        return ports.Gone()
    state.drop_task(run, task.seq)
    run.put_message(now, write.message)
    state.settle(run)
    return ports.Done()


def heartbeat(state: State, now: int, write: ports.Heartbeat) -> Outcome:
    """Record details of an attempt."""
    held = _held_task(state, write)
    if not isinstance(held, _Held):
        return held
    run, task = held.run, held.task
    state.put_task(run, attrs.evolve(task, heartbeat=write.details, heartbeat_at=now))
    return ports.Beat(task.cancel_requested)


def detach_task(state: State, write: ports.DetachTask) -> Outcome:
    """Leave an attempt to somebody outside."""
    held = _held_task(state, write)
    if not isinstance(held, _Held):
        return held
    run, task = held.run, held.task
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
    if run is None or task is None or write.holder not in (None, task.owner):
        return ports.Gone()
    changed = attrs.evolve(
        task,
        paused=task.paused if write.paused is None else write.paused,
        options=task.options if write.options is None else write.options,
        task_queue=task.task_queue if write.task_queue is None else write.task_queue,
        heartbeat=None if write.forget_heartbeat else task.heartbeat,
        cancel_requested=task.cancel_requested or write.cancel_requested,
    )
    if not task.owner:
        changed = attrs.evolve(
            changed,
            attempt=task.attempt if write.attempt is None else write.attempt,
            visible_at=task.visible_at if write.visible_at is None else write.visible_at,
        )
    state.put_task(run, changed)
    return ports.Done()
