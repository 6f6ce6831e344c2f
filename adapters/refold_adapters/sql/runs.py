"""Runs come into being, receive messages, are set aside and given up.

One rule: whatever changes the inbox, the owner or the parking of a run leaves its ``ready_at`` true.
"""

from __future__ import annotations

from refold_adapters import ports
from refold_adapters.ports import Outcome, RunStatus
from refold_adapters.sql.held import settle
from refold_adapters.sql.inbox import accept, first_turn_at, put_message, work_of
from refold_adapters.sql.places import row_span
from refold_adapters.sql.properties import note
from refold_adapters.sql.rows import status_of
from refold_adapters.sql.transaction import Transaction

# For nearly every start the answer is that its owner is alive and nothing stands in the way: one statement says so.
_OWNER_AND_OTHERS = """
    SELECT EXISTS (SELECT 1 FROM sessions WHERE token = ?),
        EXISTS (SELECT 1 FROM runs WHERE run_id = ?) OR EXISTS (SELECT 1 FROM runs WHERE workflow_id = ?)
            OR EXISTS (SELECT 1 FROM tombstones WHERE run_id = ?) OR EXISTS (SELECT 1 FROM tombstones WHERE workflow_id = ?)
"""
_NAMESAKE = "SELECT workflow_id, status FROM runs WHERE run_id = ?"
_DEAD_NAMESAKE = "SELECT workflow_id, status FROM tombstones WHERE run_id = ?"
_SAME_REQUEST = """
    SELECT run_id, status FROM runs WHERE workflow_id = ? AND request_id = ? ORDER BY run_key DESC LIMIT 1
"""
_SAME_DEAD_REQUEST = """
    SELECT run_id, status FROM tombstones WHERE workflow_id = ? AND request_id = ? ORDER BY run_id LIMIT 1
"""
_GRAVE = "SELECT deleted_at FROM tombstones WHERE run_id = ? AND ? IN ('', workflow_id)"
_LATEST = "SELECT run_id, status, first_run_id FROM runs WHERE workflow_id = ? ORDER BY run_key DESC LIMIT 1"
_INSERT = """
    INSERT INTO runs (run_id, workflow_id, workflow_type, task_queue, request_id, status, started_at, turn, turn_token,
        last_event_id, history_bytes, last_message, owner, takeovers, ready_at, build_id, first_run_id, ends_at)
    VALUES (?, ?, ?, ?, ?, 'RUNNING', ?, 0, '', 0, 0, ?, ?, 0, ?, ?, ?, ?)
"""
_RECEIVER = """
    SELECT run_key, run_id, workflow_id, status, parked IS NOT NULL OR paused_at IS NOT NULL, ready_at, last_message,
        first_run_id, turn
    FROM runs WHERE run_id = ?
"""
_LATEST_RECEIVER = """
    SELECT run_key, run_id, workflow_id, status, parked IS NOT NULL OR paused_at IS NOT NULL, ready_at, last_message,
        first_run_id, turn
    FROM runs WHERE workflow_id = ? ORDER BY run_key DESC LIMIT 1
"""
_HEIR = """
    SELECT r.run_key, r.run_id, workflow_id, status, parked IS NOT NULL OR paused_at IS NOT NULL, ready_at, last_message,
        first_run_id, turn
    FROM heirs AS h JOIN runs AS r ON r.run_key = h.run_key
    WHERE h.run_id = ? AND last_seq >= ? AND status = 'RUNNING' ORDER BY r.run_key
"""
_KNOWN_REQUEST = "SELECT count(*) FROM inbox WHERE request_id = ? AND request_id <> '' AND id BETWEEN ? AND ?"
_PARK = """
    UPDATE runs SET parked = ?, parked_at = ?, parked_kind = ?, parked_line = ?, owner = 0, ready_at = NULL
    WHERE run_id = ? AND owner = ?
"""
_PARKED = "SELECT run_key, paused_at IS NOT NULL FROM runs WHERE run_id = ? AND parked IS NOT NULL"
_PARKED_OF_QUEUE = """
    SELECT run_key, paused_at IS NOT NULL FROM runs WHERE task_queue = ? AND parked IS NOT NULL ORDER BY started_at, run_id
"""
_UNPARK = """
    UPDATE runs SET parked = NULL, parked_at = NULL, parked_kind = NULL, parked_line = NULL, takeovers = 0, ready_at = ?
    WHERE run_key = ?
"""
_END = "UPDATE runs SET ends_at = ? WHERE run_key = ?"
_RELEASE = "UPDATE runs SET owner = 0 WHERE run_id = ? AND owner = ?"

_RUNNING = RunStatus.RUNNING.value


def create_run(tx: Transaction, write: ports.CreateRun) -> Outcome:
    """Create a run, unless one stands in the way."""
    if tx.taken is None:
        ids = (write.run_id, write.workflow_id)
        alive, has_others = tx.execute(_OWNER_AND_OTHERS, (write.owner, *ids * 2)).fetchone()
    else:
        alive = write.owner in tx.sessions
        has_others = write.run_id in tx.taken or write.workflow_id in tx.taken
    if write.owner and not alive:
        return ports.Fenced()
    if has_others and (present := run_in_the_way(tx, write)) is not None:
        return present
    if tx.taken is not None:
        tx.taken |= {write.run_id, write.workflow_id}
    ready_at = None if write.message is None else max(tx.now, write.ready_at)
    run_key = put_run(tx, write, ready_at, 0 if write.message is None else 1)
    if write.message is not None and ready_at is not None:
        put_message(tx, run_key, 1, ready_at=ready_at, data=write.message)
    else:
        tx.born = (write.run_id, run_key, write.owner)
    return ports.Created(write.run_id)


