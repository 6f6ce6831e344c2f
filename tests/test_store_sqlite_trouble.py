"""When the file, the disk or the neighbours of the SQLite store misbehave: a coded error, and nothing acknowledged is lost."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from attrs import evolve

from refold_adapters import ManualClock, RunStatus, StoreError, open_store
from refold_adapters.contract.base import first_turn, new_run, task, turn
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimRuns,
    Committed,
    Created,
    Opened,
    OpenSession,
    ReadyRuns,
    RunFilter,
    Store,
)
from refold_adapters.sqlite import SqliteStore, opening
from refold_adapters.sqlite.opening import _check_library

REAL_CONNECT = opening._connect
OPEN = OpenSession(identity="worker", process="host/1/x", lease_us=30_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, ManualClock(), busy_seconds=0.01)
    yield store
    store.close()


def code_of(use: Callable[[], object]) -> str:
    """The code of the error that it raises, every part of which has something to say."""
    with pytest.raises(StoreError) as caught:
        use()
    assert all((caught.value.what, caught.value.why, caught.value.fix))
    return caught.value.code


def a_session(store: Store) -> int:
    (opened,) = store.apply([OPEN])
    assert isinstance(opened, Opened)
    return opened.token


def fill(path: Path, *run_ids: str) -> int:
    """A closed file with runs of three turns each; returns the token of the session that owns them."""
    store = open_store(path, ManualClock())
    token = a_session(store)
    for run_id in run_ids:
        store.apply([new_run(run_id, owner=token), first_turn(token, run_id, tasks=[task(1, claimed=True)])])
        store.apply([turn(token, run_id, 2), turn(token, run_id, 3)])
    store.close()
    return token


def change(path: Path, statement: str, *bound: object) -> None:
    """What another program might do to the file."""
    with sqlite3.connect(path) as connection:
        assert connection.execute(statement, bound).rowcount > 0
    connection.close()


# Opening --------------------------------------------------------------------------------------------------------------


def test_a_file_of_a_newer_version_is_refused_and_left_alone(path):
    fill(path, "run-1")
    change(path, "UPDATE meta SET value = 99 WHERE name = 'schema_version'")
    before = path.read_bytes()
    assert "RF5003" == code_of(lambda: open_store(path))
    assert before == path.read_bytes()


def test_a_file_whose_version_never_was_is_refused(path):
    fill(path, "run-1")
    change(path, "DELETE FROM meta WHERE name = 'schema_version'")
    assert "RF5008" == code_of(lambda: open_store(path))


@pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 4\x00" + bytes(4080)])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    assert "RF5008" == code_of(lambda: open_store(path))
    assert content == path.read_bytes()


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = path.read_bytes()
    assert "RF5008" == code_of(lambda: open_store(path))
    assert before == path.read_bytes()


class Interrupted(sqlite3.Connection):
    """A connection before one statement of which somebody else gets to work on the file."""

    before = 0
    somebody: Callable[[], None] = staticmethod(lambda: None)

    def execute(self, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
        self.before -= 1
        if not self.before:
            self.somebody()
        return super().execute(*args)  # type: ignore[arg-type]


def opened_while(
    monkeypatch: pytest.MonkeyPatch, path: Path, number: int, somebody: Callable[[], None]
) -> str | None:
    """Open a file that is not there while somebody does something before that statement; the code of the refusal, if any."""

    def connect(path: str, busy_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, factory=Interrupted
        )
        connection.before, connection.somebody = number, somebody
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_connect", connect)
        patch.setattr(opening, "_OPEN_PAUSE_SECONDS", 0)
        try:
            connection = opening.open_writer(str(path), 0)
        except StoreError as error:
            return error.code
    connection.close()
    return None


#: Those after it make the tables, under the lock.
STATEMENTS_OF_OPENING = range(1, 14)


@pytest.mark.parametrize("goes_away", [True, False])
def test_a_file_that_another_process_makes_between_any_two_statements_is_opened(
    tmp_path, monkeypatch, goes_away
):
    """Between the look for its mark and that for tables, the tables of the other one were taken for those of another program."""
    made = 0
    for number in STATEMENTS_OF_OPENING:
        path = tmp_path / f"{number}.db"
        others: list[sqlite3.Connection] = []

        def make(path: Path = path, others: list[sqlite3.Connection] = others) -> None:
            monkeypatch.setattr(opening, "_connect", REAL_CONNECT)
            with suppress(StoreError):  # the file is locked at that moment
                others.append(opening.open_writer(str(path), 0))
            if goes_away and others:
                others[0].close()

        assert opened_while(monkeypatch, path, number, make) is None
        made += len(others)
        store = open_store(path, ManualClock())
        assert [Created("run-1")] == store.apply([new_run()])
        store.close()
        for other in others:
            other.close()

    assert made >= 5


def test_a_file_that_another_program_makes_between_any_two_statements_stays_theirs_or_becomes_ours(
    tmp_path, monkeypatch
):
    refusals = 0
    for number in STATEMENTS_OF_OPENING:
        path = tmp_path / f"{number}.db"

        def make(path: Path = path) -> None:
            with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=0)) as theirs:
                theirs.execute("CREATE TABLE notes (text)")

        code = opened_while(monkeypatch, path, number, make)
        with closing(sqlite3.connect(path)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
        if code is None:
            assert "runs" in tables
        else:
            assert ("RF5008", ["notes"]) == (code, tables)
            refusals += 1

    assert refusals >= 3


def test_an_empty_file_is_made_a_store(path):
    path.touch()
    store = open_store(path)
    assert [Created("run-1")] == store.apply([new_run()])
    store.close()


def test_a_folder_and_a_missing_folder_cannot_be_opened(tmp_path):
    assert "RF5001" == code_of(lambda: open_store(tmp_path))
    assert "RF5001" == code_of(lambda: open_store(tmp_path / "missing" / "orders.db"))
    assert [] == list(tmp_path.iterdir())


def test_too_old_an_sqlite_is_refused():
    assert "RF5009" == code_of(lambda: _check_library((3, 36, 0)))
    _check_library((3, 37, 0))


_AS_NOBODY = """
import os, sys
import refold_adapters.sqlite  # while this user may still read the package
from refold_adapters import StoreError, open_store

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    open_store(sys.argv[1])
except StoreError as error:
    print(error.code)
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other permissions")
@pytest.mark.parametrize("what", ["file", "folder", "new file"])
def test_what_may_not_be_written_is_said_to_be_read_only(what):
    """Permissions bind nobody who is root, so root becomes somebody else for it, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "orders.db"
        if what != "new file":
            fill(file, "run-1")
            file.chmod(0o444 if what == "file" else 0o666)
        folder.chmod(0o777 if what == "file" else 0o555)
        try:
            if os.getuid() == 0:
                ran = subprocess.run(
                    [sys.executable, "-c", _AS_NOBODY, str(file)], capture_output=True, text=True, check=True
                )
                assert "RF5002\n" == ran.stdout
            else:
                assert "RF5002" == code_of(lambda: open_store(file))
        finally:
            folder.chmod(0o700)


# Neighbours -----------------------------------------------------------------------------------------------------------


def test_a_file_that_stays_locked_is_reported_and_usable_again_later(store, path):
    token = a_session(store)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert "RF5006" == code_of(lambda: store.apply([new_run()]))
    assert [token] == [row.token for row in store.list_sessions()]  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    assert [Created("run-1")] == store.apply([new_run()])


# A full disk ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_that_was_acknowledged(store):
    """Simulated by a limit on the pages of the file."""
    token = a_session(store)
    store.apply([new_run(owner=token), first_turn(token, "run-1")])
    writer = store._file._writer
    assert writer is not None
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    number = 2

    def fill_up() -> None:
        nonlocal number
        while True:
            assert [Committed()] == store.apply([evolve(turn(token, "run-1", number), data=b"x" * 3000)])
            number += 1

    assert "RF5004" == code_of(fill_up)
    assert 2 < number < 10
    assert list(range(1, number)) == [found.number for found in store.read_turns("run-1")]
    assert "RF5004" == code_of(lambda: store.apply([evolve(turn(token, "run-1", number), data=b"x" * 9000)]))
    writer.execute("PRAGMA max_page_count = 1073741823")
    assert [Committed()] == store.apply([evolve(turn(token, "run-1", number), data=b"x" * 3000)])
    assert list(range(1, number + 1)) == [found.number for found in store.read_turns("run-1")]


def test_a_small_write_is_done_while_there_is_no_space_for_a_large_one(store):
    """Each caller hears of its own trouble only."""
    from refold_adapters.sql.group import Batch

    store.apply([new_run("run-1")])
    writer = store._file._writer
    assert writer is not None
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    small = Batch([AcceptMessage(workflow_id="wf-run-1", data=b"small")], store.clock)
    large = Batch([AcceptMessage(workflow_id="wf-run-1", data=b"x" * 100_000)], store.clock)
    store._file._carry_out([large, small])
    assert isinstance(large.error, StoreError)
    assert "RF5004" == large.error.code
    assert [Accepted("run-1", 2)] == small.outcomes


_UNDER_A_LIMIT = """
import resource, sys
from refold_adapters import StoreError, open_store
from refold_adapters.contract.base import first_turn, new_run, turn
from refold_adapters.ports import Committed, OpenSession

