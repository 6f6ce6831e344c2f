"""Looking after the activities of a run: ends those whose time is up, whoever holds them, or nobody.

One rule: what is due is read from the store when it is due, so a worker that has died, or was never there, cannot keep it from
being noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold import Turn
from refold.events import ActivityTaskCancelRequested, ActivityTaskScheduled, HistoryEvent
from refold_adapters.activities.task_ends import (
    CHECK,
    CHECK_LOCAL,
    HEARTBEAT,
    LOCAL_CHECK_US,
    START_TO_CLOSE,
    after_failure,
    held,
    judged,
    options_of,
    timed_out,
    timeout_failure,
)
from refold_adapters.activities.tasks import Tasks
from refold_adapters.ports import ConsumeMessages, RetryTask, Store, TaskRow
from refold_adapters.registry import Registry
from refold_adapters.turns.turn_writes import is_local, task_queue_of
from refold_adapters.worker.live import Leftover, LiveRun


def look_after(  # noqa: PLR0917 - what a worker has of a run
    store: Store,
    tasks: Tasks,
    live: LiveRun,
    due: Sequence[int],
    token: int,
    leftovers: list[Leftover],
) -> None:
    """Judge the activities whose checks are due: some become messages for the run, the others are looked at again later."""
    now = store.clock.now_us()
    rows = {row.seq: row for row in store.list_tasks(live.run_id)}
    over: list[int] = []
    again: list[tuple[int, int]] = []
    for number in due:
        if number >= CHECK_LOCAL:
            over.append(number)
            again.append((number, now + LOCAL_CHECK_US))
        elif number >= CHECK:
            seq = number - CHECK
            if any(getattr(message, "seq", None) == seq for message in live.timed_out) or any(
                ended.attempt.seq == seq for ended in live.ended
            ):
                continue  # its end is on its way, and takes the check with it
            row = rows.get(seq)
            ends, check_at = (False, None) if row is None else _judge(row, live, tasks, now, leftovers)
            if not ends:
                over.append(number)
                again += [] if check_at is None else [(number, check_at)]
    if over:
        write = ConsumeMessages(
            token=token, run_id=live.run_id, message_ids=(), timers=tuple(over), new_timers=tuple(again)
        )
        leftovers.append((write, None))


def _judge(
    row: TaskRow, live: LiveRun, tasks: Tasks, now: int, leftovers: list[Leftover]
) -> tuple[bool, int | None]:
    """Whether the activity ends now, and else when to look at it again."""
    options = options_of(row)
    kind, check_at = judged(row, options, now)
    if kind is None:
        return False, check_at
    attempt = held(row, tasks.identity)
    if kind in (START_TO_CLOSE, HEARTBEAT):
        end = after_failure(attempt, timeout_failure(kind), now)
    else:
        end = timed_out(attempt, kind, "TIMEOUT", attempt.last_failure)
    if isinstance(end, RetryTask):
        leftovers.append((end, None))
        idle = attrs.evolve(row, owner=0, visible_at=end.visible_at, started_at=None)
        return False, judged(idle, options, now)[1]
    tasks.abandon_one(row.run_id, row.seq)
    live.messages.append(end)
    live.timed_out.append(end)
    return True, None


def begin_local(tasks: Tasks, live: LiveRun, commands: Sequence[HistoryEvent]) -> None:
    """Begin the local activities among the commands that do not run here yet: new ones, and those of a worker that is gone."""
    for command in commands:
        if isinstance(command, ActivityTaskScheduled):
            if is_local(command) and not tasks.runs(live.run_id, command.seq):
                tasks.start_scheduled(
                    command,
                    run_id=live.run_id,
                    workflow_id=live.workflow_id,
                    workflow_type=live.workflow_type,
                    queue=live.task_queue,
                )
        elif isinstance(command, ActivityTaskCancelRequested):
            tasks.cancel(live.run_id, command.seq)


def need_known_activities(registry: Registry, live: LiveRun, turn: Turn, *, every: bool) -> None:
    """Raise RF5105 for an activity that this worker is to run and does not know: a local one, or ``every`` one of its queue."""
    for command in turn.commands:
        if (
            isinstance(command, ActivityTaskScheduled)
            and command.activity_type not in registry.activities
            and (is_local(command) or (every and task_queue_of(command, live.task_queue) == live.task_queue))
        ):
            registry.activity(command.activity_type)
