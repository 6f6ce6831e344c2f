"""What an author calls to deal with other runs: child workflows, signals and cancel requests, and the run that follows this one.

Each function makes an inert effect; ``yield from`` it.  One rule: another run is named by its id and told things; nothing of it is
ever looked at from here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import timedelta
from typing import Any, TypeVar, overload

import attrs

from refold.child_options import ChildWorkflowOptions
from refold.declare import WorkflowDefinition
from refold.effects import (
    Answering,
    CancelExternal,
    ContinueAsNew,
    Effect,
    JoinChild,
    ModifyProperties,
    SignalExternal,
    StartChildWorkflow,
    UpsertSearchAttributes,
)
from refold.errors import DefinitionError
from refold.ids import checked_id
from refold.inbound import Signal
from refold.payloads import decoder, encode
from refold.policies import RetryPolicy, microseconds
from refold.search_attributes import SearchAttributePair, plain_search_attributes
from refold.value import Value

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


# Child workflows --------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class ChildWorkflowHandle(Answering[T_co]):
    """A child workflow that has started; ``yield from child`` waits for its result, any number of times."""

    workflow_id: str
    #: Of its first run.
    run_id: str
    #: The kernel's side of it.
    child: object = attrs.field(repr=False)

    def __iter__(self) -> Generator[Effect[Any], object, T_co]:
        join: JoinChild[T_co] = JoinChild(self.child)
        answer: T_co = yield from join
        return answer

    def signal(self, signal: Signal[Any] | str, payload: object = None, /) -> SignalExternal:
        """Send it a signal; waits until the child has accepted it, raises :class:`ExternalWorkflowError` if it has ended."""
        name, payloads = _signal(signal, payload)
        return SignalExternal(self.workflow_id, None, name, payloads, self.child)

    def cancel(self, reason: str = "") -> CancelExternal:
        """Ask it to stop; waits until the request has reached it, and does nothing if it was asked before or has ended."""
        return CancelExternal(self.workflow_id, None, reason, self.child)


@overload
def start_child_workflow(
    workflow: WorkflowDefinition[..., T], /, *args: object, id: str | None = None, **options: Any
) -> StartChildWorkflow[ChildWorkflowHandle[T]]: ...
@overload
def start_child_workflow(
    workflow: str, /, *args: object, result_type: type[T], id: str | None = None, **options: Any
) -> StartChildWorkflow[ChildWorkflowHandle[T]]: ...
@overload
def start_child_workflow(
    workflow: str, /, *args: object, id: str | None = None, **options: Any
) -> StartChildWorkflow[ChildWorkflowHandle[Any]]: ...
def start_child_workflow(
    workflow: WorkflowDefinition[..., Any] | str,
    /,
    *args: object,
    id: str | None = None,
    result_type: Any = Any,
    **options: Any,
) -> Any:
    """Start a child workflow and answer with its :class:`ChildWorkflowHandle` once it has started.

    The options are those of :class:`ChildWorkflowOptions`.  Raises :class:`ChildWorkflowError` where it cannot be started.
    """
    return _child(workflow, args, id, result_type, options, until_started=True)


@overload
def execute_child_workflow(
    workflow: WorkflowDefinition[..., T], /, *args: object, id: str | None = None, **options: Any
) -> StartChildWorkflow[T]: ...
@overload
def execute_child_workflow(
    workflow: str, /, *args: object, result_type: type[T], id: str | None = None, **options: Any
) -> StartChildWorkflow[T]: ...
@overload
def execute_child_workflow(
    workflow: str, /, *args: object, id: str | None = None, **options: Any
) -> StartChildWorkflow[Any]: ...
def execute_child_workflow(
    workflow: WorkflowDefinition[..., Any] | str,
    /,
    *args: object,
    id: str | None = None,
    result_type: Any = Any,
    **options: Any,
) -> Any:
    """Start a child workflow and answer with its result; raises :class:`ChildWorkflowError` where it does not complete."""
    return _child(workflow, args, id, result_type, options, until_started=False)


def _child(
    workflow: WorkflowDefinition[..., Any] | str,
    args: tuple[object, ...],
    id: str | None,
    result_type: Any,
    options: dict[str, Any],
    *,
    until_started: bool,
) -> StartChildWorkflow[Any]:
    known = [field.name for field in attrs.fields(ChildWorkflowOptions)]
    for name in options:
        if name not in known:
            raise DefinitionError(
                "RF1004",
                f"{name!r} is not an option of a child workflow",
                why=f"the options are {', '.join(sorted(known))}, id and result_type",
                fix="check the spelling",
            )
    if "search_attributes" in options:
        options["search_attributes"] = tuple(options["search_attributes"])
    name, plain = _workflow(workflow, args)
    return StartChildWorkflow(
        name,
        None if id is None else checked_id(id, "workflow id"),
        plain,
        ChildWorkflowOptions(**options).to_plain(),
        decoder(workflow.result_type if isinstance(workflow, WorkflowDefinition) else result_type),
        until_started,
    )


def _workflow(
    workflow: WorkflowDefinition[..., Any] | str, args: tuple[object, ...]
) -> tuple[str, list[Any]]:
    if isinstance(workflow, WorkflowDefinition):
        return workflow.name, workflow.encode_input(*args)
    if isinstance(workflow, str):
        return checked_id(workflow, "workflow name"), [encode(value) for value in args]
    raise DefinitionError(
        "RF1002",
        f"{workflow!r} is no workflow",
        why="another run is started from a declared workflow or by the name of one",
        fix="declare it with @workflow, or give its name",
    )


# Other runs -------------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False, repr=False)
class ExternalWorkflowHandle(Value):
    """Another run, known by its id; nothing is asked of it until an effect made here is yielded."""

    workflow_id: str
    #: The run that is open when the message arrives, if None.
    run_id: str | None = None

    def signal(self, signal: Signal[Any] | str, payload: object = None, /) -> SignalExternal:
        """Send it a signal; waits until it has accepted it, raises :class:`ExternalWorkflowError` if no such run is open."""
        name, payloads = _signal(signal, payload)
        return SignalExternal(self.workflow_id, self.run_id, name, payloads)

    def cancel(self, reason: str = "") -> CancelExternal:
        """Ask it to stop; waits until the request has reached it, raises :class:`ExternalWorkflowError` if no such run is open."""
        return CancelExternal(self.workflow_id, self.run_id, reason)


def external_workflow(workflow_id: str, run_id: str | None = None) -> ExternalWorkflowHandle:
    """Another run by its id, to signal or cancel it; a workflow cannot do that to itself (RF1114)."""
    checked_id(workflow_id, "workflow id")
    if run_id is not None:
        checked_id(run_id, "run id")
    return ExternalWorkflowHandle(workflow_id, run_id)


def _signal(signal: Signal[Any] | str, payload: object) -> tuple[str, list[Any]]:
    if isinstance(signal, Signal):
        return signal.name, signal.encode(payload)
    return checked_id(signal, "signal name"), [] if payload is None else [encode(payload)]


# The run that follows, and what is told of this one ---------------------------------------------------------------------


def continue_as_new(
    *args: object,
    workflow: WorkflowDefinition[..., Any] | str | None = None,
    task_queue: str | None = None,
    run_timeout: timedelta | None = None,
    task_timeout: timedelta | None = None,
    retry_policy: RetryPolicy | None = None,
    memo: dict[str, object] | None = None,
    search_attributes: Iterable[SearchAttributePair] | None = None,
    backoff_start_interval: timedelta | None = None,
) -> ContinueAsNew:
    """End this run and go on under the same id with a fresh history; never returns.

    ``args`` are those of the next run, also where there are none; what is None stays as it is now.  A
    :class:`ContinueAsNewError` unwinds the workflow, and ``finally`` blocks may still run steps.  Signals that nobody has received are
    carried over, in order.
    """
    if workflow is not None:
        name, plain = _workflow(workflow, args)
        args = tuple(plain)
    else:
        name = None
    return ContinueAsNew(
        args=args,
        workflow_type=name,
        task_queue=None if task_queue is None else checked_id(task_queue, "task queue"),
        run_timeout_us=microseconds(run_timeout, "run_timeout"),
        task_timeout_us=microseconds(task_timeout, "task_timeout"),
        backoff_us=microseconds(backoff_start_interval, "backoff_start_interval", zero=True),
        retry_policy=None if retry_policy is None else retry_policy.to_plain(),
        memo=None if memo is None else encode(memo),
        search_attributes=None if search_attributes is None else plain_search_attributes(search_attributes),
    )


def upsert_memo(changes: dict[str, object]) -> ModifyProperties:
    """Change the memo of this run: values by name; one that is None is taken away."""
    if not isinstance(changes, dict):
        raise DefinitionError(
            "RF1002",
            f"upsert_memo() was given {changes!r:.80}",
            why="it takes a dict of values by name",
            fix='write upsert_memo({"progress": 3})',
        )
    return ModifyProperties(encode(changes))


def upsert_search_attributes(*pairs: SearchAttributePair) -> UpsertSearchAttributes:
    """Change the search attributes of this run: ``upsert_search_attributes(customer.value_set("acme"), due.value_unset())``."""
    return UpsertSearchAttributes(plain_search_attributes(pairs))
