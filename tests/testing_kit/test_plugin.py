"""The plugin in a pytest of its own: the fixture ``sim``, and what a failing test shows."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.doc_blocks import ROOT

SHOP = """
from datetime import timedelta

from refold import Signal, Workflow, activity, first_of, sleep, workflow

stop = Signal("stop")
rounds = []


@activity
def charge(order: str) -> str:
    raise AssertionError("it is never really run")


@workflow
def subscribe(customer: str) -> Workflow[int]:
    paid = 0
    while True:
        yield from charge(customer)
        paid += 1
        match (yield from first_of(stop.receive(), sleep(timedelta(days=30)))):
            case (0, _):
                return paid


@workflow
def forgetful() -> Workflow[None]:
    rounds.append(1)
    yield from sleep(timedelta(hours=len(rounds)))
"""

YEAR = """
from datetime import timedelta

from shop import charge, stop, subscribe


def test_a_year(sim):
    shop = sim(workflows=[subscribe], activities=[charge])
    shop.mock(charge, lambda customer: "paid")
    shop.worker()
    handle = shop.client.start(subscribe, "Amina", id="amina")
    shop.run_for(timedelta(days=365))
    handle.signal(stop)
    assert EXPECTED == handle.result()
"""

FORGETFUL = """
from shop import forgetful


def test_forgetful(sim):
    shop = sim(workflows=[forgetful])
    shop.worker()
    shop.client.start(forgetful, id="f-1").result()
"""


def run(folder: Path, test: str) -> tuple[int, str]:
    """What pytest says of a test."""
    (folder / "shop.py").write_text(SHOP, "utf-8")
    (folder / "test_shop.py").write_text(test, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:refold",
        "-p",
        "_refold_pytestplugin",
        "test_shop.py",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False)
    return done.returncode, done.stdout


def test_a_simulated_year_passes_and_is_replayed(tmp_path: Path) -> None:
    code, printed = run(tmp_path, YEAR.replace("EXPECTED", "13"))

    assert (0, True) == (code, "1 passed" in printed), printed


def test_a_failing_test_shows_what_happened_to_its_runs(tmp_path: Path) -> None:
    code, printed = run(tmp_path, YEAR.replace("EXPECTED", "12"))

    assert 1 == code
    assert "what happened to subscribe 'amina'" in printed
    assert "workflow  schedules charge('Amina')" in printed
    assert "client    signals stop()" in printed


def test_a_run_that_does_not_replay_fails_a_test_that_passed(tmp_path: Path) -> None:
    code, printed = run(tmp_path, FORGETFUL)

    assert 1 == code
    assert "NondeterminismError: RF4001: forgetful took another path" in printed


def test_the_plugin_is_declared_and_imports_nothing_that_is_to_be_measured() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
        "pytest11"
    ]
    loaded = (
        "import _refold_pytestplugin, sys; print(sorted(n for n in sys.modules if n.startswith('refold')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, encoding="utf-8", timeout=60, check=True
    )

    assert {"refold": "_refold_pytestplugin"} == declared
    assert "[]" == done.stdout.strip()
