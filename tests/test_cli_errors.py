"""What goes wrong on a command line: each with a code, a cause, a remedy, and an exit code of its own."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
import pytest

from refold import DefinitionError, HistoryError, NondeterminismError, PayloadError, QueryError, RefoldError
from refold_adapters import cli as command_line
from refold_adapters.cli.errors import CODES, CliError, Exit
from refold_adapters.cli.failing import coded, error_text, exit_code_of
from refold_adapters.cli.modules import load_code
from refold_adapters.cli.params import DURATION, json_argument
from refold_adapters.cli.settings import Settings
from refold_adapters.runtime_errors import (
    ExecutionError,
    UnknownTypeError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowParkedError,
)
from refold_adapters.store_errors import StoreError
from tests.cli_driving import SHOP, lines, refold

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of every command."""
    monkeypatch.setenv("REFOLD_STORE", str(tmp_path / "orders.db"))
    monkeypatch.delenv("REFOLD_MODULES", raising=False)
    return tmp_path / "orders.db"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a module and gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text: str) -> str:
        name = f"cli_errors_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
        return name

    return make


# --- exit codes ----------------------------------------------------------------------------------------------------------


def explained(cls: type[RefoldError], code: str) -> RefoldError:
    return cls(code, "what", why="why", fix="fix")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkflowFailedError("w", "r", "FAILED", None), 1),
        (explained(NondeterminismError, "RF4001"), 1),
        (explained(QueryError, "RF1112"), 1),
        (explained(ExecutionError, "RF5108"), 1),
        (explained(DefinitionError, "RF1003"), 2),
        (explained(PayloadError, "RF1302"), 2),
        (explained(UnknownTypeError, "RF5104"), 2),
        (WorkflowNotFoundError("w"), 3),
        (explained(QueryError, "RF1111"), 3),
        (WorkflowClosedError("w", "r", "COMPLETED"), 4),
        (WorkflowAlreadyStartedError("w", "r", "RUNNING"), 4),
        (explained(StoreError, "RF5006"), 5),
        (explained(HistoryError, "RF2001"), 5),
        (WorkflowParkedError("w", "r", "reason"), 7),
        (CliError("RF5207", "what", why="why", fix="fix", exit_code=Exit.TIMEOUT), 6),
        (coded(FileNotFoundError(2, "No such file", "x")), 1),
        (coded(ZeroDivisionError("x")), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_error_has_one_exit_code(error: RefoldError, code: int) -> None:
    assert code == exit_code_of(error)


def test_the_codes_of_the_command_line_are_a_family_of_their_own() -> None:
    assert [] == [code for code in CODES if not code.startswith("RF52")]


def test_lines_that_an_error_quotes_are_set_off() -> None:
    error = WorkflowParkedError("w", "r", "RF1110: broken\n  where: here")

    assert (
        "RF5106: workflow 'w' (run r) is parked\n"
        "  why: its last turn could not be made: RF1110: broken\n"
        "      where: here\n"
        "  fix: mend the code and restart the worker: the run goes on from where it was"
    ) == error_text(error)


# --- usage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("lst",), "No such command 'lst'. Did you mean 'list'?"),
        (("list", "--stats", "RUNNING"), "No such option '--stats'"),
        (("list", "--status", "DONE"), "'DONE' is not one of"),
        (("list", "--limit", "-1"), "'-1' is no whole number of at least 0"),
        (("result",), "Missing argument 'ID'"),
        (
            ("result", "x", "--timeout", "soon"),
            "'soon' is no length of time; write 30, 500ms, 1m30s, 2h or 7d",
        ),
        (("worker", "--max-concurrent-activities", "0"), "'0' is no whole number of at least 1"),
        (("-o", "xml", "list"), "'xml' is not one of"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_would_do(args: tuple[str, ...], words: str) -> None:
    done = refold(*args)

    assert (2, "") == (done.code, done.out)
    assert words in done.err
    assert done.err.startswith("Usage: refold")


@pytest.mark.parametrize(
    "args",
    [
        ("-o", "json", "lst"),
        ("list", "--stats", "x", "-o", "jsonl"),
        ("list", "-ojson", "--limit", "x"),
        ("list", "--output=json", "--limit", "x"),
        ("-o", "json", "--nothing"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_json_too_where_that_was_asked_for(args: tuple[str, ...]) -> None:
    done = refold(*args)

    error = json.loads(done.err)["error"]
    assert (2, "RF5202", 2) == (done.code, error["code"], error["exit_code"])


@pytest.mark.parametrize(
    "command", ["run", "start", "query", "update", "signal", "fork", "signal-with-start"]
)
def test_a_command_without_its_arguments_says_which_is_missing(command: str) -> None:
    done = refold(command)

    assert 2 == done.code
    assert "Error: Missing " in done.err


def test_without_a_command_the_help_is_shown() -> None:
    done = refold()

    assert 2 == done.code
    assert "Run and start:\n  run " in done.err


def test_options_may_stand_before_or_after_the_command_and_the_later_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    refold("--store", first, "start", "hello", "--id", "h-1")

    assert '"h-1"' in refold("list", "--store", first, "-o", "json").out
    assert '"h-1"' in refold("--store", second, "-o", "table", "list", "--store", first, "-o", "json").out


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFOLD_STORE", "")
    monkeypatch.setenv("REFOLD_MODULES", " , ")

    assert ("./refold.db", ()) == (Settings().store, Settings().modules)


# --- arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (" -1.5e3", -1500.0),
        ('"Zoë 🙂"', "Zoë 🙂"),
        ("null", None),
        ('{"a": [true, {}]}', {"a": [True, {}]}),
        ('"\\ud83d\\ude42"', "🙂"),
    ],
)
def test_json_is_read(text: str, value: object) -> None:
    assert value == json_argument(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("world", "Expecting value (line 1, column 1)"),
        ("", "Expecting value (line 1, column 1)"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes (line 1, column 2)"),
        ("[1,]", "(line 1, column"),
        ("NaN", "NaN is not a number that JSON has"),
        ("-Infinity", "-Infinity is not a number that JSON has"),
        ('{"a": 1, "a": 2}', "a key stands twice in one object"),
        ("[" * 100_000, "it is nested too deeply"),
        ("9" * 5_000, "Exceeds the limit"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_not_json_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CliError) as caught:
        json_argument(text)

    assert ("RF5203", Exit.USAGE) == (caught.value.code, caught.value.exit_code)
    assert problem in caught.value.what


def test_bare_words_are_shown_as_they_should_have_been_typed() -> None:
    done = refold("run", f"{SHOP}:hello", "it's")

    assert (
        lines(
            'RF5203: the argument "it\'s" is not JSON: Expecting value (line 1, column 1)',
            "  why: arguments are given as JSON, so that numbers, text and objects can be told apart",
            """  fix: text needs JSON's quotes inside those of the shell: '"it'"'"'s"'""",
        )
        == done.err
    )


def test_a_file_of_an_argument_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    missing, unreadable = refold("start", "x", "@nowhere.json"), refold("start", "x", f"@{binary}")

    assert (1, 2) == (missing.code, unreadable.code)
    assert missing.err.startswith(
        "RF5210: a file cannot be read or written: No such file or directory\n  where: nowhere.json\n"
    )
    assert "byte 0 cannot be one of UTF-8" in unreadable.err


def test_a_value_that_cannot_be_stored_is_refused_with_its_code(store: Path) -> None:
    done = refold("start", "x", '"\\ud800"')

    assert 2 == done.code
    assert done.err.startswith("RF1301: a value cannot be stored: ")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", timedelta(0)),
        ("1.5", timedelta(seconds=1.5)),
        ("250ms", timedelta(milliseconds=250)),
        ("1m30s", timedelta(seconds=90)),
        ("1h1m", timedelta(minutes=61)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_length_of_time_is_read(text: str, length: timedelta) -> None:
    assert length == DURATION.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "-1", "1x", "1m 30s", "ms", "1e3", "inf", "99999999d", "9" * 400])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize("workflow_id", ["a\nb", "a\x1b[31mb", "", "x" * 1025, "a\ud800b"], ids=ascii)
def test_an_id_that_cannot_be_stored_is_refused_and_not_obeyed(workflow_id: str) -> None:
    refold("start", "hello", "--id", "h-1")

    for args in (
        ("start", "hello", "--id", workflow_id),
        ("describe", workflow_id),
        ("signal", workflow_id, "x"),
    ):
        done = refold(*args)
        assert (2, "") == (done.code, done.out)
        assert done.err.startswith("RF1003: the workflow id is not acceptable: ")
        assert "\x1b" not in done.err


# --- modules -------------------------------------------------------------------------------------------------------------


def refusal(*args: str) -> str:
    done = refold(*args)
    assert (2, "") == (done.code, done.out)
    return done.err


def test_a_module_that_does_not_exist_is_named() -> None:
    said = refusal("run", "nowhere.at_all:hello")

    assert said.startswith(
        "RF5204: module 'nowhere.at_all' cannot be imported\n  why: there is no module 'nowhere' on the path or in "
    )


def test_a_module_that_imports_what_is_missing_is_told_apart(module: Callable[[str], str]) -> None:
    name = module("import not_there_at_all\n")
    said = refusal("worker", "-m", name)

    assert f"RF5204: module {name!r} cannot be imported\n  where: " in said
    assert f"{name}.py:1 in <module>\n  why: it imports 'not_there_at_all', which is not installed\n" in said
    assert said.endswith("  fix: install not_there_at_all\n")


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("x = 1\ny = x / 0\n", "it raised ZeroDivisionError: division by zero", 2),
        ("def f(:\n", "it raised SyntaxError: ", 1),
        ("import sys\n\nsys.exit(3)\n", "it raised SystemExit: 3", 3),
        ("from refold import workflow\n@workflow\ndef f(): pass\n", "it raised DefinitionError: RF1001", 2),
    ],
)
def test_a_module_that_fails_is_shown_with_its_line(
    module: Callable[[str], str], text: str, why: str, line: int
) -> None:
    name = module(text)
    said = refusal("run", f"{name}:f")

    assert f"  why: {why}" in said
    assert f"{name}.py:{line}" in said.partition("why:")[0]


def test_a_path_in_place_of_a_module_is_turned_into_its_name() -> None:
    assert refusal("run", "./shop/orders.py:pay").endswith(
        "  why: it is a path, and modules are named with dots\n  fix: write shop.orders\n"
    )


@pytest.mark.parametrize(
    ("target", "why", "fix"),
    [
        ("helo", f"{SHOP} has no workflow of that name", "did you mean 'hello'?"),
        ("greet", f"in {SHOP} it is a Activity; a workflow is declared with @workflow", ""),
        ("Order", f"in {SHOP} it is a type; a workflow is declared with @workflow", ""),
    ],
)
def test_what_is_no_workflow_is_refused_with_the_known_ones(target: str, why: str, fix: str) -> None:
    said = refusal("run", f"{SHOP}:{target}")

    assert said.startswith(
        f"RF5205: {target!r} is no workflow\n  why: {why}; workflows found: hello, pay, approve"
    )
    assert fix in said


@pytest.mark.parametrize("target", [":hello", f"{SHOP}:", "a:b:"])
def test_half_a_target_is_refused(target: str) -> None:
    assert "it has the form module:workflow" in refusal("run", target)


def test_commands_that_need_code_say_so() -> None:
    assert "RF5206: 'hello' needs the code of workflows, and no module was named" in refusal("run", "hello")
    assert "RF5206: a worker needs the code of workflows, and in json no workflow was found" in refusal(
        "worker", "-m", "json"
    )


def test_two_functions_of_one_name_are_refused(module: Callable[[str], str]) -> None:
    name = module(
        "from refold import activity, workflow\n"
        "@activity\ndef greet(): pass\n"
        "@activity(name='greet')\ndef other(): pass\n"
        "@workflow\ndef f(): yield from greet()\n"
    )
    done = refold("run", f"{name}:f")

    assert 1 == done.code
    assert done.err.startswith("RF5111: two different functions are named 'greet'")


def test_code_is_collected_once_however_often_it_is_found(module: Callable[[str], str]) -> None:
    again = module(f"from {SHOP} import *\nfrom {SHOP} import greet as same\n")

    code, twice = load_code([SHOP]), load_code([SHOP, again, SHOP])

    assert ["greet", "charge", "ring", "ask", "never_end"] == [a.name for a in code.activities]
    assert [code.workflows, code.activities] == [twice.workflows, twice.activities]


def test_modules_of_the_current_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cli_in_this_folder.py").write_text(f"from {SHOP} import *\n")

    assert '"Hello, x!"\n' == refold("run", "cli_in_this_folder:hello", '"x"', "--id", "h-1").out


# --- stores, and what nobody expected --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("show", "x"),
        ("describe", "x"),
        ("result", "x"),
        ("signal", "x", "y"),
        ("cancel", "x"),
        ("export", "--all"),
    ],
    ids=" ".join,
)
def test_a_command_that_only_looks_makes_no_store(args: tuple[str, ...], store: Path) -> None:
    done = refold(*args)

    assert 5 == done.code
    assert done.err.startswith(f"RF5208: there is no store at {store}\n")
    assert not store.exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://x", "RF5001"),
        ("postgresql://127.0.0.1:1/nobody", "RF5014"),
        ("", "RF5001"),
        ("sqlite:///nowhere/x.db", "RF5208"),
        (".", "RF5001"),
        ("a\x00b", "RF5001"),
    ],
    ids=ascii,
)
def test_a_place_that_is_no_store_ends_with_5(
    url: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFOLD_STORE")
    done = refold("--store", url, "list")

    assert (5, code) == (done.code, done.err[:6])


def test_what_nobody_expected_has_a_code_and_a_traceback_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    from refold_adapters.cli import opening

    def fail(*args: object, **options: object) -> None:
        raise LookupError("no such luck")

    monkeypatch.setattr(opening, "open_store", fail)
    short, long = refold("start", "hello"), refold("start", "hello", "--traceback")

    assert (1, 1) == (short.code, long.code)
    assert short.err.startswith("RF5299: an unexpected LookupError: no such luck\n")
    assert "Traceback" not in short.err
    assert long.err.startswith("Traceback (most recent call last):\n")
    assert long.err.endswith(short.err)


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from refold_adapters.cli import waiting

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "wait_for", interrupted)
    refold("start", "hello", '"x"', "--id", "h-1")

    assert 130 == refold("result", "h-1").code
    done = refold("run", f"{SHOP}:hello", '"x"', "--id", "h-1")
    assert 130 == done.code
    assert "the run is kept" in done.err


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_the_extra_the_command_says_how_to_get_it(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(command_line, "find_spec", lambda name: None if name == package else found(name))

    assert 2 == command_line.main(["list"])
    assert (
        "",
        lines(
            f"RF5201: the command line needs the package {package!r}, which is not installed",
            "  why: click and rich come with the extra `cli`, so that programs that only embed refold do without them",
            '  fix: pip install "refold[cli]"',
        ),
    ) == capsys.readouterr()


def test_the_help_imports_no_command_and_nothing_heavy() -> None:
    import subprocess

    from tests.cli_driving import environment

    program = (
        "import sys\n"
        "from refold_adapters.cli import main\n"
        "code = main(['--help'])\n"
        "heavy = [n for n in sys.modules if n.startswith('refold_adapters.cli.commands.') or n in ('rich', 'sqlite3')]\n"
        "print(code, heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, encoding="utf-8", check=True
    )

    assert "0 []" == done.stdout.splitlines()[-1]
