"""The typed handle of one update."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from refold import ApplicationError
from refold.failures import error_of
from refold.payloads import decode
from refold_adapters.runtime_errors import (
    WorkflowUpdateFailedError,
    WorkflowUpdateNotFoundError,
    WorkflowUpdateRejectedError,
)
from refold_adapters.turns.update_news import UpdateNews
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage

if TYPE_CHECKING:
    from refold_adapters.client.client import Client

R_co = TypeVar("R_co", covariant=True)


class WorkflowUpdateHandle(Generic[R_co]):
    """One update of one run, by its id."""

    def __init__(  # noqa: PLR0917 - made by handles only
        self,
        client: Client,
        workflow_id: str,
        run_id: str,
        id: str,
        result_type: Any,
        news: UpdateNews | None = None,
    ) -> None:
        self._client = client
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.id = id
        self._result_type = result_type
        self._news = news

    def __repr__(self) -> str:
        return f"<update {self.id} of workflow {self.workflow_id} run {self.run_id}>"

    def result(self, *, timeout: timedelta | None = None) -> R_co:
        """Wait for the handler to end and return its answer; also of an update of a run that is closed.

        Raises :class:`WorkflowUpdateFailedError` (RF5130) if the handler failed, :class:`WorkflowUpdateUnfinishedError` (RF5133) if
        the run ended first, :class:`WorkflowUpdateNotFoundError` (RF5132), :class:`WorkflowParkedError` (RF5106), and ``TimeoutError``
        after ``timeout``.
        """
        result: R_co = self.take_result(self.wait_for_answer(timeout=timeout))
        return result

    def wait_for_answer(self, *, timeout: timedelta | None = None) -> UpdateNews:
        """Wait for the handler to end, whatever came of it."""
        wait = self.watch()
        try:
            return wait.future.result(None if timeout is None else timeout.total_seconds())
        finally:
            self.unwatch(wait)

    def watch(self) -> UpdateWait:
        """Wait for the answer."""
        updates = self._client.closings.updates
        wait = updates.register(self.workflow_id, self.run_id, self.id, WorkflowUpdateStage.COMPLETED)
        if self._news is not None and self._news.answer is not None:
            wait.tell(self._news)
            return wait
        if self._news is None and not wait.find():
            updates.forget(wait)
            raise WorkflowUpdateNotFoundError(self.workflow_id, self.run_id, self.id)
        updates.check(wait)
        return wait

    def unwatch(self, wait: UpdateWait) -> None:
        """Nobody waits any more."""
        self._client.closings.updates.forget(wait)

    def take_result(self, news: UpdateNews) -> Any:
        """The answer, as its type; raises as :meth:`result` does."""
        raise_refusal(self.workflow_id, news)
        assert news.answer is not None
        if news.answer.failure is not None:
            raise WorkflowUpdateFailedError(self.workflow_id, self.id, error_of(news.answer.failure))
        return decode(news.answer.result, self._result_type)


def raise_refusal(workflow_id: str, news: UpdateNews) -> None:
    """Raise RF5131 if the news is a refusal."""
    if news.refused and news.answer is not None:
        failure = news.answer.failure
        cause = ApplicationError("no reason was recorded") if failure is None else error_of(failure)
        raise WorkflowUpdateRejectedError(workflow_id, news.update_id, cause)
