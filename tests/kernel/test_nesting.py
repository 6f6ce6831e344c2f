"""Combinators inside combinators, and branches inside both."""

from __future__ import annotations

from refold import (
    CancelledError,
    TimeoutError,
    Workflow,
    all_of,
    all_settled,
    first_of,
    shield,
    sleep,
    wait_until,
    with_timeout,
    workflow,
)
from tests.kernel.driving import drive, signalled
from tests.kernel.parts import (
    HOUR,
    MINUTE,
    Steps,
    approval,
    charge,
    nudge,
    refund,
    release,
    reserve,
)

# Nesting --------------------------------------------------------------------------------------------------------------


def test_combinators_nest_and_cancel_through_every_level() -> None:
    @workflow
    def nests() -> Workflow[list[object]]:
        index, value = yield from first_of(
            all_of(charge(1), first_of(reserve("x"), sleep(HOUR))),
            all_of(approval.receive(), wait_until(lambda: True)),
        )
        return [index, list(value) if isinstance(value, tuple) else value]

    with drive(nests) as run:
        run.complete("reserve", "r")
        run.signal(approval, "yes")
        assert [1, ["yes", None]] == run.result
        assert 1 == run.kinds.count("ActivityTaskCancelRequested")


def test_a_branch_inside_a_combinator_inside_a_branch_unwinds_from_the_inside() -> None:
    @workflow
    def nests() -> Workflow[list[str]]:
        seen: list[str] = []

        def inner() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("inner")
                seen.append("inner")

        def outer() -> Steps:
            try:
                yield from all_of(inner(), charge(1))
            finally:
                seen.append("outer")

        yield from first_of(outer(), nudge.receive())
        return seen

    with drive(nests) as run:
        run.signal(nudge)
        run.complete("release")
        assert ["inner", "outer"] == run.result


def test_a_decided_combinator_keeps_its_result_when_a_cancel_request_comes_while_losers_unwind() -> None:
    @workflow
    def keeps() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        index, value = yield from first_of(held(), approval.receive())
        try:
            yield from charge(1)
        except CancelledError:
            yield from refund(1)
            return f"{index} {value}, then cancelled"
        return "not reached"

    with drive(keeps) as run:
        run.signal(approval, "yes")
        run.cancel()
        assert ["release"] == run.open_activities
        run.complete("release")
        assert ["release", "refund"] == run.scheduled
        run.complete("refund")
        assert "1 yes, then cancelled" == run.result


def test_a_nested_combinator_that_is_decided_keeps_its_result_when_the_outer_one_is_cancelled() -> None:
    @workflow
    def keeps() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        try:
            yield from all_settled(first_of(held(), approval.receive()), charge(1))
        except CancelledError:
            return "cancelled"
        return "not reached"

    with drive(keeps) as run:
        run.signal(approval, "yes")
        run.cancel()
        assert ["all_settled, decided, unwinding: (first_of, decided, unwinding: step 1)"] == run.waits[:1]
        run.complete("release")
        assert "cancelled" == run.result


def test_a_slot_whose_combinator_is_ready_when_the_outer_one_is_decided_ends_by_itself() -> None:
    @workflow
    def tight() -> Workflow[int]:
        def quick(name: str) -> Steps:
            yield from approval.receive()
            return name

        def other() -> Steps:
            yield from nudge.receive()

        index, _ = yield from first_of(other(), all_of(quick("a")))
        return index

    # The nested all_of has ended, and its owner is in the queue, when the other step decides the race.
    for messages, expected in (
        ((signalled(approval, "x"), signalled(nudge)), 0),
        ((signalled(nudge), signalled(approval, "x")), 0),
        ((signalled(approval, "x"),), 1),
    ):
        with drive(tight) as run:
            run.turn(*messages)
            assert expected == run.result


def test_with_timeout_inside_a_combinator_inside_with_timeout() -> None:
    @workflow
    def nests() -> Workflow[str]:
        try:
            yield from with_timeout(all_of(with_timeout(charge(1), HOUR), shield(reserve("x"))), MINUTE)
        except TimeoutError:
            return "timed out"
        return "not reached"

    with drive(nests) as run:
        run.turn(run.fired(0), at=run.execution.state.at + 60_000_000)
        # The shielded step is out of reach of cancellation, so it is waited for.
        assert [
            "first_of, decided, unwinding: (all_of, decided, unwinding: (shield: activity 'reserve' (seq 1)))"
        ] == run.waits
        run.complete("reserve", "r")
        assert "timed out" == run.result
