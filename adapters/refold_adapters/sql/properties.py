"""What is noted of a run for readers, and what it is found by.

One rule: both are written together, so that a run is found by what its row shows.
"""

from __future__ import annotations

from refold_adapters.ports import Properties
from refold_adapters.sql.places import row_id, row_span
from refold_adapters.sql.transaction import Transaction

_NOTE = "UPDATE runs SET memo = ?, search_attributes = ? WHERE run_key = ?"
_CLEAR_TERMS = "DELETE FROM terms WHERE id BETWEEN ? AND ?"


def note(tx: Transaction, run_key: int, properties: Properties) -> None:
    """Put these in the place of what was noted before."""
    tx.execute(_NOTE, (properties.memo, properties.search_attributes, run_key))
    clear_terms(tx, run_key)
    for number, term in enumerate(properties.terms):
        tx.put_term(row_id(run_key, number), run_key, term)


def clear_terms(tx: Transaction, run_key: int) -> None:
    """The run is found by nothing any more."""
    tx.execute(_CLEAR_TERMS, row_span(run_key))
