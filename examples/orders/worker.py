"""The worker of the order example, as a process of its own: it may be killed at any moment and started again.

Run it with ``python -m examples.orders.worker DIRECTORY``.
"""

from __future__ import annotations

import argparse
import random
import signal
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType

from examples.orders.activities import ACTIVITIES, connect
from examples.orders.ledger import Ledger
from examples.orders.model import STOCK
from examples.orders.workflow import process_order
from refold_adapters import Worker, open_store

#: refold's own file, and the world's.
ORDERS_FILE = "orders.db"
LEDGER_FILE = "ledger.db"


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where orders.db and ledger.db are")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds a request takes each way, on average"
    )
    parser.add_argument("--concurrency", type=int, default=8, help="activities at the same time")
    options = parser.parse_args()
    latency: float = options.latency
    connect(
        Ledger(options.directory / LEDGER_FILE, STOCK),
        latency=lambda: time.sleep(random.uniform(0, 2 * latency)),
    )
    worker = Worker(
        open_store(options.directory / ORDERS_FILE),
        workflows=[process_order],
        activities=ACTIVITIES,
        max_concurrent_activities=options.concurrency,
    )

    def stop(number: int, frame: FrameType | None) -> None:
        worker.shutdown(grace=timedelta(seconds=5))

    signal.signal(signal.SIGTERM, stop)
    worker.run()


if __name__ == "__main__":
    main()
