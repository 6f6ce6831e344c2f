"""SQLite's errors as ours.

One rule: whatever the database driver raises leaves this package as a ``StoreError`` with a cause and a remedy.  Which statement
failed does not matter here.
"""

from __future__ import annotations

import sqlite3

from refold_adapters.store_errors import StoreError

#: Which errors of the driver mean trouble with the store or with a value, and not a mistake of ours.
DRIVER_ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError)

_SAFE = "whatever was acknowledged before is safe"

#: By primary result code: our code, what happened, why, and what to do.
_BY_CODE: dict[int, tuple[str, str, str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "RF5006",
        "another process keeps {path} locked",
        "one process writes at a time, and this one waited in vain for its turn; nothing of this call was done",
        "find out who holds the file (a backup, a shell with an open transaction, a stopped process); then try again",
    ),
    sqlite3.SQLITE_READONLY: (
        "RF5002",
        "{path} cannot be written to",
        "the file, its folder or the file system is read-only for this user; " + _SAFE,
        "give this user write access to the file and to its folder (SQLite keeps two more files beside it)",
    ),
    sqlite3.SQLITE_FULL: (
        "RF5004",
        "there is no space left for {path}",
        "the disk or the quota is full; nothing of this call was done, and " + _SAFE,
        "make space; the store can be used again at once, without being opened anew",
    ),
    sqlite3.SQLITE_IOERR: (
        "RF5005",
        "the operating system could not read or write {path}",
        "a device failed, or a limit on file sizes was hit; this call was not done, unless the failure hid its success; "
        + _SAFE,
        "look at the device, the free space and the limits; then try again: repeated turns are recognised",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "RF5013",
        "{path} is damaged",
        "its pages contradict each other, as after a copy of a live file, a failing disk, or a deleted -wal file",
        "stop all processes that use it, keep a copy, and restore a backup or rescue the data with `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_NOTADB: (
        "RF5008",
        "{path} is not an SQLite database",
        "its first bytes are not those of one",
        "check the path; refold makes a new file where there is none, and never overwrites one",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "RF5001",
        "{path} cannot be opened",
        "the folder does not exist or cannot be searched, or the path is not that of a file",
        "make the folder, or check the path and its permissions",
    ),
}


def translated(error: BaseException, path: str) -> StoreError:
    """The error to raise in place of the driver's."""
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return StoreError(
            "RF5012",
            f"a value cannot be stored: {error}",
            why="a number is beyond 64 bits, or a text is not valid Unicode; nothing of this call was done",
            fix="check ids where they come in, and keep sequence numbers and times within 64 bits",
        )
    result: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if result & 0xFF in _BY_CODE:
        return store_error(result, path, f"SQLite: {error}")
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(
        "RF5099",
        f"SQLite refused a statement on {path}: {error} ({name})",
        why="refold did not expect this of the database; nothing of this call was done",
        fix="run `refold doctor`; if the file is sound, this is a bug in refold and worth a report",
    )


def store_error(result: int, path: str, detail: str) -> StoreError:
    """The error for one of the result codes that have a text of their own."""
    code, what, why, fix = _BY_CODE[result & 0xFF]
    return StoreError(code, what.format(path=path), why=f"{why} ({detail})", fix=fix)


def closed_store(path: str) -> StoreError:
    """The error for a store that was closed."""
    return StoreError(
        "RF5010",
        f"the store on {path} is closed",
        why="close() was called on it, and something still uses it; nothing of this call was done",
        fix="close a store only when no worker and no client uses it any more; or open it again",
    )


def inherited_store(path: str) -> StoreError:
    """The error for a store that came with a fork."""
    return StoreError(
        "RF5011",
        f"the store on {path} was opened by the parent of this process",
        why="an SQLite connection must not be used across fork(): the locks stay with the parent",
        fix="open the store in the process that uses it",
    )
