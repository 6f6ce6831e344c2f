"""What a branch waits for, in words."""

from __future__ import annotations

import pytest

from refold import (
    Execution,
    Workflow,
    all_of,
    all_settled,
    any_of,
    first_of,
    shield,
    sleep,
    start,
    wait_until,
    with_timeout,
    workflow,
)
from refold.messages import FireTimer
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, patient, release, reserve

TIMER = "timer due 2023-11-14 23:13:20+00:00"


def held() -> Steps:
    try:
        yield from nudge.receive()
    finally:
        yield from release("x")


@pytest.mark.parametrize(
    ("step", "words", "seqs"),
    [
        (lambda: charge(1), "activity 'charge' (seq 1)", (1,)),
        (lambda: sleep(HOUR), f"{TIMER} (seq 1)", (1,)),
        (approval.receive, "signal 'approval'", ()),
        (lambda: wait_until(lambda: False), "condition", ()),
        (lambda: wait_until(lambda: False, timeout=HOUR), f"first_of: condition | {TIMER} (seq 1)", (1,)),
        (
            lambda: with_timeout(charge(1), HOUR),
            f"first_of: activity 'charge' (seq 1) | {TIMER} (seq 2)",
            (1, 2),
        ),
        (
            lambda: first_of(approval.receive(), sleep(HOUR)),
            f"first_of: signal 'approval' | {TIMER} (seq 1)",
            (1,),
        ),
        (
            lambda: any_of(charge(1), charge(2)),
            "any_of: activity 'charge' (seq 1) | activity 'charge' (seq 2)",
            (1, 2),
        ),
        (lambda: all_of(reserve("x"), held()), "all_of: activity 'reserve' (seq 1) & step 1", (1,)),
        (lambda: all_settled(reserve("x")), "all_settled: activity 'reserve' (seq 1)", (1,)),
        (lambda: shield(charge(1)), "shield: activity 'charge' (seq 1)", (1,)),
        (
            lambda: all_of(first_of(charge(1), approval.receive()), shield(charge(2))),
            "all_of: (first_of: activity 'charge' (seq 1) | signal 'approval') & (shield: activity 'charge' (seq 2))",
            (1, 2),
        ),
        (
            lambda: all_of(*[charge(n) for n in range(7)]),
            "all_of: " + " & ".join(f"activity 'charge' (seq {n})" for n in range(1, 6)) + " & 2 more",
            (1, 2, 3, 4, 5, 6, 7),
        ),
    ],
)
def test_a_wait_is_told_with_the_numbers_of_its_commands(
    step: object, words: str, seqs: tuple[int, ...]
) -> None:
    @workflow
    def waits() -> Workflow[None]:
        yield from step()  # type: ignore[operator]

    with drive(waits) as run:
        main = run.execution.waiting()[0]
        assert (words, seqs) == (main.wait, main.seqs)


def test_a_workflow_yielded_without_from_and_a_joined_step_are_told_by_their_numbers() -> None:
    @workflow
    def sub() -> Workflow[int]:
        return (yield from charge(1))

    @workflow
    def waits() -> Workflow[None]:
        handle = yield from start(sub())
        yield from nudge.receive()
        yield from handle
        yield sub()

    with drive(waits) as run:
        run.signal(nudge)
        assert ["step 1", "activity 'charge' (seq 1)"] == run.waits
        run.complete("charge", 1)
        assert ["step 2", "activity 'charge' (seq 2)"] == run.waits
        assert [(0, ()), (2, (2,))] == [(each.branch, each.seqs) for each in run.execution.waiting()]


def test_a_combinator_that_is_decided_says_what_has_still_to_unwind() -> None:
    @workflow
    def waits() -> Workflow[None]:
        yield from first_of(held(), patient(1), approval.receive())

    with drive(waits) as run:
        run.signal(approval, "yes")
        assert [
            "first_of, decided, unwinding: step 1 & activity 'patient' (seq 1)".replace("&", "|"),
            "activity 'release' (seq 2)",
        ] == run.waits


def test_a_branch_that_has_returned_says_which_steps_have_still_to_unwind() -> None:
    @workflow
    def waits() -> Workflow[None]:
        def parent() -> Steps:
            yield from start(held())
            yield from start(held())
            yield from approval.receive()

        yield from all_of(parent())

    with drive(waits) as run:
        run.signal(approval, "yes")
        assert ["all_of: step 1", "step 2, step 3 to unwind"] == run.waits[:2]


def test_a_branch_that_a_failed_turn_left_ready_waits_for_nothing() -> None:
    @workflow
    def waits() -> Workflow[None]:
        def breaks() -> Steps:
            yield from sleep(HOUR)
            raise KeyboardInterrupt

        yield from all_of(held(), breaks())

    with Execution(waits) as execution:
        execution.turn(start_message(waits), at=1)
        with pytest.raises(KeyboardInterrupt):
            execution.turn(FireTimer(seq=1), at=2)
        assert "nothing: it is ready" in [each.wait for each in execution.waiting()]
