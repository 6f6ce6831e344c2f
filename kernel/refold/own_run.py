"""What a workflow asks and changes of its own run: ``info``, memo, search attributes, and going on as a new one.

One rule: whatever is answered here follows from what is recorded, so that it is the same on every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

from refold import events as ev
from refold.branches import Branch, Thrown, Waiter
from refold.carry import next_run_id
from refold.effects import ContinueAsNew, Effect, ModifyProperties, UpsertSearchAttributes
from refold.failures import ContinueAsNewError, error_of
from refold.payloads import encode
from refold.policies import RetryPolicy, instant
from refold.scheduler import Scheduler
from refold.waits import AskInfo, WorkflowInfo

#: A history of so many events, or bytes, before the turn makes ``info`` suggest to continue as new.
SUGGESTED_EVENTS = 4096
SUGGESTED_BYTES = 4 * 1024 * 1024
#: By what the mark is found again that the history was large: like a patch, wherever it stands.
HISTORY_SIZE = "refold/history-size"


def modify_properties(run: Scheduler, waiter: Waiter, branch: Branch, effect: ModifyProperties) -> None:
    """Perform ``upsert_memo``."""
    fields = {"seq": run.ledger.last_seq + 1, "branch": branch.id, "memo": effect.memo}
    run.tape.record(ev.WorkflowPropertiesModified, fields, lambda: run.yield_site(branch))


def upsert_attributes(run: Scheduler, waiter: Waiter, branch: Branch, effect: UpsertSearchAttributes) -> None:
    """Perform ``upsert_search_attributes``."""
    fields = {
        "seq": run.ledger.last_seq + 1,
        "branch": branch.id,
        "search_attributes": effect.search_attributes,
    }
    run.tape.record(ev.UpsertWorkflowSearchAttributes, fields, lambda: run.yield_site(branch))


def continue_as_new(run: Scheduler, waiter: Waiter, branch: Branch, effect: ContinueAsNew) -> NoReturn:
    """Perform ``continue_as_new``: unwind the workflow; the event is recorded when it has unwound."""
    if effect.workflow_type is None:
        run.definition.encode_input(*effect.args)  # what does not fit is raised here, at the line that asked
    raise Thrown(ContinueAsNewError(effect, run.yield_site(branch)))


def continued(run: Scheduler, error: ContinueAsNewError) -> dict[str, Any]:
    """The fields of the terminal event: what the next run begins with, as asked for or else as it is now."""
    asked: Any = error.command
    ledger = run.ledger
    started = ledger.started
    assert started is not None
    fields: dict[str, Any] = {
        "new_run_id": next_run_id(started.run_id),
        "workflow_type": asked.workflow_type or started.workflow_type,
        "task_queue": asked.task_queue or started.task_queue,
        "input": run.definition.encode_input(*asked.args)
        if asked.workflow_type is None
        else [encode(value) for value in asked.args],
        "backoff_us": asked.backoff_us,
        "memo": asked.memo if asked.memo is not None else dict(ledger.memo) or None,
        "search_attributes": asked.search_attributes
        if asked.search_attributes is not None
        else dict(ledger.search_attributes) or None,
    }
    for name in ("run_timeout_us", "task_timeout_us", "retry_policy"):
        value = getattr(asked, name)
        fields[name] = value if value is not None else getattr(started, name)
    return fields


# Looking at it ----------------------------------------------------------------------------------------------------------


def info(run: Scheduler, waiter: Waiter, branch: Branch, effect: AskInfo) -> WorkflowInfo:
    """Perform ``info``."""
    ledger = run.ledger
    started = ledger.started
    assert started is not None
    parent = (started.parent_workflow_id, started.parent_run_id)
    return WorkflowInfo(
        workflow_id=started.workflow_id,
        run_id=started.run_id,
        workflow_type=started.workflow_type,
        task_queue=started.task_queue,
        attempt=started.attempt,
        started_at=instant(started.at),
        history_length=run.tape.length_before,
        cancel_requested=ledger.cancel_requests > 0,
        continue_as_new_suggested=_suggested(run, branch),
        parent=None if started.parent_workflow_id is None else (parent[0] or "", parent[1] or ""),
        first_run_id=started.first_run_id or started.run_id,
        continued_run_id=started.continued_run_id,
        build_id=ledger.build_id,
        execution_timeout=_duration(started.execution_timeout_us),
        run_timeout=_duration(started.run_timeout_us),
        task_timeout=_duration(started.task_timeout_us),
        retry_policy=None if started.retry_policy is None else RetryPolicy.from_plain(started.retry_policy),
        memo=dict(ledger.memo),
        search_attributes=dict(ledger.search_attributes),
        headers=dict(started.headers or {}),
        last_completion_result=started.last_completion_result,
        last_failure=None if started.last_failure is None else error_of(started.last_failure),
    )


def _duration(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(microseconds=count)


def _suggested(run: Scheduler, branch: Branch) -> bool:
    """Whether the history has grown long enough for another run.

    Its length is known here; its size only to whoever stores it, so that the answer is recorded when it is first yes.
    """
    tape, ledger = run.tape, run.ledger
    if tape.length_before >= SUGGESTED_EVENTS or HISTORY_SIZE in ledger.patches:
        return True
    if tape.history is not None:
        return tape.patch_recorded(HISTORY_SIZE)
    if tape.history_bytes < SUGGESTED_BYTES:
        return False
    fields = {
        "marker_name": ev.HISTORY_SIZE_MARKER,
        "branch": branch.id,
        "patch_id": HISTORY_SIZE,
        "deprecated": True,  # so that no one has to ask for it on a replay
    }
    tape.record(ev.MarkerRecorded, fields, lambda: run.yield_site(branch))
    return True


PERFORM: dict[type[Effect[Any]], Callable[..., Any]] = {
    ModifyProperties: modify_properties,
    UpsertSearchAttributes: upsert_attributes,
    ContinueAsNew: continue_as_new,
    AskInfo: info,
}
