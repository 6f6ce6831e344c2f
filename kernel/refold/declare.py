"""What an author declares: activities and workflows.

One rule: a declaration is a value that is checked when it is made, at import, and knows nothing of any run.  The same values are
used by the workflow (``yield from charge(order)``), by clients (``client.start(process_order, ...)``) and by workers.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, overload

import attrs

from refold.effects import ActivityType, ScheduleActivity, Workflow
from refold.errors import DefinitionError, PayloadError
from refold.ids import checked_id
from refold.inbound import misuse
from refold.payloads import Plain, decoder, encode
from refold.policies import ActivityCancellationType, ActivityOptions, RetryPolicy
from refold.waits import Routine

P = ParamSpec("P")
T = TypeVar("T")


class _Signature:
    """The declared types of a function, resolved when they are first needed."""

    def __init__(self, function: Callable[..., Any], what: str) -> None:
        self.function = function
        self.what = what
        self.parameters = inspect.signature(function).parameters
        for parameter in self.parameters.values():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
                raise misuse(
                    f"{what} takes {parameter.name!r} by name only",
                    "arguments are stored in order, without names",
                )
        required = [
            p for p in self.parameters.values() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
        ]
        self.count_min = len(required)
        variadic = any(p.kind is p.VAR_POSITIONAL for p in self.parameters.values())
        self.count_max = 10**6 if variadic else len(self.parameters)

    @cached_property
    def hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self.function)
        except NameError as error:
            raise misuse(
                f"the annotations of {self.what} cannot be resolved: {error}",
                "types decide how stored data is read, so they must be importable where the function is",
            ) from error

    @cached_property
    def result_type(self) -> Any:
        """What the function returns; for a workflow, what its generator returns."""
        hint = self.hints.get("return", Any)
        if typing.get_origin(hint) is not None and hint is not Any:
            origin = typing.get_origin(hint)
            if origin is Generator and len(typing.get_args(hint)) == 3:
                return typing.get_args(hint)[2]
        return hint

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments in order, up to the last one given, however they are given.

        Raises :class:`DefinitionError` (RF1002) where they do not fit the function.
        """
        if not kwargs and self.count_min <= len(args) <= self.count_max:
            return args
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            raise misuse(
                f"{self.what} was called with other arguments than it takes: {error}", "see its signature"
            ) from None
        count = max(
            (index for index, name in enumerate(self.parameters, 1) if name in bound.arguments), default=0
        )
        bound.apply_defaults()
        return bound.args[: max(count, len(args))]

    @cached_property
    def _decoders(self) -> list[Callable[[Plain], Any] | None]:
        """What decodes each parameter; a last one of any number has one for all."""
        return [decoder(self.hints.get(name, Any)) for name in self.parameters]

    def decode_input(self, plain: typing.Sequence[Plain]) -> tuple[Any, ...]:
        """Stored arguments as the declared types."""
        if not self.count_min <= len(plain) <= self.count_max:
            raise PayloadError(
                "RF1302",
                f"{self.what} was given {len(plain)} arguments and takes {self.count_min} to {self.count_max}",
                why="the caller and this code do not agree on its signature",
                fix="give new parameters a default, and keep old ones",
            )
        decoders = self._decoders
        if len(plain) > len(decoders):
            decoders = [*decoders, *decoders[-1:] * (len(plain) - len(decoders))]
        values = [
            item if decode is None else decode(item) for item, decode in zip(plain, decoders, strict=False)
        ]
        return tuple(values)


class Activity(Generic[P, T]):
    """A function with effects, run by a worker.

    Calling it makes an inert :class:`ScheduleActivity`; ``.fn`` is the function itself, for workers and unit tests;
    ``.options(...)`` returns a copy with other options.
    """

    def __init__(
        self,
        fn: Callable[P, Any],
        name: str,
        options: ActivityOptions,
        executor: str,
        signature: _Signature | None = None,
    ) -> None:
        self.fn = fn
        self.name = checked_id(name, "activity name")
        self.default_options = options
        #: ``thread``, ``process`` or ``async``: where a worker runs it.
        self.executor = executor
        self._signature = signature or _Signature(fn, f"activity {name!r}")
        self._fewest, self._most = self._signature.count_min, self._signature.count_max
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", name)

    def __repr__(self) -> str:
        return f"<activity {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ScheduleActivity[T]:
        """The effect that runs it, to be yielded from a workflow."""
        if kwargs or not self._fewest <= len(args) <= self._most:
            args = self._signature.positional(args, kwargs)  # type: ignore[assignment]
        return ScheduleActivity(self.type, args)

    def local(self, *args: P.args, **kwargs: P.kwargs) -> ScheduleActivity[T]:
        """The effect that runs it in the worker that makes the turn, without a task of its own: for what is short.

        It is recorded, retried and cancelled like any other.
        """
        return ScheduleActivity(self._local_type, self._signature.positional(args, kwargs))

    @cached_property
    def _local_type(self) -> ActivityType[T]:
        options = attrs.evolve(self.default_options, local=True)
        return ActivityType(self.name, options.to_plain(), decoder(self.result_type))

    @cached_property
    def type(self) -> ActivityType[T]:
        """What the kernel needs to know of it."""
        return ActivityType(self.name, self.default_options.to_plain(), decoder(self.result_type))

    @property
    def result_type(self) -> Any:
        """The declared type of the result."""
        return self._signature.result_type

    def decode_input(self, plain: typing.Sequence[Plain]) -> tuple[Any, ...]:
        """Stored arguments as the declared types; raises :class:`PayloadError` (RF1302) where they do not fit."""
        return self._signature.decode_input(plain)

    def options(self, **changes: Any) -> Activity[P, T]:
        """A copy with other :class:`ActivityOptions`; raises :class:`DefinitionError` (RF1004) for what is no option."""
        options = self.default_options.changed(changes)
        return Activity(self.fn, self.name, options, self.executor, self._signature)

    def running(self, fn: Callable[..., Any]) -> Activity[P, T]:
        """A copy with the same name, types and options that runs another function, in a thread: for tests."""
        return Activity(fn, self.name, self.default_options, "thread", self._signature)


