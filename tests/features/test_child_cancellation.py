"""Each cancellation type of a child, end to end: when its parent goes on, and whether the child is asked to stop."""

from __future__ import annotations

import pytest

from refold import (
    CancelledError,
    ChildWorkflowCancellationType,
    ChildWorkflowError,
    Signal,
    Workflow,
    execute_child_workflow,
    upsert_memo,
    workflow,
)
from refold_adapters import RunStatus, WorkflowHandle
from tests.features.running import SOON, MakeEngine, kinds, until

go = Signal("go")
ABANDON = ChildWorkflowCancellationType.ABANDON
WAITS = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED


@workflow
def reluctant() -> Workflow[str]:
    """Ends as cancelled, but only when it is let go."""
    try:
        yield from go.receive()
    except CancelledError:
        yield from go.receive()
        raise
    return "not asked"


@workflow
def parent(kind: str) -> Workflow[str]:
    step = execute_child_workflow(
        reluctant, id="child", cancellation_type=ChildWorkflowCancellationType(kind)
    )
    try:
        return (yield from step)
    except CancelledError:
        told = "cancelled"
    except ChildWorkflowError as error:
        told = f"child {type(error.cause).__name__}"
    yield from upsert_memo({"told": told})
    yield from go.receive()
    return told


def has(handle: WorkflowHandle[str], kind: str) -> bool:
    return kind in kinds(handle)


def turn_of(handle: WorkflowHandle[str], kind: str) -> int:
    return next(event.turn for event in handle.history() if type(event).__name__ == kind)


@pytest.mark.parametrize("kind", list(ChildWorkflowCancellationType))
def test_a_cancelled_child_is_asked_and_waited_for_as_its_cancellation_type_says(
    make_engine: MakeEngine, kind: ChildWorkflowCancellationType
) -> None:
    engine = make_engine(workflows=[parent, reluctant])
    handle = engine.start(parent, kind.value, id="parent")
    until(lambda: has(handle, "ChildWorkflowExecutionStarted"))
    child = engine.handle("child", workflow=reluctant)
    handle.cancel()
    if kind is WAITS:
        until(lambda: has(handle, "ExternalWorkflowExecutionCancelRequested"))
        assert not has(handle, "WorkflowPropertiesModified")
        child.signal(go)
    until(lambda: has(handle, "WorkflowPropertiesModified"))
    went_on_at_once = turn_of(handle, "WorkflowExecutionCancelRequested") == turn_of(
        handle, "WorkflowPropertiesModified"
    )
    if kind is not ABANDON:
        until(lambda: has(child, "WorkflowExecutionCancelRequested"))
    open_still = RunStatus.RUNNING is child.describe().run.status
    asked = has(handle, "RequestCancelExternalWorkflowExecutionInitiated")
    handle.signal(go)

    assert "cancelled" == handle.result(timeout=SOON)
    assert {
        ABANDON: (True, False, True),
        ChildWorkflowCancellationType.TRY_CANCEL: (True, True, True),
        ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED: (False, True, True),
        WAITS: (False, True, False),
    }[kind] == (went_on_at_once, asked, open_still)
