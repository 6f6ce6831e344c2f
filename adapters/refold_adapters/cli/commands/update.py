"""``refold update``: an update of a run, and its answer."""

from __future__ import annotations

from datetime import timedelta

import click

from refold_adapters.cli.params import DURATION, JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of


@click.command("update", cls=JsonCommand)
@click.argument("workflow_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.argument("payload", metavar="[JSON]", required=False)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open one.")
@click.option("--update-id", metavar="UPDATE", help="Id of the update; a repeated one changes nothing.")
@click.option("--timeout", type=DURATION, help="Wait no longer than this (30, 1m30s, 2h) for the answer.")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    *,
    workflow_id: str,
    name: str,
    payload: str | None,
    run_id: str | None,
    update_id: str | None,
    timeout: timedelta | None,
) -> None:
    """Update a run, wait for the answer of its handler, and print it as JSON; a worker must be at work on the run.

    With the module that declares the update (-m), the payload is checked against its type before it is sent.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_argument
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.waiting import answered_in_time

    settings = settings_of(context)
    value = None if payload is None else json_argument(payload)
    update = load_code(settings.modules).update(name)
    with opened_client(settings) as client, answered_in_time(workflow_id, timeout):
        handle = client.handle(workflow_id, run_id)
        message = handle.update_message(update or name, value, update_id or "checked")
        answer = handle.execute_update(name, *message.input, id=update_id, timeout=timeout)
        print_json(settings, answer)
