"""``refold activity complete``, ``fail`` and ``heartbeat``: what an attempt would say, said from outside."""

from __future__ import annotations

from typing import Any

import click

from refold_adapters.cli.activities import activity_options, opened_activity, say_done
from refold_adapters.cli.params import request_option
from refold_adapters.cli.settings import common_options


@click.command("complete")
@activity_options
@request_option
@click.option("--result", metavar="JSON", help="Its result.")
@common_options
@click.pass_context
def complete(context: click.Context, /, *, result: str | None, request_id: str | None, **typed: Any) -> None:
    """Complete an activity with a result, whoever works on it."""
    from refold_adapters.cli.params import json_argument

    value = None if result is None else json_argument(result)
    with opened_activity(context, typed) as (_, activity):
        activity.complete(value, request_id=request_id)
        say_done(context, activity, "completed")


@click.command("fail")
@activity_options
@request_option
@click.option("--reason", default="", metavar="TEXT", help="What happened.")
@click.option("--type", "type_", metavar="TYPE", help="Type of the failure, as retry policies name it.")
@click.option("--detail", "details", multiple=True, metavar="JSON", help="A detail of it; repeatable.")
@click.option("--non-retryable", is_flag=True, help="Try it no more.")
@common_options
@click.pass_context
def fail(
    context: click.Context,
    /,
    *,
    reason: str,
    type_: str | None,
    details: tuple[str, ...],
    non_retryable: bool,
    request_id: str | None,
    **typed: Any,
) -> None:
    """Fail an attempt of an activity; its retry policy decides whether there is another one."""
    from refold import ApplicationError
    from refold_adapters.cli.params import json_arguments

    error = ApplicationError(reason, *json_arguments(details), type=type_, non_retryable=non_retryable)
    with opened_activity(context, typed) as (_, activity):
        activity.fail(error, request_id=request_id)
        say_done(context, activity, "failed")


@click.command("heartbeat")
@activity_options
@click.option(
    "--detail", "details", multiple=True, metavar="JSON", help="A detail that it keeps; repeatable."
)
@common_options
@click.pass_context
def heartbeat(context: click.Context, /, *, details: tuple[str, ...], **typed: Any) -> None:
    """Say that the attempt is alive, and hear whether it is asked to stop."""
    from refold_adapters.cli.params import json_arguments

    values = json_arguments(details)
    with opened_activity(context, typed) as (_, activity):
        asked = activity.heartbeat(*values)
        say_done(context, activity, "asked to stop" if asked else "alive", cancel_requested=asked)