store = open_store(sys.argv[1])
token = store.apply([OpenSession(identity="w", process="p", lease_us=10**9)])[0].token
store.apply([new_run(owner=token), first_turn(token, "run-1")])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
number, codes = 2, set()
for attempt in range(400):
    try:
        assert [Committed()] == store.apply([turn(token, "run-1", number)])
    except StoreError as error:
        codes.add(error.code)
        if attempt > 200:
            break
    else:
        number += 1
assert list(range(1, number)) == [found.number for found in store.read_turns("run-1")]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert [Committed()] == store.apply([turn(token, "run-1", number)])
print(number, *codes, flush=True)
sys.stdout.close()
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_limit_on_file_sizes_loses_nothing_that_was_acknowledged(path):
    """The operating system itself refuses to write, in the midst of a file; then the process dies."""
    ran = subprocess.run(
        [sys.executable, "-c", _UNDER_A_LIMIT, str(path)], capture_output=True, text=True, check=False
    )
    assert "" == ran.stderr
    number, *codes = ran.stdout.split()
    assert codes
    assert set(codes) <= {"RF5004", "RF5005"}
    store = open_store(path)
    assert list(range(1, int(number) + 1)) == [found.number for found in store.read_turns("run-1")]
    store.close()


# Damage ---------------------------------------------------------------------------------------------------------------


