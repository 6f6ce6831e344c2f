"""Side effects and patches: what is decided once, recorded, and taken from the record ever after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import (
    DefinitionError,
    Effect,
    Execution,
    NondeterminismError,
    Workflow,
    WorkflowTaskError,
    all_of,
    deprecate_patch,
    execute_activity,
    patched,
    side_effect,
    workflow,
)
from refold import events as ev
from refold.messages import CompleteActivity
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import Steps, charge, nudge, reserve

# Side effects -------------------------------------------------------------------------------------------------------------


def test_a_side_effect_is_computed_once_and_replayed_from_its_record() -> None:
    computed: list[int] = []

    @workflow
    def draws() -> Workflow[int]:
        def compute() -> int:
            computed.append(1)
            return 40 + len(computed)

        return (yield from side_effect(compute)) + (yield from charge(1))

    with drive(draws, recheck=False) as run:
        run.complete("charge", 1)
        assert 42 == run.result
        for _ in range(3):
            Execution.replay(draws, run.history)
    assert [1] == computed


def test_a_side_effect_is_seen_in_its_decoded_form_also_on_the_first_run() -> None:
    @workflow
    def draws() -> Workflow[list[str]]:
        plain = yield from side_effect(lambda: (1, 2))
        typed = yield from side_effect(lambda: timedelta(seconds=1), result_type=timedelta)
        return [type(plain).__name__, type(typed).__name__]

    with drive(draws) as run:
        assert ["list", "timedelta"] == run.result


def test_a_side_effect_can_be_a_step_of_a_combinator() -> None:
    @workflow
    def draws() -> Workflow[list[object]]:
        return list((yield from all_of(charge(1), side_effect(lambda: 5))))

    with drive(draws) as run:
        run.complete("charge", 1)
        assert [1, 5] == run.result


@pytest.mark.parametrize("in_combinator", [True, False])
def test_a_side_effect_that_fails_fails_the_turn_and_cannot_be_caught(in_combinator: bool) -> None:
    @workflow
    def draws() -> Workflow[str]:
        step = side_effect(lambda: 1 // 0)
        try:
            if in_combinator:
                yield from all_of(step)
            else:
                yield from step
        except Exception:
            return "caught"
        return "not reached"

    execution = Execution(draws)
    with (
        execution,
        pytest.raises(
            WorkflowTaskError, match="RF1110: a side effect failed with ZeroDivisionError"
        ) as raised,
    ):
        execution.turn(start_message(draws), at=1)
    assert raised.value.frames[-1].endswith(".<lambda>")


# Patches ------------------------------------------------------------------------------------------------------------------


def test_a_run_that_reaches_a_patch_for_the_first_time_takes_it_and_records_that_once() -> None:
    @workflow
    def patches() -> Workflow[list[bool]]:
        return [(yield from patched("p-1")), (yield from patched("p-1")), (yield from patched("p-2"))]

    with drive(patches) as run:
        assert ["MarkerRecorded", "MarkerRecorded", "WorkflowExecutionCompleted"] == run.kinds
        assert [True, True, True] == run.result
        assert ["p-1", "p-2"] == list(run.execution.state.patches)


VERSION = 1


@workflow
def changing() -> Workflow[list[object]]:
    seen: list[object] = [(yield from charge(1))]
    if VERSION == 2:
        if (yield from patched("reserve-first")):
            seen.append((yield from reserve("new")))
    elif VERSION == 3:
        yield from deprecate_patch("reserve-first")
        seen.append((yield from reserve("new")))
    elif VERSION == 4:
        seen.append((yield from reserve("new")))
    seen.append((yield from charge(2)))
    return seen


def _at_version(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kernel.test_markers.VERSION", version)


def _history_of(version: int, monkeypatch: pytest.MonkeyPatch) -> list[ev.HistoryEvent]:
    _at_version(version, monkeypatch)
    with drive(changing) as run:
        run.complete("charge", 1)
        if version > 1:
            run.complete("reserve", "r")
        run.complete("charge", 2)
        return run.history


@pytest.mark.parametrize(
    ("recorded_by", "replayed_by"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 4), (4, 4), (4, 3)]
)
def test_each_step_of_the_life_of_a_patch_replays_what_the_step_before_it_recorded(
    recorded_by: int, replayed_by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = _history_of(recorded_by, monkeypatch)
    _at_version(replayed_by, monkeypatch)
    Execution.replay(changing, history)


@pytest.mark.parametrize(("recorded_by", "replayed_by"), [(2, 1), (2, 4), (1, 4), (1, 3)])
def test_a_step_of_the_life_of_a_patch_that_was_left_out_is_a_divergence(
    recorded_by: int, replayed_by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = _history_of(recorded_by, monkeypatch)
    _at_version(replayed_by, monkeypatch)
    with pytest.raises(NondeterminismError, match="RF4001"):
        Execution.replay(changing, history)


def test_a_patch_that_nothing_asks_for_any_more_says_to_deprecate_it_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = _history_of(2, monkeypatch)
    _at_version(4, monkeypatch)
    with pytest.raises(
        NondeterminismError, match="Nothing asks for patch 'reserve-first' any more"
    ) as raised:
        Execution.replay(changing, history)
    assert "deprecate_patch('reserve-first')" in raised.value.fix


def test_a_run_that_went_by_before_the_patch_was_added_answers_false_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = _history_of(1, monkeypatch)[:2]
    _at_version(2, monkeypatch)
    with Execution.load(changing, history) as execution:
        turn = execution.turn(CompleteActivity(seq=1, result=1), at=10**16)
        # This turn is new, so the patch is taken: the run had not come to it before.
        assert ["MarkerRecorded", "ActivityTaskScheduled"] == [
            type(e).__name__ for e in turn.events if not e.external
        ]


def test_the_answer_of_a_patch_is_fixed_when_it_is_first_asked() -> None:
    asked_first = False

    @workflow
    def loops() -> Workflow[list[bool]]:
        answers: list[bool] = []
        if asked_first:
            answers.append((yield from patched("p")))
        yield from charge(1)
        answers.append((yield from patched("p")))
        yield from charge(2)
        return answers

    with Execution(loops) as execution:
        history = list(execution.turn(start_message(loops), at=1).events)
    asked_first = True  # the code asks in a turn that went by without it
    with Execution.load(loops, history) as execution:
        execution.turn(CompleteActivity(seq=1, result=1), at=2)
        turn = execution.turn(CompleteActivity(seq=2, result=2), at=3)
        assert [False, False] == turn.closed.result  # type: ignore[union-attr]


def test_a_marker_may_stand_anywhere_in_its_turn() -> None:
    late = False

    @workflow
    def moves() -> Workflow[bool]:
        answer = False
        if not late:
            answer = yield from patched("p")
        yield from all_of()
        handle = yield from side_effect(lambda: 1)
        if late:
            answer = yield from patched("p")
        yield from charge(handle)
        return answer

    with drive(moves, recheck=False) as run:
        run.complete("charge", 1)
        assert True is run.result
        late = True
        Execution.replay(moves, run.history)


def test_deprecating_goes_on_where_the_marker_is_missing() -> None:
    @workflow
    def deprecates() -> Workflow[bool]:
        yield from charge(1)
        return (yield from deprecate_patch("p"))

    with drive(deprecates) as run:
        run.complete("charge", 1)
        assert True is run.result
        marker = next(event for event in run.history if isinstance(event, ev.MarkerRecorded))
        assert (True, "p", None) == (marker.deprecated, marker.patch_id, marker.seq)
        without = [event for event in run.history if event is not marker]
    renumbered = [attrs.evolve(event, event_id=number) for number, event in enumerate(without, start=1)]
    Execution.replay(deprecates, renumbered)


def test_a_patch_that_older_code_has_recorded_is_taken_by_code_that_asks_later() -> None:
    early = True

    @workflow
    def moves() -> Workflow[bool]:
        answer = False
        if early:
            answer = yield from deprecate_patch("p")
        yield from charge(1)
        if not early:
            answer = yield from patched("p")
        return answer

    with Execution(moves) as execution:
        history = list(execution.turn(start_message(moves), at=1).events)
    early = False
    with Execution.load(moves, history) as execution:
        history += execution.turn(CompleteActivity(seq=1, result=1), at=2).events
    assert [True, 1] == [history[-1].result, sum(isinstance(event, ev.MarkerRecorded) for event in history)]  # type: ignore[attr-defined]
    Execution.replay(moves, history)


def test_a_patch_needs_an_acceptable_id() -> None:
    for ask in (patched, deprecate_patch):
        with pytest.raises(DefinitionError, match="RF1003: the patch id is not acceptable"):
            ask("")


# A model of patches -------------------------------------------------------------------------------------------------------
#
# Programs are lists of steps.  A version of a program asks for patches between its steps, and does an extra step where it is
# told yes.  Whatever an older version has recorded, a newer one that only adds patches, or deprecates those that every open
# run has passed, must replay and go on from.

Program = list[tuple[str, str]]  # ("step", name), ("patch", id) or ("deprecated", id)


def _interpreted(program: Program) -> Any:
    @workflow(name="interpreted")
    def interpreted() -> Workflow[list[object]]:
        done: list[object] = []

        def run() -> Steps:
            for kind, name in program:
                effect: Effect[Any]
                if kind == "step":
                    done.append((yield from execute_activity(name)))
                elif kind == "wait":
                    yield from nudge.receive()
                else:
                    effect = patched(name) if kind == "patch" else deprecate_patch(name)
                    if (yield from effect):
                        done.append((yield from execute_activity(f"extra {name}")))

        yield from run()
        return done

    return interpreted


@st.composite
def _versions(draw: st.DrawFn) -> tuple[Program, Program, int]:
    steps: Program = [("step", f"s{i}") for i in range(draw(st.integers(1, 5)))]
    patches = [f"p{i}" for i in range(draw(st.integers(0, 4)))]
    old = list(steps)
    new = list(steps)
    # A patch of the new version only, or of both; put at the same place between the steps.
    for patch in patches:
        place = draw(st.integers(0, len(steps)))
        for program, has_it in ((old, draw(st.booleans())), (new, True)):
            if has_it:
                index = [i for i, (kind, _) in enumerate(program) if kind == "step"]
                program.insert(index[place] if place < len(index) else len(program), ("patch", patch))
    return old, new, draw(st.integers(1, 12))


@given(_versions())
def test_hazard_56_a_version_that_adds_patches_replays_every_history_of_the_one_before_and_goes_on(
    versions: tuple[Program, Program, int],
) -> None:
    old, new, turns = versions
    before, after = _interpreted(old), _interpreted(new)
    history: list[ev.HistoryEvent] = []
    with Execution(before) as execution:
        history += execution.turn(start_message(before), at=1).events
        for turn in range(turns):
            if not execution.closed:
                (command,) = execution.outstanding
                history += execution.turn(CompleteActivity(seq=command.seq, result=turn), at=turn + 2).events
    with Execution.load(after, history) as execution:
        taken = set(execution.state.patches)
        while not execution.closed:
            (command,) = execution.outstanding
            history += execution.turn(
                CompleteActivity(seq=command.seq, result=0), at=execution.state.at + 1
            ).events
    assert taken <= {name for kind, name in new if kind == "patch"}
    final = Execution.replay(after, history)
    assert final == Execution.replay(after, history)
    # Every patch that was taken is taken for the rest of the run, and no other one.
    extra = [event.activity_type for event in history if isinstance(event, ev.ActivityTaskScheduled)]
    assert sorted(f"extra {patch}" for patch in final.patches) == sorted(
        n for n in extra if n.startswith("extra")
    )


@given(_versions())
def test_hazard_56_deprecating_every_patch_replays_every_history_that_took_them_all(
    versions: tuple[Program, Program, int],
) -> None:
    _, program, turns = versions
    before = _interpreted(program)
    after = _interpreted([("deprecated" if kind == "patch" else kind, name) for kind, name in program])
    gone = _interpreted(
        [("step", f"extra {name}") if kind == "patch" else (kind, name) for kind, name in program]
    )
    for definition, then in ((before, after), (after, gone)):
        history: list[ev.HistoryEvent] = []
        with Execution(definition) as execution:
            history += execution.turn(start_message(definition), at=1).events
            for turn in range(turns):
                if not execution.closed:
                    (command,) = execution.outstanding
                    history += execution.turn(
                        CompleteActivity(seq=command.seq, result=turn), at=turn + 2
                    ).events
        Execution.replay(then, history)
