"""Interrupts from the keyboard while runs are worked on in this process.

One rule: the main thread only waits, and an interrupt ends its wait; it is never raised in the midst of something else, where it
could leave a lock taken or a thread half begun.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from refold_adapters.cli.errors import Exit

Answer = TypeVar("Answer")


class Interruptible:
    """While it is entered, the first interrupt ends :meth:`call`, and the second ends the process where it stands."""

    def __init__(self) -> None:
        #: What ends the wait of the main thread: a call that is over, or an interrupt.  Signal handlers may put into it at any point.
        self._ends: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def call(self, work: Callable[[], Answer]) -> Answer:
        """What ``work`` returns or raises, on a thread of its own; raises ``KeyboardInterrupt`` if that comes first."""
        threading.Thread(target=self._do, args=(work,), name="refold-call", daemon=True).start()
        answer: Answer = self._ends.get()()
        return answer

    def _do(self, work: Callable[[], Any]) -> None:
        try:
            answer = work()
        except BaseException as error:
            self._ends.put(_raising(error))
        else:
            self._ends.put(lambda: answer)

    def _interrupted(self, _: int, __: FrameType | None) -> None:
        if self._asked:
            os._exit(Exit.INTERRUPTED)
        self._asked = True
        self._ends.put(_raising(KeyboardInterrupt()))


def _raising(error: BaseException) -> Callable[[], Any]:
    def end() -> Any:
        raise error

    return end
