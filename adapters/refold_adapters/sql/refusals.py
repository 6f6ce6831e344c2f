"""Why messages were refused, for their senders in other processes."""

from __future__ import annotations

from refold_adapters.ports import Refusal
from refold_adapters.ports.writes import REFUSALS_KEPT
from refold_adapters.sql.places import row_id, row_span
from refold_adapters.sql.transaction import Transaction

_PUT = "INSERT INTO refusals (id, data) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data"
_FORGET = "DELETE FROM refusals WHERE id BETWEEN ? AND ?"
_FIND = "SELECT data FROM refusals WHERE id = ?"
_KEY = "SELECT run_key FROM runs WHERE run_id = ?"


def put_refusal(tx: Transaction, run_key: int, refusal: Refusal) -> None:
    """Keep one, and forget those that are too old."""
    tx.execute(_PUT, (row_id(run_key, refusal.message_id), refusal.data))
    if refusal.message_id > REFUSALS_KEPT:
        tx.execute(_FORGET, (row_span(run_key)[0], row_id(run_key, refusal.message_id - REFUSALS_KEPT)))


def find_refusal(tx: Transaction, run_id: str, message_id: int) -> bytes | None:
    """The one of a message, if there is one."""
    run = tx.execute(_KEY, (run_id,)).fetchone()
    found = None if run is None else tx.execute(_FIND, (row_id(run[0], message_id),)).fetchone()
    return None if found is None else found[0]
