"""What a divergence says: both sides with their lines, what came before, where the code is instead, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    Divergence,
    Execution,
    InputPolicy,
    NondeterminismError,
    Workflow,
    all_of,
    cancel,
    execute_activity,
    first_of,
    patched,
    side_effect,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from tests.kernel.driving import Driven, drive
from tests.kernel.parts import HOUR, SECOND, Steps, approval, charge, nudge, release, reserve


@attrs.frozen
class Parcel:
    """A payload with parts."""

    item: str
    sizes: list[int]


_version: list[Callable[..., Any]] = []


@workflow
def process(parcel: Parcel) -> Workflow[Any]:
    """A workflow whose code is changed between the run and the replay."""
    return (yield from _version[0](parcel))


@pytest.fixture(autouse=True)
def no_version() -> Iterator[None]:
    yield
    _version.clear()


def runs(version: Callable[[Parcel], Steps]) -> Driven:
    """A run of one version of the code."""
    _version[:] = [version]
    return drive(process, Parcel("mug", [3, 4]), recheck=False)


def replayed(
    history: list[ev.HistoryEvent],
    version: Callable[[Parcel], Steps],
    policy: InputPolicy = InputPolicy.STRICT,
) -> Execution:
    _version[:] = [version]
    return Execution.load(process, history, input_policy=policy)


def report(history: list[ev.HistoryEvent], version: Callable[[Parcel], Steps]) -> str:
    """What replaying a history by other code says, with line numbers as ``:n``."""
    with pytest.raises(NondeterminismError) as caught:
        replayed(history, version)
    assert isinstance(caught.value.divergence, Divergence)
    return without_lines(str(caught.value))


def without_lines(text: str) -> str:
    return re.sub(r"\.py:\d+ in ", ".py:n in ", text)


WHY = (
    "the workflow's code changed while this run was open, or it reads something that is not in its history"
    " (a clock, a random number, the order of a set, a global)"
)


def said(*lines: str, where: str, fix: str | None = None) -> str:
    """The whole error around the lines of its report."""
    return "\n".join(
        [
            "RF4001: process took another path than its history",
            *(f"    {line}" for line in lines),
            f"  where: workflow w-1, run r-1, {where}",
            f"  why: {WHY}",
            f"  fix: {fix or 'guard the change with patched(...), or move what is read into an activity or side_effect'}",
        ]
    )


BEGUN = "1 WorkflowExecutionStarted(workflow_id='w-1', workflow_type='process', input=[{'item': 'mug', 'sizes': [3, 4]}])"


def reserving(parcel: Parcel) -> Steps:
    yield from reserve(parcel.item)
    yield from charge(7)
    return "done"


# Each kind of divergence ------------------------------------------------------------------------------------------------


def test_another_command_is_shown_beside_the_recorded_one() -> None:
    def changed(parcel: Parcel) -> Steps:
        yield from reserve(parcel.item)
        yield from sleep(HOUR)

    with runs(reserving) as run:
        run.complete("reserve", "r1")

    assert said(
        f"after   {BEGUN}",
        "        2 ActivityTaskScheduled(seq=1, activity_type='reserve', input=['mug'])",
        "        3 ActivityTaskCompleted(seq=1, result='r1')",
        "history 4 ActivityTaskScheduled(seq=2, activity_type='charge', input=[7])",
        "          at kernel/test_divergence.py:n in reserving",
        "code    TimerStarted(seq=2, fire_at=2023-11-14 23:13:21+00:00)",
        "          at kernel/test_divergence.py:n in"
        " test_another_command_is_shown_beside_the_recorded_one.<locals>.changed",
        "They are different commands.",
        where="turn 2, event 4",
    ) == report(run.history, changed)


def test_the_lines_are_those_of_the_recording_and_of_the_code_now() -> None:
    def changed(parcel: Parcel) -> Steps:
        yield from release(parcel.item)

    with runs(reserving) as run:
        pass
    recorded = run.history[-1]
    assert isinstance(recorded, ev.ActivityTaskScheduled)
    run.history[-1] = attrs.evolve(recorded, source="shop/orders.py:12 in process")
    with pytest.raises(NondeterminismError) as caught:
        replayed(run.history, changed)

    line = changed.__code__.co_firstlineno + 1
    places = [text.strip() for text in str(caught.value).splitlines() if " at " in text]
    assert ["at shop/orders.py:12 in process", f"at kernel/test_divergence.py:{line} in"] == [
        places[0],
        " ".join(places[1].split()[:3]),
    ]


def test_another_name_is_named() -> None:
    def changed(parcel: Parcel) -> Steps:
        yield from release(parcel.item)

    with runs(reserving) as run:
        pass

    assert "\n    They differ in activity_type: history has 'reserve', the code 'release'.\n" in report(
        run.history, changed
    )


def test_another_branch_is_named() -> None:
    def one(parcel: Parcel) -> Steps:
        yield from reserve(parcel.item)

    def beside(parcel: Parcel) -> Steps:
        handle = yield from start(one(parcel))
        yield from handle

    with runs(one) as run:
        pass

    text = report(run.history, beside)
    assert (
        "    code    ActivityTaskScheduled(seq=1, branch=1, activity_type='reserve', input=['mug'])\n" in text
    )
    assert "\n    They differ in branch: history has 0, the code 1.\n" in text


def test_another_number_is_named() -> None:
    def stopping(index: int) -> Callable[[Parcel], Steps]:
        def code(_: Parcel) -> Steps:
            timers = [(yield from start(sleep(HOUR))), (yield from start(sleep(HOUR)))]
            yield from nudge.receive()
            yield from cancel(timers[index])
            yield from approval.receive()

        return code

    with runs(stopping(0)) as run:
        run.signal(nudge)

    text = report(run.history, stopping(1))
    assert "    history 5 TimerCanceled(seq=1, branch=1)\n" in text
    assert "    code    TimerCanceled(seq=2, branch=2)\n" in text
    assert "\n    They differ in seq: history has 1, the code 2.\n" in text


def test_another_argument_is_found_in_the_depths_of_it() -> None:
    def version(size: int) -> Callable[[Parcel], Steps]:
        def code(parcel: Parcel) -> Steps:
            yield from execute_activity("pack", 1, attrs.evolve(parcel, sizes=[3, size]))

        return code

    with runs(version(4)) as run:
        pass

    text = report(run.history, version(5))
    assert (
        "    history 2 ActivityTaskScheduled(seq=1, activity_type='pack', input=[1, {'item': 'mug', 'sizes': [3, 4]}])\n"
        in text
    )
    assert "\n    They differ in input[1]['sizes'][1]: history has 4, the code 5.\n" in text


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ([1], [1, 2], "They differ in input[0]: history has [1], the code [1, 2]."),
        ({"a": 1}, {"b": 1}, "They differ in input[0]: history has {'a': 1}, the code {'b': 1}."),
        ([[1], 2], [[1], 3], "They differ in input[0][1]: history has 2, the code 3."),
        (True, 1, "They differ in input[0]: history has True, the code 1."),
        (1, 1.0, "They differ in input[0]: history has 1, the code 1.0."),
        (None, [], "They differ in input[0]: history has None, the code []."),
        ("x" * 90, "y", f"They differ in input[0]: history has '{'x' * 56}..., the code 'y'."),
    ],
)
def test_arguments_are_compared_with_their_types(before: object, now: object, sentence: str) -> None:
    def version(value: object) -> Callable[[Parcel], Steps]:
        def code(_: Parcel) -> Steps:
            yield from execute_activity("pack", value)

        return code

    with runs(version(before)) as run:
        pass

    assert f"\n    {sentence}\n" in report(run.history, version(now))


def test_one_argument_more_is_a_difference() -> None:
    def version(*arguments: int) -> Callable[[Parcel], Steps]:
        def code(_: Parcel) -> Steps:
            yield from execute_activity("pack", *arguments)

        return code

    with runs(version(1)) as run:
        pass

    assert "\n    They differ in input: history has [1], the code [1, 2].\n" in report(
        run.history, version(1, 2)
    )


def test_another_duration_is_told_as_a_time() -> None:
    def version(seconds: int) -> Callable[[Parcel], Steps]:
        def code(_: Parcel) -> Steps:
            yield from sleep(seconds * SECOND)

        return code

    with runs(version(1)) as run:
        pass

    assert (
        "\n    They differ in fire_at: history has 2023-11-14 22:13:21+00:00, the code 2023-11-14 22:13:22+00:00.\n"
        in report(run.history, version(2))
    )


def test_code_that_goes_on_is_shown_beside_the_end_of_the_turn() -> None:
    def short(parcel: Parcel) -> Steps:
        yield from first_of(approval.receive(), reserve(parcel.item))

    def longer(parcel: Parcel) -> Steps:
        yield from first_of(approval.receive(), reserve(parcel.item), charge(7))

    with runs(short) as run:
        run.complete("reserve", "r1")

    assert said(
        f"after   {BEGUN}",
        "        2 ActivityTaskScheduled(seq=1, activity_type='reserve', input=['mug'])",
        "history nothing more in this turn",
        "code    ActivityTaskScheduled(seq=2, activity_type='charge', input=[7])",
        "          at kernel/test_divergence.py:n in"
        " test_code_that_goes_on_is_shown_beside_the_end_of_the_turn.<locals>.longer",
        "The code goes on where its history does not.",
        where="turn 1, after event 2",
    ) == report(run.history, longer)


def test_where_the_history_goes_on_the_code_says_what_it_waits_for() -> None:
    def waiting(parcel: Parcel) -> Steps:
        yield from all_of(reserve(parcel.item), aside())
        yield from charge(7)

    def aside() -> Steps:
        yield from wait_until(lambda: False)

    with runs(reserving) as run:
        run.complete("reserve", "r1")

    function = "test_where_the_history_goes_on_the_code_says_what_it_waits_for.<locals>"
    assert said(
        f"after   {BEGUN}",
        "        2 ActivityTaskScheduled(seq=1, activity_type='reserve', input=['mug'])",
        "        3 ActivityTaskCompleted(seq=1, result='r1')",
        "history 4 ActivityTaskScheduled(seq=2, activity_type='charge', input=[7])",
        "          at kernel/test_divergence.py:n in reserving",
        "code    nothing more in this turn",
        "        waits for all_of: step 1",
        f"          at kernel/test_divergence.py:n in {function}.waiting",
        "        waits for condition",
        f"          at kernel/test_divergence.py:n in {function}.aside",
        "The history goes on where the code does not.",
        where="turn 2, event 4",
    ) == report(run.history, waiting)


def test_of_many_places_where_the_code_waits_some_are_named() -> None:
    def waiting(_: Parcel) -> Steps:
        yield from all_of(*[aside() for _ in range(8)])

    def aside() -> Steps:
        yield from approval.receive()

    with runs(reserving) as run:
        pass
    text = report(run.history, waiting)

    assert 5 == text.count("waits for")
    assert "            and 4 more\n" in text


def test_a_result_that_differs_is_shown_without_a_line() -> None:
    def version(result: object) -> Callable[[Parcel], Steps]:
        def code(_: Parcel) -> Steps:
            yield from side_effect(lambda: 1)
            return result

        return code

    with runs(version({"sum": 1})) as run:
        pass

    assert said(
        f"after   {BEGUN}",
        "        2 MarkerRecorded(marker_name='SideEffect', seq=1, value=1)",
        "history 3 WorkflowExecutionCompleted(result={'sum': 1})",
        "code    WorkflowExecutionCompleted(result={'sum': 2})",
        "They differ in result['sum']: history has 1, the code 2.",
        where="turn 1, event 3",
    ) == report(run.history, version({"sum": 2}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": "Other"}, "They differ in failure.type: history has 'Full', the code 'Other'."),
        ({"non_retryable": True}, "They differ in failure.non_retryable: history has False, the code True."),
        (
            {"message": "no room"},
            "They differ in failure.message: history has 'it is full', the code 'no room'.",
        ),
        ({"details": (2,)}, "They differ in failure.details[0]: history has 1, the code 2."),
    ],
)
def test_another_failure_is_told_by_what_it_says(change: dict[str, Any], sentence: str) -> None:
    def version(
        message: str = "it is full", details: tuple[int, ...] = (1,), **options: Any
    ) -> Callable[[Parcel], Steps]:
        def code(parcel: Parcel) -> Steps:
            yield from side_effect(lambda: 1)
            raise ApplicationError(message, *details, **options)

        return code

    with runs(version(type="Full")) as run:
        pass

    changed: dict[str, Any] = {"type": "Full", **change}
    text = report(run.history, version(**changed))
    assert f"\n    {sentence}\n" in text
    assert (
        "history 3 WorkflowExecutionFailed(failure=Full: it is full)\n              at kernel/test_divergence.py:n in"
        in text
    )
    assert 2 == text.count("test_another_failure_is_told_by_what_it_says.<locals>.version.<locals>.code\n")


def test_where_a_failure_was_raised_is_no_difference() -> None:
    def version(lines: int) -> Callable[[Parcel], Steps]:
        def code(parcel: Parcel) -> Steps:
            try:
                yield from reserve(parcel.item)
            except ActivityError:
                if lines:
                    raise
                raise

        return code

    with runs(version(0)) as run:
        run.fail("reserve", ApplicationError("gone"))

    replayed(run.history, version(1)).close()


def test_a_patch_that_is_not_asked_for_any_more_has_a_remedy_of_its_own() -> None:
    def with_patch(parcel: Parcel) -> Steps:
        if (yield from patched("charge-later")):
            yield from reserve(parcel.item)

    def without(parcel: Parcel) -> Steps:
        yield from reserve(parcel.item)

    with runs(with_patch) as run:
        pass

    function = "test_a_patch_that_is_not_asked_for_any_more_has_a_remedy_of_its_own.<locals>"
    assert said(
        f"after   {BEGUN}",
        "history 2 MarkerRecorded(marker_name='Patch', patch_id='charge-later')",
        f"          at kernel/test_divergence.py:n in {function}.with_patch",
        "code    does not ask for this",
        "        waits for activity 'reserve' (seq 1)",
        f"          at kernel/test_divergence.py:n in {function}.without",
        "Nothing asks for patch 'charge-later' any more; deprecate it first.",
        where="turn 1, event 2",
        fix="keep deprecate_patch('charge-later') in its place until no open run has asked for the patch",
    ) == report(run.history, without)


def test_the_last_five_events_are_shown() -> None:
    def many(_: Parcel) -> Steps:
        for amount in range(9):
            yield from charge(amount)

    def fewer(_: Parcel) -> Steps:
        for amount in range(8):
            yield from charge(amount)

    with runs(many) as run:
        for amount in range(8):
            run.complete("charge", amount)

    lines = report(run.history, fewer).splitlines()
    assert [
        "    after   13 ActivityTaskCompleted(seq=6, result=5)",
        "            14 ActivityTaskScheduled(seq=7, activity_type='charge', input=[6])",
        "            15 ActivityTaskCompleted(seq=7, result=6)",
        "            16 ActivityTaskScheduled(seq=8, activity_type='charge', input=[7])",
        "            17 ActivityTaskCompleted(seq=8, result=7)",
        "    history 18 ActivityTaskScheduled(seq=9, activity_type='charge', input=[8])",
    ] == lines[1:7]


# Under the policies -----------------------------------------------------------------------------------------------------


def test_where_inputs_may_differ_the_report_is_a_warning_and_the_run_goes_on() -> None:
    def changed(parcel: Parcel) -> Steps:
        yield from reserve(parcel.item + "s")
        yield from charge(7)
        return "done"

    with runs(reserving) as run:
        run.complete("reserve", "r1")
    with replayed(run.history, changed, InputPolicy.WARN) as loaded:
        assert 1 == len(loaded.warnings)
        assert report(run.history, changed) == without_lines(loaded.warnings[0])
        assert ["charge"] == [
            each.activity_type for each in loaded.outstanding if isinstance(each, ev.ActivityTaskScheduled)
        ]


def test_a_run_without_a_beginning_has_a_report_too() -> None:
    divergence = Divergence(
        started=None, turn=1, event_id=0, recorded=None, produced=None, before=(), reason="They differ."
    )

    assert "RF4001: ? took another path than its history" == str(divergence.error()).splitlines()[0]
