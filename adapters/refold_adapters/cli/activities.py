"""One activity, as the commands of the group ``activity`` are given it.

One rule: an activity is named by the ids of its workflow and itself, or by the token of one attempt, never by both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refold_adapters.cli.params import DURATION
from refold_adapters.cli.retrying import retry_options
from refold_adapters.cli.settings import settings_of

if TYPE_CHECKING:
    from refold_adapters.client.activity_handles import ActivityHandle
    from refold_adapters.client.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    "task_queue",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)


def activity_options(command: Command) -> Command:
    """The arguments and options that name an activity."""
    for option in (
        click.option("--token", metavar="TOKEN", help="That attempt, by its token, in place of the two ids."),
        click.argument("activity_id", metavar="[ACTIVITY]", required=False),
        click.argument("workflow_id", metavar="[ID]", required=False),
    ):
        command = option(command)
    return command


def option_options(command: Command) -> Command:
    """The options that are options of the activity."""
    options = [
        click.option("--task-queue", metavar="QUEUE", help="Task queue of its workers."),
        click.option("--schedule-to-close-timeout", type=DURATION, help="How long all attempts may take."),
        click.option("--schedule-to-start-timeout", type=DURATION, help="How long it may wait for a worker."),
        click.option("--start-to-close-timeout", type=DURATION, help="How long one attempt may take."),
        click.option("--heartbeat-timeout", type=DURATION, help="How long an attempt may be silent."),
        retry_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def options_typed(typed: dict[str, Any]) -> dict[str, Any]:
    """Those that were typed with :func:`option_options`, but for the retry policy."""
    return {name: typed[name] for name in _OPTIONS if typed[name] is not None}


@contextmanager
def opened_activity(
    context: click.Context, typed: dict[str, Any]
) -> Generator[tuple[Client, ActivityHandle], None, None]:
    """A client, and the activity that was typed with :func:`activity_options`."""
    from refold_adapters.cli.opening import opened_client

    workflow_id, activity_id, token = (typed[name] for name in ("workflow_id", "activity_id", "token"))
    named = workflow_id if token is None else token
    one = (workflow_id is None) == (activity_id is None) and (workflow_id is None or token is None)
    if named is None or not one:
        raise click.UsageError(
            "give either the ID of the workflow and that of the ACTIVITY, or a --token.", context
        )
    with opened_client(settings_of(context)) as client:
        yield client, client.activity(named, activity_id)


def say_done(context: click.Context, activity: ActivityHandle, past: str, **more: Any) -> None:
    """Say what was done to an activity."""
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    if settings.output == "table":
        click.echo(f"activity {escaped(activity.activity_id)} of {escaped(activity.workflow_id)} {past}")
    else:
        told = {"workflow_id": activity.workflow_id, "activity_id": activity.activity_id}
        print_json(settings, {**told, "outcome": past, **more})
