"""The PostgreSQL store when something is wrong: each trouble has its code, and no write is lost or done twice by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from refold_adapters import ManualClock, StoreError, open_store
from refold_adapters.contract.base import first_turn, new_run, turn
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimedTasks,
    ClaimTasks,
    Committed,
    Created,
    NewTask,
    Opened,
    OpenSession,
    RunFilter,
    Store,
)
from refold_adapters.postgres.database import PostgresDatabase
from refold_adapters.postgres.migrations import known_migrations
from refold_adapters.postgres.place import place_of
from refold_adapters.postgres.values import read, written
from refold_adapters.stores import shown_url
from tests.cli_driving import SHOP, refold
from tests.cutting_proxy import CuttingProxy
from tests.postgres import drop_schema, new_schema, with_schema


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url, ManualClock())
    yield store
    store.close()


@pytest.fixture
def new_url(postgres_server: str) -> Iterator[str]:
    """The URL of a store that is not there yet."""
    schema = new_schema()
    yield with_schema(postgres_server, schema)
    drop_schema(postgres_server, schema)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        call()
    return caught.value.code


def sql(url: str, statement: str, *values: object) -> list[Any]:
    """Carry out a statement beside the store, in its schema."""
    place = place_of(url)
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute(f"SET search_path = {place.quoted_schema}".encode())
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def a_session(store: Store) -> int:
    (opened,) = store.apply([OpenSession(identity="worker", process="host/1/x", lease_us=10**12)])
    assert isinstance(opened, Opened)
    return opened.token


# The schema -----------------------------------------------------------------------------------------------------------


def test_of_many_who_open_a_new_store_at_once_one_makes_it(new_url: str) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def make() -> None:
        barrier.wait()
        try:
            open_store(new_url).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
    done = [(each.number, each.name, each.checksum) for each in known_migrations()]
    assert done == sql(new_url, "SELECT number, name, checksum FROM migrations ORDER BY number")


def test_migrations_are_numbered_from_1_without_a_gap() -> None:
    assert list(range(1, len(known_migrations()) + 1)) == [each.number for each in known_migrations()]


def test_a_store_of_a_newer_refold_is_refused_and_left_alone(new_url: str) -> None:
    open_store(new_url).close()
    sql(new_url, "INSERT INTO migrations (number, name, checksum) VALUES (9999, 'later', 'x')")
    assert "RF5003" == code_of(lambda: open_store(new_url))


def test_a_schema_whose_record_says_something_else_is_refused(new_url: str) -> None:
    open_store(new_url).close()
    sql(new_url, "UPDATE migrations SET checksum = 'x'")
    assert "RF5008" == code_of(lambda: open_store(new_url))


def test_a_role_that_owns_nothing_runs_on_a_schema_that_another_has_made(
    new_url: str, postgres_server: str
) -> None:
    schema = place_of(new_url).schema
    role = f"{schema}_runtime"
    url = new_url.replace("//refold@", f"//{role}@")
    if url == new_url:
        pytest.skip("the server is not the one of these tests")
    sql(postgres_server, f"CREATE ROLE {role} LOGIN")
    try:
        assert "RF5002" == code_of(lambda: open_store(url))
        open_store(new_url).close()
        sql(new_url, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        sql(new_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}")
        store = open_store(url)
        assert [Created("run-1")] == store.apply([new_run()])
        store.close()
    finally:
        sql(postgres_server, f"DROP OWNED BY {role} CASCADE")
        sql(postgres_server, f"DROP ROLE {role}")


# Places ---------------------------------------------------------------------------------------------------------------


def test_a_place_without_a_server_a_database_or_a_schema_is_refused(
    postgres_server: str, tmp_path: Path
) -> None:
    nowhere = f"postgresql://refold:secret@/postgres?host={tmp_path}"
    with pytest.raises(StoreError) as caught:
        open_store(nowhere)
    assert ("RF5014", False) == (caught.value.code, "secret" in str(caught.value))
    assert "RF5001" == code_of(lambda: open_store(postgres_server.replace("/postgres?", "/no_such?")))
    for schema in ("", "pg_mine", "x" * 64):
        assert "RF5001" == code_of(lambda schema=schema: open_store(with_schema(postgres_server, schema)))


def test_the_name_of_a_schema_is_only_ever_a_name(postgres_server: str) -> None:
    schema = f'{new_schema()}"; DROP SCHEMA public; --'
    url = with_schema(postgres_server, schema.replace(" ", "%20").replace('"', "%22").replace(";", "%3B"))
    store = open_store(url)
    assert [Created("run-1")] == store.apply([new_run()])
    store.close()
    assert [(1,)] == sql(url, "SELECT count(*) FROM runs")
    sql(url, f"DROP SCHEMA {place_of(url).quoted_schema} CASCADE")


def test_without_the_driver_the_remedy_is_told() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from refold_adapters import StoreError, open_store\n"
        "try: open_store('postgresql://localhost/x')\n"
        "except StoreError as error: print(error.code, 'refold[postgres]' in str(error))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "RF5015 True\n" == ran.stdout


# Values ---------------------------------------------------------------------------------------------------------------

texts = st.text(st.sampled_from("\x00\x01\x02a\ud7ff\ue000\U0010ffff"), max_size=6)


@given(texts, texts)
def test_texts_are_read_as_they_were_written_and_keep_their_order(one: str, other: str) -> None:
    assert one == read(written(one))
    assert "\x00" not in written(one)
    assert (one < other) == (written(one) < written(other))


def test_an_id_that_no_index_can_hold_is_refused(store: Store) -> None:
    """What repeats itself is squeezed; this does not."""
    long = "".join(f"{number:x}" for number in range(5_000))
    assert "RF5012" == code_of(lambda: store.apply([new_run(long)]))
    assert [Created("run-1")] == store.apply([new_run()])


# Trouble --------------------------------------------------------------------------------------------------------------


def test_a_server_that_is_only_read_from_is_told_as_such(postgres_url: str, store: Store) -> None:
    other = open_store(postgres_url + "&options=-cdefault_transaction_read_only%3Don")
    assert "RF5002" == code_of(lambda: other.apply([new_run()]))
    assert [] == other.list_runs(RunFilter())
    other.close()


def test_a_lock_that_does_not_come_free_is_told_as_such(postgres_url: str, store: Store) -> None:
    store.apply([new_run()])
    other = open_store(postgres_url + "&options=-clock_timeout%3D50")
    place = place_of(postgres_url)
    with psycopg.connect(place.conninfo) as holder:
        holder.execute(f"SELECT 1 FROM {place.quoted_schema}.runs FOR UPDATE".encode())
        message = AcceptMessage(workflow_id="wf-run-1", data=b"m")
        assert "RF5006" == code_of(lambda: other.apply([message]))
    assert [Accepted("run-1", 2)] == other.apply([message])
    other.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_transaction_that_others_have_crossed_is_begun_again(
    postgres_server: str, new_url: str, state: str
) -> None:
    """As often as it takes; after many times it is given up, with nothing done."""
    store = open_store(new_url, ManualClock())
    sql(new_url, "CREATE SEQUENCE crossed")
    sql(
        new_url,
        "CREATE FUNCTION cross_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('{place_of(new_url).schema}.crossed') <= 3 THEN RAISE SQLSTATE '{state}'; END IF; "
        "RETURN NEW; END $$",
    )
    sql(new_url, "CREATE TRIGGER crossing BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION cross_it()")
    assert [Created("run-1")] == store.apply([new_run()])
    assert [(4,)] == sql(new_url, "SELECT last_value FROM crossed")
    sql(new_url, "ALTER SEQUENCE crossed RESTART WITH 1 MINVALUE -1000")
    sql(new_url, "SELECT setval('crossed', -1000)")
    assert "RF5006" == code_of(lambda: store.apply([new_run("run-2")]))
    assert 1 == store.count_runs(RunFilter())
    store.close()


# Connections ----------------------------------------------------------------------------------------------------------


def end_connections(url: str) -> None:
    """As an administrator or a restart does."""
    sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to be cut'")


def test_connections_that_were_ended_between_two_calls_are_made_anew(postgres_url: str) -> None:
    store = open_store(postgres_url + "&application_name=to%20be%20cut", ManualClock())
    store.apply([new_run("run-1")])
    assert 1 == store.count_runs(RunFilter())
    end_connections(postgres_url)
    assert [Created("run-2")] == store.apply([new_run("run-2")])
    end_connections(postgres_url)
    assert 2 == store.count_runs(RunFilter())
    store.close()


def test_whoever_listens_is_woken_when_the_listening_was_interrupted(postgres_url: str) -> None:
    """Something may have come meanwhile."""
    store = open_store(postgres_url + "&application_name=to%20be%20cut", ManualClock())
    heard = threading.Event()
    store.subscribe(heard.set)
    assert not heard.is_set()
    end_connections(postgres_url)
    assert heard.wait(30)
    assert store.changed_elsewhere()
    store.close()


def claimed_runs(store: Store, token: int) -> list[str]:
    """Claim until there is something: a server that has not noticed a cut yet keeps locked what was asked for before it."""
    claim = ClaimTasks(token=token, task_queues=("orders",), activity_types=None, limit=10)
    while True:
        (outcome,) = store.apply([claim])
        assert isinstance(outcome, ClaimedTasks)
        if outcome.tasks:
            return [found.run_id for found in outcome.tasks]


@pytest.mark.parametrize("side", ["question", "answer"])
def test_wherever_a_connection_is_cut_a_write_is_done_once(
    postgres_url: str, tmp_path: Path, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each packet of either side, the reply to the commit among them: the outcome is as if nothing had happened."""
    monkeypatch.setattr("refold_adapters.postgres.database._RECONNECT_PAUSE_SECONDS", 0.0)
    with CuttingProxy(postgres_url, tmp_path) as proxy:
        store = open_store(proxy.url, ManualClock())
        token = a_session(store)
        task = NewTask(seq=1, activity_type="charge", task_queue="orders", data=b"t")
        cuts = 0
        for number in range(1, 100):
            run_id = f"run-{number}"
            proxy.cut_before(side, number)
            writes = [
                evolve(new_run(run_id, owner=token), request_id=f"request-{number}"),
                first_turn(token, run_id, tasks=[task]),
                AcceptMessage(workflow_id=f"wf-{run_id}", data=b"m"),
                turn(token, run_id, 2),
            ]
            expected = [Created(run_id), Committed(), Accepted(run_id, 2), Committed()]
            assert expected == store.apply(writes)
            assert [run_id] == claimed_runs(store, token)
            assert [2] == [message.message_id for message in store.list_inbox(run_id)]
            if not proxy.has_cut:
                break
            cuts += 1
        assert proxy.has_cut is False
        assert 4 < cuts == store.count_runs(RunFilter()) - 1
        store.close()


