"""The write that everything is about: a turn and all that follows from it, in as few statements as it can be.

One rule: conditions first, in the order that ``ports`` promises, and nothing is changed before the last of them holds.  A step
of a sequential workflow is one row read, one history row and one update, of the run with the task in it; all else is behind an ``if``.
"""

from __future__ import annotations

from typing import Any

from refold_adapters import ports
from refold_adapters.ports import InboxMessage, Outcome
from refold_adapters.sql.held import NONE, Held, settle
from refold_adapters.sql.inbox import put_message, work_of
from refold_adapters.sql.places import number_of, row_id, row_span
from refold_adapters.sql.properties import note
from refold_adapters.sql.refusals import put_refusal
from refold_adapters.sql.relays import carry_out
from refold_adapters.sql.rows import checksum
from refold_adapters.sql.runs import namesake_of
from refold_adapters.sql.transaction import Transaction

#: What a turn asks of its run, after whether its session is alive.
TURN_COLUMNS = """
    run_key, status, turn, turn_token, owner, takeovers, ready_at, parked IS NOT NULL, last_message, paused_at IS NOT NULL, held_seq
"""
_RUN = (
    "SELECT EXISTS (SELECT 1 FROM sessions WHERE token = ?), "  # noqa: S608 - both parts are constants
    + TURN_COLUMNS
    + " FROM runs WHERE run_id = ?"
)
_OWNED = "SELECT run_key, paused_at IS NOT NULL FROM runs WHERE run_id = ? AND owner = ?"
# Of those that have names without an underscore, a database may carry out many at once: see ``Transaction.put_off``.
STEP = """
    UPDATE runs SET turn = ?, turn_token = ?, last_event_id = ?, history_bytes = history_bytes + ? WHERE run_key = ?
"""
# The usual step: the task that stands in the run's row is another one from now on.
STEP_AND_HOLD = """
    UPDATE runs SET turn = ?, turn_token = ?, last_event_id = ?, history_bytes = history_bytes + ?,
        held_seq = ?, held_type = ?, held_queue = ?, held_at = ?, held_data = ?
    WHERE run_key = ?
"""
_HOLD = "UPDATE runs SET held_seq = ?, held_type = ?, held_queue = ?, held_at = ?, held_data = ? WHERE run_key = ?"
# Apart from STEP because a column that is named is written to its indexes even where it keeps its value.
_MOVE = """
    UPDATE runs SET turn = ?, turn_token = ?, last_event_id = ?, history_bytes = history_bytes + ?,
        owner = ?, takeovers = 0, ready_at = ?, last_message = ?
    WHERE run_key = ?
"""
CLOSE = """
    UPDATE runs SET turn = ?, turn_token = ?, last_event_id = ?, history_bytes = history_bytes + ?,
        status = ?, closed_at = ?, closing_event = ?, owner = 0, takeovers = 0, ready_at = NULL, parked = NULL, parked_at = NULL,
        parked_kind = NULL, parked_line = NULL, paused_at = NULL, ends_at = NULL,
        held_seq = NULL, held_type = NULL, held_queue = NULL, held_at = NULL, held_data = NULL
    WHERE run_key = ?
"""
APPEND = "INSERT INTO history (id, first_event_id, checksum, data) VALUES (?, ?, ?, ?)"
_UNSEEN = "SELECT id, data FROM inbox WHERE id BETWEEN ? AND ? ORDER BY id"
_TAKE_MESSAGE = "DELETE FROM inbox WHERE id = ?"
_TASK = "SELECT owner, attempt FROM tasks WHERE id = ?"
_TAKE_TASK = "DELETE FROM tasks WHERE id = ?"
_TAKE_HELD_TASK = "DELETE FROM tasks WHERE id = ? AND attempt = ? AND owner = ?"
_PUT_TASK = """
    INSERT INTO tasks (id, activity_type, task_queue, scheduled_at, visible_at, started_at, owner, data,
        attempt, cancel_requested)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0)
"""
_ASK_TASK_TO_STOP = "UPDATE tasks SET cancel_requested = 1 WHERE id = ?"
_PUT_TIMER = """
    INSERT INTO timers (id, run_key, fire_at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET fire_at = excluded.fire_at
"""
_TAKE_TIMER = "DELETE FROM timers WHERE id = ?"
_PAUSE = "UPDATE runs SET paused_at = ? WHERE run_key = ?"
#: A task is not claimed where any of the bits is set: 1 if it is paused itself, 2 if its run is.
_PAUSE_TASKS = "UPDATE tasks SET paused = (paused & 1) | ? WHERE id BETWEEN ? AND ?"
_PIN = "UPDATE runs SET build_id = ? WHERE run_key = ?"
_SET_READY_AT = "UPDATE runs SET ready_at = ? WHERE run_key = ?"
CLEAR_TASKS = "DELETE FROM tasks WHERE id BETWEEN ? AND ?"
_CLEAR_INBOX = "DELETE FROM inbox WHERE id BETWEEN ? AND ?"
_CLEAR_TIMERS = "DELETE FROM timers WHERE id BETWEEN ? AND ?"

