"""``refold list``: the runs of a store."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.params import limit_option
from refold_adapters.cli.selecting import Selection, selection_options
from refold_adapters.cli.settings import Settings, common_options, settings_of

if TYPE_CHECKING:
    from refold_adapters.ports import RunRow


@click.command("list")
@selection_options
@limit_option
@common_options
@click.pass_context
def command(context: click.Context, /, *, limit: int, **typed: Any) -> None:
    """List runs, newest first."""
    selection = Selection.of(typed)
    _list(settings_of(context), selection, limit)


def _list(settings: Settings, selection: Selection, limit: int) -> None:
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import Column, print_records, say
    from refold_adapters.cli.selecting import run_record, selected, status_text
    from refold_adapters.cli.texts import duration, moment

    with opened_client(settings) as client:
        now = client.store.clock.now_us()
        rows = selected(client, selection, limit + 1 if limit else None)
        shown = _Counted(islice(rows, limit) if limit else rows)
        columns = [
            Column("workflow id", fit="wrap"),
            Column("type", fit="wrap"),
            Column("status"),
            Column("started"),
            Column("took", right=True),
            Column("events", right=True),
            Column("run id", fit="cut"),
        ]
        print_records(
            settings,
            shown,
            run_record,
            columns,
            lambda row: [
                row.workflow_id,
                row.workflow_type,
                status_text(row),
                moment(row.started_at),
                duration((now if row.closed_at is None else row.closed_at) - row.started_at),
                str(row.last_event_id),
                row.run_id,
            ],
        )
        if next(rows, None) is not None:
            say(f"the newest {limit} are shown; there are more (--limit 0 for all)")
        elif not shown.count and settings.output == "table":
            say("no run matches" if not selection.empty else "there are no runs yet")


class _Counted:
    """Counts the rows that pass, so that they need not be kept."""

    def __init__(self, rows: Iterator[RunRow]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[RunRow]:
        for row in self._rows:
            self.count += 1
            yield row
