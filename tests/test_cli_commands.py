"""The commands that start runs and talk to them: what they print, and how they end."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from refold_adapters import Client, open_store
from tests.cli_driving import SHOP, Done, lines, refold

RUN_1 = "00000001-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def store(lasting_place: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that every command of a test uses."""
    monkeypatch.setenv("REFOLD_STORE", lasting_place)
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    return lasting_place


# --- run -----------------------------------------------------------------------------------------------------------------


def test_run_prints_the_result_as_json() -> None:
    assert Done(0, '"Hello, Zoë!"\n', "") == refold("run", f"{SHOP}:hello", '"Zoë"', "--id", "h-1")


def test_run_without_an_id_says_which_one_it_took() -> None:
    done = refold("run", f"{SHOP}:hello", '"x"')

    assert (0, '"Hello, x!"\n') == (done.code, done.out)
    assert done.err.startswith("workflow id: hello-")
    assert 0 == refold("result", done.err.split()[-1]).code


def test_run_takes_a_name_of_a_given_module() -> None:
    assert 0 == refold("-m", SHOP, "run", "hello", '"x"', "--id", "h-1").code
    assert 0 == refold("run", "hello", '"x"', "--id", "h-2", "-m", SHOP).code


def test_modules_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFOLD_MODULES", f"json, {SHOP}")

    assert 0 == refold("run", "hello", '"x"', "--id", "h-1").code


def test_run_reads_an_argument_from_a_file_or_from_stdin(tmp_path: Path) -> None:
    file = tmp_path / "name.json"
    file.write_text('"from a file"', "utf-8")

    assert '"Hello, from a file!"\n' == refold("run", f"{SHOP}:hello", f"@{file}", "--id", "h-1").out
    assert '"Hello, from stdin!"\n' == refold("run", f"{SHOP}:hello", "@-", input='"from stdin"').out


def test_a_negative_number_is_an_argument() -> None:
    assert "-0.25\n" == refold("run", f"{SHOP}:divide", "-4", "--id", "d-1").out


def test_a_failed_workflow_ends_with_1_and_its_causes() -> None:
    done = refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p-1")

    assert (
        Done(
            1,
            "",
            lines(
                f"RF5109: workflow 'p-1' ended FAILED (run {RUN_1}): activity 'charge' failed: card of 7 was declined",
                "  why: that is how its code, or whoever terminated it, ended it",
                "  fix: look at the cause and the history (`refold show`)",
                "  cause: ActivityError: activity 'charge' failed: card of 7 was declined",
                "  cause: ApplicationError (Declined): card of 7 was declined",
            ),
        )
        == done
    )


def test_a_failure_as_json_is_one_object_on_stderr() -> None:
    done = refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p-1", "-o", "json")
    error = json.loads(done.err)["error"]

    assert (1, "") == (done.code, done.out)
    assert ("RF5109", "FAILED", 1) == (error["code"], error["status"], error["exit_code"])
    assert [
        {
            "error": "ActivityError",
            "message": "activity 'charge' failed: card of 7 was declined",
            "activity_type": "charge",
            "activity_id": "3",
        },
        {
            "error": "ApplicationError",
            "message": "card of 7 was declined",
            "type": "Declined",
            "details": [{"order": "7"}],
        },
    ] == error["causes"]


def test_a_parked_run_ends_with_7_and_says_where_once() -> None:
    done = refold("run", f"{SHOP}:divide", "0", "--id", "d-1")

    assert (7, "") == (done.code, done.out)
    assert done.err.startswith("RF5106: workflow 'd-1'")
    assert 1 == done.err.count("ZeroDivisionError")
    assert "where: tests/cli_shop.py:" in done.err


def test_a_parked_run_goes_on_when_it_is_run_with_mended_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mended.py").write_text(
        "from tests.cli_shop import greet\n"
        "from refold import workflow\n"
        "@workflow\n"
        "def divide(by):\n"
        "    yield from greet('divide')\n"
        "    return 'nothing can be divided by it'\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert 7 == refold("run", f"{SHOP}:divide", "0", "--id", "d-1").code

    done = refold("run", "mended:divide", "0", "--id", "d-1")

    assert Done(0, '"nothing can be divided by it"\n', "") == done
    assert ["d-1"] == [
        json.loads(line)["workflow_id"] for line in refold("list", "-o", "jsonl").out.splitlines()
    ]


def test_run_waits_no_longer_than_it_is_told() -> None:
    done = refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms")

    assert (6, "") == (done.code, done.out)
    assert done.err.startswith("RF5207: workflow 'a-1' has not ended within 10ms\n")


