"""A runtime on asyncio: a list is its store, activities are coroutines, timers are the event loop's."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import Any

from examples.embedding.quote import ACCEPT, BEGIN, ask_price, quote
from refold import Execution, WorkflowDefinition
from refold.events import ActivityTaskScheduled, Command, HistoryEvent, TimerStarted
from refold.failures import failure_of
from refold.messages import CompleteActivity, FailActivity, FireTimer, Message, ReportActivityCanceled
from refold.payloads import encode

Inbox = asyncio.Queue[Message]
ACTIVITIES: dict[str, Callable[..., Awaitable[Any]]] = {"price_of": ask_price}


async def drive(code: WorkflowDefinition[..., Any], history: list[HistoryEvent], inbox: Inbox) -> None:
    """Go on with a run until it ends.  Cancel or kill this anywhere, and drive the run again."""
    tasks: dict[int, asyncio.Task[None]] = {}
    with ExitStack() as stack, Execution.load(code, history) as run:
        # A cancel request stands behind what it is for, and takes its place here.
        commands: Iterable[Command] = {each.seq: each for each in run.outstanding}.values()
        while not run.closed:
            for command in commands:
                if command.seq in tasks:
                    tasks[command.seq].cancel()
                else:
                    tasks[command.seq] = asyncio.create_task(perform(command, inbox))
                    stack.callback(tasks[command.seq].cancel)
            await asyncio.sleep(0)  # what has just been begun can be cancelled from now on
            turn = run.turn(await inbox.get(), at=time.time_ns() // 1000)
            history.extend(turn.events)
            commands = turn.commands


async def perform(command: Command, inbox: Inbox) -> None:
    if isinstance(command, TimerStarted):
        await asyncio.sleep(command.fire_at / 1e6 - time.time())
        return inbox.put_nowait(FireTimer(seq=command.seq))
    message: Message = ReportActivityCanceled(seq=command.seq)
    try:
        if isinstance(command, ActivityTaskScheduled):
            result = await ACTIVITIES[command.activity_type](*command.input)
            message = CompleteActivity(seq=command.seq, result=encode(result))
    except Exception as error:  # refold.next_attempt would say whether to try again, and when
        message = FailActivity(seq=command.seq, failure=failure_of(error))
    finally:
        inbox.put_nowait(message)


if __name__ == "__main__":
    events, messages = list[HistoryEvent](), Inbox()
    messages.put_nowait(BEGIN)
    messages.put_nowait(ACCEPT)
    asyncio.run(drive(quote, events, messages))
    print(events[-1])
