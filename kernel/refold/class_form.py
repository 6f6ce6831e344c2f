"""``workflow``, and the class form of a workflow: methods that run it and handle its messages.

The class form is sugar.  ``@workflow`` on a class makes the same :class:`WorkflowDefinition` as on a function, of a generator that makes
an object, registers its handlers, lets messages that came early be handled, and then goes on with its ``run``.  On the class, the name of
a decorated method is what a client needs (``Order.run`` the definition, ``Order.approve`` the signal); on the object, the method itself.

One rule: all that is wrong with a class is said when it is decorated.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Protocol, TypeVar, cast, overload

from refold import declare
from refold.author import shield, wait_until
from refold.declare import WorkflowDefinition
from refold.effects import Workflow
from refold.errors import DefinitionError
from refold.inbound import misuse
from refold.methods import Method, QueryMethod, RunMethod, SignalMethod, UpdateMethod
from refold.policies import HandlerUnfinishedPolicy

P = typing.ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., None])

_WARN = HandlerUnfinishedPolicy.WARN_AND_ABANDON
_INIT = "_refold_init"


class _Decorator(Protocol):
    @overload
    def __call__(self, fn: C, /) -> C: ...
    @overload
    def __call__(self, fn: Callable[P, Workflow[T]], /) -> WorkflowDefinition[P, T]: ...
    def __call__(self, fn: Any, /) -> Any: ...


class _SignalDecorator(Protocol):
    @overload
    def __call__(self, fn: Callable[[Any], R], /) -> SignalMethod[None, [], R]: ...
    @overload
    def __call__(self, fn: Callable[[Any, A], R], /) -> SignalMethod[A, [A], R]: ...
    def __call__(self, fn: Any, /) -> Any: ...


class _UpdateDecorator(Protocol):
    @overload
    def __call__(self, fn: Callable[[Any], Workflow[R]], /) -> UpdateMethod[None, R, [], Workflow[R]]: ...
    @overload
    def __call__(self, fn: Callable[[Any, A], Workflow[R]], /) -> UpdateMethod[A, R, [A], Workflow[R]]: ...
    @overload
    def __call__(self, fn: Callable[[Any], R], /) -> UpdateMethod[None, R, [], R]: ...
    @overload
    def __call__(self, fn: Callable[[Any, A], R], /) -> UpdateMethod[A, R, [A], R]: ...
    def __call__(self, fn: Any, /) -> Any: ...


class _QueryDecorator(Protocol):
    def __call__(self, fn: Callable[Concatenate[Any, P], R], /) -> QueryMethod[P, R]: ...


class WorkflowDecorator:
    """Declare a workflow: ``@workflow`` on a generator function, or on a class with a method ``@workflow.run``."""

    @overload
    def __call__(self, fn: C, /) -> C: ...
    @overload
    def __call__(self, fn: Callable[P, Workflow[T]], /) -> WorkflowDefinition[P, T]: ...
    @overload
    def __call__(
        self, /, *, name: str | None = None, failure_exception_types: Sequence[type[BaseException]] = ()
    ) -> _Decorator: ...
    def __call__(
        self,
        fn: Any = None,
        /,
        *,
        name: str | None = None,
        failure_exception_types: Sequence[type[BaseException]] = (),
    ) -> Any:
        """Declare what is decorated as a workflow, under its own name or ``name``."""

        def declared(target: Any) -> Any:
            if isinstance(target, type):
                return _lower(cast("type[Any]", target), name or target.__name__, failure_exception_types)
            return declare.workflow(name=name, failure_exception_types=failure_exception_types)(target)

        return declared if fn is None else declared(fn)

    def run(self, fn: Callable[Concatenate[Any, P], Workflow[T]], /) -> RunMethod[P, T]:
        """The method that is the workflow: a generator method."""
        return RunMethod(fn)

    def init(self, fn: F, /) -> F:
        """An ``__init__`` that takes the arguments of ``run``; any other takes none."""
        setattr(fn, _INIT, True)
        return fn

    @overload
    def signal(self, fn: Callable[[Any], R], /) -> SignalMethod[None, [], R]: ...
    @overload
    def signal(self, fn: Callable[[Any, A], R], /) -> SignalMethod[A, [A], R]: ...
    @overload
    def signal(
        self, /, *, name: str | None = None, unfinished_policy: HandlerUnfinishedPolicy = _WARN
    ) -> _SignalDecorator: ...
    def signal(
        self,
        fn: Any = None,
        /,
        *,
        name: str | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = _WARN,
    ) -> Any:
        """A method (plain or generator) that handles a signal named like it, or ``name``."""

        def make(method: Callable[..., Any]) -> SignalMethod[Any, Any, Any]:
            return SignalMethod(method, name, unfinished_policy)

        return make if fn is None else make(fn)

    @overload
    def update(self, fn: Callable[[Any], Workflow[R]], /) -> UpdateMethod[None, R, [], Workflow[R]]: ...
    @overload
    def update(self, fn: Callable[[Any, A], Workflow[R]], /) -> UpdateMethod[A, R, [A], Workflow[R]]: ...
    @overload
    def update(self, fn: Callable[[Any], R], /) -> UpdateMethod[None, R, [], R]: ...
    @overload
    def update(self, fn: Callable[[Any, A], R], /) -> UpdateMethod[A, R, [A], R]: ...
    @overload
    def update(
        self, /, *, name: str | None = None, unfinished_policy: HandlerUnfinishedPolicy = _WARN
    ) -> _UpdateDecorator: ...
    def update(
        self,
        fn: Any = None,
        /,
        *,
        name: str | None = None,
        unfinished_policy: HandlerUnfinishedPolicy = _WARN,
    ) -> Any:
        """A method (plain or generator) that handles an update and answers with what it returns.

        ``@the_method.validator`` on another method declares its validator.
        """

        def make(method: Callable[..., Any]) -> UpdateMethod[Any, Any, Any, Any]:
            return UpdateMethod(method, name, unfinished_policy)

        return make if fn is None else make(fn)

    @overload
    def query(self, fn: Callable[Concatenate[Any, P], R], /) -> QueryMethod[P, R]: ...
    @overload
    def query(self, /, *, name: str | None = None) -> _QueryDecorator: ...
    def query(self, fn: Any = None, /, *, name: str | None = None) -> Any:
        """A method that answers a query and only reads."""

        def make(method: Callable[..., Any]) -> QueryMethod[Any, Any]:
            return QueryMethod(method, name)

        return make if fn is None else make(fn)


#: Declares a workflow, or in the class form a part of one.
workflow = WorkflowDecorator()


# Lowering -------------------------------------------------------------------------------------------------------------


def _lower(cls: type[Any], name: str, failures: Sequence[type[BaseException]]) -> type:
    """Make the definition of a class, and let ``cls.run`` stand for it."""
    methods = _methods(cls)
    runs: list[Any] = [method for method in methods if isinstance(method, RunMethod)]
    if len(runs) != 1:
        raise DefinitionError(
            "RF1001",
            f"class {cls.__qualname__!r} has {len(runs) or 'no'} methods with @workflow.run",
            why="that method is the workflow, so there must be one",
            fix="decorate one generator method with @workflow.run",
        )
    run: RunMethod[Any, Any] = runs[0]
    if not inspect.isgeneratorfunction(run.fn):
        declare.workflow(cast("Any", run.fn))  # says what is wrong with it
    handlers = [method for method in methods if not isinstance(method, RunMethod)]
    for handler in handlers:
        handler.check()
    takes_arguments = _init_takes_arguments(cls)

    @functools.wraps(run.fn)
    def lowered(*args: Any, **kwargs: Any) -> Workflow[Any]:
        made = cls(*args, **kwargs) if takes_arguments else cls()
        for handler in handlers:
            yield from handler.registration(made)
        # A condition is judged when no branch is ready: handlers of early messages have gone as far as they can by then.
        # A cancel request is not for these lines, so it waits for those of the author.
        yield from shield(wait_until(lambda: True))
        body: Workflow[Any] = run.fn(made, *args, **kwargs)
        return (yield from body)

    signature = inspect.signature(run.fn)
    lowered.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    definition = WorkflowDefinition(lowered, name, tuple(failures))
    run.define(cls, definition)
    setattr(cls, declare.CLASS_DEFINITION, definition)
    return cls


def _methods(cls: type) -> list[Method]:
    """The decorated methods of a class and its bases, those of the bases first, each at its first place."""
    found: dict[str, Method] = {}
    names: dict[tuple[str, str], str] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            if isinstance(value, Method):
                found[attribute] = value
            elif attribute in found:
                raise misuse(
                    f"{cls.__qualname__}.{attribute} takes the place of a decorated method without being decorated",
                    "it would be called in one place and not in the other",
                )
    for attribute, method in found.items():
        key = (method.what, method.name)
        if key in names and method.what != "run":
            raise misuse(
                f"{cls.__qualname__} has two methods for {method.what} {method.name!r}: {names[key]} and {attribute}",
                "each message is given to one handler",
            )
        names[key] = attribute
    return list(found.values())


def _init_takes_arguments(cls: type) -> bool:
    init = cast("Any", cls).__init__
    if getattr(init, _INIT, False):
        return True
    try:
        inspect.signature(cls).bind()
    except TypeError:
        raise misuse(
            f"{cls.__qualname__}.__init__ takes arguments",
            "only an __init__ decorated with @workflow.init is given those of run",
        ) from None
    return False
