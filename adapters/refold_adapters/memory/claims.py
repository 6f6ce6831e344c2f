"""Who gets which work, in the memory store.

One rule: a claim first expels every other session whose lease has run out, so that what the dead held belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold_adapters import ports
from refold_adapters.memory.state import State
from refold_adapters.ports import Outcome, ReadyRun, TaskRow


def claim_runs(state: State, now: int, write: ports.ClaimRuns) -> Outcome:
    """Claim runs that have work."""
    if write.token not in state.sessions:
        return ports.Fenced()
    _expel_the_dead(state, now, write.token)
    ready = [state.created[order] for _, order in state.ready.until(now)]
    claimable = [
        run
        for run in ready
        if run.owner in (0, write.token)
        and run.task_queue in write.task_queues
        and run.run_id not in write.exclude
        and (run.build_id is None or run.build_id in write.builds)
    ]
    claimable.sort(key=lambda run: run.takeovers)  # stable: of equals, the longest ready stays in front
    claimed: list[ReadyRun] = []
    for run in claimable[: max(0, write.limit)]:
        if run.owner != write.token:
            run.owner = write.token
            state.changes += 1
        due = [seq for _, seq in run.due.until(now)]
        claimed.append(ReadyRun(run.row(), run.messages(), due, run.takeovers))
    return ports.ReadyRuns(claimed)


def claim_tasks(state: State, now: int, write: ports.ClaimTasks) -> Outcome:
    """Claim tasks that are visible."""
    if write.token not in state.sessions:
        return ports.Fenced()
    _expel_the_dead(state, now, write.token)
    claimed: list[TaskRow] = []
    for _, order, seq in state.idle.until(now):
        if len(claimed) >= write.limit:
            break
        run = state.created[order]
        task = run.tasks[seq]
        if task.task_queue not in write.task_queues:
            continue
        if write.activity_types is not None and task.activity_type not in write.activity_types:
            continue
        mine = attrs.evolve(task, owner=write.token, started_at=now)
        state.put_task(run, mine)
        claimed.append(mine)
    return ports.ClaimedTasks(claimed)


def next_due_at(
    state: State, task_queues: Sequence[str], token: int | None, builds: Sequence[str] | None
) -> int | None:
    """When somebody should look for work again."""
    times: list[int] = []
    for ready_at, order in state.ready:
        run = state.created[order]
        its_build = builds is None or run.build_id is None or run.build_id in builds
        if its_build and run.task_queue in task_queues and (token is None or run.owner in (0, token)):
            times.append(ready_at)
            break
    for visible_at, order, seq in state.idle:
        if state.created[order].tasks[seq].task_queue in task_queues:
            times.append(visible_at)
            break
    if token is not None:
        times.extend(session.expires_at for session in state.sessions.values() if session.token != token)
    return min(times, default=None)


def _expel_the_dead(state: State, now: int, token: int) -> None:
    for session in list(state.sessions.values()):
        if session.token != token and session.expires_at <= now:
            state.end_session(session.token, now, takeovers=1)