def run_in_the_way(
    tx: Transaction, write: ports.CreateRun, closing: str | None = None
) -> ports.Exists | None:
    """The run that a new one cannot stand beside; not the one of the run id ``closing``, which is about to be closed."""
    if (namesake := namesake_of(tx, write)) is not None:
        return namesake
    if write.request_id:
        for statement in (_SAME_REQUEST, _SAME_DEAD_REQUEST):
            twin = tx.execute(statement, (write.workflow_id, write.request_id)).fetchone()
            if twin is not None:
                return ports.Exists(twin[0], status_of(*twin), True)
    latest = tx.execute(_LATEST, (write.workflow_id,)).fetchone()
    if latest is not None:
        status = status_of(*latest[:2])
        is_open = status is RunStatus.RUNNING and latest[0] != closing
        if is_open or (status in write.blocked_by and latest[2] != write.instead_of):
            return ports.Exists(latest[0], status)
    return None


def namesake_of(tx: Transaction, write: ports.CreateRun) -> ports.Exists | None:
    """The run, there or removed, that has the run id already."""
    for statement in (_NAMESAKE, _DEAD_NAMESAKE):
        namesake = tx.execute(statement, (write.run_id,)).fetchone()
        if namesake is not None:
            status = status_of(write.run_id, namesake[1])
            return ports.Exists(write.run_id, status, namesake[0] == write.workflow_id)
    return None


def put_run(tx: Transaction, write: ports.CreateRun, ready_at: int | None, last_message: int) -> int:
    """Create the row of a run; returns its key."""
    identity = (write.run_id, write.workflow_id, write.workflow_type, write.task_queue, write.request_id)
    chain = write.first_run_id or write.run_id
    standing = (tx.now, last_message, write.owner, ready_at, write.build_id or "", chain, write.ends_at)
    run_key = tx.insert_run(_INSERT, (*identity, *standing))
    if write.properties is not None:
        note(tx, run_key, write.properties)
    return run_key


def accept_message(tx: Transaction, write: ports.AcceptMessage) -> Outcome:
    """Put a message into an inbox."""
    if write.run_id is None:
        row = tx.execute(_LATEST_RECEIVER, (write.workflow_id,)).fetchone()
    else:
        row = tx.execute(_RECEIVER, (write.run_id,)).fetchone()
    if write.answers is not None and (row is None or row[3] != _RUNNING):
        row = tx.execute(_HEIR, (write.run_id, write.answers)).fetchone() or row
    if row is None:
        return ports.NotFound(
            None if write.run_id is None else deleted_at(tx, write.run_id, write.workflow_id)
        )
    run_key, run_id, workflow_id, status, parked, ready_at, last_message, first_run_id, turn = row
    if write.workflow_id not in ("", workflow_id) or write.first_run_id not in (None, first_run_id):
        return ports.NotFound()
    if status != _RUNNING:
        return ports.Closed(run_id, status_of(run_id, status))
    if write.request_id and tx.execute(_KNOWN_REQUEST, (write.request_id, *row_span(run_key))).fetchone()[0]:
        return ports.Accepted(run_id, None)
    at = tx.now if turn or write.wakes else first_turn_at(tx, run_key)
    message_id = accept(tx, (run_key, parked, ready_at, last_message), write.data, write.request_id, at)
    if write.ends:
        tx.execute(_END, (tx.now, run_key))
    return ports.Accepted(run_id, message_id)


def deleted_at(tx: Transaction, run_id: str, workflow_id: str = "") -> int | None:
    """When a run was removed, if its tombstone tells."""
    grave = tx.execute(_GRAVE, (run_id, workflow_id)).fetchone()
    return None if grave is None else grave[0]


def park_run(tx: Transaction, write: ports.ParkRun) -> Outcome:
    """Take a run out of the claimable ones."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    settle(tx, write.run_id)
    reason = (write.reason, tx.now, write.kind, write.line)
    return ports.Done() if tx.change(_PARK, (*reason, write.run_id, write.token)) else ports.Fenced()


def unpark_runs(tx: Transaction, write: ports.UnparkRuns) -> Outcome:
    """Make parked runs claimable again."""
    parked: list[tuple[int, bool]] = []
    if write.run_ids is None:
        for queue in write.task_queues:
            parked += tx.execute(_PARKED_OF_QUEUE + tx.for_update, (queue,)).fetchall()
    else:
        for run_id in write.run_ids:
            parked += tx.execute(_PARKED, (run_id,)).fetchall()
    for run_key, paused in parked:
        tx.execute(_UNPARK, (work_of(tx, run_key, paused=paused), run_key))
    return ports.Done()


def release_runs(tx: Transaction, write: ports.ReleaseRuns) -> Outcome:
    """Give up runs."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    for run_id in write.run_ids:
        settle(tx, run_id)
        tx.execute(_RELEASE, (run_id, write.token))
    return ports.Done()
