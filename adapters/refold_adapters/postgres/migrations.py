"""The schema and its versions: numbered files of plain SQL, each carried out once.

One rule: what has been carried out is on record with a checksum, and a store is opened only where the record is what this version
knows.  All that is missing is done in one transaction, under a lock, so that of several processes one does it and the others wait.

Only the owner of the schema may change it.  A role without that right opens a store whose schema is complete.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

import attrs
import psycopg
from psycopg import Connection

from refold_adapters.postgres.place import Place
from refold_adapters.store_errors import StoreError

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")

# From the tables of the catalogue: to_regclass() and the like may answer from a cache, as it was before the lock was waited for.
_EXISTING = """
    SELECT EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = %(schema)s AND c.relname = 'migrations'),
        EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = %(schema)s)
"""
_RECORD = "SELECT number, name, checksum FROM migrations ORDER BY number"
_MAKE_RECORD = """
    CREATE TABLE IF NOT EXISTS migrations (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
"""
_NOTE = "INSERT INTO migrations (number, name, checksum) VALUES (%s, %s, %s)"
_LOCK = "SELECT pg_advisory_xact_lock(%s)"


@attrs.frozen
class Migration:
    """One step of the schema."""

    number: int
    name: str
    checksum: str
    text: str = attrs.field(repr=False)


@cache
def known_migrations() -> tuple[Migration, ...]:
    """All steps that this version knows, in order."""
    found: list[Migration] = []
    for file in resources.files("refold_adapters.postgres").joinpath("migrations").iterdir():
        if match := _FILE.fullmatch(file.name):
            # Line ends may be changed on the way to a machine, and mean nothing.
            text = file.read_text("utf-8").replace("\r\n", "\n")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(int(match[1]), match[2], checksum, text))
    return tuple(sorted(found, key=lambda each: each.number))


def bring_up_to_date(connection: Connection[Any], place: Place) -> None:
    """See to it that the schema of that place is what this version knows, or raise."""
    known = known_migrations()
    if _missing(connection, place, known):
        try:
            with connection.transaction():
                _carry_out(connection, place, known)
        except psycopg.errors.InsufficientPrivilege as error:
            raise _not_owner(place, error) from error


def _carry_out(connection: Connection[Any], place: Place, known: tuple[Migration, ...]) -> None:
    connection.execute(_LOCK, (place.number("migrations", ""),))
    _, has_schema = _existing(connection, place)
    if not has_schema:
        connection.execute(f"CREATE SCHEMA {place.quoted_schema}".encode())
    connection.execute(_MAKE_RECORD)
    for migration in _missing(connection, place, known):
        connection.execute(migration.text.encode())
        connection.execute(_NOTE, (migration.number, migration.name, migration.checksum))


def _missing(
    connection: Connection[Any], place: Place, known: tuple[Migration, ...]
) -> tuple[Migration, ...]:
    """What has not been carried out yet."""
    has_record, _ = _existing(connection, place)
    if not has_record:
        return known
    done = {number: (name, checksum) for number, name, checksum in connection.execute(_RECORD)}
    newest = known[-1].number
    if max(done, default=0) > newest:
        raise StoreError(
            "RF5003",
            f"{place.shown} has schema version {max(done)}; this refold knows versions up to {newest}",
            why="a newer refold has changed it, and an older one could break what it does not know",
            fix="upgrade refold in this environment (pip install --upgrade refold)",
        )
    for migration in known:
        if migration.number in done and done[migration.number] != (migration.name, migration.checksum):
            raise StoreError(
                "RF5008",
                f"step {migration.number} of the schema of {place.shown} is not the one of this refold",
                why=f"on record is {done[migration.number][0]!r} with another checksum than {migration.name!r} has",
                fix="give refold a schema of its own (?schema=NAME), or restore the one it made",
            )
    return tuple(migration for migration in known if migration.number not in done)


def _existing(connection: Connection[Any], place: Place) -> tuple[bool, bool]:
    """Whether the record, and whether the schema is there."""
    found = connection.execute(_EXISTING, {"schema": place.schema}).fetchone()
    assert found is not None
    return found[0], found[1]


def _not_owner(place: Place, error: Exception) -> StoreError:
    return StoreError(
        "RF5002",
        f"the schema of {place.shown} has to be made or brought up to date, and this user may not do that",
        why=f"PostgreSQL: {str(error).strip().splitlines()[0]}",
        fix="run `refold doctor --store URL` once with a URL that names the schema's owner; then this user can open it",
    )
