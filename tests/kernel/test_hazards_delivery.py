"""Where workflow engines broke on delivery and queries, 36 to 38: told twice, asked late, asked to act."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest

from refold import (
    DefinitionError,
    Execution,
    HistoryError,
    Workflow,
    all_of,
    first_of,
    fold,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import Message
from tests.kernel.driving import drive
from tests.kernel.parts import (
    HOUR,
    approval,
    charge,
    number,
    status,
)
from tests.kernel.samples import SAMPLES, ends_of_turns, history_of, tallying

# 36: everything is delivered twice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("how", ["in one turn", "in two turns"])
def test_hazard_36_whatever_is_delivered_twice_counts_once(name: str, how: str) -> None:
    sample = SAMPLES[name]
    with drive(sample.definition, *sample.args, recheck=False) as once:
        sample.course(once)
    with drive(sample.definition, *sample.args, recheck=False) as twice:
        single = twice.turn
        numbers = itertools.count()

        def doubled(*messages: Message, at: int | None = None) -> Any:
            named = [
                attrs.evolve(message, request_id=f"request {next(numbers)}")
                if hasattr(message, "request_id")
                else message
                for message in messages
            ]
            if how == "in one turn":
                return single(*named, *named, at=at)
            turn = single(*named, at=at)
            assert () == single(*named, at=at).events
            return turn

        twice.turn = doubled  # type: ignore[method-assign]
        sample.course(twice)

    def without_requests(history: list[ev.HistoryEvent]) -> list[ev.HistoryEvent]:
        return [attrs.evolve(e, request_id="") if hasattr(e, "request_id") else e for e in history]

    assert without_requests(once.history) == without_requests(twice.history)


def test_hazard_36_a_second_outcome_in_a_stored_history_is_corrupt() -> None:
    history = history_of("an order that is approved")
    completion = next(event for event in history if isinstance(event, ev.ActivityTaskCompleted))
    again = attrs.evolve(completion, event_id=completion.event_id + 1)
    with pytest.raises(
        HistoryError, match=r"RF2001: ActivityTaskCompleted .* no activity with seq 2 is open"
    ):
        fold([*history[: completion.event_id], again])


# 37 and 38: queries -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith(("an order", "a tally"))])
def test_hazard_37_a_query_is_answered_from_the_position_that_was_loaded_and_no_later_one(name: str) -> None:
    """Which cached run a worker asks is the runtime's; that a run at a position answers from there is the kernel's."""
    sample = SAMPLES[name]
    live: list[tuple[int, Any]] = []
    with drive(sample.definition, *sample.args, recheck=False) as run:
        single = run.turn

        def asking(*messages: Message, at: int | None = None) -> Any:
            turn = single(*messages, at=at)
            live.append((len(run.history), run.query(status)))
            return turn

        run.turn = asking  # type: ignore[method-assign]
        sample.course(run)
    assert len(ends_of_turns(run.history)) == len(live) + 1, "it is asked after each turn but the first"
    for position, answer in live:
        with Execution.load(sample.definition, run.history[:position]) as loaded:
            assert answer == loaded.query(status)
            before = loaded.state
            loaded.close()
            assert (answer, before) == (loaded.query(status), loaded.state)


FORBIDDEN: dict[str, Any] = {
    "an activity": lambda: charge(1),
    "a timer": lambda: sleep(HOUR),
    "a signal": approval.receive,
    "a handler": lambda: number.handle(print),
    "an answer": lambda: status.answer(str),
    "a step": lambda: start(charge(1)),
    "a combinator": all_of,
    "a race": lambda: first_of(sleep(HOUR)),
    "a condition": lambda: wait_until(lambda: True),
    "a workflow": lambda: list(tallying(1)),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_hazard_38_a_query_cannot_start(what: str) -> None:
    @workflow
    def looks() -> Workflow[None]:
        yield from status.answer(lambda: FORBIDDEN[what]())  # type: ignore[arg-type,return-value]  # noqa: PLW0108
        yield from sleep(HOUR)

    with drive(looks) as run:
        state, waits, events = run.execution.state, run.execution.waiting(), len(run.history)
        with pytest.raises(DefinitionError, match="RF1107"):
            run.query(status)
        assert (state, waits, events) == (run.execution.state, run.execution.waiting(), len(run.history))
        run.fire()
        assert ["TimerStarted", "WorkflowExecutionCompleted"] == run.kinds
