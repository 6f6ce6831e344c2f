"""Started steps, handles, shields and the structured end of branches."""

from __future__ import annotations

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    DefinitionError,
    Handle,
    Workflow,
    all_of,
    cancel,
    first_of,
    log,
    now,
    sleep,
    start,
    workflow,
)
from tests.kernel.driving import drive
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, release, reserve

# start and join -------------------------------------------------------------------------------------------------------


def test_a_started_step_runs_beside_the_branch_that_started_it() -> None:
    @workflow
    def beside() -> Workflow[list[object]]:
        handle = yield from start(charge(1))
        own = yield from reserve("x")
        return [own, (yield from handle)]

    with drive(beside) as run:
        assert ["reserve", "charge"] == run.scheduled
        run.complete("charge", 1)
        run.complete("reserve", "r")
        assert ["r", 1] == run.result


def test_a_handle_can_be_joined_any_number_of_times_before_and_after_the_end() -> None:
    @workflow
    def joins() -> Workflow[list[int]]:
        handle: Handle[int] = yield from start(charge(1))

        def waits() -> Steps:
            return (yield from handle)

        one, two, three = yield from all_of(handle, waits(), waits())
        return [one, two, three, (yield from handle), *(yield from all_of(handle, handle))]

    with drive(joins) as run:
        run.complete("charge", 7)
        assert [7] * 6 == run.result


def test_joining_a_failed_step_raises_its_failure_each_time() -> None:
    @workflow
    def joins() -> Workflow[list[str]]:
        def fails() -> Steps:
            yield from now()
            raise ApplicationError("no")

        handle: Handle[int] = yield from start(fails())
        seen: list[str] = []
        for _ in range(2):
            try:
                yield from handle
            except ApplicationError as error:
                seen.append(str(error))
        try:
            yield from all_of(handle)
        except ApplicationError as error:
            seen.append(str(error))
        return seen

    with drive(joins) as run:
        assert ["no", "no", "no"] == run.result


def test_a_step_can_be_started_from_an_effect_a_generator_a_workflow_or_a_handle() -> None:
    @workflow
    def sub(amount: int) -> Workflow[int]:
        return (yield from charge(amount))

    def plain() -> Steps:
        return (yield from charge(3))

    @workflow
    def starts() -> Workflow[list[int]]:
        first = yield from start(charge(1))
        second = yield from start(sub(2))
        third = yield from start(plain())
        fourth = yield from start(first)
        return list((yield from all_of(first, second, third, fourth)))

    with drive(starts) as run:
        for amount in (1, 2, 3):
            run.complete("charge", amount)
        assert [1, 2, 3, 1] == run.result


def test_cancelling_a_handle_reaches_the_step_at_its_current_yield_and_does_not_wait() -> None:
    @workflow
    def cancels() -> Workflow[list[str]]:
        seen: list[str] = []

        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            except CancelledError:
                seen.append("cancelled")
                yield from release("x")
                return "cleaned up"

        handle: Handle[str] = yield from start(held())
        yield from nudge.receive()
        yield from cancel(handle)
        seen.append("asked")
        seen.append((yield from handle))
        return seen

    with drive(cancels) as run:
        run.signal(nudge)
        run.complete("release")
        assert ["asked", "cancelled", "cleaned up"] == run.result


def test_cancelling_a_handle_that_has_ended_does_nothing() -> None:
    @workflow
    def cancels() -> Workflow[int]:
        handle: Handle[int] = yield from start(charge(1))
        yield from handle
        yield from cancel(handle)
        return (yield from handle)

    with drive(cancels) as run:
        run.complete("charge", 1)
        assert 1 == run.result


def test_joining_a_step_that_was_cancelled_raises_its_cancellation() -> None:
    @workflow
    def cancels() -> Workflow[str]:
        handle: Handle[int] = yield from start(charge(1))
        yield from nudge.receive()
        yield from cancel(handle)
        try:
            yield from handle
        except CancelledError:
            return "cancelled"
        return "not reached"

    with drive(cancels) as run:
        turn = run.signal(nudge)
        assert ["ActivityTaskCancelRequested", "WorkflowExecutionCompleted"] == [
            type(e).__name__ for e in turn.events if not e.external
        ]
        assert "cancelled" == run.result


def test_a_joiner_that_is_cancelled_leaves_the_step_running() -> None:
    @workflow
    def joins() -> Workflow[int]:
        handle: Handle[int] = yield from start(charge(1))
        yield from first_of(handle, nudge.receive())
        return (yield from handle)

    with drive(joins) as run:
        run.signal(nudge)
        assert ["step 1", "activity 'charge' (seq 1)"] == run.waits
        run.complete("charge", 4)
        assert 4 == run.result


def test_a_step_cancelled_before_its_first_yield_reaches_that_yield_and_is_cancelled_there() -> None:
    @workflow
    def cancels() -> Workflow[list[str]]:
        seen: list[str] = []

        def held() -> Steps:
            seen.append("began")
            yield from log("this cannot wait, so it is done")
            seen.append("logged")
            try:
                yield from charge(1)
            except CancelledError:
                seen.append("cancelled")

        handle: Handle[None] = yield from start(held())
        yield from cancel(handle)
        yield from handle
        return seen

    with drive(cancels) as run:
        assert ["began", "logged", "cancelled"] == run.result
        assert [] == run.scheduled


