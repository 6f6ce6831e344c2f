"""The commands of `refold activity`: an activity that no worker takes up is looked at, finished and changed from outside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

import pytest

from refold import ApplicationError, RetryPolicy, Workflow, activity, execute_activity, workflow
from refold_adapters import Engine, WorkflowFailedError, activity_context
from refold_adapters.ports import OUTSIDE
from tests.cli_driving import SHOP, Done, lines, refold
from tests.cli_shop import greet

PATIENCE = timedelta(seconds=30)
tokens: SimpleQueue[str] = SimpleQueue()


@workflow
def errand(number: int) -> Workflow[int]:
    retry_policy = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(hours=1))
    return (
        yield from execute_activity(
            "walk", number, result_type=int, task_queue="far", retry_policy=retry_policy
        )
    )


@activity(heartbeat_timeout=timedelta(hours=1))
def ask_somebody() -> str:
    context = activity_context()
    tokens.put(context.info.task_token)
    context.complete_async()


@workflow
def question() -> Workflow[str]:
    return (yield from ask_somebody())


@pytest.fixture
def engine(lasting_place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A worker of the store that every command of a test uses."""
    monkeypatch.setenv("REFOLD_STORE", lasting_place)
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    with Engine(lasting_place, workflows=[errand, question], activities=[ask_somebody, greet]) as engine:
        yield engine


def told(*args: object) -> dict[str, Any]:
    done = refold(*args, "-o", "json")
    assert 0 == done.code, done.err
    value: dict[str, Any] = json.loads(done.out)
    return value


def wait_until_left_outside(engine: Engine, token: str) -> None:
    attempt, pause = engine.activity(token), threading.Event()
    for _ in range(2000):
        if attempt.describe().owner == OUTSIDE:
            return
        pause.wait(0.01)
    raise AssertionError("its worker never let go of it")


def test_open_activities_are_listed_for_a_run_for_those_that_fit_and_for_all(engine: Engine) -> None:
    assert Done(0, "", "no activity is open\n") == refold("activity", "list")
    for name in ("e-1", "e-2", "other"):
        engine.start(errand, 1, id=name)
    names = [
        [record["workflow_id"] for record in json.loads(refold("activity", "list", *words, "-o", "json").out)]
        for words in (["e-1"], ["--query", "WorkflowId STARTS_WITH 'e'"], [], ["--limit", "1"])
    ]

    assert [["e-1"], ["e-2", "e-1"], ["other", "e-2", "e-1"], ["other"]] == names
    header, row = refold("activity", "list", "e-1").out.splitlines()
    assert ["WORKFLOW", "ID", "ACTIVITY", "TYPE", "STATE", "LAST", "FAILURE"] == header.split()
    assert "e-1          1         walk  attempt 1 waits for a worker of queue 'far'" == row
    assert "there are more" in refold("activity", "list", "--limit", "2").err
    assert (3, 2) == (
        refold("activity", "list", "nobody").code,
        refold("activity", "list", "e-1", "--type", "errand").code,
    )


def test_an_activity_is_described(engine: Engine) -> None:
    engine.start(errand, 1, id="e")
    record = told("activity", "describe", "e", "1")

    assert ("e", "1", "walk", "far", 1, False, None) == tuple(
        record[name]
        for name in (
            "workflow_id",
            "activity_id",
            "activity_type",
            "task_queue",
            "attempt",
            "paused",
            "last_failure",
        )
    )
    assert 2 == record["options"]["retry_policy"]["maximum_attempts"]
    assert (
        "state:           attempt 1 waits for a worker of queue 'far'\n"
        in refold("activity", "describe", "e", "1").out
    )


def test_an_activity_of_a_workflow_is_asked_to_stop(engine: Engine) -> None:
    handle = engine.start(errand, 1, id="e")

    assert Done(0, "activity 1 of e asked to stop\n", "") == refold("activity", "cancel", "e", "1")
    with pytest.raises(WorkflowFailedError, match="the activity was cancelled"):
        handle.result(timeout=PATIENCE)


def test_the_code_of_an_activity_without_a_workflow_is_known() -> None:
    refold("activity", "start", "nap", "--id", "n")

    assert "-m" not in refold("describe", "n").out


def test_an_activity_is_completed_by_its_ids(engine: Engine) -> None:
    handle = engine.start(errand, 1, id="e")

    assert Done(0, "activity 1 of e completed\n", "") == refold(
        "activity", "complete", "e", "1", "--result", "-7"
    )
    assert -7 == handle.result(timeout=PATIENCE)
    again = refold("activity", "complete", "e", "1", "--result", "7")
    assert (3, True) == (again.code, "RF5121" in again.err)


def test_an_activity_is_kept_alive_and_completed_by_its_token(engine: Engine) -> None:
    handle = engine.start(question, id="q")
    token = tokens.get(timeout=30)
    wait_until_left_outside(engine, token)

    beat = told("activity", "heartbeat", "--token", token, "--detail", '"half"')
    assert ("q", "alive", False) == (beat["workflow_id"], beat["outcome"], beat["cancel_requested"])
    assert ["half"] == told("activity", "describe", "--token", token)["heartbeat"]
    assert 0 == refold("activity", "complete", "--token", token, "--result", '"yes"').code
    assert "yes" == handle.result(timeout=PATIENCE)


