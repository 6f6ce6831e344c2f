"""``refold show``: what happened in a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from refold_adapters.cli.settings import common_options, settings_of

if TYPE_CHECKING:
    from refold.events import HistoryEvent


@click.command("show")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@click.option(
    "--events", "all_events", is_flag=True, help="Every event with its line of code, not one line a step."
)
@common_options
@click.pass_context
def command(context: click.Context, *, workflow_id: str, run_id: str | None, all_events: bool) -> None:
    """Show the history of a run: one line for each activity, timer, signal and so on, with its outcome.

    In the forms json and jsonl, these are the events themselves; jsonl is what `export` writes.
    """
    from refold.codec import encode_event
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json, say
    from refold_adapters.operating.inspection import read_history

    settings = settings_of(context)
    with opened_client(settings) as client:
        row = client.row(workflow_id, run_id)
        events = read_history(client.store, row.run_id)
        match settings.output:
            case "jsonl":
                for event in events:
                    print_json(settings, json.loads(encode_event(event)))
            case "json":
                print_json(settings, [json.loads(encode_event(event)) for event in events])
            case _ if not events:
                say("the run has no events yet: no worker has made its first turn")
            case _:
                _show_events(events) if all_events else _show_steps(events)


def _show_steps(events: Sequence[HistoryEvent]) -> None:
    from refold_adapters.cli.histories import steps_of
    from refold_adapters.cli.printing import Column, print_table
    from refold_adapters.cli.texts import duration

    columns = [
        Column("event", right=True),
        Column("after", right=True),
        Column("what"),
        Column("name", fit="wrap"),
        Column("outcome"),
        Column("took", right=True),
        Column("detail", fit="cut"),
    ]
    begin = events[0].at
    print_table(
        columns,
        [
            [
                str(step.event_id),
                duration(step.at - begin),
                step.what,
                step.name,
                step.outcome,
                duration(step.took_us),
                step.detail,
            ]
            for step in steps_of(events)
        ],
    )


def _show_events(events: Sequence[HistoryEvent]) -> None:
    from refold_adapters.cli.histories import fields_of
    from refold_adapters.cli.printing import Column, print_table
    from refold_adapters.cli.texts import duration

    columns = [
        Column("event", right=True),
        Column("turn", right=True),
        Column("after", right=True),
        Column("kind"),
        Column("source", fit="wrap"),
        Column("fields", fit="cut"),
    ]
    begin = events[0].at
    print_table(
        columns,
        [
            [
                str(event.event_id),
                str(event.turn),
                duration(event.at - begin),
                type(event).__name__,
                str(getattr(event, "source", "")),
                fields_of(event),
            ]
            for event in events
        ],
    )
