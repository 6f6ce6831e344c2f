"""``refold activity list`` and ``describe``: what activities there are, and how they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.activities import activity_options, opened_activity
from refold_adapters.cli.params import limit_option
from refold_adapters.cli.selecting import Selection, selection_options
from refold_adapters.cli.settings import common_options, settings_of

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.ports import TaskRow


@click.command("list")
@click.argument("workflow_id", metavar="[ID]", required=False)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@selection_options
@limit_option
@common_options
@click.pass_context
def list_activities(
    context: click.Context, /, *, workflow_id: str | None, run_id: str | None, limit: int, **typed: Any
) -> None:
    """List the open activities of a run, of the runs that fit, or of all, those of the newest runs first."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.pending import activity_record
    from refold_adapters.cli.printing import Column, print_records, say

    settings, selection = settings_of(context), Selection.of(typed)
    if (workflow_id is None and run_id is not None) or (workflow_id is not None and not selection.empty):
        raise click.UsageError("give the ID of one run, or conditions, or neither.", context)
    with opened_client(settings) as client:
        now, sessions = client.store.clock.now_us(), client.store.list_sessions()
        tasks = _tasks(client, workflow_id, run_id, selection)
        shown = list(islice(tasks, limit) if limit else tasks)
        columns = [
            Column("workflow id", fit="wrap"),
            Column("activity", fit="wrap"),
            Column("type", fit="wrap"),
            Column("state", fit="wrap"),
            Column("last failure", fit="wrap"),
        ]

        def cells(task: TaskRow) -> Sequence[str]:
            from refold_adapters.cli.pending import activity_id_of, last_failure, task_state

            state = task_state(task, now, sessions)
            return [
                task.workflow_id,
                activity_id_of(task),
                task.activity_type,
                state,
                last_failure(task),
            ]

        print_records(settings, shown, lambda task: activity_record(task, now, sessions), columns, cells)
        if next(tasks, None) is not None:
            say(f"the first {limit} are shown; there are more (--limit 0 for all)")
        elif not shown and settings.output == "table":
            say("no activity is open")


def _tasks(
    client: Client, workflow_id: str | None, run_id: str | None, selection: Selection
) -> Iterator[TaskRow]:
    from refold_adapters.cli.selecting import selected

    rows = selected(client, selection) if workflow_id is None else iter([client.row(workflow_id, run_id)])
    for row in rows:
        if row.closed_at is None:
            yield from client.store.list_tasks(row.run_id)


@click.command("describe")
@activity_options
@common_options
@click.pass_context
def describe(context: click.Context, /, **typed: Any) -> None:
    """Say how an activity stands: its attempt, last failure, heartbeat and options."""
    from refold_adapters.cli.pending import activity_record
    from refold_adapters.cli.printing import print_json, print_pairs
    from refold_adapters.cli.texts import to_json

    settings = settings_of(context)
    with opened_activity(context, typed) as (client, activity):
        task, store = activity.describe(), client.store
        record = activity_record(task, store.clock.now_us(), store.list_sessions())
    if settings.output == "table":
        print_pairs(
            (name.replace("_", " "), value if isinstance(value, str) else to_json(value))
            for name, value in record.items()
            if value not in (None, False, {})
        )
    else:
        print_json(settings, record)
