"""What can go wrong with a store, by code.

One rule: a store raises for what it could not do, never for what it was not allowed to do (those are outcomes of ``ports``), and
every error says whether the data is in danger.  It knows nothing of any one database: translating is each store's own work.
"""

from __future__ import annotations

from typing import ClassVar

from refold import RefoldError

CODES: dict[str, str] = {
    "RF5001": "The store cannot be opened",
    "RF5002": "The store is read-only",
    "RF5003": "The store was written by a newer version",
    "RF5004": "The disk is full",
    "RF5005": "The device failed",
    "RF5006": "The store is busy",
    "RF5007": "A stored row is corrupt",
    "RF5008": "The file is not a refold store",
    "RF5009": "The database is too old",
    "RF5010": "The store is closed",
    "RF5011": "The store was opened by another process",
    "RF5012": "A value cannot be stored",
    "RF5013": "The database file is damaged",
    "RF5014": "The database cannot be reached",
    "RF5015": "A package for the store is missing",
    "RF5099": "The database gave an unexpected error",
}

#: What is no better the next time: rows or a whole file that cannot be read.
DAMAGE = ("RF5007", "RF5013")


class StoreError(RefoldError):
    """A store could not do what it was asked to do (RF50xx).  Nothing that it acknowledged before is lost by that."""

    known_codes: ClassVar[dict[str, str]] = CODES
