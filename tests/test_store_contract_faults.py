"""The contract notices what a store may do wrong: each fault, planted in the memory store, fails a case."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from refold_adapters import open_store
from refold_adapters.contract import StoreContract
from refold_adapters.memory import claims, copies, matching, tasks, writes
from refold_adapters.memory.state import Run, State
from refold_adapters.memory.store import MemoryStore
from refold_adapters.ports import Clock, Store


class Contract(StoreContract):
    def make_store(self, clock: Clock) -> Store:
        return open_store("memory:", clock)


@attrs.frozen
class Fault:
    """A function of the store, what is wrong in it, and a case that fails for it."""

    where: Callable[..., Any] = attrs.field(repr=False)
    right: str
    wrong: str
    case: str


FAULTS = (
    Fault(
        writes.refused_turn,
        "if write.token and write.token not in state.sessions:",
        "if False:",
        "test_every_write_of_a_session_that_ended_is_refused_whole",
    ),
    Fault(
        writes.refused_turn,
        "if write.token and run.owner not in (0, write.token):",
        "if False:",
        "test_a_session_writes_to_no_run_of_another",
    ),
    Fault(
        writes.refused_turn,
        "turn != write.turn - 1 or",
        "turn < write.turn - 1 or",
        "test_a_turn_whose_reply_was_lost_may_be_repeated",
    ),
    Fault(
        writes.refused_turn,
        "if write.closing is not None:",
        "if False:",
        "test_a_turn_that_has_not_seen_all_messages_leaves_nothing_behind",
    ),
    Fault(
        tasks._held_task,
        "task.attempt != write.attempt or",
        "",
        "test_somebody_outside_needs_the_present_attempt_too",
    ),
    Fault(
        tasks._held_task,
        "or write.token not in (0, task.owner)",
        "",
        "test_a_session_writes_to_no_task_of_another",
    ),
    Fault(
        State.remove_run,
        "self.tombstones[run.run_id] =",
        "_ =",
        "test_a_late_start_of_a_removed_run_creates_nothing",
    ),
    Fault(
        copies.expire_runs,
        "(run.closed_at, run.order, run)",
        "(run.closed_at, -run.order, run)",
        "test_of_runs_closed_at_once_the_one_created_first_goes_first",
    ),
    Fault(
        MemoryStore.list_runs,
        "key=lambda run: (run.started_at, run.run_id)",
        "key=lambda run: run.started_at",
        "test_runs_of_one_moment_are_ordered_by_id",
    ),
    Fault(
        State.settle,
        "if run.paused_at is not None else",
        "if False else",
        "test_a_paused_run_is_claimed_for_nothing_but_its_deadline",
    ),
    Fault(
        State.put_task,
        "and run.paused_at is None",
        "",
        "test_tasks_that_a_turn_creates_in_a_paused_run_are_not_claimed",
    ),
    Fault(
        claims.claim_runs,
        "and (run.build_id is None or run.build_id in write.builds)",
        "",
        "test_a_run_of_a_build_is_given_to_nobody_who_does_not_serve_it",
    ),
    Fault(claims.next_due_at, "if its_build and", "if", "test_a_run_of_another_build_is_not_due"),
    Fault(
        claims.claim_runs,
        "claimable.sort(key=lambda run: run.takeovers)",
        "pass",
        "test_runs_that_killed_fewer_workers_come_first",
    ),
    Fault(
        claims._expel_the_dead,
        "session.expires_at <= now",
        "session.expires_at < now",
        "test_a_lease_ends_at_its_very_end",
    ),
    Fault(
        writes.accept_message,
        "    state.settle(run)\n",
        "    state.changes += 1\n",
        "test_the_longest_ready_run_comes_first",
    ),
    Fault(
        writes.commit_turn,
        "    for each in write.relays:\n        relay(state, run, now, each)\n",
        "",
        "test_a_message_is_delivered_with_the_turn_and_its_sender_is_told",
    ),
    Fault(
        writes._create_next,
        "for data in (*own, *following.messages):",
        "for data in ():",
        "test_the_run_that_follows_is_created_in_the_commit_that_closes_its_forerunner",
    ),
    Fault(
        writes._close,
        "    run.timers.clear()\n",
        "",
        "test_closing_deletes_tasks_timers_and_inbox",
    ),
    Fault(
        writes.accept_message,
        "if write.request_id and any(",
        "if False and any(",
        "test_a_request_that_the_inbox_holds_is_accepted_without_effect",
    ),
    Fault(
        copies.copy_run,
        "if refusal is not None and",
        "if False and",
        "test_a_copy_that_is_refused_leaves_nothing_behind",
    ),
    Fault(
        State.heir_of,
        "seq <= last and",
        "",
        "test_a_copy_takes_the_answers_to_the_commands_that_it_has",
    ),
    Fault(
        matching.holds,
        "if isinstance(value, str) == text",
        "",
        "test_a_text_stands_in_no_relation_to_a_number",
    ),
    Fault(
        State.end_session,
        "self.put_task(run, _given_up(task, now))",
        "pass",
        "test_tasks_of_a_dead_session_are_claimed_for_the_next_attempt",
    ),
    Fault(
        Run.put_message,
        "self.last_message += 1",
        "self.last_message = 1 + max(self.inbox, default=0)",
        "test_a_message_id_is_never_given_twice",
    ),
    Fault(
        MemoryStore.apply,
        "self._subscribers.call()",
        "pass",
        "test_subscribers_are_called_after_a_commit",
    ),
)


@contextmanager
def planted(fault: Fault) -> Generator[None]:
    """The store with a fault in it."""
    source = textwrap.dedent(inspect.getsource(fault.where))
    assert fault.right in source
    names: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n" + source.replace(fault.right, fault.wrong),
        dict(fault.where.__globals__),
        names,
    )
    code = fault.where.__code__
    fault.where.__code__ = names[fault.where.__name__].__code__  # type: ignore[attr-defined]
    try:
        yield
    finally:
        fault.where.__code__ = code  # type: ignore[attr-defined]


def run_case(name: str) -> None:
    contract = Contract()
    contract.setup_method()
    try:
        getattr(contract, name)()
    finally:
        contract.teardown_method()


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{fault.where.__name__}: {fault.right.strip()[:40]}"
)
def test_a_fault_in_the_store_fails_a_case_of_the_contract(fault: Fault):
    with planted(fault), pytest.raises((AssertionError, TypeError, KeyError, ValueError)):
        run_case(fault.case)
    run_case(fault.case)
