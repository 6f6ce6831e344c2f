"""The seven rules of order within a turn, as ``flags`` numbers them."""

from __future__ import annotations

import pytest

from refold import Workflow, all_of, first_of, sleep, start, wait_until, workflow
from refold.events import ActivityTaskScheduled
from refold.flags import CURRENT_FLAGS, FLAGS
from tests.kernel.driving import cancel_asked, drive, signalled
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, number, release, reserve


def test_every_run_records_the_rules_that_it_is_made_under() -> None:
    @workflow
    def nothing() -> Workflow[None]:
        yield from sleep(HOUR)

    with drive(nothing) as run:
        started = run.execution.state.started
        assert started is not None
        assert (1, 2, 3, 4, 5, 6, 7) == tuple(FLAGS) == CURRENT_FLAGS
        assert list(CURRENT_FLAGS) == list(started.flags)


# Rule 1: messages stand before completions, each group in order of arrival -----------------------------------------------


@workflow
def two_of_each() -> Workflow[list[str]]:
    seen: list[str] = []

    def take(step: Steps, name: str) -> Steps:
        yield from step
        seen.append(name)

    yield from all_of(
        take(charge(1).__iter__(), "charge"),
        take(reserve("x").__iter__(), "reserve"),
        take(approval.receive().__iter__(), "approval"),
        take(nudge.receive().__iter__(), "nudge"),
    )
    return seen


def test_rule_1_messages_of_a_turn_are_recorded_before_completions_whatever_the_order_of_arrival() -> None:
    with drive(two_of_each) as run:
        turn = run.turn(
            run.completed("reserve", "r"),
            signalled(nudge),
            run.completed("charge", 1),
            signalled(approval, "yes"),
        )
        assert [
            "WorkflowExecutionSignaled",
            "WorkflowExecutionSignaled",
            "ActivityTaskCompleted",
            "ActivityTaskCompleted",
        ] == [type(event).__name__ for event in turn.events if event.external]
        assert ["nudge", "approval", "reserve", "charge"] == run.result


def test_rule_1_a_cancel_request_stands_before_a_completion_of_its_turn() -> None:
    @workflow
    def one() -> Workflow[int]:
        return (yield from charge(1))

    with drive(one) as run:
        run.turn(run.completed("charge", 1), cancel_asked())
        assert "WorkflowExecutionCanceled" == type(run.closed).__name__


# Rule 2: messages are applied together, and each puts one notification in a first-in-first-out queue -------------------------


def test_rule_2_all_signals_of_a_turn_are_buffered_before_any_code_runs() -> None:
    @workflow
    def drains() -> Workflow[list[int]]:
        first = yield from number.receive()
        second = yield from number.receive()  # there already, as both were applied before the first was worked off
        yield from reserve("after both")
        third = yield from number.receive()
        return [first, second, third]

    with drive(drains) as run:
        run.turn(signalled(number, 1), signalled(number, 2), signalled(number, 3))
        assert ["reserve"] == run.scheduled
        run.complete("reserve", "r")
        assert [1, 2, 3] == run.result


def test_rule_2_receivers_are_resumed_in_the_order_of_their_messages() -> None:
    with drive(two_of_each) as run:
        run.turn(signalled(approval, "yes"), signalled(nudge))
        run.turn(run.completed("charge", 1), run.completed("reserve", "r"))
        assert ["approval", "nudge", "charge", "reserve"] == run.result


def test_rule_2_what_a_message_makes_ready_goes_to_the_end_of_the_queue() -> None:
    @workflow
    def spawns() -> Workflow[list[str]]:
        seen: list[str] = []

        def child() -> Steps:
            seen.append("child")
            yield from sleep(HOUR)

        def first() -> Steps:
            yield from approval.receive()
            yield from start(child())
            seen.append("first")
            yield from sleep(HOUR)

        def second() -> Steps:
            yield from nudge.receive()
            seen.append("second")

        yield from start(first())
        yield from start(second())
        yield from wait_until(lambda: len(seen) == 3)
        return seen

    with drive(spawns) as run:
        run.turn(signalled(approval, "yes"), signalled(nudge))
        assert ["first", "second", "child"] == run.result


# Rule 3: completions are applied and worked off one at a time ------------------------------------------------------------


