"""``refold terminate``: ending a run without its code."""

from __future__ import annotations

import click

from refold_adapters.cli.settings import common_options, settings_of


@click.command("terminate")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open one.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")
@common_options
@click.pass_context
def command(context: click.Context, *, workflow_id: str, run_id: str | None, reason: str) -> None:
    """End a run at once, without asking its code: nothing is cleaned up or undone."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    with opened_client(settings) as client:
        client.handle(workflow_id, run_id).terminate(reason)
        if settings.output == "table":
            click.echo(f"{escaped(workflow_id)} terminated")
        else:
            print_json(settings, {"workflow_id": workflow_id, "status": "TERMINATED"})
