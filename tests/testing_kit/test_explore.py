"""A search finds the schedule that breaks a property, makes it short, saves it, and tries it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import find, given, settings

from refold import ApplicationError, Execution, TimeoutError, TimeoutType, WorkflowStatus, open_executions
from refold.codec import decode_events, encode_events
from refold.events import ActivityTaskTimedOut
from refold_adapters.testing import KitError, Run, cancel, explore, runs, signal, update
from refold_adapters.testing.again import play_again
from refold_adapters.testing.exhaustive import Limits, Search, Searched
from refold_adapters.testing.scope import Scope
from tests.testing_kit import shop
from tests.testing_kit.shop import (
    charge,
    counter,
    listen,
    note,
    parent,
    pay_back,
    raise_to,
    refund,
    reserve,
    sell,
    ship,
    stop,
    three,
    watch,
    watched,
)

SELLING: dict[Any, list[object]] = {
    reserve: ["held", ApplicationError("none left", type="SoldOut")],
    charge: ["paid", ApplicationError("no money", type="Declined")],
    ship: [None],
}
PAYING: dict[Any, list[object]] = {charge: ["paid", ApplicationError("no money")], refund: [None]}


def whoever_paid_gets_it(run: Run) -> None:
    assert run.done(charge) == run.done(ship), "paid, and not shipped"


def events_of(folder: Path) -> list[str]:
    [file] = folder.iterdir()
    return [type(event).__name__ for event in decode_events(file.read_bytes().removesuffix(b"\n"))]


def searched(
    workflow: Any, *args: object, limits: Limits | None = None, **settings: Any
) -> tuple[Searched, set[Any]]:
    """A search in which nothing is wrong, and how the runs ended."""
    ends: set[Any] = set()

    def note_end(run: Run) -> None:
        effects = tuple(sorted((each.activity, each.args, each.times) for each in run.effects))
        result = json.dumps(run.result)
        ends.add((run.status, result, run.failure and run.failure.message, effects, run.unreceived))

    given: dict[str, Any] = {"outcomes": {}, "messages": [], "faults": True, **settings}
    return Search(Scope.of(workflow, args, **given), note_end, limits=limits).run(), ends


# Finding --------------------------------------------------------------------------------------------------------------


def test_the_schedule_that_breaks_a_property_is_found_and_told(tmp_path: Path) -> None:
    test = explore(sell, "o-1", outcomes=SELLING, messages=[signal(stop)], faults=False, found=tmp_path)(
        whoever_paid_gets_it
    )
    with pytest.raises(AssertionError, match="paid, and not shipped") as caught:
        test()

    told = "\n".join(caught.value.__notes__)
    assert "sell('o-1')" in told
    assert "outside   reserve fails: SoldOut: none left" in told or "client    signals stop()" in told
    assert "testing_kit/shop.py:" in told
    assert f"the run is saved in {tmp_path}" in told


def test_what_is_found_is_as_short_as_can_be(tmp_path: Path) -> None:
    outcomes = {**SELLING, reserve: ["held"]}
    test = explore(sell, "o-1", outcomes=outcomes, messages=[signal(stop)], faults=False, found=tmp_path)(
        whoever_paid_gets_it
    )
    with pytest.raises(AssertionError):
        test()

    assert [
        *("WorkflowExecutionStarted", "ActivityTaskScheduled", "ActivityTaskScheduled"),
        *("ActivityTaskCompleted", "WorkflowExecutionSignaled", "ActivityTaskCompleted"),
        "WorkflowExecutionFailed",
    ] == events_of(tmp_path)


def test_random_schedules_find_it_too_and_are_made_short(tmp_path: Path) -> None:
    test = explore(
        sell, "o-1", outcomes=SELLING, messages=[signal(stop)], deviations_max=0, examples=300, found=tmp_path
    )(whoever_paid_gets_it)
    with pytest.raises(AssertionError, match="paid, and not shipped"):
        test()

    assert len(events_of(tmp_path)) <= 12


def test_what_was_found_is_tried_first_until_it_is_mended(tmp_path: Path) -> None:
    def search(property: Any, **limits: Any) -> None:
        explore(sell, "o-1", outcomes=SELLING, messages=[signal(stop)], found=tmp_path, examples=0, **limits)(
            property
        )()

    def property_of(run: Run) -> None:
        whoever_paid_gets_it(run)

    with pytest.raises(AssertionError):
        search(property_of)
    with pytest.raises(AssertionError) as caught:
        search(property_of, deviations_max=0)  # which alone would not find it
    assert any("it was found before" in note for note in caught.value.__notes__)

    asked: list[WorkflowStatus] = []

    def mended(run: Run) -> None:
        asked.append(run.status)

    mended.__name__ = "property_of"
    search(mended, deviations_max=0)

    assert [WorkflowStatus.FAILED, WorkflowStatus.COMPLETED] == asked


def test_a_saved_run_replays_against_the_code_that_it_was_found_in(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        explore(sell, "o-1", outcomes=SELLING, found=tmp_path)(whoever_paid_gets_it)()

    [file] = tmp_path.iterdir()
    state = Execution.replay(sell, decode_events(file.read_bytes().removesuffix(b"\n")))
    assert WorkflowStatus.FAILED == state.status


def test_a_property_of_every_turn_is_asked_at_the_first_turn_that_breaks_it(tmp_path: Path) -> None:
    @explore(sell, "o-1", outcomes=SELLING, every_turn=True, examples=0, found=tmp_path)
    def never_paid(run: Run) -> None:
        assert 0 == run.done(charge)

    with pytest.raises(AssertionError):
        never_paid()

    assert ["ActivityTaskCompleted", "TimerStarted"] == events_of(tmp_path)[-2:]


def test_a_property_of_every_turn_is_asked_of_random_runs_too(tmp_path: Path) -> None:
    @explore(sell, "o-1", outcomes=SELLING, every_turn=True, deviations_max=-1, found=tmp_path)
    def never_between(run: Run) -> None:
        assert run.closed or 1 != run.done(charge)

    with pytest.raises(AssertionError):
        never_between()


def test_an_activity_that_ran_and_was_not_heard_of_is_among_what_happens(tmp_path: Path) -> None:
    @explore(pay_back, "o-1", outcomes=PAYING, found=tmp_path, examples=0)
    def nothing_is_lost(run: Run) -> None:
        assert run.done(charge) - run.done(refund) == (run.result is not None)

    with pytest.raises(AssertionError) as caught:
        nothing_is_lost()  # a refund of what was never charged, or one that was lost

    assert "charge" in "\n".join(caught.value.__notes__)


def test_a_workflow_whose_code_fails_is_found_with_the_turn_that_failed(tmp_path: Path) -> None:
    shop.calls.clear()
    with pytest.raises(KitError, match="RF5302") as caught:
        explore(shop.forgetful, "o", outcomes={charge: ["x"]}, found=tmp_path)(whoever_paid_gets_it)()

    assert "client  starts forgetful('o')" in "\n".join(caught.value.__notes__)


def test_a_search_leaves_no_execution_open(tmp_path: Path) -> None:
    before = open_executions()
    explore(sell, "o", outcomes=SELLING, messages=[signal(stop), cancel()], found=tmp_path, examples=20)(
        repr
    )()

    assert before == open_executions()
    assert [] == list(tmp_path.iterdir())


# Searching it all -----------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "one after the other": (pay_back, ["o"], {"outcomes": PAYING, "messages": [cancel()]}),
    "side by side": (
        sell,
        ["o"],
        {"outcomes": SELLING, "messages": [signal(stop), cancel()], "faults": False},
    ),
    "three at once": (
        three,
        ["o"],
        {"outcomes": {charge: [str.upper, ApplicationError("no")]}, "messages": [cancel()]},
    ),
    "in order": (
        listen,
        [],
        {"messages": [signal(note, "a"), signal(note, "b"), signal(note, "b"), cancel()]},
    ),
    "updates": (counter, [2], {"messages": [update(raise_to, 1), update(raise_to, 2), update(raise_to, 2)]}),
    "others": (
        parent,
        ["o"],
        {
            "outcomes": {
                sell: ["sold", ApplicationError("no"), TimeoutError("late", type=TimeoutType.START_TO_CLOSE)]
            }
        },
    ),
    "stopped": (watched, ["o"], {"outcomes": {watch: ["w"]}, "messages": [signal(stop), cancel()]}),
}


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("deviations", [2, None])
def test_schedules_that_are_left_out_would_have_ended_like_others(name: str, deviations: int | None) -> None:
    workflow, args, settings = EVERYTHING[name]
    few, ends = searched(workflow, *args, limits=Limits(deviations=deviations), **settings)
    many, all_ends = searched(workflow, *args, limits=Limits(deviations=deviations, prune=False), **settings)

    assert all_ends == ends
    assert few.schedules <= many.schedules
    assert 0 == many.pruned


def test_what_commutes_is_tried_in_one_order() -> None:
    settings: dict[str, Any] = {"outcomes": {charge: ["x"]}, "faults": False}
    few, _ = searched(three, "o", limits=Limits(deviations=None), **settings)
    many, _ = searched(three, "o", limits=Limits(deviations=None, prune=False), **settings)

    assert (1, 6) == (few.schedules, many.schedules)


def test_two_messages_that_are_the_same_are_one_choice() -> None:
    different, _ = searched(
        listen, messages=[signal(note, "a"), signal(note, "b")], limits=Limits(deviations=None)
    )
    same, ends = searched(
        listen, messages=[signal(note, "a"), signal(note, "a")], limits=Limits(deviations=None)
    )

    # None; one of them; both of them, in a turn each or together.
    assert (1 + 2 + 2 * 2, 1 + 1 + 1) == (different.schedules, same.schedules)
    assert {'["a", "a"]', "null"} == {end[1] for end in ends}


def test_the_same_search_counts_the_same() -> None:
    settings: dict[str, Any] = {"outcomes": SELLING, "messages": [signal(stop), cancel()]}

    assert searched(sell, "o", **settings) == searched(sell, "o", **settings)


def test_a_search_stops_at_its_limits() -> None:
    settings: dict[str, Any] = {"outcomes": SELLING, "messages": [signal(stop)]}
    cut, _ = searched(sell, "o", limits=Limits(schedules=5), **settings)
    short, ends = searched(sell, "o", limits=Limits(moves=1), **settings)

    assert (True, 5) == (cut.cut, cut.schedules)
    assert False is short.cut
    assert {WorkflowStatus.RUNNING, WorkflowStatus.FAILED} == {end[0] for end in ends}


def test_a_workflow_in_the_class_form_is_searched() -> None:
    messages = [signal("note", "a"), signal("note", "b"), signal("stop")]
    _, ends = searched(shop.Till, messages=messages, limits=Limits(deviations=None))

    assert {"0", "1", "2", "null"} == {end[1] for end in ends}


def test_a_workflow_that_never_ends_is_left_after_a_number_of_moves(tmp_path: Path) -> None:
    lengths: list[int] = []
    explore(shop.ever, moves_max=5, examples=3, found=tmp_path)(
        lambda run: lengths.append(len(run.history))
    )()

    # The start, the first timer, and two events for each that fires.
    assert {12} == set(lengths)


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_played_again_to_the_same_code_comes_to_the_same(name: str) -> None:
    workflow, args, settings = EVERYTHING[name]
    given: dict[str, Any] = {"outcomes": {}, "messages": [], "faults": True, **settings}
    scope = Scope.of(workflow, args, **given)
    differences: list[tuple[str, str]] = []

    def play(run: Run) -> None:
        with play_again(scope, run.history, 100) as trial:
            if encode_events(trial.history) != encode_events(run.history):
                differences.append((str(run), str(trial.run)))

    Search(scope, play, limits=Limits(deviations=2)).run()

    assert [] == differences


# Runs as a strategy ---------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(runs(sell, "o", outcomes=SELLING, messages=[signal(stop), cancel()]))
def test_random_runs_are_at_rest_and_replay(run: Run) -> None:
    assert run.closed
    assert run.state == Execution.replay(sell, run.history)


def test_a_random_run_can_be_anything() -> None:
    strategy = runs(sell, "o", outcomes=SELLING, messages=[signal(stop), cancel()])
    shortest = {
        "stopped": find(strategy, lambda run: "Stopped" == (run.failure and run.failure.type)),
        "ran twice": find(strategy, lambda run: 2 == run.done(charge, repeats=True)),
        "cancelled": find(strategy, lambda run: WorkflowStatus.CANCELED == run.status),
        "unheard": find(strategy, lambda run: ("stop",) == run.unreceived),
    }

    assert [] == [name for name, run in shortest.items() if len(run.history) > 12]


# Mistakes of the test -------------------------------------------------------------------------------------------------


def test_an_activity_without_outcomes_is_named_with_its_line() -> None:
    with pytest.raises(
        KitError, match=r"RF5301: the test does not say how charge\('o'\) ends\n  where: .*shop.py:\d+"
    ):
        explore(sell, "o", outcomes={reserve: ["held"]})(repr)()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"outcomes": {len: [1]}}, "neither an activity nor a workflow"),
        ({"outcomes": {charge: []}}, r"the outcomes of charge are \[\]"),
        ({"outcomes": {charge: "paid"}}, "the outcomes of charge are 'paid'"),
        ({"messages": ["stop"]}, "'stop' is no message of a client"),
    ],
)
def test_settings_without_a_meaning_are_refused_when_the_test_is_made(settings: Any, says: str) -> None:
    with pytest.raises(KitError, match=f"RF5303: .*{says}"):
        explore(sell, "o", **settings)


# Faults and what nobody hears of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "expected"), [(False, 0), ([refund], 0), ([charge], 2), (["charge"], 2), (True, 2)]
)
def test_only_what_is_named_is_lost(faults: Any, expected: int) -> None:
    lost: list[str] = []

    def look(run: Run) -> None:
        lost.extend(type(event).__name__ for event in run.history if isinstance(event, ActivityTaskTimedOut))

    scope = Scope.of(pay_back, ["o"], outcomes={charge: ["paid"], refund: [None]}, messages=[], faults=faults)
    Search(scope, look, limits=Limits(deviations=1)).run()

    assert expected == len(lost)


def test_what_was_outstanding_at_the_end_is_unheard_of() -> None:
    ends: list[tuple[str, tuple[str, ...]]] = []

    def look(run: Run) -> None:
        ends.append((run.status.value, tuple(each.activity for each in run.unheard)))

    outcomes = {**SELLING, charge: ["paid"]}
    scope = Scope.of(sell, ["o"], outcomes=outcomes, messages=[], faults=False)
    Search(scope, look, limits=Limits(deviations=1)).run()

    # As it usually goes, and where the reservation fails; the charge that ends first is left out, as it commutes.
    assert [("COMPLETED", ()), ("FAILED", ("charge",))] == ends
