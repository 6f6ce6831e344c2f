"""How a child workflow is started, and what becomes of it when its parent is cancelled or closes.

One rule: options are checked where they are given and kept as plain data without their defaults, so that what a history records
means the same to every store.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Any

import attrs

from refold.errors import DefinitionError
from refold.ids import checked_id
from refold.payloads import Plain, encode
from refold.policies import ParentClosePolicy, RetryPolicy, WorkflowIDReusePolicy, microseconds
from refold.search_attributes import SearchAttributePair, plain_search_attributes
from refold.value import Value


class ChildWorkflowCancellationType(str, Enum):
    """What a workflow does about a child when the branch that waits for it is cancelled."""

    #: Raise ``CancelledError`` at once and let the child run on, its outcome unseen.
    ABANDON = "ABANDON"
    #: Ask the child to stop and raise ``CancelledError`` at once.
    TRY_CANCEL = "TRY_CANCEL"
    #: Ask the child to stop and wait until it has ended: its result, if it finishes all the same, is delivered.
    WAIT_CANCELLATION_COMPLETED = "WAIT_CANCELLATION_COMPLETED"
    #: Ask the child to stop, wait until the request has reached it, and raise ``CancelledError``.
    WAIT_CANCELLATION_REQUESTED = "WAIT_CANCELLATION_REQUESTED"


_DURATIONS = ("execution_timeout", "run_timeout", "task_timeout")
_CHOICES: dict[str, type[Enum]] = {
    "parent_close_policy": ParentClosePolicy,
    "cancellation_type": ChildWorkflowCancellationType,
    "id_reuse_policy": WorkflowIDReusePolicy,
}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ChildWorkflowOptions(Value):
    """How one child workflow is started; what is None is taken from the parent or left open."""

    #: The parent's, if None.
    task_queue: str | None = None
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE
    cancellation_type: ChildWorkflowCancellationType = (
        ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
    )
    #: From the start of its first run to the end of its last one.
    execution_timeout: timedelta | None = None
    #: Of each of its runs.
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    #: A child is not retried without one.
    retry_policy: RetryPolicy | None = None
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    memo: dict[str, Any] | None = None
    search_attributes: tuple[SearchAttributePair, ...] = ()

    def __attrs_post_init__(self) -> None:
        for name in _DURATIONS:
            microseconds(getattr(self, name), name)
        if self.task_queue is not None:
            checked_id(self.task_queue, "task queue")
        if self.retry_policy is not None and not isinstance(self.retry_policy, RetryPolicy):
            raise _refuse("retry_policy", self.retry_policy, "a RetryPolicy")
        for name, kind in _CHOICES.items():
            if not isinstance(getattr(self, name), kind):
                raise _refuse(name, getattr(self, name), f"a {kind.__name__}")
        if self.memo is not None and not isinstance(self.memo, dict):
            raise _refuse("memo", self.memo, "a dict")

    def to_plain(self) -> dict[str, Plain]:
        """The options as plain data, without what is the default."""
        plain: dict[str, Plain] = {}
        if self.task_queue is not None:
            plain["task_queue"] = self.task_queue
        for name in _DURATIONS:
            if (value := microseconds(getattr(self, name), name)) is not None:
                plain[f"{name}_us"] = value
        defaults = ChildWorkflowOptions()
        for name in _CHOICES:
            if (choice := getattr(self, name)) is not getattr(defaults, name):
                plain[name] = choice.value
        if self.retry_policy is not None:
            plain["retry_policy"] = self.retry_policy.to_plain()
        if self.memo is not None:
            plain["memo"] = encode(self.memo)
        if self.search_attributes:
            plain["search_attributes"] = plain_search_attributes(self.search_attributes)
        return plain


def _refuse(option: str, value: object, wanted: str) -> DefinitionError:
    return DefinitionError(
        "RF1004",
        f"the {option} of a child workflow is {value!r}",
        why=f"it must be {wanted}",
        fix="see the reference of ChildWorkflowOptions",
    )
