"""What can be told to a run, and asked of it: signals, updates and queries.

One rule: a declaration is a value that is checked when it is made, at import, and knows nothing of any run.  The workflow says what
becomes of a message (``yield from approval.receive()``), clients and other workflows send it (``handle.signal(approval, ...)``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from refold.errors import DefinitionError, PayloadError
from refold.ids import checked_id
from refold.payloads import Plain, decode, encode
from refold.waits import AnswerQuery, HandleSignal, ReceiveSignal

T = TypeVar("T")


def misuse(what: str, why: str) -> DefinitionError:
    """The error for a declaration that breaks a rule."""
    return DefinitionError("RF1002", what, why=why, fix="change the declaration or the call")


class Signal(Generic[T]):
    """A message that a client or another workflow sends: ``Signal("approval", Approval)``; without a type, no payload."""

    @overload
    def __init__(self: Signal[None], name: str) -> None: ...
    @overload
    def __init__(self, name: str, type: type[T]) -> None: ...
    def __init__(self, name: str, type: Any = None) -> None:
        self.name = checked_id(name, "signal name")
        self.type = type

    def __repr__(self) -> str:
        return f"<signal {self.name}>"

    def encode(self, payload: object) -> list[Plain]:
        """A payload as the plain arguments of the message, checked against the declared type."""
        if self.type is None:
            if payload is not None:
                raise misuse(f"signal {self.name!r} takes no payload", "it was declared without a type")
            return []
        plain = encode(payload)
        decode(plain, self.type)
        return [plain]

    def decode(self, input: list[Plain]) -> T:
        """The payload of a message, as the declared type."""
        if self.type is None:
            return cast(T, None)
        if len(input) != 1:
            raise PayloadError(
                "RF1302",
                f"signal {self.name!r} came with {len(input)} payloads instead of one",
                why="the sender does not know its type",
                fix="send it through the declared Signal",
            )
        return cast(T, decode(input[0], self.type))

    def receive(self) -> ReceiveSignal[T]:
        """Take the next one, in order of arrival; those that came early are buffered."""
        return ReceiveSignal(self.name, self.decode)

    @overload
    def handle(self: Signal[None], handler: Callable[[], Any]) -> HandleSignal: ...
    @overload
    def handle(self, handler: Callable[[T], Any]) -> HandleSignal: ...
    def handle(self, handler: Callable[..., Any]) -> HandleSignal:
        """From now on, run ``handler`` (a function or a generator function) for each; early ones are handled first."""
        takes_payload = self.type is not None
        try:
            inspect.signature(handler).bind(*(["payload"] if takes_payload else []))
        except TypeError as error:
            raise misuse(
                f"the handler of signal {self.name!r} cannot be called with {'its payload' if takes_payload else 'nothing'}: {error}",
                "it is called with the payload, or with nothing where the signal has none",
            ) from None
        except ValueError:
            pass  # a function of an extension that does not tell its parameters: the call will show
        return HandleSignal(self.name, self.decode, handler, takes_payload)


class Query(Generic[T]):
    """A question to a run, also a closed one: ``Query("status", str)`` with the type of the answer."""

    def __init__(self, name: str, type: type[T]) -> None:
        self.name = checked_id(name, "query name")
        self.type = type

    def __repr__(self) -> str:
        return f"<query {self.name}>"

    def answer(self, function: Callable[..., T]) -> AnswerQuery:
        """From now on, answer with ``function``, which reads the workflow's variables and must not yield."""
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise misuse(
                f"the answer of query {self.name!r} is a generator or coroutine", "a query only reads"
            )
        return AnswerQuery(self.name, function)
