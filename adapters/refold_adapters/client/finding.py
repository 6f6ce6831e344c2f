"""The part of a client that finds runs: lists, counts, and what is done to all that are found.

One rule: the same conditions find the same runs, whatever is then done with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from refold_adapters.built_in import STANDALONE_ACTIVITY
from refold_adapters.operating.requests import Request
from refold_adapters.ports import Repeated, RunFilter, RunRow, RunStatus, Store, UnparkRuns
from refold_adapters.ports.conditions import AllOf, Column, Compare, Condition, Not, Operator


class Finder:
    """Finds the runs of a store."""

    store: Store

    def list(
        self,
        query: str = "",
        *,
        workflow_id: str | None = None,
        workflow_type: str | None = None,
        task_queue: str | None = None,
        statuses: Sequence[RunStatus] | None = None,
        parked: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Runs, newest first, read page by page; all conditions must hold.  Stand-alone activities are listed apart.

        A ``query`` is such as ``Customer = 'acme' AND StartTime > '2026-01-31T12:00:00Z'`` (RF5114 where it has no meaning).
        A search attribute that no run has is told in the log, or refused where its name is nearly another.
        """
        wanted = RunFilter(
            workflow_id=workflow_id,
            workflow_type=workflow_type,
            task_queue=task_queue,
            statuses=statuses,
            parked=parked,
            where=_where(self.store, query, workflow_type),
        )
        return _pages(self.store, wanted, limit)

    def count(self, query: str = "", **conditions: Any) -> int:
        """How many runs there are; conditions as for :meth:`list`."""
        where = _where(self.store, query, conditions.get("workflow_type"))
        return self.store.count_runs(RunFilter(where=where, **conditions))

    def retry(
        self, query: str = "", *, dry_run: bool = False, request_id: str | None = None, **conditions: Any
    ) -> Sequence[RunRow]:
        """Let parked runs be tried again, and return them; with ``dry_run`` they are only returned.  Conditions as for :meth:`list`.

        A repeated ``request_id`` (of the same ``workflow_id``, if that is a condition) changes nothing, and gives the runs of the first
        time, as far as they are there.
        """
        about = conditions.get("workflow_id") or ""
        request = Request.of(self.store, request_id, "retry", about)
        if (answer := request.first_answer()) is not None:
            return self._still_there(*answer)
        conditions["parked"] = True
        rows = tuple(self.list(query, **conditions))
        run_ids = [row.run_id for row in rows]
        if not dry_run:
            outcome = request.apply(UnparkRuns(run_ids=run_ids) if rows else None, run_ids)
            if isinstance(outcome, Repeated):  # by another process, since it was asked for
                return self._still_there(json.loads(outcome.answer))
        return rows

    def _still_there(self, run_ids: Iterable[str]) -> Sequence[RunRow]:
        found = [self.store.find_run("", run_id) for run_id in run_ids]
        return tuple(row for row in found if row is not None)


def _where(store: Store, query: str, workflow_type: str | None) -> Condition | None:
    """What is to hold of a run; stand-alone activities are found by their type only, which users never need to know."""
    asked = None
    if query:
        from refold_adapters.client.names_in_queries import check_names  # for the programs that ask
        from refold_adapters.client.visibility import parse_query

        asked = parse_query(query)
        check_names(store, query, asked)
    if workflow_type is not None:
        return asked
    return _NO_ACTIVITY if asked is None else AllOf((asked, _NO_ACTIVITY))


_NO_ACTIVITY = Not(Compare(Column.WORKFLOW_TYPE, Operator.EQUAL, STANDALONE_ACTIVITY))


def _pages(store: Store, wanted: RunFilter, limit: int | None) -> Iterator[RunRow]:
    """The runs that fit, newest first, at most so many, read page by page."""
    left = limit
    while left is None or left > 0:
        page = store.list_runs(attrs.evolve(wanted, limit=min(200, left if left is not None else 200)))
        yield from page
        if not page:
            return
        wanted = attrs.evolve(wanted, before=(page[-1].started_at, page[-1].run_id))
        left = None if left is None else left - len(page)
