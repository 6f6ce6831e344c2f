"""Export and replay: histories as files, and the gate that a change of code must pass."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from refold.codec import decode_events
from refold_adapters.cli.exporting import file_name
from refold_adapters.sql.places import row_id
from tests.cli_driving import SHOP, Done, lines, refold

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of every command, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFOLD_STORE", raising=False)
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    return tmp_path / "refold.db"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a module of workflow code and gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(body: str) -> str:
        name = f"cli_code_{next(_numbers)}"
        imports = "from refold import execute_activity, workflow\n"
        (tmp_path / f"{name}.py").write_text(imports + body, "utf-8")
        return name

    return make


def some_runs() -> None:
    for number in range(2):
        assert 0 == refold("run", f"{SHOP}:hello", '"x"', "--id", f"h-{number}").code
    assert 1 == refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p-1").code


GREET_ANOTHER = "@workflow\ndef hello(name):\n    return (yield from execute_activity('greet_all', name))\n"


# --- export --------------------------------------------------------------------------------------------------------------


def test_export_writes_one_file_a_run_with_the_lines_that_show_prints() -> None:
    some_runs()

    assert Done(0, "3 histories written to out\n", "") == refold("export", "--all", "-d", "out")
    files = sorted(Path("out").iterdir())
    assert ["h-0", "h-1", "p-1"] == [file.name.partition("_")[0] for file in files]
    assert ["WorkflowExecutionStarted", "WorkflowExecutionCompleted"] == [
        type(event).__name__ for event in decode_events(files[0].read_bytes().rstrip(b"\n"))
    ][::3]
    shown = refold("show", "h-0", "-o", "jsonl").out.splitlines()
    written = files[0].read_text("utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in shown] == [json.loads(line)["kind"] for line in written]


def test_export_of_one_run_goes_to_the_default_folder() -> None:
    some_runs()

    done = refold("export", "h-1", "-o", "json")

    (told,) = json.loads(done.out)["files"]
    (file,) = Path("histories").iterdir()
    assert ("histories/h-1", "h-1") == (told.partition("_")[0], file.name.partition("_")[0])


def test_export_takes_the_conditions_of_list() -> None:
    some_runs()

    assert "1 history written to a\n" == refold("export", "--status", "failed", "-d", "a").out
    assert "2 histories written to b\n" == refold("export", "--all", "--type", "hello", "-d", "b").out


@pytest.mark.parametrize("args", [(), ("h-1", "--all"), ("h-1", "--type", "x"), ("--all", "--run-id", "x")])
def test_export_wants_one_run_or_many_and_not_both(args: tuple[str, ...]) -> None:
    done = refold("export", *args)

    assert 2 == done.code
    assert "give either the ID of one run, or --all" in done.err


def test_a_run_without_events_is_left_out() -> None:
    refold("start", "hello", '"x"', "--id", "h-1")

    done = refold("export", "--all")

    assert (0, "0 histories written to histories\n") == (done.code, done.out)
    assert done.err.endswith("has no events yet, and is left out\n")


def test_export_to_a_place_that_cannot_be_written_says_so() -> None:
    some_runs()
    Path("out").write_text("a file")

    done = refold("export", "--all", "-d", "out/deeper")

    assert 1 == done.code
    assert done.err.startswith("RF5210: a file cannot be read or written: Not a directory\n")


@pytest.mark.parametrize(
    ("workflow_id", "name"),
    [
        ("order-7", "order-7_r.jsonl"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd_r.jsonl"),
        ("..", "%2E_r.jsonl"),
        ("-rf", "%2Drf_r.jsonl"),
        ("a_b", "a%5Fb_r.jsonl"),
        ("C:\\x?*", "C%3A%5Cx%3F%2A_r.jsonl"),
        ("é", "%C3%A9_r.jsonl"),
        ("x" * 1024, "x" * 80 + "_r.jsonl"),
    ],
)
def test_the_name_of_a_file_is_safe_whatever_the_id(workflow_id: str, name: str) -> None:
    assert name == file_name(workflow_id, "r")


def test_a_hostile_id_stays_in_the_folder(tmp_path: Path) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "../../escape")

    refold("export", "--all", "-d", "deep/er")

    assert ["deep/er"] == sorted(
        {str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("*.jsonl")}
    )
    assert 0 == refold("replay", "deep", "-m", SHOP).code


# --- replay --------------------------------------------------------------------------------------------------------------


def test_unchanged_code_replays_from_the_store_and_from_files() -> None:
    some_runs()
    refold("export", "--all")

    summary = lines("VERDICT  HISTORIES", "ok               3", "all              3")
    assert Done(0, summary, "") == refold("replay", "-m", SHOP)
    assert Done(0, summary, "") == refold("replay", "histories", "-m", SHOP)
    (one,) = Path("histories").glob("p-1*")
    assert 0 == refold("replay", one, "-m", SHOP).code


def test_a_divergence_is_reported_with_both_sides_and_ends_with_1(module: Callable[[str], str]) -> None:
    some_runs()
    changed = module(GREET_ANOTHER)

    done = refold("replay", "-m", changed, "--type", "hello", "--limit", "1")

    assert 1 == done.code
    assert done.out.startswith("h-1: diverged\nRF4001: hello took another path than its history\n")
    assert "    history 2 ActivityTaskScheduled(seq=1, activity_type='greet'" in done.out
    assert "tests/cli_shop.py:" in done.out
    assert "    code    ActivityTaskScheduled(seq=1, activity_type='greet_all'" in done.out
    assert f"{changed}.py:4 in hello\n" in done.out
    assert done.out.endswith(
        "\n\nVERDICT   HISTORIES\nok                0\ndiverged          1\nall               1\n"
    )


def test_inputs_are_compared_too(module: Callable[[str], str]) -> None:
    some_runs()
    changed = module(
        "@workflow\ndef hello(name):\n    return (yield from execute_activity('greet', name + '!'))\n"
    )

    done = refold("replay", "-m", changed, "--type", "hello", "-o", "json")

    assert 1 == done.code
    assert {"ok": 0, "diverged": 2, "failed": 0, "unknown type": 0, "corrupt": 0} == json.loads(done.out)[
        "summary"
    ]


def test_code_that_raises_where_the_history_goes_on_does_not_pass(module: Callable[[str], str]) -> None:
    some_runs()
    changed = module(
        "@workflow\ndef hello(name):\n    yield from execute_activity('greet', name)\n    return name.nothing\n"
    )

    done = refold("replay", "-m", changed, "--prefix", "h-0")

    assert 1 == done.code
    assert "h-0: failed\nRF1110: hello raised AttributeError" in done.out


def test_an_unknown_type_does_not_pass_unless_it_is_skipped(module: Callable[[str], str]) -> None:
    some_runs()
    other = module("@workflow\ndef other():\n    yield from execute_activity('x')\n")

    done = refold("replay", "-m", other)

    assert 1 == done.code
    unknown = [("p-1", "pay"), ("h-1", "hello"), ("h-0", "hello")]
    assert lines(*(f"{run}: no module defines {name!r}" for run, name in unknown)) == done.err
    assert 0 == refold("replay", "-m", other, "--skip-unknown").code


def test_a_gate_that_looks_at_nothing_does_not_pass() -> None:
    some_runs()
    Path("empty").mkdir()

    assert [3, 3] == [
        refold("replay", "-m", SHOP, "--type", "nothing").code,
        refold("replay", "empty", "-m", SHOP).code,
    ]
    assert 2 == refold("replay", "nowhere", "-m", SHOP).code
    assert 2 == refold("replay", "empty", "-m", SHOP, "--type", "hello").code
    assert 2 == refold("replay").code


def test_a_corrupt_file_is_named_and_the_others_are_replayed_all_the_same() -> None:
    some_runs()
    refold("export", "--all")
    (first,) = Path("histories").glob("h-0*")
    whole = first.read_bytes()
    Path("histories/a.jsonl").write_bytes(whole[:-40])
    Path("histories/b.jsonl").write_bytes(b"")
    Path("histories/c.jsonl").write_bytes(whole.split(b"\n", 1)[1])
    Path("histories/d.jsonl").write_bytes(b"\n".join([*whole.split(b"\n")[:2], *whole.split(b"\n")[3:]]))

    done = refold("replay", "histories", "-m", SHOP, "-o", "jsonl")

    records = [json.loads(line) for line in done.out.splitlines()]
    assert 1 == done.code
    assert {
        "a.jsonl": ("corrupt", "RF2004"),
        "b.jsonl": ("corrupt", "RF2001"),
        "c.jsonl": ("corrupt", "RF2001"),
    } == {
        Path(record["source"]).name: (record["verdict"], record["code"])
        for record in records
        if Path(record["source"]).name in ("a.jsonl", "b.jsonl", "c.jsonl")
    }
    assert 3 == sum(record["verdict"] == "ok" for record in records)
    assert 7 == len(records)


def damage(store: Path) -> str:
    """Change a byte of a turn, as a failing disk does; returns the run id."""
    with sqlite3.connect(store) as connection:
        run_key, run_id = connection.execute(
            "SELECT run_key, run_id FROM runs WHERE workflow_id = 'h-0'"
        ).fetchone()
        connection.execute(
            "UPDATE history SET data = CAST(data || ' ' AS BLOB) WHERE id = ?", (row_id(run_key, 1),)
        )
    connection.close()
    return str(run_id)


def test_a_corrupt_run_of_the_store_spoils_neither_replay_nor_export_of_the_others(store: Path) -> None:
    some_runs()
    damage(store)

    replayed, exported = refold("replay", "-m", SHOP, "-o", "json"), refold("export", "--all")

    assert (1, 2, 1) == (
        replayed.code,
        json.loads(replayed.out)["summary"]["ok"],
        json.loads(replayed.out)["summary"]["corrupt"],
    )
    assert (5, "2 histories written to histories\n") == (exported.code, exported.out)
    assert exported.err.startswith("RF5007: turn 1 of run ")
    assert 5 == refold("show", "h-0").code
