"""How the rows of a run are numbered.

One rule: every row that belongs to a run lies in its table at ``row_id(run_key, n)``, where ``n`` is the number that it has within the
run (turn, message id, task or timer seq).  So one primary key holds the rows of a run together, and they are read in order without
sorting.
"""

from __future__ import annotations

# Of the 63 bits of a row id, those that number the rows within a run; the others are the run's key.
_SPAN_BITS = 32
_SPAN = 1 << _SPAN_BITS


def row_id(run_key: int, number: int) -> int:
    """Where the row with that number within the run lies."""
    if not 0 <= number < _SPAN:
        raise OverflowError(f"{number} is out of the range of row numbers")
    return (run_key << _SPAN_BITS) | number


def row_span(run_key: int) -> tuple[int, int]:
    """The first and the last place of the run's rows."""
    return run_key << _SPAN_BITS, (run_key << _SPAN_BITS) | (_SPAN - 1)


def number_of(rowid: int) -> int:
    """The number within its run of the row that lies there."""
    return rowid & (_SPAN - 1)
