"""Which runs a command is about: one by its id, or all that fit some conditions.

One rule: the same conditions select the same runs in every command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.ports import RunRow

STATUSES = ("RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT", "CONTINUED_AS_NEW")

Command = TypeVar("Command", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class Selection:
    """Conditions on runs; all must hold."""

    statuses: Sequence[str] = ()
    workflow_type: str | None = None
    prefix: str = ""
    parked: bool | None = None
    query: str = ""

    @classmethod
    def of(cls, typed: dict[str, Any]) -> Selection:
        """The one that was typed with :func:`selection_options`."""
        return cls(**{field.name: typed[field.name] for field in attrs.fields(cls)})

    @property
    def empty(self) -> bool:
        """Whether it lets every run through."""
        return self == Selection()


def selection_options(command: Command) -> Command:
    """The options that make a :class:`Selection`, under the names of its fields."""
    for option in (
        click.option(
            "--parked/--not-parked", default=None, help="Only runs that are parked, or that are not."
        ),
        click.option("--prefix", default="", metavar="TEXT", help="Only workflow ids that begin with this."),
        click.option("--type", "workflow_type", metavar="NAME", help="Only workflows of this type."),
        click.option(
            "--status",
            "statuses",
            multiple=True,
            type=click.Choice(STATUSES, case_sensitive=False),
            metavar="STATUS",
            help=f"Only runs in this status; repeatable.  One of {', '.join(STATUSES)}.",
        ),
        click.option(
            "-q",
            "--query",
            "--filter",
            "query",
            default="",
            metavar="QUERY",
            help="""Only runs that this holds for, such as "WorkflowType = 'order' AND Customer = 'acme'".""",
        ),
    ):
        command = option(command)
    return command


def selected(client: Client, selection: Selection, limit: int | None = None) -> Iterator[RunRow]:
    """The runs that fit, newest first, read page by page."""
    rows = client.list(selection.query, **_conditions(selection))
    return islice((row for row in rows if row.workflow_id.startswith(selection.prefix)), limit)


def counted_runs(client: Client, selection: Selection) -> int:
    """How many runs fit."""
    if selection.prefix:
        return sum(1 for _ in selected(client, selection))
    return client.count(selection.query, **_conditions(selection))


def _conditions(selection: Selection) -> dict[str, Any]:
    from refold_adapters.ports import RunStatus

    return {
        "workflow_type": selection.workflow_type,
        "statuses": [RunStatus(status.upper()) for status in selection.statuses] or None,
        "parked": selection.parked,
    }


def run_record(row: RunRow) -> dict[str, Any]:
    """A run as plain data."""
    from refold_adapters.cli.texts import moment_exact
    from refold_adapters.turns.results import reason_in_words

    return {
        "workflow_id": row.workflow_id,
        "run_id": row.run_id,
        "workflow_type": row.workflow_type,
        "task_queue": row.task_queue,
        "status": row.status.value,
        "parked": reason_in_words(row.parked),
        "paused_at": moment_exact(row.paused_at),
        "build_id": row.build_id,
        "started_at": moment_exact(row.started_at),
        "closed_at": moment_exact(row.closed_at),
        "turns": row.turn,
        "events": row.last_event_id,
        "history_bytes": row.history_bytes,
    }


def status_text(row: RunRow) -> str:
    """The status of a run, for people."""
    if row.closed_at is not None:
        return row.status.value
    return "PARKED" if row.parked is not None else "PAUSED" if row.paused_at is not None else row.status.value
