"""What a write is given to work with: one transaction, its time, and who is alive in it.

One rule: everything here is true inside the transaction, from its first statement to its last; nothing is kept beyond it.

Statements are written once for all databases, with ``?`` for what is bound.  Where one database needs a word that another does not
know, it stands here as a constant that is empty for the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from refold_adapters.ports.conditions import Term

#: Gives what ``Transaction.sessions`` says.
SESSIONS = "SELECT token, expires_at FROM sessions ORDER BY token"


class Rows(Protocol):
    """The rows that a statement gives; they are fetched before the next statement."""

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Transaction:
    """An open transaction of the writing connection, or a look that sees one moment."""

    __slots__ = ("_sessions", "born", "execute", "foreseen", "now", "taken")

    #: After a question for work that is to be claimed: passes by what another process is at.
    skip_locked: ClassVar[str] = ""
    #: After a question for a row that decides what is written to it.
    for_update: ClassVar[str] = ""
    #: How a value in ``terms`` is compared with a text, and with a number; the operator follows.
    text_term: ClassVar[str]
    number_term: ClassVar[str]
    #: What the driver raises for one row that cannot be read, where the rows beside it still can.
    row_errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, execute: Callable[..., Rows]) -> None:
        #: Carries out one statement, with what is bound to it.
        self.execute = execute
        #: The time of the batch that is being carried out, by the clock of its store.
        self.now = 0
        #: Id, key and owner of the run without a message that the last write has created: of such a run nothing need be read.
        self.born: tuple[str, int, int] | None = None
        #: By run id, what ``turns`` asks of a run, as far as it was asked for all at once and nothing but turns of others came since.
        self.foreseen: dict[str, tuple[Any, ...]] = {}
        #: Of the workflow and run ids under which this transaction creates runs, those that are or were a run's already, if all of
        #: them were asked for at once and nothing else in it can create one.
        self.taken: set[str] | None = None
        self._sessions: dict[int, int] | None = None

    @property
    def sessions(self) -> dict[int, int]:
        """When the lease of each session runs out, by token.  Those that change sessions change it too."""
        if self._sessions is None:
            self._sessions = dict(self.execute(SESSIONS).fetchall())
        return self._sessions

    def put_off(self, statement: str, values: Sequence[Any]) -> None:
        """Carry out one statement before the next one that is not put off, or at the end.

        It changes rows that no other statement that is put off meanwhile changes, but for the row of a run that one of them creates.
        """
        self.execute(statement, values)

    @abstractmethod
    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry out one statement; how many rows it has changed."""

    @abstractmethod
    def insert_run(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out the statement that creates a run; its key."""

    @abstractmethod
    def put_term(self, place: int, run_key: int, term: Term) -> None:
        """Write down one value that a run is found by."""

    @abstractmethod
    def may_expel(self, token: int) -> bool:
        """Whether no write of that session is under way, nor can be before the end of this transaction."""

    @abstractmethod
    def prepare_expiry(self) -> None:
        """See to it that the earliest of the closed runs are found without looking through the others."""
