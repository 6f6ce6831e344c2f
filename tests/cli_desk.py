"""A workflow with an update and a signal, for the tests of the command line."""

from __future__ import annotations

from refold import ApplicationError, Signal, Update, Workflow, workflow

note = Signal("note", str)
add = Update("add", int, result_type=int)
close = Signal("close")


@workflow
def desk(first: int) -> Workflow[int]:
    total = first

    def change(number: int) -> int:
        nonlocal total
        total += number
        return total

    def check(number: int) -> None:
        if number < 0:
            raise ApplicationError("only more, never less", type="Negative")

    yield from add.handle(change, validator=check)
    yield from note.handle(lambda text: None)
    yield from close.receive()
    return total
