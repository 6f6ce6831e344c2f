"""``refold start``: one workflow, for a worker to run."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of
from refold_adapters.cli.starting import start_options


@click.command("start", cls=JsonCommand)
@start_options("FAIL")
@module_option
@common_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Start a workflow and return at once; it runs as soon as a worker does.

    WORKFLOW is module:workflow, or just the name that workers know it by: then nothing is imported, and the arguments are checked
    by the worker alone.  Arguments are JSON, or @FILE (@- for stdin) with JSON in it.
    """
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.starting import order_of
    from refold_adapters.cli.texts import escaped
    from refold_adapters.cli.waiting import need_type

    settings = settings_of(context)
    order = order_of(settings, typed)
    with opened_client(settings, order.code, make=True) as client:
        handle = client.start(order.name, *order.values, id=order.workflow_id, **order.keywords)
        need_type(client, handle, order.name)
        told = {"workflow_id": order.workflow_id, "run_id": handle.run_id, "workflow_type": order.name}
        if settings.output == "table":
            click.echo(f"started {escaped(order.workflow_id)} (run {handle.run_id})")
        else:
            print_json(settings, told)