def test_run_goes_on_with_the_open_run_of_that_id() -> None:
    assert 6 == refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms").code
    assert 0 == refold("signal", "a-1", "approval", "true").code

    assert Done(0, '"a desk"\n', "") == refold("run", f"{SHOP}:approve", '"another desk"', "--id", "a-1")


def test_run_again_prints_the_result_of_a_completed_run_and_starts_a_failed_one_anew() -> None:
    def runs_of(workflow_id: str) -> int:
        rows = refold("list", "-o", "jsonl", "--prefix", workflow_id).out.splitlines()
        return len(rows)

    assert [0, 0] == [refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1").code for _ in range(2)]
    assert [1, 1] == [refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p-1").code for _ in range(2)]
    assert (1, 2) == (runs_of("h-1"), runs_of("p-1"))
    again = refold("run", f"{SHOP}:hello", '"y"', "--id", "h-1", "--id-reuse-policy", "ALLOW_DUPLICATE")
    assert ('"Hello, y!"\n', 2) == (again.out, runs_of("h-1"))


def test_run_refuses_an_id_that_an_open_run_of_another_workflow_has() -> None:
    refold("start", f"{SHOP}:approve", '"a desk"', "--id", "x")

    done = refold("run", f"{SHOP}:hello", '"x"', "--id", "x")

    assert 4 == done.code
    assert f"RF5101: workflow 'x' has a run already ({RUN_1}, RUNNING, of type approve)" in done.err


@pytest.mark.parametrize("lasting_place", ["sqlite"], indirect=True)
def test_what_cannot_be_run_makes_no_store(store: str) -> None:
    done = refold("run", f"{SHOP}:pay", '{"order_id": 7}')

    assert 2 == done.code
    assert done.err.startswith("RF1302: ")
    assert not Path(store).exists()


# --- start ---------------------------------------------------------------------------------------------------------------


def test_start_returns_at_once_and_the_run_waits_for_a_worker() -> None:
    done = refold("start", f"{SHOP}:hello", '"x"', "--id", "h-1")

    assert Done(0, f"started h-1 (run {RUN_1})\n", "") == done
    assert "RUNNING" == json.loads(refold("describe", "h-1", "-o", "json").out)["status"]
    assert '"Hello, x!"\n' == refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1").out


def test_start_by_name_needs_no_code() -> None:
    done = refold("start", "anything", "[1, null]", "--id", "a-1", "-o", "jsonl")

    assert {"workflow_id": "a-1", "run_id": RUN_1, "workflow_type": "anything"} == json.loads(done.out)


def test_start_with_a_module_checks_the_arguments() -> None:
    done = refold("start", f"{SHOP}:hello", "1", "2", "--id", "h-1")

    assert 2 == done.code
    assert done.err.startswith("RF1002: workflow 'hello' was called with other arguments than it takes")


def test_a_second_start_of_an_open_run_is_refused() -> None:
    first = refold("start", "hello", '"x"', "--id", "h-1")
    second = refold("start", "hello", '"x"', "--id", "h-1")

    assert (0, 4) == (first.code, second.code)
    assert f"RF5101: workflow 'h-1' has a run already ({RUN_1}, RUNNING)" in second.err


def test_policies_say_what_a_start_does_about_other_runs() -> None:
    def start(*options: str) -> int:
        return refold("start", "hello", '"x"', "--id", "h-1", *options).code

    assert 0 == start()
    assert 0 == start("--id-conflict-policy", "use_existing")
    assert 0 == start("--id-conflict-policy", "terminate_existing")
    refold("terminate", "h-1")
    assert 4 == start("--id-reuse-policy", "REJECT_DUPLICATE")
    assert 0 == start()


# --- result --------------------------------------------------------------------------------------------------------------


def test_result_shows_a_value_as_it_is_stored() -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1")

    assert Done(0, '"Hello, x!"\n', "") == refold("result", "h-1")


def test_the_result_of_an_open_run_is_waited_for_no_longer_than_told() -> None:
    refold("start", "hello", '"x"', "--id", "h-1")

    assert 6 == refold("result", "h-1", "--timeout", "0").code


def test_the_result_of_a_failed_and_of_a_parked_run() -> None:
    refold("run", f"{SHOP}:pay", '{"order_id": "7"}', "--id", "p-1")
    refold("run", f"{SHOP}:divide", "0", "--id", "d-1")

    assert 1 == refold("result", "p-1").code
    assert 7 == refold("result", "d-1").code


@pytest.mark.parametrize(
    "args",
    [
        ("result", "nobody"),
        ("show", "nobody"),
        ("describe", "nobody"),
        ("signal", "nobody", "approval", "true"),
        ("query", "nobody", "status", "-m", SHOP),
        ("cancel", "nobody"),
        ("terminate", "nobody"),
        ("export", "nobody"),
        ("result", "h-1", "--run-id", "nobody"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_ends_with_3(
    args: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refold("start", "hello", '"x"', "--id", "h-1")

    done = refold(*args)

    assert (3, "") == (done.code, done.out)
    assert done.err.startswith("RF5102: there is no workflow ")


# --- signal, query, cancel, terminate ------------------------------------------------------------------------------------


def test_a_signal_is_accepted_and_received() -> None:
    refold("start", f"{SHOP}:approve", '"a desk"', "--id", "a-1")

    assert Done(0, "signal approval sent to a-1\n", "") == refold("signal", "a-1", "approval", "true")
    assert '"a desk"\n' == refold("run", f"{SHOP}:approve", '""', "--id", "a-1").out


def test_a_signal_of_a_given_module_is_checked_before_it_is_sent() -> None:
    refold("start", f"{SHOP}:approve", '"a desk"', "--id", "a-1")

    done = refold("signal", "a-1", "approval", '"yes"', "-m", SHOP)

    assert 2 == done.code
    assert done.err.startswith("RF1302: stored data does not fit bool")
    assert 0 == json.loads(refold("describe", "a-1", "-o", "json").out)["pending_messages"] - 1  # the start


@pytest.mark.parametrize(
    "args", [("signal", "h-1", "approval", "true"), ("cancel", "h-1"), ("terminate", "h-1")]
)
def test_a_closed_run_refuses_messages_with_4(args: tuple[str, ...]) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1")

    done = refold(*args)

    assert (4, "") == (done.code, done.out)
    assert done.err.startswith("RF5103: workflow 'h-1' is closed")


def test_a_query_is_answered_by_open_and_closed_runs() -> None:
    refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms")
    before = refold("query", "a-1", "status", "-m", SHOP)
    refold("signal", "a-1", "approval", "true")
    refold("run", f"{SHOP}:approve", '""', "--id", "a-1")

    assert Done(0, '"waits for a desk"\n', "") == before
    assert Done(0, '"approved"\n', "") == refold("query", "a-1", "status", "-m", SHOP)


def test_an_unknown_query_ends_with_3_and_names_the_known_ones() -> None:
    refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms")

    done = refold("query", "a-1", "state", "-m", SHOP)

    assert 3 == done.code
    assert done.err.startswith("RF1111: ")
    assert "known here: status" in done.err


def test_a_query_without_the_code_of_the_run_says_what_to_give() -> None:
    refold("start", "stranger", "--id", "s-1")

    without, other = refold("query", "s-1", "status"), refold("query", "s-1", "status", "-m", SHOP)

    assert (2, 2) == (without.code, other.code)
    assert without.err.startswith("RF5206: a query needs the code of workflows, and no module was named\n")
    assert other.err.startswith("RF5104: the code of workflow 'stranger' is not known here\n")


def test_a_cancelled_run_ends_cancelled() -> None:
    refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms")

    assert Done(0, "cancellation of a-1 requested\n", "") == refold(
        "cancel", "a-1", "--reason", "changed my mind"
    )
    done = refold("run", f"{SHOP}:approve", '""', "--id", "a-1", "-o", "json")
    assert (1, "CANCELED") == (done.code, json.loads(done.err)["error"]["status"])
    assert "changed my mind" in refold("show", "a-1").out


def test_a_terminated_run_is_closed_at_once() -> None:
    refold("run", f"{SHOP}:approve", '"a desk"', "--id", "a-1", "--timeout", "10ms")

    assert Done(0, "a-1 terminated\n", "") == refold("terminate", "a-1", "--reason", "no more desks")
    done = refold("result", "a-1")
    assert 1 == done.code
    assert "cause: TerminatedError: no more desks" in done.err


@pytest.mark.parametrize(
    ("args", "record"),
    [
        (("signal", "h-1", "x"), {"workflow_id": "h-1", "signal": "x"}),
        (("cancel", "h-1"), {"workflow_id": "h-1", "requested": "cancel"}),
        (("terminate", "h-1"), {"workflow_id": "h-1", "status": "TERMINATED"}),
    ],
)
def test_what_was_done_can_be_had_as_json(args: tuple[str, ...], record: dict[str, str]) -> None:
    refold("start", "hello", '"x"', "--id", "h-1")

    assert record == json.loads(refold(*args, "-o", "json").out)


def test_a_run_of_an_id_can_be_named(store: str) -> None:
    refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1")
    with closing(open_store(store)) as opened:
        first = Client(opened).row("h-1", None).run_id
    refold("run", f"{SHOP}:hello", '"y"', "--id", "h-1", "--id-reuse-policy", "ALLOW_DUPLICATE")

    assert '"Hello, y!"\n' == refold("result", "h-1").out
    assert '"Hello, x!"\n' == refold("result", "h-1", "--run-id", first).out
