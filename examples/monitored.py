"""Monitored: a long job that says how far it is, to anyone, at any time, also after it has ended.

Run it with ``python -m examples.monitored``.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import attrs

from refold import Query, Workflow, activity, now, workflow
from refold_adapters import Engine


@attrs.frozen
class WorkflowStatus:
    """The answer of the ``status`` query."""

    current_state: str
    #: From 0 to 1.
    progress: float
    started_at: datetime


@attrs.frozen
class Output:
    """What the job found."""

    parts: int
    words: int


status = Query("status", WorkflowStatus)


@activity
def count_words(text: str) -> int:
    """The work of one part; it takes its time."""
    time.sleep(0.25)
    return len(text.split())


@workflow
def count_all(parts: list[str]) -> Workflow[Output]:
    """Work through all parts, one after the other."""
    started_at = yield from now()
    current = WorkflowStatus("initializing", 0.0, started_at)
    yield from status.answer(lambda: current)
    words = 0
    for done, part in enumerate(parts):
        current = WorkflowStatus(f"processing part {done + 1} of {len(parts)}", done / len(parts), started_at)
        words += yield from count_words(part)
    current = WorkflowStatus("completed", 1.0, started_at)
    return Output(len(parts), words)


POEM = [
    "Tyger Tyger, burning bright,",
    "In the forests of the night;",
    "What immortal hand or eye,",
    "Could frame thy fearful symmetry?",
]


def main() -> None:
    """Start the job, and look at it until it is done."""
    with Engine("memory:", workflows=[count_all], activities=[count_words]) as engine:
        handle = engine.start(count_all, POEM, id="monitored-1")
        output: Output | None = None
        while output is None:
            try:
                output = handle.result(timeout=timedelta(seconds=0.2))
            except TimeoutError:
                show(handle.query(status))
        show(handle.query(status))  # a closed run answers, too
        print(output)


def show(current: WorkflowStatus) -> None:
    """One line of progress."""
    print(f"{current.progress:4.0%}  {current.current_state}")


if __name__ == "__main__":
    main()
