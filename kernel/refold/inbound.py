"""What can be told to a run, and asked of it: signals, updates and queries.

One rule: a declaration is a value that is checked when it is made, at import, and knows nothing of any run.  The workflow says what
becomes of a message (``yield from approval.receive()``), clients and other workflows send it (``handle.signal(approval, ...)``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from refold.effects import Workflow
from refold.errors import DefinitionError, PayloadError
from refold.ids import checked_id
from refold.payloads import Plain, decode, encode
from refold.policies import HandlerUnfinishedPolicy
from refold.waits import AnswerQuery, HandleSignal, HandleUpdate, ReceiveSignal

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")


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
        return _encoded(f"signal {self.name!r}", self.type, payload)

    def decode(self, input: list[Plain]) -> T:
        """The payload of a message, as the declared type."""
        return cast(T, _decoded(f"signal {self.name!r}", self.type, input))

    def receive(self) -> ReceiveSignal[T]:
        """Take the next one, in order of arrival; those that came early are buffered."""
        return ReceiveSignal(self.name, self.decode)

    @overload
    def handle(
        self: Signal[None],
        handler: Callable[[], Any],
        *,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleSignal: ...
    @overload
    def handle(
        self,
        handler: Callable[[T], Any],
        *,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleSignal: ...
    def handle(
        self,
        handler: Callable[..., Any],
        *,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleSignal:
        """From now on, run ``handler`` (a function or a generator function) for each; early ones are handled first."""
        takes_payload = self.type is not None
        _check_handler(f"the handler of signal {self.name!r}", handler, takes_payload)
        _check_policy(f"signal {self.name!r}", unfinished_policy)
        return HandleSignal(self.name, self.decode, handler, takes_payload, unfinished_policy)


class Update(Generic[T, R]):
    """A request that is validated, handled and answered: ``Update("set_price", Price, result_type=Receipt)``.

    Without a type it has no payload; without a result type, the answer is taken as plain data.
    """

    @overload
    def __init__(self: Update[None, Any], name: str) -> None: ...
    @overload
    def __init__(self: Update[A, Any], name: str, type: type[A]) -> None: ...
    @overload
    def __init__(self: Update[None, A], name: str, *, result_type: type[A]) -> None: ...
    @overload
    def __init__(self, name: str, type: type[T], *, result_type: type[R]) -> None: ...
    def __init__(self, name: str, type: Any = None, *, result_type: Any = Any) -> None:
        self.name = checked_id(name, "update name")
        self.type = type
        self.result_type = result_type

    def __repr__(self) -> str:
        return f"<update {self.name}>"

    def encode(self, payload: object) -> list[Plain]:
        """A payload as the plain arguments of the message, checked against the declared type."""
        return _encoded(f"update {self.name!r}", self.type, payload)

    def decode(self, input: list[Plain]) -> T:
        """The payload of a message, as the declared type."""
        return cast(T, _decoded(f"update {self.name!r}", self.type, input))

    def decode_result(self, plain: Plain) -> R:
        """The answer, as the declared type of the result."""
        return cast(R, decode(plain, self.result_type))

    @overload
    def handle(
        self: Update[None, R],
        handler: Callable[[], R | Workflow[R]],
        *,
        validator: Callable[[], object] | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleUpdate: ...
    @overload
    def handle(
        self,
        handler: Callable[[T], R | Workflow[R]],
        *,
        validator: Callable[[T], object] | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleUpdate: ...
    def handle(
        self,
        handler: Callable[..., Any],
        *,
        validator: Callable[..., object] | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    ) -> HandleUpdate:
        """From now on, run ``handler`` (a function or a generator function) for each, and answer with what it returns.

        ``validator`` is called first; it only reads, and refuses the update by raising: a refused update leaves no trace.
        """
        takes_payload = self.type is not None
        _check_handler(f"the handler of update {self.name!r}", handler, takes_payload)
        if validator is not None:
            _check_handler(f"the validator of update {self.name!r}", validator, takes_payload)
            if inspect.isgeneratorfunction(validator) or inspect.iscoroutinefunction(validator):
                raise misuse(
                    f"the validator of update {self.name!r} is a generator or coroutine",
                    "it is called before anything is recorded, so it must not yield",
                )
        _check_policy(f"update {self.name!r}", unfinished_policy)
        return HandleUpdate(self.name, self.decode, handler, takes_payload, validator, unfinished_policy)


def _encoded(what: str, type: Any, payload: object) -> list[Plain]:
    if type is None:
        if payload is not None:
            raise misuse(f"{what} takes no payload", "it was declared without a type")
        return []
    plain = encode(payload)
    decode(plain, type)
    return [plain]


def _decoded(what: str, type: Any, input: list[Plain]) -> object:
    if type is None:
        return None
    if len(input) != 1:
        raise PayloadError(
            "RF1302",
            f"{what} came with {len(input)} payloads instead of one",
            why="the sender does not know its type",
            fix="send it through its declaration",
        )
    return decode(input[0], type)


def _check_handler(what: str, function: Callable[..., Any], takes_payload: bool) -> None:
    try:
        inspect.signature(function).bind(*(["payload"] if takes_payload else []))
    except TypeError as error:
        raise misuse(
            f"{what} cannot be called with {'its payload' if takes_payload else 'nothing'}: {error}",
            "it is called with the payload, or with nothing where the message has none",
        ) from None
    except ValueError:
        pass  # a function of an extension that does not tell its parameters: the call will show


def _check_policy(what: str, policy: object) -> None:
    if not isinstance(policy, HandlerUnfinishedPolicy):
        raise misuse(f"the unfinished_policy of {what} is {policy!r}", "it must be a HandlerUnfinishedPolicy")


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
