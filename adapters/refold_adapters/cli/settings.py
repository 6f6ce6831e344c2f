"""What all commands have in common: the store, the form of the output, the modules, and tracebacks.

One rule: an option may stand before or after the name of the command; the later one wins, and both win over the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
import click

STORE_VARIABLE = "REFOLD_STORE"
MODULES_VARIABLE = "REFOLD_MODULES"
DEFAULT_STORE = "./refold.db"
FORMATS = ("table", "json", "jsonl")

Command = TypeVar("Command", bound=Callable[..., Any])


@attrs.define
class Settings:
    """What was given so far."""

    #: The words of the command line.
    words: Sequence[str] = ()
    given_store: str | None = None
    given_output: str | None = None
    given_modules: tuple[str, ...] = ()
    with_traceback: bool = False

    @property
    def store(self) -> str:
        """Where the store is."""
        if self.given_store is not None:
            return self.given_store
        return os.environ.get(STORE_VARIABLE) or DEFAULT_STORE

    @property
    def output(self) -> str:
        """``table``, ``json`` or ``jsonl``."""
        return self.given_output or "table"

    @property
    def errors_as_json(self) -> bool:
        """Whether errors are JSON too; a command line that could not be read is searched for it."""
        if self.given_output is None:
            line = " ".join(self.words)
            return re.search(r"(?:^| )(?:-o ?|--output[ =])jsonl?(?: |$)", line) is not None
        return self.given_output != "table"

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules to take workflows and activities from."""
        named = re.split(r"[\s,]+", os.environ.get(MODULES_VARIABLE, ""))
        return self.given_modules or tuple(name for name in named if name)


def settings_of(context: click.Context) -> Settings:
    """The settings of this invocation."""
    return context.ensure_object(Settings)


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        settings = settings_of(context)
        if value in (None, (), False):
            return
        if field == "given_modules":
            value = (*settings.given_modules, *value)
        setattr(settings, field, value)

    return keep


def common_options(command: Command) -> Command:
    """The options that every command has."""
    for option in (
        click.option(
            "--traceback",
            is_flag=True,
            expose_value=False,
            callback=_keep("with_traceback"),
            help="Show the traceback of an error.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Choice(FORMATS),
            metavar="FORM",
            expose_value=False,
            callback=_keep("given_output"),
            help="Form of what is printed: table, json or jsonl.  [default: table]",
        ),
        click.option(
            "--store",
            metavar="URL",
            expose_value=False,
            callback=_keep("given_store"),
            help=f"Path, sqlite:///path or postgresql:// URL of the store.  [env: {STORE_VARIABLE}; default: {DEFAULT_STORE}]",
        ),
    ):
        command = option(command)
    return command


def module_option(command: Command) -> Command:
    """The option for commands that need or use the code of workflows."""
    return click.option(
        "-m",
        "--module",
        metavar="MODULE",
        multiple=True,
        expose_value=False,
        callback=_keep("given_modules"),
        help="Take workflows and activities from this module; repeatable.  "
        f"[env: {MODULES_VARIABLE}, separated by commas]",
    )(command)
