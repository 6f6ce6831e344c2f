"""``refold activity``: the commands for one activity."""

from __future__ import annotations

import click

from refold_adapters.cli.groups import LazyGroup
from refold_adapters.cli.settings import common_options
from refold_adapters.cli.table import ACTIVITY_SECTIONS


@click.group("activity", cls=LazyGroup, sections=ACTIVITY_SECTIONS, no_args_is_help=True)
@common_options
def command() -> None:
    """Start, look at, finish and operate single activities.

    An activity is named by the ID of its workflow and its own, which `list` shows, or by the token of one attempt.
    """
