"""``refold cancel``: asking a run to stop."""

from __future__ import annotations

import click

from refold_adapters.cli.settings import common_options, settings_of


@click.command("cancel")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open one.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")
@common_options
@click.pass_context
def command(context: click.Context, *, workflow_id: str, run_id: str | None, reason: str) -> None:
    """Ask a run to stop: it may clean up first, or go on."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    with opened_client(settings) as client:
        client.handle(workflow_id, run_id).cancel(reason)
        if settings.output == "table":
            click.echo(f"cancellation of {escaped(workflow_id)} requested")
        else:
            print_json(settings, {"workflow_id": workflow_id, "requested": "cancel"})
