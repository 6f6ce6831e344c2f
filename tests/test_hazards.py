"""Each of the ways in which workflow engines broke, as far as they concern what is built, has a test that names it by its number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
#: Those of generators (1 to 19), of order and races, of attempts and next runs, and of changed code (to 60).
NUMBERS = range(1, 61)


def named_tests() -> dict[int, list[str]]:
    """The tests that name a hazard, by its number."""
    found: dict[int, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match = re.match(r"test_hazard_(\d+)_\w+", getattr(node, "name", "") or "")
            if match:
                found.setdefault(int(match[1]), []).append(f"{path.name}::{match[0]}")
    return found


def test_every_hazard_has_a_test_that_names_it() -> None:
    assert list(NUMBERS) == sorted(named_tests())


def test_the_name_of_a_hazard_test_is_a_sentence() -> None:
    short = [name for names in named_tests().values() for name in names if name.count("_") < 5]
    assert [] == short
