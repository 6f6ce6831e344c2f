"""Sagas: whatever happens, what was done is undone once, last first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from property_tests.drawing import law, schedules
from property_tests.programs import Act, Compensated, Fail, Step
from property_tests.schedules import Schedule, play
from refold import events as ev

_last_steps = st.sampled_from([Act("charge", 50), Act("patient", 50), Fail("Small")])


@law
@given(st.integers(1, 4), _last_steps, schedules("cancel", "fail"))
def test_every_step_that_was_done_is_undone_once_and_the_last_one_first(
    count: int, then: Step, schedule: Schedule
) -> None:
    steps = tuple((Act("charge", label), 100 + label) for label in range(count))
    conversation = play(Compensated(steps, then), schedule)
    trace: list[str] = conversation.made[-1].answer[0]
    done = min(count, sum(line.startswith("Act: ") for line in trace))
    undone = [
        event.input[0] - 100
        for event in conversation.history
        if isinstance(event, ev.ActivityTaskScheduled) and event.activity_type == "reserve"
    ]
    if isinstance(conversation.closed, ev.WorkflowExecutionCompleted):
        assert [] == undone
    elif isinstance(conversation.closed, ev.WorkflowExecutionTerminated | ev.WorkflowExecutionTimedOut):
        assert list(reversed(range(done)))[: len(undone)] == undone, "it was cut off"
    else:
        assert list(reversed(range(done))) == undone
