"""The options of a retry policy.

One rule: what is left out stays as it was, or as the default of the policy has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refold_adapters.cli.params import DURATION, WholeNumber

if TYPE_CHECKING:
    from refold import RetryPolicy

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMES = ("maximum_attempts", "initial_interval", "backoff_coefficient", "maximum_interval", "jitter")


def retry_options(command: Command) -> Command:
    """The options that make a retry policy, or change one."""
    for option in (
        click.option(
            "--non-retryable-error-type",
            "non_retryable_error_types",
            multiple=True,
            metavar="TYPE",
            help="Type of a failure after which nothing is tried again; repeatable.",
        ),
        click.option(
            "--jitter", type=float, metavar="PART", help="Up to that part of each delay is left out (0 to 1)."
        ),
        click.option("--maximum-interval", type=DURATION, help="The longest delay between two attempts."),
        click.option(
            "--backoff-coefficient",
            type=float,
            metavar="FACTOR",
            help="By what each delay is longer than the one before.",
        ),
        click.option("--initial-interval", type=DURATION, help="The delay after the first failure."),
        click.option(
            "--maximum-attempts",
            type=WholeNumber(0),
            metavar="N",
            help="After a failure, try again up to N attempts in all; 0 for no limit.",
        ),
    ):
        command = option(command)
    return command


def retry_policy_of(typed: dict[str, Any], before: RetryPolicy | None = None) -> RetryPolicy | None:
    """The policy that was typed with :func:`retry_options`, as a change of the one ``before``; None if nothing of it was."""
    import attrs

    from refold import RetryPolicy

    changes = {name: typed[name] for name in _NAMES if typed[name] is not None}
    if typed["non_retryable_error_types"]:
        changes["non_retryable_error_types"] = typed["non_retryable_error_types"]
    return attrs.evolve(before or RetryPolicy(), **changes) if changes else None
