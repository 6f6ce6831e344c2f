"""The commands that operate one run, or all runs that fit conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from refold_adapters import Client, Engine, open_store
from refold_adapters.client.handles import WorkflowHandle
from tests import cli_shop
from tests.cli_desk import desk
from tests.cli_driving import SHOP, Done, lines, refold

DESK = "tests.cli_desk"
RUN_1 = "00000001-0000-0000-0000-000000000000"
OPERATIONS = (
    "signal",
    "cancel",
    "terminate",
    "pause",
    "resume",
    "retry",
    "reset",
    "update-options",
    "delete",
)


@pytest.fixture(autouse=True)
def place(lasting_place: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that every command of a test uses."""
    monkeypatch.setenv("REFOLD_STORE", lasting_place)
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    return lasting_place


@pytest.fixture
def client(place: str) -> Iterator[Client]:
    with closing(open_store(place)) as store:
        yield Client(store, workflows=[cli_shop.approve])


def made(place: str, *ids: str) -> None:
    """Runs of `approve` that have had a turn, and wait."""
    with Engine(place, workflows=[cli_shop.approve]) as engine:
        for workflow_id in ids:
            engine.start(cli_shop.approve, workflow_id, id=workflow_id).query(cli_shop.status)


def records(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def _code_and_remark(done: Done) -> tuple[int, str]:
    return done.code, done.err


def kinds(handle: WorkflowHandle[Any]) -> list[str]:
    return [type(event).__name__ for event in handle.history()]


# --- one run -------------------------------------------------------------------------------------------------------------


def test_pause_and_resume_are_recorded_once_with_their_reasons(place: str, client: Client) -> None:
    made(place, "a")
    paused = [refold("pause", "a", "--reason", "an audit") for _ in range(2)]

    assert [Done(0, "a paused\n", "")] * 2 == paused
    assert "1\n" == refold("count", "-q", "Paused = true").out
    assert Done(0, "a resumed\n", "") == refold("resume", "a", "--reason", "it is over")
    assert [("WorkflowExecutionPaused", "an audit"), ("WorkflowExecutionUnpaused", "it is over")] == [
        (type(event).__name__, getattr(event, "reason", "")) for event in client.handle("a").history()[-2:]
    ]


def test_a_paused_run_is_shown_as_one(place: str) -> None:
    made(place, "a")
    refold("pause", "a", "--reason", "an audit")

    assert "PAUSED" == refold("list").out.splitlines()[1].split()[2]
    shown = refold("describe", "a").out
    assert "status:      RUNNING, paused\n" in shown
    assert re.search(r"^now: +is paused since .*: `refold resume` lets it go on$", shown, re.MULTILINE)
    assert ["pause", "recorded", "an", "audit"] == refold("show", "a").out.splitlines()[-1].split()[2:]
    refold("update-options", "a", "--build-id", "2")
    refold("resume", "a")
    assert [["options", "changed", '{"build_id":', '"2"}'], ["resume", "recorded"]] == [
        line.split()[2:] for line in refold("show", "a").out.splitlines()[-2:]
    ]
    assert "build:       2\n" in refold("describe", "a").out
    refold("pause", "a")
    refold("terminate", "a")
    assert "TERMINATED" == refold("list").out.splitlines()[1].split()[2]
    assert ", paused" not in refold("describe", "a").out


def test_reset_begins_the_run_anew(place: str, client: Client) -> None:
    made(place, "a")
    done = refold("reset", "a", "--first-turn", "--reason", "a mistake", "-o", "json")
    rows = list(client.list(workflow_id="a"))

    assert {"workflow_id": "a", "run_id": RUN_1} == json.loads(done.out)
    assert {"RUNNING", "TERMINATED"} == {row.status.value for row in rows}
    assert 4 == refold("reset", "a", "--turn", "99").code
    assert "RF5115" in refold("reset", "a", "--event-id", "99").err


def test_reset_leaves_out_what_it_is_told_to(place: str) -> None:
    made(place, "a")
    refold("signal", "a", "approval", "true")
    refold("reset", "a", "--first-turn", "--reapply-exclude", "signal")
    assert 6 == refold("run", f"{SHOP}:approve", '"a"', "--id", "a", "--timeout", "10ms").code


def test_a_turn_is_named_in_one_way(place: str) -> None:
    made(place, "a")
    done = refold("reset", "a", "--first-turn", "--turn", "2")

    assert (2, True) == (done.code, "name the turn in one way" in done.err)


def test_fork_begins_a_copy_with_another_input(place: str) -> None:
    made(place, "a")
    done = refold("fork", "a", "b", '"another desk"', "--first-turn", "-m", SHOP)

    assert Done(0, f"a forked as b (run {RUN_1})\n", "") == done
    refold("signal", "b", "approval", "true")
    assert '"another desk"\n' == refold("run", f"{SHOP}:approve", '"x"', "--id", "b").out
    assert "RUNNING" == json.loads(refold("describe", "a", "-o", "json").out)["status"]


def test_fork_checks_the_input_and_the_id(place: str) -> None:
    made(place, "a")

    assert "RF1302" in refold("fork", "a", "b", "7", "-m", SHOP).err
    assert 4 == refold("fork", "a", "a").code
    assert 3 == refold("fork", "nobody", "b").code


def test_delete_removes_an_open_run(place: str) -> None:
    made(place, "a")

    assert Done(0, "a deleted\n", "") == refold("delete", "a")
    assert (3, 3) == (refold("describe", "a").code, refold("delete", "a").code)


def test_update_options_moves_a_run_to_a_build(place: str) -> None:
    made(place, "a")

    assert Done(0, "a moved to build 2.0\n", "") == refold("update-options", "a", "--build-id", "2.0")
    assert "1\n" == refold("count", "-q", "BuildId = '2.0'").out
    assert Done(0, "a moved to any build\n", "") == refold("update-options", "a", "--build-id", "")
    assert "0\n" == refold("count", "-q", "BuildId = '2.0'").out


def test_retry_takes_the_mark_of_a_parked_run_away() -> None:
    assert 7 == refold("run", f"{SHOP}:divide", "0", "--id", "d").code

    assert Done(0, "d is tried again\n", "") == refold("retry", "d")
    assert Done(0, "d is not parked: nothing to do\n", "") == refold("retry", "d")
    assert 7 == refold("run", f"{SHOP}:divide", "0", "--id", "d").code


def test_retry_of_a_failed_run_says_what_to_use() -> None:
    refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p")

    assert Done(
        4,
        "",
        lines(
            f"RF5211: workflow 'p' cannot be tried again: it is closed (run {RUN_1}, FAILED)",
            "  why: only an open run that is parked waits for another try",
            "  fix: begin it anew at one of its turns: refold reset p (--first-turn for the whole of it)",
        ),
    ) == refold("retry", "p")
    assert 3 == refold("retry", "nobody").code


def test_a_signal_needs_a_name(place: str) -> None:
    made(place, "a")
    asked = [refold("signal"), refold("signal", "a"), refold("signal", "--type", "approve")]

    assert [2, 2, 2] == [done.code for done in asked]
    assert ["'ID'", "'NAME'", "'NAME'"] == [done.err.split()[-1].rstrip(".") for done in asked]


def test_repeated_requests_of_operations_change_nothing(place: str, client: Client) -> None:
    made(place, "a", "b")
    first, again = (refold("reset", "a", "--request-id", "once", "-o", "json").out for _ in range(2))
    forks = [
        refold("fork", "a", "c", "--run-id", _first_run(client, "a"), "--request-id", "once")
        for _ in range(2)
    ]
    for words in (["pause", "--request-id", "once"], ["resume"], ["pause", "--request-id", "once"]):
        assert 0 == refold(*words[:1], "b", *words[1:]).code
    deleted = [refold("delete", "b", "--request-id", "once") for _ in range(2)]

    assert (first, forks[0].out) == (again, forks[1].out)
    assert ["a", "a", "c"] == sorted(row.workflow_id for row in client.list())
    assert [Done(0, "b deleted\n", "")] * 2 == deleted


def _first_run(client: Client, workflow_id: str) -> str:
    return min(client.list(workflow_id=workflow_id), key=lambda row: row.started_at).run_id


def test_a_repeated_request_of_a_signal_changes_nothing(place: str) -> None:
    made(place, "a")
    for _ in range(2):
        refold("signal", "a", "other", "--request-id", "once")

    assert 1 == json.loads(refold("describe", "a", "-o", "json").out)["pending_messages"]


# --- looking -------------------------------------------------------------------------------------------------------------


def test_count_counts_what_list_lists(place: str) -> None:
    made(place, "a-1", "a-2", "b-1")
    refold("terminate", "b-1")
    conditions = (
        (),
        ("-q", "ExecutionStatus = 'Terminated'"),
        ("--filter", "WorkflowId = 'b-1'", "--status", "running"),
        ("--prefix", "a-"),
        ("--type", "hello"),
    )

    assert [3, 1, 0, 2, 0] == [int(refold("count", *words).out) for words in conditions]
    for words in conditions:
        assert int(refold("count", *words).out) == len(records(refold("list", "-o", "jsonl", *words)))
    assert (
        lines("STATUS      RUNS", "RUNNING        2", "TERMINATED     1")
        == refold("count", "--by-status").out
    )
    told = json.loads(refold("count", "--by-status", "--status", "running", "-o", "json").out)
    assert {"count": 2, "by_status": {"RUNNING": 2}} == told


@pytest.mark.parametrize("command", ["list", "count", "pause", "export"])
def test_a_query_without_meaning_is_a_mistake_of_the_command_line(command: str, place: str) -> None:
    made(place, "a")
    done = refold(command, "--query", "Customer == 'acme'")

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("RF5114: the query \"Customer == 'acme'\" has no meaning: at character 11, ")


def test_stack_shows_the_lines_where_a_run_waits(place: str) -> None:
    made(place, "a")
    done = refold("stack", "a", "-m", SHOP)
    first, *frames = done.out.splitlines()
    (branch,) = json.loads(refold("stack", "a", "-m", SHOP, "-o", "json").out)

    assert (0, True) == (
        done.code,
        first.startswith("branch 0 waits for first_of: signal 'approval' | timer"),
    )
    assert [True] == ["cli_shop.py:" in frame and frame.endswith(" in approve") for frame in frames]
    assert (0, [frame.strip() for frame in frames]) == (branch["branch"], branch["frames"])


def test_stack_of_a_run_that_has_not_begun_says_so(place: str) -> None:
    refold("start", f"{SHOP}:approve", '"x"', "--id", "new")

    assert Done(0, "", "it waits at no line: none of its turns is recorded yet\n") == refold(
        "stack", "new", "-m", SHOP
    )


def test_stack_needs_code_and_an_open_run(place: str) -> None:
    made(place, "a")
    assert (2, True) == (refold("stack", "a").code, "RF5206" in refold("stack", "a").err)
    assert (2, True) == (
        refold("stack", "a", "-m", DESK).code,
        "RF5104" in refold("stack", "a", "-m", DESK).err,
    )
    refold("terminate", "a")
    assert (4, True) == (
        refold("stack", "a", "-m", SHOP).code,
        "RF5103" in refold("stack", "a", "-m", SHOP).err,
    )


# --- many runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", OPERATIONS)
def test_runs_are_chosen_by_an_id_or_by_conditions(command: str, place: str) -> None:
    made(place, "a")
    words = {"signal": ["note"], "update-options": ["--build-id", "2"]}.get(command, [])
    for wrong in (
        [*words, "--query", ""],
        [*words, "--yes"],
        ["a", *words, "extra", "extra"],
        [*words, "--query", "Parked = false", "--run-id", "x"],
        *([] if command == "signal" else [["a", *words, "--query", "Parked = false"]]),
    ):
        done = refold(command, *wrong)
        assert (2, "") == (done.code, done.out), wrong
    assert {"RUNNING": 1} == json.loads(
        refold("count", "--by-status", "--status", "RUNNING", "-o", "json").out
    )["by_status"]


@pytest.mark.parametrize("command", OPERATIONS)
def test_runs_chosen_by_conditions_are_only_shown_until_yes(command: str, place: str, client: Client) -> None:
    made(place, "a", "b")
    if command == "retry":
        assert 7 == refold("run", f"{SHOP}:divide", "0", "--id", "b-0").code
    before = [client.handle(name).history() for name in ("a", "b")]
    words = {"signal": ["note"], "update-options": ["--build-id", "2"]}.get(command, [])
    query = "WorkflowId STARTS_WITH 'b'" + (" AND Parked = true" if command == "retry" else "")
    done = refold(command, *words, "--query", query)

    assert 0 == done.code
    assert done.err.startswith("1 run would be ")
    assert done.err.endswith("; nothing was done: give --yes to do it\n")
    assert ["WORKFLOW", "b-0" if command == "retry" else "b"] == [
        line.split()[0] for line in done.out.splitlines()
    ]
    assert before == [client.handle(name).history() for name in ("a", "b")]
    shown = records(refold(command, *words, "--query", query, "-o", "jsonl"))
    assert [True] == [record["dry_run"] for record in shown]


def test_a_dry_run_shows_a_person_the_first_of_many(place: str) -> None:
    with Engine(place, workflows=[cli_shop.approve]) as engine:
        for number in range(23):
            engine.start(cli_shop.approve, "x", id=f"a-{number}")
    done = refold("terminate", "--type", "approve")

    assert (21, 23) == (
        len(done.out.splitlines()),
        len(records(refold("terminate", "--type", "approve", "-o", "jsonl"))),
    )
    assert (
        "23 runs would be terminated (the newest 20 are shown); nothing was done: give --yes to do it\n"
        == done.err
    )


def test_every_run_that_fits_is_touched_and_a_repetition_touches_none(place: str) -> None:
    made(place, "a", "b", "c")
    refold("terminate", "c")
    words = ("terminate", "--query", "WorkflowId IN ('a', 'c')", "--reason", "not needed", "--yes")
    done = refold(*words)

    assert (0, "1 run terminated\n") == (done.code, done.err)
    header, row = done.out.splitlines()
    assert ["WORKFLOW", "ID", "RUN", "ID", "OUTCOME"] == header.split()
    assert ["a", RUN_1, "ok"] == row.split()
    assert Done(0, "", "no run matches\n") == refold(*words)
    assert "1\n" == refold("count", "--status", "running").out


def test_one_run_that_cannot_be_touched_keeps_none_of_the_others_from_it(place: str) -> None:
    made(place, "a", "b", "short")
    for name in ("a", "b"):
        refold("pause", name)
    done = refold("reset", "--turn", "2", "--type", "approve", "--yes", "-o", "jsonl")
    told = {record["workflow_id"]: record for record in records(done)}

    assert 1 == done.code
    assert {"a": "done", "b": "done", "short": "failed"} == {
        name: record["outcome"] for name, record in told.items()
    }
    assert ("RF5115", 4) == (
        told["short"]["error"]["code"],
        told["short"]["error"]["exit_code"],
    )
    assert done.err == "2 runs reset\n1 run could not be; the command can be repeated\n"


def test_of_a_workflow_id_the_newest_run_is_reset(place: str) -> None:
    made(place, "a")
    for _ in range(2):
        refold("signal", "a", "other")
        assert 0 == refold("reset", "--prefix", "a", "--yes").code
        assert (0, "no run matches\n") == _code_and_remark(refold("reset", "--prefix", "a", "--yes"))
        assert 6 == refold("run", f"{SHOP}:approve", '"a"', "--id", "a", "--timeout", "10ms").code
    assert ["3\n", "1\n"] == [refold("count").out, refold("count", "--status", "running").out]


def test_a_signal_to_many_is_heard_once_by_each_if_its_request_is_repeated(place: str) -> None:
    made(place, "a", "b")
    words = ("signal", "approval", "true", "--type", "approve", "--request-id", "once", "--yes", "-m", SHOP)
    assert [0, 0] == [refold(*words).code for _ in range(2)]
    with Engine(place, workflows=[cli_shop.approve]) as engine:
        assert ["a", "b"] == [engine.handle(name).result() for name in ("a", "b")]
        for name in ("a", "b"):
            assert 1 == kinds(engine.handle(name)).count("WorkflowExecutionSignaled")


def test_paused_runs_are_found_and_resumed_together(place: str) -> None:
    made(place, "a", "b", "c")
    assert 0 == refold("pause", "--query", "WorkflowId != 'c'", "--yes").code
    assert "2 runs would be resumed" in refold("resume", "--query", "Paused = true").err
    assert 0 == refold("resume", "--query", "Paused = true", "--yes").code
    assert "0\n" == refold("count", "--query", "Paused = true").out


def test_parked_runs_are_tried_again_by_kind(place: str) -> None:
    made(place, "a")
    for name in ("d-1", "d-2"):
        refold("run", f"{SHOP}:divide", "0", "--id", name)
    done = refold("retry", "--query", "ParkedKind = 'RF1110'", "--yes", "-o", "jsonl")

    assert ["d-2", "d-1"] == [record["workflow_id"] for record in records(done)]
    assert Done(0, "", "no run matches\n") == refold("retry", "--parked", "--yes")


def test_runs_are_deleted_together_open_and_closed(place: str) -> None:
    made(place, "a", "b", "c")
    refold("terminate", "b")
    assert 0 == refold("delete", "--query", "WorkflowId < 'c'", "--yes").code
    assert ["c"] == [record["workflow_id"] for record in records(refold("list", "-o", "jsonl"))]


def test_runs_are_moved_to_a_build_together(place: str) -> None:
    made(place, "a", "b")
    assert 0 == refold("update-options", "--build-id", "2.0", "--type", "approve", "--yes").code
    assert "2\n" == refold("count", "-q", "BuildId = '2.0'").out


def test_a_store_that_cannot_be_used_ends_the_whole(place: str, tmp_path: Path) -> None:
    done = refold("cancel", "--type", "approve", "--yes", "--store", tmp_path / "none.db")
    assert (5, True) == (done.code, "RF5208" in done.err)


def test_runs_asked_to_stop_together_stop(place: str) -> None:
    with Engine(place, workflows=[desk]) as engine:
        engine.start(desk, 1, id="a")
        engine.start(desk, 1, id="b")
        done = refold("cancel", "--type", "desk", "--yes", "--reason", "closing")
        for name in ("a", "b"):
            future, _ = engine.handle(name).watch()
            assert "CANCELED" == future.result(timeout=30).status.value
    assert (0, "2 runs asked to stop\n") == (done.code, done.err)
