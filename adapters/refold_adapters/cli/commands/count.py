"""``refold count``: how many runs there are."""

from __future__ import annotations

from typing import Any

import attrs
import click

from refold_adapters.cli.selecting import STATUSES, Selection, selection_options
from refold_adapters.cli.settings import common_options, settings_of


@click.command("count")
@selection_options
@click.option("--by-status", is_flag=True, help="One number for each status.")
@common_options
@click.pass_context
def command(context: click.Context, /, *, by_status: bool, **typed: Any) -> None:
    """Count runs: all, or those that fit."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import Column, print_json, print_table
    from refold_adapters.cli.selecting import counted_runs

    settings, selection = settings_of(context), Selection.of(typed)
    people = settings.output == "table"
    with opened_client(settings) as client:
        if not by_status:
            count = counted_runs(client, selection)
            if people:
                click.echo(str(count))
            else:
                print_json(settings, {"count": count})
            return
        counts = {
            status: counted_runs(client, attrs.evolve(selection, statuses=(status,)))
            for status in (selection.statuses or STATUSES)
        }
        if people:
            rows = [[status.upper(), f"{count:,}"] for status, count in counts.items() if count]
            print_table([Column("status"), Column("runs", right=True)], rows)
        else:
            print_json(settings, {"count": sum(counts.values()), "by_status": counts})