def test_a_server_that_stays_away_is_told_and_welcome_again(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refold_adapters.postgres.database._RECONNECT_SECONDS", 0.2)
    with CuttingProxy(postgres_url, tmp_path) as proxy:
        store = open_store(proxy.url, ManualClock())
        proxy.refuse(True)
        assert "RF5014" == code_of(lambda: store.apply([new_run()]))
        assert "RF5014" == code_of(lambda: store.list_runs(RunFilter()))
        proxy.refuse(False)
        assert [Created("run-1")] == store.apply([new_run()])
        assert 1 == store.count_runs(RunFilter())
        store.close()


def test_a_commit_of_which_nobody_knows_any_more_is_told_as_unknown(postgres_url: str, store: Store) -> None:
    """As after a failover: the number of the transaction was given by another server."""
    database = PostgresDatabase(place_of(postgres_url))
    with pytest.raises(StoreError) as caught:
        database._was_done("3", "00000099")
    assert "RF5014" == caught.value.code
    database.close()


def test_a_closed_store_says_so_and_can_be_closed_twice(postgres_url: str) -> None:
    store = open_store(postgres_url, ManualClock())
    store.close()
    store.close()
    for use in (
        lambda: store.apply([new_run()]),
        lambda: store.list_runs(RunFilter()),
        store.changed_elsewhere,
    ):
        assert "RF5010" == code_of(use)


def test_a_child_process_does_not_use_what_it_was_forked_with(postgres_url: str) -> None:
    program = """
import os, sys
from refold_adapters import StoreError, open_store
from refold_adapters.contract.base import new_run
from refold_adapters.ports import RunFilter

store = open_store(sys.argv[1])
store.apply([new_run()])
if os.fork() == 0:
    for use in (lambda: store.apply([new_run("run-2")]), lambda: store.list_runs(RunFilter())):
        try:
            use()
        except StoreError as error:
            print(error.code, end=" ", flush=True)
    store.close()
    os._exit(0)
os.wait()
print(store.count_runs(RunFilter()))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, postgres_url],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert "RF5011 RF5011 1\n" == ran.stdout


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:secret@db/orders?schema=a", "postgresql://app@db/orders?schema=a"),
        ("postgresql://app@db/orders", "postgresql://app@db/orders"),
        ("postgresql://db:5432/orders", "postgresql://db:5432/orders"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
    ],
)
def test_people_are_not_shown_passwords(url: str, shown: str) -> None:
    assert shown == shown_url(url)


def test_commands_work_on_a_server_as_on_a_file(postgres_url: str, tmp_path: Path) -> None:
    ran = refold("run", f"{SHOP}:hello", '"x"', "--id", "h-0", "--store", postgres_url)
    assert (0, "") == (ran.code, ran.err)
    found = refold("doctor", "--store", postgres_url, "-o", "json")
    checks = {check["check"]: check["finding"] for check in json.loads(found.out)}
    assert ("1 COMPLETED", f"{shown_url(postgres_url)} can be read and written") == (
        checks["runs"],
        checks["store"],
    )