def test_a_turn_that_is_not_what_was_written_is_refused_by_run_and_turn(path):
    fill(path, "run-1", "run-2")
    before, _, after = path.read_bytes().rpartition(b"events of turn 2")  # SQLite fills pages from behind
    path.write_bytes(before + b"events of turn 7" + after)
    store = open_store(path)
    with pytest.raises(StoreError) as caught:
        store.read_turns("run-1")
    assert "RF5007" == caught.value.code
    assert "turn 2 of run 'run-1'" in str(caught.value)
    assert [3] == [found.number for found in store.read_turns("run-1", after_turn=2)]
    assert [1, 2, 3] == [found.number for found in store.read_turns("run-2")]
    assert ["run-2", "run-1"] == [row.run_id for row in store.list_runs(RunFilter())]
    store.close()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_turn_that_is_missing_is_noticed(path, number):
    fill(path, "run-1", "run-2")
    change(path, f"DELETE FROM history WHERE id = {(1 << 32) + number}")
    store = open_store(path)
    with pytest.raises(StoreError) as caught:
        store.read_turns("run-1")
    assert "RF5007" == caught.value.code
    assert f"turn {number} is missing" in str(caught.value)
    assert 3 == len(store.read_turns("run-2"))
    store.close()


def test_a_turn_in_the_place_of_another_is_noticed(path):
    fill(path, "run-1", "run-2")
    first, second = (1 << 32) + 2, (2 << 32) + 2
    change(
        path,
        f"UPDATE history SET (data, checksum) = (SELECT data, checksum FROM history WHERE id = {second}) WHERE id = {first}",
    )
    store = open_store(path)
    assert "RF5007" == code_of(lambda: store.read_turns("run-1"))
    store.close()


