"""``Engine``: a store, a worker and a client in one process, the embedded default."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from refold import Activity, WorkflowDefinition
from refold_adapters.client.client import Client
from refold_adapters.ports import Store
from refold_adapters.stores import open_store
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.worker import Worker


class Engine(Client):
    """A client whose worker runs in the same process.

    ``store`` is a place for :func:`open_store`, or a store.  Runs left behind by an earlier process go on at once.  A workflow or
    activity type that it does not know parks the run with an error that names the known ones.  Options of :class:`Worker` are passed on.
    Close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        store: Store | str | os.PathLike[str],
        *,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] = (),
        activities: Iterable[Activity[..., Any]] = (),
        **worker_options: Any,
    ) -> None:
        workflows = list(workflows)
        opened = open_store(store) if isinstance(store, str | os.PathLike) else store
        closings = Closings(opened)
        worker_options.setdefault("fail_unknown_types", True)
        self.worker = Worker(
            opened, workflows=workflows, activities=activities, closings=closings, **worker_options
        )
        super().__init__(
            opened,
            workflows=workflows,
            identity=self.worker.identity,
            local_worker=self.worker,
            closings=closings,
        )
        self.worker.start()

    def close(self, *, grace: timedelta = timedelta(seconds=10)) -> None:
        """Drain the worker and close the store; idempotent."""
        self.worker.shutdown(grace=grace)
        self.closings.stop()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
