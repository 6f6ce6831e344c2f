"""Workflows that between them use every effect, each with a course of events that brings it to its end.

Laws and hazards are held against all of them.  ``python -m tests.kernel.samples`` writes their histories to ``golden/``, under the
version of refold, and every later version must replay them: they are never written anew once that version is out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    HandlerUnfinishedPolicy,
    Saga,
    TimeoutError,
    Update,
    Workflow,
    WorkflowDefinition,
    __version__,
    all_handlers_finished,
    all_of,
    all_settled,
    any_of,
    cancel,
    deprecate_patch,
    execute_activity,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold.codec import encode_events
from refold.events import HistoryEvent
from refold.messages import PauseWorkflow, TimeOutWorkflow, UnpauseWorkflow, UpdateWorkflowOptions
from tests.kernel.driving import Driven, cancel_asked, drive, signalled
from tests.kernel.parts import (
    HOUR,
    MINUTE,
    Steps,
    abandoned,
    approval,
    charge,
    nudge,
    number,
    patient,
    refund,
    release,
    reserve,
    status,
)
from tests.kernel.samples_others import OTHERS

raising = Update("raising", int, result_type=int)
closing_time = Update("closing_time")

#: Histories as each release recorded them.
GOLDEN = Path(__file__).parent / "golden"


@attrs.frozen
class Sample:
    """A workflow with its arguments, and what happens to it until it has ended."""

    definition: WorkflowDefinition[..., Any]
    args: tuple[object, ...]
    course: Callable[[Driven], None]


# An order: parallel steps, a race against time, a saga ---------------------------------------------------------------------


@workflow
def ordering(item: str, amount: int) -> Workflow[str]:
    current = "reserving"
    yield from status.answer(lambda: current)
    saga = Saga()
    try:
        try:
            reserved, _ = yield from all_of(
                saga.do(reserve(item), undo=release), saga.do(charge(amount), undo=refund)
            )
            current = "waiting for approval"
            yield from log("reserved", item=reserved)
            match (yield from first_of(approval.receive(), sleep(24 * HOUR))):
                case (0, "yes"):
                    current = "approved"
                    return f"{reserved} for {amount}"
                case _:
                    raise ApplicationError("not approved", type="NotApproved", non_retryable=True)
        finally:
            yield from log("closing")
    except (ActivityError, ApplicationError, CancelledError) as error:
        current = "compensating"
        yield from saga.compensate()
        return f"gave up: {type(error).__name__}"


def order_approved(run: Driven) -> None:
    run.complete("charge", 5)
    run.complete("reserve", "item-1")
    run.signal(approval, "yes")


def order_timed_out(run: Driven) -> None:
    run.turn(run.completed("reserve", "item-1"), run.completed("charge", 5))
    run.fire()
    run.complete("refund")
    run.complete("release")


def order_declined(run: Driven) -> None:
    run.complete("reserve", "item-1")
    run.fail("charge", ApplicationError("declined", {"code": 51}, type="Declined"))
    run.complete("release")


def order_cancelled(run: Driven) -> None:
    run.complete("reserve", "item-1")
    run.turn(cancel_asked(reason="changed my mind"))
    run.complete("release")


def order_out_of_time(run: Driven) -> None:
    run.turn(run.timed_out("reserve", "SCHEDULE_TO_CLOSE", retry_state="TIMEOUT"))


def order_terminated(run: Driven) -> None:
    run.complete("charge", 5)
    run.turn(signalled(nudge), run.completed("reserve", "item-1"))
    run.terminate("fraud")


# Messages: handlers, conditions, receivers ---------------------------------------------------------------------------------


@workflow
def tallying(wanted: int) -> Workflow[list[int]]:
    got: list[int] = []

    def handle(value: int) -> Steps:
        charged = yield from charge(value)
        got.append(charged)
        yield from log("charged", value=charged)

    yield from status.answer(lambda: f"{sum(got)} of {wanted}")
    yield from charge(0)
    yield from number.handle(handle)
    try:
        yield from wait_until(lambda: sum(got) >= wanted, timeout=HOUR)
    except TimeoutError:
        got.append(-1)
    yield from nudge.receive()
    return got


def tally_reached(run: Driven) -> None:
    run.turn(signalled(number, 1), signalled(number, 2))
    run.complete("charge", 0)
    run.signal(number, 4)
    run.turn(run.completed("charge", 4, nth=2), run.completed("charge", 1))
    run.complete("charge", 2)
    run.turn(signalled(approval, "unheard"), signalled(nudge))


def tally_timed_out(run: Driven) -> None:
    run.complete("charge", 0)
    run.signal(number, 3)
    run.fire()
    run.turn(run.completed("charge", 3), signalled(nudge))


# Branches: started steps, shields, cancellation of every kind ---------------------------------------------------------------


@workflow
def branching() -> Workflow[list[object]]:
    seen: list[object] = []

    def worker(name: str, amount: int) -> Steps:
        try:
            yield from start(helper(f"{name} helper"))
            seen.append((name, (yield from charge(amount))))
            yield from sleep(HOUR)
        except CancelledError:
            seen.append((name, "cancelled"))
            yield from refund(amount)
            raise
        finally:
            yield from release(name)

    def helper(name: str) -> Steps:
        try:
            yield from nudge.receive()
        finally:
            yield from log(f"{name} ends")

    first = yield from start(worker("first", 1))
    second = yield from start(worker("second", 2))
    outcome = yield from any_of(
        patient(1),
        abandoned(2),
        execute_activity("spare", result_type=int),
        execute_activity("slow"),
        sleep(HOUR),
    )
    seen.append(outcome)
    yield from cancel(first)
    settled = yield from all_settled(first, shield(reserve("kept")), with_timeout(approval.receive(), MINUTE))
    seen.extend(str(each.value if each.error is None else type(each.error).__name__) for each in settled)
    try:
        yield from second
    except CancelledError:
        seen.append("second was cancelled")
    return seen


def branches_unwind(run: Driven) -> None:
    run.complete("charge", 1)
    run.complete("charge", 2)
    run.turn(run.completed("abandoned", 9), run.failed("patient", ApplicationError("broken")))
    run.complete("refund")
    run.complete("release")
    run.turn(run.fired(1))
    run.complete("reserve", "kept")
    run.fire()
    run.complete("release")


def branches_cancelled(run: Driven) -> None:
    run.turn(run.completed("spare", 3), run.completed("charge", 1))
    run.turn(run.reported_cancelled("patient"))
    run.complete("refund")
    run.turn(cancel_asked(), cancel_asked())
    run.complete("release")
    run.complete("reserve", "kept")


# Updates: accepted, refused and cut off; pauses; options from outside ---------------------------------------------------------


@workflow
def keeping_shop() -> Workflow[list[int]]:
    prices: list[int] = []
    closing = False

    def check(price: int) -> None:
        if price <= 0:
            raise ApplicationError("too cheap", price, type="TooCheap")

    def set_price(price: int) -> Workflow[int]:
        prices.append((yield from charge(price)))
        return sum(prices)

    def close() -> None:
        nonlocal closing
        closing = True

    yield from raising.handle(set_price, validator=check)
    yield from number.handle(set_price, unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    yield from closing_time.handle(close)
    yield from wait_until(lambda: closing)
    if (yield from info()).cancel_requested:
        return prices
    yield from all_handlers_finished()
    return prices


def shop_kept(run: Driven) -> None:
    run.update(raising, 0, id="refused")
    run.update(raising, 5, id="a")
    run.update(raising, 6, id="b", identity="me", request_id="q")
    run.turn(PauseWorkflow(reason="lunch", identity="me", request_id="p"), run.completed("charge", 5))
    run.turn(UpdateWorkflowOptions(options={"build_id": "b-2"}))
    run.turn(
        UnpauseWorkflow(reason="back"), signalled(number, 7), run.failed("charge", ApplicationError("no"))
    )
    run.update(closing_time, id="c")
    run.complete("charge", 7)


def shop_closed_early(run: Driven) -> None:
    run.update(raising, 5, id="a")
    run.signal(number, 6)
    run.turn(TimeOutWorkflow(retry_state="TIMEOUT"))


# Answers: everything that is asked and decided within a turn ------------------------------------------------------------------


@workflow
def drawing(rounds: int) -> Workflow[list[object]]:
    answers: list[object] = []
    for index in range(rounds):
        rng = yield from random()
        answers.append(rng.randint(1, 6))
        answers.append(str((yield from uuid4())))
        answers.append((yield from now()).isoformat())
        answers.append((yield from info()).history_length)
        answers.append((yield from side_effect(lambda: [1, {"two": 2.5}], result_type=list)))
        if (yield from patched(f"round {index}")):
            answers.append((yield from charge(index)))
        yield from deprecate_patch("old")
        yield from all_of()
    return answers


def drawn(run: Driven) -> None:
    for index in range(3):
        run.complete("charge", index)


SAMPLES: dict[str, Sample] = {
    "an order that is approved": Sample(ordering, ("x", 5), order_approved),
    "an order that nobody approves in time": Sample(ordering, ("x", 5), order_timed_out),
    "an order whose payment is declined": Sample(ordering, ("x", 5), order_declined),
    "an order that is cancelled": Sample(ordering, ("x", 5), order_cancelled),
    "an order whose reservation times out": Sample(ordering, ("x", 5), order_out_of_time),
    "an order that is terminated": Sample(ordering, ("x", 5), order_terminated),
    "a tally that is reached": Sample(tallying, (7,), tally_reached),
    "a tally that runs out of time": Sample(tallying, (7,), tally_timed_out),
    "branches that unwind": Sample(branching, (), branches_unwind),
    "branches of a cancelled run": Sample(branching, (), branches_cancelled),
    "a shop that is kept": Sample(keeping_shop, (), shop_kept),
    "a shop that is closed early": Sample(keeping_shop, (), shop_closed_early),
    "answers drawn in three rounds": Sample(drawing, (3,), drawn),
    **{name: Sample(*parts) for name, parts in OTHERS.items()},
}


def history_of(name: str) -> list[HistoryEvent]:
    """What a sample records from its start to its end."""
    sample = SAMPLES[name]
    with drive(sample.definition, *sample.args, recheck=False, run_id=f"run of {name}") as run:
        sample.course(run)
        return run.history


def ends_of_turns(history: list[HistoryEvent]) -> list[int]:
    """The lengths of the prefixes that end with a turn."""
    return [
        n for n in range(1, len(history) + 1) if n == len(history) or history[n].turn != history[n - 1].turn
    ]


def main() -> None:
    """Write every history, one file each."""
    folder = GOLDEN / __version__
    folder.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        (folder / f"{name.replace(' ', '-')}.jsonl").write_bytes(encode_events(history_of(name)) + b"\n")


if __name__ == "__main__":
    main()
