"""The example workflows, end to end through client and worker, in virtual time, on both stores; and the runnable files as programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from examples import approval as approval_example
from examples import monitored as monitored_example
from examples.orders.activities import ACTIVITIES, connect
from examples.orders.audit import audit
from examples.orders.clerk import outcome_of
from examples.orders.ledger import Ledger
from examples.orders.model import STOCK, Approval, Order, Receipt, Stage
from examples.orders.workflow import approval, process_order, status
from refold import ActivityError, ApplicationError, CancelledError, activity
from refold_adapters import (
    Client,
    ManualClock,
    Store,
    Worker,
    WorkflowFailedError,
    WorkflowHandle,
    open_store,
)

ROOT = Path(__file__).parents[1]
PATIENCE = timedelta(seconds=30)
#: As much as the approver may say yes to, and more than needs no approval.
MACHINES = {"item": "espresso machine", "quantity": 2, "unit_price": Decimal("1299.00")}


class Gate:
    """Where activities wait, each time they would wait for the world, until the test lets one on; open at first.

    Each waits for a pass of its own: with passes for anyone, one that comes round again could take another's.
    """

    def __init__(self) -> None:
        self.shut = False
        self._arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def __call__(self) -> None:
        mine = threading.Event()
        with self._lock:
            if not self.shut:
                return
            self._waiting.append(mine)
        self._arrived.release()
        assert mine.wait(PATIENCE.total_seconds())

    def await_arrivals(self, count: int) -> None:
        for _ in range(count):
            assert self._arrived.acquire(timeout=PATIENCE.total_seconds())

    def let_on(self, count: int) -> None:
        with self._lock:
            for _ in range(count):
                self._waiting.popleft().set()

    def open(self) -> None:
        with self._lock:
            self.shut = False
            while self._waiting:
                self._waiting.popleft().set()


@attrs.define(eq=False)
class Shop:
    """A store in virtual time, a worker on it, a client, and the ledger that the activities write."""

    clock: ManualClock
    store: Store
    client: Client
    ledger: Ledger
    gate: Gate

    def start(self, **changes: object) -> tuple[Order, WorkflowHandle[Receipt]]:
        order = attrs.evolve(
            Order(
                order_id="order-1",
                customer="Amina",
                address="12 High Street",
                item="mug",
                quantity=2,
                unit_price=Decimal("7.50"),
                card="tok_visa",
            ),
            **changes,
        )
        return order, self.client.start(process_order, order, id=order.order_id)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the store to change until something holds."""
        changed = threading.Event()
        unsubscribe = self.store.subscribe(changed.set)
        try:
            while True:
                changed.clear()
                if holds():
                    return
                assert changed.wait(PATIENCE.total_seconds())
        finally:
            unsubscribe()

    def until_stage(self, handle: WorkflowHandle[Receipt], stage: Stage) -> None:
        self.until(lambda: bool(handle.history()[1:]) and handle.query(status) is stage)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.ledger.entries()]

    def check(self, order: Order, handle: WorkflowHandle[Receipt]) -> None:
        """The demo's own audit finds nothing to say."""
        outcomes = [outcome_of(order.order_id, event) for event in handle.history() if event.terminal]
        found = audit({order.order_id: order}, outcomes, self.ledger.entries(), self.ledger.tries(), STOCK)
        assert [] == found


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with closing(open_store(place, clock=ManualClock())) as opened:
        yield opened


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> Iterator[Shop]:
    gate = Gate()
    ledger = Ledger(tmp_path / "ledger.db", STOCK)
    connect(ledger, latency=gate)
    worker = Worker(store, workflows=[process_order], activities=ACTIVITIES, max_concurrent_activities=8)
    worker.start()
    clock = store.clock
    assert isinstance(clock, ManualClock)
    try:
        yield Shop(clock, store, Client(store, workflows=[process_order]), ledger, gate)
    finally:
        gate.open()
        worker.shutdown()
        connect(None)
        ledger.close()


def failure_of(handle: WorkflowHandle[Receipt]) -> ApplicationError:
    """The reason by which an order failed."""
    with pytest.raises(WorkflowFailedError) as failed:
        handle.result(timeout=PATIENCE)
    cause = failed.value.cause
    if isinstance(cause, ActivityError):
        cause = cause.cause
    assert isinstance(cause, ApplicationError)
    return cause


# The order workflow -----------------------------------------------------------------------------------------------------


