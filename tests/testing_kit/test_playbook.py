"""A playbook agrees with a workflow that does what it says, and shows both sides where one does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import ApplicationError, execute_child_workflow, external_workflow, open_executions, sleep
from refold_adapters.testing import KitError, Playbook, PlaybookError
from tests.testing_kit.shop import (
    calls,
    charge,
    counter,
    forgetful,
    listen,
    note,
    parent,
    pay_back,
    raise_to,
    refund,
    reserve,
    sell,
    ship,
    status,
    stop,
    three,
    watch,
    watched,
)

HOUR = timedelta(hours=1)


def test_a_conversation_that_goes_as_it_says_passes() -> None:
    with Playbook(sell, "o-1") as play:
        play.expects(reserve("o-1"), charge("o-1")).answers(status, "paying")
        play.completes(charge, "paid").completes(reserve, "held").expects(sleep(HOUR))
        play.answers(status, "waiting").fires().expects(ship("o-1")).completes(ship).returns("held paid")

    assert "held paid" == play.run.result
    assert (3600, 1) == (
        (play.run.history[-1].at - play.run.history[0].at) // 1_000_000 - 3,
        play.run.done(ship),
    )


def test_failures_and_timeouts_are_told_and_failing_is_expected() -> None:
    with Playbook(pay_back, "o-1") as play:
        play.expects(charge("o-1")).fails(charge, ApplicationError("no money", type="Declined"))
        play.expects(refund("o-1")).completes(refund).raises("activity", "activity 'charge' failed: no money")
    with Playbook(pay_back, "o-2") as play:
        play.expects(charge("o-2")).times_out(charge).expects(refund("o-2")).times_out(refund)
        play.raises("activity", "activity 'refund' failed: the activity timed out (START_TO_CLOSE)")


def test_one_of_several_of_a_kind_is_told_by_its_arguments() -> None:
    with Playbook(three, "o") as play:
        play.expects(charge("o-0"), charge("o-1"), charge("o-2"))
        play.completes(charge("o-1"), "b").completes(charge, "a").completes("charge", "c").returns(
            ["a", "b", "c"]
        )


def test_signals_come_in_order() -> None:
    with Playbook(listen) as play:
        play.signals(note, "one").signals("note", "two").returns(["one", "two"])


def test_updates_are_answered_or_refused() -> None:
    with Playbook(counter, 3) as play:
        play.updates(raise_to, 2).replies(2).updates(raise_to, 1).refuses()
        play.updates(raise_to, 3).replies(3).returns(3)


def test_children_and_messages_to_others_are_expected_and_told() -> None:
    with Playbook(parent, "o-1") as play:
        play.expects(execute_child_workflow(sell, "o-1")).completes(sell, "sold")
        play.expects(external_workflow("ledger").signal(note, "sold")).arrives().returns("sold")


def test_what_is_asked_to_stop_is_expected_and_stops() -> None:
    with Playbook(watched, "o-1") as play:
        play.expects(watch("o-1")).signals(stop).stops(watch).is_cancelled(watch).returns("(1, None)")


def test_a_request_to_stop_ends_a_workflow_that_lets_it() -> None:
    with Playbook(listen) as play:
        play.cancels().ends_as_cancelled()


def test_what_was_done_otherwise_is_shown_beside_what_was_expected() -> None:
    with pytest.raises(PlaybookError) as caught, Playbook(sell, "o-1") as play:
        play.expects(reserve("o-1"), charge("o-2"))

    assert [
        "RF5305: sell did otherwise than its playbook says (-), namely (+)",
        "      > start sell('o-1')",
        "      < asks for reserve('o-1')",
        "    - < asks for charge('o-2')",
        "    ?                      ^",
        "    + < asks for charge('o-1')",
        "    ?                      ^",
    ] == str(caught.value).splitlines()[:7]


def test_what_is_done_and_not_expected_is_an_error_at_the_next_step() -> None:
    with pytest.raises(PlaybookError, match=r"\+ < asks for charge\('o-1'\)"), Playbook(sell, "o-1") as play:
        play.expects(reserve("o-1")).completes(reserve, "held")


def test_what_is_done_and_not_expected_is_an_error_at_the_end() -> None:
    with pytest.raises(PlaybookError, match=r"\+ < returns \['one', 'two'\]"), Playbook(listen) as play:
        play.signals(note, "one").signals(note, "two")


def test_nothing_can_end_that_was_not_asked_for() -> None:
    with (
        pytest.raises(PlaybookError, match="does not wait for 'ship', which is to end"),
        Playbook(sell, "o") as play,
    ):
        play.expects(reserve("o"), charge("o")).completes(ship)
    with pytest.raises(PlaybookError, match="has no timer that could fire"), Playbook(listen) as play:
        play.fires()
    with pytest.raises(PlaybookError, match="has nothing on its way"), Playbook(listen) as play:
        play.arrives()


def test_another_answer_of_a_query_is_an_error() -> None:
    with pytest.raises(PlaybookError, match="answers status with 'paying'"), Playbook(sell, "o") as play:
        play.expects(reserve("o"), charge("o")).answers(status, "sold")


def test_an_error_of_the_test_itself_is_raised_as_it_is_and_leaves_nothing_open() -> None:
    before = open_executions()
    with pytest.raises(ZeroDivisionError), Playbook(sell, "o"):
        _ = 1 / 0

    assert before == open_executions()


def test_a_workflow_that_answers_otherwise_after_a_crash_is_found() -> None:
    calls.clear()
    with (
        pytest.raises(KitError, match="RF5302: forgetful answers otherwise after a crash"),
        Playbook(forgetful, "o"),
    ):
        raise AssertionError("the first turn was to fail")
