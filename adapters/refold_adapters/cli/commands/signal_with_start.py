"""``refold signal-with-start``: a signal to a run that is started for it if there is none."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of
from refold_adapters.cli.starting import start_options


@click.command("signal-with-start", cls=JsonCommand)
@click.argument("target", metavar="WORKFLOW")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@click.option("--signal", "signal_name", required=True, metavar="NAME", help="Name of the signal.")
@click.option("--payload", metavar="JSON", help="Its payload.")
@start_options("USE_EXISTING")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    signal_name: str,
    payload: str | None,
    **typed: Any,
) -> None:
    """Signal the open run of that id; where there is none, start one and signal it, in one commit.

    WORKFLOW and the arguments are those of start, and serve only where a run is started.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_argument, json_arguments
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.starting import id_for, keywords_of, target_of
    from refold_adapters.cli.texts import escaped
    from refold_adapters.cli.waiting import need_type

    settings = settings_of(context)
    values = json_arguments(args)
    name, _, code = target_of(settings, target, values)
    value = None if payload is None else json_argument(payload)
    signal = (code or load_code(settings.modules)).signal(signal_name) or signal_name
    keywords = keywords_of(typed)
    workflow_id = id_for(name, workflow_id)
    with opened_client(settings, code, make=True) as client:
        handle = client.signal_with_start(
            name, *values, id=workflow_id, signal=signal, payload=value, **keywords
        )
        need_type(client, handle, name)
        if settings.output == "table":
            click.echo(f"signal {escaped(signal_name)} sent to {escaped(workflow_id)} (run {handle.run_id})")
        else:
            told = {"workflow_id": workflow_id, "run_id": handle.run_id, "signal": signal_name}
            print_json(settings, told)
