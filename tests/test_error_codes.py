"""All error codes together: each belongs to one part, is used where it belongs, and has its section in the reference."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from refold import errors as kernel
from refold_adapters import runtime_errors, store_errors
from refold_adapters.cli import errors as command_line
from refold_adapters.simulation import errors as simulation
from refold_adapters.testing import errors as testing

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")

#: Every table of codes, by what its codes begin with.
TABLES: dict[tuple[str, ...], dict[str, str]] = {
    ("RF1", "RF2", "RF3", "RF4"): kernel.CODES,
    ("RF50",): store_errors.CODES,
    ("RF51",): runtime_errors.CODES,
    ("RF52",): command_line.CODES,
    ("RF53",): testing.CODES,
    ("RF54",): simulation.CODES,
}
TITLES = {code: title for table in TABLES.values() for code, title in table.items()}


def codes_handed_to_errors() -> set[str]:
    """The codes that stand as whole texts in the modules of the adapters, outside of the tables."""
    found: set[str] = set()
    for path in (ROOT / "adapters").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        listed = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"RF\d{4}", node.value)
            and id(node) not in listed
        }
    return found


@pytest.mark.parametrize("prefixes", TABLES, ids="-".join)
def test_each_part_has_codes_of_its_own_in_order(prefixes: tuple[str, ...]) -> None:
    table = TABLES[prefixes]

    assert sorted(table) == list(table)
    assert [] == [code for code in table if not (code.startswith(prefixes) and len(code) == 6)]
    assert [] == [title for title in table.values() if title.endswith(".") or not title[0].isupper()]


def test_the_reference_has_one_section_per_code_in_order_and_no_other() -> None:
    assert list(TITLES.items()) == re.findall(r"^## (RF\d{4}): (.*)$", REFERENCE, re.MULTILINE)


def test_every_section_of_the_reference_says_what_happened_and_what_to_do() -> None:
    sections = re.split(r"^## (?=RF)", REFERENCE, flags=re.MULTILINE)[1:]

    assert [] == [
        section[:6]
        for section in sections
        if not re.fullmatch(
            r"RF\d{4}: [^\n]+\n\n[\w`].*?\n\n\*What to do\.\* \S.*", section.strip(), re.DOTALL
        )
    ]


def test_every_family_of_codes_is_in_the_table_of_the_reference() -> None:
    families = {
        family for row in re.findall(r"^\| (RF.*?) \|", REFERENCE, re.MULTILINE) for family in row.split(", ")
    }

    assert families == {f"{code[:4]}xx" for code in TITLES}


def test_every_code_of_the_adapters_that_is_used_is_listed() -> None:
    assert [] == sorted(codes_handed_to_errors() - set(TITLES))


def test_every_code_of_the_adapters_that_is_listed_is_used() -> None:
    assert [] == sorted({code for code in TITLES if code.startswith("RF5")} - codes_handed_to_errors())
