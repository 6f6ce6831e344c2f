"""Doctor: what it finds, and what it makes of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from refold_adapters import open_store
from refold_adapters.cli import checks
from refold_adapters.ports import OpenSession
from refold_adapters.worker.sessions import this_process
from tests.cli_driving import SHOP, refold
from tests.test_cli_replay import damage


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of every command."""
    monkeypatch.setenv("REFOLD_STORE", str(tmp_path / "orders.db"))
    return tmp_path / "orders.db"


def findings(*args: str, code: int = 0) -> dict[str, tuple[str, str]]:
    done = refold("doctor", *args, "-o", "json")
    assert (code, "") == (done.code, done.err)
    return {check["check"]: (check["level"], check["finding"]) for check in json.loads(done.out)}


def test_a_sound_installation_and_store_have_nothing_wrong(store: Path) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-0")
    found = findings("--integrity")

    assert "failed" not in {level for level, _ in found.values()}
    assert ("ok", f"sqlite:///{store} can be read and written") == found["store"]
    assert ("ok", "version 1") == found["schema"]
    assert ("ok", "1 COMPLETED") == found["runs"]
    assert ("ok", "none is at work") == found["workers"]
    assert ("ok", "SQLite finds its pages and indexes sound") == found["file"]
    assert ("ok", "all 1 can be read") == found["histories"]


def test_histories_of_activities_without_a_workflow_are_read_too() -> None:
    refold("activity", "start", "nap", "--id", "n")

    assert ("ok", "all 1 can be read") == findings("--integrity")["histories"]


def test_the_versions_are_told() -> None:
    import platform
    from importlib.metadata import version

    found = findings()

    assert ("ok", f"{platform.python_version()} (CPython)") == found["python"]
    assert [("ok", version(name)) for name in ("refold", "click", "msgspec")] == [
        found[name] for name in ("refold", "click", "msgspec")
    ]


@pytest.mark.parametrize(
    ("number", "level"),
    [((3, 40, 1), "warning"), ((3, 44, 6), "ok"), ((3, 51, 2), "warning"), ((3, 51, 3), "ok")],
)
def test_the_wal_reset_bug_is_a_warning(
    number: tuple[int, ...], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", number)

    assert level == findings()["sqlite"][0]


def test_without_msgspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_version", lambda package: None)

    assert ("ok", 'not installed; pip install "refold[fast]" speeds up replay') == findings()["msgspec"]


def test_no_store_is_a_warning_and_makes_none(store: Path) -> None:
    assert (
        "warning",
        f"there is no store at {store} yet; `run`, `start` and `worker` make one",
    ) == findings()["store"]
    assert not store.exists()


def test_a_file_of_another_program_fails(store: Path) -> None:
    store.write_text("x" * 5_000)

    level, finding = findings(code=1)["store"]

    assert "failed" == level
    assert finding.startswith(f"RF5008: {store} is not an SQLite database")


def test_a_store_of_a_newer_version_fails(store: Path) -> None:
    refold("start", "hello", '"x"')
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")
    connection.close()

    assert findings(code=1)["store"][1].startswith(f"RF5003: {store} has schema version 99")


def test_parked_runs_are_a_warning() -> None:
    refold("run", f"{SHOP}:divide", "0", "--id", "d-1")

    assert ("warning", "1 run; `refold list --parked` shows them") == findings()["parked runs"]


def test_workers_are_told_apart_by_whether_they_live(store: Path) -> None:
    minute, past = 60_000_000, -1
    opened = open_store(store)
    host = this_process().partition("/")[0]
    opened.apply(
        [
            OpenSession(identity="here", process=this_process(), lease_us=minute),
            OpenSession(identity="gone", process=f"{host}/999999999/1", lease_us=minute),
            OpenSession(identity="elsewhere", process="another-host/1/1", lease_us=past),
        ]
    )
    opened.close()

    found = findings()

    takes_over = "the next worker that starts takes over its runs"
    assert ("ok", "here is at work") == (found["worker 1"][0], found["worker 1"][1].partition(";")[0])
    assert ("warning", f"gone: process gone; {takes_over}") == found["worker 2"]
    assert ("warning", f"elsewhere: lease run out; {takes_over}") == found["worker 3"]


def test_integrity_finds_a_damaged_history_and_says_whose(store: Path) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-0")
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1")
    run_id = damage(store)

    found = findings("--integrity", code=1)

    assert "00000001-0000-0000-0000-000000000000" != run_id
    assert ("failed", "1 of 2 histories damaged") == found["histories"]
    assert [("failed", "RF5007")] == [
        (level, finding.partition(":")[0])
        for name, (level, finding) in found.items()
        if name.startswith("run 0")
    ]


def test_integrity_finds_a_row_of_a_run_that_cannot_be_read(store: Path) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-0")
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE runs SET status = 'WHATEVER'")
    connection.close()

    assert ("failed", "1 row of runs cannot be read") == findings("--integrity", code=1)["run rows"]


def test_integrity_finds_a_broken_index(store: Path) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-0")
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX runs_by_workflow ON runs (workflow_type)' "
            "WHERE name = 'runs_by_workflow'"
        )
    connection.close()

    level, finding = findings("--integrity", code=1)["file"]

    assert "failed" == level
    assert "runs_by_workflow" in finding
