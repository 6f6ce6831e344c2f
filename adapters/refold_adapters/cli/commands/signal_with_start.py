"""``refold signal-with-start``: a signal to a run that is started for it if there is none."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of
from refold_adapters.cli.starting import start_options


@click.command("signal-with-start", cls=JsonCommand)
@click.option("--signal", "signal_name", required=True, metavar="NAME", help="Name of the signal.")
@click.option("--payload", metavar="JSON", help="Its payload.")
@start_options("USE_EXISTING")
@module_option
@common_options
@click.pass_context
def command(context: click.Context, /, *, signal_name: str, payload: str | None, **typed: Any) -> None:
    """Signal the open run of that id; where there is none, start one and signal it, in one commit.

    WORKFLOW and the arguments are those of start, and serve only where a run is started.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_argument
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.starting import order_of
    from refold_adapters.cli.texts import escaped
    from refold_adapters.cli.waiting import need_type

    settings = settings_of(context)
    order = order_of(settings, typed)
    value = None if payload is None else json_argument(payload)
    signal = (order.code or load_code(settings.modules)).signal(signal_name) or signal_name
    with opened_client(settings, order.code, make=True) as client:
        handle = client.signal_with_start(
            order.name, *order.values, id=order.workflow_id, signal=signal, payload=value, **order.keywords
        )
        need_type(client, handle, order.name)
        told = {"workflow_id": order.workflow_id, "run_id": handle.run_id, "signal": signal_name}
        if settings.output == "table":
            sent = f"signal {escaped(signal_name)} sent to {escaped(order.workflow_id)}"
            click.echo(f"{sent} (run {handle.run_id})")
        else:
            print_json(settings, told)
