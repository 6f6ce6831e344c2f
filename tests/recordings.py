"""Records runs of the sample and example workflows, in a world that is drawn at random but the same each time.

A recording keeps what was told to the run, turn by turn, besides what came of it, so that other code can be told the very same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from random import Random
from typing import Any

import attrs

from examples import approval, monitored
from examples.embedding import quote
from examples.orders import workflow as orders
from examples.orders.model import Approval, Order, Payment, Reservation, Shipment, Validation
from refold import ApplicationError, Execution, Signal, Update, WorkflowDefinition
from refold import events as ev
from refold import messages as ms
from refold.failures import failure_of
from refold.payloads import encode
from tests import sample_others as others
from tests import sample_workflows as samples

BEGIN = 1_700_000_000_000_000
SECOND = 1_000_000
TURNS_MAX = 60
#: How many schedules are tried for a workflow, and how many of them are kept.
SEEDS = range(120)
KEPT = 10


@attrs.frozen
class Sample:
    """A workflow, and what may happen to it."""

    definition: WorkflowDefinition[..., Any]
    inputs: Sequence[tuple[object, ...]]
    #: What each activity, and each child workflow, may return, or raise.
    answers: Mapping[str, Sequence[object]]
    signals: Sequence[tuple[Signal[Any], object]] = ()
    updates: Sequence[tuple[Update[Any, Any], object]] = ()


@attrs.frozen
class Step:
    """What one turn was told."""

    messages: Sequence[ms.Message]
    at: int


@attrs.frozen
class Recording:
    """One run."""

    seed: int
    steps: Sequence[Step]
    history: Sequence[ev.HistoryEvent]

    def prefix(self, turn: int) -> list[ev.HistoryEvent]:
        """The history up to and including a turn."""
        return [event for event in self.history if event.turn <= turn]

    def prefixes(self) -> Iterator[list[ev.HistoryEvent]]:
        """The history before the first turn, and after each."""
        return (self.prefix(turn) for turn in range(len(self.steps) + 1))


NO = ApplicationError("it cannot be done", type="No")
NIGHT = ApplicationError("it is closed at night", {"opens": 8}, type="Closed", non_retryable=True)

NOT_FOUND = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"

ORDER = Order(
    order_id="o-1",
    customer="Amina",
    address="12 High Street",
    item="mug",
    quantity=2,
    unit_price=Decimal("7.50"),
    card="tok_visa",
    approval_window=timedelta(hours=1),
)

SAMPLES: tuple[Sample, ...] = (
    Sample(
        orders.process_order,
        [(ORDER,), (attrs.evolve(ORDER, order_id="o-2", approval_window=timedelta(minutes=1)),)],
        {
            "validate_order": [
                Validation(None),
                Validation(None, needs_approval=True),
                Validation(None, needs_approval=True),
                Validation("no such article"),
            ],
            "reserve_stock": [Reservation("mug", 2), Reservation("mug", 2), NO],
            "take_payment": [Payment("ch-1", Decimal("15.00")), Payment("ch-2", Decimal("15.00")), NIGHT],
            "ship_order": [Shipment("TRK1"), Shipment("TRK2"), NO],
            "release_stock": [None],
            "refund_payment": [None, None, NO],
        },
        [
            (orders.approval, Approval(approved=True, approver="Bo")),
            (orders.approval, Approval(approved=False, approver="Cleo", comment="too dear")),
        ],
    ),
    Sample(
        approval.approve,
        [("a new desk",), ("a golden desk",)],
        {},
        [
            (approval.approval, approval.Approval(approved=True, approver="Bo")),
            (approval.approval, approval.Approval(approved=False, approver="Cleo")),
            (approval.approval, approval.Approval(approved=False, approver="Cleo", comment="too heavy")),
        ],
    ),
    Sample(monitored.count_all, [([],), (monitored.POEM,)], {"count_words": [3, 4, 5, NO]}),
    Sample(
        quote.quote,
        [(["tea", "cup"],)],
        {"price_of": [4, 5, 6, NO]},
        [(quote.accepted, "Amina"), (quote.accepted, "Bo")],
    ),
    Sample(
        samples.travel,
        [(samples.Trip("Ritz", "XY 12", 2),)],
        {
            "book_hotel": [11, 12, NO],
            "book_flight": [21, 22, NO],
            "print_ticket": ["A 1", "B 2", NO],
            "cancel_hotel": [None, None, NO],
            "cancel_flight": [None],
        },
        [(samples.paid, 80), (samples.paid, 150), (samples.paid, 200)],
    ),
    Sample(
        samples.counting,
        [(["Rome"],), (["Rome", "Oslo", "Bath"],)],
        {"measure": [1, 2, 3], "compare": [4], "notify": [None]},
    ),
    Sample(
        samples.fan_out,
        [(["Rome", "Oslo"],), (["Rome", "Oslo", "Bath", "Bonn"],)],
        {"measure": [1, 2, 3, NO], "compare": [4, NO, NO], "report": ["fine", NO]},
    ),
    Sample(
        samples.mailbox,
        [(1,), (3,)],
        {"notify": [None]},
        [(samples.note, "a"), (samples.note, "b"), (samples.stop, None)],
    ),
    Sample(
        samples.background,
        [("Rome",)],
        {"measure": [1, 2, 3], "notify": [None]},
        [(samples.urgent, "fire")],
    ),
    Sample(
        samples.changing,
        [("Rome",)],
        {"measure": [1, 2], "elsewhere": [3, NO], "notify": [None], "compare": [4]},
    ),
    Sample(
        samples.desk,
        [([],), (["tea"],), (["tea", "cup", "spoon"],)],
        {"notify": [None]},
        [(samples.note, "yes"), (samples.note, "no"), (samples.urgent, "never")],
    ),
    Sample(others.household, [(["Ada"],), (["Ada", "Bo"],)], {"growing": ["tall", NO], "notify": [None]}),
    Sample(
        others.courier, [("the harbour",)], {"weigh": [2, 3], "notify": [None]}, [(others.stop, None)] * 2
    ),
    Sample(
        others.ledger,
        [(0,), (2,)],
        {"notify": [None]},
        [(others.note, "ab"), (others.note, "abcde")],
        [(others.entry, 3), (others.entry, 1), (others.entry, 0)],
    ),
    Sample(
        others.Shop.run,
        [("the corner",)],
        {"notify": [None]},
        [(others.Shop.shut, None)],  # type: ignore[list-item]
        [(others.Shop.sell, 2), (others.Shop.sell, 0)],  # type: ignore[list-item]
    ),
)


def sample_named(name: str) -> Sample:
    """The sample whose workflow has that name."""
    return next(sample for sample in SAMPLES if sample.definition.name == name)


class World:
    """Decides what happens next to one run: outcomes, timers, signals, cancel requests, and all of it twice."""

    def __init__(self, sample: Sample, seed: int) -> None:
        self.sample = sample
        self.draw = Random(seed)
        #: How eager this world is with signals, and whether it asks the run to stop.
        self.signals = self.draw.choice([0.0, 0.2, 0.5])
        self.cancels = self.draw.choice([0.0, 0.0, 0.15])
        self.at = BEGIN
        self.told: list[ms.Message] = []
        #: The children that run.
        self.children: set[int] = set()

    def begin(self) -> Step:
        definition = self.sample.definition
        plain = definition.encode_input(*self.draw.choice(list(self.sample.inputs)))
        start = ms.StartWorkflow(
            workflow_id="w-1",
            run_id=f"r-{self.draw.randrange(100)}",
            workflow_type=definition.name,
            input=plain,
        )
        return self._step([start, *self._messages()])

    def next(self, run: Execution) -> Step | None:
        """The next turn; None where nothing will ever happen."""
        if self.sample.updates and self.draw.random() < 0.3:
            return self._step([self._update()])
        waiting = list({command.seq: command for command in run.outstanding}.values())
        batch = self._messages()
        for _ in range(self.draw.choice([1, 1, 2, 3])):
            if waiting:
                batch.append(self._outcome(waiting.pop(self._pick(waiting))))
        if not batch and self.sample.signals:
            batch.append(self._signal())
        if not batch:
            return None
        if self.draw.random() < 0.2:
            told = [message for message in self.told if not message.alone]
            batch.append(self.draw.choice([*told, *batch]))
        self.draw.shuffle(batch)
        return self._step(batch)

    def _pick(self, waiting: Sequence[ev.Command]) -> int:
        """Timers come when they are due, which is late, most of the time."""
        timers = [index for index, each in enumerate(waiting) if isinstance(each, ev.TimerStarted)]
        others = [index for index, each in enumerate(waiting) if not isinstance(each, ev.TimerStarted)]
        if others and (not timers or self.draw.random() < 0.8):
            return self.draw.choice(others)
        first = min(timers, key=lambda index: waiting[index].at)
        return first if self.draw.random() < 0.9 else self.draw.choice(timers)

    def _step(self, batch: Sequence[ms.Message]) -> Step:
        self.at += self.draw.randrange(1, 20) * SECOND
        self.told += batch
        return Step(tuple(batch), self.at)

    def _messages(self) -> list[ms.Message]:
        batch: list[ms.Message] = []
        while self.sample.signals and self.draw.random() < self.signals:
            batch.append(self._signal())
        if self.draw.random() < self.cancels:
            batch.append(ms.CancelWorkflow(reason="enough", request_id=self._request()))
        return batch

    def _signal(self) -> ms.Message:
        signal, payload = self.draw.choice(list(self.sample.signals))
        return ms.SignalWorkflow(
            signal_name=signal.name, input=signal.encode(payload), request_id=self._request()
        )

    def _request(self) -> str:
        return f"q-{len(self.told)}-{self.draw.randrange(1_000_000)}"

    def _outcome(self, command: ev.Command) -> ms.Message:
        match command:
            case ev.TimerStarted():
                self.at = max(self.at, command.fire_at)
                return ms.FireTimer(seq=command.seq)
            case ev.ActivityTaskScheduled():
                return self._ended(command)
            case ev.StartChildWorkflowExecutionInitiated():
                return self._child(command)
            case ev.SignalExternalWorkflowExecutionInitiated():
                if self.draw.random() < 0.9:
                    return ms.ReportSignalDelivered(seq=command.seq)
                return ms.ReportSignalFailed(seq=command.seq, cause=NOT_FOUND)
            case ev.RequestCancelExternalWorkflowExecutionInitiated():
                if self.draw.random() < 0.7:
                    return ms.ReportCancelDelivered(seq=command.seq)
                return ms.ReportCancelFailed(seq=command.seq, cause=NOT_FOUND)
            case _:
                return ms.ReportActivityCanceled(seq=command.seq)

    def _child(self, command: ev.StartChildWorkflowExecutionInitiated) -> ms.Message:
        seq = command.seq
        if seq not in self.children:
            if self.draw.random() < 0.1:
                return ms.ReportChildStartFailed(seq=seq, cause="WORKFLOW_ALREADY_EXISTS")
            self.children.add(seq)
            return ms.ReportChildStarted(seq=seq, run_id=f"child-{seq}")
        answer = self.draw.choice(list(self.sample.answers[command.workflow_type]))
        if answer is not NO:
            return ms.CompleteChild(seq=seq, result=7 if command.workflow_id == "eldest" else "tall")
        endings = (
            *[ms.FailChild(seq=seq, failure=failure_of(NO))] * 3,
            ms.ReportChildCanceled(seq=seq),
            ms.TimeOutChild(seq=seq),
            ms.ReportChildTerminated(seq=seq, reason="enough"),
        )
        return self.draw.choice(endings)

    def _update(self) -> ms.Message:
        update, payload = self.draw.choice(list(self.sample.updates))
        return ms.UpdateWorkflow(
            update_id=self._request(), update_name=update.name, input=update.encode(payload)
        )

    def _ended(self, command: ev.ActivityTaskScheduled) -> ms.Message:
        answer = self.draw.choice(list(self.sample.answers[command.activity_type]))
        if isinstance(answer, ApplicationError):
            if answer is NO and self.draw.random() < 0.2:
                return ms.TimeOutActivity(seq=command.seq, timeout_type="START_TO_CLOSE")
            return ms.FailActivity(seq=command.seq, failure=failure_of(answer))
        return ms.CompleteActivity(seq=command.seq, result=encode(answer))


def record(sample: Sample, seed: int) -> Recording:
    """One run of a sample, to its end or until nothing happens any more."""
    world = World(sample, seed)
    steps: list[Step] = []
    history: list[ev.HistoryEvent] = []
    with Execution(sample.definition) as run:
        step: Step | None = world.begin()
        while step is not None and len(steps) < TURNS_MAX:
            turn = run.turn(*step.messages, at=step.at)
            if turn.events:
                steps.append(step)
                history += turn.events
            step = None if run.closed else world.next(run)
    return Recording(seed, tuple(steps), tuple(history))


@cache
def recordings(name: str) -> tuple[Recording, ...]:
    """Runs of a sample that differ as much as possible: each way to end in turn, each time by another course."""
    courses: dict[str, dict[object, Recording]] = {}
    for seed in SEEDS:
        recording = record(sample_named(name), seed)
        of_its_ending = courses.setdefault(ending(recording), {})
        of_its_ending.setdefault(tuple(_kind(event) for event in recording.history), recording)
    rounds = zip_longest(*(of_one_ending.values() for of_one_ending in courses.values()))
    chosen = [recording for one_round in rounds for recording in one_round if recording is not None]
    return tuple(chosen[: max(KEPT, len(courses))])


def ending(recording: Recording) -> str:
    """How a run ended, in a word or two."""
    last = recording.history[-1]
    if isinstance(last, ev.WorkflowExecutionFailed):
        failure = last.failure
        while failure.cause is not None:
            failure = failure.cause
        return f"Failed: {failure.type or failure.kind}"
    return type(last).__name__.removeprefix("WorkflowExecution") if last.terminal else "open"


def _kind(event: ev.HistoryEvent) -> tuple[str, object, object]:
    return type(event).__name__, getattr(event, "activity_type", None), getattr(event, "signal_name", None)
