"""refold's side of the replay benchmark: two workflows, their histories as events and as stored bytes, and how they are replayed.

The histories are made by driving the workflows, so they hold what a worker would have stored: one stored turn for each activity that came
back alone, and in the fan-out one for every hundred that came back together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen

from refold import Execution, Workflow, WorkflowDefinition, activity, all_of, workflow
from refold.codec import encode_events
from refold.events import HistoryEvent
from refold.messages import CompleteActivity, StartWorkflow
from refold_adapters.fast_codec import EventDecoder

COMPLETIONS_A_TURN = 100
BEGIN = 1_700_000_000_000_000
TURN_US = 1_000
IDENTITY = "12345@worker"


@activity
def step(number: int) -> int:
    return number


@workflow
def sequential(steps: int) -> Workflow[int]:
    total = 0
    for number in range(steps):
        total += yield from step(number)
    return total


@workflow
def fan_out(steps: int) -> Workflow[int]:
    return sum((yield from all_of(*[step(number) for number in range(steps)])))


SHAPES: dict[str, WorkflowDefinition[..., Any]] = {"sequential": sequential, "fan_out": fan_out}


@frozen(eq=False)
class History:
    """A closed run."""

    definition: WorkflowDefinition[..., Any]
    steps: int
    events: Sequence[HistoryEvent]
    #: As a store gives them back.
    turns: Sequence[bytes]

    @property
    def bytes(self) -> int:
        return sum(len(turn) for turn in self.turns)

    def replay_objects(self) -> None:
        """Replay from events that are decoded already."""
        self._check(self.events)

    def replay_bytes(self, decode: EventDecoder) -> None:
        """Replay from what is stored."""
        self._check(event for turn in self.turns for event in decode(turn))

    def _check(self, events: Iterable[HistoryEvent]) -> None:
        state = Execution.replay(self.definition, events)
        if state.closed is None:
            raise RuntimeError("the replayed run is still open")


def make_history(shape: str, steps: int) -> History:
    """Drive a workflow of that many steps to its end."""
    definition = SHAPES[shape]
    batch = 1 if shape == "sequential" else COMPLETIONS_A_TURN
    start = StartWorkflow(
        workflow_id="workflow-1",
        run_id="6f1b0c1e-0d6c-4c63-9a53-0f4f1f6a2b11",
        workflow_type=definition.name,
        input=definition.encode_input(steps),
        identity=IDENTITY,
    )
    events: list[HistoryEvent] = []
    turns: list[bytes] = []
    with Execution(definition) as execution:
        at = BEGIN
        made = execution.turn(start, at=at)
        seqs: list[int] = []
        number = 0
        while True:
            events += made.events
            turns.append(encode_events(made.events))
            if made.closed is not None:
                break
            seqs += [command.seq for command in made.commands]
            done, seqs = seqs[:batch], seqs[batch:]
            at += TURN_US
            results = [
                CompleteActivity(
                    seq=seq, result=number + nth, identity=IDENTITY, started_at=at - TURN_US // 2
                )
                for nth, seq in enumerate(done)
            ]
            number += len(done)
            made = execution.turn(*results, at=at)
    return History(definition, steps, events, turns)
