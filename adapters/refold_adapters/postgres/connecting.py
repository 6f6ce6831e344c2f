"""How a URL becomes a connection that may be trusted.

One rule: a connection that is handed out speaks as ``values`` says, finds its tables in the schema of its place and nowhere else, and
looks for no transaction that nobody has begun.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from refold_adapters.postgres.migrations import bring_up_to_date
from refold_adapters.postgres.place import Place
from refold_adapters.postgres.trouble import DRIVER_ERRORS, translated
from refold_adapters.postgres.values import register
from refold_adapters.store_errors import StoreError

OLDEST_SERVER = 14
#: How long a connection may take, in seconds, where the URL does not say.
_CONNECT_SECONDS = 10

_SEARCH = "SELECT set_config('search_path', %s, false)"


def connect(place: Place) -> Connection[Any]:
    """A connection to a schema that is up to date already."""
    given = conninfo_to_dict(place.conninfo)
    ours: dict[str, str | int | None] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "refold"}
    conninfo = make_conninfo("", **(ours | given | {"client_encoding": "utf-8"}))
    connection = psycopg.connect(conninfo, autocommit=True)
    try:
        connection.execute(_SEARCH, (place.quoted_schema,))
    except BaseException:
        connection.close()
        raise
    register(connection)
    return connection


def open_first(place: Place) -> Connection[Any]:
    """The first connection of a store: the server is fit, and the schema is brought up to date."""
    try:
        connection = connect(place)
    except DRIVER_ERRORS as error:
        raise _unreachable(error, place) from error
    try:
        _check_server(connection, place)
        bring_up_to_date(connection, place)
    except DRIVER_ERRORS as error:
        connection.close()
        raise translated(error, place.shown) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _unreachable(error: BaseException, place: Place) -> StoreError:
    """That a server was never reached is another trouble than that it was lost; what it said itself is told as it said it."""
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        text = str(error)
        if "does not exist" not in text and "authentication" not in text:
            return StoreError(
                "RF5014",
                f"{place.shown} cannot be reached",
                why=text.strip().splitlines()[-1],
                fix="check that the server runs, and the host, the port and the user in the URL",
            )
        return StoreError(
            "RF5001",
            f"{place.shown} cannot be opened",
            why=text.strip().splitlines()[-1],
            fix="create the database (createdb NAME) or check the URL; refold makes its schema in a database, not the database",
        )
    return translated(error, place.shown)


def _check_server(connection: Connection[Any], place: Place) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StoreError(
            "RF5009",
            f"the server of {place.shown} is PostgreSQL {version}; refold needs {OLDEST_SERVER} or newer",
            why="older ones are not maintained any more, and lack what refold uses",
            fix="use a newer server",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            "RF5001",
            f"the database of {place.shown} is encoded in {encoding}",
            why="ids may hold any character, and only UTF8 has them all",
            fix="create the database with ENCODING 'UTF8' TEMPLATE template0",
        )
