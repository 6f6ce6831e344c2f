"""What a worker does while its store fails: it takes nothing new, and tries again what it has.

One rule: a batch is given up only when the worker is to stop; turn tokens make it safe to repeat one that may have been carried out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from refold_adapters.hosting.host import Host
from refold_adapters.ports import Outcome, Store, Write
from refold_adapters.store_errors import StoreError

PAUSE_SECONDS_FIRST = 0.05
_PAUSE_SECONDS_MAX = 5.0

_log = logging.getLogger("refold.worker")


def apply_until_done(
    store: Store, batch: Sequence[Write], stop: threading.Event, host: Host
) -> list[Outcome]:
    """Apply a batch, however often it takes; raises the store's error once ``stop`` is set."""
    pause = PAUSE_SECONDS_FIRST
    while True:
        try:
            return store.apply(batch)
        except StoreError as error:
            _log.error("the store failed, trying again in %.2f s: %s", pause, error)
            if host.pause(pause, stop):
                raise
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)
