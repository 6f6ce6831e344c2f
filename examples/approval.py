"""Approval: a workflow that waits for a person, for as long as it takes, and can be asked what it waits for.

Run it with ``python -m examples.approval``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

import attrs

from refold import Query, Signal, Workflow, workflow
from refold_adapters import Engine


@attrs.frozen
class Approval:
    """What a person says; the payload of the signal."""

    approved: bool
    approver: str
    comment: str = ""


class Verdict(str, Enum):
    """How it ended."""

    APPROVED = "approved"
    REJECTED = "rejected"


@attrs.frozen
class ApprovalResult:
    """The verdict, whose it is, and the reason for a refusal."""

    verdict: Verdict
    approver: str
    reason: str = ""


approval = Signal("approval", Approval)
waiting_for = Query("waiting_for", str)


@workflow
def approve(subject: str) -> Workflow[ApprovalResult]:
    """Wait for somebody to approve or refuse ``subject``."""
    waiting = f"a decision on {subject}"
    yield from waiting_for.answer(lambda: waiting)
    answer = yield from approval.receive()
    waiting = "nothing"
    if answer.approved:
        return ApprovalResult(Verdict.APPROVED, answer.approver)
    return ApprovalResult(Verdict.REJECTED, answer.approver, answer.comment or "no reason given")


#: Longer than this, nothing here takes.
PATIENCE = timedelta(seconds=10)


def main() -> None:
    """One subject is approved, another is not."""
    with Engine("memory:", workflows=[approve], activities=[]) as engine:
        new_desk = engine.start(approve, "a new desk", id="approval-1")
        gold_desk = engine.start(approve, "a golden desk", id="approval-2")
        print(f"approval-1 waits for {new_desk.query(waiting_for)}")
        new_desk.signal(approval, Approval(approved=True, approver="Amina"))
        gold_desk.signal(approval, Approval(approved=False, approver="Bo", comment="too heavy"))
        print(f"approval-1: {new_desk.result(timeout=PATIENCE)}")
        print(f"approval-2: {gold_desk.result(timeout=PATIENCE)}")


if __name__ == "__main__":
    main()
