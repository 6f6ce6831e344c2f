"""The order book demo: its reader, its ledger, its audit, and the whole of it with real kills."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread

import attrs
import pytest

from examples.orders.audit import PROMISES, Outcome, absorbed, audit
from examples.orders.book import (
    Book,
    Unreadable,
    clean,
    parse_book,
    parse_price,
    parse_quantity,
    read_book,
)
from examples.orders.clerk import Clerk, decide
from examples.orders.crashes import Killer
from examples.orders.ledger import Caller, Entry, Ledger, Refused, Try
from examples.orders.model import Order
from examples.orders.report import table
from examples.orders.workflow import process_order
from refold_adapters import Client, open_store

ROOT = Path(__file__).parents[1]
ORDERS_CSV = ROOT / "examples" / "orders.csv"
HEAD = "order_id,customer,address,item,quantity,unit_price,card"
STOCK = {"mug": 10, "clock": 0}


# The book -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book() -> Book:
    return read_book(ORDERS_CSV)


def rows(*lines: str) -> Book:
    return parse_book(io.StringIO("\n".join((HEAD, *lines)), newline=""))


def test_every_row_of_the_checked_in_book_is_an_order_or_a_rejection(book: Book) -> None:
    assert (246, 22) == (len(book.lines), len(book.rejections))


def test_the_checked_in_book_is_rejected_for_these_reasons(book: Book) -> None:
    expected = {
        "order_id is missing": 1,
        "customer is missing": 2,
        "address is missing": 1,
        "item is missing": 1,
        "quantity is missing": 1,
        "unit_price is missing": 1,
        "card is missing": 1,
        "the quantity ... is not a whole number": 3,
        "the price ... is not an amount": 5,
        "the price ... can be read in two ways": 2,
        "2 columns instead of 7": 1,
        "4 columns instead of 7": 1,
        "8 columns instead of 7": 1,
        "order_id holds a line break or another control character": 1,
    }
    assert expected == Counter(re.sub(r"'.*'", "...", rejection.reason) for rejection in book.rejections)


def test_the_checked_in_book_holds_nine_duplicates_and_five_of_them_are_exact(book: Book) -> None:
    first: dict[str, Order] = {}
    same: list[bool] = []
    for line in book.lines:
        if line.order.order_id in first:
            same.append(first[line.order.order_id] == line.order)
        first.setdefault(line.order.order_id, line.order)
    assert Counter({True: 5, False: 4}) == Counter(same)


def test_a_line_is_numbered_by_where_its_row_begins() -> None:
    book = rows('1,A,"two\nlines",mug,1,2.50,c', "", "2,B,street,mug,1,,c", "3,C,street,mug,1,2.50,c")
    assert [2, 6] == [line.number for line in book.lines]
    assert [5] == [rejection.number for rejection in book.rejections]


def test_rows_without_content_are_no_rows() -> None:
    assert Book([], []) == rows("", ",,,,,,", "  ,\u200b,,,,,")


def test_a_book_with_other_columns_is_refused_as_a_whole() -> None:
    with pytest.raises(Unreadable, match="the first row must be order_id,customer"):
        parse_book(["id,name\n", "1,A\n"])


def test_an_empty_book_is_refused_rather_than_taken_for_no_orders() -> None:
    with pytest.raises(Unreadable, match="the first row must be"):
        parse_book([])


def test_bytes_that_are_not_utf8_reject_their_row_only(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    text = f"\ufeff{HEAD}\n1,J\xfcrgen,street,mug,1,2.50,c\n2,B,street,mug,1,2.50,c\n"
    path.write_bytes(text.encode().replace("\xfc".encode(), b"\xfc"))
    book = read_book(path)
    assert ["2"] == [line.order.order_id for line in book.lines]
    assert ["customer holds bytes that are not UTF-8"] == [rejection.reason for rejection in book.rejections]


def test_a_rejected_id_can_be_printed_whatever_bytes_it_had(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(f"{HEAD}\n\xfc,B,street,mug,1,2.50,c\n".encode("latin-1"))
    assert "\\udcfc" == read_book(path).rejections[0].order_id


def test_a_row_that_csv_itself_refuses_is_a_rejection_and_the_next_row_is_read() -> None:
    book = rows(f"1,{'A' * 200_000},street,mug,1,2.50,c", "2,B,street,mug,1,2.50,c")
    assert ["2"] == [line.order.order_id for line in book.lines]
    assert ["field larger than field limit (131072)"] == [rejection.reason for rejection in book.rejections]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1299", "1299.0"),
        ("1299.00", "1299.00"),
        ("1299,5", "1299.5"),
        ("1,299.00", "1299.00"),
        ("1.299,00", "1299.00"),
        ("1 299,00", "1299.00"),
        ("1\u00a0299,00", "1299.00"),
        ("1'299.00", "1299.00"),
        ("1\u2019299", "1299.0"),
        ("1.234.567,89", "1234567.89"),
        ("1.234.567", "1234567.0"),
        ("EUR 49", "49.0"),
        ("€49,00", "49.00"),
        ("49.00 €", "49.00"),
        ("\uff18\uff19.00", "89.00"),
        ("-12.50", "-12.50"),
        ("0", "0.0"),
    ],
)
def test_a_price_is_read_in_each_of_its_styles(text: str, expected: str) -> None:
    assert Decimal(expected) == parse_price(text)


@pytest.mark.parametrize("text", ["1,299", "1.299", "999,000"])
def test_a_price_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="two ways"):
        parse_price(text)


@pytest.mark.parametrize(
    "text",
    ["free", "NaN", "Infinity", "1e3", "1.299.00", "1,29,900", "1.", ".5", "--1", "7.50 USD", "0x10", "1 2"],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="not an amount"):
        parse_price(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2), ("007", 7), ("\uff12", 2), ("-3", -3), ("0", 0), ("9" * 26, int("9" * 26))],
)
def test_a_quantity_is_a_whole_number_of_any_size(text: str, expected: int) -> None:
    assert expected == parse_quantity(text)


@pytest.mark.parametrize("text", ["two", "1.5", "1e3", "1_000", "+1", "9" * 41, "½"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="not a whole number"):
        parse_quantity(text)


def test_a_cell_is_stripped_of_what_hides_in_it_and_keeps_what_is_part_of_the_name() -> None:
    assert "ORD-1" == clean("\ufeff\u00a0ORD-1\u200b ")
    assert "Zoë" == clean("Zoe\u0308")
    assert "می\u200cروم" == clean(" می\u200cروم ")


# The ledger -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db", STOCK)
    yield opened
    opened.close()


def test_charging_twice_with_one_key_gives_the_first_charge_and_writes_both_tries_down(
    ledger: Ledger,
) -> None:
    first = ledger.charge(Caller(key="k"), "1", Decimal("7.50"))
    again = ledger.charge(Caller(key="k", attempt=2), "1", Decimal("99.00"))
    assert first == again
    assert [first] == ledger.entries()
    assert [("k", 1), ("k", 2)] == [(t.key, t.attempt) for t in ledger.tries()]
    assert (1, 0) == absorbed(ledger.tries())


def test_charging_with_another_key_is_another_charge(ledger: Ledger) -> None:
    ledger.charge(Caller(key="k"), "1", Decimal("7.50"))
    ledger.charge(Caller(key="l"), "1", Decimal("7.50"))
    assert ["k", "l"] == [entry.key for entry in ledger.entries()]


def test_two_processes_that_charge_at_once_with_one_key_charge_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledgers = [Ledger(path, STOCK) for _ in range(4)]
    threads = [
        Thread(target=one.charge, args=(Caller(key="k"), "1", Decimal(5)))
        for one in ledgers
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (1, 12) == (len(ledgers[0].entries()), ledgers[0].count_tries())
    for one in ledgers:
        one.close()


def test_a_refund_gives_back_what_was_charged_and_no_more_the_second_time(ledger: Ledger) -> None:
    ledger.charge(Caller(key="k"), "1", Decimal("7.50"))
    refunds = [ledger.refund(Caller(key=key), "1").amount for key in ("r", "r", "s")]
    assert [Decimal("7.50"), Decimal("7.50"), Decimal("0.00")] == refunds
    assert ["charge", "refund", "refund"] == [entry.kind for entry in ledger.entries()]


def test_a_charge_that_comes_in_after_the_refund_is_refused_and_its_try_is_kept(ledger: Ledger) -> None:
    ledger.refund(Caller(key="r"), "1")
    with pytest.raises(Refused, match="refunded before") as refused:
        ledger.charge(Caller(key="k"), "1", Decimal("7.50"))
    assert "AccountClosed" == refused.value.type
    assert ["refund", "charge"] == [t.kind for t in ledger.tries()]
    assert ["refund"] == [entry.kind for entry in ledger.entries()]


def test_stock_is_never_oversold_and_comes_back_when_released(ledger: Ledger) -> None:
    ledger.reserve(Caller(key="a"), "1", "mug", 8)
    with pytest.raises(Refused, match="2 left"):
        ledger.reserve(Caller(key="b"), "2", "mug", 3)
    assert 8 == ledger.release(Caller(key="c"), "1").quantity
    assert 10 == ledger.reserve(Caller(key="d"), "3", "mug", 10).quantity


def test_a_reservation_that_comes_in_after_the_release_is_refused(ledger: Ledger) -> None:
    assert 0 == ledger.release(Caller(key="a"), "1").quantity
    with pytest.raises(Refused, match="released before"):
        ledger.reserve(Caller(key="b"), "1", "mug", 1)


def test_nothing_is_shipped_that_is_not_set_aside(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="nothing set aside"):
        ledger.ship(Caller(key="a"), "1")
    ledger.reserve(Caller(key="b"), "1", "mug", 2)
    assert 2 == ledger.ship(Caller(key="c"), "1").quantity


_CHARGE_UNTIL_KILLED = """
import sys
from decimal import Decimal
from examples.orders.clerk import Clerk, decide
from examples.orders.crashes import Killer
from examples.orders.ledger import Caller, Ledger
ledger = Ledger(sys.argv[1], {})
for number in range(1_000_000):
    ledger.charge(Caller(key=f"k{number}"), str(number), Decimal(number))
    print(number, flush=True)
