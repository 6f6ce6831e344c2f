"""A runtime as a plain loop: a file is its store, it calls activities itself, and it jumps over timers."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from examples.embedding.quote import ACCEPT, BEGIN, price_of, quote
from refold import Execution, Turn, WorkflowDefinition
from refold.codec import decode_events, encode_events
from refold.events import ActivityTaskScheduled, Command, TimerStarted
from refold.failures import failure_of
from refold.messages import CompleteActivity, FailActivity, FireTimer, Message, ReportActivityCanceled
from refold.payloads import encode

ACTIVITIES: dict[str, Callable[..., Any]] = {"price_of": price_of}


def drive(path: Path, code: WorkflowDefinition[..., Any], *messages: Message, at: int = 0) -> Iterator[Turn]:
    """Tell a run something and do what it asks for.  Stop or kill this anywhere, and drive the run again."""
    with path.open("a+b") as store:
        store.seek(0)
        *turns, torn = store.read().split(b"\n\n")
        store.truncate(store.tell() - len(torn))  # a turn that was only half written never was
        with Execution.load(code, decode_events(b"\n".join(turns))) as run:
            while True:
                turn = run.turn(*messages, at=max(at, time.time_ns() // 1000))
                if turn.events:  # none if all of it was heard before
                    store.write(encode_events(turn.events) + b"\n\n")
                    store.flush()
                    os.fsync(store.fileno())
                    yield turn
                awaited = {each.seq: each for each in run.outstanding}  # a cancel hides what it cancels
                command = min(awaited.values(), key=due, default=None)
                if command is None:  # the run has ended, or waits for a message
                    return
                messages, at = (outcome(command),), due(command)


def due(command: Command) -> int:
    return command.fire_at if isinstance(command, TimerStarted) else 0


def outcome(command: Command) -> Message:
    match command:
        case TimerStarted():
            return FireTimer(seq=command.seq)
        case ActivityTaskScheduled(seq=seq, activity_type=name, input=args):
            try:
                return CompleteActivity(seq=seq, result=encode(ACTIVITIES[name](*args)))
            except Exception as error:  # refold.next_attempt would say whether to try again, and when
                return FailActivity(seq=seq, failure=failure_of(error))
        case _:
            return ReportActivityCanceled(seq=command.seq)


if __name__ == "__main__":
    for made in drive(Path("quote-1.jsonl"), quote, BEGIN, ACCEPT):
        print(f"turn {made.number}:", *(type(event).__name__ for event in made.events))
