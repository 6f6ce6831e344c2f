"""Every code block of the README and of the docs runs, and prints what it is said to print.

How a page says so is told in ``doc_blocks``; here the pages are run, and the runner is tested on small ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doc_blocks import ROOT, Block, blocks_of, commands_of, fits, run_page

PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in p.parts)]

#: How many blocks may be shown without being run: raise it only for what no machine of ours can do.
SKIPPED_MAX = 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder from which a page can import, and which leaves no modules behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if name.startswith("page_") or str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.timeout(300)  # a page may have twenty commands, each a process that imports all
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    run_page(page, folder)


def test_hardly_any_block_is_skipped() -> None:
    skipped = [
        f"{page.relative_to(ROOT)}:{block.line}: {block.options['skip-reason']}"
        for page in PAGES
        for block in blocks_of(page.read_text("utf-8"))
        if block.skipped
    ]

    assert len(skipped) <= SKIPPED_MAX, "\n".join(skipped)


# --- the runner itself -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(folder: Path) -> Callable[[str], None]:
    def run(text: str) -> None:
        page = folder / "sample.md"
        page.write_text(text, "utf-8")
        run_page(page, folder)

    return run


def fenced(info: str, *lines: str) -> str:
    return "\n".join([f"```{info}", *lines, "```", ""])


def test_blocks_are_found_with_their_language_options_and_line() -> None:
    page = "# Title\n\n```python\na = 1\n```\n\n~~~text\n```\n~~~\n\n```python file=x.py\n```\n\n```{toctree}\nx\n```\n"

    assert [
        Block("python", {}, "a = 1\n", 4),
        Block("text", {}, "```\n", 8),
        Block("python", {"file": "x.py"}, "\n", 12),
    ] == blocks_of(page)


def test_an_indented_block_loses_its_indentation() -> None:
    assert "if a:\n    b\n" == blocks_of("1. First\n\n   ```python\n   if a:\n       b\n   ```\n")[0].text


@pytest.mark.parametrize(
    "info",
    ["", "py", "bash", "pycon", "python file=", 'python skip-reason=""', "python hidden=yes", "text file=a"],
)
def test_a_block_that_would_hide_from_the_runner_is_refused(info: str) -> None:
    with pytest.raises(ValueError, match="line 1: "):
        blocks_of(fenced(info, "x"))


def test_a_block_that_is_never_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="never closed"):
        blocks_of("```python\na = 1\n")


def test_python_blocks_share_a_namespace_and_their_output_is_compared(run: Callable[[str], None]) -> None:
    run(
        fenced("python", "a = 1")
        + fenced("python", "print(a + 1)", "print('x 17 y')")
        + fenced("output", "2", "x ... y")
    )


def test_an_output_that_is_not_what_was_printed_fails(run: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError, match=r"sample.md:5: printed was\n2"):
        run(fenced("python", "print(2)") + fenced("output", "3"))


def test_an_output_after_no_python_block_fails(run: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError, match="no python block"):
        run(fenced("output", "3"))


def test_an_error_in_a_block_names_the_line_of_the_page(run: Callable[[str], None]) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("# Title\n\n" + fenced("python", "a = 1", "a / 0"))

    assert 5 == caught.traceback[-1].lineno + 1


def test_classes_of_a_page_can_resolve_their_annotations(run: Callable[[str], None]) -> None:
    run(
        fenced(
            "python",
            "from __future__ import annotations",
            "import attrs",
            "@attrs.frozen",
            "class A:",
            "    b: A | None",
        )
        + fenced("python", "import typing", "print(typing.get_type_hints(A)['b'])")
        + fenced("output", "...A | None")
    )


def test_a_file_block_is_written_for_later_blocks(run: Callable[[str], None]) -> None:
    run(
        fenced("python file=written.py", "value = 42", "print('ran')")
        + fenced("console", "$ python written.py", "ran")
        + fenced("python", "import written", "print(written.value)")
        + fenced("output", "ran", "42")
    )

    assert "written" in sys.modules


def test_a_file_outside_of_the_folder_is_refused(run: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError, match="outside"):
        run(fenced("python file=../x.py", "a = 1"))


def test_commands_are_compared_by_output_and_exit_status(run: Callable[[str], None]) -> None:
    run(
        fenced("console", "$ echo a; echo b >&2; echo c", "a", "...", "c", "$ exit 3  # exits with 3")
        + fenced("console", "$ echo not compared")
        + fenced("console", "$ cat <<END", "> one", "> END", "one")
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [("echo a", "b"), ("exit 3", ""), ("echo a  # exits with 1", "a"), ("echo a; echo b", "a")],
)
def test_a_command_that_does_otherwise_fails(run: Callable[[str], None], command: str, expected: str) -> None:
    with pytest.raises(AssertionError, match=r"sample.md:2: \$ "):
        run(fenced("console", f"$ {command}", expected))


def test_the_command_of_this_very_python_comes_first(run: Callable[[str], None]) -> None:
    run(fenced("console", "$ python -c 'import sys; print(sys.prefix)'", sys.prefix))


def test_a_console_block_must_begin_with_a_command() -> None:
    with pytest.raises(ValueError, match="must begin with a command"):
        commands_of("some output\n")


def test_a_skipped_block_does_not_run(run: Callable[[str], None]) -> None:
    run(fenced('python skip-reason="there is no such machine"', "1 / 0"))


@pytest.mark.parametrize(
    ("expected", "actual", "fit"),
    [
        ("a\nb\n", "a\nb", True),
        ("a  \n", "a\n\n", True),
        ("a...c", "abbc", True),
        ("a\n...\nd", "a\nd", True),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("...", "", True),
        ("a.c", "abc", False),
        ("a...c", "a\nc", False),
        ("a\n...\nd", "a\nb\nc", False),
        ("a", "a\nb", False),
    ],
)
def test_three_dots_stand_for_anything(expected: str, actual: str, fit: bool) -> None:
    assert fit == fits(expected, actual)