def test_rule_3_a_completion_is_worked_off_before_the_next_one_of_its_turn() -> None:
    @workflow
    def chains() -> Workflow[str]:
        def chain(name: str) -> Steps:
            yield from charge(1)
            yield from release(name)

        yield from all_of(chain("a"), chain("b"))
        return "done"

    with drive(chains) as run:
        turn = run.turn(run.completed("charge", 1, nth=1), run.completed("charge", 1))
        assert [["b"], ["a"]] == [
            command.input for command in turn.commands if isinstance(command, ActivityTaskScheduled)
        ]
        run.complete("release")
        run.complete("release")


def test_rule_3_the_first_of_two_completions_decides_even_where_code_must_run_in_between() -> None:
    @workflow
    def races() -> Workflow[str]:
        def two_steps() -> Steps:
            yield from charge(1)
            for _ in range(3):
                yield from all_of()
            return "slow"

        index, _ = yield from first_of(two_steps(), reserve("x"))
        return ["two steps", "reserve"][index]

    with drive(races) as run:
        run.turn(run.completed("charge", 1), run.completed("reserve", "r"))
        assert "two steps" == run.result
    with drive(races) as run:
        run.turn(run.completed("reserve", "r"), run.completed("charge", 1))
        assert "reserve" == run.result


# Rule 4: one notification resumes one branch; a combinator is decided where its deciding notification is worked off ----------


def test_rule_4_a_branch_runs_until_it_waits_before_the_next_one_is_resumed() -> None:
    @workflow
    def interleaves() -> Workflow[list[str]]:
        seen: list[str] = []

        def steps(name: str) -> Steps:
            for index in range(2):
                seen.append(f"{name}{index}")
                yield from all_of()  # answered at once: there is nothing to wait for

        yield from all_of(steps("a"), steps("b"))
        return seen

    with drive(interleaves) as run:
        assert ["a0", "a1", "b0", "b1"] == run.result


def test_rule_4_losers_stop_listening_in_the_moment_their_combinator_is_decided() -> None:
    @workflow
    def races() -> Workflow[list[object]]:
        def winner() -> Steps:
            return (yield from approval.receive())

        won = yield from first_of(winner(), number.receive())
        left = yield from number.receive()
        return [won, left]

    with drive(races) as run:
        run.turn(signalled(approval, "yes"), signalled(number, 5))
        assert [[0, "yes"], 5] == run.result


def test_rule_4_between_two_messages_of_a_turn_the_first_decides() -> None:
    @workflow
    def races() -> Workflow[int]:
        index, _ = yield from first_of(approval.receive(), nudge.receive())
        return index

    for first, second, expected in (
        (signalled(approval, "yes"), signalled(nudge), 0),
        (signalled(nudge), signalled(approval, "yes"), 1),
    ):
        with drive(races) as run:
            run.turn(first, second)
            assert expected == run.result


# Rule 5: a message is consumed when its receiver resumes -----------------------------------------------------------------


def test_rule_5_a_signal_whose_receiver_has_lost_its_race_stays_for_the_next_receiver() -> None:
    @workflow
    def races() -> Workflow[list[object]]:
        index, value = yield from first_of(nudge.receive(), number.receive())
        yield from charge(1)
        return [index, value, (yield from number.receive())]

    with drive(races) as run:
        run.turn(signalled(nudge), signalled(number, 7))
        run.complete("charge", 1)
        assert [0, None, 7] == run.result
        assert [] == run.unreceived


def test_rule_5_a_signal_that_nobody_received_is_named_when_the_run_closes() -> None:
    @workflow
    def ignores() -> Workflow[str]:
        yield from first_of(nudge.receive(), number.receive())
        return "done"

    with drive(ignores) as run:
        turn = run.turn(signalled(nudge), signalled(number, 7), signalled(approval, "late"))
        seven, late = turn.events[1:3]
        assert [seven.event_id, late.event_id] == run.unreceived


def test_rule_5_receivers_of_one_name_are_served_in_order_of_registration() -> None:
    @workflow
    def queue() -> Workflow[list[int]]:
        return list((yield from all_of(number.receive(), number.receive(), number.receive())))

    with drive(queue) as run:
        run.turn(signalled(number, 1), signalled(number, 2))
        run.signal(number, 3)
        assert [1, 2, 3] == run.result


# Rule 6: conditions are judged only when no branch is ready, in order of registration ----------------------------------------


