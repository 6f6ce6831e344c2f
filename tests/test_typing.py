"""What authors are promised about types, held by every type checker that is installed.

The files in ``tests/typing`` are read by the checkers as an author's own code would be, against the installed package: away
from this repository's settings, so that nothing of them is taken for granted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "typing"
MARK = "# expect-error"

_DIAGNOSTIC = re.compile(r"(?P<file>expected_\w+\.py):(?P<line>\d+)")


def module(name: str, *options: str) -> list[str] | None:
    """A checker that is run by this Python, if it is installed in it."""
    return None if find_spec(name) is None else [sys.executable, "-m", name, *options]


def program(name: str, *options: str) -> list[str] | None:
    """A checker that is a program of its own, if it is installed beside this Python or on the path."""
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    return None if found is None else [found, *options]


CHECKERS: dict[str, Callable[[], list[str] | None]] = {
    "mypy": lambda: module("mypy", "--strict", "--config-file=", "--no-pretty"),
    "pyright": lambda: module("pyright", "--pythonpath", sys.executable),
    "ty": lambda: program("ty", "check", "--python", sys.prefix, "--output-format", "concise"),
    "pyrefly": lambda: program(
        *("pyrefly", "check", "--preset", "default", "--output-format", "min-text"),
        *("--python-interpreter-path", sys.executable),
    ),
}


def diagnosed(output: str) -> set[tuple[str, int]]:
    """The files and lines that a checker found an error in; each of them prints one line an error."""
    errors = [line for line in output.splitlines() if "error" in line.lower() and ": note:" not in line]
    return {(match["file"], int(match["line"])) for line in errors if (match := _DIAGNOSTIC.search(line))}


def marked() -> set[tuple[str, int]]:
    """The lines of all files that end with the mark."""
    return {
        (path.name, number)
        for path in FILES.glob("expected_*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if line.endswith(MARK)
    }


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_sees_every_type_and_every_mistake(checker: str, tmp_path: Path) -> None:
    command = CHECKERS[checker]()
    if command is None:
        pytest.skip(f"{checker} is not installed")
    for path in FILES.glob("expected_*.py"):
        shutil.copy(path, tmp_path)

    # Relative names, as a checker may shorten the others in what it prints.
    names = [path.name for path in sorted(tmp_path.glob("*.py"))]
    run = subprocess.run(
        [*command, *names], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110
    )

    expected, actual = marked(), diagnosed(run.stdout)
    unforeseen = [line for line in run.stdout.splitlines() if diagnosed(line) - expected]
    assert ([], []) == (sorted(expected - actual), unforeseen), run.stderr


def test_both_files_were_found_and_hold_something() -> None:
    assert ["expected_errors.py", "expected_types.py"] == sorted(path.name for path in FILES.glob("*.py"))
    assert {"expected_errors.py"} == {name for name, _ in marked()}
    assert len(marked()) > 50
    assert (FILES / "expected_types.py").read_text("utf-8").count("assert_type(") > 80


@pytest.mark.parametrize(
    "line",
    [
        "expected_errors.py:7: error: Incompatible types in assignment  [assignment]",
        '  /tmp/x/expected_errors.py:7:12 - error: Type "int" is not assignable (reportAssignmentType)',
        "expected_errors.py:7:5: error[invalid-assignment] Object of type `int` is not assignable to `str`",
        "ERROR expected_errors.py:7:5-9: `int` is not assignable to `str` [bad-assignment]",
    ],
    ids=CHECKERS,
)
def test_the_errors_of_each_checker_are_understood(line: str) -> None:
    assert {("expected_errors.py", 7)} == diagnosed(f"some words\n{line}\n7 errors\n")


@pytest.mark.parametrize(
    "line",
    ["expected_types.py:7: note: Revealed type is 'int'", "Success: no issues found in 2 source files"],
)
def test_a_note_is_no_error(line: str) -> None:
    assert set() == diagnosed(line)
