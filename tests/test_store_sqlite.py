"""The SQLite store keeps the contract, shares its file within a process, and finds work without looking through the rest."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

import refold_adapters.sql
import refold_adapters.sqlite
from refold_adapters import ManualClock, RunStatus, open_store
from refold_adapters.contract import StoreContract
from refold_adapters.contract.base import first_turn, new_run, task, turn
from refold_adapters.ports import (
    AcceptMessage,
    ClaimedTasks,
    ClaimRuns,
    ClaimTasks,
    Clock,
    Closing,
    Committed,
    Created,
    ExpireRuns,
    Fenced,
    Opened,
    OpenSession,
    ReadyRuns,
    RunFilter,
    Store,
)
from refold_adapters.sql.group import Batch, Group
from refold_adapters.sqlite import SqliteStore
from refold_adapters.sqlite.opening import has_wal_reset_bug
from refold_adapters.sqlite.wal import CHECKPOINT_PAGES, GROW_AFTER_COMMITS
from refold_adapters.store_errors import StoreError


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "orders.db"

    def make_store(self, clock: Clock) -> Store:
        return open_store(self.path, clock)

    def reopen(self, store: Store) -> Store:
        store.close()
        return open_store(store.url, store.clock)


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "orders.db", ManualClock())
    yield store
    store.close()


def writer_of(store: SqliteStore) -> sqlite3.Connection:
    writer = store._file._writer
    assert writer is not None
    return writer


def a_session(store: Store) -> int:
    (opened,) = store.apply([OpenSession(identity="worker", process="host/1/x", lease_us=30_000_000)])
    assert isinstance(opened, Opened)
    return opened.token


# One file, one connection ---------------------------------------------------------------------------------------------


def test_stores_on_one_file_share_its_connections(store, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "orders.db")
    other = SqliteStore(link)
    assert other._file is store._file
    other.close()
    assert [Created("run-1")] == store.apply([new_run()])


def test_stores_on_one_file_hear_of_each_other(store, tmp_path):
    other = SqliteStore(tmp_path / "orders.db")
    heard: list[None] = []
    other.subscribe(lambda: heard.append(None))
    store.apply([new_run()])
    assert [None] == heard
    assert not other.changed_elsewhere()
    other.close()


def test_stores_on_one_file_keep_their_own_clocks(store, tmp_path):
    other = SqliteStore(tmp_path / "orders.db", ManualClock(5))
    store.apply([new_run("run-1")])
    other.apply([new_run("run-2")])
    rows = [store.find_run("wf-run-1"), store.find_run("wf-run-2")]
    assert [store.clock.now_us(), 5] == [row and row.started_at for row in rows]
    other.close()


def test_a_closed_store_says_so_while_another_on_its_file_goes_on(store, tmp_path):
    other = SqliteStore(tmp_path / "orders.db")
    other.close()
    other.close()
    for use in (
        lambda: other.apply([new_run()]),
        lambda: other.list_runs(RunFilter()),
        other.changed_elsewhere,
        other.list_sessions,
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert "RF5010" == caught.value.code
    assert [Created("run-1")] == store.apply([new_run()])


def test_a_file_that_replaced_an_open_one_is_opened_for_itself(store, tmp_path):
    store.apply([new_run()])
    for path in tmp_path.iterdir():
        path.unlink()
    other = SqliteStore(tmp_path / "orders.db")
    assert other._file is not store._file
    assert [] == other.list_runs(RunFilter())
    other.close()


def test_closing_the_last_store_leaves_one_file(tmp_path):
    store = SqliteStore(tmp_path / "orders.db")
    store.apply([new_run()])
    store.list_runs(RunFilter())
    store.close()
    assert ["orders.db"] == [path.name for path in tmp_path.iterdir()]


def test_the_connections_are_set_for_durability(store):
    store.list_runs(RunFilter())
    writer, reader = writer_of(store), store._file._reader

    def pragma(connection: sqlite3.Connection, name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    names = ("journal_mode", "synchronous", "mmap_size")
    assert ["wal", 2, 0] == [pragma(writer, name) for name in names]
    assert ["wal", 2, 0] == [pragma(reader, name) for name in names]
    assert [0, 1] == [pragma(reader, name) for name in ("wal_autocheckpoint", "query_only")]


@pytest.mark.parametrize(
    "name", ["orders 2.db", "100%.db", "a?b#c.db", "b\u00fccher \u05d0.db", "';--.db", "file:x.db", "-x"]
)
def test_any_file_name_will_do_and_the_url_opens_it_again(tmp_path, name):
    store = open_store(tmp_path / name)
    store.apply([new_run()])
    store.close()
    again = open_store(store.url)
    assert ["run-1"] == [row.run_id for row in again.list_runs(RunFilter())]
    again.close()
    assert [name] == [path.name for path in tmp_path.iterdir()]


def test_a_relative_path_means_the_present_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("orders.db", "sqlite:///orders.db", f"sqlite:////{tmp_path}/orders.db"):
        store = open_store(url)
        assert tmp_path / "orders.db" == Path(store.url.removeprefix("sqlite:///"))
        store.close()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://x.db", "", "sqlite:///", "a\x00b"])
def test_a_place_that_names_no_store_is_refused(url):
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "RF5001" == caught.value.code


def test_a_process_that_commits_often_makes_the_log_long_at_once(store, tmp_path):
    """And leaves nothing else behind by that."""
    log = tmp_path / "orders.db-wal"
    for number in range(GROW_AFTER_COMMITS - 1):
        store.apply([new_run(f"run-{number}")])
    for _ in range(100):
        store.apply([first_turn(99, "run-0")])  # refused, so nothing is committed
    short = log.stat().st_size
    store.apply([new_run("run-a")])
    long = log.stat().st_size
    assert short < 2_000_000 < CHECKPOINT_PAGES * 4096 < long
    for number in range(200):
        store.apply([new_run(f"later-{number}")])
    assert long == log.stat().st_size
    assert GROW_AFTER_COMMITS + 200 == store.count_runs(RunFilter())
    assert writer_of(store).execute(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'filler'"
    ).fetchone() == (0,)
    assert [("ok",)] == writer_of(store).execute("PRAGMA integrity_check").fetchall()


def test_a_log_that_cannot_be_made_long_stays_short(store, tmp_path):
    writer_of(store).execute("PRAGMA max_page_count = 100")
    for number in range(GROW_AFTER_COMMITS + 1):
        assert [Created(f"run-{number}")] == store.apply([new_run(f"run-{number}")])


# Commits --------------------------------------------------------------------------------------------------------------


def test_one_batch_that_fails_takes_no_other_with_it(store):
    token = a_session(store)
    store.apply([new_run("run-1", owner=token), new_run("run-2", owner=token)])
    good = Batch([first_turn(token, "run-1")], store.clock)
    bad = Batch(
        [new_run("run-3"), AcceptMessage(workflow_id="wf-run-1", data=b"", request_id="\udc80")], store.clock
    )
    also_good = Batch([first_turn(token, "run-2"), first_turn(99, "run-2")], store.clock)
    store._file._carry_out([good, bad, also_good])
    assert [Committed()] == good.outcomes
    assert [Committed(), Fenced()] == also_good.outcomes
    assert isinstance(bad.error, StoreError)
    assert "RF5012" == bad.error.code
    assert store.find_run("wf-run-3") is None


def test_values_that_cannot_be_stored_are_refused_by_code(store):
    for write in (
        new_run("\ud800"),
        turn(1 << 70, "run-1", 1),
        AcceptMessage(workflow_id="\udfff", data=b""),
    ):
        with pytest.raises(StoreError) as caught:
            store.apply([OpenSession(identity="w", process="p", lease_us=1 << 80), write])
        assert "RF5012" == caught.value.code
    assert [] == store.list_sessions()


def test_numbers_beyond_their_range_never_reach_the_rows_of_another_run(store):
    token = a_session(store)
    store.apply([new_run("run-1", owner=token), new_run("run-2", owner=token)])
    for number in (1 << 32, -1):
        with pytest.raises(StoreError) as caught:
            store.apply([first_turn(token, "run-1", tasks=[task(number)])])
        assert "RF5012" == caught.value.code
    assert [] == store.list_tasks("run-2")
    assert [] == store.read_turns("run-1")


class _Interrupt:
    """A clock on whose reading Ctrl-C falls."""

    def now_us(self) -> int:
        raise KeyboardInterrupt

    def seconds_until(self, at_us: int) -> float | None:
        return None


def test_ctrl_c_in_a_commit_leaves_the_store_usable_and_others_unharmed(store):
    batch, other = Batch([new_run("run-1")], _Interrupt()), Batch([new_run("run-2")], store.clock)
    with pytest.raises(KeyboardInterrupt):
        store._file._carry_out([batch, other])
    assert (False, False) == (batch.done, other.done)
    with pytest.raises(KeyboardInterrupt):
        store._file.apply(batch)
    store._file.apply(other)
    assert [Created("run-2")] == other.outcomes
    assert ["run-2"] == [row.run_id for row in store.list_runs(RunFilter())]


def spin_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do; pytest's timeout bounds it."""
    while not condition():
        pass