@overload
def activity(fn: Callable[P, Coroutine[Any, Any, T]], /) -> Activity[P, T]: ...
@overload
def activity(fn: Callable[P, T], /) -> Activity[P, T]: ...
@overload
def activity(
    *,
    name: str | None = None,
    executor: typing.Literal["thread", "process"] | None = None,
    task_queue: str | None = None,
    schedule_to_close_timeout: timedelta | None = None,
    schedule_to_start_timeout: timedelta | None = None,
    start_to_close_timeout: timedelta | None = None,
    heartbeat_timeout: timedelta | None = None,
    retry_policy: RetryPolicy | None = None,
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL,
    at_most_once: bool = False,
) -> _ActivityDecorator: ...
def activity(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    executor: str | None = None,
    retry_policy: RetryPolicy | None = None,
    **options: Any,
) -> Any:
    """Declare an activity: ``@activity`` or ``@activity(start_to_close_timeout=..., retry_policy=..., ...)``.

    The function may be sync (run in a thread, or with ``executor="process"`` in another process) or ``async def``.
    """
    settings = ActivityOptions(retry_policy=retry_policy or RetryPolicy()).changed(options)

    def declare(function: Callable[..., Any]) -> Activity[..., Any]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise misuse(
                f"{function!r} cannot be an activity", "an activity is a function that returns, sync or async"
            )
        is_async = inspect.iscoroutinefunction(function)
        if executor not in (None, "thread", "process") or (is_async and executor is not None):
            raise misuse(
                f"executor={executor!r} does not fit {function!r}",
                "a sync function runs in a thread or a process",
            )
        label = getattr(function, "__name__", "") if name is None else name
        place = "async" if is_async else executor or "thread"
        return Activity(function, str(label), settings, place)

    return declare if fn is None else declare(fn)


class _ActivityDecorator(typing.Protocol):
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Activity[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> Activity[P, T]: ...
    def __call__(self, fn: Any, /) -> Any: ...


#: Where a class in the class form has its definition.
CLASS_DEFINITION = "_refold_workflow"


class WorkflowDefinition(Generic[P, T]):
    """A workflow: a name, the generator function, and the types of its input and result.

    Calling it makes an inert :class:`Routine`, so that a workflow composes into another by ``yield from``.
    """

    @staticmethod
    def of_class(target: type) -> WorkflowDefinition[..., Any] | None:
        """The definition that a class in the class form stands for; None where it is not decorated itself."""
        found: WorkflowDefinition[..., Any] | None = vars(target).get(CLASS_DEFINITION)
        return found

    def __init__(
        self,
        fn: Callable[P, Workflow[T]],
        name: str,
        failure_exception_types: tuple[type[BaseException], ...],
    ) -> None:
        self.fn = fn
        self.name = checked_id(name, "workflow name")
        #: Exceptions that fail the run, besides the failures of refold; any other parks it as a bug.
        self.failure_exception_types = failure_exception_types
        self._signature = _Signature(fn, f"workflow {name!r}")
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", name)

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Routine[T]:
        """The workflow as a step of another one."""
        return Routine(self.fn, args, kwargs)

    @property
    def result_type(self) -> Any:
        """The declared type of what the workflow returns."""
        return self._signature.result_type

    def encode_input(self, *args: Any, **kwargs: Any) -> list[Plain]:
        """Arguments as plain data, checked against the signature and the declared types."""
        plain = [encode(value) for value in self._signature.positional(args, kwargs)]
        self.decode_input(plain)
        return plain

    def decode_input(self, plain: typing.Sequence[Plain]) -> tuple[Any, ...]:
        """Stored arguments as the declared types; raises :class:`PayloadError` (RF1302) where they do not fit."""
        return self._signature.decode_input(plain)


class _WorkflowDecorator(typing.Protocol):
    def __call__(self, fn: Callable[P, Workflow[T]], /) -> WorkflowDefinition[P, T]: ...


@overload
def workflow(fn: Callable[P, Workflow[T]], /) -> WorkflowDefinition[P, T]: ...
@overload
def workflow(
    *, name: str | None = None, failure_exception_types: typing.Sequence[type[BaseException]] = ()
) -> _WorkflowDecorator: ...
def workflow(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    failure_exception_types: typing.Sequence[type[BaseException]] = (),
) -> Any:
    """Declare a workflow: ``@workflow`` on a generator function that yields effects and returns the result."""

    def declare(function: Callable[..., Any]) -> WorkflowDefinition[..., Any]:
        if not inspect.isgeneratorfunction(function):
            kind = (
                "an async function" if inspect.iscoroutinefunction(function) else "not a generator function"
            )
            if inspect.isasyncgenfunction(function):
                kind = "an async generator"
            raise DefinitionError(
                "RF1001",
                f"{getattr(function, '__qualname__', function)!r} is {kind}",
                why="the kernel drives a workflow through `yield`; it has no event loop",
                fix="write `def` with `yield from` for each effect; a workflow without effects needs none of refold",
            )
        return WorkflowDefinition(
            function, function.__name__ if name is None else name, tuple(failure_exception_types)
        )

    return declare if fn is None else declare(fn)
