"""The options of every command that may start a run, and the start itself.

One rule: everything typed is read and checked before a store is opened or made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import click

from refold_adapters.cli.errors import CliError
from refold_adapters.cli.params import DURATION, WholeNumber, json_argument, reuse_option
from refold_adapters.cli.texts import shortened

if TYPE_CHECKING:
    from refold import WorkflowDefinition
    from refold_adapters.cli.modules import Code
    from refold_adapters.cli.settings import Settings
    from refold_adapters.starting import StartKeywords

Command = TypeVar("Command", bound=Callable[..., Any])


def start_options(conflict: str) -> Callable[[Command], Command]:
    """The options that say how a run is started; ``conflict`` is the default of the conflict policy."""
    options = [
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
        reuse_option("ALLOW_DUPLICATE"),
        click.option(
            "--id-conflict-policy",
            type=click.Choice(["FAIL", "USE_EXISTING", "TERMINATE_EXISTING"], case_sensitive=False),
            metavar="POLICY",
            default=conflict,
            show_default=True,
            help="What to do when a run of that id is open: FAIL, USE_EXISTING or TERMINATE_EXISTING.",
        ),
        click.option(
            "--request-id", metavar="REQUEST", help="Start nothing new if this request was made before."
        ),
        click.option(
            "--execution-timeout", type=DURATION, help="How long the run and those that follow it may take."
        ),
        click.option("--run-timeout", type=DURATION, help="How long one run may take."),
        click.option("--task-timeout", type=DURATION, help="How long one turn may take."),
        click.option(
            "--start-delay", type=DURATION, help="Keep the first turn back, unless a message comes first."
        ),
        click.option(
            "--maximum-attempts",
            type=WholeNumber(1),
            metavar="N",
            help="Start the workflow anew after a failure, up to N runs in all.",
        ),
        click.option(
            "--memo", multiple=True, metavar="NAME=JSON", help="A value that describes the run; repeatable."
        ),
        click.option(
            "--search-attribute",
            multiple=True,
            metavar="NAME:KIND=JSON",
            help="A value that the run is found by, with its kind: KEYWORD, KEYWORD_LIST, TEXT, INT, FLOAT, BOOL or DATETIME; repeatable.",
        ),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def keywords_of(typed: dict[str, Any]) -> StartKeywords:
    """The options of :meth:`Client.start` that the typed ones stand for, without the workflow id."""
    from refold import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

    attempts: int | None = typed["maximum_attempts"]
    durations: dict[str, timedelta | None] = {
        name: typed[name] for name in ("execution_timeout", "run_timeout", "task_timeout", "start_delay")
    }
    keywords: StartKeywords = {
        "task_queue": typed["task_queue"],
        "id_reuse_policy": WorkflowIDReusePolicy(typed["id_reuse_policy"].upper()),
        "id_conflict_policy": WorkflowIDConflictPolicy(typed["id_conflict_policy"].upper()),
        "request_id": typed["request_id"],
        "execution_timeout": durations["execution_timeout"],
        "run_timeout": durations["run_timeout"],
        "task_timeout": durations["task_timeout"],
        "start_delay": durations["start_delay"],
        "retry_policy": None if attempts is None else RetryPolicy(maximum_attempts=attempts),
        "memo": dict(map(_pair, typed["memo"])) or None,
        "search_attributes": [_attribute(text) for text in typed["search_attribute"]],
    }
    return keywords


def target_of(
    settings: Settings, target: str, values: list[Any]
) -> tuple[str, WorkflowDefinition[..., Any] | None, Code | None]:
    """The name of the workflow, and its code where modules are given; what does not fit it is refused before a store is made."""
    from refold_adapters.cli.modules import find_target

    if ":" not in target and not settings.modules:
        return target, None, None
    definition, code = find_target(target, settings.modules)
    definition.encode_input(*values)
    return definition.name, definition, code


def id_for(name: str, workflow_id: str | None) -> str:
    """The workflow id that was typed, or a new one."""
    return f"{name}-{uuid4().hex[:8]}" if workflow_id is None else workflow_id


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _refused(text, "NAME=JSON", "customer='\"acme\"'")
    return name, json_argument(value)


def _attribute(text: str) -> Any:
    from refold import SearchAttributeKey, SearchAttributeKind

    name, value = _pair(text)
    name, _, kind = name.rpartition(":")
    if not name or kind.upper() not in SearchAttributeKind.__members__:
        raise _refused(text, "NAME:KIND=JSON", "customer:KEYWORD='\"acme\"'")
    chosen = SearchAttributeKind(kind.upper())
    if chosen is SearchAttributeKind.DATETIME and isinstance(value, str):
        from datetime import datetime

        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _refused(
                text, "NAME:DATETIME=JSON", "due:DATETIME='\"2026-01-31T12:00:00+00:00\"'"
            ) from None
    key: SearchAttributeKey[Any] = SearchAttributeKey(name, chosen)
    return key.value_set(value)


def _refused(text: str, form: str, example: str) -> CliError:
    return CliError(
        "RF5203",
        f"{shortened(text)!r} is not of the form {form}",
        why="a name and its value are given as one word",
        fix=f"write it like {example}",
    )
