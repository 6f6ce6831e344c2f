"""A worker's session: its fencing token, its lease, and finding out whether another local worker is dead.

A session whose process runs on this machine and is gone need not wait for its lease to run out: it is expelled at once.  A wrong
guess would only cost the other worker its session; what it writes is refused either way.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import attrs

from refold_adapters.ports import (
    CloseSession,
    Fenced,
    Opened,
    OpenSession,
    RenewSession,
    RunFilter,
    RunStatus,
    SessionRow,
    Store,
    TaskRow,
)

_MICROSECOND = timedelta(microseconds=1)


class Session:
    """The session of one worker process."""

    def __init__(self, store: Store, identity: str, lease: timedelta) -> None:
        self._store = store
        self._identity = identity
        self._lease_us = lease // _MICROSECOND
        self.token = 0
        #: When the lease is to be prolonged.
        self.renew_at: int | None = None

    def open(self) -> int:
        """Expel dead local workers and open a session; returns its token."""
        gone = [row for row in self._store.list_sessions() if process_is_gone(row)]
        if gone:
            self._store.apply([CloseSession(token=row.token) for row in gone])
        (opened,) = self._store.apply(
            [OpenSession(identity=self._identity, process=this_process(), lease_us=self._lease_us)]
        )
        assert isinstance(opened, Opened)
        self.token = opened.token
        self._renewed()
        return self.token

    def renewal_is_due(self) -> bool:
        """Whether a third of the lease has passed."""
        return self.renew_at is not None and self._store.clock.now_us() >= self.renew_at

    def renew(self) -> bool:
        """Prolong the lease; False if the session is lost."""
        (outcome,) = self._store.apply([RenewSession(token=self.token, lease_us=self._lease_us)])
        self._renewed()
        return not isinstance(outcome, Fenced)

    def _renewed(self) -> None:
        self.renew_at = self._store.clock.now_us() + self._lease_us // 3

    def close(self) -> None:
        """Give everything back."""
        if self.token:
            self._store.apply([CloseSession(token=self.token, graceful=True)])
            self.token = 0


def tasks_held_by(store: Store, token: int) -> list[TaskRow]:
    """The activity tasks that a session holds; it looks at every open run, for a session which has lost count."""
    found: list[TaskRow] = []
    page = RunFilter(statuses=[RunStatus.RUNNING])
    while rows := store.list_runs(page):
        for row in rows:
            found += [task for task in store.list_tasks(row.run_id) if task.owner == token]
        page = attrs.evolve(page, before=(rows[-1].started_at, rows[-1].run_id))
    return found


def host_name() -> str:
    """The name of this machine."""
    if sys.platform == "win32":
        import socket  # takes long to import, and everywhere else the name is to be had without

        return socket.gethostname()
    return os.uname().nodename


def this_process() -> str:
    """``host/pid/start``: what tells this process from all others, also from a later one with its pid."""
    return f"{host_name()}/{os.getpid()}/{_process_start(os.getpid())}"


def process_is_gone(row: SessionRow) -> bool:
    """Whether a session's process ran on this machine and runs no more; False where that cannot be told."""
    host, _, rest = row.process.partition("/")
    pid_text, _, start = rest.partition("/")
    if host != host_name() or not pid_text.isdigit():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    now = _process_start(pid)
    return bool(start and now) and start != now


def _process_start(pid: int) -> str:
    """The kernel's start time of a process, or nothing where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib takes long to import
            stat = file.read()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
