"""What a turn does to other runs: the run that follows its own, children, signals and cancel requests.

One rule: all of it lies in the transaction of the turn, after all else, so nothing here can be lost or done twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from refold_adapters import ports
from refold_adapters.sql.inbox import put_message
from refold_adapters.sql.runs import accept_message, create_run, put_run
from refold_adapters.sql.transaction import Transaction


def _create_next(tx: Transaction, following: ports.NextRun) -> None:
    """Create the run that follows one that was closed."""
    creation = following.creation
    own = () if creation.message is None else (creation.message,)
    inbox = (*own, *following.messages)
    ready_at = max(tx.now, creation.ready_at)
    run_key = put_run(tx, creation, ready_at if inbox else None, len(inbox))
    for number, data in enumerate(inbox, 1):
        put_message(tx, run_key, number, ready_at=ready_at, data=data)


def carry_out(tx: Transaction, write: ports.CommitTurn) -> None:
    """Carry out what a turn does to other runs, and tell its own run what came of it."""
    if write.next is not None or write.relays:
        tx.foreseen.clear()
    if write.next is not None:
        _create_next(tx, write.next)
    relay_all(tx, write.run_id, write.relays)


def relay_all(tx: Transaction, run_id: str, relays: Sequence[ports.Relay]) -> None:
    """Carry out what a run does to others, in order, and tell it what came of it."""
    for relay in relays:
        outcome = (
            create_run(tx, relay.write)
            if isinstance(relay.write, ports.CreateRun)
            else accept_message(tx, relay.write)
        )
        report = relay.done if isinstance(outcome, ports.Created | ports.Accepted) else relay.failed
        if report is not None:
            accept_message(tx, ports.AcceptMessage(workflow_id="", run_id=run_id, data=report))
