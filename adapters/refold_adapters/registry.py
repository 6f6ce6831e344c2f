"""The workflows and activities that a process knows, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from refold import Activity, WorkflowDefinition
from refold_adapters.built_in import BUILT_IN, RESERVED_PREFIX
from refold_adapters.runtime_errors import ExecutionError, UnknownTypeError

Named = TypeVar("Named", Activity[..., Any], WorkflowDefinition[..., Any])


class Registry:
    """What a worker or client can run, checked once."""

    def __init__(
        self,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] = (),
        activities: Iterable[Activity[..., Any]] = (),
    ) -> None:
        self.workflows: dict[str, WorkflowDefinition[..., Any]] = {}
        self.activities: dict[str, Activity[..., Any]] = {}
        for each in workflows:
            definition = declared(each)
            _refuse_reserved(definition)
            _add(self.workflows, definition, WorkflowDefinition, "@workflow")
        for activity in activities:
            _add(self.activities, activity, Activity, "@activity")

    def find_workflow(self, name: str) -> WorkflowDefinition[..., Any] | None:
        """The workflow of that name, also a built-in one; None if it is not known here."""
        return self.workflows.get(name) or BUILT_IN.get(name)

    def workflow(self, name: str) -> WorkflowDefinition[..., Any]:
        """The workflow of that name; raises :class:`UnknownTypeError` (RF5104) that names the known ones."""
        found = self.find_workflow(name)
        if found is None:
            raise UnknownTypeError(
                "RF5104",
                f"the code of workflow {name!r} is not known here",
                why=f"known workflows: {_listing(self.workflows)}{_suggestion(name, self.workflows)}",
                fix="pass it in workflows=[...] where this worker, engine or client is made",
            )
        return found

    def activity(self, name: str) -> Activity[..., Any]:
        """The activity of that name; raises :class:`UnknownTypeError` (RF5105) that names the known ones."""
        found = self.activities.get(name)
        if found is None:
            raise UnknownTypeError(
                "RF5105",
                f"no worker here knows activity {name!r}",
                why=f"known activities: {_listing(self.activities)}{_suggestion(name, self.activities)}",
                fix="pass it in activities=[...] where the worker or engine is made",
            )
        return found


def _refuse_reserved(definition: object) -> None:
    if isinstance(definition, WorkflowDefinition) and definition.name.startswith(RESERVED_PREFIX):
        raise ExecutionError(
            "RF5111",
            f"no workflow may be named {definition.name!r}",
            why=f"names that begin with {RESERVED_PREFIX!r} are those of refold's own workflows",
            fix="give it another name: @workflow(name=...)",
        )


def declared(workflow: Any) -> Any:
    """What is declared as a workflow: of a class in the class form, its definition; all else as it is."""
    found = WorkflowDefinition.of_class(workflow) if isinstance(workflow, type) else None
    return workflow if found is None else found


def need_declared(workflow: Any) -> WorkflowDefinition[..., Any]:
    """The definition of a workflow that is given by it or by its class; raises RF5111 for what is neither."""
    found = declared(workflow)
    if not isinstance(found, WorkflowDefinition):
        raise _undeclared(workflow, "@workflow")
    return cast("WorkflowDefinition[..., Any]", found)


def _undeclared(value: object, decorator: str) -> ExecutionError:
    return ExecutionError(
        "RF5111",
        f"{value!r} is not declared with {decorator}",
        why="only what is declared has a name and types that a store can keep",
        fix=f"decorate it with {decorator}",
    )


def _add(table: dict[str, Named], value: Named, kind: type[Any], decorator: str) -> None:
    if not isinstance(value, kind):
        raise _undeclared(value, decorator)
    if value.name in table and table[value.name] is not value:
        raise ExecutionError(
            "RF5111",
            f"two different functions are named {value.name!r}",
            why="a history names workflows and activities, so each name must mean one thing",
            fix=f"give one of them another name: {decorator}(name=...)",
        )
    table[value.name] = value


def _listing(table: Mapping[str, object]) -> str:
    return ", ".join(sorted(table)) or "none"


def _suggestion(name: str, table: Mapping[str, object]) -> str:
    import difflib  # takes a while to import, and is only needed to complain

    close = difflib.get_close_matches(name, table, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
