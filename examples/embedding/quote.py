"""What both loops run: one workflow, which calls its activity by name, and the messages of one run."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from refold import ApplicationError, Signal, Workflow, all_of, execute_activity, first_of, sleep, workflow
from refold.messages import SignalWorkflow, StartWorkflow

accepted = Signal("accepted", str)


def price_of(item: str) -> int:
    """The activity of the plain loop; in earnest it would ask somebody else."""
    return {"tea": 4, "cup": 9}[item]


async def ask_price(item: str) -> int:
    """The same for asyncio."""
    await asyncio.sleep(0.1)
    return price_of(item)


@workflow
def quote(items: list[str]) -> Workflow[str]:
    """Ask for all prices at once, and wait until somebody takes the offer or it lapses."""
    prices = yield from all_of(*[execute_activity("price_of", item, result_type=int) for item in items])
    match (yield from first_of(accepted.receive(), sleep(timedelta(days=30)))):
        case (0, str(customer)):
            return f"{customer} pays {sum(prices)}"
        case _:
            raise ApplicationError(f"nobody pays {sum(prices)}", type="Lapsed")


BEGIN = StartWorkflow(
    workflow_id="quote-1", run_id="r-1", workflow_type=quote.name, input=quote.encode_input(["tea", "cup"])
)
ACCEPT = SignalWorkflow(signal_name=accepted.name, input=accepted.encode("Amina"), request_id="accept-1")
