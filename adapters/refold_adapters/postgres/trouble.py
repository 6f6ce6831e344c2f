"""PostgreSQL's errors as ours.

One rule: whatever the driver raises leaves this package as a ``StoreError`` with a cause and a remedy; by the server's SQLSTATE, never
by the words of a message, which depend on its language.
"""

from __future__ import annotations

import psycopg

from refold_adapters.store_errors import StoreError

#: Which errors of the driver mean trouble with the store or with a value, and not a mistake of ours.
DRIVER_ERRORS = (psycopg.Error, OverflowError, UnicodeEncodeError)

_NOTHING = "nothing of this call was done"

#: By SQLSTATE or its class: our code, what happened, why, and what to do.  The longest that fits is taken.
_BY_STATE: dict[str, tuple[str, str, str, str]] = {
    "08": (
        "RF5014",
        "the connection to {place} was lost",
        "the server was restarted, fell over or cannot be reached; " + _NOTHING,
        "nothing, if it comes back: the next call connects anew; otherwise look at the server and the network",
    ),
    "28": (
        "RF5001",
        "the server of {place} does not let this user in",
        "the user, the password or the method of authentication is refused",
        "check the user in the URL, the password (PGPASSWORD or ~/.pgpass serve too) and pg_hba.conf",
    ),
    "3D": (
        "RF5001",
        "{place} does not exist",
        "the server has no database of that name",
        "create it (createdb NAME), or check the URL; refold makes its schema in it, not the database",
    ),
    "42501": (
        "RF5002",
        "this user may not do that on {place}",
        "the role lacks a privilege; " + _NOTHING,
        "grant it: docs/howto/postgresql.md lists what the owner and the runtime role need",
    ),
    "25006": (
        "RF5002",
        "{place} cannot be written to",
        "the server is a standby, or transactions are read-only for this user; " + _NOTHING,
        "connect to the primary: with several hosts in the URL, add target_session_attrs=read-write",
    ),
    "40": (
        "RF5006",
        "{place} is contended",
        "transactions got in each other's way again and again; " + _NOTHING,
        "try again; if it lasts, look for long transactions in pg_stat_activity",
    ),
    "55P03": (
        "RF5006",
        "{place} is locked by somebody else",
        "a lock was not free in the time that lock_timeout allows; " + _NOTHING,
        "try again; if it lasts, look for long transactions in pg_stat_activity",
    ),
    "57014": (
        "RF5006",
        "a statement on {place} took too long",
        "it was cancelled, by statement_timeout or by an administrator; " + _NOTHING,
        "try again; if it lasts, raise statement_timeout for this role, or look for long transactions in pg_stat_activity",
    ),
    "53100": (
        "RF5004",
        "there is no space left for {place}",
        "the server's disk is full; " + _NOTHING + ", and whatever was acknowledged before is safe",
        "make space; the store can be used again at once, without being opened anew",
    ),
    "53": (
        "RF5006",
        "the server of {place} is short of something",
        "of connections, memory or locks; " + _NOTHING,
        "close what is not needed, or raise max_connections or max_locks_per_transaction",
    ),
    "22": (
        "RF5012",
        "a value cannot be stored",
        "PostgreSQL refuses it; " + _NOTHING,
        "check ids where they come in, and keep sequence numbers and times within 64 bits",
    ),
    "54": (
        "RF5012",
        "a value cannot be stored",
        "it is too large: an id has to fit an index entry, which holds 2,700 bytes; " + _NOTHING,
        "keep ids short",
    ),
    "58": (
        "RF5005",
        "the server of {place} could not read or write",
        "its device failed; whatever was acknowledged before is safe",
        "look at the server's log and its disks",
    ),
    "XX": (
        "RF5013",
        "{place} is damaged",
        "the server says that its own pages contradict each other",
        "stop what uses it, look at the server's log, and restore a backup",
    ),
}
#: SQLSTATEs under which a server goes away or does not let in yet: as a connection that is lost.
_GOING = ("57P",)
#: SQLSTATEs of transactions that came to nothing because of others, and may be begun again at once: serialization failures, deadlocks,
#: and a run id that another process has just given.
_CROSSED = ("40001", "40P01", "23505")


def is_crossed(error: Exception) -> bool:
    """Whether a transaction came to nothing because of another one, so that it is to be begun again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CROSSED


def is_loss(error: BaseException) -> bool:
    """Whether the error means that there is no connection any more."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", *_GOING))


def translated(error: BaseException, place: str) -> StoreError:
    """The error to raise in place of the driver's."""
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return _told("22", place, str(error))
    state = getattr(error, "sqlstate", None) or ""
    if is_loss(error):
        return _told("08", place, _words(error))
    for length in (5, 2):
        if state[:length] in _BY_STATE:
            return _told(state[:length], place, _words(error))
    return StoreError(
        "RF5099",
        f"PostgreSQL refused a statement on {place}: {_words(error)} ({state or type(error).__name__})",
        why="refold did not expect this of the database; " + _NOTHING,
        fix="look at the server's log; if the database is sound, this is a bug in refold and worth a report",
    )


def _told(state: str, place: str, detail: str) -> StoreError:
    code, what, why, fix = _BY_STATE[state]
    return StoreError(code, what.format(place=place), why=f"{why} ({detail})", fix=fix)


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"PostgreSQL: {lines[0]}" if lines else f"PostgreSQL: {type(error).__name__}"


def unknown_fate(place: str) -> StoreError:
    """The error for a commit of which nobody can say any more whether it was done."""
    return StoreError(
        "RF5014",
        f"the connection to {place} was lost during a commit",
        why="the server that could say whether it was done is not there any more, or another one has taken its place",
        fix="try again: turns and requests that were done are recognised",
    )


def closed_store(place: str) -> StoreError:
    """The error for a store that was closed."""
    return StoreError(
        "RF5010",
        f"the store on {place} is closed",
        why="close() was called on it, and something still uses it; nothing of this call was done",
        fix="close a store only when no worker and no client uses it any more; or open it again",
    )


def inherited_store(place: str) -> StoreError:
    """The error for a store that came with a fork."""
    return StoreError(
        "RF5011",
        f"the store on {place} was opened by the parent of this process",
        why="a connection must not be used across fork(): two processes would talk on it at once",
        fix="open the store in the process that uses it",
    )
