"""The world outside: what the payment provider, the warehouse and the carrier remember, in a file refold knows nothing of.

One rule: an entry is made at most once for an idempotency key, and every try is written down, in the same transaction.  So the
audit can tell what happened from how often it was asked for.

Refunding and releasing are final: once an order was refunded, a charge for it that was still on its way is refused.  Without
that, an attempt of a cancelled payment that comes in late would charge a customer whose order has been undone.

It is crash safe by itself: SQLite, a write-ahead log, and ``synchronous=FULL``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Literal

import attrs

Kind = Literal["charge", "refund", "reserve", "release", "ship"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, order_id TEXT NOT NULL, key TEXT NOT NULL,
    item TEXT NOT NULL, quantity INTEGER NOT NULL, amount TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_order ON entries (order_id, kind);
CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key);
CREATE INDEX IF NOT EXISTS entries_by_item ON entries (item);
CREATE TABLE IF NOT EXISTS tries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, order_id TEXT NOT NULL, key TEXT NOT NULL,
    attempt INTEGER NOT NULL, process INTEGER NOT NULL
);
"""


@attrs.frozen(kw_only=True)
class Entry:
    """Something that happened, once."""

    number: int
    kind: Kind
    order_id: str
    key: str
    item: str = ""
    quantity: int = 0
    amount: Decimal = Decimal(0)


@attrs.frozen(kw_only=True)
class Try:
    """Something that was asked for; several with one key are one effect, asked for again."""

    kind: Kind
    order_id: str
    key: str
    attempt: int
    process: int


@attrs.frozen(kw_only=True)
class Caller:
    """Who asks: the idempotency key of the effect, and which attempt of which process this is."""

    key: str
    attempt: int = 1
    process: int = 0


class Refused(Exception):
    """The world said no; ``type`` is the reason by name."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type


class Ledger:
    """The file; may be shared by threads and by processes."""

    def __init__(self, path: str | Path, stock: Mapping[str, int]) -> None:
        self._stock = stock
        self._lock = Lock()
        # Transactions are begun and ended by hand: `isolation_level=None` keeps the module from opening its own.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; what was written is durable already."""
        self._db.close()

    # Payment provider ---------------------------------------------------------------------------------------------

    def charge(self, caller: Caller, order_id: str, amount: Decimal) -> Entry:
        """Charge a card; the same key again gives the first charge, whatever is asked for."""
        with self._transaction(caller, "charge", order_id) as known:
            if known is not None:
                return known
            if self._of_order("refund", order_id):
                raise Refused("AccountClosed", "the order was refunded before this charge came in")
            return self._enter(caller, "charge", order_id, amount=amount)

    def refund(self, caller: Caller, order_id: str) -> Entry:
        """Give back whatever was charged for an order, also if that is nothing, and take no charge for it any more."""
        with self._transaction(caller, "refund", order_id) as known:
            if known is not None:
                return known
            charged = sum((e.amount for e in self._of_order("charge", order_id)), Decimal(0))
            refunded = sum((e.amount for e in self._of_order("refund", order_id)), Decimal(0))
            return self._enter(caller, "refund", order_id, amount=charged - refunded)

    # Warehouse ----------------------------------------------------------------------------------------------------

    def reserve(self, caller: Caller, order_id: str, item: str, quantity: int) -> Entry:
        """Set units aside; refused where there are not enough, or where the order's units were released before."""
        with self._transaction(caller, "reserve", order_id) as known:
            if known is not None:
                return known
            if self._of_order("release", order_id):
                raise Refused(
                    "ReservationClosed", "the order's stock was released before this reservation came in"
                )
            left = self._stock.get(item, 0) - self._held(item)
            if quantity > left:
                raise Refused("OutOfStock", f"{quantity} of {item!r} wanted, {left} left")
            return self._enter(caller, "reserve", order_id, item=item, quantity=quantity)

    def release(self, caller: Caller, order_id: str) -> Entry:
        """Put back whatever is set aside for an order, also if that is nothing, and set nothing aside for it any more."""
        with self._transaction(caller, "release", order_id) as known:
            if known is not None:
                return known
            reserved = self._of_order("reserve", order_id)
            released = sum(e.quantity for e in self._of_order("release", order_id))
            item = reserved[0].item if reserved else ""
            quantity = sum(e.quantity for e in reserved) - released
            return self._enter(caller, "release", order_id, item=item, quantity=quantity)

    # Carrier ------------------------------------------------------------------------------------------------------

    def ship(self, caller: Caller, order_id: str) -> Entry:
        """Send an order's units on their way."""
        with self._transaction(caller, "ship", order_id) as known:
            if known is not None:
                return known
            reserved = self._of_order("reserve", order_id)
            if not reserved or self._of_order("release", order_id):
                raise Refused("NothingReserved", "there is nothing set aside to be shipped")
            return self._enter(caller, "ship", order_id, item=reserved[0].item, quantity=reserved[0].quantity)

    # For the audit ------------------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All that happened, in order."""
        with self._lock:
            return self._select("ORDER BY number")

    def tries(self) -> list[Try]:
        """All that was asked for, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, order_id, key, attempt, process FROM tries ORDER BY number"
            ).fetchall()
        return [Try(kind=k, order_id=o, key=key, attempt=a, process=p) for k, o, key, a, p in rows]

    def count_tries(self) -> int:
        """How much was asked for so far: a measure of progress that refold has no part in."""
        with self._lock:
            row: tuple[int] = self._db.execute("SELECT count(*) FROM tries").fetchone()
        return row[0]

    # Within a transaction -----------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, caller: Caller, kind: Kind, order_id: str) -> Generator[Entry | None, None, None]:
        """Write down the try, whatever becomes of it, and give the entry that its key has already, if any."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute(
                    "INSERT INTO tries (kind, order_id, key, attempt, process) VALUES (?, ?, ?, ?, ?)",
                    (kind, order_id, caller.key, caller.attempt, caller.process),
                )
                known = self._select("WHERE key = ? AND kind = ?", caller.key, kind)
                yield known[0] if known else None
            except Refused:
                self._db.execute("COMMIT")
                raise
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _enter(
        self,
        caller: Caller,
        kind: Kind,
        order_id: str,
        *,
        item: str = "",
        quantity: int = 0,
        amount: Decimal = Decimal(0),
    ) -> Entry:
        cursor = self._db.execute(
            "INSERT INTO entries (kind, order_id, key, item, quantity, amount) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, order_id, caller.key, item, quantity, str(amount)),
        )
        number = cursor.lastrowid or 0
        return Entry(
            number=number,
            kind=kind,
            order_id=order_id,
            key=caller.key,
            item=item,
            quantity=quantity,
            amount=amount,
        )

    def _of_order(self, kind: Kind, order_id: str) -> list[Entry]:
        return self._select("WHERE order_id = ? AND kind = ? ORDER BY number", order_id, kind)

    def _held(self, item: str) -> int:
        row: tuple[int] = self._db.execute(
            "SELECT coalesce(sum(CASE kind WHEN 'reserve' THEN quantity WHEN 'release' THEN -quantity ELSE 0 END), 0)"
            " FROM entries WHERE item = ?",
            (item,),
        ).fetchone()
        return row[0]

    def _select(self, rest: str, *values: str) -> list[Entry]:
        rows = self._db.execute(
            f"SELECT number, kind, order_id, key, item, quantity, amount FROM entries {rest}", values
        )
        return [
            Entry(
                number=n, kind=kind, order_id=order_id, key=key, item=item, quantity=q, amount=Decimal(amount)
            )
            for n, kind, order_id, key, item, q, amount in rows
        ]
