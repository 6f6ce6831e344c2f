"""Requests that were carried out, for those who ask again.

One rule: a request is noted in the transaction that carries it out.
"""

from __future__ import annotations

from refold_adapters.ports import Once
from refold_adapters.sql.transaction import Transaction

_FIND = "SELECT answer FROM requests WHERE request = ?"
_NOTE = "INSERT INTO requests (request, answer, noted_at) VALUES (?, ?, ?)"
_FORGET = "DELETE FROM requests WHERE noted_at <= ?"


def find_answer(tx: Transaction, request: str) -> bytes | None:
    """What was noted of a request, if it was carried out."""
    found = tx.execute(_FIND, (request,)).fetchone()
    return None if found is None else found[0]


def note_request(tx: Transaction, write: Once) -> None:
    """A request is carried out."""
    tx.execute(_NOTE, (write.request, write.answer, tx.now))


def forget_requests(tx: Transaction, until: int) -> None:
    """Those that were noted until then may come again."""
    tx.execute(_FORGET, (until,))
