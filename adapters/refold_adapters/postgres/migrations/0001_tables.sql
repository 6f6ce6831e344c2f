-- The tables, as in SQLite, whose rules of places and times hold here too: every row that belongs to a run lies at
-- run_key * 2^32 + its number within the run, and runs.ready_at says from when on a run has work.
--
-- Texts are compared by code points, whatever the collation of the database. The character NUL, which PostgreSQL does not
-- store, is written as two characters: see values.py.

CREATE TABLE meta (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('last_token', 0);

CREATE TABLE sessions (
    token BIGINT PRIMARY KEY,
    identity TEXT COLLATE "C" NOT NULL,
    process TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);

-- A row is written at every step: room on its page lets it stay there, and its indexes as they are.
CREATE TABLE runs (
    run_key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id TEXT COLLATE "C" NOT NULL UNIQUE,
    workflow_id TEXT COLLATE "C" NOT NULL,
    workflow_type TEXT COLLATE "C" NOT NULL,
    task_queue TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    closed_at BIGINT,
    turn BIGINT NOT NULL,
    turn_token TEXT COLLATE "C" NOT NULL,
    last_event_id BIGINT NOT NULL,
    history_bytes BIGINT NOT NULL,
    last_message BIGINT NOT NULL,
    owner BIGINT NOT NULL,
    takeovers BIGINT NOT NULL,
    ready_at BIGINT,
    parked BYTEA,
    closing_event BYTEA,
    build_id TEXT COLLATE "C" NOT NULL,
    paused_at BIGINT,
    parked_at BIGINT,
    parked_kind TEXT COLLATE "C",
    parked_line TEXT COLLATE "C",
    memo BYTEA,
    search_attributes BYTEA,
    first_run_id TEXT COLLATE "C" NOT NULL,
    held_seq BIGINT,
    held_type TEXT COLLATE "C",
    held_queue TEXT COLLATE "C",
    held_at BIGINT,
    held_data BYTEA,
    ends_at BIGINT
) WITH (fillfactor = 70);
CREATE INDEX runs_by_workflow ON runs (workflow_id, run_key);
CREATE INDEX runs_by_start ON runs (started_at, run_id);
CREATE INDEX runs_open ON runs (started_at, run_id) WHERE status = 'RUNNING';
CREATE INDEX runs_owned ON runs (owner) WHERE owner <> 0;
CREATE INDEX runs_parked ON runs (started_at, run_id) WHERE parked IS NOT NULL;
CREATE INDEX runs_ending ON runs (ends_at, run_key) WHERE ends_at IS NOT NULL;
CREATE INDEX runs_ready ON runs (owner, task_queue, build_id, takeovers, ready_at, run_key) WHERE ready_at IS NOT NULL;
CREATE INDEX runs_closed ON runs (closed_at, run_key) WHERE closed_at IS NOT NULL;

-- Which run takes the answers to the commands of another one, up to which command.
CREATE TABLE heirs (
    run_id TEXT COLLATE "C" PRIMARY KEY,
    run_key BIGINT NOT NULL,
    last_seq BIGINT NOT NULL
);
CREATE INDEX heirs_by_run ON heirs (run_key);

CREATE TABLE history (
    id BIGINT PRIMARY KEY,
    first_event_id BIGINT NOT NULL,
    checksum BIGINT NOT NULL,
    data BYTEA NOT NULL
);

CREATE TABLE inbox (
    id BIGINT PRIMARY KEY,
    ready_at BIGINT NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    data BYTEA NOT NULL
);
CREATE INDEX inbox_requests ON inbox (request_id, id) WHERE request_id <> '';

CREATE TABLE refusals (
    id BIGINT PRIMARY KEY,
    data BYTEA NOT NULL
);

CREATE TABLE tasks (
    id BIGINT PRIMARY KEY,
    activity_type TEXT COLLATE "C" NOT NULL,
    task_queue TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    scheduled_at BIGINT NOT NULL,
    visible_at BIGINT NOT NULL,
    started_at BIGINT,
    owner BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    data BYTEA NOT NULL,
    heartbeat BYTEA,
    last_failure BYTEA,
    heartbeat_at BIGINT,
    paused BIGINT NOT NULL DEFAULT 0,
    options BYTEA
);
CREATE INDEX tasks_idle ON tasks (task_queue, activity_type, visible_at, id) WHERE owner = 0 AND paused = 0;
CREATE INDEX tasks_owned ON tasks (owner) WHERE owner <> 0;

CREATE TABLE timers (
    id BIGINT PRIMARY KEY,
    run_key BIGINT NOT NULL,
    fire_at BIGINT NOT NULL
);
CREATE INDEX timers_by_time ON timers (run_key, fire_at, id);

-- A term has one of the two values.
CREATE TABLE terms (
    id BIGINT PRIMARY KEY,
    run_key BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    text_value TEXT COLLATE "C",
    number_value NUMERIC
);
CREATE INDEX terms_by_text ON terms (name, kind, text_value, run_key) WHERE text_value IS NOT NULL;
CREATE INDEX terms_by_number ON terms (name, kind, number_value, run_key) WHERE number_value IS NOT NULL;

CREATE TABLE tombstones (
    run_id TEXT COLLATE "C" PRIMARY KEY,
    workflow_id TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE INDEX tombstones_by_request ON tombstones (workflow_id, request_id);
CREATE INDEX tombstones_by_time ON tombstones (deleted_at);