def test_rule_6_every_handler_of_a_turn_has_run_before_a_condition_is_judged() -> None:
    @workflow
    def counts() -> Workflow[int]:
        got: list[int] = []
        yield from number.handle(got.append)
        yield from wait_until(lambda: len(got) >= 1)
        return sum(got)

    with drive(counts) as run:
        run.turn(signalled(number, 1), signalled(number, 2), signalled(number, 4))
        assert 7 == run.result


def test_rule_6_a_condition_that_a_message_made_true_beats_a_timer_of_the_same_turn() -> None:
    @workflow
    def hurries() -> Workflow[str]:
        told: list[str] = []
        yield from approval.handle(told.append)
        index, _ = yield from first_of(sleep(HOUR), wait_until(lambda: bool(told)))
        return ["too late", "in time"][index]

    with drive(hurries) as run:
        run.turn(run.fired(), signalled(approval, "yes"))
        assert "in time" == run.result


def test_rule_6_conditions_resume_in_order_of_registration_and_are_judged_again_after_each() -> None:
    @workflow
    def cascade() -> Workflow[list[str]]:
        seen: list[str] = []

        def when(name: str, count: int) -> Steps:
            yield from wait_until(lambda: len(seen) >= count)
            seen.append(name)

        def begin() -> Steps:
            yield from nudge.receive()
            seen.append("nudged")

        yield from all_of(when("third", 3), when("first", 1), when("second", 1), begin())
        return seen

    with drive(cascade) as run:
        run.signal(nudge)
        assert ["nudged", "first", "second", "third"] == run.result


def test_rule_6_a_condition_made_true_and_false_again_by_one_turn_is_never_seen() -> None:
    @workflow
    def flips() -> Workflow[str]:
        on = False

        def switch(value: int) -> None:
            nonlocal on
            on = bool(value)

        yield from number.handle(switch)
        yield from wait_until(lambda: on)
        return "seen"

    with drive(flips) as run:
        run.turn(signalled(number, 1), signalled(number, 0))
        assert ["condition"] == run.waits
        run.signal(number, 1)
        assert "seen" == run.result


# Rule 7: the terminal event comes last; notified handlers and those whose conditions hold still run, unapplied completions fall away ---


@pytest.mark.parametrize("nudge_first", [True, False])
def test_rule_7_a_handler_notified_in_the_closing_turn_runs_and_its_commands_are_kept(
    nudge_first: bool,
) -> None:
    @workflow
    def closes() -> Workflow[str]:
        def handle(value: int) -> Steps:
            yield from charge(value)

        yield from number.handle(handle)
        yield from nudge.receive()
        return "done"

    messages = [signalled(nudge), signalled(number, 9)]
    with drive(closes) as run:
        turn = run.turn(*(messages if nudge_first else reversed(messages)))
        assert ["ActivityTaskScheduled", "WorkflowExecutionCompleted"] == [
            type(event).__name__ for event in turn.events if not event.external
        ]
        assert [] == run.unreceived
        assert () == turn.commands


def test_rule_7_completions_that_were_not_applied_fall_away_with_their_code() -> None:
    @workflow
    def closes() -> Workflow[str]:
        def after() -> Steps:
            yield from charge(1)
            yield from release("never")

        yield from start(after())
        yield from reserve("x")
        return "done"

    with drive(closes) as run:
        turn = run.turn(run.completed("reserve", "r"), run.completed("charge", 1))
        assert ["WorkflowExecutionCompleted"] == [type(e).__name__ for e in turn.events if not e.external]
        assert "done" == run.result


def test_rule_7_the_first_end_stands() -> None:
    @workflow
    def ends_twice() -> Workflow[str]:
        def handle(value: int) -> None:
            raise ValueError("a handler that fails after the workflow has returned decides nothing")

        yield from number.handle(handle)
        yield from nudge.receive()
        return "returned"

    with drive(ends_twice) as run:
        run.turn(signalled(nudge), signalled(number, 1))
        assert "returned" == run.result


def test_rule_7_a_branch_that_is_ready_when_the_workflow_returns_runs_no_more() -> None:
    @workflow
    def closes() -> Workflow[str]:
        def child() -> Steps:
            yield from charge(1)

        yield from start(child())
        return "done"

    with drive(closes) as run:
        assert ["WorkflowExecutionCompleted"] == run.kinds