_FENCED = ports.Fenced()
_COMMITTED = ports.Committed()
_GONE = ports.Gone()
_RUNNING = ports.RunStatus.RUNNING.value


def commit_turn(
    tx: Transaction, write: ports.CommitTurn, born: tuple[str, int, int] | None = None
) -> Outcome:
    """Append a turn, and carry out what it says; ``born`` is as in ``Transaction``."""
    token = write.token
    if born is not None and born[0] == write.run_id and born[2] == token:
        row: tuple[Any, ...] | None = (True, born[1], _RUNNING, 0, "", token, 0, None, False, 0, False, None)
    elif (row := tx.foreseen.pop(write.run_id, None)) is None:
        row = tx.execute(_RUN, (token, write.run_id)).fetchone()
    if row is None:
        return ports.NotFound() if not token or token in tx.sessions else _FENCED
    alive, run_key, status, turn, turn_token, owner, takeovers = row[:7]
    ready_at, parked, last_message, paused, held = row[7:]
    if token and (not alive or owner not in (0, token)):
        return _FENCED
    if turn != write.turn - 1 or status != _RUNNING or (paused and token and not turn):
        repeated = turn == write.turn and turn_token == write.turn_token and turn_token != ""
        return _COMMITTED if repeated else ports.Stale(turn)
    #: An open run that is neither ready, parked nor paused has no messages and no timers.
    quiet = ready_at is None and not parked and not paused
    if write.closing is not None and (unclosable := _unclosable(tx, run_key, write, quiet=quiet)):
        return unclosable
    takes = held is not None and _takes(tx, held, write)
    if write.finished and not takes and not _take_finished(tx, run_key, write):
        return _GONE

    history_id = row_id(run_key, write.turn)
    data = write.data
    tx.put_off(
        APPEND, (history_id, write.first_event_id, checksum(history_id, write.first_event_id, data), data)
    )
    last_event_id = write.first_event_id + write.event_count - 1
    if write.properties is not None:
        note(tx, run_key, write.properties)
    if write.closing is not None:
        if write.build_id is not None:
            pin(tx, run_key, write.build_id)
        _close(tx, run_key, write, write.closing, last_event_id, quiet=quiet)
        carry_out(tx, write)
        return _COMMITTED
    _take_away(tx, run_key, write, quiet=quiet)
    holds = NONE if takes else None
    if write.tasks:
        holds = _put_tasks(tx, run_key, write, paused=paused) or holds
    reports = _cancel_tasks(tx, run_key, last_message, write) if write.cancel_tasks else 0
    new_owner = owner or token
    if paused or write.paused is not None:
        paused = _hold(tx, run_key, write)
    if write.build_id is not None:
        pin(tx, run_key, write.build_id)
        new_owner = new_owner if token else 0
    if (
        reports
        or write.timers
        or write.paused is not None
        or (not quiet and (write.consumed or write.removed_timers))
    ):
        _move_timers(tx, run_key, write)
        new_ready_at = None if parked else work_of(tx, run_key, paused=paused)
    else:
        new_ready_at = ready_at
    step = (write.turn, write.turn_token, last_event_id, len(data))
    moves = new_owner != owner or takeovers or new_ready_at != ready_at or reports
    moved = (new_owner, new_ready_at, last_message + reports) if moves else None
    _advance(tx, run_key, step, moved, holds)
    if write.relays:
        carry_out(tx, write)
    return _COMMITTED


