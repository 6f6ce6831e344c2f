"""The lint: all traps are found, also calls away, and nothing is said of what only looks like one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from refold_adapters.linting.linter import lint
from refold_adapters.linting.rules import RULES, Finding
from tests.doc_blocks import ROOT, blocks_of

HERE = Path(__file__).parent
TRAPS, CLEAN = HERE / "traps", HERE / "clean"
PAGE = (ROOT / "docs" / "reference" / "lint.md").read_text("utf-8")

#: Mistakes that pages make on purpose, to show what becomes of them: the page, the code, and what is said.
SHOWN = {("docs/tutorial.md", "RFL501", "ring(...) is made and not yielded")}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files by name into an empty current folder, with what nearly every workflow imports."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"from refold import Workflow, activity, sleep, workflow\n{text}", "utf-8")
        return path

    return write


def findings(*paths: Path) -> list[Finding]:
    return list(lint(paths, [Path.cwd()]).findings)


def codes(*paths: Path) -> list[str]:
    return [finding.code for finding in findings(*paths)]


def marked(folder: Path) -> Counter[tuple[str, int, str]]:
    """File, line and code of each mistake that a comment announces."""
    found: Counter[tuple[str, int, str]] = Counter()
    for path in folder.rglob("*.py"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            trap = re.search(r"# trap: ([A-Z0-9, ]+)$", line)
            found.update((str(path), number, code) for code in (trap[1].split(", ") if trap else ()))
    return found


def test_every_trap_is_found_where_it_stands_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # so that files are told with their whole paths

    expected = marked(TRAPS)

    assert sum(expected.values()) > 150
    assert expected == Counter((each.file, each.line, each.code) for each in findings(TRAPS))


def test_there_is_a_trap_for_every_rule() -> None:
    assert set(RULES) - {"RFL001"} == {code for _, _, code in marked(TRAPS)}


def test_nothing_is_said_of_what_only_looks_like_a_trap() -> None:
    report = lint([CLEAN], [ROOT])

    assert [] == report.findings
    assert report.workflows > 8


def test_nothing_is_said_of_the_examples() -> None:
    report = lint([ROOT / "examples"], [ROOT])

    assert [] == report.findings
    assert report.workflows >= 5


def test_nothing_is_said_of_the_pages_but_of_what_they_show_on_purpose(tmp_path: Path) -> None:
    told: set[tuple[str, str, str]] = set()
    workflows = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if page.name == "lint.md" or "_build" in page.parts:
            continue
        folder = tmp_path / page.stem
        story = ""
        for block in blocks_of(page.read_text("utf-8")):
            if block.language == "python":
                name = block.options.get("file")
                story += "" if name else block.text
                target = folder / (name or "page.py")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text if name else story, "utf-8")
        if folder.exists():
            report = lint([folder], [folder])
            workflows += report.workflows
            told |= {(str(page.relative_to(ROOT)), each.code, each.message) for each in report.findings}

    assert SHOWN == told
    assert workflows > 40


def test_the_way_from_the_workflow_to_a_mistake_is_told_call_by_call(write: Write) -> None:
    path = write(
        "orders.py",
        "import helpers\n@workflow\ndef order() -> Workflow[None]:\n    yield from sleep(1)\n    helpers.check()\n",
    )
    write("helpers.py", "import time\ndef check():\n    return _check()\ndef _check():\n    time.time()\n")

    [finding] = findings(path)

    assert ("helpers.py", 6, 5, "RFL101") == (finding.file, finding.line, finding.column, finding.code)
    assert ["order orders.py:6", "check helpers.py:4", "_check helpers.py:6"] == [
        f"{step.function} {step.file}:{step.line}" for step in finding.path
    ]
    assert "reads a clock: time.time()" == finding.message
    assert "use `(yield from now()).timestamp()`" == finding.fix


def test_a_mistake_that_two_workflows_reach_is_told_once_by_the_shortest_way(write: Write) -> None:
    path = write(
        "orders.py",
        "def deep():\n    print(1)\ndef between():\n    deep()\n"
        "@workflow\ndef a() -> Workflow[None]:\n    between()\n    yield from sleep(1)\n"
        "@workflow\ndef b() -> Workflow[None]:\n    deep()\n    yield from sleep(1)\n",
    )

    [finding] = findings(path)

    assert ["b", "deep"] == [step.function for step in finding.path]


def test_what_no_workflow_calls_and_what_activities_do_is_nobodys_business(write: Write) -> None:
    path = write(
        "orders.py",
        "import time\ndef other():\n    time.time()\n@activity\ndef act():\n    other()\n"
        "@workflow\ndef order() -> Workflow[None]:\n    yield from act()\n",
    )

    assert [] == findings(path)


@pytest.mark.parametrize(
    ("comment", "count"),
    [
        ("# noqa: RFL101", 0),
        ("# noqa: E501, RFL101", 0),
        ("# noqa", 0),
        ("# NOQA:RFL101 - the clock of a test", 0),
        ("# noqa: RFL102", 1),
        ("# noqa: RFL1012", 1),
        ("# nothing", 1),
    ],
)
def test_a_comment_allows_a_line_what_it_names(write: Write, comment: str, count: int) -> None:
    path = write(
        "orders.py",
        f"import time\n@workflow\ndef order() -> Workflow[None]:\n    time.time()  {comment}\n    yield from sleep(1)\n",
    )

    assert count == len(findings(path))


def test_a_file_that_cannot_be_parsed_is_told_and_the_others_are_checked(write: Write) -> None:
    broken = write("broken.py", "def (:\n")
    path = write(
        "orders.py", "@workflow\ndef order() -> Workflow[None]:\n    print(1)\n    yield from sleep(1)\n"
    )

    assert [("broken.py", 2, "RFL001"), ("orders.py", 4, "RFL204")] == [
        (each.file, each.line, each.code) for each in findings(path, broken)
    ]


def test_nothing_is_run(write: Write, tmp_path: Path) -> None:
    path = write(
        "orders.py",
        "open('it-ran', 'w')\n@workflow\ndef order() -> Workflow[None]:\n    yield from sleep(1)\n",
    )

    assert [] == findings(path)
    assert not (tmp_path / "it-ran").exists()


def test_modules_that_import_each_other_and_names_that_stand_for_themselves_end(write: Write) -> None:
    write("a.py", "from b import thing\nx = y\ny = x\n")
    write("b.py", "from a import thing\n")
    path = write(
        "orders.py",
        "from a import thing, x\n@workflow\ndef order() -> Workflow[None]:\n    thing()\n    x()\n    yield from sleep(1)\n",
    )

    assert [] == findings(path)


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import pkg.clocks", "pkg.clocks.read()"),
        ("import pkg.clocks as c", "c.read()"),
        ("from pkg import clocks", "clocks.read()"),
        ("from pkg.clocks import read as r", "r()"),
        ("from pkg import again", "again()"),
        ("from pkg.clocks import *", "read()"),
        ("from pkg.sub.deep import up", "up()"),
    ],
)
def test_an_import_is_followed_however_it_is_written(write: Write, imports: str, call: str) -> None:
    write("pkg/__init__.py", "from .clocks import read as again\n")
    write("pkg/clocks.py", "import time\ndef read():\n    return time.time()\n")
    write("pkg/sub/__init__.py", "")
    write("pkg/sub/deep.py", "from ..clocks import read\ndef up():\n    return read()\n")
    path = write(
        "orders.py",
        f"{imports}\n@workflow\ndef order() -> Workflow[None]:\n    {call}\n    yield from sleep(1)\n",
    )

    assert ["RFL101"] == codes(path)


@pytest.mark.parametrize(
    "declaration",
    [
        "import refold\n@refold.workflow\n",
        "import refold as r\n@r.workflow\n",
        "import refold as r\n@r.workflow(name='x')\n",
        "from refold import workflow as wf\n@wf\n",
        "from refold import *\n@workflow\n",
    ],
)
def test_a_workflow_is_known_however_its_decorator_is_named(write: Write, declaration: str) -> None:
    path = write("orders.py", f"{declaration}def order():\n    print(1)\n    yield from sleep(1)\n")

    assert ["RFL204"] == codes(path)


def test_folders_of_others_and_of_tools_are_passed_over(write: Write, tmp_path: Path) -> None:
    for folder in ("venv", ".venv", "build", "node_modules", "app"):
        write(
            f"{folder}/orders.py",
            "@workflow\ndef order() -> Workflow[None]:\n    print(1)\n    yield from sleep(1)\n",
        )

    assert ["app/orders.py"] == [finding.file for finding in findings(tmp_path)]


def test_the_page_has_every_code_with_its_title_and_what_to_do_instead() -> None:
    assert [(rule.code, rule.title) for rule in RULES.values()] == re.findall(
        r"^## (RFL\d{3}): (.*)$", PAGE, re.MULTILINE
    )
    sections = re.split(r"^## (?=RFL)", PAGE, flags=re.MULTILINE)[1:]
    assert [] == [section[:6] for section in sections if "*What to do.*" not in section]


def test_codes_are_in_order_and_their_texts_are_alike() -> None:
    assert sorted(RULES) == list(RULES)
    assert [] == [
        rule.code for rule in RULES.values() if rule.title.endswith(".") or not rule.title[0].isupper()
    ]
