"""What the branches of a run wait for, in words.

One rule: this is for people, and for tools that show it to them.  Nothing decides by it, so the texts may be made better at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from refold.branches import Branch, Gathering, Waiter
from refold.children import Child
from refold.events import (
    ActivityTaskScheduled,
    RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated,
    TimerStarted,
)
from refold.policies import instant
from refold.source import user_frames
from refold.value import Value
from refold.waits import Combine, ReceiveSignal, WaitCondition, WaitHandlers

#: How many steps of one combinator are named.
STEPS_SHOWN = 5


@attrs.frozen(eq=False, repr=False)
class Waiting(Value):
    """What one branch of a run waits for."""

    #: The number of the branch; 0 is the workflow itself.
    branch: int
    #: In words: ``activity 'charge' (seq 3)``, ``signal 'approval'``, ``first_of: signal 'approval' | timer due ...``, ``step 2``.
    wait: str
    #: The commands among that, by ``seq``.
    seqs: Sequence[int]
    #: The user's suspended frames, outermost first, as ``file:line in function``.
    frames: Sequence[str]


def waiting(main: Branch | None) -> tuple[Waiting, ...]:
    """What each suspended branch at and below ``main`` waits for, parents first."""
    found: list[Waiting] = []
    branches = [] if main is None else [main]
    for branch in branches:
        if not branch.ended:
            found.append(
                Waiting(branch.id, _words(branch), tuple(_seqs(branch)), tuple(user_frames(branch.generator)))
            )
        branches.extend((branch.children or {}).values())
    return tuple(found)


def _words(waiter: Waiter) -> str:
    if isinstance(waiter, Branch) and waiter.closing is not None:
        return f"{_steps(child.id for child in waiter.unfinished_children)} to unwind"
    match waiter.wait:
        case ActivityTaskScheduled() as scheduled:
            return f"activity {scheduled.activity_type!r} (seq {scheduled.seq})"
        case TimerStarted() as timer:
            return (
                f"timer due {instant(timer.fire_at).isoformat(sep=' ', timespec='seconds')} (seq {timer.seq})"
            )
        case Child() as child:
            return _child(waiter, child)
        case SignalExternalWorkflowExecutionInitiated() as sent:
            return f"signal {sent.signal_name!r} to reach workflow {sent.workflow_id!r} (seq {sent.seq})"
        case RequestCancelExternalWorkflowExecutionInitiated() as sent:
            return f"cancel request to reach workflow {sent.workflow_id!r} (seq {sent.seq})"
        case ReceiveSignal(name=name):
            return f"signal {name!r}"
        case WaitCondition():
            return "condition"
        case WaitHandlers():
            return "handlers to finish"
        case Branch() as branch:
            return f"step {branch.id}"
        case Gathering() as gathering:
            return _gathering(gathering)
        case _:
            return "nothing: it is ready"


def _child(waiter: Waiter, child: Child) -> str:
    asked = child.initiated
    name = f"child {asked.workflow_type!r} {asked.workflow_id!r}"
    if _for_request(waiter, child):
        return f"cancel request to reach {name} (seq {next(_seqs(waiter))})"
    return f"{'start of ' if waiter is child.starter else ''}{name} (seq {asked.seq})"


def _for_request(waiter: Waiter, child: Child) -> bool:
    """Whether a waiter waits for a cancel request to reach a child, not for the child itself."""
    return waiter in child.callers or waiter in child.requesters


def _gathering(gathering: Gathering) -> str:
    open_slots = [slot for slot in gathering.slots if not slot.done]
    shown = [
        f"({_words(slot)})" if slot.inner is not None else _words(slot) for slot in open_slots[:STEPS_SHOWN]
    ]
    if len(open_slots) > STEPS_SHOWN:
        shown.append(f"{len(open_slots) - STEPS_SHOWN} more")
    steps = (" | " if gathering.how in (Combine.FIRST, Combine.ANY) else " & ").join(shown)
    if gathering.how is Combine.ONE:
        return f"shield: {steps}" if gathering.shielded else steps
    return f"{gathering.how.value}{', decided, unwinding' if gathering.decided else ''}: {steps}"


def _steps(ids: Iterator[int]) -> str:
    return ", ".join(f"step {number}" for number in ids)


def _seqs(waiter: Waiter) -> Iterator[int]:
    match waiter.wait:
        case (
            ActivityTaskScheduled()
            | TimerStarted()
            | SignalExternalWorkflowExecutionInitiated()
            | RequestCancelExternalWorkflowExecutionInitiated() as command
        ):
            yield command.seq
        case Child() as child:
            asked = child.request if _for_request(waiter, child) else None
            yield (asked or child.initiated).seq
        case Gathering() as gathering:
            for slot in gathering.slots:
                yield from _seqs(slot)
        case _:
            pass
