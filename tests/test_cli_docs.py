"""The page of the command line says what the code does: commands, usage, options and exit codes, word for word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from refold_adapters.cli.app import app
from refold_adapters.cli.errors import CODES, Exit
from refold_adapters.cli.selecting import selection_options
from refold_adapters.cli.table import ACTIVITY_SECTIONS, COMMANDS

PAGE = (Path(__file__).parent.parent / "docs" / "reference" / "cli.md").read_text("utf-8")


#: Every command by the words that name it; those of a group after the group.
NAMES = [
    name
    for command in COMMANDS
    for name in (
        [command, *(f"activity {sub}" for group in ACTIVITY_SECTIONS.values() for sub in group)]
        if command == "activity"
        else [command]
    )
]


def command_of(name: str) -> click.Command:
    found: click.Command = app
    for word in name.split():
        assert isinstance(found, click.Group)
        command = found.get_command(click.Context(found), word)
        assert command is not None
        found = command
    return found


def section(title: str) -> str:
    """The text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(?P<text>.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the page has no section {title!r}"
    return found["text"]


def options_of(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def row_of(option: click.Option, context: click.Context) -> str:
    """An option as a row of a table, in the words of its help."""
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    shown = ", ".join(f"`{part.strip()}`" for part in names.replace(" / ", ", ").split(", "))
    return f"| {shown} | {' '.join(text.split())} |"


def rows_of(options: Sequence[click.Option], command: click.Command) -> list[str]:
    context = click.Context(command, info_name=command.name, max_content_width=10_000)
    return [row_of(option, context) for option in options]


def rows_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| `")]


def common_names() -> set[str]:
    """Names of the options that the group has, and so every command or many, and of those that choose runs."""
    return {option.name or "" for option in options_of(app)} | {option.name or "" for option in CONDITIONS}


@selection_options
def _choose() -> None: ...


#: The options of every command that is for runs that fit conditions, in the order of the help.
CONDITIONS: list[click.Option] = list(reversed(_choose.__click_params__))  # type: ignore[attr-defined]


def line_of(name: str) -> str:
    first, _, second = name.partition(" ")
    subs = {sub: entry for group in ACTIVITY_SECTIONS.values() for sub, entry in group.items()}
    return (subs[second] if second else COMMANDS[first])[1]


def takes_conditions(command: click.Command) -> bool:
    return any(option.name == "statuses" for option in options_of(command))


def test_every_command_has_a_section_and_there_is_no_other() -> None:
    assert NAMES == re.findall(r"^#{3,4} `refold ([\w -]+)`$", PAGE, re.MULTILINE)


def test_the_options_of_all_commands_are_told_once() -> None:
    told = [option for option in options_of(app) if option.name not in ("version", "help")]

    assert rows_of(told, app) == rows_in(section("Options of all commands"))


def test_the_conditions_on_runs_are_told_once() -> None:
    assert rows_of(CONDITIONS, app) == rows_in(section("Conditions on runs"))


@pytest.mark.parametrize("name", NAMES)
def test_the_section_of_a_command_has_its_usage_its_purpose_and_its_options(name: str) -> None:
    command = command_of(name)
    text = section(f"`refold {name}`")
    own = [option for option in options_of(command) if option.name not in common_names()]
    context = click.Context(command, info_name=f"refold {name}")
    usage = " ".join(command.collect_usage_pieces(context))

    assert f"\n`refold {name} {usage}`\n" in text
    assert " ".join((command.help or "").split()) in " ".join(text.split())
    assert rows_of(own, command) == rows_in(text)
    assert takes_conditions(command) == ("[conditions](#conditions-on-runs)" in text)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_whether_it_takes_modules(name: str) -> None:
    takes = any(option.name == "module" for option in options_of(command_of(name)))
    listed = re.findall(
        r"`([\w -]+)`", section("Options of all commands").partition("`-m` is taken by")[2].partition(".")[0]
    )

    assert takes == (name in listed)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_the_common_options_and_the_line_of_the_table(name: str) -> None:
    command = command_of(name)

    assert {"store", "output", "traceback"} <= {option.name for option in options_of(command)}
    assert name.rsplit(maxsplit=1)[-1] == command.name
    assert line_of(name).endswith(".")


def test_every_exit_code_is_told() -> None:
    told = re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)

    assert [str(int(code)) for code in Exit] == told
    assert [] == [code for code in told if f"{code} " not in (app.epilog or "")]


def test_every_code_of_the_command_line_is_told_with_its_title() -> None:
    rows = dict(re.findall(r"^\| (RF\d{4}) \| ([^|]+) \|", section("Errors"), re.MULTILINE))

    assert CODES == {code: title.strip() for code, title in rows.items()}
