"""How a client has messages accepted by runs.

One rule: a message is durable when it is accepted.  Where a worker of this process has the run, it goes into its next turn and shares its
commit; otherwise into the run's inbox in the store, where any worker finds it.
"""

from __future__ import annotations

import attrs

from refold.codec import decode_message
from refold.ids import checked_id
from refold.messages import Message, StartWorkflow
from refold_adapters.ports import Closed, NotFound, Outcome, Store
from refold_adapters.runtime_errors import WorkflowClosedError, WorkflowNotFoundError
from refold_adapters.turns.acceptances import accept_write
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.worker import Worker


@attrs.frozen(eq=False, repr=False)
class Sender:
    """Sends messages to runs, through the worker of this process if that has them."""

    store: Store
    closings: Closings
    worker: Worker | None

    def send(
        self, workflow_id: str, run_id: str | None, message: Message, *, with_start: bool = False
    ) -> Outcome:
        """Have a message accepted; raises RF5102 and RF5103.  One that comes ``with_start`` ends the delay of a start."""
        worker = self.worker
        outcome: Outcome
        checked_id(workflow_id, "workflow id")
        if worker is not None and run_id is not None and self.closings.runs_here(run_id):
            outcome = worker.submit_message(workflow_id, run_id, message).result()
        else:
            wakes = with_start and run_id is not None and self._is_delayed_by_its_start(run_id)
            outcome = self.store.apply([accept_write(workflow_id, run_id, message, wakes=wakes)])[0]
        match outcome:
            case NotFound():
                raise WorkflowNotFoundError(workflow_id, run_id, deleted=outcome.deleted_at is not None)
            case Closed():
                raise WorkflowClosedError(workflow_id, outcome.run_id, outcome.status.value)
            case _:
                return outcome

    def _is_delayed_by_its_start(self, run_id: str) -> bool:
        """Whether the first turn of the run waits because its starter wants it so, and not because it follows another run."""
        inbox = self.store.list_inbox(run_id)[:1]
        start = decode_message(inbox[0].data) if inbox else None
        return isinstance(start, StartWorkflow) and start.continued_run_id is None
