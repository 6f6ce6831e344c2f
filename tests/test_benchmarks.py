"""The benchmarks run and say what they promise to say; how fast anything is, is not asked here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.beds import postgres_bed
from benchmarks.figures import Figure, Samples, figure
from benchmarks.limits import BareLoop, RawSqliteCommits
from benchmarks.step_measures import FULL
from benchmarks.steps import doubts, summary

ROOT = Path(__file__).parents[1]


def bench(module: str, *args: str, **environment: str) -> tuple[str, dict[str, Any]]:
    """What a benchmark prints, and the object in its last line."""
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", "--json", "--quick", *args],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return ended.stdout, found


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The replay benchmark on a machine that has none of the peers."""
    nowhere = tmp_path_factory.mktemp("peers") / "python"
    return bench("replay", REFOLD_BENCH_PEERS=str(nowhere))


def test_the_last_line_of_the_replay_benchmark_has_every_form_of_every_history(
    replayed: tuple[str, dict[str, Any]],
) -> None:
    _, found = replayed

    assert ["sequential 10", "sequential 20", "fan_out 20"] == list(found["histories"])
    for history in found["histories"].values():
        assert history["steps"] * 2 + 2 == history["events"]
        for form in ("objects", "bytes_base"):
            assert (
                history[form]["events_per_second"]["median"] > history[form]["steps_per_second"]["median"] > 0
            )
    assert {"objects", "bytes_fast", "bytes_base"} == set(found["ratios"]["time_per_step_20_over_10"])
    assert found["ratios"]["objects_over_bare_loop_of_the_same_events"]["median"] > 0


def test_a_peer_that_is_not_installed_is_null_and_said_so_in_the_table(
    replayed: tuple[str, dict[str, Any]],
) -> None:
    printed, found = replayed

    assert {"temporalio": None, "durabletask": None} == found["peers"]
    assert 4 == printed.count("not installed")
    assert found["ratios"]["bytes_fast_over_temporalio"] is None
    assert found["ratios"]["bytes_fast_over_durabletask"] is None


def test_the_last_line_of_the_step_benchmark_has_every_workload(tmp_path: Path) -> None:
    _, found = bench("steps", "--store", "sqlite", "--no-peers", "--dir", str(tmp_path))

    assert {"dbos": None} == found["peers"]
    assert {"W1", "W2", "W3", "W3b", "W4", "W6", "W11"} < set(found)
    without_dbos = {name for name, value in found["ratios"].items() if value is None}
    without_dbos -= {"W4_p50_over_notify_and_commit"}  # SQLite has no notifications
    assert {"W1_over_dbos", "W2_over_dbos_best", "import_over_dbos_import"} == without_dbos
    assert found["W6"]["import_seconds"]["median"] > 0
    assert [] == list(tmp_path.iterdir()), "it leaves nothing behind"


def test_a_ratio_is_taken_within_each_round() -> None:
    samples = Samples()
    for slow, fast in ((10, 5), (100, 50), (3, 1)):
        samples.add("slow", slow)
        samples.add("fast", fast)

    assert Figure(2, 2, 3, 3) == samples.ratio("slow", "fast")
    assert Figure(1, 1, 1.5, 3) == samples.ratio("slow", "fast", 0.5)
    assert samples.ratio("slow", "never measured") is None


def test_a_ratio_of_unequal_numbers_of_rounds_is_refused() -> None:
    samples = Samples()
    samples.add("a", 1)
    samples.add("a", 1)
    samples.add("b", 1)

    with pytest.raises(ValueError, match="shorter"):
        samples.ratio("a", "b")


def test_the_summary_of_nothing_is_nothing_rather_than_an_error() -> None:
    found = summary(Samples(), FULL.long)

    assert {None} == set(found["ratios"].values())


