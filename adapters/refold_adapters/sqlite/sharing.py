"""Which files this process has open.

One rule: a file is opened once, and closed when the last store on it is.  A child process that was forked starts with none: what
it inherited must neither be used nor closed, since SQLite's locks stay with the parent.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import attrs

from refold_adapters.sqlite.file import SqliteFile


@attrs.define(eq=False)
class _Share:
    file: SqliteFile
    #: Device and inode: a path may come to name another file while the old one, deleted or replaced, is still open.
    identity: tuple[int, int]
    stores: int = 0


_lock = threading.Lock()
_shares: list[_Share] = []
#: Kept for ever, so that nothing closes them.
_inherited: list[_Share] = []


def share(path: str, busy_seconds: float) -> SqliteFile:
    """The open file at that place; opened if need be."""
    with _lock:
        known = _identity(path)
        for present in _shares:
            if present.identity == known:
                present.stores += 1
                return present.file
        file = SqliteFile(path, busy_seconds)
        identity = _identity(path)
        assert identity is not None
        _shares.append(_Share(file, identity, stores=1))
        return file


def give_back(file: SqliteFile) -> None:
    """One store less on the file."""
    with _lock:
        for present in _shares:
            if present.file is file:
                present.stores -= 1
                if not present.stores:
                    _shares.remove(present)
                    file.close()
                return


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _forget_after_fork() -> None:
    for present in _shares:
        present.file.inherited = True
    _inherited.extend(_shares)
    _shares.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_after_fork
    )