_DAMAGED_ROWS = {
    "an unknown status": ("UPDATE runs SET status = 'RUNNIMG' WHERE run_id = ?", "run-2"),
    "an id that is no text": (
        "UPDATE runs SET workflow_id = CAST(x'fffe' AS TEXT) WHERE run_id = ?",
        "run-2",
    ),
    "a text that is none": (
        "UPDATE runs SET workflow_type = CAST(x'fffe' AS TEXT) WHERE run_id = ?",
        "run-2",
    ),
}


@pytest.mark.parametrize("damage", _DAMAGED_ROWS)
def test_a_damaged_row_is_left_out_of_lists_and_said_to_be(path, damage, caplog):
    fill(path, "run-1", "run-2", "run-3")
    change(path, *_DAMAGED_ROWS[damage])
    store = open_store(path)
    with caplog.at_level(logging.ERROR, logger="refold"):
        assert ["run-3", "run-1"] == [row.run_id for row in store.list_runs(RunFilter())]
    assert "left out" in caplog.text
    assert code_of(lambda: store.find_run("", "run-2")) in {"RF5007", "RF5099"}
    row = store.find_run("wf-run-3")
    assert row is not None
    assert RunStatus.RUNNING is row.status
    store.close()


@pytest.mark.parametrize("damage", _DAMAGED_ROWS)
def test_a_damaged_row_keeps_no_other_run_from_being_claimed(path, damage):
    token = fill(path, "run-1", "run-2", "run-3")
    store = open_store(path, ManualClock())
    store.apply([AcceptMessage(workflow_id=f"wf-run-{number}", data=b"signal") for number in (1, 2, 3)])
    store.close()
    statement, _ = _DAMAGED_ROWS[damage]
    change(path, statement, "run-1")
    store = open_store(path, ManualClock())
    claimed: list[list[str]] = []
    for _ in range(2):
        (outcome,) = store.apply([ClaimRuns(token=token, task_queues=("orders",), limit=1)])
        assert isinstance(outcome, ReadyRuns)
        claimed.append([ready.row.run_id for ready in outcome.runs])
    assert [[], ["run-2"]] == claimed
    store.close()


def test_any_flipped_byte_is_noticed_or_does_no_harm(path, tmp_path):
    """Bytes all over the file, one at a time: a history is what was written, or a coded error; nothing else comes out."""
    fill(path, *[f"run-{number}" for number in range(12)])
    whole = path.read_bytes()
    expected = [b"events of turn 1", b"events of turn 2", b"events of turn 3"]
    noticed = 0
    for place in range(0, len(whole), 173):
        copy = tmp_path / f"copy-{place}.db"
        copy.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            store = open_store(copy)
        except StoreError:
            noticed += 1
            continue
        for number in range(12):
            try:
                found = [stored.data for stored in store.read_turns(f"run-{number}")]
                assert found in (
                    expected,
                    [],
                )  # none, where the row of the run itself cannot be found any more
            except StoreError:
                noticed += 1
        try:
            store.list_runs(RunFilter())
            store.apply([new_run("run-99")])
        except StoreError:
            noticed += 1
        store.close()
        copy.unlink()
    assert noticed > 10


def test_a_file_that_is_cut_short_is_reported(path, tmp_path):
    fill(path, *[f"run-{number}" for number in range(12)])
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with copy.open("r+b") as file:
        file.truncate(copy.stat().st_size // 2 // 4096 * 4096)
    store = None
    try:
        store = open_store(copy)
        code = code_of(lambda: [store.read_turns(f"run-{number}") for number in range(12)])
    except StoreError as error:
        code = error.code
    finally:
        if store is not None:
            store.close()
    assert "RF5013" == code
