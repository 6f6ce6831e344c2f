"""The checks of ``refold doctor``.

One rule: a check says what it found and never raises; what fails keeps those that need it from being made, and no others.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from itertools import chain

import attrs

from refold import RefoldError
from refold_adapters.cli.opening import file_of, opened_store
from refold_adapters.cli.printing import progress
from refold_adapters.cli.settings import Settings
from refold_adapters.cli.standing import session_state
from refold_adapters.cli.texts import counted, duration
from refold_adapters.client.client import Client
from refold_adapters.fast_codec import event_decoder
from refold_adapters.ports import RunFilter, RunStatus, SessionRow, Store
from refold_adapters.sqlite import SqliteStore
from refold_adapters.sqlite.opening import has_wal_reset_bug
from refold_adapters.sqlite.schema import SCHEMA_VERSION
from refold_adapters.store_errors import StoreError
from refold_adapters.stores import shown_url

_PROBLEMS_SHOWN = 10


class Level(str, Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@attrs.frozen
class Check:
    """What one check found."""

    name: str
    level: Level
    finding: str


def checks_of(settings: Settings, *, integrity: bool) -> list[Check]:
    """All checks, in order."""
    checks = list(_installation())
    file = file_of(settings.store)
    if file is not None and not file.exists():
        finding = f"there is no store at {settings.store} yet; `run`, `start` and `worker` make one"
        return [*checks, Check("store", Level.WARNING, finding)]
    try:
        with opened_store(settings) as store:
            checks += _store(store, integrity=integrity)
    except StoreError as error:
        checks.append(_failed("store", error))
    return checks


def _installation() -> Iterator[Check]:
    yield Check("python", Level.OK, f"{platform.python_version()} ({platform.python_implementation()})")
    yield Check("refold", Level.OK, _version("refold") or "not installed as a package")
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        yield Check(
            "sqlite",
            Level.WARNING,
            f"{sqlite3.sqlite_version} has the WAL-reset bug: a file that several processes write at once can be damaged; "
            "keep to one process a file, or use a Python with SQLite 3.51.3 or newer",
        )
    else:
        yield Check("sqlite", Level.OK, f"{sqlite3.sqlite_version}, without the WAL-reset bug")
    for package in ("attrs", "click", "rich"):
        yield Check(package, Level.OK, _version(package) or "unknown")
    yield Check(
        "msgspec",
        Level.OK,
        _version("msgspec") or 'not installed; pip install "refold[fast]" speeds up replay',
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _store(store: Store, *, integrity: bool) -> Iterator[Check]:
    is_file = isinstance(store, SqliteStore)
    yield Check(
        "store", Level.OK, f"{shown_url(store.url)} can be read and written"
    )  # a store that cannot be is not opened
    if is_file:
        yield Check("schema", Level.OK, f"version {SCHEMA_VERSION}")
    try:
        yield from _runs(store)
        now = store.clock.now_us()
        sessions = store.list_sessions()
        for session in sessions:
            yield _session(session, now)
        if not sessions:
            yield Check("workers", Level.OK, "none is at work")
    except StoreError as error:
        yield _failed("runs", error)
    if integrity:
        yield from _integrity(store)


def _runs(store: Store) -> Iterator[Check]:
    counts = {status: store.count_runs(RunFilter(statuses=[status])) for status in RunStatus}
    shown = ", ".join(f"{count:,} {status.value}" for status, count in counts.items() if count)
    yield Check("runs", Level.OK, shown or "none")
    parked = store.count_runs(RunFilter(parked=True))
    if parked:
        yield Check(
            "parked runs", Level.WARNING, f"{counted(parked, 'run')}; `refold list --parked` shows them"
        )


def _session(row: SessionRow, now_us: int) -> Check:
    name = f"worker {row.token}"
    match session_state(row, now_us):
        case "at work":
            return Check(
                name,
                Level.OK,
                f"{row.identity} is at work; its lease runs for {duration(row.expires_at - now_us)} more",
            )
        case state:
            return Check(
                name,
                Level.WARNING,
                f"{row.identity}: {state}; the next worker that starts takes over its runs",
            )


def _integrity(store: Store) -> Iterator[Check]:
    if isinstance(store, SqliteStore):
        try:
            problems = store.integrity_problems()
        except StoreError as error:
            problems = [str(error)]
        if problems:
            yield Check("file", Level.FAILED, "; ".join(problems[:_PROBLEMS_SHOWN]))
        else:
            yield Check("file", Level.OK, "SQLite finds its pages and indexes sound")
    yield from _histories(store)


def _histories(store: Store) -> Iterator[Check]:
    """Read every history: rows and turns carry checksums, and every event must be one that this version knows."""
    decode = event_decoder()
    read, bad = 0, 0
    with progress("reading histories", store.count_runs(RunFilter())) as advance:
        client = Client(store)
        for row in chain(client.list(), client.list_activities()):
            try:
                for turn in store.read_turns(row.run_id):
                    decode(turn.data)
            except RefoldError as error:
                bad += 1
                if bad <= _PROBLEMS_SHOWN:
                    yield Check(f"run {row.run_id}", Level.FAILED, f"{error.code}: {error.what}")
            read += 1
            advance()
    total = store.count_runs(RunFilter())
    if read < total:
        yield Check("run rows", Level.FAILED, f"{counted(total - read, 'row')} of runs cannot be read")
    if bad:
        yield Check(
            "histories",
            Level.FAILED,
            f"{bad:,} of {counted(read, 'history').replace('historys', 'histories')} damaged",
        )
    else:
        yield Check("histories", Level.OK, f"all {read:,} can be read")


def _failed(name: str, error: RefoldError) -> Check:
    return Check(name, Level.FAILED, f"{error.code}: {error.what} ({error.why}; {error.fix})")
