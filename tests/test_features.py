"""The table of features claims nothing that a test does not hold.

That the named tests ran, and passed, is checked at the end of every run of the whole suite: see ``conftest.py``.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.feature_rows import PAGE, ROOT, Row, claimed_tests, rows_of, unproven

ROWS = rows_of(PAGE.read_text("utf-8"))


@cache
def functions_of(path: str) -> dict[str, list[str]]:
    """The test functions of a file, with the decorators of each."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {
        node.name: [ast.unparse(each) for each in node.decorator_list]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_the_page_has_the_whole_table() -> None:
    assert len(ROWS) > 50
    assert {"Y", "P", "N"} >= {row.leader for row in ROWS} | {row.ours for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"line {row.line}")
def test_what_is_claimed_is_held_by_a_test(row: Row) -> None:
    assert row.ours == "N" or row.tests, f"docs/features.md:{row.line}: no test holds {row.feature!r}"


@pytest.mark.parametrize("test", sorted(claimed_tests()))
def test_a_named_test_exists_and_is_one_that_runs(test: str) -> None:
    path, _, name = test.partition("::")

    decorators = functions_of(path).get(name)

    assert decorators is not None, f"docs/features.md:{claimed_tests()[test]}: there is no {test}"
    assert [each for each in decorators if "skip" in each or "xfail" in each or "slow" in each] == []


def test_a_claim_whose_test_did_not_run_or_failed_is_told_with_its_line() -> None:
    passed = dict.fromkeys(claimed_tests(), True)
    absent, failed = list(claimed_tests())[:2]
    del passed[absent]
    passed[failed] = False

    lines = claimed_tests()
    assert [f"docs/features.md:{lines[test]}: {test}" for test in (absent, failed)] == unproven(passed)
