"""The tables.

One rule: every row that belongs to a run lies in the one b-tree of its table at the place that ``sql.places`` gives it.  So the rows
of a run lie together, and a commit touches few pages.

``held_...`` of a run is the task of its owner, if there is only that: see ``held``.  So a step writes two pages, one of the history
and one of the runs.

``ready_at`` of a run is since when, or from when on, it has work: the earliest of its inbox and its timers; NULL where it has
none, is parked or is closed; of a paused run, its deadline.  Every write keeps it, so that finding work
never reads more than the work found.
"""

from __future__ import annotations

#: "ReFo": tells our files from other SQLite files.
APPLICATION_ID = 0x5265466F
#: Grows with every change of the tables.
SCHEMA_VERSION = 1

#: For retention, and made at its first look: a store that keeps all its runs need not write it at every close.
RUNS_CLOSED = "CREATE INDEX IF NOT EXISTS runs_closed ON runs (closed_at) WHERE closed_at IS NOT NULL"

TABLES = (
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE sessions (
        token INTEGER PRIMARY KEY,
        identity TEXT NOT NULL,
        process TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE runs (
        run_key INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        workflow_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        request_id TEXT NOT NULL,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        closed_at INTEGER,
        turn INTEGER NOT NULL,
        turn_token TEXT NOT NULL,
        last_event_id INTEGER NOT NULL,
        history_bytes INTEGER NOT NULL,
        last_message INTEGER NOT NULL,
        owner INTEGER NOT NULL,
        takeovers INTEGER NOT NULL,
        ready_at INTEGER,
        parked BLOB,
        closing_event BLOB,
        build_id TEXT NOT NULL,
        paused_at INTEGER,
        parked_at INTEGER,
        parked_kind TEXT,
        parked_line TEXT,
        memo BLOB,
        search_attributes BLOB,
        first_run_id TEXT NOT NULL,
        held_seq INTEGER,
        held_type TEXT,
        held_queue TEXT,
        held_at INTEGER,
        held_data BLOB,
        ends_at INTEGER
    ) STRICT
    """,
    # Which run takes the answers to the commands of another one, up to which command.
    """
    CREATE TABLE heirs (
        run_id TEXT PRIMARY KEY,
        run_key INTEGER NOT NULL,
        last_seq INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX heirs_by_run ON heirs (run_key)",
    "CREATE INDEX runs_by_workflow ON runs (workflow_id)",
    "CREATE INDEX runs_by_start ON runs (started_at, run_id)",
    "CREATE INDEX runs_open ON runs (started_at, run_id) WHERE status = 'RUNNING'",
    "CREATE INDEX runs_parked ON runs (started_at, run_id) WHERE parked IS NOT NULL",
    "CREATE INDEX runs_ending ON runs (ends_at, run_key) WHERE ends_at IS NOT NULL",
    "CREATE INDEX runs_ready ON runs (owner, task_queue, build_id, takeovers, ready_at) WHERE ready_at IS NOT NULL",
    """
    CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        first_event_id INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY,
        ready_at INTEGER NOT NULL,
        request_id TEXT NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE refusals (
        id INTEGER PRIMARY KEY,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX inbox_requests ON inbox (request_id) WHERE request_id <> ''",
    """
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        activity_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        scheduled_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        started_at INTEGER,
        owner INTEGER NOT NULL,
        cancel_requested INTEGER NOT NULL,
        data BLOB NOT NULL,
        heartbeat BLOB,
        last_failure BLOB,
        heartbeat_at INTEGER,
        paused INTEGER NOT NULL DEFAULT 0,
        options BLOB
    ) STRICT
    """,
    "CREATE INDEX tasks_idle ON tasks (task_queue, activity_type, visible_at) WHERE owner = 0 AND paused = 0",
    """
    CREATE TABLE timers (
        id INTEGER PRIMARY KEY,
        run_key INTEGER NOT NULL,
        fire_at INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX timers_by_time ON timers (run_key, fire_at)",
    """
    CREATE TABLE terms (
        id INTEGER PRIMARY KEY,
        run_key INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        value ANY NOT NULL
    ) STRICT
    """,
    "CREATE INDEX terms_by_value ON terms (name, kind, value, run_key)",
    """
    CREATE TABLE tombstones (
        run_id TEXT PRIMARY KEY,
        workflow_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        status TEXT NOT NULL,
        deleted_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX tombstones_by_request ON tombstones (workflow_id, request_id)",
    # What was asked for once, and was done: see Once.
    """
    CREATE TABLE requests (
        request TEXT PRIMARY KEY,
        answer BLOB NOT NULL,
        noted_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX requests_by_time ON requests (noted_at)",
    "CREATE INDEX tombstones_by_time ON tombstones (deleted_at)",
)
