"""``refold activity start`` and ``execute``: an activity without a workflow.

One rule: it is a run, so every command for runs is also for it; here is only what begins one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import click

from refold_adapters.cli.activities import option_options, options_typed
from refold_adapters.cli.pairs import search_attribute, values_by_name
from refold_adapters.cli.params import DURATION, JsonCommand, reuse_option
from refold_adapters.cli.retrying import retry_policy_of
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of
from refold_adapters.cli.starting import conflict_options, told_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle

Command = TypeVar("Command", bound=Callable[..., Any])


def _start_options(conflict: str) -> Callable[[Command], Command]:
    options = [
        click.argument("name", metavar="NAME"),
        click.argument("args", metavar="[JSON]...", nargs=-1),
        click.option(
            "--id",
            "workflow_id",
            metavar="ID",
            help="Its id; by default the activity's name and a new number.",
        ),
        reuse_option("ALLOW_DUPLICATE"),
        conflict_options(conflict),
        click.option("--start-delay", type=DURATION, help="Keep the first attempt back."),
        option_options,
        told_options,
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command("start", cls=JsonCommand)
@_start_options("FAIL")
@module_option
@common_options
@click.pass_context
def start(context: click.Context, /, **typed: Any) -> None:
    """Start an activity without a workflow, by its name, and return at once; it runs as soon as a worker does.

    It is a run of its id: result, cancel, terminate and so on are for it too.  With the module of the activity (-m), its declared
    options hold, and the arguments are checked.
    """
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    def told(_: Client, handle: WorkflowHandle[Any]) -> None:
        if settings.output == "table":
            click.echo(f"started {escaped(handle.workflow_id)} (run {handle.run_id})")
        else:
            print_json(settings, {"workflow_id": handle.workflow_id, "run_id": handle.run_id})

    settings = settings_of(context)
    _start(settings, typed, told)


@click.command("execute", cls=JsonCommand)
@_start_options("USE_EXISTING")
@click.option("--timeout", type=DURATION, help="Wait no longer than this (30, 1m30s, 2h).")
@module_option
@common_options
@click.pass_context
def execute(context: click.Context, /, *, timeout: timedelta | None, **typed: Any) -> None:
    """Start an activity without a workflow, by its name, wait for its end and print its result; a worker must be at work."""
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.waiting import wait_for

    settings = settings_of(context)
    _start(settings, typed, lambda client, handle: print_json(settings, wait_for(client, handle, timeout)))


def _start(
    settings: Settings, typed: dict[str, Any], then: Callable[[Client, WorkflowHandle[Any]], None]
) -> None:
    from refold import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_arguments

    name, values = typed["name"], json_arguments(typed["args"])
    declared = [each for each in load_code(settings.modules).activities if each.name == name]
    policy = retry_policy_of(typed, declared[0].default_options.retry_policy if declared else None)
    options: Any = {
        **options_typed(typed),
        **({} if policy is None else {"retry_policy": policy}),
        "id_reuse_policy": WorkflowIDReusePolicy(typed["id_reuse_policy"].upper()),
        "id_conflict_policy": WorkflowIDConflictPolicy(typed["id_conflict_policy"].upper()),
        "request_id": typed["request_id"],
        "start_delay": typed["start_delay"],
        "memo": values_by_name(typed["memo"]),
        "search_attributes": [search_attribute(word) for word in typed["search_attribute"]],
        "headers": values_by_name(typed["header"]),
    }
    activity_id = typed["workflow_id"] or f"{name}-{uuid4().hex[:8]}"
    with opened_client(settings, make=True) as client:
        activity: Any = declared[0] if declared else name
        then(client, client.start_activity(activity, *values, id=activity_id, **options).run)
