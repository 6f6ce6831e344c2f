"""Workflows that deal with other runs, with callers and with the run that follows, as plain as an author would write them.

They are recorded, replayed, and changed on purpose (``mutants``), as those of ``sample_workflows`` are.
"""

from __future__ import annotations

from datetime import timedelta

from refold import (
    ApplicationError,
    ChildWorkflowError,
    ExternalWorkflowError,
    SearchAttributeKey,
    Signal,
    TimeoutError,
    Update,
    Workflow,
    activity,
    all_handlers_finished,
    all_of,
    continue_as_new,
    execute_child_workflow,
    external_workflow,
    first_of,
    sleep,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    wait_until,
    workflow,
)

MINUTE = timedelta(minutes=1)

note = Signal("note", str)
stop = Signal("stop")
entry = Update("entry", int, result_type=int)
level = SearchAttributeKey.int("level")


@activity
def notify(text: str) -> None: ...


@activity
def weigh(parcel: str) -> int: ...


@workflow
def household(names: list[str]) -> Workflow[list[str]]:
    """One child beside the others, which come one after the other."""
    told: list[str] = []
    eldest = yield from start_child_workflow("growing", "eldest", id="eldest", result_type=int)
    yield from eldest.signal(note, "go")
    for name in names:
        try:
            told.append((yield from execute_child_workflow("growing", name, id=name, result_type=str)))
        except ChildWorkflowError:
            yield from notify(f"{name} failed")
    if len(told) < len(names):
        yield from eldest.cancel("enough")
    try:
        told.append(str((yield from eldest)))
    except ChildWorkflowError:
        yield from notify("eldest failed")
    return told


@workflow
def courier(to: str) -> Workflow[str]:
    """Tells other runs what it brings, and withdraws where nobody is there."""
    weight = yield from weigh.local(to)
    try:
        yield from all_of(
            external_workflow(to).signal(note, f"{weight} kg"), external_workflow("office").signal(note, to)
        )
        match (yield from first_of(stop.receive(), sleep(MINUTE))):
            case (0, _):
                yield from external_workflow(to, "r-1").cancel("no longer")
            case _:
                yield from notify("delivered")
    except ExternalWorkflowError as error:
        yield from notify("nobody is there")
        return error.reason
    return f"brought {weight}"


@workflow
def ledger(total: int) -> Workflow[int]:
    """Entries by updates and by notes; a page that is full is followed by another."""
    entries: list[int] = []

    def check(amount: int) -> None:
        if amount == 0:
            raise ApplicationError("nothing to enter", type="Empty")

    def enter(amount: int) -> Workflow[int]:
        entries.append(amount)
        yield from notify(f"{amount} entered")
        return total + sum(entries)

    def mark(text: str) -> None:
        entries.append(len(text))

    yield from upsert_memo({"total": total})
    yield from upsert_search_attributes(level.value_set(total))
    yield from entry.handle(enter, validator=check)
    yield from note.handle(mark)
    try:
        yield from wait_until(lambda: len(entries) > 2, timeout=MINUTE)
    except TimeoutError:
        yield from notify("the page is closed")
    yield from all_handlers_finished()
    if total + sum(entries) < 10:
        yield from continue_as_new(total + sum(entries), task_queue="ledgers")
    return total + sum(entries)


@workflow
class Shop:
    """The class form: what messages do is in methods."""

    def __init__(self) -> None:
        self.sold: list[int] = []
        self.open = True

    @workflow.update
    def sell(self, amount: int) -> Workflow[int]:
        """One article."""
        self.sold.append(amount)
        yield from notify(f"sold for {amount}")
        return sum(self.sold)

    @sell.validator
    def check_sell(self, amount: int) -> None:
        """Nothing is free."""
        if amount == 0:
            raise ApplicationError("it is not for nothing", type="Free")

    @workflow.signal
    def shut(self) -> None:
        """The day is over."""
        self.open = False

    @workflow.run
    def run(self, name: str) -> Workflow[list[int]]:
        """Sells until it is shut."""
        yield from notify(f"{name} opens")
        yield from wait_until(lambda: not self.open or len(self.sold) > 1)
        yield from sleep(MINUTE)
        yield from notify(f"{name} shuts")
        return self.sold
