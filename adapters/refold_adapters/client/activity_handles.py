"""The handle of one activity, for whoever stands outside of its worker: completes, fails, pauses and changes it.

One rule: a token names one attempt, and speaks for that one only; ids name an activity, and speak for the attempt that is open.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from refold import ActivityOptions
from refold.codec import encode_message
from refold.failures import failure_of
from refold.messages import CompleteActivity, Message, ReportActivityCanceled
from refold.payloads import encode
from refold_adapters.activities.task_ends import after_failure, event_of, held, options_of
from refold_adapters.ports import Beat, ChangeTask, Done, FinishTask, Heartbeat, RetryTask, TaskRow
from refold_adapters.runtime_errors import ActivityNotFoundError

if TYPE_CHECKING:
    from refold_adapters.client.client import Client


class ActivityHandle:
    """One open activity; made by ``client.activity(token)`` or ``client.activity(workflow_id, activity_id)``.

    Every method raises :class:`ActivityNotFoundError` (RF5121) where there is no such attempt (any more).
    """

    def __init__(
        self, client: Client, workflow_id: str, run_id: str | None, activity_id: str, attempt: int | None
    ) -> None:
        self._client = client
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.activity_id = activity_id
        self._attempt = attempt

    def __repr__(self) -> str:
        return f"<activity {self.activity_id} of workflow {self.workflow_id}>"

    def describe(self) -> TaskRow:
        """The activity as it stands: attempt, last failure, heartbeat, pause."""
        row = self._client.row(self.workflow_id, self.run_id)
        for task in self._client.store.list_tasks(row.run_id):
            named = event_of(task).activity_id or str(task.seq)
            if named == self.activity_id and self._attempt in (None, task.attempt):
                return task
        raise ActivityNotFoundError(f"activity {self.activity_id!r} of workflow {self.workflow_id!r}")

    # Completion -------------------------------------------------------------------------------------------------------

    def complete(self, result: Any = None) -> None:
        """The attempt is done, with this result."""
        task = self.describe()
        self._finish(task, CompleteActivity(result=encode(result), **self._held(task).common))

    def fail(self, error: BaseException) -> None:
        """The attempt has failed; whether there is another one is decided by the retry policy."""
        task = self.describe()
        end = after_failure(self._held(task), failure_of(error), self._client.store.clock.now_us())
        if isinstance(end, RetryTask):
            self._must(self._client.store.apply([end])[0], task)
        else:
            self._finish(task, end)

    def report_cancelled(self, *details: Any) -> None:
        """The attempt has stopped because it was asked to."""
        task = self.describe()
        common = self._held(task).common
        self._finish(task, ReportActivityCanceled(details=[encode(item) for item in details], **common))

    def heartbeat(self, *details: Any) -> bool:
        """The attempt is alive; returns whether it is asked to stop."""
        task = self.describe()
        data = json.dumps([encode(item) for item in details], ensure_ascii=False, separators=(",", ":"))
        write = Heartbeat(
            token=0, run_id=task.run_id, seq=task.seq, attempt=task.attempt, details=data.encode()
        )
        outcome = self._client.store.apply([write])[0]
        if not isinstance(outcome, Beat):
            raise ActivityNotFoundError(repr(self))
        return outcome.cancel_requested

    # Operation --------------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the activity to stop: the workflow sees an :class:`ActivityError` caused by :class:`CancelledError`, if it does.

        An attempt that runs is told with its next heartbeat that is recorded, and may end as it likes, but there is no other one.  Where
        none runs, also where it is paused, the activity ends at once.
        """
        task = self.describe()
        if task.owner == 0:
            self._finish(task, ReportActivityCanceled(**self._held(task).common))
        else:
            self._change(task, cancel_requested=True)

    def pause(self) -> None:
        """Begin no attempt until :meth:`unpause`; one that runs goes on."""
        self._change(self.describe(), paused=True)

    def unpause(self) -> None:
        """Go on, at once."""
        self._change(self.describe(), paused=False, visible_at=self._client.store.clock.now_us())

    def reset(self, *, forget_heartbeat: bool = False) -> None:
        """Forget the attempts so far: the next one is the first again, and begins at once.  One that runs goes on."""
        now = self._client.store.clock.now_us()
        self._change(self.describe(), attempt=1, visible_at=now, forget_heartbeat=forget_heartbeat)

    def update_options(self, **changes: Any) -> ActivityOptions:
        """Change options of this activity alone, from its next attempt on; returns them as they stand now."""
        task = self.describe()
        options = options_of(task).changed(changes)
        data = json.dumps(options.to_plain(), separators=(",", ":")).encode()
        self._change(task, options=data, task_queue=options.task_queue)
        return options

    def _held(self, task: TaskRow) -> Any:
        return held(task, self._client.identity)

    def _finish(self, task: TaskRow, message: Message) -> None:
        write = FinishTask(
            token=0, run_id=task.run_id, seq=task.seq, attempt=task.attempt, message=encode_message(message)
        )
        self._must(self._client.store.apply([write])[0], task)

    def _change(self, task: TaskRow, **changes: Any) -> None:
        self._must(
            self._client.store.apply([ChangeTask(run_id=task.run_id, seq=task.seq, **changes)])[0], task
        )

    def _must(self, outcome: object, task: TaskRow) -> None:
        if not isinstance(outcome, Done):
            raise ActivityNotFoundError(f"activity {task.activity_type!r} of workflow {task.workflow_id!r}")


def handle_of(client: Client, token_or_workflow_id: str, activity_id: str | None) -> ActivityHandle:
    """The handle that a token, or a pair of ids, names; raises RF5121 for a text that is no token."""
    if activity_id is not None:
        return ActivityHandle(client, token_or_workflow_id, None, activity_id, None)
    try:
        plain = json.loads(base64.urlsafe_b64decode(token_or_workflow_id.encode()))
        workflow_id, run_id, named, attempt = plain
    except (ValueError, TypeError, binascii.Error) as error:
        raise ActivityNotFoundError(f"the token {token_or_workflow_id[:40]!r}") from error
    return ActivityHandle(client, workflow_id, run_id, named, attempt)
