"""Signals inside a run: buffers, receivers and handlers.

A signal that is applied is buffered and puts one notification in the queue.  Working that off gives the oldest buffered signal of its
name to the handler, or else to the receiver that has waited longest; if neither is there any more, it stays buffered for the next.
So a message is consumed when its receiver resumes, never when it is applied, and a receiver that has lost its race takes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from refold.branches import WAITING, Branch, Waiter
from refold.effects import Effect
from refold.errors import DefinitionError
from refold.events import WorkflowExecutionSignaled
from refold.handlers import Handling, start_handler
from refold.source import yield_site
from refold.waits import HandleSignal, ReceiveSignal

if TYPE_CHECKING:
    from refold.scheduler import Scheduler


def arrived(run: Scheduler, event: WorkflowExecutionSignaled) -> None:
    """A signal was applied: buffer it, and put one notification in the queue."""
    run.mailbox.setdefault(event.signal_name, deque()).append(event)
    run.notify(_notified, run, event.signal_name)


def _notified(run: Scheduler, name: str) -> None:
    buffer = run.mailbox.get(name)
    if not buffer:
        return
    handler = run.handlers.get(name)
    if handler is not None:
        _handle(run, handler, buffer.popleft())
    elif run.outcome is None and (receivers := run.receivers.get(name)):
        waiter = receivers.pop(0)
        effect: ReceiveSignal[Any] = waiter.wait
        try:
            payload = effect.decode(list(buffer.popleft().input))
        except DefinitionError as misfit:
            run.deliver(waiter, None, misfit)
        else:
            run.deliver(waiter, payload)


def receive(run: Scheduler, waiter: Waiter, branch: Branch, effect: ReceiveSignal[Any]) -> Any:
    """Perform ``signal.receive()``."""
    if effect.name in run.handlers:
        raise _both(effect.name, branch)
    receivers = run.receivers.setdefault(effect.name, [])
    buffer = run.mailbox.get(effect.name)
    if buffer and not receivers:
        return effect.decode(list(buffer.popleft().input))
    waiter.wait = effect
    receivers.append(waiter)
    return WAITING


def add_handler(run: Scheduler, waiter: Waiter, branch: Branch, effect: HandleSignal) -> None:
    """Perform ``signal.handle(...)``: early signals are notified again, in order."""
    if run.receivers.get(effect.name):
        raise _both(effect.name, branch)
    run.handlers[effect.name] = effect
    for _ in run.mailbox.get(effect.name, ()):
        run.notify(_notified, run, effect.name)


def _handle(run: Scheduler, effect: HandleSignal, event: WorkflowExecutionSignaled) -> None:
    handling = Handling("signal", event.signal_name, event.event_id, effect.unfinished_policy)
    start_handler(run, _calls(effect, event), handling)


def _calls(effect: HandleSignal, event: WorkflowExecutionSignaled) -> Any:
    payload = effect.decode(list(event.input))
    result = effect.handler(payload) if effect.takes_payload else effect.handler()
    if isinstance(result, Generator | Effect):
        yield from result


def _both(name: str, branch: Branch) -> DefinitionError:
    return DefinitionError(
        "RF1108",
        f"signal {name!r} has both a handler and a receiver",
        why="each signal is given to one of them, and which one would depend on the order of arrival",
        fix="use handle() or receive() for a signal, or two signals",
        where=yield_site(branch.generator),
    )
