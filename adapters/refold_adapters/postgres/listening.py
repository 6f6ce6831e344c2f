"""Hearing what other processes have written, by LISTEN and NOTIFY.

One rule: what is heard only wakes; nothing depends on it.  A notification may be lost with a connection or with the process that would
have sent it, so whoever asks is told once in a while that there may be news, whether any was heard or not.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from typing import Any

import psycopg
from psycopg import Connection

from refold_adapters.postgres.connecting import connect
from refold_adapters.postgres.place import Place
from refold_adapters.random_ids import random_hex
from refold_adapters.subscribers import Subscribers

#: How long a notification that was lost is missed, at most.
_MISSED_SECONDS = 5.0
_RECONNECT_PAUSE_SECONDS = 0.5

_log = logging.getLogger("refold")


class Listener:
    """A thread that listens on a connection of its own, from its start on."""

    def __init__(self, place: Place, subscribers: Subscribers) -> None:
        #: By what others know our notifications.
        self.name = random_hex()
        self._place = place
        self._subscribers = subscribers
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._news = False
        self._asked = time.monotonic()
        self._wake: socket.socket | None = None

    def start(self) -> None:
        """Listen from now on.  When it returns, nothing that is notified later is missed."""
        with self._lock:
            if self._thread is not None or self._stopping.is_set():
                return
            connection = self._connect()
            ours, self._wake = socket.socketpair()
            self._thread = threading.Thread(
                target=self._run, args=(connection, ours), name="refold-listener", daemon=True
            )
            self._thread.start()

    def has_news(self) -> bool:
        """Whether anything was heard since the last call, or may have been missed."""
        now = time.monotonic()
        if self._news or now - self._asked >= _MISSED_SECONDS:
            self._asked = now
            self._news = False
            return True
        return False

    def stop(self) -> None:
        """End the thread; idempotent."""
        with self._lock:
            self._stopping.set()
            if self._wake is not None:
                self._wake.close()
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join()

    def _connect(self) -> Connection[Any]:
        connection = connect(self._place)
        connection.execute(f'LISTEN "{self._place.channel}"'.encode())
        return connection

    def _run(self, connection: Connection[Any] | None, stop: socket.socket) -> None:
        with stop:
            while not self._stopping.is_set():
                try:
                    if connection is None:
                        connection = self._connect()
                        self._tell()  # of whatever came while nobody listened
                    self._listen(connection, stop)
                except psycopg.Error as error:
                    _log.info("listening on %s was interrupted: %s", self._place.shown, error)
                    if connection is not None:
                        connection.close()
                    connection = None
                    self._stopping.wait(_RECONNECT_PAUSE_SECONDS)
            if connection is not None:
                connection.close()

    def _listen(self, connection: Connection[Any], stop: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(stop, selectors.EVENT_READ)
            while True:
                heard = [each.payload for each in connection.notifies(timeout=0)]
                if any(payload != self.name for payload in heard):
                    self._tell()
                if self._stopping.is_set():
                    return
                selector.select()

    def _tell(self) -> None:
        self._news = True
        self._subscribers.call()
