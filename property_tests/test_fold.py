"""The ledger: state is the fold of the history, at every prefix, and says all that is outstanding."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from property_tests.drawing import law, programs, schedules
from property_tests.programs import Step
from property_tests.running import World
from property_tests.schedules import Conversation, Schedule, play
from refold import ExecutionState, evolve, fold, initial_state, outstanding
from refold import events as ev


@law
@given(programs(), schedules())
def test_the_fold_of_the_history_is_the_live_state_after_each_turn_and_in_the_midst_of_it(
    program: Step, schedule: Schedule
) -> None:
    world = World()
    glimpses: list[ExecutionState] = []
    world.probe = lambda: None

    def look(conversation: Conversation) -> None:
        world.probe = lambda: glimpses.append(conversation.execution.state)

    conversation = play(program, schedule, world=world, after=look)
    history = conversation.history
    for made in conversation.made:
        assert fold(history[: made.state.last_event_id]) == made.state
    for glimpse in glimpses:
        assert fold(history[: glimpse.last_event_id]) == glimpse


@law
@given(programs(), schedules())
def test_evolve_takes_every_event_and_leaves_earlier_states_as_they_were(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    states = [initial_state()]
    for event in conversation.history:
        states.append(evolve(states[-1], event))
    for length, state in enumerate(states):
        assert fold(conversation.history[:length]) == state


class _Adapter:
    """What an adapter knows of a run: the commands it was handed and has not settled yet."""

    def __init__(self) -> None:
        self.open: dict[int, ev.Command] = {}
        self.stopping: dict[int, ev.Command] = {}

    def take(self, conversation: Conversation) -> None:
        turn = conversation.made[-1].turn
        for event in turn.events:
            if isinstance(event, ev.ChildWorkflowExecutionStarted):
                assert event.seq in self.open, "a child that starts was asked for"
            elif event.external and hasattr(event, "seq"):
                self._forget(event)
        for command in turn.commands:
            if isinstance(command, ev.TimerCanceled):
                self._forget(command)
            elif isinstance(command, ev.ActivityTaskCancelRequested):
                assert command.seq in self.open, "a cancel request for what is not there"
                assert command.seq not in self.stopping, "a second cancel request"
                self.stopping[command.seq] = command
            else:
                assert command.seq not in self.open
                self.open[command.seq] = command
        if turn.closed is not None:
            self.open.clear()

    def _forget(self, event: Any) -> None:
        assert event.seq in self.open, "what settles a command names one that is open"
        del self.open[event.seq]
        self.stopping.pop(event.seq, None)

    def expected(self) -> tuple[ev.Command, ...]:
        found: list[ev.Command] = []
        for seq in sorted(self.open):
            found.append(self.open[seq])
            if seq in self.stopping:
                found.append(self.stopping[seq])
        return tuple(found)


@law
@given(programs(), schedules())
def test_what_is_outstanding_is_what_was_handed_out_and_not_settled(
    program: Step, schedule: Schedule
) -> None:
    adapter = _Adapter()

    def check(conversation: Conversation) -> None:
        if conversation.made and conversation.made[-1] is not checked[-1]:
            checked.append(conversation.made[-1])
            adapter.take(conversation)
            assert adapter.expected() == conversation.execution.outstanding
            assert adapter.expected() == outstanding(conversation.execution.state)

    checked: list[Any] = [None]
    conversation = play(program, schedule, after=check)
    assert () == outstanding(conversation.execution.state)


@law
@given(programs(), schedules())
def test_histories_are_dense_and_every_turn_is_messages_then_completions_then_what_the_workflow_did(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    history = conversation.history
    assert list(range(1, len(history) + 1)) == [event.event_id for event in history]
    assert list(range(1, len(conversation.made) + 1)) == [made.turn.number for made in conversation.made]
    seqs = [event.seq for event in history if not event.external and _uses_a_number(event)]  # type: ignore[attr-defined]
    assert list(range(1, len(seqs) + 1)) == seqs
    for made in conversation.made:
        events = made.turn.events
        assert {(made.turn.number, made.turn.at)} == {(event.turn, event.at) for event in events}
        ranks = [0 if event.message else 1 if event.external else 2 for event in events]
        assert sorted(ranks) == ranks
        assert 2 != ranks[0], "a turn has a cause"


def _uses_a_number(event: ev.HistoryEvent) -> bool:
    if isinstance(event, ev.MarkerRecorded):
        return event.seq is not None
    return isinstance(
        event,
        ev.ActivityTaskScheduled
        | ev.TimerStarted
        | ev.StartChildWorkflowExecutionInitiated
        | ev.SignalExternalWorkflowExecutionInitiated
        | ev.RequestCancelExternalWorkflowExecutionInitiated
        | ev.WorkflowPropertiesModified
        | ev.UpsertWorkflowSearchAttributes,
    )


@law
@given(programs(), schedules())
def test_the_state_says_of_the_history_what_can_be_counted_in_it(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    for made in conversation.made:
        history = conversation.history[: made.state.last_event_id]
        kinds = [type(event).__name__ for event in history]
        asked = {
            request_id: event.event_id
            for event in history
            if (request_id := getattr(event, "request_id", ""))
        }
        updates = [
            event.update_id for event in history if isinstance(event, ev.WorkflowExecutionUpdateAccepted)
        ]
        answered = {
            event.update_id: event.event_id
            for event in history
            if isinstance(event, ev.WorkflowExecutionUpdateCompleted)
        }
        pauses = [
            event
            for event in history
            if isinstance(event, ev.WorkflowExecutionPaused | ev.WorkflowExecutionUnpaused)
        ]
        patches = [
            event.patch_id for event in history if isinstance(event, ev.MarkerRecorded) and event.patch_id
        ]
        assert (history[-1].turn, history[-1].at) == (made.state.turn, made.state.at)
        assert history[0] == made.state.started
        assert kinds.count("WorkflowExecutionSignaled") == made.state.signals
        assert kinds.count("WorkflowExecutionCancelRequested") == made.state.cancel_requests
        assert asked == dict(made.state.request_ids)
        assert answered == dict(made.state.completed_updates)
        assert [update for update in updates if update not in answered] == list(made.state.updates)
        assert len(set(updates)) == len(updates)
        assert made.state.paused == isinstance((pauses or [None])[-1], ev.WorkflowExecutionPaused)
        assert dict.fromkeys(patches, True) == dict(made.state.patches)
        assert len(set(patches)) == len(patches)
        assert sum(_uses_a_number(event) for event in history) == made.state.last_seq
        assert (history[-1] if history[-1].terminal else None) == made.state.closed
