"""The store on PostgreSQL, for a fleet of workers: one commit for all turns of a moment, any number of processes.

``migrations`` has the tables, ``connecting`` the server checks, ``locks`` what keeps processes apart, ``database`` the connections and
what becomes of a commit when one is lost, ``listening`` the news from other processes, and ``store`` is the face.  What a write does
is told in ``sql``, for all databases.
"""

from refold_adapters.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
