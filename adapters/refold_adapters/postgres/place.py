"""Which database, and which schema in it, a URL names.

One rule: the schema's name is the only thing that ever becomes part of a statement, and it is quoted in one function, here.
"""

from __future__ import annotations

import hashlib
from urllib.parse import unquote, urlsplit

import attrs

from refold_adapters.store_errors import StoreError

#: Where the tables are, if the URL does not say.
DEFAULT_SCHEMA = "refold"
#: PostgreSQL cuts longer names without a word.
_NAME_BYTES_MAX = 63


@attrs.frozen
class Place:
    """A schema of a database."""

    #: What the driver connects with.
    conninfo: str = attrs.field(repr=False)
    schema: str
    #: Without the password: for errors and logs.
    shown: str

    @property
    def quoted_schema(self) -> str:
        """The schema as a part of a statement."""
        return '"' + self.schema.replace('"', '""') + '"'

    @property
    def channel(self) -> str:
        """What those who use this schema listen on."""
        return f"refold_{self.number('channel', '') & 0xFFFFFFFFFFFF:012x}"

    def number(self, kind: str, name: str) -> int:
        """A number for a lock of this schema: the same in every process."""
        text = f"{self.schema}\x00{kind}\x00{name}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


def place_of(url: str) -> Place:
    """The place that a URL names: one of libpq's, with ``schema`` as one more parameter."""
    parts = urlsplit(url)
    schema = DEFAULT_SCHEMA
    kept: list[str] = []
    for parameter in filter(None, parts.query.split("&")):
        name, _, value = parameter.partition("=")
        if name == "schema":
            schema = unquote(value)
        else:
            kept.append(parameter)
    if not schema or "\x00" in schema or len(schema.encode()) > _NAME_BYTES_MAX or schema.startswith("pg_"):
        raise StoreError(
            "RF5001",
            f"{schema!r} cannot be the schema of a store",
            why=f"names of schemas have 1 to {_NAME_BYTES_MAX} bytes and do not begin with pg_",
            fix="give another name after schema= in the URL, or none for 'refold'",
        )
    user, at, hosts = parts.netloc.rpartition("@")
    shown = f"postgresql://{user.partition(':')[0]}{at}{hosts}{parts.path}"
    # Not by urlunsplit, which leaves out the slashes where no host is named.
    conninfo = f"postgresql://{parts.netloc}{parts.path}{'?' if kept else ''}{'&'.join(kept)}"
    return Place(conninfo, schema, f"{shown} (schema {schema})")