def test_those_who_wait_go_on_when_the_one_who_leads_is_interrupted():
    waiting = threading.Event()
    carried: list[list[object]] = []

    def carry_out(batches: list[Batch]) -> None:
        carried.append([batch.writes[0] for batch in batches])
        if len(carried) == 1:
            assert waiting.wait(60)
            spin_until(lambda: len(group._waiting) == 2)
            raise KeyboardInterrupt
        for batch in batches:
            batch.done = True

    group = Group(carry_out)
    clock = ManualClock()

    def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            group.submit(Batch(["leader"], clock))  # type: ignore[list-item]

    leader = threading.Thread(target=lead)
    leader.start()
    spin_until(lambda: group._occupied)
    batches = [Batch([name], clock) for name in ("first", "second")]  # type: ignore[list-item]
    threads = [threading.Thread(target=group.submit, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    waiting.set()
    for thread in (leader, *threads):
        thread.join(60)
    assert [True, True] == [batch.done for batch in batches]
    assert ["leader"] == carried[0]
    assert ["first", "second"] == sorted(map(str, carried[1]))
    assert not group._occupied


def test_those_whose_writes_were_taken_along_are_done_when_the_one_who_leads_is_interrupted():
    sizes: list[int] = []

    def carry_out(batches: list[Batch]) -> None:
        sizes.append(len(batches))
        if len(sizes) == 1:
            spin_until(lambda: len(group._waiting) == 3)
        if len(sizes) == 2:
            raise KeyboardInterrupt
        for batch in batches:
            batch.done = True

    group = Group(carry_out)
    batches = [Batch([], ManualClock()) for _ in range(4)]
    interrupted: list[Batch] = []

    def submit(batch: Batch) -> None:
        try:
            group.submit(batch)
        except KeyboardInterrupt:
            interrupted.append(batch)

    threads = [threading.Thread(target=submit, args=(batch,), daemon=True) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [1, 3, 2] == sizes
    assert [False] == [batch.done for batch in interrupted]
    assert 3 == sum(batch.done for batch in batches)
    assert not group._occupied


# Other processes ------------------------------------------------------------------------------------------------------


def test_what_another_process_writes_is_noticed_once_and_warned_of_once(store, tmp_path, caplog):
    heard: list[None] = []
    store.subscribe(lambda: heard.append(None))
    other = sqlite3.connect(
        tmp_path / "orders.db", isolation_level=None
    )  # as far as SQLite knows, another process
    with caplog.at_level(logging.WARNING, logger="refold"):
        for _ in range(2):
            other.execute("UPDATE meta SET value = value + 1 WHERE name = 'last_token'")
            assert [True, False] == [store.changed_elsewhere(), store.changed_elsewhere()]
    other.close()
    assert [None, None] == heard
    warnings = [record for record in caplog.records if "WAL-reset bug" in record.getMessage()]
    assert int(has_wal_reset_bug(sqlite3.sqlite_version_info)) == len(warnings)


def test_the_sqlite_versions_that_can_damage_a_file_are_known():
    affected = [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)]
    sound = [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 50, 99), (3, 51, 3), (3, 52, 0), (4, 0, 0)]
    assert [True] * len(affected) == [has_wal_reset_bug(version) for version in affected]
    assert [False] * len(sound) == [has_wal_reset_bug(version) for version in sound]


_FORK = """
import os, sys
from refold_adapters import StoreError, open_store
from refold_adapters.ports import RunFilter

store = open_store(sys.argv[1])
store.list_runs(RunFilter())
child = os.fork()
if child == 0:
    codes = []
    for use in (lambda: store.list_runs(RunFilter()), lambda: store.apply([object()]), store.changed_elsewhere):
        try:
            use()
        except StoreError as error:
            codes.append(error.code)
    own = open_store(sys.argv[1])
    codes.append(str(own.count_runs(RunFilter())))
    own.close()
    store.close()
    print(*codes, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(store.count_runs(RunFilter()), store.changed_elsewhere())
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="there is no fork on Windows")
def test_a_forked_child_cannot_use_the_connections_of_its_parent(store, tmp_path):
    store.apply([new_run()])
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, str(tmp_path / "orders.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "RF5011 RF5011 RF5011 1\n1 False\n" == ran.stdout


# Statements -----------------------------------------------------------------------------------------------------------


def statements() -> dict[str, str]:
    """Every statement of the package, by the name of its constant."""
    found: dict[str, str] = {}
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for package in (refold_adapters.sql, refold_adapters.sqlite)
        for info in pkgutil.iter_modules(package.__path__)
    ]
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\s", value):
                found[f"{module.__name__}.{name}"] = " ".join(value.split())
    return found


#: Conditions that at most one row can meet.
_UNIQUE = re.compile(r"WHERE (run_id|run_key|id|t\.id|token|name|request) = (\?\d?|'\w+')( |$)")


def test_hazard_33_every_read_has_an_order_or_at_most_one_row():
    unordered = {
        name: text
        for name, text in statements().items()
        if text.startswith("SELECT")
        and " ORDER BY " not in text
        and not _UNIQUE.search(text)
        and not re.match(r"SELECT (min|count)\(", text)
        and not re.fullmatch(r"SELECT (EXISTS \([^()]*\)(, | OR )?)+", text)
    }
    # The beginnings of statements that `reads` and `claims` complete, with an order.
    assert {"SELECT_RUNS", "SELECT_TASKS", "SELECT_HELD", "_KEYS"} == {
        name.split(".")[-1] for name in unordered
    }
    assert 30 < len(statements())


def test_values_are_bound_and_never_written_into_statements():
    formatted = [
        line
        for package in (refold_adapters.sql, refold_adapters.sqlite)
        for path in Path(package.__path__[0]).glob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"f\"[^\"]*\b(SELECT|INSERT|UPDATE|DELETE|WHERE)\b", line)
    ]
    assert [] == formatted


def plans(store: SqliteStore, statement: str) -> list[str]:
    count = statement.count("?")
    rows = writer_of(store).execute(f"EXPLAIN QUERY PLAN {statement}", [0] * count).fetchall()
    return [row[3] for row in rows]


#: The beginnings of statements, and lists over everything.
_WHOLE = {"SELECT_RUNS", "SELECT_TASKS", "SELECT_HELD", "_KEYS", "_COUNT", "_COPY", "_CLEAR"}
#: All sessions, which are few; and what happens when one of them ends, which is rare.
_RARE = {"_SESSIONS", "SESSIONS", "_FREE_RUNS", "_FREE_TASKS", "_COPY_ALL", "_CLEAR_ALL"}


@pytest.mark.parametrize("name", [name for name in statements() if name.split(".")[-1] not in _WHOLE | _RARE])
def test_no_statement_looks_through_a_table_or_sorts(store, name):
    """The index of parked runs is read whole, and holds nothing else; that of closed ones is there from the first look on."""
    store.apply([ExpireRuns(closed_until=0, forget_until=0, limit=1)])
    text = statements()[name]
    plan = writer_of(store).execute(f"EXPLAIN QUERY PLAN {text}", [0] * text.count("?")).fetchall()
    searching = (
        "SEARCH ",
        "SCAN runs USING INDEX runs_parked",
        "SCAN (subquery",
        "SCAN CONSTANT ROW",
        "CO-ROUTINE",
        "COMPOUND",
        "UNION ALL",
    )
    expected = ("LEFT-MOST SUBQUERY", "SCALAR SUBQUERY", *searching)
    assert [] == [step for _, _, _, step in plan if not step.startswith(expected)]


def test_looking_for_work_costs_the_same_however_many_runs_wait(store):
    """Counted in steps of SQLite's machine, which no other load on the computer changes."""
    token, other = a_session(store), a_session(store)
    far = store.clock.now_us() + 10**12

    def add(first: int, count: int) -> None:
        for number in range(first, first + count):
            sleeping, taken, closed, elsewhere = (
                f"{kind}-{number}" for kind in ("sleeping", "taken", "closed", "elsewhere")
            )
            end = Closing(status=RunStatus.COMPLETED, event=b"end")
            outcomes = store.apply(
                [
                    new_run(sleeping, owner=token),
                    evolve(first_turn(token, sleeping, tasks=[task(1, claimed=True)]), timers=((2, far),)),
                    new_run(taken, owner=other),
                    new_run(closed, owner=token),
                    evolve(first_turn(token, closed), closing=end),
                    new_run(elsewhere, task_queue="elsewhere"),
                ]
            )
            assert 2 == outcomes.count(Committed())

    def steps_of_a_look() -> int:
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        runs = ClaimRuns(token=token, task_queues=("orders",), limit=10)
        tasks = ClaimTasks(token=token, task_queues=("orders",), activity_types=None, limit=10)
        writer_of(store).set_progress_handler(count, 1)
        outcomes = store.apply([runs, tasks])
        writer_of(store).set_progress_handler(None, 1)
        assert [ReadyRuns([]), ClaimedTasks([])] == outcomes
        return steps

    add(0, 3)
    with_few = steps_of_a_look()
    add(3, 300)
    assert with_few == steps_of_a_look()
    assert with_few > 0
