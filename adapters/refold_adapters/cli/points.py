"""A turn of a run, as it is typed.

One rule: it is named in one way, or left out, and then it is the last one that the code of the run made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from refold_adapters.cli.params import WholeNumber

Command = TypeVar("Command", bound=Callable[..., Any])


class Point(TypedDict):
    """A turn, as the methods of handles take it."""

    event_id: int | None
    turn: int | None
    first: bool


def point_options(command: Command) -> Command:
    """The options that name a turn."""
    for option in (
        click.option("--last-turn", "last", is_flag=True, help="Its last turn; so it is without an option."),
        click.option("--first-turn", "first", is_flag=True, help="Its first turn."),
        click.option("--turn", type=WholeNumber(1), metavar="N", help="That turn."),
        click.option("--event-id", type=WholeNumber(1), metavar="N", help="The turn that has that event."),
    ):
        command = option(command)
    return command


def point_of(context: click.Context, typed: dict[str, Any]) -> Point:
    """The turn that was typed with :func:`point_options`."""
    point = Point(event_id=typed["event_id"], turn=typed["turn"], first=typed["first"])
    if sum((point["event_id"] is not None, point["turn"] is not None, point["first"], typed["last"])) > 1:
        raise click.UsageError(
            "name the turn in one way: --event-id, --turn, --first-turn or --last-turn.", context
        )
    return point
