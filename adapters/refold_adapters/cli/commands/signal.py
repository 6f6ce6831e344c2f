"""``refold signal``: a message to a run."""

from __future__ import annotations

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of


@click.command("signal", cls=JsonCommand)
@click.argument("workflow_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.argument("payload", metavar="[JSON]", required=False)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open one.")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context, *, workflow_id: str, name: str, payload: str | None, run_id: str | None
) -> None:
    """Send a signal to a run; it is durable when the command returns.

    With the module that declares the signal (-m), the payload is checked against its type before it is sent.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_argument
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    value = None if payload is None else json_argument(payload)
    declared = load_code(settings.modules).signal(name)
    with opened_client(settings) as client:
        handle = client.handle(workflow_id, run_id)
        if declared is None:
            handle.signal(name, value)
        else:
            handle.signal(declared, value)
        if settings.output == "table":
            click.echo(f"signal {escaped(name)} sent to {escaped(workflow_id)}")
        else:
            print_json(settings, {"workflow_id": workflow_id, "signal": name})
