"""The workflows that the tests of the kit are about: small, some of them wrong in a way that only some schedules show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    Query,
    Signal,
    Update,
    Workflow,
    activity,
    all_of,
    execute_child_workflow,
    external_workflow,
    first_of,
    sleep,
    wait_until,
    workflow,
)

stop = Signal("stop")
note = Signal("note", str)
raise_to = Update("raise_to", int, result_type=int)
status = Query("status", str)


@activity
def reserve(order: str) -> str:
    raise NotImplementedError


@activity
def charge(order: str) -> str:
    raise NotImplementedError


@activity
def ship(order: str) -> None:
    raise NotImplementedError


@activity
def refund(order: str) -> None:
    raise NotImplementedError


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
def watch(order: str) -> None:
    raise NotImplementedError


@workflow
def sell(order: str) -> Workflow[str]:
    """Reserves and charges side by side, and leaves a while to stop it; whoever has paid and stops it is not refunded."""
    stage = "paying"
    yield from status.answer(lambda: stage)
    held, paid = yield from all_of(reserve(order), charge(order))
    stage = "waiting"
    match (yield from first_of(stop.receive(), sleep(timedelta(hours=1)))):
        case (0, _):
            raise ApplicationError("stopped", type="Stopped")
        case _:
            yield from ship(order)
    return f"{held} {paid}"


@workflow
def pay_back(order: str) -> Workflow[str]:
    """Charges, and undoes it if that fails, also where it may have happened all the same."""
    try:
        return (yield from charge(order))
    except ActivityError:
        yield from refund(order)
        raise


@workflow
def three(order: str) -> Workflow[list[str]]:
    """Three activities at once."""
    return list((yield from all_of(*[charge(f"{order}-{number}") for number in range(3)])))


@workflow
def listen() -> Workflow[list[str]]:
    """Takes two notes, in order."""
    first = yield from note.receive()
    second = yield from note.receive()
    return [first, second]


@workflow
def counter(least: int) -> Workflow[int]:
    """Ends once an update has raised it far enough."""
    level = 0

    def raised(to: int) -> int:
        nonlocal level
        level = to
        return level

    def check(to: int) -> None:
        if to < level:
            raise ValueError("it only goes up")

    yield from raise_to.handle(raised, validator=check)
    yield from wait_until(lambda: level >= least)
    return level


@workflow
def parent(order: str) -> Workflow[str]:
    """Has a child, then tells another workflow."""
    sold = yield from execute_child_workflow(sell, order)
    yield from external_workflow("ledger").signal(note, sold)
    return sold


@workflow
def watched(order: str) -> Workflow[str]:
    """Stops what it watches when it is told to."""
    return str((yield from first_of(watch(order), stop.receive())))


@workflow
class Till:
    """In the class form: takes notes until it is stopped."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stopped = False

    @workflow.run
    def run(self) -> Workflow[int]:
        yield from wait_until(lambda: self.stopped)
        return len(self.notes)

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.signal
    def stop(self) -> None:
        self.stopped = True


@workflow
def ever() -> Workflow[None]:
    """Never ends."""
    while True:
        yield from sleep(timedelta(hours=1))


#: What a workflow must not do: read what is in no history.
calls: list[Any] = []


@workflow
def forgetful(order: str) -> Workflow[None]:
    """Asks for something else each time it is made to run."""
    calls.append(order)
    yield from charge(f"{order}-{len(calls)}")
