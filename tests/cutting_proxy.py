"""A proxy between a store and its server that cuts connections where a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import pytest


class CuttingProxy:
    """Listens in a folder as a server does, and passes on what comes.  ``url`` is that of the store, by way of the proxy."""

    def __init__(self, url: str, folder: Path) -> None:
        hosts = parse_qs(urlsplit(url).query).get("host", [""])
        if not hosts[0].startswith("/"):
            pytest.skip("the server does not listen on a socket in a folder")
        self._server = f"{hosts[0]}/.s.PGSQL.5432"
        self.url = url.replace(f"host={hosts[0]}", f"host={folder}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/.s.PGSQL.5432")
        self._listener.listen()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._refuses = False
        self._side = ""
        #: Packets that still pass before the cut; 0 for no cut.
        self._left = 0
        #: Whether the last cut that was asked for was made.
        self.has_cut = False

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut_before(self, side: str, number: int) -> None:
        """Cut before the packet of that number, of a ``question`` or an ``answer``, passes: counted from now on."""
        with self._lock:
            self._side, self._left, self.has_cut = side, number, False

    def refuse(self, refuses: bool) -> None:
        """Cut all, and let nobody in; or let in again."""
        self._refuses = refuses
        if refuses:
            self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for ends in pairs:
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _begin(self, target: object, *args: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            with self._lock:
                self._pairs.append((client, server))
            self._begin(self._pass_on, client, server, "question")
            self._begin(self._pass_on, server, client, "answer")

    def _pass_on(self, source: socket.socket, target: socket.socket, side: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    cuts = False
                    if side == self._side and self._left:
                        self._left -= 1
                        cuts = self.has_cut = self._left == 0
                if cuts:
                    self.cut()
                    break
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()
