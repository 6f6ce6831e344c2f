"""Workflows as classes: the same definition, whose methods handle messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    DefinitionError,
    HandlerUnfinishedPolicy,
    Query,
    Signal,
    Update,
    Workflow,
    WorkflowDefinition,
    info,
    wait_until,
    workflow,
)
from refold import events as ev
from tests.kernel.driving import cancel_asked, drive, signalled, updated
from tests.kernel.parts import charge, nudge


@dataclass
class Price:
    amount: int


@workflow
class Shop:
    """Sells until it is closed."""

    @workflow.init
    def __init__(self, name: str, first: int = 0) -> None:
        self.name = name
        self.prices = [first]
        self.closed = False

    @workflow.run
    def run(self, name: str, first: int = 0) -> Workflow[list[int]]:
        yield from charge(len(self.prices))
        yield from wait_until(lambda: self.closed)
        return self.prices

    @workflow.signal
    def close(self) -> None:
        """No more sales."""
        self.closed = True

    @workflow.signal(name="price", unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    def take_price(self, price: Price) -> Workflow[None]:
        self.prices.append((yield from charge(price.amount)))

    @workflow.query
    def status(self, sep: str = " ") -> str:
        return sep.join([self.name, *map(str, self.prices)])

    @workflow.query(name="count")
    def how_many(self) -> int:
        return len(self.prices)

    @workflow.update
    def raise_all(self, by: Price) -> int:
        self.prices[:] = [price + by.amount for price in self.prices]
        return sum(self.prices)

    @raise_all.validator
    def check(self, by: Price) -> None:
        if by.amount <= 0:
            raise ApplicationError("not a raise", type="NotARaise")

    @workflow.update(name="charge_twice", unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    def twice(self) -> Workflow[str]:
        yield from charge(1)
        yield from charge(2)
        return "charged"


def test_a_class_is_a_workflow_by_its_name_with_the_signature_of_its_run() -> None:
    assert isinstance(Shop.run, WorkflowDefinition)
    assert "Shop" == Shop.run.name
    assert list[int] == Shop.run.result_type
    assert ["a", 5] == Shop.run.encode_input("a", first=5)
    with pytest.raises(DefinitionError, match="RF1302"):
        Shop.run.encode_input(7)
    with drive(Shop.run, "a", 5) as run:
        run.complete("charge", 1)
        run.signal(Shop.close)
        assert [5] == run.result


def test_on_the_class_a_method_is_what_a_client_sends() -> None:
    assert isinstance(Shop.close, Signal)
    assert isinstance(Shop.take_price, Signal)
    assert isinstance(Shop.status, Query)
    assert isinstance(Shop.raise_all, Update)
    assert (("close", None), ("price", Price)) == (
        (Shop.close.name, Shop.close.type),
        (Shop.take_price.name, Shop.take_price.type),
    )
    assert (("status", str), ("count", int)) == (
        (Shop.status.name, Shop.status.type),
        (Shop.how_many.name, Shop.how_many.type),
    )
    assert (("raise_all", Price, int), ("charge_twice", None, str)) == (
        (Shop.raise_all.name, Shop.raise_all.type, Shop.raise_all.result_type),
        (Shop.twice.name, Shop.twice.type, Shop.twice.result_type),
    )
    assert Shop.close is Shop.close
    assert Shop.status is Shop.status
    assert Shop.raise_all is Shop.raise_all


def test_on_an_object_a_method_is_a_method() -> None:
    shop = Shop("a", 1)
    shop.close()
    assert (True, "a 1", 1, 3) == (shop.closed, shop.status(), shop.how_many(), shop.raise_all(Price(2)))
    shop.check(Price(1))
    generator = shop.twice()
    assert iter(generator) is generator
    generator.close()
    shop.take_price(Price(1)).close()
    shop.run("a").close()


def test_its_methods_handle_messages_in_a_run() -> None:
    with drive(Shop.run, "a") as run:
        run.signal(Shop.take_price, Price(4))
        run.update(Shop.raise_all, Price(0), id="refused")
        run.update(Shop.raise_all, Price(10), id="a")
        run.update(Shop.twice, id="b")
        assert ("a-10", 1) == (run.query(Shop.status, "-"), run.query(Shop.how_many))
        run.turn(run.completed("charge", 4, nth=1))
        run.complete("charge", 0)
        turn = run.signal(Shop.close)
        assert [10, 4] == run.result
        assert {"a": 10} == run.answers
        assert [("charge_twice", HandlerUnfinishedPolicy.ABANDON)] == [
            (u.name, u.policy) for u in turn.unfinished
        ]


def test_messages_of_the_first_turn_are_handled_before_the_first_line_of_run() -> None:
    with drive(Shop.run, "a", beside=[signalled(Shop.take_price, Price(4)), signalled(Shop.close)]) as run:
        assert [[4], [1]] == [
            each.input for each in run.execution.outstanding if isinstance(each, ev.ActivityTaskScheduled)
        ]
        run.turn(run.completed("charge", 1, nth=1))
        assert [0] == run.result

    @workflow
    class Counts:
        def __init__(self) -> None:
            self.seen = 0

        @workflow.signal
        def count(self) -> None:
            self.seen += 1

        @workflow.run
        def run(self) -> Workflow[int]:
            return self.seen
            yield

    with drive(Counts.run, beside=[signalled("count"), signalled("count")]) as run:
        assert 2 == run.result


def test_a_cancel_request_of_the_first_turn_reaches_the_run_and_not_what_comes_before_it() -> None:
    @workflow
    class Cleans:
        @workflow.run
        def run(self) -> Workflow[str]:
            asked = (yield from info()).cancel_requested
            try:
                yield from nudge.receive()
            except CancelledError:
                return f"cleaned up, {asked}"
            return "not cancelled"

    with drive(Cleans.run, beside=[cancel_asked()]) as run:
        assert "cleaned up, True" == run.result


def test_each_run_has_an_object_of_its_own() -> None:
    with drive(Shop.run, "a") as one, drive(Shop.run, "b") as other:
        one.signal(Shop.take_price, Price(4))
        one.turn(one.completed("charge", 4, nth=1))
        assert ("a 0 4", "b 0") == (one.query("status"), other.query("status"))


def test_a_class_composes_into_another_workflow() -> None:
    @workflow
    class Inner:
        @workflow.init
        def __init__(self, by: int) -> None:
            self.by = by

        @workflow.run
        def run(self, by: int) -> Workflow[int]:
            return self.by + (yield from charge(1))

    @workflow
    def outer() -> Workflow[int]:
        return (yield from Inner.run(by=5))

    with drive(outer) as run:
        run.complete("charge", 2)
        assert 7 == run.result


def test_a_class_may_have_another_name_and_failures_of_its_own() -> None:
    @workflow(name="other", failure_exception_types=[ValueError])
    class Named:
        @workflow.run
        def run(self) -> Workflow[None]:
            yield from charge(1)
            raise ValueError("no")

    assert "other" == Named.run.name
    with drive(Named.run) as run:
        run.complete("charge", 1)
        assert "ValueError" == run.failure.type


def test_a_class_inherits_handlers_and_may_replace_them() -> None:
    class Base:
        said = ""

        @workflow.signal
        def say(self, what: str) -> None:
            self.said += what

        @workflow.query
        def heard(self) -> str:
            return self.said

    @workflow
    class Derived(Base):
        @workflow.signal
        def say(self, what: str) -> None:
            self.said += what.upper()

        @workflow.run
        def run(self) -> Workflow[None]:
            yield from nudge.receive()

    with drive(Derived.run) as run:
        run.signal(Derived.say, "a")
        assert "A" == run.query(Derived.heard)


def test_the_waiting_lines_are_those_of_the_author() -> None:
    with drive(Shop.run, "a") as run:
        (waiting,) = run.execution.waiting()
        assert ["in Shop.run"] == [frame[frame.index("in ") :] for frame in waiting.frames]


# Misuse ----------------------------------------------------------------------------------------------------------------------


def _run(self: Any) -> Workflow[None]:
    yield from nudge.receive()


async def _async(self: Any) -> None: ...


def _generator(self: Any) -> Any:
    yield


def _class(**methods: Any) -> Any:
    return type("Odd", (), methods)


run_of: Any = workflow.run
loose: Any = workflow


@pytest.mark.parametrize(
    ("methods", "problem"),
    [
        (dict, "RF1001: class 'Odd' has no methods with @workflow.run"),
        (
            lambda: {"a": run_of(_run), "b": run_of(_run)},
            "RF1001: class 'Odd' has 2 methods with @workflow.run",
        ),
        (lambda: {"run": run_of(_async)}, "RF1001: '_async' is an async function"),
        (lambda: {"run": run_of(lambda self: None)}, "is not a generator function"),
        (lambda: {"run": run_of(_run), "s": loose.signal(_async)}, "RF1002: _async is async"),
        (
            lambda: {"run": run_of(_run), "q": loose.query(_generator)},
            "the query _generator is a generator method",
        ),
        (lambda: {"run": run_of(_run), "q": loose.query(_async)}, "RF1002: _async is async"),
        (
            lambda: {"run": run_of(_run), "s": loose.signal(lambda self, a, b: None)},
            "must take self and at most one payload",
        ),
        (
            lambda: {"run": run_of(_run), "u": loose.update(lambda self, a=1: None)},
            "must take self and at most one payload, without a default",
        ),
        (lambda: {"run": run_of(_run), "u": loose.update(lambda: None)}, "must take self and at most one"),
        (
            lambda: {
                "run": run_of(_run),
                "a": loose.signal(name="s")(lambda self: None),
                "b": loose.signal(name="s")(lambda self: None),
            },
            "Odd has two methods for signal 's': a and b",
        ),
        (lambda: {"run": run_of(_run), "__init__": lambda self, x: None}, "Odd.__init__ takes arguments"),
        (lambda: {"run": run_of(7)}, "@workflow.run was put on 7"),
    ],
)
def test_a_misuse_is_told_when_the_class_is_declared(
    methods: Callable[[], dict[str, Any]], problem: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        workflow(_class(**methods()))
    assert problem in str(caught.value)


def test_a_class_that_is_not_declared_has_no_definition() -> None:
    with pytest.raises(DefinitionError, match="RF1001: class 'Odd' is not decorated with @workflow"):
        _ = _class(run=run_of(_run)).run


def test_a_decorated_method_is_not_replaced_by_one_that_is_not() -> None:
    class Derived(Shop):
        def close(self) -> None: ...  # type: ignore[override]

    with pytest.raises(DefinitionError, match=r"Derived\.close takes the place of a decorated method"):
        workflow(Derived)


def test_annotations_that_cannot_be_resolved_are_told() -> None:
    def heard(self: Any, what: Any) -> None: ...

    heard.__annotations__ = {"what": "Nowhere"}
    declared: Any = workflow(_class(run=run_of(_run), heard=loose.signal(heard)))
    with pytest.raises(DefinitionError, match=r"RF1002: the annotations of .*heard cannot be resolved"):
        _ = declared.heard


def test_a_method_of_a_base_must_say_how_it_is_registered() -> None:
    from refold.methods import Method

    with pytest.raises(NotImplementedError):
        Method(_run, None).registration(object())


def test_an_update_of_a_class_is_a_message_like_another() -> None:
    assert ("raise_all", [{"amount": 1}]) == (
        (message := updated(Shop.raise_all, Price(1))).update_name,
        message.input,
    )


def test_a_class_leads_to_its_definition_and_one_that_is_not_decorated_to_none() -> None:
    @workflow(name="counted")
    class Counting:
        @workflow.run
        def main(self) -> Workflow[int]:
            yield from ()
            return 1

    class Heir(Counting):
        pass

    assert (Counting.main, None) == (
        WorkflowDefinition.of_class(Counting),
        WorkflowDefinition.of_class(Heir),
    )
