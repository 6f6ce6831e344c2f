"""``refold start``: one workflow, for a worker to run."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.params import JsonCommand
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of
from refold_adapters.cli.starting import start_options


@click.command("start", cls=JsonCommand)
@click.argument("target", metavar="WORKFLOW")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@start_options("FAIL")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, target: str, args: tuple[str, ...], workflow_id: str | None, **typed: Any
) -> int:
    """Start a workflow and return at once; it runs as soon as a worker does.

    WORKFLOW is module:workflow, or just the name that workers know it by: then nothing is imported, and the arguments are checked
    by the worker alone.  Arguments are JSON, or @FILE (@- for stdin) with JSON in it.
    """
    return _start(settings_of(context), target, args, workflow_id, typed)


def _start(
    settings: Settings,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    typed: dict[str, Any],
) -> int:
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_arguments
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.starting import id_for, keywords_of, target_of
    from refold_adapters.cli.texts import escaped
    from refold_adapters.cli.waiting import need_type

    values = json_arguments(args)
    name, _, code = target_of(settings, target, values)
    keywords = keywords_of(typed)
    workflow_id = id_for(name, workflow_id)
    with opened_client(settings, code, make=True) as client:
        handle = client.start(name, *values, id=workflow_id, **keywords)
        need_type(client, handle, name)
        if settings.output == "table":
            click.echo(f"started {escaped(workflow_id)} (run {handle.run_id})")
        else:
            print_json(settings, {"workflow_id": workflow_id, "run_id": handle.run_id, "workflow_type": name})
    return Exit.OK
