"""A group of commands that are imported one by one, when they are asked for.

One rule: whatever a group lists it can also import, and a name that it does not know is answered with the nearest one that it does.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from refold_adapters.cli.table import Entry


class LazyGroup(click.Group):
    """A group with the commands of a table, in sections."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Entry]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.sections = sections
        self.table = {name: entry for section in sections.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"refold_adapters.cli.commands.{module}"), attribute or "command"
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that a command line names, or an error that says which one may have been meant."""
        name = args[0] if args else ""
        if name and name not in self.table and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, self.table, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands from the table, aligned across its sections: none of them is imported for it."""
        width = max(map(len, self.table))
        for title, section in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in section.items()])
