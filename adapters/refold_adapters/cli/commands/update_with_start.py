"""``refold update-with-start``: an update of a run that is started for it if there is none, and its answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from refold_adapters.cli.params import DURATION, JsonCommand
from refold_adapters.cli.settings import common_options, module_option, settings_of
from refold_adapters.cli.starting import start_options


@click.command("update-with-start", cls=JsonCommand)
@click.option("--update", "update_name", required=True, metavar="NAME", help="Name of the update.")
@click.option("--payload", metavar="JSON", help="Its payload.")
@click.option("--update-id", metavar="UPDATE", help="Id of the update; a repeated one changes nothing.")
@click.option("--timeout", type=DURATION, help="Wait no longer than this (30, 1m30s, 2h) for the answer.")
@start_options("USE_EXISTING")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    update_name: str,
    payload: str | None,
    update_id: str | None,
    timeout: timedelta | None,
    **typed: Any,
) -> None:
    """Update the open run of that id, or one that is started for it, and print the answer as JSON; a worker must be at work.

    WORKFLOW and the arguments are those of start, and serve only where a run is started.
    """
    from refold import Update
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_argument
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.starting import order_of
    from refold_adapters.cli.waiting import answered_in_time

    settings = settings_of(context)
    order = order_of(settings, typed)
    value = None if payload is None else json_argument(payload)
    declared = (order.code or load_code(settings.modules)).update(update_name)
    plain = [] if value is None and declared is None else [value]
    if declared is not None:
        plain = declared.encode(value)
    update: Any = Update(update_name, object) if plain else Update(update_name)
    with (
        opened_client(settings, order.code, make=True) as client,
        answered_in_time(order.workflow_id, timeout),
    ):
        handle = client.update_with_start(
            order.name,
            *order.values,
            id=order.workflow_id,
            update=update,
            payload=plain[0] if plain else None,
            update_id=update_id,
            timeout=timeout,
            **order.keywords,
        )
        print_json(settings, handle.result(timeout=timeout))
