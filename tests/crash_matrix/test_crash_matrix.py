"""Processes that are killed at every operation of their store: what was promised holds, and a broken promise is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash_matrix.planted import PLANTED
from tests.crash_matrix.scenarios import SCENARIOS

#: What each bug of ours that the matrix has found was first seen at.
FOUND = ["updates from elsewhere", "retries", "labelled", "continue as new with signals"]


def played(*arguments: str) -> dict[str, Any]:
    """The figures of a matrix that is played by a process with one thread, as one that forks has to be."""
    program = [sys.executable, "-m", "tests.crash_matrix", *arguments]
    ended = subprocess.run(
        program, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=3_000
    )
    assert ended.stdout, ended.stderr
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def test_there_are_enough_scenarios_and_no_two_have_one_name():
    assert len(SCENARIOS) >= 60
    assert len(SCENARIOS) == len({each.name for each in SCENARIOS})


@pytest.mark.parametrize("part", range(4))
def test_a_sample_of_the_points_breaks_no_promise(part: int):
    names = [each.name for each in SCENARIOS[part::4]]
    figures = played("--sample", "4", "--pairs", "4", "--seed", str(part), *names)
    assert [] == figures["violations"]
    assert figures["points"] == 4 * len(names)


@pytest.mark.parametrize("name", FOUND)
def test_points_that_have_broken_a_promise_once_break_none_any_more(name: str):
    assert [] == played("--pairs", "0", name)["violations"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in SCENARIOS])
def test_no_point_of_the_matrix_breaks_a_promise(name: str):
    figures = played("--pairs", "70", name)
    assert [] == figures["violations"]
    assert figures["points"] >= 90


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str):
    assert played("--plant", fault, "--pairs", "0", "signals from elsewhere")["violations"]
