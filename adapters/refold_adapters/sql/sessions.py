"""Sessions: who is at work, and what becomes of the work of those who are gone.

One rule: a session ends in one place, and whatever it owned belongs to nobody from then on.
"""

from __future__ import annotations

from refold_adapters import ports
from refold_adapters.ports import Outcome
from refold_adapters.sql.held import settle_all
from refold_adapters.sql.transaction import Transaction

_GROW = "UPDATE meta SET value = value + 1 WHERE name = 'last_token' RETURNING value"
_INSERT = "INSERT INTO sessions (token, identity, process, expires_at) VALUES (?, ?, ?, ?)"
_RENEW = "UPDATE sessions SET expires_at = ? WHERE token = ?"
_DELETE = "DELETE FROM sessions WHERE token = ?"
# Only open runs have owners, so the index of the open ones bounds the search.
_FREE_RUNS = """
    UPDATE runs INDEXED BY runs_open SET owner = 0, takeovers = takeovers + ? WHERE status = 'RUNNING' AND owner = ?
"""
# Nobody knows how far the attempt came, so the next one has another number.
_FREE_TASKS = """
    UPDATE tasks SET owner = 0, started_at = NULL, attempt = attempt + 1, visible_at = ? WHERE owner = ?
"""


def open_session(tx: Transaction, write: ports.OpenSession) -> Outcome:
    """Begin a session."""
    sessions = tx.sessions
    token: int = tx.execute(_GROW).fetchone()[0]
    sessions[token] = tx.now + write.lease_us
    tx.execute(_INSERT, (token, write.identity, write.process, sessions[token]))
    return ports.Opened(token)


def renew_session(tx: Transaction, write: ports.RenewSession) -> Outcome:
    """Prolong a lease."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    tx.sessions[write.token] = tx.now + write.lease_us
    tx.execute(_RENEW, (tx.sessions[write.token], write.token))
    return ports.Done()


def close_session(tx: Transaction, write: ports.CloseSession) -> Outcome:
    """End a session."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    if write.only_expired and tx.sessions[write.token] > tx.now:
        return ports.Refused()
    _end(tx, write.token, takeovers=0 if write.graceful else 1)
    return ports.Done()


def expel_the_dead(tx: Transaction, but: int) -> None:
    """End every session whose lease has run out, except the one that asks."""
    for token, expires_at in list(tx.sessions.items()):
        if token != but and expires_at <= tx.now and tx.may_expel(token):
            _end(tx, token, takeovers=1)


def _end(tx: Transaction, token: int, *, takeovers: int) -> None:
    del tx.sessions[token]
    tx.execute(_DELETE, (token,))
    settle_all(tx, token)
    tx.execute(_FREE_RUNS, (takeovers, token))
    tx.execute(_FREE_TASKS, (tx.now, token))