def consume_messages(tx: Transaction, write: ports.ConsumeMessages) -> Outcome:
    """Take messages, timers and tasks off a run without a turn."""
    row = tx.execute(_OWNED, (write.run_id, write.token)).fetchone()
    if write.token not in tx.sessions or row is None:
        return _FENCED
    run_key: int = row[0]
    paused: bool = row[1]
    for message_id in write.message_ids:
        tx.execute(_TAKE_MESSAGE, (row_id(run_key, message_id),))
    for refusal in write.refusals:
        put_refusal(tx, run_key, refusal)
    for seq in write.timers:
        tx.execute(_TAKE_TIMER, (row_id(run_key, seq),))
    for seq, fire_at in write.new_timers:
        tx.execute(_PUT_TIMER, (row_id(run_key, seq), run_key, fire_at))
    if write.finished:
        settle(tx, write.run_id)
    for seq, attempt in write.finished:
        tx.execute(_TAKE_HELD_TASK, (row_id(run_key, seq), attempt, write.token))
    tx.execute(_SET_READY_AT, (work_of(tx, run_key, paused=paused), run_key))
    return ports.Done()


def _advance(
    tx: Transaction,
    run_key: int,
    step: tuple[int, str, int, int],
    moved: tuple[int, int | None, int] | None,
    holds: Held | None,
) -> None:
    """Write into the run's row how far it is, and as far as they change, who has it since when, and its task."""
    if moved is None:
        if holds is None:
            tx.put_off(STEP, (*step, run_key))
        else:
            tx.put_off(STEP_AND_HOLD, (*step, *holds, run_key))
        return
    tx.execute(_MOVE, (*step, *moved, run_key))
    if holds is not None:
        tx.execute(_HOLD, (*holds, run_key))


def _take_away(tx: Transaction, run_key: int, write: ports.CommitTurn, *, quiet: bool) -> None:
    if not quiet:
        for message_id in write.consumed:
            tx.execute(_TAKE_MESSAGE, (row_id(run_key, message_id),))
    for seq in write.dropped_tasks:
        tx.execute(_TAKE_TASK, (row_id(run_key, seq),))


def _takes(tx: Transaction, held: int, write: ports.CommitTurn) -> bool:
    """Whether the task in the run's row is the one that the turn finishes; otherwise it makes room if the turn is about tasks at all."""
    if len(write.finished) == 1 and write.finished[0] == (held, 1):
        return True
    about_tasks = write.tasks or write.dropped_tasks or write.cancel_tasks
    about_owner = write.paused is not None or write.build_id is not None
    if write.finished or (write.closing is None and (about_tasks or about_owner)):
        settle(tx, write.run_id)
    return False


def _put_tasks(tx: Transaction, run_key: int, write: ports.CommitTurn, *, paused: bool) -> Held | None:
    """Create the tasks of a turn; or give back the only one, if its session runs it at once and goes on with the run."""
    if (
        len(write.tasks) == 1
        and write.tasks[0].claimed
        and write.token
        and not (paused or write.paused)
        and write.build_id is None
        and not write.cancel_tasks
    ):
        new = write.tasks[0]
        return (new.seq, new.activity_type, new.task_queue, tx.now, new.data)
    for new in write.tasks:
        put_task(tx, run_key, write.token, new)
    return None


def _unclosable(tx: Transaction, run_key: int, write: ports.CommitTurn, *, quiet: bool) -> Outcome | None:
    """Why the turn cannot close its run; None where it can."""
    unseen = [] if quiet else _unseen(tx, run_key, write)
    if unseen:
        return ports.Unseen(unseen)
    return None if write.next is None else namesake_of(tx, write.next.creation)


def _unseen(tx: Transaction, run_key: int, write: ports.CommitTurn) -> list[InboxMessage]:
    messages = [
        InboxMessage(number_of(rowid), data) for rowid, data in tx.execute(_UNSEEN, row_span(run_key))
    ]
    return [message for message in messages if message.message_id not in write.consumed]


