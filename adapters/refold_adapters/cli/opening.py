"""Opening the store for one command.

One rule: a command that only looks must not make a store; only those that start runs or work may.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from refold_adapters.cli.errors import CliError, Exit
from refold_adapters.cli.modules import Code
from refold_adapters.cli.settings import DEFAULT_STORE, STORE_VARIABLE, Settings
from refold_adapters.client.client import Client
from refold_adapters.ports import Store
from refold_adapters.stores import open_store


def file_of(url: str) -> Path | None:
    """The file that a store lies in; None for stores that are no files."""
    if url in ("memory:", ":memory:") or ("://" in url and not url.startswith("sqlite:///")):
        return None
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def opened_store(settings: Settings, *, make: bool = False) -> Generator[Store, None, None]:
    """The store, closed at the end; raises RF5208 where there is none and it is not to be made."""
    file = file_of(settings.store)
    if file is not None and "\x00" not in settings.store and not make and not file.exists():
        raise CliError(
            "RF5208",
            f"there is no store at {settings.store}",
            why="the file does not exist, and a command that only looks makes none",
            fix=f"name it with --store or {STORE_VARIABLE} (the default is {DEFAULT_STORE}); `run`, `start` and `worker` make one",
            exit_code=Exit.STORE,
        )
    store = open_store(settings.store)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def opened_client(
    settings: Settings, code: Code | None = None, *, make: bool = False
) -> Generator[Client, None, None]:
    """A client of the store that knows the code it is given."""
    with opened_store(settings, make=make) as store:
        client = Client(store, workflows=() if code is None else code.workflows, identity="refold")
        try:
            yield client
        finally:
            client.closings.stop()
