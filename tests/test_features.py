"""The table of features claims nothing that a test does not hold.

That the named tests ran, and passed, is checked at the end of every run of the whole suite: see ``conftest.py``.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.feature_rows import PAGE, ROOT, Row, claimed_tests, rows_of, unproven

ROWS = rows_of(PAGE.read_text("utf-8"))


#: Folders whose tests go through a client and a worker; a test there that has one of the fixtures runs on every store.
END_TO_END = ("tests/features/", "tests/runtime/")
EACH_STORE = frozenset({"make_engine", "engine", "store", "place"})

#: What is no feature of a store: the kernel and its packaging, what there is one kind of only, and the command line.
OF_ONE_KIND = frozenset(
    {
        "Commands are plain values, the reducer is a pure function",
        "Pure Python",
        "No server process",
        "SQLite for real use",
        "Static types kept end to end",
        "One command checks a change against all live histories",
        "Command line",
        "Lint of workflow code for determinism",
    }
)


@cache
def functions_of(path: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def runs_end_to_end_on_each_store(test: str) -> bool:
    path, _, name = test.partition("::")
    function = functions_of(path).get(name)
    if function is None or not path.startswith(END_TO_END):
        return False
    return not EACH_STORE.isdisjoint(argument.arg for argument in function.args.args)


def test_the_page_has_the_whole_table() -> None:
    assert len(ROWS) > 50
    assert {"Y", "P", "N"} >= {row.leader for row in ROWS} | {row.ours for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"line {row.line}")
def test_what_is_claimed_is_held_by_a_test(row: Row) -> None:
    assert row.ours == "N" or row.tests, f"docs/features.md:{row.line}: no test holds {row.feature!r}"


@pytest.mark.parametrize("row", [row for row in ROWS if row.ours != "N"], ids=lambda row: f"line {row.line}")
def test_what_is_claimed_is_held_end_to_end_on_each_store(row: Row) -> None:
    if row.feature not in OF_ONE_KIND:
        assert any(map(runs_end_to_end_on_each_store, row.tests)), (
            f"docs/features.md:{row.line}: no test of {END_TO_END} on each store holds {row.feature!r}"
        )


def test_what_is_of_one_kind_is_in_the_table() -> None:
    assert set() == OF_ONE_KIND - {row.feature for row in ROWS}


def test_a_test_of_the_kernel_or_of_one_store_does_not_count_as_end_to_end() -> None:
    assert not runs_end_to_end_on_each_store(
        "tests/kernel/test_saga.py::test_what_was_done_is_undone_last_first"
    )
    assert not runs_end_to_end_on_each_store(
        "tests/runtime/test_worker.py::test_a_killed_process_goes_on_where_it_was"
    )
    assert runs_end_to_end_on_each_store(
        "tests/runtime/test_worker.py::test_idle_runs_are_evicted_and_come_back"
    )


@pytest.mark.parametrize("test", sorted(claimed_tests()))
def test_a_named_test_exists_and_is_one_that_runs(test: str) -> None:
    path, _, name = test.partition("::")

    function = functions_of(path).get(name)

    assert function is not None, f"docs/features.md:{claimed_tests()[test]}: there is no {test}"
    decorators = [ast.unparse(each) for each in function.decorator_list]
    assert [each for each in decorators if "skip" in each or "xfail" in each or "slow" in each] == []


def test_a_claim_whose_test_did_not_run_or_failed_is_told_with_its_line() -> None:
    passed = dict.fromkeys(claimed_tests(), True)
    absent, failed = list(claimed_tests())[:2]
    del passed[absent]
    passed[failed] = False

    lines = claimed_tests()
    assert [f"docs/features.md:{lines[test]}: {test}" for test in (absent, failed)] == unproven(passed)
