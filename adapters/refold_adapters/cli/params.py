"""What users type, as values: JSON arguments and lengths of time.

One rule: what cannot be read is refused with the word as it was typed and one that would do.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from refold_adapters.cli.errors import CliError
from refold_adapters.cli.texts import shortened

Command = TypeVar("Command", bound=Callable[..., Any])

REUSE_POLICIES = ("ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS_MAX = 10_000 * 86400


if TYPE_CHECKING:
    _Base = click.ParamType[timedelta]
    _NumberBase = click.ParamType[int]
else:
    _Base = _NumberBase = click.ParamType  # not generic before click 8.2


class DurationType(_Base):
    """``30`` (seconds), ``500ms``, ``1m30s``, ``2h``, ``7d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """A length of time."""
        if isinstance(value, timedelta):
            return value
        text = str(value).strip()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif re.fullmatch(rf"(?:{_PART.pattern})+", text):
            seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        else:
            self.fail(
                f"{shortened(text)!r} is no length of time; write 30, 500ms, 1m30s, 2h or 7d", param, ctx
            )
        if seconds > _SECONDS_MAX:
            self.fail(f"{shortened(text)!r} is longer than 10,000 days", param, ctx)
        return timedelta(seconds=seconds)


class WholeNumber(_NumberBase):
    """A whole number of at least so much."""

    name = "number"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        text = str(value)
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or int(text) < self.least:
            self.fail(f"{shortened(text)!r} is no whole number of at least {self.least}", param, ctx)
        return int(text)


DURATION = DurationType()


def log_level_option(default: str) -> Callable[[Command], Command]:
    """The option that says what is logged."""
    return click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        metavar="LEVEL",
        default=default,
        show_default=True,
        help="From which level on records are logged to stderr: debug, info, warning or error.",
    )


class JsonCommand(click.Command):
    """A command with JSON arguments, where a negative number is one of them and not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line; JSON may begin with a space, and options do not."""
        before = ["", *args][: len(args)]
        words = [
            f" {word}" if re.match(r"-\d", word) and not last.startswith("-") else word
            for last, word in zip(before, args, strict=True)
        ]
        return super().parse_args(ctx, words)


def json_argument(text: str) -> Any:
    """The value that an argument gives as JSON, or as ``@FILE`` (``@-`` for stdin) that holds JSON."""
    if text.startswith("@"):
        return _parsed(_content(text[1:]), text)
    return _parsed(text, text)


def json_arguments(texts: tuple[str, ...]) -> list[Any]:
    """Several of them."""
    return [json_argument(text) for text in texts]


def _content(place: str) -> str:
    try:
        data = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
        return data.decode()
    except UnicodeDecodeError as error:
        raise CliError(
            "RF5203",
            f"{place!r} is not text in UTF-8",
            why=f"byte {error.start} cannot be one of UTF-8",
            fix="save it as UTF-8",
        ) from None


def _parsed(text: str, shown: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        _refuse(shown, f"{error.msg} (line {error.lineno}, column {error.colno})")
    except (ValueError, RecursionError) as error:
        _refuse(shown, "it is nested too deeply" if isinstance(error, RecursionError) else str(error))


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON has")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(shown: str, problem: str) -> NoReturn:
    fix = "write it as JSON, or keep it in a file and pass @FILE"
    if not shown.startswith(("@", "{", "[", '"')):
        fix = f"text needs JSON's quotes inside those of the shell: {shlex.quote(json.dumps(shown, ensure_ascii=False))}"
    raise CliError(
        "RF5203",
        f"the argument {shortened(shown)!r} is not JSON: {problem}",
        why="arguments are given as JSON, so that numbers, text and objects can be told apart",
        fix=fix,
    )


def reuse_option(default: str) -> Callable[[Command], Command]:
    """The option that says whether an id may be used again."""
    return click.option(
        "--id-reuse-policy",
        type=click.Choice(REUSE_POLICIES, case_sensitive=False),
        metavar="POLICY",
        default=default,
        show_default=True,
        help=f"Whether a new run may have the id of a closed one: {', '.join(REUSE_POLICIES[:-1])} or {REUSE_POLICIES[-1]}.",
    )


def limit_option(command: Command) -> Command:
    """The option that says how many are listed."""
    return click.option(
        "--limit",
        type=WholeNumber(0),
        default=50,
        show_default=True,
        metavar="N",
        help="At most so many; 0 for all.",
    )(command)


def reason_option(command: Command) -> Command:
    """The option that says why something is done."""
    return click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")(command)


def request_option(command: Command) -> Command:
    """The option that makes a command safe to repeat."""
    return click.option(
        "--request-id", metavar="REQUEST", help="Id of the request; a repeated one changes nothing."
    )(command)
