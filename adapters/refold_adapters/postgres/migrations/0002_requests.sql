-- What was asked for once, and was done.
CREATE TABLE requests (
    request TEXT COLLATE "C" PRIMARY KEY,
    answer BYTEA NOT NULL,
    noted_at BIGINT NOT NULL
);
CREATE INDEX requests_by_time ON requests (noted_at);
