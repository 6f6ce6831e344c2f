"""An order book that survives ``kill -9``: ``make demo``, or ``python -m examples.demo --help``.

This process is the shop: it starts all orders, answers approvals, and calls some orders off.  The worker is another process,
which is killed without warning, again and again, and started anew.  In the end, what refold says of the orders is compared with
what the outside world remembers: a ledger that the activities write, and that refold knows nothing of.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import attrs

from examples.orders.audit import PROMISES, Outcome, Violation, absorbed, audit
from examples.orders.book import Book, read_book
from examples.orders.clerk import Clerk
from examples.orders.crashes import Kill, Killer, WorkerProcess
from examples.orders.ledger import Entry, Kind, Ledger
from examples.orders.model import STOCK
from examples.orders.report import Progress, table
from examples.orders.worker import LEDGER_FILE, ORDERS_FILE
from examples.orders.workflow import process_order
from refold_adapters import Client, open_store

#: The whole of it must have ended by then.
SECONDS_MAX = 85.0
#: Effects that an order which goes through asks for: reserve, charge, ship.
EFFECTS = 3


@attrs.define(eq=False)
class Demo:
    """One run of the demo."""

    options: argparse.Namespace
    clerk: Clerk
    ledger: Ledger
    worker: WorkerProcess
    rng: random.Random
    progress: Progress = attrs.field(factory=Progress)
    began: float = attrs.field(factory=time.monotonic)

    def process(self, book: Book) -> Killer:
        """Start everything, and go on until no order is open; the killer tells of its kills."""
        rows = len(book.lines) + len(book.rejections)
        self.clerk.take_in(book)
        self.progress.say(
            f"{rows} rows: {len(self.clerk.orders)} orders started, {len(self.clerk.rejections)} rows rejected"
        )
        work = EFFECTS * len(self.clerk.orders)
        killer = Killer.plan(self.options.kills, work, self.rng)
        call_offs = sorted(self.rng.sample(range(work // 2), min(self.options.cancellations, work // 2)))
        next_answers = 0.0
        self.worker.start()
        while open_orders := self.clerk.open_orders():
            tries = self.ledger.count_tries()
            self.progress.show(
                f"{len(open_orders)} orders open, {tries} effects asked for, {len(killer.kills)} kills"
            )
            if self._seconds() > SECONDS_MAX:
                for order_id in sorted(open_orders)[:5]:
                    self.progress.say(
                        f"out of time: {order_id!r} is still open, {self.clerk.why_open(order_id)}"
                    )
                break
            if (code := self.worker.died()) is not None:
                self.progress.say(
                    f"the worker ended by itself with exit code {code}:\n{self.worker.last_words()}"
                )
                break
            if killer.is_due(tries):
                self._kill(killer)
            while call_offs and tries >= call_offs[0]:
                call_offs.pop(0)
                self.clerk.call_off(self.rng)
            if self._seconds() >= next_answers:
                self.clerk.answer_approvals()
                next_answers = self._seconds() + 0.2
            time.sleep(0.05)
        return killer

    def _kill(self, killer: Killer) -> None:
        kill = killer.strike(self.worker, self._left_behind)
        self.progress.say(
            f"{kill.seconds:5.1f} s  kill -9 number {len(killer.kills)}:"
            f" {kill.orders_open} orders open, {kill.orders_half_done} of them half done"
        )

    def _left_behind(self) -> Kill:
        open_orders = self.clerk.open_orders()
        half_done = open_orders & {entry.order_id for entry in self.ledger.entries()}
        return Kill(self._seconds(), self.ledger.count_tries(), len(open_orders), len(half_done))

    def _seconds(self) -> float:
        return time.monotonic() - self.began


def check(
    demo: Demo, killer: Killer, rows: int, outcomes: Sequence[Outcome], worker_exit: int | None
) -> list[Violation]:
    """All that went wrong, in the books and in the demo itself."""
    entries, tries = demo.ledger.entries(), demo.ledger.tries()
    found = audit(demo.clerk.orders, outcomes, entries, tries, STOCK)
    if rows != len(demo.clerk.orders) + len(demo.clerk.rejections):
        found.append(Violation("row lost", "", f"{rows} rows, {len(demo.clerk.orders)} orders"))
    found += [
        Violation("row without a reason", rejection.order_id, f"line {rejection.number}")
        for rejection in demo.clerk.rejections
        if not rejection.reason
    ]
    struck = sum(1 for kill in killer.kills if kill.orders_open)
    if struck < demo.options.kills:
        text = f"{struck} of {demo.options.kills} kills met an order in flight"
        found.append(Violation("too few kills", "", text))
    if worker_exit != 0:
        found.append(Violation("worker did not end in order", "", f"its exit code is {worker_exit}"))
    return found


def show(demo: Demo, killer: Killer, outcomes: Sequence[Outcome], found: Sequence[Violation]) -> None:
    """The tables, and the verdict."""
    entries, tries = demo.ledger.entries(), demo.ledger.tries()
    table(
        "Rows that became no order",
        ["line", "order id", "reason"],
        [(r.number, r.order_id, r.reason) for r in sorted(demo.clerk.rejections, key=lambda r: r.number)],
    )
    names = {
        o.order_id: "completed" if o.status == "COMPLETED" else f"{o.status.lower()}: {o.type}"
        for o in outcomes
    }
    table(
        "Outcomes, beside the ledger outside refold",
        ["outcome", "orders", "charged", "refunded", "units reserved", "units released", "parcels"],
        [_outcome_row(name, count, names, entries) for name, count in Counter(names.values()).most_common()],
    )
    rules = PROMISES | {
        "every row became an order or was rejected with a reason": frozenset(
            {"row lost", "row without a reason"}
        ),
        f"the worker was killed {demo.options.kills} times with orders in flight": frozenset(
            {"too few kills"}
        ),
        "the last worker ended in order when it was told to": frozenset({"worker did not end in order"}),
    }
    broken = {violation.rule for violation in found}
    table(
        "Promises", ["promise", "kept"], [(text, "no" if rules[text] & broken else "yes") for text in rules]
    )
    for violation in found[:20]:
        print(f"VIOLATION {violation.rule}: {violation.order_id!r}: {violation.text}")
    half_done = sum(kill.orders_half_done for kill in killer.kills)
    print(
        f"\n{len(demo.clerk.orders)} orders, {len(killer.kills)} times kill -9 (with {half_done} orders half done, counted at each),"
        f" {demo.clerk.approvals} approvals answered, {demo.clerk.cancellations} orders called off"
    )
    repeated, by_kills = absorbed(tries)
    print(
        f"{len(entries)} effects happened and were asked for {len(tries)} times: {repeated} of them more than once,"
        f" {by_kills} of these because the worker was killed; none happened twice"
        if not found
        else f"{len(entries)} effects happened and were asked for {len(tries)} times"
    )
    seconds = time.monotonic() - demo.began
    print(f"{'FAILED' if found else 'OK'} in {seconds:.1f} s; repeat with --seed {demo.options.seed}")


def _outcome_row(
    name: str, count: int, names: dict[str, str], entries: Sequence[Entry]
) -> tuple[object, ...]:
    mine = [entry for entry in entries if names.get(entry.order_id) == name]

    def money(kind: Kind) -> Decimal:
        return sum((entry.amount for entry in mine if entry.kind == kind), Decimal("0.00"))

    def units(kind: Kind) -> int:
        return sum(entry.quantity for entry in mine if entry.kind == kind)

    parcels = sum(1 for entry in mine if entry.kind == "ship")
    return name, count, money("charge"), money("refund"), units("reserve"), units("release"), parcels


def run(options: argparse.Namespace, directory: Path) -> int:
    """The whole demo in a directory; 0 if every promise was kept."""
    print(f"seed {options.seed}, {options.kills} kills, files in {directory}")
    window = timedelta(seconds=options.approval_window)
    print(f"an approval that nobody gives is waited for {window.total_seconds():g} s here instead of a day")
    book = read_book(options.book, approval_window=window)
    if options.limit is not None:
        book = Book(book.lines[: options.limit], book.rejections[: options.limit])
    arguments = [str(directory), "--latency", str(options.latency)]
    with (
        closing(open_store(directory / ORDERS_FILE)) as store,
        closing(Ledger(directory / LEDGER_FILE, STOCK)) as ledger,
        closing(WorkerProcess(arguments, directory / "worker.log")) as worker,
    ):
        clerk = Clerk(Client(store, workflows=[process_order], identity="shop"))
        demo = Demo(options, clerk, ledger, worker, random.Random(options.seed))
        killer = demo.process(book)
        worker_exit = worker.stop(seconds=10)
        outcomes = clerk.outcomes()
        found = check(demo, killer, len(book.lines) + len(book.rejections), outcomes, worker_exit)
        demo.progress.say("")
        show(demo, killer, outcomes, found)
    return 1 if found else 0


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="An order book that survives kill -9."
    )
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        help="a new directory to keep the files in (default: a temporary one)",
    )
    parser.add_argument(
        "--book", type=Path, default=Path(__file__).with_name("orders.csv"), help="the orders, as CSV"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of all random choices"
    )
    parser.add_argument(
        "--kills", type=int, default=6, help="how often the worker is killed (default: %(default)s)"
    )
    parser.add_argument(
        "--cancellations", type=int, default=5, help="orders that are called off (default: %(default)s)"
    )
    parser.add_argument("--limit", type=int, help="take only so many orders from the book")
    parser.add_argument(
        "--latency", type=float, default=0.06, help="seconds a request takes each way (default: %(default)s)"
    )
    parser.add_argument(
        "--approval-window", type=float, default=6.0, help="seconds, instead of a day (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def main() -> int:
    """Run the demo; the exit code is 1 if any promise was broken."""
    options = parse_options()
    # The names are in more scripts than some terminals know.
    cast("io.TextIOWrapper[io.BytesIO]", sys.stdout).reconfigure(errors="backslashreplace")
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
        if any(options.directory.iterdir()):
            print(
                f"{options.directory} is not empty: the demo begins with an empty ledger, give it a new directory",
                file=sys.stderr,
            )
            return 2
        return run(options, options.directory)
    directory = Path(tempfile.mkdtemp(prefix="refold-demo-"))
    exit_code = run(options, directory)
    if exit_code == 0:
        shutil.rmtree(directory)
    else:
        print(f"the files are kept in {directory}")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
