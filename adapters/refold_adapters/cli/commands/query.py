"""``refold query``: a question to a run."""

from __future__ import annotations

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of


@click.command("query", cls=JsonCommand)
@click.argument("workflow_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context, *, workflow_id: str, name: str, args: tuple[str, ...], run_id: str | None
) -> None:
    """Ask a run, open or closed, and print the answer as JSON.

    The run is replayed in this process up to its last event, so its module must be given (-m), and no worker is needed.
    """
    from refold_adapters.cli.modules import load_code, need_workflows
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_arguments
    from refold_adapters.cli.printing import print_json

    settings = settings_of(context)
    values = json_arguments(args)
    code = need_workflows(load_code(settings.modules), "a query")
    with opened_client(settings, code) as client:
        print_json(settings, client.handle(workflow_id, run_id).query(name, *values))
