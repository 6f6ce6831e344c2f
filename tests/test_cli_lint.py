"""The command ``refold lint``: what it is given, what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_driving import lines, refold

ORDERS = """\
from refold import Workflow, sleep, workflow
from shop.helpers import check


@workflow
def order() -> Workflow[None]:
    yield from sleep(1)
    check()
"""
HELPERS = """\
import time


def check() -> float:
    return time.time()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("", "utf-8")
    (tmp_path / "shop" / "orders.py").write_text(ORDERS, "utf-8")
    (tmp_path / "shop" / "helpers.py").write_text(HELPERS, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("targets", "files"),
    [
        ((), 3),
        (("shop",), 3),
        (("shop/orders.py",), 1),
        (("shop.orders",), 1),
        (("shop", "shop/orders.py"), 3),
    ],
)
def test_a_mistake_is_told_with_its_place_the_way_there_and_what_to_do(
    targets: tuple[str, ...], files: int
) -> None:
    done = refold("lint", *targets)

    assert 1 == done.code
    assert done.out == lines(
        "shop/helpers.py:5:12: RFL101 reads a clock: time.time()",
        "  via: order (shop/orders.py:8) -> check (shop/helpers.py:5)",
        "  fix: use `(yield from now()).timestamp()`",
    )
    assert done.err == f"1 mistake in 1 workflow of {files} file{'s' if files > 1 else ''}\n"


def test_mistakes_are_given_to_scripts_as_json() -> None:
    expected = {
        "file": "shop/helpers.py",
        "line": 5,
        "column": 12,
        "code": "RFL101",
        "message": "reads a clock: time.time()",
        "fix": "use `(yield from now()).timestamp()`",
        "path": [
            {"function": "order", "file": "shop/orders.py", "line": 8},
            {"function": "check", "file": "shop/helpers.py", "line": 5},
        ],
    }

    assert [expected] == json.loads(refold("lint", "-o", "json").out)
    assert [expected] == [json.loads(line) for line in refold("lint", "-o", "jsonl").out.splitlines()]


def test_code_without_mistakes_ends_with_0(folder: Path) -> None:
    (folder / "shop" / "helpers.py").write_text("def check() -> None: ...\n", "utf-8")

    done = refold("lint", "shop")

    assert (0, "", "no mistake in 1 workflow of 3 files\n") == (done.code, done.out, done.err)


def test_files_without_workflows_are_remarked_upon() -> None:
    done = refold("lint", "shop/helpers.py")

    assert (0, "", "no workflow was found in 1 file\n") == (done.code, done.out, done.err)


@pytest.mark.parametrize("target", ["shop/nothing.py", "shop.nothing", "no such thing"])
def test_what_is_not_there_is_refused(target: str) -> None:
    done = refold("lint", target)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith(f"RF5204: {target!r} is no file, no folder and no module\n")
