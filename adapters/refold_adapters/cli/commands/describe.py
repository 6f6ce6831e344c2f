"""``refold describe``: how a run stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from refold_adapters.cli.settings import common_options, module_option, settings_of

if TYPE_CHECKING:
    from refold_adapters.cli.standing import Standing
    from refold_adapters.ports import RunRow


@click.command("describe")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@module_option
@common_options
@click.pass_context
def command(context: click.Context, *, workflow_id: str, run_id: str | None) -> None:
    """Say how a run stands: what it waits for and since when, its pending activities and timers, and why it is parked.

    With the module of the workflow (-m), also the lines of code where it waits.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.standing import standing_of, standing_record

    settings = settings_of(context)
    with opened_client(settings, load_code(settings.modules)) as client:
        standing = standing_of(client, client.handle(workflow_id, run_id))
        if settings.output == "table":
            _print(standing)
        else:
            print_json(settings, standing_record(standing))


def _print(standing: Standing) -> None:
    from refold_adapters.cli.printing import print_pairs
    from refold_adapters.cli.standing import sentence, waiting_lines
    from refold_adapters.cli.texts import counted, duration, escaped_lines, moment

    description, row = standing.description, standing.description.run
    until = standing.now_us if row.closed_at is None else row.closed_at
    print_pairs(
        [
            ("workflow id", row.workflow_id),
            ("run id", row.run_id),
            ("type", row.workflow_type),
            ("task queue", row.task_queue),
            ("build", row.build_id or ""),
            ("status", row.status.value + _held(row)),
            ("started", f"{moment(row.started_at)} ({duration(until - row.started_at)})"),
            ("closed", moment(row.closed_at)),
            (
                "history",
                f"{counted(row.last_event_id, 'event')} in {counted(row.turn, 'turn')}, {counted(row.history_bytes, 'byte')}",
            ),
            ("worker", standing.worker_of(row.owner)),
            ("now", sentence(standing)),
        ]
    )
    if description.parked is not None:
        click.echo(f"\nparked because of\n{_indented(escaped_lines(description.parked))}")
    _print_pending(standing)
    for waiting in description.waiting or ():
        click.echo(escaped_lines("\n".join(["", *waiting_lines(waiting)])))


def _held(row: RunRow) -> str:
    """What keeps an open run from going on."""
    open_ = row.closed_at is None
    return (", parked" if row.parked is not None else "") + (
        ", paused" if open_ and row.paused_at is not None else ""
    )


def _print_pending(standing: Standing) -> None:
    from refold_adapters.cli.pending import last_failure, task_state
    from refold_adapters.cli.printing import Column, print_table
    from refold_adapters.cli.texts import duration, moment

    description, now = standing.description, standing.now_us
    if description.pending_activities:
        click.echo()
        print_table(
            [
                Column("seq", right=True),
                Column("pending activity", fit="wrap"),
                Column("since"),
                Column("next", fit="wrap"),
                Column("last failure", fit="wrap"),
            ],
            [
                [
                    str(task.seq),
                    task.activity_type,
                    f"{moment(task.scheduled_at)} ({duration(now - task.scheduled_at)})",
                    task_state(task, now, standing.sessions),
                    last_failure(task),
                ]
                for task in description.pending_activities
            ],
        )
    if description.pending_timers:
        click.echo()
        print_table(
            [Column("seq", right=True), Column("open timer due"), Column("in", right=True)],
            [
                [str(seq), moment(fire_at), duration(fire_at - now) if fire_at > now else "overdue"]
                for seq, fire_at in description.pending_timers
            ],
        )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
