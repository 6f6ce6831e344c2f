"""The commands that start a run with everything, and those that send updates and signals with a start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from refold import RetryPolicy
from refold.codec import decode_message
from refold.events import WorkflowExecutionStarted
from refold.messages import StartWorkflow
from refold_adapters import Client, Engine, open_store
from tests.cli_desk import desk
from tests.cli_driving import SHOP, refold

DESK = "tests.cli_desk"


@pytest.fixture(autouse=True)
def place(lasting_place: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that every command of a test uses."""
    monkeypatch.setenv("REFOLD_STORE", lasting_place)
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    return lasting_place


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    with Engine(place, workflows=[desk]) as engine:
        yield engine


def test_start_takes_every_option(place: str) -> None:
    words = ["--run-timeout", "2h", "--execution-timeout", "1d", "--task-timeout", "10", "--start-delay", "0"]
    words += ["--maximum-attempts", "3", "--memo", 'why="because"', "--request-id", "r"]
    words += ["--search-attribute", 'customer:keyword="acme"', "--search-attribute", "size:INT=7"]
    done = refold("start", f"{DESK}:desk", "1", "--id", "d", *words)
    again = refold("start", f"{DESK}:desk", "1", "--id", "d", *words)
    assert (0, done.out) == (done.code, again.out)
    with Engine(place, workflows=[desk]) as engine:
        handle = engine.handle("d")
        handle.execute_update("add", 1)
        event = handle.history()[0]

    assert isinstance(event, WorkflowExecutionStarted)
    assert ({"why": "because"}, 7_200_000_000, "r") == (event.memo, event.run_timeout_us, event.request_id)
    assert 3 == (event.retry_policy or {})["maximum_attempts"]
    assert {"customer": "acme", "size": 7} == {
        name: attribute["value"] for name, attribute in (event.search_attributes or {}).items()
    }


def test_start_takes_a_build_headers_and_a_whole_retry_policy(place: str) -> None:
    words = ["--build-id", "2.0", "--header", 'trace="abc"', "--initial-interval", "2s"]
    words += ["--backoff-coefficient", "1.5", "--maximum-interval", "1m", "--jitter", "0.25"]
    words += ["--non-retryable-error-type", "Declined", "--non-retryable-error-type", "Closed"]
    assert 0 == refold("start", "desk", "1", "--id", "d", *words).code
    with closing(open_store(place)) as store:
        row = store.find_run("d")
        assert row is not None
        (waiting,) = store.list_inbox(row.run_id)
    message = decode_message(waiting.data)

    assert isinstance(message, StartWorkflow)
    assert ("2.0", {"trace": "abc"}, "2.0") == (message.build_id, message.headers, row.build_id)
    assert RetryPolicy(
        initial_interval=timedelta(seconds=2),
        backoff_coefficient=1.5,
        maximum_interval=timedelta(minutes=1),
        jitter=0.25,
        non_retryable_error_types=("Declined", "Closed"),
    ) == RetryPolicy.from_plain(message.retry_policy or {})


def test_a_start_without_any_option_of_it_has_no_retry_policy(place: str) -> None:
    refold("start", "desk", "1", "--id", "d")
    with closing(open_store(place)) as store:
        row = store.find_run("d")
        assert row is not None
        message = decode_message(store.list_inbox(row.run_id)[0].data)

    assert isinstance(message, StartWorkflow)
    assert (None, None, None) == (message.retry_policy, message.headers, message.build_id)


@pytest.mark.parametrize(
    ("option", "value"), [("--jitter", "2"), ("--backoff-coefficient", "nan"), ("--jitter", "x")]
)
@pytest.mark.parametrize("lasting_place", ["sqlite"], indirect=True)
def test_a_retry_policy_that_cannot_be_is_refused_before_a_store_is_made(
    option: str, value: str, place: str
) -> None:
    assert (2, False) == (refold("start", "desk", "1", option, value).code, Path(place).exists())


def test_run_takes_what_belongs_to_the_run(place: str) -> None:
    words = ["--memo", 'why="because"', "--run-timeout", "2h", "--search-attribute", "size:INT=7"]
    assert 0 == refold("run", f"{SHOP}:hello", '"x"', "--id", "h", *words, "--maximum-attempts", "2").code
    assert "1\n" == refold("count", "--query", "size = 7").out
    with closing(open_store(place)) as store:
        event = Client(store).handle("h").history()[0]

    assert isinstance(event, WorkflowExecutionStarted)
    assert ({"why": "because"}, 7_200_000_000) == (event.memo, event.run_timeout_us)
    assert 2 == (event.retry_policy or {})["maximum_attempts"]


@pytest.mark.parametrize("word", ["customer=1", "customer:NOTHING=1", "customer:INT"])
@pytest.mark.parametrize("lasting_place", ["sqlite"], indirect=True)
def test_a_search_attribute_in_another_form_is_refused_before_a_store_is_made(word: str, place: str) -> None:
    done = refold("start", "desk", "1", "--search-attribute", word)

    assert (2, False) == (done.code, Path(place).exists())
    assert "RF5203" in done.err


def test_update_prints_the_answer(engine: Engine) -> None:
    engine.start(desk, 1, id="d")

    assert (0, "3\n") == (refold("update", "d", "add", "2").code, refold("update", "d", "add", "0").out)
    repeated = [refold("-m", DESK, "update", "d", "add", "4", "--update-id", "once").out for _ in range(2)]
    assert ["7\n", "7\n"] == repeated


def test_an_update_that_is_refused_ends_with_4(engine: Engine) -> None:
    engine.start(desk, 1, id="d")
    done = refold("update", "d", "add", "-1")

    assert 4 == done.code
    assert "RF5131" in done.err
    assert "only more, never less" in done.err


def test_an_update_without_a_worker_ends_in_time() -> None:
    refold("start", f"{DESK}:desk", "1", "--id", "d")
    done = refold("update", "d", "add", "1", "--timeout", "10ms")

    assert 6 == done.code
    assert "RF5207" in done.err


def test_a_payload_that_does_not_fit_its_declaration_is_not_sent(place: str) -> None:
    refold("start", f"{DESK}:desk", "1", "--id", "d")
    assert 0 != refold("-m", DESK, "update", "d", "add", '"two"', "--timeout", "1").code
    with closing(open_store(place)) as store:
        row = store.find_run("d")
        assert row is not None
        assert 1 == len(store.list_inbox(row.run_id))


def test_update_with_start_starts_once(engine: Engine) -> None:
    words = ["update-with-start", f"{DESK}:desk", "1", "--id", "d", "--update", "add", "--payload", "2"]

    assert ["3\n", "5\n"] == [refold(*words).out, refold(*words).out]
    assert 1 == len(list(engine.list()))


def test_signal_with_start_starts_once() -> None:
    words = ["signal-with-start", "desk", "1", "--id", "d", "--signal", "note", "--payload", '"hi"']
    first, second = [json.loads(refold("-o", "json", *words).out) for _ in range(2)]

    assert first == second
    assert {"workflow_id": "d", "run_id": first["run_id"], "signal": "note"} == first
    assert f"signal note sent to d (run {first['run_id']})\n" == refold(*words).out
