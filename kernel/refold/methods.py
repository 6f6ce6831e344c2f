"""The decorated methods of a workflow in class form.

Each is a descriptor: on the class it is the declaration that clients use, on an object the method.  One rule: a method knows how to
check itself and how to register itself for an object, and nothing of the class around it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Generator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from refold.declare import WorkflowDefinition
from refold.effects import Effect, Workflow
from refold.errors import DefinitionError
from refold.inbound import Query, Signal, Update, misuse
from refold.policies import HandlerUnfinishedPolicy

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
M = TypeVar("M")
V = TypeVar("V", bound=Callable[..., object])

_DEFINITION = "_refold_definition"


class Method:
    """Base of all of them."""

    what = ""

    def __init__(self, fn: Callable[..., Any], name: str | None) -> None:
        if not inspect.isfunction(fn):
            raise misuse(
                f"@workflow.{self.what} was put on {fn!r}",
                "it belongs on a method, and nearest to it of all decorators",
            )
        self.fn = fn
        self.name = fn.__name__ if name is None else name
        self.__doc__ = fn.__doc__

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1002) if the method cannot be what it is declared to be."""
        if inspect.iscoroutinefunction(self.fn) or inspect.isasyncgenfunction(self.fn):
            raise misuse(
                f"{self.fn.__qualname__} is async", "the kernel drives generators and has no event loop"
            )

    def registration(self, made: object) -> Effect[None]:
        """The effect that registers the method of one object."""
        raise NotImplementedError

    def bound(self, made: object) -> Any:
        """The method of one object."""
        return self.fn.__get__(made, type(made))

    def payload_types(self) -> list[Any]:
        """The declared types of the parameters after ``self``."""
        parameters = list(inspect.signature(self.fn).parameters.values())[1:]
        hints = self.hints()
        return [hints.get(parameter.name, Any) for parameter in parameters]

    def result_type(self) -> Any:
        """What the method returns, or what its generator does."""
        hint = self.hints().get("return", Any)
        arguments = typing.get_args(hint)
        if typing.get_origin(hint) is Generator and len(arguments) == 3:
            hint = arguments[2]
        return hint

    def hints(self) -> dict[str, Any]:
        """The annotations, resolved."""
        try:
            return typing.get_type_hints(self.fn)
        except NameError as error:
            raise misuse(
                f"the annotations of {self.fn.__qualname__} cannot be resolved: {error}",
                "types decide how stored data is read, so they must be importable where the class is",
            ) from error

    def check_payload(self) -> None:
        """Raise unless there is at most one parameter after ``self``."""
        parameters = list(inspect.signature(self.fn).parameters.values())
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if not 1 <= len(parameters) <= 2 or any(
            each.kind not in plain or each.default is not each.empty for each in parameters
        ):
            raise misuse(
                f"{self.fn.__qualname__} must take self and at most one payload, without a default",
                "a message has one payload or none; give several values as one dataclass",
            )


class RunMethod(Method, Generic[P, T]):
    """``@workflow.run``: on the class it is the :class:`WorkflowDefinition`."""

    what = "run"

    def __init__(self, fn: Callable[Concatenate[Any, P], Workflow[T]]) -> None:
        super().__init__(fn, None)

    def define(self, cls: type, definition: WorkflowDefinition[P, T]) -> None:
        """Let the method stand for a definition on a class."""
        setattr(cls, _DEFINITION, definition)

    @overload
    def __get__(self, instance: None, owner: type, /) -> WorkflowDefinition[P, T]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Callable[P, Workflow[T]]: ...
    def __get__(self, instance: object | None, owner: type, /) -> Any:
        if instance is not None:
            return self.bound(instance)
        definition = vars(owner).get(_DEFINITION)
        if definition is None:
            raise DefinitionError(
                "RF1001",
                f"class {owner.__qualname__!r} is not decorated with @workflow",
                why="only a declared class has a name and types that a store can keep",
                fix="write @workflow above the class",
            )
        return definition


class SignalMethod(Method, Generic[T, P, R]):
    """``@workflow.signal``: on the class it is the :class:`Signal`."""

    what = "signal"

    def __init__(self, fn: Callable[..., R], name: str | None, policy: HandlerUnfinishedPolicy) -> None:
        super().__init__(fn, name)
        self.policy = policy
        self._declared: Signal[T] | None = None

    @property
    def declared(self) -> Signal[T]:
        """The signal; its type is resolved when it is first needed."""
        if self._declared is None:
            make: Any = Signal
            self._declared = cast("Signal[T]", make(self.name, *self.payload_types()))
        return self._declared

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1002) if the method cannot be what it is declared to be."""
        super().check()
        self.check_payload()

    def registration(self, made: object) -> Effect[None]:
        """The effect that registers the method of one object."""
        return self.declared.handle(self.bound(made), unfinished_policy=self.policy)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Signal[T]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Callable[P, R]: ...
    def __get__(self, instance: object | None, owner: type, /) -> Any:
        return self.declared if instance is None else self.bound(instance)


class UpdateMethod(Method, Generic[T, R, P, M]):
    """``@workflow.update``: on the class it is the :class:`Update`; ``M`` is what the method itself returns."""

    what = "update"

    def __init__(self, fn: Callable[..., M], name: str | None, policy: HandlerUnfinishedPolicy) -> None:
        super().__init__(fn, name)
        self.policy = policy
        self._validator: Callable[..., object] | None = None
        self._declared: Update[T, R] | None = None

    def validator(self, fn: V, /) -> V:
        """The method that refuses an update by raising; it takes the same payload, and only reads."""
        self._validator = fn
        return fn

    @property
    def declared(self) -> Update[T, R]:
        """The update; its types are resolved when they are first needed."""
        if self._declared is None:
            make: Any = Update
            declared = make(self.name, *self.payload_types(), result_type=self.result_type())
            self._declared = cast("Update[T, R]", declared)
        return self._declared

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1002) if the method cannot be what it is declared to be."""
        super().check()
        self.check_payload()

    def registration(self, made: object) -> Effect[None]:
        """The effect that registers the method of one object, with its validator."""
        handler: Any = self.bound(made)
        validator: Any = None if self._validator is None else self._validator.__get__(made)
        declared: Any = self.declared
        effect: Effect[None] = declared.handle(handler, validator=validator, unfinished_policy=self.policy)
        return effect

    @overload
    def __get__(self, instance: None, owner: type, /) -> Update[T, R]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Callable[P, M]: ...
    def __get__(self, instance: object | None, owner: type, /) -> Any:
        return self.declared if instance is None else self.bound(instance)


class QueryMethod(Method, Generic[P, R]):
    """``@workflow.query``: on the class it is the :class:`Query`."""

    what = "query"

    def __init__(self, fn: Callable[Concatenate[Any, P], R], name: str | None) -> None:
        super().__init__(fn, name)
        self._declared: Query[R] | None = None

    @property
    def declared(self) -> Query[R]:
        """The query; its type is resolved when it is first needed."""
        if self._declared is None:
            self._declared = Query(self.name, self.result_type())
        return self._declared

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1002) if the method cannot be what it is declared to be."""
        super().check()
        if inspect.isgeneratorfunction(self.fn):
            raise misuse(f"the query {self.fn.__qualname__} is a generator method", "a query only reads")

    def registration(self, made: object) -> Effect[None]:
        """The effect that registers the method of one object."""
        return self.declared.answer(self.bound(made))

    @overload
    def __get__(self, instance: None, owner: type, /) -> Query[R]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Callable[P, R]: ...
    def __get__(self, instance: object | None, owner: type, /) -> Any:
        return self.declared if instance is None else self.bound(instance)
