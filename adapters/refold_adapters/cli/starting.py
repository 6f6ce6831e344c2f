"""The options of every command that may start a run, and what is to be started.

One rule: everything typed is read and checked before a store is opened or made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import attrs
import click

from refold_adapters.cli.pairs import search_attribute, values_by_name
from refold_adapters.cli.params import DURATION, json_arguments, reuse_option
from refold_adapters.cli.retrying import retry_options, retry_policy_of

if TYPE_CHECKING:
    from refold_adapters.cli.modules import Code
    from refold_adapters.cli.settings import Settings
    from refold_adapters.turns.starting import StartKeywords

Command = TypeVar("Command", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class Order:
    """What is to be started; ``code`` is that of the given modules, if any were."""

    name: str
    values: Sequence[Any]
    workflow_id: str
    keywords: StartKeywords
    code: Code | None


def told_options(command: Command) -> Command:
    """What is told of the run to those who list runs, and to its code."""
    options = [
        click.option(
            "--memo", multiple=True, metavar="NAME=JSON", help="A value that describes the run; repeatable."
        ),
        click.option(
            "--search-attribute",
            multiple=True,
            metavar="NAME:KIND=JSON",
            help="A value that the run is found by, with its kind: KEYWORD, KEYWORD_LIST, TEXT, INT, FLOAT, BOOL or DATETIME; repeatable.",
        ),
        click.option(
            "--header", multiple=True, metavar="NAME=JSON", help="A value that goes along unread; repeatable."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def conflict_options(default: str) -> Callable[[Command], Command]:
    """What to do where there is a run already, by its id or by the request."""
    options = [
        click.option(
            "--id-conflict-policy",
            type=click.Choice(["FAIL", "USE_EXISTING", "TERMINATE_EXISTING"], case_sensitive=False),
            metavar="POLICY",
            default=default,
            show_default=True,
            help="What to do when a run of that id is open: FAIL, USE_EXISTING or TERMINATE_EXISTING.",
        ),
        click.option(
            "--request-id", metavar="REQUEST", help="Start nothing new if this request was made before."
        ),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def property_options(command: Command) -> Command:
    """The options that belong to the run itself."""
    options = [
        click.option(
            "--execution-timeout", type=DURATION, help="How long the run and those that follow it may take."
        ),
        click.option("--run-timeout", type=DURATION, help="How long one run may take."),
        click.option("--task-timeout", type=DURATION, help="How long one turn may take."),
        click.option(
            "--start-delay",
            type=DURATION,
            help="Keep the first turn back; only another start's signal or update, or a cancel request, ends that.",
        ),
        retry_options,
        told_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def start_options(conflict: str) -> Callable[[Command], Command]:
    """The arguments and options that say what is started and how; ``conflict`` is the default of the conflict policy."""
    options = [
        click.argument("target", metavar="WORKFLOW"),
        click.argument("args", metavar="[JSON]...", nargs=-1),
        click.option(
            "--id",
            "workflow_id",
            metavar="ID",
            help="Workflow id; by default the workflow's name and a new number.",
        ),
        click.option(
            "--task-queue",
            default="default",
            show_default=True,
            metavar="QUEUE",
            help="Task queue of its workers.",
        ),
        click.option(
            "--build-id", metavar="BUILD", help="Only for workers that serve this build of the code."
        ),
        reuse_option("ALLOW_DUPLICATE"),
        conflict_options(conflict),
        property_options,
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def properties_of(typed: dict[str, Any]) -> StartKeywords:
    """The options of :meth:`Client.start` that were typed with :func:`property_options`."""
    keywords: StartKeywords = {
        "retry_policy": retry_policy_of(typed),
        "memo": values_by_name(typed["memo"]),
        "search_attributes": [search_attribute(word) for word in typed["search_attribute"]],
        "headers": values_by_name(typed["header"]),
        "execution_timeout": typed["execution_timeout"],
        "run_timeout": typed["run_timeout"],
        "task_timeout": typed["task_timeout"],
        "start_delay": typed["start_delay"],
    }
    return keywords


def order_of(settings: Settings, typed: dict[str, Any]) -> Order:
    """What was typed with :func:`start_options`; arguments that do not fit the code are refused."""
    from refold import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

    values = json_arguments(typed["args"])
    name, code = _target_of(settings, typed["target"], values)
    keywords: StartKeywords = {
        **properties_of(typed),
        "task_queue": typed["task_queue"],
        "build_id": typed["build_id"],
        "id_reuse_policy": WorkflowIDReusePolicy(typed["id_reuse_policy"].upper()),
        "id_conflict_policy": WorkflowIDConflictPolicy(typed["id_conflict_policy"].upper()),
        "request_id": typed["request_id"],
    }
    workflow_id = f"{name}-{uuid4().hex[:8]}" if typed["workflow_id"] is None else typed["workflow_id"]
    return Order(name=name, values=values, workflow_id=workflow_id, keywords=keywords, code=code)


def _target_of(settings: Settings, target: str, values: list[Any]) -> tuple[str, Code | None]:
    """The name of the workflow, and the code of the modules where they are given."""
    from refold_adapters.cli.modules import find_target

    if ":" not in target and not settings.modules:
        return target, None
    definition, code = find_target(target, settings.modules)
    definition.encode_input(*values)
    return definition.name, code