def test_an_order_goes_through_and_is_charged_and_shipped_once(shop: Shop) -> None:
    order, handle = shop.start()
    receipt = handle.result(timeout=PATIENCE)
    assert ("order-1", Decimal("15.00")) == (receipt.order_id, receipt.charged)
    assert receipt.tracking_number.startswith("TRK")
    assert {"reserve", "charge"} == set(shop.kinds()[:2])
    assert ["ship"] == shop.kinds()[2:]
    assert Stage.COMPLETED is handle.query(status)
    shop.check(order, handle)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": 0}, "the quantity is 0"),
        ({"quantity": -3}, "the quantity is -3"),
        ({"quantity": 10**26}, f"the quantity {10**26} is beyond the limit of 1000"),
        ({"unit_price": Decimal("0.00")}, "the price is 0.00"),
        ({"unit_price": Decimal(-1)}, "the price is -1"),
        ({"item": "unicorn"}, "no such article: 'unicorn'"),
    ],
)
def test_an_order_that_makes_no_sense_fails_with_the_reason_and_touches_nothing(
    shop: Shop, changes: dict[str, object], reason: str
) -> None:
    order, handle = shop.start(**changes)
    failure = failure_of(handle)
    assert ("Invalid", reason) == (failure.type, failure.message)
    assert [] == shop.kinds()
    assert Stage.REJECTED is handle.query(status)
    shop.check(order, handle)


def test_a_declined_card_gives_the_stock_back(shop: Shop) -> None:
    order, handle = shop.start(card="tok_declined")
    failure = failure_of(handle)
    assert ("PaymentDeclined", "the bank declined the card") == (failure.type, failure.message)
    assert {"refund", "release"} <= set(shop.kinds())
    assert Stage.COMPENSATED is handle.query(status)
    shop.check(order, handle)


def test_an_article_that_is_sold_out_gives_the_money_back(shop: Shop) -> None:
    order, handle = shop.start(item="cuckoo clock")
    assert "OutOfStock" == failure_of(handle).type
    shop.check(order, handle)


def test_a_charge_that_is_still_on_its_way_when_the_order_is_undone_is_never_made(shop: Shop) -> None:
    shop.gate.shut = True
    order, handle = shop.start(item="cuckoo clock")
    shop.gate.await_arrivals(1)  # validation
    shop.gate.let_on(1)
    shop.gate.await_arrivals(2)  # both are on their way to the world
    reserving = shop.store.list_tasks(handle.watch()[1])
    assert ["reserve_stock", "take_payment"] == [task.activity_type for task in reserving]
    handle.cancel()
    shop.gate.await_arrivals(1)  # the refund: the cancelled payment is still at the gate
    shop.gate.open()
    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=PATIENCE)
    shop.check(order, handle)


def test_an_order_that_was_approved_is_shipped(shop: Shop) -> None:
    order, handle = shop.start(**MACHINES)
    shop.until_stage(handle, Stage.AWAITING_APPROVAL)
    assert {"reserve", "charge"} == set(shop.kinds())
    handle.signal(approval, Approval(approved=True, approver="Bo"))
    assert Decimal("2598.00") == handle.result(timeout=PATIENCE).charged
    shop.check(order, handle)


def test_an_approval_that_comes_early_is_kept_until_it_is_asked_for(shop: Shop) -> None:
    shop.gate.shut = True
    order, handle = shop.start(**MACHINES)
    shop.gate.await_arrivals(1)
    handle.signal(approval, Approval(approved=True, approver="Bo"))
    shop.gate.open()
    assert "order-1" == handle.result(timeout=PATIENCE).order_id
    shop.check(order, handle)


def test_an_order_that_was_not_approved_is_undone(shop: Shop) -> None:
    order, handle = shop.start(**MACHINES)
    shop.until_stage(handle, Stage.AWAITING_APPROVAL)
    handle.signal(approval, Approval(approved=False, approver="Bo", comment="too dear"))
    failure = failure_of(handle)
    assert ("NotApproved", "Bo declined: too dear") == (failure.type, failure.message)
    assert Stage.COMPENSATED is handle.query(status)
    shop.check(order, handle)


def test_an_order_that_nobody_approves_within_a_day_is_undone_and_not_a_moment_earlier(shop: Shop) -> None:
    order, handle = shop.start(**MACHINES)
    shop.until_stage(handle, Stage.AWAITING_APPROVAL)
    day_us = 24 * 3600 * 1_000_000
    shop.clock.advance(day_us - 1)
    assert Stage.AWAITING_APPROVAL is handle.query(status)
    assert 1 == len(handle.describe().pending_timers)
    shop.clock.advance(1)
    failure = failure_of(handle)
    assert ("ApprovalTimedOut", "no answer within 1 day, 0:00:00") == (failure.type, failure.message)
    shop.check(order, handle)