"""


def test_a_ledger_whose_process_was_killed_holds_everything_that_it_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-c", _CHARGE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "25\n":
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        confirmed = 25 + len(process.stdout.readlines())
    assert -signal.SIGKILL == process.returncode
    ledger = Ledger(path, {})
    keys = [entry.key for entry in ledger.entries()]
    tries = ledger.count_tries()
    ledger.close()
    # The last one may have been made and not yet confirmed; each entry has its try, as they share a transaction.
    assert len(keys) - (confirmed + 1) in (0, 1)
    assert [f"k{number}" for number in range(len(keys))] == keys
    assert len(keys) == tries


# The audit ------------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Day:
    """A day on which all went well: one order completed, one undone, one invalid; to be spoilt by a test."""

    orders: dict[str, Order]
    outcomes: list[Outcome]
    entries: list[Entry]

    def findings(self) -> list[tuple[str, str]]:
        tries = [Try(kind=e.kind, order_id=e.order_id, key=e.key, attempt=1, process=1) for e in self.entries]
        found = audit(self.orders, self.outcomes, self.entries, tries, STOCK)
        return [(violation.rule, violation.order_id) for violation in found]

    def drop(self, kind: str, order_id: str) -> None:
        self.entries = [e for e in self.entries if (e.kind, e.order_id) != (kind, order_id)]

    def repeat(self, kind: str, order_id: str, /, **changes: object) -> None:
        entry = next(e for e in self.entries if (e.kind, e.order_id) == (kind, order_id))
        self.entries.append(attrs.evolve(entry, number=len(self.entries) + 1, **changes))


def order(order_id: str, quantity: int = 2) -> Order:
    return Order(
        order_id=order_id,
        customer="A",
        address="street",
        item="mug",
        quantity=quantity,
        unit_price=Decimal("7.50"),
        card="c",
    )


@pytest.fixture
def day(ledger: Ledger) -> Day:
    for order_id in ("good", "undone"):
        ledger.reserve(Caller(key=f"{order_id}/1"), order_id, "mug", 2)
        ledger.charge(Caller(key=f"{order_id}/2"), order_id, Decimal("15.00"))
    ledger.ship(Caller(key="good/3"), "good")
    ledger.refund(Caller(key="undone/3"), "undone")
    ledger.release(Caller(key="undone/4"), "undone")
    outcomes = [
        Outcome("good", "COMPLETED"),
        Outcome("undone", "FAILED"),
        Outcome("bad", "FAILED", "Invalid", "why"),
    ]
    return Day(
        {"good": order("good"), "undone": order("undone"), "bad": order("bad", 0)}, outcomes, ledger.entries()
    )


def test_an_honest_day_passes_the_audit(day: Day) -> None:
    assert [] == day.findings()


def test_the_audit_finds_a_lost_order(day: Day) -> None:
    del day.outcomes[1]
    assert [("lost order", "undone")] == day.findings()


def test_the_audit_finds_an_order_without_an_end(day: Day) -> None:
    day.outcomes[1] = Outcome("undone", "RUNNING")
    assert [("no outcome", "undone")] == day.findings()


def test_the_audit_finds_two_outcomes(day: Day) -> None:
    day.outcomes.append(Outcome("good", "FAILED"))
    assert [("two outcomes", "good")] == day.findings()


def test_the_audit_finds_a_run_that_nobody_started(day: Day) -> None:
    day.outcomes.append(Outcome("stranger", "COMPLETED"))
    assert [("unknown order", "stranger")] == day.findings()


def test_the_audit_finds_an_effect_for_an_order_that_nobody_started(day: Day) -> None:
    day.repeat("charge", "good", order_id="stranger", key="stranger/1")
    assert [("unknown order", "stranger")] == day.findings()


def test_the_audit_finds_a_key_that_was_charged_twice(day: Day) -> None:
    day.repeat("charge", "good")
    assert [("wrong charge", "good"), ("key used twice", "good")] == day.findings()


def test_the_audit_finds_a_key_that_was_charged_twice_also_where_the_sums_agree(day: Day) -> None:
    day.repeat("charge", "undone")
    day.repeat("refund", "undone", key="undone/5")
    assert [("key used twice", "undone")] == day.findings()


def test_the_audit_finds_a_second_charge_under_another_key(day: Day) -> None:
    day.repeat("charge", "good", key="good/9")
    assert [("wrong charge", "good")] == day.findings()


def test_the_audit_finds_a_second_charge_that_was_refunded_on_a_completed_order(day: Day) -> None:
    day.repeat("charge", "good", key="good/9")
    day.repeat("charge", "good", key="good/10", kind="refund")
    assert [("wrong charge", "good")] == day.findings()


def test_the_audit_finds_a_completed_order_that_was_never_charged(day: Day) -> None:
    day.drop("charge", "good")
    assert [("wrong charge", "good")] == day.findings()


def test_the_audit_finds_a_completed_order_that_was_not_shipped(day: Day) -> None:
    day.drop("ship", "good")
    assert [("wrong shipment", "good")] == day.findings()


def test_the_audit_finds_a_completed_order_that_was_shipped_twice(day: Day) -> None:
    day.repeat("ship", "good", key="good/9")
    assert [("wrong shipment", "good")] == day.findings()


def test_the_audit_finds_a_completed_order_whose_stock_was_released(day: Day) -> None:
    day.repeat("reserve", "good", kind="release", key="good/9")
    assert [("wrong stock", "good")] == day.findings()


def test_the_audit_finds_a_missing_refund(day: Day) -> None:
    day.drop("refund", "undone")
    assert [("money kept", "undone")] == day.findings()


def test_the_audit_finds_a_missing_release(day: Day) -> None:
    day.drop("release", "undone")
    assert [("stock not given back", "undone")] == day.findings()


def test_the_audit_finds_an_undone_order_that_was_shipped(day: Day) -> None:
    day.repeat("reserve", "undone", kind="ship", key="undone/9")
    assert [("shipped in vain", "undone")] == day.findings()


def test_the_audit_finds_an_invalid_order_that_was_acted_upon(day: Day) -> None:
    day.repeat("charge", "good", order_id="bad", key="bad/1", amount=Decimal(0))
    assert [("invalid order acted upon", "bad")] == day.findings()


def test_the_audit_finds_stock_that_was_sold_and_not_there(day: Day) -> None:
    day.orders["big"] = order("big", 9)
    day.outcomes.append(Outcome("big", "COMPLETED"))
    day.repeat("reserve", "good", order_id="big", key="big/1", quantity=9)
    day.repeat("charge", "good", order_id="big", key="big/2", amount=Decimal("67.50"))
    day.repeat("ship", "good", order_id="big", key="big/3", quantity=9)
    assert [("oversold", "big")] == day.findings()


def test_the_audit_finds_an_effect_that_nobody_asked_for(day: Day) -> None:
    tries = [Try(kind=e.kind, order_id=e.order_id, key=e.key, attempt=1, process=1) for e in day.entries[1:]]
    found = audit(day.orders, day.outcomes, day.entries, tries, STOCK)
    assert [("unasked effect", "good")] == [(violation.rule, violation.order_id) for violation in found]


def test_the_approval_window_is_part_of_the_order() -> None:
    book = parse_book([f"{HEAD}\n", "1,A,street,mug,1,2.50,c\n"], approval_window=timedelta(seconds=3))
    assert [timedelta(seconds=3)] == [line.order.approval_window for line in book.lines]


# The shop ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk() -> Iterator[Clerk]:
    with closing(open_store("memory:")) as store:
        yield Clerk(Client(store, workflows=[process_order]))


def test_the_checked_in_book_becomes_237_orders_and_31_rejections_each_with_a_reason(
    clerk: Clerk, book: Book
) -> None:
    clerk.take_in(book)
    assert (237, 31) == (len(clerk.orders), len(clerk.rejections))
    assert [] == [rejection for rejection in clerk.rejections if not rejection.reason]
    assert clerk.orders.keys() == clerk.open_orders()


def test_a_duplicate_is_refused_by_the_store_and_the_reason_says_whether_it_was_the_same(
    clerk: Clerk,
) -> None:
    clerk.take_in(rows("1,A,street,mug,1,2.50,c", "1 ,A,street,mug,1,2.5,c", "1,A,street,mug,2,2.50,c"))
    expected = ["already started: line 2, the same again", "already started: line 2, with other contents"]
    assert expected == [rejection.reason for rejection in clerk.rejections]
    assert 1 == clerk.orders["1"].quantity


def test_a_duplicate_is_refused_also_when_the_first_has_ended(clerk: Clerk) -> None:
    clerk.take_in(rows("1,A,street,mug,1,2.50,c"))
    clerk.client.handle("1").terminate("done with")
    clerk.take_in(rows("1,A,street,mug,1,2.50,c"))
    assert ["already started: line ?, the same again"] == [rejection.reason for rejection in clerk.rejections]


def test_an_id_that_refold_does_not_take_is_a_rejection(clerk: Clerk) -> None:
    clerk.take_in(rows(f"{'9' * 2000},A,street,mug,1,2.50,c"))
    assert {} == clerk.orders
    assert clerk.rejections[0].reason.startswith("refused by refold: the workflow id is not acceptable")


def test_an_order_that_is_still_open_says_what_it_waits_for(clerk: Clerk) -> None:
    clerk.take_in(rows("1,A,street,mug,1,2.50,c"))
    assert "waits for no activity, 0 timers; 1 messages are still to be taken" == clerk.why_open("1")


@pytest.mark.parametrize(
    ("item", "quantity", "expected"),
    [("mug", 200, True), ("desk", 700, False), ("server rack", 200, None)],
)
def test_the_manager_says_yes_or_no_or_nothing(item: str, quantity: int, expected: bool | None) -> None:
    answer = decide(attrs.evolve(order("1", quantity), item=item))
    assert expected == (None if answer is None else answer.approved)


def test_every_violation_belongs_to_a_promise() -> None:
    source = (ROOT / "examples" / "orders" / "audit.py").read_text()
    rules = set(re.findall(r'Violation\(\s*"([^"]+)"', source))
    assert rules == set().union(*PROMISES.values())


def test_kills_are_drawn_by_seed_within_the_first_three_quarters_of_the_work() -> None:
    plans = [Killer.plan(6, 700, random.Random(seed)) for seed in (1, 1, 2)]
    due = [next(tries for tries in range(700) if plan.is_due(tries)) for plan in plans]
    assert due[0] == due[1] != due[2]
    assert not Killer.plan(1, 8, random.Random(1)).is_due(0)
    assert Killer.plan(1, 8, random.Random(1)).is_due(6)


def test_a_table_is_printed_in_plain_columns_where_rich_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    table("Outcomes", ["outcome", "orders"], [("completed", 12), ("[red]failed", 3)])
    expected = (
        "\nOutcomes\noutcome      orders\n-----------  ------\ncompleted        12\n[red]failed       3\n"
    )
    assert expected == capsys.readouterr().out


def test_a_table_takes_what_comes_from_outside_as_text_and_not_as_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table("Outcomes", ["reason"], [("[red]no[/red]",)])
    assert "[red]no[/red]" in capsys.readouterr().out


# The whole of it --------------------------------------------------------------------------------------------------------


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.demo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_the_demo_kills_its_worker_and_every_promise_is_kept(tmp_path: Path) -> None:
    done = run_demo(str(tmp_path), "--limit", "30", "--kills", "2", "--seed", "7", "--approval-window", "2")
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert 2 == len(re.findall(r"kill -9 number \d: [1-9]\d* orders open", done.stdout))
    assert "30 orders, 2 times kill -9" in done.stdout
    assert "none happened twice" in done.stdout
    assert "VIOLATION" not in done.stdout
    ledger = Ledger(tmp_path / "ledger.db", {})
    processes = {one.process for one in ledger.tries()}
    ledger.close()
    assert 3 == len(processes)


def test_the_demo_exits_with_1_if_a_promise_is_broken(tmp_path: Path) -> None:
    done = run_demo(str(tmp_path), "--limit", "0", "--kills", "1", "--seed", "7")
    assert 1 == done.returncode
    assert "VIOLATION too few kills: '': 0 of 1 kills met an order in flight" in done.stdout
    assert "FAILED in" in done.stdout


def test_the_demo_refuses_a_directory_with_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("here")
    done = run_demo(str(tmp_path))
    assert (2, "") == (done.returncode, done.stdout)
    assert "is not empty" in done.stderr
