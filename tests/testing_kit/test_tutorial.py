"""The tutorial's bug is found by what the package ships: from a property of three lines, quickly, and as a short history."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refold.codec import decode_events
from tests.doc_blocks import ROOT, blocks_of

PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
EVENTS_MAX = 12
SECONDS_MAX = 30


def blocks_named(name: str) -> list[str]:
    return [block.text for block in blocks_of(PAGE) if block.options.get("file") == name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with the property of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    [tests] = blocks_named("test_shop.py")
    (tmp_path / "test_shop.py").write_text(tests, "utf-8")
    yield tmp_path
    for name in ("shop", "test_shop"):
        sys.modules.pop(name, None)


def search(folder: Path, shop: str) -> None:
    """Run the test of the page against a workflow."""
    import importlib

    (folder / "shop.py").write_text(shop, "utf-8")
    importlib.invalidate_caches()
    importlib.import_module("test_shop").test_nobody_pays_for_nothing()


def test_the_property_has_three_lines() -> None:
    [tests] = blocks_named("test_shop.py")
    [found] = [node for node in ast.parse(tests).body if isinstance(node, ast.FunctionDef)]

    assert found.end_lineno is not None
    assert 3 == found.end_lineno - found.lineno + 1


def test_the_bug_is_found_in_time_and_its_history_is_short(folder: Path) -> None:
    wrong, _ = blocks_named("shop.py")
    begin = time.monotonic()
    with pytest.raises(AssertionError):
        search(folder, wrong)

    assert time.monotonic() - begin < SECONDS_MAX
    [file] = (folder / ".refold" / "found").iterdir()
    assert len(decode_events(file.read_bytes().removesuffix(b"\n"))) <= EVENTS_MAX


def test_in_the_repaired_workflow_nothing_is_found(folder: Path) -> None:
    _, repaired = blocks_named("shop.py")
    search(folder, repaired)

    assert not (folder / ".refold").exists()
