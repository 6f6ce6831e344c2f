"""``Simulation``: clients and workers of one store, in virtual time, on the thread that asks for it.

    with Simulation(workflows=[process_order], activities=[charge]) as sim:
        sim.mock(charge, lambda order: "receipt")
        sim.worker()
        handle = sim.client.start(process_order, order, id="order-1")
        sim.run_for(timedelta(days=3))
        handle.signal(approval, yes)
        assert handle.result() == "done"

A sleep of a year takes as long as the turns in it.  When it ends, every run of it is replayed.  One rule: what runs in it is the code of
production; replaced are the clock, the way to the store, and the threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from refold import Activity, Execution, WorkflowDefinition
from refold_adapters.client.client import Client
from refold_adapters.memory import MemoryStore
from refold_adapters.operating.inspection import read_history
from refold_adapters.ports import RunFilter, RunRow
from refold_adapters.random_ids import RANDOM_BYTES
from refold_adapters.registry import Registry
from refold_adapters.simulation.link import NO_FAULTS, Device, Faults, Link
from refold_adapters.simulation.process import Process
from refold_adapters.simulation.scheduler import Scheduler, VirtualClock
from refold_adapters.simulation.seeds import Seeds
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.worker import Worker

#: A worker without work shows that it is alive three times a lease: too often, for years, with the one of production.
LEASE = timedelta(hours=1)
_EVERY_RUN = RunFilter(limit=1_000_000)


class Simulation:
    """One store, a client, and as many workers as are made, each in a process of its own."""

    def __init__(
        self,
        seed: int | str = 0,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] = (),
        activities: Iterable[Activity[..., Any]] = (),
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.seeds = Seeds(seed)
        self.clock = VirtualClock()
        self.scheduler = Scheduler(self.clock, self.seeds.stream("ties"))
        self.scheduler.after_step = self._look
        self.store = MemoryStore(self.clock)
        self.device = Device(self.store)
        self.registry = Registry(workflows, activities)
        self._faults = faults
        self._mocks: dict[str, Callable[..., Any]] = {}
        self.processes: list[Process] = []
        self._made = 0
        self._bytes = self.seeds.stream("ids").hex
        self._open = ExitStack()
        link = self.link(Process("client", self.scheduler), NO_FAULTS)
        #: A client in a process of its own, which no fault reaches.
        self.client = self.make_client(link)

    # Making ---------------------------------------------------------------------------------------------------------

    def link(self, process: Process, faults: Faults) -> Link:
        """A process's way to the store."""
        process.is_quiet = self.is_quiet
        self.processes.append(process)
        return Link(self.device, process, faults, self.seeds.stream(f"link {process.name}"))

    def make_client(self, link: Link) -> Client:
        """A client in the process of that link."""
        definitions = list(self.registry.workflows.values())
        closings = Closings(link, link.process)
        return Client(link, workflows=definitions, identity=link.process.name, closings=closings)

    def worker(
        self,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] | None = None,
        activities: Iterable[Activity[..., Any]] | None = None,
        name: str | None = None,
        activity_seconds: Callable[[], float] = lambda: 0.0,
        **options: Any,
    ) -> Worker:
        """A worker in a process of its own, at work from now on; by default with all the code of the simulation.

        ``activity_seconds`` is asked for each attempt how long it takes; ``options`` are those of :class:`Worker`.
        """
        options.setdefault("lease", LEASE)
        self._made += 1
        process = Process(name or f"worker-{self._made}", self.scheduler, activity_seconds=activity_seconds)
        link = self.link(process, self._faults)
        definitions = self.registry.workflows.values() if workflows is None else workflows
        known = self.registry.activities.values() if activities is None else activities
        worker = Worker(
            link,
            workflows=definitions,
            activities=[self._simulated(each) for each in known],
            identity=process.name,
            closings=Closings(link, process),
            **options,
        )
        process.run(worker)
        return worker

    def mock(self, activity: Activity[..., Any] | str, does: Callable[..., Any]) -> None:
        """Have a function called in place of an activity, from now on."""
        self._mocks[activity if isinstance(activity, str) else activity.name] = does

    def _simulated(self, activity: Activity[..., Any]) -> Activity[..., Any]:
        def call(*args: Any) -> Any:
            mock = self._mocks.get(activity.name)
            value = (mock or activity.fn)(*args)
            return asyncio.run(value) if asyncio.iscoroutine(value) else value

        return activity.running(call)

    # Running --------------------------------------------------------------------------------------------------------

    def run_for(self, time: timedelta) -> None:
        """Let so much virtual time pass, and everything happen that happens in it."""
        self.scheduler.run_until(lambda: False, self.clock.passed_us + time // timedelta(microseconds=1))

    def run_until_idle(self) -> None:
        """Let time pass until nothing is left to do: every run has ended, or waits for a message."""
        self.scheduler.run_until(partial(self.is_quiet, 0.0))

    def run_until(self, is_done: Callable[[], bool], within: timedelta = timedelta(days=365)) -> bool:
        """Let time pass until something is so; whether it is."""
        return self.scheduler.run_until(is_done, self.clock.passed_us + within // timedelta(microseconds=1))

    def process_of(self, worker: Worker) -> Process:
        """The process that a worker lives in."""
        return next(process for process in self.processes if process.worker is worker)

    def kill(self, worker: Worker) -> None:
        """Kill the process of a worker, as ``kill -9`` does."""
        self.process_of(worker).kill()

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing is to be done any more but to look again, and that for so many seconds."""
        if self.scheduler.is_busy:
            return False
        workers = [each.worker for each in self.processes if each.alive and each.worker is not None]
        if any(worker.has_come for worker in workers):
            return False
        since = (self.clock.passed_us - self.device.written_us) / 1_000_000
        queues = tuple(dict.fromkeys(worker.task_queue for worker in workers))
        due = self.store.next_due_at(queues)
        if due is not None:
            if due > self.clock.now_us():
                return False
            # Nobody takes it, although every worker has looked since: none can, or all that could are dead.
            since = min(since, (self.clock.now_us() - due) / 1_000_000)
            seconds = max(seconds, 2 * LEASE.total_seconds())
        return since >= seconds

    def _look(self) -> None:
        for process in self.processes:
            process.look()

    # Ending ---------------------------------------------------------------------------------------------------------

    def rows(self) -> Sequence[RunRow]:
        """Every run, in order of its start."""
        return self.store.list_runs(_EVERY_RUN)[::-1]

    def replay_all(self) -> int:
        """Replay every run whose code is known; raises as ``Execution.replay`` does.  Returns how many events that were."""
        count = 0
        for row in self.rows():
            definition = self.registry.find_workflow(row.workflow_type)
            if definition is not None:
                history = read_history(self.store, row.run_id)
                if history:
                    Execution.replay(definition, history)
                count += len(history)
        return count

    def __enter__(self) -> Self:
        token = RANDOM_BYTES.set(self._bytes)
        self._open.callback(RANDOM_BYTES.reset, token)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        with self._open:
            for process in self.processes:
                process.kill()
            if kind is None:
                self.replay_all()
