"""Which texts can be stored.

One rule: what another store could not write down is refused here too, before anything of its batch is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from refold_adapters import ports
from refold_adapters.ports import Write
from refold_adapters.store_errors import StoreError


def check_texts(writes: Sequence[Write]) -> None:
    """Raise where an id, a name or a queue has half a character in it."""
    for write in writes:
        for text in _texts(write):
            if not text.isascii():
                _check(text)


def _texts(write: Write) -> Sequence[str]:
    match write:
        case ports.CommitTurn():
            return [text for new in write.tasks for text in (new.activity_type, new.task_queue)]
        case ports.CreateRun():
            return (
                write.run_id,
                write.workflow_id,
                write.workflow_type,
                write.task_queue,
                write.request_id,
                write.build_id or "",
            )
        case ports.AcceptMessage():
            return (write.workflow_id, write.run_id or "", write.request_id)
        case ports.Once():
            return (write.request, *(() if write.write is None else _texts(write.write)))
        case _:
            return ()


def _check(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            "RF5012",
            f"a value cannot be stored: {error}",
            why="a text is not valid Unicode: it has half a character (a lone surrogate); nothing of this call was done",
            fix="check ids where they come in",
        ) from error
