"""Lets clients wait for what becomes of updates: accepted, answered or refused.

One rule: whoever waits is registered before anybody looks, so that nothing can happen unseen in between.  A worker of this process tells
what it has committed; what another process does is found in the history, and refusals where the store keeps them.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from enum import IntEnum
from typing import TYPE_CHECKING

from refold import RefoldError
from refold.codec import decode_message
from refold.messages import UpdateWorkflow
from refold_adapters.fast_codec import event_decoder
from refold_adapters.runtime_errors import (
    WorkflowNotFoundError,
    WorkflowParkedError,
    WorkflowUpdateUnfinishedError,
)
from refold_adapters.store_errors import StoreError
from refold_adapters.turns.results import Ending, reason_in_words
from refold_adapters.turns.update_news import UpdateNews, decode_refusal, news_in

if TYPE_CHECKING:
    from refold_adapters.waiting.closings import Closings


class WorkflowUpdateStage(IntEnum):
    """How far an update is to be before the call that starts it returns."""

    ACCEPTED = 2
    COMPLETED = 3


class UpdateWait:
    """One caller that waits for one update of one run; ``future`` is the news."""

    def __init__(
        self,
        closings: Closings,
        workflow_id: str,
        run_id: str,
        update_id: str,
        stage: WorkflowUpdateStage,
    ) -> None:
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.update_id = update_id
        self.stage = stage
        self.future: Future[UpdateNews] = closings.host.future()
        #: The id of the message, where it went through the inbox.
        self.message_id: int | None = None
        #: Whether its acceptance is known.
        self.accepted = False
        self._store = closings.store
        self._lock = threading.Lock()
        self._turn = 0

    def tell(self, news: UpdateNews) -> None:
        """Something became of the update."""
        self.accepted = True
        if news.answer is not None or self.stage is WorkflowUpdateStage.ACCEPTED:
            with self._lock:
                if not self.future.done():
                    self.future.set_result(news)

    def fail(self, error: BaseException) -> None:
        """Nothing will become of it any more."""
        with self._lock:
            if not self.future.done():
                self.future.set_exception(error)

    def look(self) -> None:
        """Find out from the store what has become of it."""
        if self.future.done():
            return
        decode = event_decoder()
        for turn in self._store.read_turns(self.run_id, self._turn):
            self._turn = max(self._turn, turn.number)
            if b"WorkflowExecutionUpdate" in turn.data:
                for news in news_in(decode(turn.data)):
                    if news.update_id == self.update_id:
                        self.tell(news)
        if not self.accepted and self.message_id is not None:
            refusal = self._store.find_refusal(self.run_id, self.message_id)
            if refusal is not None:
                self.tell(decode_refusal(refusal))

    def look_again(self) -> None:
        """As :meth:`look`; a history that cannot be read is told to who waits, and no other is kept waiting for it."""
        try:
            self.look()
        except StoreError as error:
            if error.code != "RF5007":
                raise
            self.fail(error)
        except RefoldError as error:
            self.fail(error)

    @property
    def is_known(self) -> bool:
        """Whether it was accepted, answered or refused, as far as was told or found."""
        return self.accepted or self.future.done()

    def find(self) -> bool:
        """Whether anything is known of the update: told, on its way, or in the history."""
        if self.is_known or self.find_in_inbox():
            return True
        self.look()
        return self.is_known

    def find_in_inbox(self) -> bool:
        """Whether the update waits in the inbox of the run."""
        for inbox in self._store.list_inbox(self.run_id):
            message = decode_message(inbox.data)
            if isinstance(message, UpdateWorkflow) and message.update_id == self.update_id:
                self.message_id = inbox.message_id
                return True
        return False

    def ended(self, ending: Ending) -> None:
        """The run is closed or parked."""
        try:
            self.look()
        except RefoldError as error:
            self.fail(error)
            return
        if ending.closing_event is None:
            why = reason_in_words(ending.parked) or "no reason was recorded"
            self.fail(WorkflowParkedError(self.workflow_id, self.run_id, why))
        else:
            self.fail(
                WorkflowUpdateUnfinishedError(
                    self.workflow_id, self.run_id, self.update_id, ending.status.value, accepted=self.accepted
                )
            )


class UpdateWaits:
    """All that is waited for in this process."""

    def __init__(self, closings: Closings) -> None:
        self._closings = closings
        self._lock = threading.Lock()
        self._waits: dict[tuple[str, str], list[UpdateWait]] = {}

    def register(
        self, workflow_id: str, run_id: str, update_id: str, stage: WorkflowUpdateStage
    ) -> UpdateWait:
        """Wait for news of an update from now on; what became of it before is found with :meth:`check`."""
        wait = UpdateWait(self._closings, workflow_id, run_id, update_id, stage)
        with self._lock:
            self._waits.setdefault((run_id, update_id), []).append(wait)
        return wait

    def check(self, wait: UpdateWait) -> None:
        """Look once, and have it looked at again as long as somebody waits; raises RF5102 if there is no such run."""
        wait.look()
        if wait.future.done():
            return
        stop = self._closings.add_look(wait.run_id, wait.look_again)
        closing = self._closings.watch(wait.workflow_id, wait.run_id)
        if closing is None:
            stop()
            raise WorkflowNotFoundError(wait.workflow_id, wait.run_id)

        def closed(future: Future[Ending]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                wait.fail(error)
            elif not future.cancelled():
                wait.ended(future.result())

        closing.add_done_callback(closed)

        def leave(_: Future[UpdateNews]) -> None:
            stop()
            self._closings.forget(wait.run_id, closing)

        wait.future.add_done_callback(leave)

    def forget(self, wait: UpdateWait) -> None:
        """Nobody waits any more."""
        with self._lock:
            waits = self._waits.get((wait.run_id, wait.update_id), [])
            if wait in waits:
                waits.remove(wait)
            if not waits:
                self._waits.pop((wait.run_id, wait.update_id), None)
        wait.future.cancel()

    def tell(self, run_id: str, news: UpdateNews) -> None:
        """A worker of this process has committed something, or refused an update."""
        with self._lock:
            waits = list(self._waits.get((run_id, news.update_id), ()))
        for wait in waits:
            wait.tell(news)
