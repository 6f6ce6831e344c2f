"""``refold fork``: another run as a copy of one up to one of its turns."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.params import JsonCommand, request_option
from refold_adapters.cli.points import point_of, point_options
from refold_adapters.cli.settings import common_options, module_option, settings_of


@click.command("fork", cls=JsonCommand)
@click.argument("workflow_id", metavar="ID")
@click.argument("new_id", metavar="NEW_ID")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@point_options
@request_option
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    workflow_id: str,
    new_id: str,
    args: tuple[str, ...],
    run_id: str | None,
    request_id: str | None,
    **typed: Any,
) -> None:
    """Begin another run, of workflow id NEW_ID, as a copy of one up to one of its turns; that one goes on as if nothing had been.

    The turn is the last one that its code made, unless an option says otherwise.  With arguments, the copy has them as its input; with
    the module of the workflow (-m), they are checked as those of a start are.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_arguments
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    values, point = json_arguments(args), point_of(context, typed)
    with opened_client(settings, load_code(settings.modules)) as client:
        fork = client.handle(workflow_id, run_id).fork(new_id, *values, **point, request_id=request_id)
        if settings.output == "table":
            click.echo(f"{escaped(workflow_id)} forked as {escaped(new_id)} (run {fork.run_id})")
        else:
            print_json(settings, {"workflow_id": new_id, "run_id": fork.run_id, "forked_from": workflow_id})