def _take_finished(tx: Transaction, run_key: int, write: ports.CommitTurn) -> bool:
    """Delete the finished tasks if all of them are held in that attempt.  The last condition, so it may change something."""
    if len(write.finished) == 1 and write.token:
        ((seq, attempt),) = write.finished
        return tx.change(_TAKE_HELD_TASK, (row_id(run_key, seq), attempt, write.token)) == 1
    for seq, attempt in write.finished:
        task = tx.execute(_TASK + tx.for_update, (row_id(run_key, seq),)).fetchone()
        if task is None or task[1] != attempt or (write.token and task[0] != write.token):
            return False
    for seq, _ in write.finished:
        tx.execute(_TAKE_TASK, (row_id(run_key, seq),))
    return True


def put_task(tx: Transaction, run_key: int, token: int, new: ports.NewTask) -> None:
    """Create a task, held by that session if it says so."""
    tx.execute(_PUT_TASK, _task_values(tx, run_key, token, new))


def pause(tx: Transaction, run_key: int, *, paused: bool) -> None:
    """Pause a run and its tasks, or let them go on; the caller sees to the run's ``ready_at``."""
    tx.execute(_PAUSE, (tx.now if paused else None, run_key))
    tx.execute(_PAUSE_TASKS, (2 if paused else 0, *row_span(run_key)))


def _hold(tx: Transaction, run_key: int, write: ports.CommitTurn) -> bool:
    """Pause a run or let it go on, as its turn says; what the turn creates in a paused one is held back.  Whether it is paused."""
    if write.paused is not None:
        pause(tx, run_key, paused=write.paused)
        return write.paused
    if write.tasks:
        tx.execute(_PAUSE_TASKS, (2, *row_span(run_key)))
    return True


def pin(tx: Transaction, run_key: int, build_id: str) -> None:
    """That build alone may run it, or any if it is empty."""
    tx.execute(_PIN, (build_id, run_key))


def put_turn(tx: Transaction, run_key: int, turn: ports.StoredTurn) -> None:
    """Append to the history; the caller sees to the run's row."""
    place = row_id(run_key, turn.number)
    tx.execute(
        APPEND, (place, turn.first_event_id, checksum(place, turn.first_event_id, turn.data), turn.data)
    )


def put_timer(tx: Transaction, run_key: int, seq: int, fire_at: int) -> None:
    """Start a timer; the caller sees to the run's ``ready_at``."""
    tx.execute(_PUT_TIMER, (row_id(run_key, seq), run_key, fire_at))


def _task_values(tx: Transaction, run_key: int, token: int, new: ports.NewTask) -> tuple[object, ...]:
    now = tx.now
    owner = token if new.claimed else 0
    return (
        row_id(run_key, new.seq),
        new.activity_type,
        new.task_queue,
        now,
        now,
        now if owner else None,
        owner,
        new.data,
    )


def _cancel_tasks(tx: Transaction, run_key: int, last_message: int, write: ports.CommitTurn) -> int:
    """Ask tasks to stop; returns how many were idle and left a report in the inbox instead."""
    reports = 0
    for cancel in write.cancel_tasks:
        place = row_id(run_key, cancel.seq)
        task = tx.execute(_TASK + tx.for_update, (place,)).fetchone()
        if task is None:
            continue
        if task[0]:
            tx.execute(_ASK_TASK_TO_STOP, (place,))
        else:
            tx.execute(_TAKE_TASK, (place,))
            reports += 1
            put_message(tx, run_key, last_message + reports, ready_at=tx.now, data=cancel.report)
    return reports


def _move_timers(tx: Transaction, run_key: int, write: ports.CommitTurn) -> None:
    for seq, fire_at in write.timers:
        tx.execute(_PUT_TIMER, (row_id(run_key, seq), run_key, fire_at))
    for seq in write.removed_timers:
        tx.execute(_TAKE_TIMER, (row_id(run_key, seq),))


def _close(
    tx: Transaction,
    run_key: int,
    write: ports.CommitTurn,
    closing: ports.Closing,
    last_event_id: int,
    *,
    quiet: bool,
) -> None:
    step = (write.turn, write.turn_token, last_event_id, len(write.data))
    tx.put_off(CLOSE, (*step, closing.status.value, tx.now, closing.event, run_key))
    span = row_span(run_key)
    tx.put_off(CLEAR_TASKS, span)
    if not quiet:
        tx.execute(_CLEAR_INBOX, span)
        tx.execute(_CLEAR_TIMERS, span)
