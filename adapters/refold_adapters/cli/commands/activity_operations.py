"""``refold activity cancel``, ``pause``, ``unpause``, ``reset`` and ``update-options``: what becomes of an activity next."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.activities import (
    activity_options,
    opened_activity,
    option_options,
    options_typed,
    say_done,
)
from refold_adapters.cli.params import request_option
from refold_adapters.cli.retrying import retry_policy_of
from refold_adapters.cli.settings import common_options


@click.command("cancel")
@activity_options
@request_option
@common_options
@click.pass_context
def cancel(context: click.Context, /, *, request_id: str | None, **typed: Any) -> None:
    """Ask an activity to stop; there is no other attempt, and one that no worker has ends at once."""
    with opened_activity(context, typed) as (_, activity):
        activity.cancel(request_id=request_id)
        say_done(context, activity, "asked to stop")


@click.command("pause")
@activity_options
@request_option
@common_options
@click.pass_context
def pause(context: click.Context, /, *, request_id: str | None, **typed: Any) -> None:
    """Begin no attempt of an activity until it is unpaused; one that runs goes on."""
    with opened_activity(context, typed) as (_, activity):
        activity.pause(request_id=request_id)
        say_done(context, activity, "paused")


@click.command("unpause")
@activity_options
@request_option
@common_options
@click.pass_context
def unpause(context: click.Context, /, *, request_id: str | None, **typed: Any) -> None:
    """Let a paused activity go on, at once."""
    with opened_activity(context, typed) as (_, activity):
        activity.unpause(request_id=request_id)
        say_done(context, activity, "unpaused")


@click.command("reset")
@activity_options
@request_option
@click.option("--forget-heartbeat", is_flag=True, help="Give the next attempt no heartbeat details.")
@common_options
@click.pass_context
def reset(context: click.Context, /, *, forget_heartbeat: bool, request_id: str | None, **typed: Any) -> None:
    """Forget the attempts so far: the next one is the first again, and begins at once; one that runs goes on."""
    with opened_activity(context, typed) as (_, activity):
        activity.reset(forget_heartbeat=forget_heartbeat, request_id=request_id)
        say_done(context, activity, "reset")


@click.command("update-options")
@activity_options
@request_option
@option_options
@common_options
@click.pass_context
def update_options(context: click.Context, /, *, request_id: str | None, **typed: Any) -> None:
    """Change options of one activity, from its next attempt on; what is left out stays as it is."""
    from refold_adapters.activities.task_ends import options_of

    changes = options_typed(typed)
    with opened_activity(context, typed) as (_, activity):
        if retry_policy_of(typed) is not None:
            before = options_of(activity.describe()).retry_policy
            changes["retry_policy"] = retry_policy_of(typed, before)
        if not changes:
            raise click.UsageError("name at least one option to change.", context)
        options = activity.update_options(**changes, request_id=request_id)
        say_done(context, activity, "changed", options=options.to_plain())
