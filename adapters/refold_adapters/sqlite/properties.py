"""What is noted of a run for readers, and what it is found by.

One rule: both are written together, so that a run is found by what its row shows.
"""

from __future__ import annotations

from refold_adapters.ports import Properties
from refold_adapters.sqlite.schema import row_id, row_span
from refold_adapters.sqlite.transaction import Transaction

_NOTE = "UPDATE runs SET memo = ?, search_attributes = ? WHERE run_key = ?"
_CLEAR_TERMS = "DELETE FROM terms WHERE id BETWEEN ? AND ?"
_PUT_TERM = "INSERT INTO terms (id, run_key, name, kind, value) VALUES (?, ?, ?, ?, ?)"


def note(tx: Transaction, run_key: int, properties: Properties) -> None:
    """Put these in the place of what was noted before."""
    tx.execute(_NOTE, (properties.memo, properties.search_attributes, run_key))
    clear_terms(tx, run_key)
    for number, term in enumerate(properties.terms):
        values = (row_id(run_key, number), run_key, term.name, term.kind.value, term.value)
        tx.execute(_PUT_TERM, values)


def clear_terms(tx: Transaction, run_key: int) -> None:
    """The run is found by nothing any more."""
    tx.execute(_CLEAR_TERMS, row_span(run_key))
