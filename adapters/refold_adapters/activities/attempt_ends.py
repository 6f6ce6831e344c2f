"""What the end of an attempt comes to in the worker that held it, and the writes that tell the store.

One rule: pure functions of an attempt; who waits for its end, and whether its run is at hand, is not known here.
"""

from __future__ import annotations

import attrs

from refold.codec import decode_failure, encode_message
from refold.messages import Message
from refold.value import Value
from refold_adapters.activities.attempts import Attempt
from refold_adapters.activities.task_ends import after_failure
from refold_adapters.ports import AcceptMessage, DetachTask, FinishTask, Heartbeat, RetryTask, Write


@attrs.frozen(eq=False, repr=False)
class Ended(Value):
    """What the end of an attempt comes to: a message for its run, another attempt, or that somebody outside goes on with it."""

    attempt: Attempt
    message: Message | None
    retry: RetryTask | None = None
    detach: DetachTask | None = None


def not_again(ended: Ended, identity: str, now: int) -> Ended:
    """The end of an attempt that failed, and was asked to stop before it could be given back for another one."""
    attempt, retry = ended.attempt, ended.retry
    assert retry is not None
    assert retry.failure is not None
    attempt.cancel_requested = True
    end = after_failure(attempt.held(identity), decode_failure(retry.failure), now)
    assert not isinstance(end, RetryTask)
    return Ended(attempt, end)


def outcome_write(token: int, ended: Ended) -> Write:
    """The write that puts the outcome of an attempt into the inbox of a run that is not at hand."""
    assert ended.message is not None
    attempt = ended.attempt
    message = encode_message(ended.message)
    if attempt.options.local:
        return AcceptMessage(workflow_id=attempt.workflow_id, run_id=attempt.run_id, data=message)
    return FinishTask(
        token=token, run_id=attempt.run_id, seq=attempt.seq, attempt=attempt.number, message=message
    )


def heartbeat_write(token: int, attempt: Attempt) -> Heartbeat:
    """The write that records the last heartbeat of an attempt."""
    return Heartbeat(
        token=token,
        run_id=attempt.run_id,
        seq=attempt.seq,
        attempt=attempt.number,
        details=attempt.details or b"[]",
    )
