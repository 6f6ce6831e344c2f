"""Workflows in the shapes that real ones have: small enough to see through, and every effect is in one of them.

They are recorded, replayed, and changed on purpose (``mutants``), so they stay as plain as an author would write them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    CancelledError,
    Query,
    Saga,
    Signal,
    TimeoutError,
    Workflow,
    activity,
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

MINUTE = timedelta(minutes=1)


@attrs.frozen
class Trip:
    """What is booked."""

    hotel: str
    flight: str
    nights: int


@activity
def book_hotel(hotel: str, nights: int) -> int: ...


@activity
def book_flight(flight: str) -> int: ...


@activity
def cancel_hotel(number: int) -> None: ...


@activity
def cancel_flight(number: int) -> None: ...


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
def print_ticket(hotel: int, flight: int) -> str: ...


@activity
def measure(place: str) -> int: ...


@activity
def compare(place: str) -> int: ...


@activity
def report(values: list[int]) -> str: ...


@activity
def notify(text: str) -> None: ...


paid = Signal("paid", int)
note = Signal("note", str)
stop = Signal("stop")
urgent = Signal("urgent", str)
stage = Query("stage", str)


@workflow
def travel(trip: Trip) -> Workflow[str]:
    """A saga: what was booked is cancelled if the rest fails, is declined, or takes too long."""
    current = "booking"
    yield from stage.answer(lambda: current)
    saga = Saga()
    try:
        hotel = yield from saga.do(book_hotel(trip.hotel, trip.nights), undo=cancel_hotel)
        flight = yield from saga.do(book_flight(trip.flight), undo=cancel_flight)
        current = "payment"
        yield from payment(trip.nights * 100)
        current = "printing"
        ticket = yield from shield(print_ticket(hotel, flight))
    except (ActivityError, ApplicationError, CancelledError):
        current = "undoing"
        yield from saga.compensate()
        raise
    yield from log("booked", ticket=ticket)
    return ticket


def payment(due: int) -> Workflow[None]:
    """Return once enough was paid; raise if that takes longer than an hour."""
    while due > 0:
        match (yield from first_of(paid.receive(), sleep(timedelta(hours=1)))):
            case (0, int(amount)):
                due -= amount
            case _:
                raise ApplicationError(f"{due} are still to be paid", type="NotPaid", non_retryable=True)


@workflow
def counting(places: list[str]) -> Workflow[dict[str, int]]:
    """Loops, and the small questions."""
    found: dict[str, int] = {}
    begun = yield from now()
    for place in places:
        found[place] = yield from measure(place)
    for round_number in range(2):
        yield from sleep(MINUTE * (round_number + 1))
        yield from notify(f"round {round_number + 1} of {len(places)}")
    dice = yield from random()
    winner = places[dice.randrange(len(places))]
    found[winner] += yield from compare(winner)
    tag = yield from uuid4()
    known = yield from info()
    yield from notify(f"{tag} in {known.workflow_id} after {(yield from now()) - begun}")
    return found


@workflow
def fan_out(places: list[str]) -> Workflow[list[Any]]:
    """Many steps at once, whose failures are put up with, and the fastest of some."""
    outcomes = yield from all_settled(*[measure(place) for place in places])
    values = [each.value for each in outcomes if each.value is not None]
    fastest = yield from any_of(compare(places[0]), compare(places[-1]), measured_twice(places[0]))
    values.append(fastest)
    text, _ = yield from all_of(report(values), sleep(MINUTE))
    return [text, values]


def measured_twice(place: str) -> Workflow[int]:
    """The sum of two measurements, one after the other."""
    first = yield from measure(place)
    second = yield from measure(place)
    return first + second


@workflow
def mailbox(patience: int) -> Workflow[list[str]]:
    """Handlers that work while the workflow waits for a condition."""
    heard: list[str] = []
    stopped = False

    def on_note(text: str) -> Workflow[None]:
        heard.append(text)
        yield from notify(f"heard {text}")
        heard.append(f"told of {text}")

    def on_stop() -> None:
        nonlocal stopped
        stopped = True

    yield from note.handle(on_note)
    yield from stop.handle(on_stop)
    try:
        yield from wait_until(lambda: stopped or len(heard) > 5, timeout=MINUTE * patience)
    except TimeoutError:
        yield from notify("nobody stopped it")
        heard.append("too late")
    yield from wait_until(lambda: len(heard) % 2 == 1 or not heard or heard[-1].startswith("told"))
    return heard


@workflow
def background(place: str) -> Workflow[Any]:
    """A step that runs beside the workflow, is waited for or called off."""
    watching = yield from start(watch(place))
    other = yield from start(measure(place))
    index, value = yield from first_of(urgent.receive(), other)
    if index == 0:
        yield from cancel(watching)
        yield from cancel(other)
        yield from notify(f"urgent: {value}")
        return "called off"
    total = yield from with_timeout(watching, MINUTE * 3)
    return total + (yield from other)


def watch(place: str) -> Workflow[int]:
    """Measure three times, a while apart, and tell if it is cut short."""
    pause = yield from side_effect(lambda: 60, result_type=int)
    total = 0
    try:
        for _ in range(3):
            yield from sleep(timedelta(seconds=pause))
            total += yield from measure(place)
    except CancelledError:
        yield from shield(notify(f"{total} so far"))
        raise
    return total


@workflow
def changing(place: str) -> Workflow[list[Any]]:
    """Code that was changed with care while runs were open."""
    found: list[Any] = []
    if (yield from patched("measure-first")):
        found.append((yield from measure(place)))
    found.append((yield from side_effect(lambda: 7, result_type=int)))
    for attempt in range(2):
        try:
            found.append((yield from execute_activity("elsewhere", place, attempt, result_type=int)))
        except ActivityError as error:
            yield from log("failed", attempt=attempt)
            found.append(str(error.cause))
    yield from deprecate_patch("compare-later")
    if (yield from patched("thank")):
        yield from notify("thanks")
    found.append((yield from compare(place)))
    return found


@workflow
def desk(subjects: list[str]) -> Workflow[list[str]]:
    """Approvals one after the other; each is answered, or skipped after a while."""
    answers: list[str] = []
    waiting_for = ""
    yield from stage.answer(lambda: waiting_for)
    for subject in subjects:
        waiting_for = subject
        yield from notify(f"please decide on {subject}")
        match (yield from first_of(note.receive(), urgent.receive(), sleep(MINUTE))):
            case (0, str(answer)):
                answers.append(f"{subject}: {answer}")
            case (1, str(answer)):
                return [*answers, f"{subject}: {answer}, and that is all"]
            case _:
                answers.append(f"{subject}: skipped")
    if not answers:
        raise ApplicationError("there was nothing to decide on", type="Empty", non_retryable=True)
    return answers