def test_an_order_that_cannot_be_shipped_is_undone(shop: Shop) -> None:
    order, handle = shop.start(address="Nyrøysa 1\nBOUVET ISLAND")
    failure = failure_of(handle)
    assert ("Undeliverable", "the carrier does not go to Bouvet Island") == (failure.type, failure.message)
    assert {"reserve", "charge", "refund", "release"} == set(shop.kinds())
    shop.check(order, handle)


def test_an_order_that_is_called_off_while_it_waits_for_approval_is_undone(shop: Shop) -> None:
    order, handle = shop.start(**MACHINES)
    shop.until_stage(handle, Stage.AWAITING_APPROVAL)
    handle.cancel()
    with pytest.raises(WorkflowFailedError) as failed:
        handle.result(timeout=PATIENCE)
    assert isinstance(failed.value.cause, CancelledError)
    assert ["refund", "release"] == shop.kinds()[2:]
    assert Stage.COMPENSATED is handle.query(status)
    shop.check(order, handle)


def test_an_order_that_is_called_off_while_it_ships_comes_too_late(shop: Shop) -> None:
    shop.gate.shut = True
    order, handle = shop.start()
    for arrivals in (1, 2, 2):  # validation; reservation and payment, on their ways there and back
        shop.gate.await_arrivals(arrivals)
        shop.gate.let_on(arrivals)
    shop.gate.await_arrivals(1)
    assert Stage.SHIPPING is handle.query(status)
    handle.cancel()
    shop.gate.open()
    assert "order-1" == handle.result(timeout=PATIENCE).order_id
    shop.check(order, handle)


def test_an_order_that_is_called_off_while_it_cannot_be_shipped_is_undone_all_the_same(shop: Shop) -> None:
    shop.gate.shut = True
    order, handle = shop.start(address="Bouvet Island")
    for arrivals in (1, 2, 2):
        shop.gate.await_arrivals(arrivals)
        shop.gate.let_on(arrivals)
    shop.gate.await_arrivals(1)
    handle.cancel()
    shop.gate.open()
    assert "Undeliverable" == failure_of(handle).type
    shop.check(order, handle)


def test_a_payment_provider_that_answers_at_the_third_try_charges_once(shop: Shop) -> None:
    order, handle = shop.start(card="tok_flaky")
    for attempt in (2, 3):
        shop.until(
            lambda attempt=attempt: any(
                task.attempt == attempt for task in handle.describe().pending_activities
            )
        )
        shop.clock.advance(1_000_000)
    handle.result(timeout=PATIENCE)
    assert 1 == shop.kinds().count("charge")
    shop.check(order, handle)


def test_a_charge_whose_reply_was_lost_is_tried_again_under_the_same_key_and_made_once(shop: Shop) -> None:
    order, handle = shop.start(card="tok_lost_reply")
    shop.until(lambda: any(task.attempt == 2 for task in handle.describe().pending_activities))
    shop.clock.advance(1_000_000)
    handle.result(timeout=PATIENCE)
    charges = [(t.key, t.attempt) for t in shop.ledger.tries() if t.kind == "charge"]
    assert [1, 2] == [attempt for _, attempt in charges]
    assert 1 == len({key for key, _ in charges})
    assert 1 == shop.kinds().count("charge")
    shop.check(order, handle)


def test_the_status_query_answers_at_each_stage(shop: Shop) -> None:
    shop.gate.shut = True
    _, handle = shop.start(**MACHINES, address="Bouvet Island")
    seen: list[Stage] = []
    shop.gate.await_arrivals(1)
    seen.append(handle.query(status))
    shop.gate.let_on(1)
    for _ in ("there", "back"):
        shop.gate.await_arrivals(2)
        seen.append(handle.query(status))
        shop.gate.let_on(2)
    shop.until_stage(handle, Stage.AWAITING_APPROVAL)
    handle.signal(approval, Approval(approved=True, approver="Bo"))
    shop.gate.await_arrivals(1)
    seen.append(handle.query(status))
    shop.gate.let_on(1)
    shop.gate.await_arrivals(1)
    seen.append(handle.query(status))
    shop.gate.open()
    failure_of(handle)
    seen.append(handle.query(status))
    expected = [
        Stage.VALIDATING,
        Stage.RESERVING,
        Stage.RESERVING,
        Stage.SHIPPING,
        Stage.COMPENSATING,
        Stage.COMPENSATED,
    ]
    assert expected == seen


