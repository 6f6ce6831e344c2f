"""``refold worker``: a worker process, and how it is stopped."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.errors import Exit
from refold_adapters.cli.params import DURATION, WholeNumber, log_level_option
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of
from refold_adapters.stores import shown_url

if TYPE_CHECKING:
    from refold_adapters.worker.worker import Worker


@click.command("worker")
@click.option(
    "--task-queue", default="default", show_default=True, metavar="QUEUE", help="Task queue to work on."
)
@click.option("--identity", metavar="NAME", help="Who it says it is in histories; by default pid@host.")
@click.option(
    "--max-concurrent-activities",
    type=WholeNumber(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Attempts of activities at a time.",
)
@click.option(
    "--max-cached-workflows",
    type=WholeNumber(0),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Runs that are kept in memory between their turns.",
)
@click.option(
    "--grace",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How long running activities may take to end when it is stopped.",
)
@click.option(
    "--fail-unknown-types",
    is_flag=True,
    help="Park runs of workflows and activities that this worker does not know, instead of leaving them to others.",
)
@click.option(
    "--build-id", metavar="BUILD", help="Build of the code; the runs that it begins are pinned to it."
)
@click.option(
    "--serves", multiple=True, metavar="BUILD", help="Another build whose runs it can run; repeatable."
)
@click.option(
    "--versioning-behavior",
    type=click.Choice(["PINNED", "AUTO_UPGRADE"], case_sensitive=False),
    metavar="BEHAVIOR",
    default="PINNED",
    show_default=True,
    help="Whether the runs that it begins stay with their build: PINNED or AUTO_UPGRADE.",
)
@click.option("--retention", type=DURATION, help="Remove runs that have been closed for longer than this.")
@log_level_option("info")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    task_queue: str,
    identity: str | None,
    max_concurrent_activities: int,
    max_cached_workflows: int,
    grace: timedelta,
    fail_unknown_types: bool,
    versioning_behavior: str,
    log_level: str,
    **builds_and_retention: Any,
) -> int:
    """Run workflows and activities of the given modules until stopped.

    SIGINT, SIGTERM or SIGHUP: takes no new work, lets running activities end, gives the rest back, and ends with 0.  A second one: ends at
    once, with 130; nothing that was recorded is lost, and what was under way is done again by the next worker.
    """
    from refold_adapters.cli.logs import log_to_stderr
    from refold_adapters.cli.modules import load_code, need_workflows
    from refold_adapters.cli.opening import opened_store
    from refold_adapters.worker.worker import Worker
    from refold_adapters.worker.worker_options import VersioningBehavior

    settings = settings_of(context)
    code = load_code(settings.modules)
    if not code.activities:
        need_workflows(code, "a worker")
    log_to_stderr(log_level)
    with opened_store(settings, make=True) as store:
        worker = Worker(
            store,
            workflows=code.workflows,
            activities=code.activities,
            task_queue=task_queue,
            identity=identity,
            max_concurrent_activities=max_concurrent_activities,
            max_cached_workflows=max_cached_workflows,
            fail_unknown_types=fail_unknown_types,
            versioning_behavior=VersioningBehavior(versioning_behavior.upper()),
            **builds_and_retention,
        )
        _stop_by_signals(worker, grace)
        _introduce(settings, worker, shown_url(store.url))
        worker.run()
    click.echo("stopped", err=True)
    return Exit.OK


def _introduce(settings: Settings, worker: Worker, url: str) -> None:
    from refold_adapters.cli.texts import counted, escaped

    workflows, activities = len(worker.registry.workflows), len(worker.registry.activities)
    known = f"{counted(workflows, 'workflow')}, " + (
        f"{activities} activities" if activities != 1 else "1 activity"
    )
    line = f"worker {worker.identity} on {url}, task queue {worker.task_queue}: {known}"
    click.echo(escaped(line), err=True)


def _stop_by_signals(worker: Worker, grace: timedelta) -> None:
    """The first signal drains the worker; the second ends the process where it stands, which a crash-safe store must bear."""
    asked = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os.write(2, b"stopped at once\n")
            os._exit(Exit.INTERRUPTED)
        asked = True
        os.write(2, b"stopping: running activities may end (once more: at once)\n")
        worker.shutdown(grace=grace)

    for number in (signal.SIGINT, signal.SIGTERM, *([] if sys.platform == "win32" else [signal.SIGHUP])):
        signal.signal(number, stop)