def test_only_handles_can_be_cancelled() -> None:
    with pytest.raises(DefinitionError, match="RF1002: cancel"):
        cancel(charge(1))  # type: ignore[arg-type]


# The structured end of a branch -----------------------------------------------------------------------------------------


def test_a_branch_that_returns_cancels_its_children_and_ends_when_they_have_unwound() -> None:
    @workflow
    def structured() -> Workflow[list[str]]:
        seen: list[str] = []

        def child() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")
                seen.append("child")

        def parent() -> Steps:
            yield from start(child())
            yield from nudge.receive()
            return "parent"

        seen.append((yield from all_of(parent()))[0])
        return seen

    with drive(structured) as run:
        run.signal(nudge)
        assert ["all_of: step 1", "step 2 to unwind", "activity 'release' (seq 2)"] == run.waits
        run.complete("release")
        assert ["child", "parent"] == run.result


def test_a_branch_that_fails_cancels_its_children_and_its_failure_waits_for_them() -> None:
    @workflow
    def structured() -> Workflow[str]:
        def child() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        def parent() -> Steps:
            yield from start(child())
            yield from nudge.receive()
            raise ApplicationError("parent")

        yield from all_of(parent())
        return "not reached"

    with drive(structured) as run:
        run.signal(nudge)
        run.complete("release")
        assert "parent" == run.failure.message


def test_many_children_of_one_branch_unwind_each_in_its_time() -> None:
    @workflow
    def structured() -> Workflow[int]:
        def child(item: str) -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release(item)

        def parent() -> Steps:
            for item in "abc":
                yield from start(child(item))
            yield from nudge.receive()
            return 3

        return (yield from all_of(parent()))[0]

    with drive(structured) as run:
        run.signal(nudge)
        assert "step 2, step 3, step 4 to unwind" == run.waits[1]
        for _ in range(3):
            run.complete("release")
        assert 3 == run.result


def test_a_second_cancel_request_of_a_closing_branch_goes_to_its_children() -> None:
    @workflow
    def structured() -> Workflow[str]:
        def child() -> Steps:
            try:
                yield from sleep(HOUR)
            except CancelledError:
                try:
                    yield from release("x")
                except CancelledError:
                    return

        def parent() -> Steps:
            yield from start(child())
            yield from nudge.receive()

        handle: Handle[None] = yield from start(parent())
        yield from approval.receive()
        yield from cancel(handle)
        yield from handle
        return "done"

    with drive(structured) as run:
        run.signal(nudge)
        assert ["release"] == run.open_activities
        run.signal(approval, "again")
        assert "done" == run.result


def test_the_failure_of_a_step_that_nobody_joined_is_raised_in_place_of_its_parents_result() -> None:
    @workflow
    def careless() -> Workflow[str]:
        def fails() -> Steps:
            yield from nudge.receive()
            raise ApplicationError("nobody looked", type="Unjoined")

        yield from start(fails())
        yield from approval.receive()
        return "fine"

    with drive(careless) as run:
        run.signal(nudge)
        run.signal(approval, "yes")
        assert "Unjoined" == run.failure.type


def test_an_unjoined_failure_is_raised_at_the_end_of_an_inner_branch_too() -> None:
    @workflow
    def careless() -> Workflow[str]:
        def fails() -> Steps:
            yield from now()
            raise ApplicationError("nobody looked")

        def parent() -> Steps:
            yield from start(fails())
            yield from nudge.receive()
            return "fine"

        try:
            yield from all_of(parent())
        except ApplicationError as error:
            return str(error)
        return "not reached"

    with drive(careless) as run:
        run.signal(nudge)
        assert "nobody looked" == run.result


def test_a_failing_clean_up_of_a_child_that_was_cancelled_by_its_parents_end_is_raised() -> None:
    @workflow
    def careless() -> Workflow[str]:
        def child() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                raise ApplicationError("could not give it back")

        def parent() -> Steps:
            yield from start(child())
            yield from nudge.receive()
            return "fine"

        try:
            yield from all_of(parent())
        except ApplicationError as error:
            return str(error)
        return "not reached"

    with drive(careless) as run:
        run.signal(nudge)
        assert "could not give it back" == run.result


def test_the_parents_own_failure_goes_before_one_that_nobody_joined() -> None:
    @workflow
    def careless() -> Workflow[str]:
        def fails() -> Steps:
            yield from nudge.receive()
            raise ApplicationError("child")

        yield from start(fails())
        yield from approval.receive()
        raise ApplicationError("parent")

    with drive(careless) as run:
        run.signal(nudge)
        run.signal(approval, "yes")
        assert "parent" == run.failure.message


def test_a_started_step_that_was_cancelled_is_no_failure_of_its_parent() -> None:
    @workflow
    def cancels() -> Workflow[str]:
        handle = yield from start(charge(1))
        yield from cancel(handle)
        yield from nudge.receive()
        return "fine"

    with drive(cancels) as run:
        run.signal(nudge)
        assert "fine" == run.result
