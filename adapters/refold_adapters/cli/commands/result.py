"""``refold result``: how a run ended."""

from __future__ import annotations

from datetime import timedelta

import click

from refold_adapters.cli.params import DURATION
from refold_adapters.cli.settings import common_options, settings_of


@click.command("result")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@click.option("--timeout", type=DURATION, help="Wait no longer than this (30, 1m30s, 2h).")
@common_options
@click.pass_context
def command(
    context: click.Context, *, workflow_id: str, run_id: str | None, timeout: timedelta | None
) -> None:
    """Wait for a run to end and print its result as JSON."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.waiting import wait_for

    settings = settings_of(context)
    with opened_client(settings) as client:
        print_json(settings, wait_for(client, client.handle(workflow_id, run_id), timeout))