# The approval workflow --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            approval_example.Approval(approved=True, approver="Amina"),
            approval_example.ApprovalResult(approval_example.Verdict.APPROVED, "Amina"),
        ),
        (
            approval_example.Approval(approved=False, approver="Bo", comment="too heavy"),
            approval_example.ApprovalResult(approval_example.Verdict.REJECTED, "Bo", "too heavy"),
        ),
        (
            approval_example.Approval(approved=False, approver="Bo"),
            approval_example.ApprovalResult(approval_example.Verdict.REJECTED, "Bo", "no reason given"),
        ),
    ],
)
def test_an_approval_waits_for_its_answer_and_returns_it(
    store: Store, answer: approval_example.Approval, expected: approval_example.ApprovalResult
) -> None:
    client = Client(store, workflows=[approval_example.approve])
    handle = client.start(approval_example.approve, "a desk", id="approval-1")
    worker = Worker(store, workflows=[approval_example.approve])
    worker.start()
    try:
        handle.signal(approval_example.approval, answer)
        assert expected == handle.result(timeout=PATIENCE)
        assert "nothing" == handle.query(approval_example.waiting_for)
    finally:
        worker.shutdown()


# The monitored workflow -------------------------------------------------------------------------------------------------


def test_a_monitored_job_says_how_far_it_is_at_each_part_and_after_its_end(store: Store) -> None:
    gate = Gate()
    gate.shut = True

    @activity(name="count_words")
    def count_words(text: str) -> int:
        gate()
        return len(text.split())

    client = Client(store, workflows=[monitored_example.count_all])
    worker = Worker(store, workflows=[monitored_example.count_all], activities=[count_words])
    worker.start()
    try:
        handle = client.start(monitored_example.count_all, ["a b", "c"], id="monitored-1")
        seen = []
        for _ in range(2):
            gate.await_arrivals(1)
            seen.append(handle.query(monitored_example.status))
            gate.let_on(1)
        assert monitored_example.Output(2, 3) == handle.result(timeout=PATIENCE)
        seen.append(handle.query(monitored_example.status))
    finally:
        gate.open()
        worker.shutdown()
    expected = [("processing part 1 of 2", 0.0), ("processing part 2 of 2", 0.5), ("completed", 1.0)]
    assert expected == [(one.current_state, one.progress) for one in seen]
    assert 1 == len({one.started_at for one in seen})


# As programs ------------------------------------------------------------------------------------------------------------


def run_program(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_the_approval_example_runs_as_a_program() -> None:
    assert [
        "approval-1 waits for a decision on a new desk",
        "approval-1: ApprovalResult(verdict=<Verdict.APPROVED: 'approved'>, approver='Amina', reason='')",
        "approval-2: ApprovalResult(verdict=<Verdict.REJECTED: 'rejected'>, approver='Bo', reason='too heavy')",
    ] == run_program("-m", "examples.approval").splitlines()


def test_the_monitored_example_runs_as_a_program_and_shows_progress() -> None:
    lines = run_program("-m", "examples.monitored").splitlines()
    assert ["100%  completed", "Output(parts=4, words=20)"] == lines[-2:]
    assert any("processing part" in line for line in lines)


HELLO = ROOT / "examples" / "hello.py"


def test_hello_has_at_most_fifteen_lines_of_code() -> None:
    lines = [
        line for line in HELLO.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert len(lines) <= 15


def test_hello_greets_from_an_empty_disk_and_again_from_the_same_store(tmp_path: Path) -> None:
    assert ["Hello, world!\n"] * 2 == [run_program(str(HELLO), cwd=tmp_path) for _ in range(2)]


def test_hello_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, str(HELLO)], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        # The greeting has been made and the timer runs: from here on, only sleeping is left to be done.
        with closing(open_store(str(tmp_path / "hello.db"))) as store:
            await_timer(store, process)
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        assert b"" == process.stdout.read()
    assert "Hello, world!\n" == run_program(str(HELLO), cwd=tmp_path)
    with closing(open_store(str(tmp_path / "hello.db"))) as store:
        client = Client(store)
        runs = list(client.list(workflow_id="hello"))
        names = [type(event).__name__ for event in client.handle("hello").history()]
    assert 1 == len(runs)
    assert 1 == names.count("ActivityTaskScheduled")
    assert "WorkflowExecutionCompleted" == names[-1]


def await_timer(store: Store, process: subprocess.Popen[bytes]) -> None:
    """Wait until another process has started the timer of hello."""
    tick = threading.Event()
    while process.poll() is None:
        run = store.find_run("hello")
        if run is not None and store.list_timers(run.run_id):
            return
        tick.wait(0.005)
    raise AssertionError(f"hello ended too early, with exit code {process.returncode}")
