"""Which function carries out which write."""

from __future__ import annotations

from typing import assert_never

from refold_adapters import ports
from refold_adapters.ports import Outcome, Write
from refold_adapters.ports.outcomes import DONE
from refold_adapters.sql import claims, copies, requests, runs, sessions, tasks, turns
from refold_adapters.sql.transaction import Transaction

#: Writes that change no run but the one they name, and where they change another after all, see to what is foreseen themselves.
_OF_OWN_RUN = (ports.CommitTurn, ports.CreateRun)


def perform(tx: Transaction, write: Write) -> Outcome:
    """Carry out one write, or find that it must not be done.  The frequent ones come first."""
    born, tx.born = tx.born, None
    if tx.foreseen and not isinstance(write, _OF_OWN_RUN):
        tx.foreseen.clear()
    match write:
        case ports.CommitTurn():
            outcome = turns.commit_turn(tx, write, born)
            tx.born = None  # what it did to other runs may have created one, and more
            return outcome
        case ports.ClaimRuns():
            return claims.claim_runs(tx, write)
        case ports.ClaimTasks():
            return claims.claim_tasks(tx, write)
        case ports.CreateRun():
            return runs.create_run(tx, write)
        case ports.AcceptMessage():
            return runs.accept_message(tx, write)
        case ports.FinishTask():
            return tasks.finish_task(tx, write)
        case ports.RetryTask():
            return tasks.retry_task(tx, write)
        case ports.Heartbeat():
            return tasks.heartbeat(tx, write)
        case ports.DetachTask():
            return tasks.detach_task(tx, write)
        case ports.ChangeTask():
            return tasks.change_task(tx, write)
        case ports.ConsumeMessages():
            return turns.consume_messages(tx, write)
        case ports.RenewSession():
            return sessions.renew_session(tx, write)
        case ports.ReleaseRuns():
            return runs.release_runs(tx, write)
        case ports.ParkRun():
            return runs.park_run(tx, write)
        case ports.UnparkRuns():
            return runs.unpark_runs(tx, write)
        case ports.ChangeRun():
            return copies.change_run(tx, write)
        case ports.CopyRun():
            return copies.copy_run(tx, write)
        case ports.DeleteRun():
            return copies.delete_run(tx, write)
        case ports.ExpireRuns():
            return copies.expire_runs(tx, write)
        case ports.Once():
            return _once(tx, write)
        case ports.OpenSession():
            return sessions.open_session(tx, write)
        case ports.CloseSession():
            return sessions.close_session(tx, write)
        case _:
            assert_never(write)


def _once(tx: Transaction, write: ports.Once) -> Outcome:
    answer = requests.find_answer(tx, write.request)
    if answer is not None:
        return ports.Repeated(answer)
    outcome = ports.Done() if write.write is None else perform(tx, write.write)
    if isinstance(outcome, DONE):
        requests.note_request(tx, write)
    return outcome
