"""What a write does, in statements that SQLite and PostgreSQL both understand.

``turns``, ``runs``, ``inbox``, ``tasks``, ``held``, ``claims``, ``sessions``, ``copies`` and ``relays`` carry out the writes, ``reads``
answers questions, ``group`` shares commits, and ``perform`` says which write is whose.  A database adds its tables, its connections,
its errors and a ``Transaction``.
"""
