"""A run of the whole suite fails where a test that the table of features names did not run and pass: see ``conftest.py``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.feature_rows import ROOT

PAGE = "| Feature | Temporal | refold | Held by |\n|---|---|---|---|\n| One | Y | Y | `tests/test_one.py::test_one` |\n"
PASSES = "def test_one():\n    assert 1 == 1\n"


def run_of(folder: Path, test: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest over a small tree with our hook, our table and one test."""
    for name in ("conftest.py", "tests/feature_rows.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "docs").mkdir()
    (folder / "docs" / "features.md").write_text(PAGE)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\npythonpath = .\n")
    (folder / "tests" / "test_one.py").write_text(test)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        *arguments,
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)


@pytest.mark.parametrize(
    "test",
    [
        "def test_other():\n    assert 1 == 1\n",
        f"import pytest\n\n\n@pytest.mark.skip\n{PASSES}",
        "import pytest\n\n\n@pytest.mark.xfail\ndef test_one():\n    assert 1 == 2\n",
    ],
    ids=["missing", "skipped", "expected to fail"],
)
@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "workers"])
def test_a_claim_that_is_not_held_fails_the_run(
    tmp_path: Path, test: str, arguments: tuple[str, ...]
) -> None:
    done = run_of(tmp_path, test, *arguments)

    assert pytest.ExitCode.TESTS_FAILED == done.returncode, done.stdout + done.stderr
    assert (
        "FAILED docs/features.md:3: tests/test_one.py::test_one is named in the table of features"
        in done.stdout
    )


def test_a_claim_whose_test_fails_fails_the_run_by_that_test(tmp_path: Path) -> None:
    done = run_of(tmp_path, "def test_one():\n    assert 1 == 2\n")

    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "FAILED tests/test_one.py::test_one - assert 1 == 2" in done.stdout


def test_a_run_that_holds_every_claim_passes(tmp_path: Path) -> None:
    done = run_of(tmp_path, PASSES)

    assert pytest.ExitCode.OK == done.returncode, done.stdout + done.stderr


def test_a_run_of_some_tests_claims_nothing(tmp_path: Path) -> None:
    done = run_of(tmp_path, "def test_other():\n    assert 1 == 1\n", "tests/test_one.py")

    assert pytest.ExitCode.OK == done.returncode, done.stdout + done.stderr
