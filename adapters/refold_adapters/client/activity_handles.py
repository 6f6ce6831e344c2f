"""The handle of one activity, for whoever stands outside of its worker: completes, fails, pauses and changes it.

One rule: a token names one attempt, and speaks for that one only; ids name an activity, and speak for the attempt that is open.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from refold import ActivityOptions
from refold.codec import encode_message
from refold.failures import failure_of
from refold.messages import CompleteActivity, Message, ReportActivityCanceled
from refold.payloads import encode
from refold_adapters.activities.hearing import ask_to_stop
from refold_adapters.activities.task_ends import after_failure, event_of, held, options_of
from refold_adapters.operating.requests import Request
from refold_adapters.ports import Beat, ChangeTask, Done, FinishTask, Heartbeat, Repeated, RetryTask, TaskRow
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
        raise self._gone()

    def _gone(self) -> ActivityNotFoundError:
        return ActivityNotFoundError(f"activity {self.activity_id!r} of workflow {self.workflow_id!r}")

    # Completion -------------------------------------------------------------------------------------------------------

    def complete(self, result: Any = None, *, request_id: str | None = None) -> None:
        """The attempt is done, with this result; a repeated ``request_id`` changes nothing."""
        plain = encode(result)
        self._change(
            "complete",
            request_id,
            lambda task: _finish(task, CompleteActivity(result=plain, **self._held(task).common)),
        )

    def fail(self, error: BaseException, *, request_id: str | None = None) -> None:
        """The attempt has failed; whether there is another one is decided by the retry policy.

        A repeated ``request_id`` changes nothing, also where another attempt is open by now.
        """
        failure = failure_of(error)

        def failed(task: TaskRow) -> FinishTask | RetryTask:
            end = after_failure(self._held(task), failure, self._client.store.clock.now_us())
            return end if isinstance(end, RetryTask) else _finish(task, end)

        self._change("fail", request_id, failed)

    def report_cancelled(self, *details: Any, request_id: str | None = None) -> None:
        """The attempt has stopped because it was asked to; a repeated ``request_id`` changes nothing."""
        plain = [encode(item) for item in details]
        self._change(
            "report_cancelled",
            request_id,
            lambda task: _finish(task, ReportActivityCanceled(details=plain, **self._held(task).common)),
        )

    def heartbeat(self, *details: Any) -> bool:
        """The attempt is alive; returns whether it is asked to stop."""
        task = self.describe()
        data = json.dumps([encode(item) for item in details], ensure_ascii=False, separators=(",", ":"))
        write = Heartbeat(
            token=0, run_id=task.run_id, seq=task.seq, attempt=task.attempt, details=data.encode()
        )
        outcome = self._client.store.apply([write])[0]
        if not isinstance(outcome, Beat):
            raise self._gone()
        return outcome.cancel_requested

    # Operation --------------------------------------------------------------------------------------------------------

    def cancel(self, *, request_id: str | None = None) -> None:
        """Ask the activity to stop: the workflow sees an :class:`ActivityError` caused by :class:`CancelledError`, if it does.

        An attempt that runs is told at once if it runs in this process on the same store, else with its next heartbeat that is recorded;
        it may end as it likes, but there is no other one.  Where none runs, also where it is paused, the activity ends at once.
        A repeated ``request_id`` changes nothing.
        """

        def cancelled(task: TaskRow) -> FinishTask | ChangeTask:
            if task.owner != 0:
                return _change(task, cancel_requested=True, holder=task.owner)
            return _finish(task, ReportActivityCanceled(**self._held(task).common), holder=0)

        task = self._change("cancel", request_id, cancelled)
        if task is not None:
            ask_to_stop(self._client.store, task.run_id, task.seq)

    def pause(self, *, request_id: str | None = None) -> None:
        """Begin no attempt until :meth:`unpause`; one that runs goes on.  A repeated ``request_id`` changes nothing."""
        self._change("pause", request_id, lambda task: _change(task, paused=True))

    def unpause(self, *, request_id: str | None = None) -> None:
        """Go on, at once; a repeated ``request_id`` changes nothing."""
        now = self._client.store.clock.now_us()
        self._change("unpause", request_id, lambda task: _change(task, paused=False, visible_at=now))

    def reset(self, *, forget_heartbeat: bool = False, request_id: str | None = None) -> None:
        """Forget the attempts so far: the next one is the first again, and begins at once.  One that runs goes on.

        A repeated ``request_id`` changes nothing.
        """
        now = self._client.store.clock.now_us()
        changes = {"attempt": 1, "visible_at": now, "forget_heartbeat": forget_heartbeat}
        self._change("reset", request_id, lambda task: _change(task, **changes))

    def update_options(self, *, request_id: str | None = None, **changes: Any) -> ActivityOptions:
        """Change options of this activity alone, from its next attempt on; returns them as they stand now.

        A repeated ``request_id`` changes nothing, and gives the options of the first time.
        """
        request = self._request("update_options", request_id)
        if (answer := request.first_answer()) is not None:
            return ActivityOptions.from_plain(*answer)
        task = self.describe()
        options = options_of(task).changed(changes)
        plain = options.to_plain()
        data = json.dumps(plain, separators=(",", ":")).encode()
        outcome = request.apply(_change(task, options=data, task_queue=options.task_queue), plain)
        if isinstance(outcome, Repeated):
            return ActivityOptions.from_plain(json.loads(outcome.answer))
        if not isinstance(outcome, Done):
            raise self._gone()
        return options

    def _request(self, call: str, request_id: str | None) -> Request:
        return Request.of(
            self._client.store, request_id, f"activity {call}", self.workflow_id, self.activity_id
        )

    def _held(self, task: TaskRow) -> Any:
        return held(task, self._client.identity)

    def _change(
        self,
        call: str,
        request_id: str | None,
        write: Callable[[TaskRow], FinishTask | RetryTask | ChangeTask],
    ) -> TaskRow | None:
        """Carry out what is to be done about the attempt that is open, and return it; None where that was done before.

        It may be taken up, given back or asked to stop between the look at it and the write: then it is looked at again.
        """
        request = self._request(call, request_id)
        if request.first_answer() is not None:
            return None
        while True:
            task = self.describe()
            if isinstance(request.apply(write(task)), Done | Repeated):
                return task


def _finish(task: TaskRow, message: Message, holder: int | None = None) -> FinishTask:
    return FinishTask(
        token=0,
        run_id=task.run_id,
        seq=task.seq,
        attempt=task.attempt,
        message=encode_message(message),
        holder=holder,
    )


def _change(task: TaskRow, **changes: Any) -> ChangeTask:
    return ChangeTask(run_id=task.run_id, seq=task.seq, **changes)


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
