"""Options of child workflows: their plain form, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ChildWorkflowCancellationType,
    ChildWorkflowOptions,
    DefinitionError,
    ParentClosePolicy,
    RetryPolicy,
    SearchAttributeKey,
    WorkflowIDReusePolicy,
)


def test_what_is_the_default_is_left_out() -> None:
    assert {} == ChildWorkflowOptions().to_plain()


def test_every_option_has_its_plain_form() -> None:
    policy = RetryPolicy(maximum_attempts=3)
    options = ChildWorkflowOptions(
        task_queue="slow",
        parent_close_policy=ParentClosePolicy.ABANDON,
        cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
        execution_timeout=timedelta(hours=1),
        run_timeout=timedelta(minutes=1),
        task_timeout=timedelta(seconds=1),
        retry_policy=policy,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        memo={"note": ("a", timedelta(seconds=2))},
        search_attributes=(SearchAttributeKey.keyword("customer").value_set("acme"),),
    )
    assert {
        "task_queue": "slow",
        "execution_timeout_us": 3_600_000_000,
        "run_timeout_us": 60_000_000,
        "task_timeout_us": 1_000_000,
        "parent_close_policy": "ABANDON",
        "cancellation_type": "TRY_CANCEL",
        "id_reuse_policy": "REJECT_DUPLICATE",
        "retry_policy": policy.to_plain(),
        "memo": {"note": ["a", 2_000_000]},
        "search_attributes": {"customer": {"type": "KEYWORD", "value": "acme"}},
    } == options.to_plain()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("task_queue", "", "RF1003"),
        ("execution_timeout", timedelta(0), "RF1004"),
        ("run_timeout", 5, "RF1004"),
        ("retry_policy", {}, "RF1004: the retry_policy of a child workflow is {}"),
        ("parent_close_policy", "ABANDON", "it must be a ParentClosePolicy"),
        ("cancellation_type", None, "it must be a ChildWorkflowCancellationType"),
        ("id_reuse_policy", 1, "it must be a WorkflowIDReusePolicy"),
        ("memo", [1], "it must be a dict"),
    ],
)
def test_what_is_no_option_is_refused(option: str, value: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        ChildWorkflowOptions(**{option: value})