def test_describe_says_that_an_outcome_is_to_come_from_outside(engine: Engine) -> None:
    engine.start(question, id="q")
    token = tokens.get(timeout=30)
    wait_until_left_outside(engine, token)
    (pending,) = told("describe", "q")["pending_activities"]

    assert "attempt 1 waits for its outcome from outside" == pending["state"]


def test_a_failure_is_tried_again_as_the_policy_says(engine: Engine) -> None:
    handle = engine.start(errand, 1, id="e")

    assert Done(0, "activity 1 of e failed\n", "") == refold("activity", "fail", "e", "1", "--reason", "no")
    record = told("activity", "describe", "e", "1")
    assert (2, True, "no") == (
        record["attempt"],
        record["state"].startswith("attempt 2 in "),
        record["last_failure"].rpartition(": ")[2],
    )
    words = ("--reason", "never", "--type", "Never", "--detail", '{"why": 1}', "--non-retryable")
    assert 0 == refold("activity", "fail", "e", "1", *words).code
    with pytest.raises(WorkflowFailedError, match="never") as failed:
        handle.result(timeout=PATIENCE)
    assert failed.value.cause is not None
    error = failed.value.cause.__cause__
    assert isinstance(error, ApplicationError)
    assert ("Never", ({"why": 1},)) == (error.type, tuple(error.details))


def test_an_activity_is_paused_and_let_go_on(engine: Engine) -> None:
    engine.start(errand, 1, id="e")

    assert Done(0, "activity 1 of e paused\n", "") == refold("activity", "pause", "e", "1")
    assert ("paused before attempt 1", True) == tuple(
        told("activity", "describe", "e", "1")[name] for name in ("state", "paused")
    )
    assert Done(0, "activity 1 of e unpaused\n", "") == refold("activity", "unpause", "e", "1")
    assert not told("activity", "describe", "e", "1")["paused"]


def test_the_attempts_of_an_activity_are_forgotten(engine: Engine) -> None:
    engine.start(errand, 1, id="e")
    refold("activity", "fail", "e", "1")
    assert 2 == told("activity", "describe", "e", "1")["attempt"]
    assert 0 == refold("activity", "reset", "e", "1", "--forget-heartbeat").code
    assert 1 == told("activity", "describe", "e", "1")["attempt"]


def test_options_that_are_left_out_stay_as_they_are(engine: Engine) -> None:
    engine.start(errand, 1, id="e")
    words = ["--task-queue", "near", "--start-to-close-timeout", "30", "--maximum-attempts", "5"]
    changed = told("activity", "update-options", "e", "1", *words)["options"]

    assert ("near", 30_000_000) == (changed["task_queue"], changed["start_to_close_timeout_us"])
    policy = changed["retry_policy"]
    assert (5, 3_600_000_000) == (policy["maximum_attempts"], policy["initial_interval_us"])
    assert changed == told("activity", "describe", "e", "1")["options"]
    assert 2 == refold("activity", "update-options", "e", "1").code


@pytest.mark.parametrize(
    "words",
    [[], ["e"], ["e", "1", "--token", "x"], ["e", "--token", "x"]],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_an_activity_is_named_by_two_ids_or_by_a_token(words: list[str], engine: Engine) -> None:
    done = refold("activity", "pause", *words)

    assert (2, True) == (done.code, "give either the ID of the workflow" in done.err)


def test_what_is_no_token_names_no_activity(engine: Engine) -> None:
    done = refold("activity", "complete", "--token", "no token")
    assert (3, True) == (done.code, done.err.startswith("RF5121: "))


def test_the_group_alone_shows_its_help_and_a_wrong_name_the_nearest_one() -> None:
    assert (2, True) == (refold("activity").code, "Give an outcome:\n  complete " in refold("activity").err)
    done = refold("activity", "compete")
    assert (2, lines("Error: No such command 'compete'. Did you mean 'complete'?")) == (
        done.code,
        done.err[done.err.index("Error") :],
    )


def test_an_activity_is_started_without_a_workflow_and_its_result_printed(engine: Engine) -> None:
    words = ["greet", '"Zoë"', "--id", "g", "--memo", 'why="because"', "--maximum-attempts", "3"]
    assert Done(0, '"Hello, Zoë!"\n', "") == refold("activity", "execute", *words)
    assert '"Hello, Zoë!"\n' == refold("result", "g").out
    assert (
        4
        == refold(
            "activity", "start", "greet", '"x"', "--id", "g", "--id-reuse-policy", "REJECT_DUPLICATE"
        ).code
    )


def test_a_started_activity_waits_for_a_worker_of_its_queue_and_can_be_finished(engine: Engine) -> None:
    words = ["walk", "1", "--id", "w", "--task-queue", "far", "--start-to-close-timeout", "30"]
    assert refold("activity", "start", *words).out.startswith("started w (run ")
    assert 6 == refold("activity", "execute", *words, "--timeout", "10ms").code
    assert 0 == refold("cancel", "w").code
    assert (
        "w"
        == told("activity", "start", "walk", "1", "--id", "w", "--id-conflict-policy", "USE_EXISTING")[
            "workflow_id"
        ]
    )


def test_the_declaration_of_an_activity_that_is_started_is_kept_to(engine: Engine) -> None:
    done = refold("activity", "start", "greet", "7", "-m", SHOP)
    assert (2, True) == (done.code, "RF1302" in done.err)