def test_a_share_of_raw_commits_that_cannot_be_is_doubted() -> None:
    samples = Samples()
    samples.add("W1", 1000)
    samples.add("W1 raw commits", 1000)
    found: dict[str, Any] = {**summary(samples, FULL.long), "load_average": 0.1}

    (doubt,) = doubts(found)
    assert "cannot do with fewer than 11 commits" in doubt

    found["ratios"]["W1_steps_over_raw_commits"] = figure([0.5])
    assert [] == doubts(found)


@pytest.mark.parametrize(("milliseconds", "word"), [(0.001, "RAM disk"), (4.0, "slow")])
def test_raw_commits_that_are_too_fast_or_too_slow_are_doubted(milliseconds: float, word: str) -> None:
    samples = Samples()
    samples.add("W3 raw commit p50 ms", milliseconds)

    (doubt,) = doubts({**summary(samples, FULL.long), "load_average": None})

    assert word in doubt


def test_a_busy_machine_is_doubted() -> None:
    (doubt,) = doubts({**summary(Samples(), FULL.long), "load_average": 6.0})

    assert "load average 6.0" in doubt


def test_the_bare_loop_finds_a_history_that_its_generator_did_not_make() -> None:
    loop = BareLoop(3, picked_up=True)
    loop.replay()
    scheduled, completed = loop.history[4], loop.history[9]
    loop.history[4] = loop.history[1]

    with pytest.raises(RuntimeError, match="was not asked for"):
        loop.replay()

    loop.history[4] = scheduled
    del loop.history[9]
    with pytest.raises(RuntimeError, match="is not how it ended"):
        loop.replay()

    loop.history.insert(9, completed)
    loop.replay()


def test_a_raw_commit_is_as_durable_as_one_of_the_store(tmp_path: Path) -> None:
    raw = RawSqliteCommits(tmp_path)
    try:
        assert {"journal_mode": "wal", "synchronous": "2"} == raw.settings()
        assert raw.seconds(2) > 0
        rows = raw.connection.execute("SELECT count(*) FROM event").fetchone()[0]
    finally:
        raw.close()

    assert 2 == rows


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that also another user's server gets to, as that of pytest is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_server_of_the_benchmark_is_as_durable_as_one_in_production_and_leaves_nothing(
    reachable: Path,
) -> None:
    with postgres_bed(reachable) as bed:
        settings = bed.raw.settings()
        assert bed.raw.seconds(2) > 0
        assert bed.notify is not None
        assert bed.notify() > 0

    assert {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"} == settings
    assert [] == [path for path in reachable.rglob("*") if path.is_file()]


def test_the_step_benchmark_runs_on_postgresql_too_and_leaves_nothing(
    tmp_path: Path, postgres_server: str
) -> None:
    server = ("--server", postgres_server, "--dir", str(tmp_path))
    _, found = bench("steps", "--store", "postgres", "--no-peers", "--only", "W1,W2,W3,W4", *server)

    assert "postgres" == found["store"]
    for name in ("W1_steps_over_raw_commits", "W3_p50_in_raw_commits", "W4_p50_over_notify_and_commit"):
        assert found["ratios"][name]["median"] > 0
    assert found["W2"]["steps_per_second"]["best"]["median"] > 0
    with psycopg.connect(postgres_server) as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(bench_|raw)'"
        ).fetchall()
    assert [] == left


def test_runs_that_a_killed_process_left_on_postgresql_are_timed_too(postgres_server: str) -> None:
    _, found = bench("recovery", "--store", "postgres", "--server", postgres_server, "--no-peers")

    (size,) = found["runs"].values()
    assert 0 < size["first_step_seconds"]["median"] < size["seconds"]["median"]


def test_runs_that_a_killed_process_left_are_timed_to_their_first_step_and_to_their_end() -> None:
    _, found = bench("recovery", "--no-peers")

    (size,) = found["runs"].values()
    assert size["dbos_seconds"] is None
    assert 0 < size["first_step_seconds"]["median"] < size["seconds"]["median"]
