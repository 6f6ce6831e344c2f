"""Replays a history: the turns of the past, made again with the recorded events as the tape.

Theory of operation.  A history is taken in *stretches* of whole turns, so that a long one is never all in memory: events may come
from a generator that decodes them as it is asked for more.  Each turn begins with its external events; what the code does in answer is
compared with the derived events that follow (see ``tape``).  What the run has left of its history in the end is its ledger.

One rule: nothing here decides; a turn that is replayed runs the same code as a live one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

from refold import events as ev
from refold.divergence import EVENTS_SHOWN, Waits
from refold.errors import HistoryError
from refold.evolve import apply, corrupt
from refold.interpreter import run_turn
from refold.scheduler import Scheduler
from refold.state import Ledger
from refold.waiting import waiting

#: About how many events are held at once; a turn that has more of them is held whole.
STRETCH_EVENTS = 4_096


def replay(run: Scheduler, history: Iterable[ev.HistoryEvent]) -> None:
    """Bring a run that has not begun to where its history ends; raises as :meth:`Execution.load` does."""
    tape = run.tape
    before: Sequence[ev.HistoryEvent] = ()
    for stretch in _stretches(history):
        if not before and (other := other_type(run, stretch[0])) is not None:
            raise HistoryError(
                "RF2001",
                f"the run is a {other!r}, not a {run.definition.name!r}",
                why="a history can only be replayed by the workflow that made it",
                fix="load it with the definition of that name",
            )
        tape.history = [*before, *stretch]
        _replay_turns(run, tape.history, len(before))
        before = tape.history[-EVENTS_SHOWN:]
    tape.history = None


def other_type(run: Scheduler, event: ev.HistoryEvent) -> str | None:
    """The workflow type that an event starts, if it is not that of the run."""
    if isinstance(event, ev.WorkflowExecutionStarted) and event.workflow_type != run.definition.name:
        return event.workflow_type
    return None


def _stretches(history: Iterable[ev.HistoryEvent]) -> Iterator[list[ev.HistoryEvent]]:
    """The history, cut between turns."""
    events = iter(history)
    stretch: list[ev.HistoryEvent] = []
    while more := list(islice(events, STRETCH_EVENTS)):
        stretch += more
        cut = len(stretch)
        turn = stretch[-1].turn
        while cut and stretch[cut - 1].turn == turn:  # the last turn may go on
            cut -= 1
        if cut:
            yield stretch[:cut]
            del stretch[:cut]
    if stretch:
        yield stretch


def _replay_turns(run: Scheduler, history: Sequence[ev.HistoryEvent], position: int) -> None:
    """Replay whole turns, from ``position`` on."""
    tape, ledger = run.tape, run.ledger
    end = len(history)

    def waits() -> Waits:
        return [(each.wait, each.frames[-1] if each.frames else "") for each in waiting(run.main)]

    while position < end and ledger.closed is None:
        first = history[position]
        turn = first.turn
        following = position + 1
        while following < end and (event := history[following]).turn == turn and event.external:
            following += 1
        externals = history[position:following]
        if following != position + 1 or turn <= ledger.turn or not first.external:
            _check_order(externals, ledger)
        tape.turn, tape.at = turn, first.at
        tape.pos, tape.length_before = following, ledger.last_event_id
        run_turn(run, externals)
        position = tape.pos
        if tape.passed or (position < end and history[position].turn == turn):
            tape.end_turn(run.patches, waits)
            position = tape.pos
    for left in history[position:]:
        apply(ledger, left)


def _check_order(beginning: Sequence[ev.HistoryEvent], ledger: Ledger) -> None:
    """Raise unless these events can be the external ones of a new turn."""
    first = beginning[0]
    if not first.external:
        raise corrupt(first, "a turn begins with what came from outside")
    if first.turn <= ledger.turn:
        raise corrupt(first, "what came from outside stands before what the workflow did")
    for before, event in pairwise(beginning):
        if event.message and not before.message:
            raise corrupt(event, "messages stand before completions")
