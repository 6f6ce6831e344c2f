"""The shop's side of the order example, a pure client: it starts orders, answers approvals, calls orders off, gathers outcomes.

One rule: it talks to refold only, through the store, and works no order itself.  Whether a worker is alive, it does not know.
"""

from __future__ import annotations

import random
from decimal import Decimal

import attrs

from examples.orders.audit import Outcome
from examples.orders.book import Book, Rejection
from examples.orders.model import APPROVAL_LIMIT, Approval, Order, Receipt, Stage
from examples.orders.workflow import approval, process_order, status
from refold import DefinitionError, QueryError, WorkflowIDReusePolicy
from refold.events import (
    HistoryEvent,
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
)
from refold_adapters import (
    Client,
    RunStatus,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowHandle,
)

#: The manager says no above this amount.
BUDGET = Decimal("5000.00")
#: The colleague who answers for these is away, and nobody else does.
UNANSWERED = "server rack"


def decide(order: Order) -> Approval | None:
    """What the manager says of an order that needs approval; ``None`` where nobody answers."""
    if order.item == UNANSWERED:
        return None
    if order.total > BUDGET:
        return Approval(approved=False, approver="Hussein", comment=f"{order.total} is over the budget")
    return Approval(approved=True, approver="Hussein")


@attrs.define(eq=False)
class Clerk:
    """One day at the counter."""

    client: Client
    #: What was accepted, by order id.
    orders: dict[str, Order] = attrs.field(factory=dict[str, Order])
    #: What was not, and why.
    rejections: list[Rejection] = attrs.field(factory=list[Rejection])
    approvals: int = 0
    cancellations: int = 0
    _handles: dict[str, WorkflowHandle[Receipt]] = attrs.field(
        factory=dict[str, WorkflowHandle[Receipt]], init=False
    )
    _to_approve: dict[str, Approval] = attrs.field(factory=dict[str, Approval], init=False)

    def take_in(self, book: Book) -> None:
        """Start every order of the book, under its own id: a second one of the same id is refused by the store."""
        self.rejections += book.rejections
        first: dict[str, int] = {}
        for line in book.lines:
            order = line.order
            try:
                handle = self.client.start(
                    process_order,
                    order,
                    id=order.order_id,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                )
            except WorkflowAlreadyStartedError:
                same = "the same again" if order == self.orders.get(order.order_id) else "with other contents"
                reason = f"already started: line {first.get(order.order_id, '?')}, {same}"
                self.rejections.append(Rejection(line.number, order.order_id, reason))
            except DefinitionError as error:
                self.rejections.append(
                    Rejection(line.number, order.order_id, f"refused by refold: {error.what}")
                )
            else:
                first[order.order_id] = line.number
                self._accept(order, handle)

    def _accept(self, order: Order, handle: WorkflowHandle[Receipt]) -> None:
        self.orders[order.order_id] = order
        self._handles[order.order_id] = handle
        answer = decide(order) if order.total > APPROVAL_LIMIT else None
        if answer is not None:
            self._to_approve[order.order_id] = answer

    def answer_approvals(self) -> None:
        """Answer for every order that asks for approval at this moment."""
        for order_id, answer in list(self._to_approve.items()):
            handle = self._handles[order_id]
            try:
                stage = handle.query(status)
                if stage is Stage.AWAITING_APPROVAL:
                    handle.signal(approval, answer)
                    self.approvals += 1
                if stage not in (Stage.VALIDATING, Stage.RESERVING):
                    del self._to_approve[order_id]
            except QueryError:
                continue  # its first turn has not been made yet: ask again later
            except WorkflowClosedError:
                del self._to_approve[order_id]  # it ended between the question and the answer

    def call_off(self, rng: random.Random) -> None:
        """A customer calls an order off, whatever has become of it in the meantime."""
        order_id = rng.choice(sorted(self.orders))
        try:
            self._handles[order_id].cancel()
            self.cancellations += 1
        except WorkflowClosedError:
            return  # too late: it has ended

    def open_orders(self) -> set[str]:
        """The orders that have not come to an end."""
        return {row.workflow_id for row in self.client.list(statuses=[RunStatus.RUNNING])}

    def why_open(self, order_id: str) -> str:
        """What an open order waits for."""
        seen = self.client.handle(order_id).describe()
        if seen.parked is not None:
            return f"it is parked: {seen.parked}"
        activities = [f"{task.activity_type} (attempt {task.attempt})" for task in seen.pending_activities]
        return (
            f"waits for {', '.join(activities) or 'no activity'}, {len(seen.pending_timers)} timers;"
            f" {seen.pending_messages} messages are still to be taken"
        )

    def outcomes(self) -> list[Outcome]:
        """One for each end in the history of each run there is, and one for each run without an end."""
        found: list[Outcome] = []
        for row in self.client.list():
            history = self.client.handle(row.workflow_id, row.run_id).history()
            ends = [outcome_of(row.workflow_id, event) for event in history if event.terminal]
            found += ends or [Outcome(row.workflow_id, row.status.value)]
        return found


def outcome_of(order_id: str, event: HistoryEvent) -> Outcome:
    """What the last event of a run says of its order."""
    match event:
        case WorkflowExecutionCompleted():
            return Outcome(order_id, "COMPLETED")
        case WorkflowExecutionFailed():
            failure = event.failure
            while failure.cause is not None and failure.kind == "activity":
                failure = failure.cause
            return Outcome(order_id, "FAILED", failure.type or failure.kind, failure.message)
        case WorkflowExecutionCanceled():
            return Outcome(order_id, "CANCELED", "CalledOff", "called off by the customer")
        case _:
            return Outcome(order_id, type(event).__name__)
