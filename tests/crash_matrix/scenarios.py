"""The scenarios of the crash matrix: what a client does, step by step, while a worker works.

One rule: a step may be carried out again where nobody knows whether it was, as a client would do it: with the same ids, or after a look.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import attrs

from refold import RefoldError, RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from refold_adapters import ActivityNotFoundError, StoreError, WorkflowUpdateRejectedError
from tests.crash_matrix import workflows as w
from tests.crash_matrix.one_thread import Process

Step: TypeAlias = Callable[[Process], object]
HOUR = 3_600.0


@attrs.frozen
class Scenario:
    """What happens, and what is different from the others."""

    name: str
    steps: tuple[Step, ...]
    #: Runs that stay open.
    left_open: int = 0
    worker: dict[str, Any] = attrs.field(factory=dict[str, Any])
    #: Results that a crash may lead to beside the usual one, by workflow id.
    also: dict[str, str] = attrs.field(factory=dict[str, str])
    #: Whether clients hand what they send to the worker of their process.
    embedded: bool = True


# Steps ----------------------------------------------------------------------------------------------------------------------


def start(workflow: Any, *args: Any, id: str = "w", **options: Any) -> Step:
    """Start a run; the request id makes it one, however often it is done."""
    options.setdefault("request_id", f"start {id} {workflow.name}")
    return lambda process: process.client.start(workflow, *args, id=id, **options)


def signal(value: str | None, id: str = "w", kind: Any = w.note) -> Step:
    request_id = f"{kind.name} {value}"
    return lambda process: process.client.handle(id).signal(kind.name, value, request_id=request_id)


def signal_chain(value: str, id: str = "w") -> Step:
    """Signal whatever the first run of that id has become: a signal that one of its runs has heard is not sent again."""

    def send(process: Process) -> None:
        first = min(
            process.client.list(workflow_id=id),
            key=lambda row: (row.started_at, row.first_run_id != row.run_id),
        )
        handle = process.client.handle(id, first_run_id=first.first_run_id)
        handle.signal(w.note, value, request_id=value)

    return send


def stop(id: str = "w") -> Step:
    return lambda process: process.client.handle(id).signal(w.stop, request_id="stop")


def update(kind: Any, value: Any, id: str = "w") -> Step:
    return lambda process: process.client.handle(id).execute_update(kind, value, id=f"{kind.name} {value}")


def refused_update(value: int, id: str = "w") -> Step:
    def send(process: Process) -> None:
        try:
            update(w.price, value, id)(process)
        except WorkflowUpdateRejectedError:
            return
        raise AssertionError("it was not refused")

    return send


def cancel(id: str = "w") -> Step:
    return lambda process: process.client.handle(id).cancel("enough", request_id="cancel")


def terminate(id: str = "w") -> Step:
    return lambda process: process.client.handle(id).terminate("enough", request_id="terminate")


def wait(seconds: float) -> Step:
    return lambda process: process.let_pass(seconds)


def pause(id: str = "w") -> Step:
    def once(process: Process) -> None:
        if process.client.handle(id).current_row().paused_at is None:
            process.client.handle(id).pause()

    return once


def resume(id: str = "w") -> Step:
    def once(process: Process) -> None:
        if process.client.handle(id).current_row().paused_at is not None:
            process.client.handle(id).resume()

    return once


def reset(runs: int = 2, id: str = "w", **point: Any) -> Step:
    """Reset, unless there are so many runs already."""

    def once(process: Process) -> None:
        if process.client.count(workflow_id=id) < runs:
            process.client.handle(id).reset(**point)

    return once


def fork(new: str, *args: Any, id: str = "w", **point: Any) -> Step:
    def once(process: Process) -> None:
        if not process.client.count(workflow_id=new):
            process.client.handle(id).fork(new, *args, **point)

    return once


def delete(id: str = "w") -> Step:
    def once(process: Process) -> None:
        if process.client.count(workflow_id=id):
            process.client.handle(id).delete()

    return once


def on_activity(act: Callable[[Any], object], id: str = "w", activity_id: str | None = None) -> Step:
    """Do something to the one open activity of a run."""

    def once(process: Process) -> None:
        row = process.client.handle(id).current_row()
        tasks = process.store.list_tasks(row.run_id)
        if not tasks and process.is_again:
            return
        try:
            act(process.client.activity(id, activity_id or str(tasks[0].seq)))
        except ActivityNotFoundError:
            if not process.is_again:
                raise

    return once


def expect_code(code: str, step: Step) -> Step:
    """A step that is refused."""

    def refused(process: Process) -> None:
        try:
            step(process)
        except StoreError:
            raise
        except RefoldError as error:
            if error.code != code:
                raise
            return
        raise AssertionError(f"no {code}")

    return refused


def start_activity(activity: Any, *args: Any, id: str = "a", **options: Any) -> Step:
    options.setdefault("request_id", f"start {id}")
    return lambda process: process.client.start_activity(activity, *args, id=id, **options)


# Scenarios ------------------------------------------------------------------------------------------------------------------

_MINUTE = timedelta(minutes=1)
_NEVER_TWICE = {"id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE}

SCENARIOS: list[Scenario] = []


def _add(name: str, *steps: Step, **more: Any) -> None:
    SCENARIOS.append(Scenario(name, steps, **more))


# Activities
_add("a run of one turn", start(w.nothing, "text"))
_add("three activities", start(w.sequence, 3))
_add("three activities from another process's client", start(w.sequence, 3), embedded=False)
_add("activities at once", start(w.parallel, 4))
_add("two slots for five activities", start(w.parallel, 5), worker={"max_concurrent_activities": 2})
_add("all settled", start(w.settled), wait(60))
_add("the fastest", start(w.fastest), wait(60))
_add("retries", start(w.retrying, 3))
_add("an activity that fails", start(w.failing))
_add("a failure that is forgiven", start(w.forgiving))
_add("a saga that undoes", start(w.booking))
_add("heartbeats", start(w.copier, 4))
_add("local activities", start(w.local_steps, 3))
_add("local and not", start(w.local_and_not))
_add("at most once", start(w.payer), also={"w": 'COMPLETED "unknown"'})
_add("called by name", start(w.elsewhere))
_add("completed from outside", start(w.asker), on_activity(lambda each: each.complete("answer")))
_add(
    "beaten and completed from outside",
    start(w.asker),
    on_activity(lambda each: each.heartbeat(1)),
    on_activity(lambda each: each.complete("answer")),
)
_add("called off from outside", start(w.patient), on_activity(lambda each: each.report_cancelled()))
_add(
    "an activity that is paused",
    start(w.seldom_retrying, 2),
    on_activity(lambda each: each.pause()),
    wait(30),
    on_activity(lambda each: each.unpause()),
)
_add("an activity alone", start_activity(w.charge, "alone"))
_add("an activity alone that is retried", start_activity(w.flaky, 2), wait(60))
_add("an activity alone that is ended", start_activity(w.asking), terminate("a"))
_add("an activity alone, later", start_activity(w.charge, "later", start_delay=_MINUTE), wait(90))

# Time
_add("timers", start(w.napping, 3))
_add("a timer between steps", start(w.naps_and_steps))
_add("a race that the timer wins", start(w.racing), wait(2 * HOUR))
_add("a race that the signal wins", start(w.racing), signal("first"))
_add("a timeout", start(w.limited), wait(120))
_add("a start that is delayed", start(w.sequence, 1, start_delay=_MINUTE), wait(90))
_add("a run timeout", start(w.listening, 1, run_timeout=_MINUTE), wait(90))
_add(
    "an execution timeout", start(w.relaying, 2, [], execution_timeout=_MINUTE), signal_chain("one"), wait(90)
)
_add("a worker that starts late", start(w.sequence, 2), wait(1), embedded=False)

# Messages
_add("signals", start(w.listening, 3), signal("one"), signal("two"), signal("three"))
_add(
    "signals from elsewhere",
    start(w.listening, 3),
    signal("one"),
    signal("two"),
    signal("three"),
    embedded=False,
)
_add("signals and steps", start(w.paying_each, 2), signal("one"), signal("two"))
_add("signal with start", start(w.listening, 2, start_signal=(w.note, "with it")), signal("after"))
_add("handlers", start(w.handling), signal("one"), signal("two"), stop())
_add("handlers of one turn", start(w.handling), signal("one"), signal("two"), stop(), embedded=False)
_add("updates", start(w.pricing), update(w.price, 1), update(w.price, 2), stop())
_add(
    "updates from elsewhere", start(w.pricing), update(w.price, 1), update(w.price, 2), stop(), embedded=False
)
_add("an update with a step", start(w.pricing), update(w.charged, "it"), stop())
_add("an update that is refused", start(w.pricing), refused_update(-1), update(w.price, 1), stop())
_add("a signal to a closed run", start(w.nothing, "x"), expect_code("RF5103", signal("late")))

# Stopping
_add("cancelled while it sleeps", start(w.cleaning), cancel())
_add("cancelled from elsewhere", start(w.cleaning), cancel(), embedded=False)
_add("cancelled and stubborn", start(w.stubborn), cancel())
_add(
    "cancelled in an activity", start(w.patient), cancel(), on_activity(lambda each: each.report_cancelled())
)
_add("terminated", start(w.listening, 1), terminate())
_add("terminated in an activity", start(w.asker), terminate())
_add("a branch that is called off", start(w.background), signal("go"), embedded=False)

# Chains
_add("continue as new", start(w.counting_down, 3))
_add(
    "continue as new with signals",
    start(w.relaying, 3, []),
    signal_chain("one"),
    signal_chain("two"),
    signal_chain("three"),
)
_add(
    "continue as new with signals at once",
    start(w.relaying, 3, []),
    signal_chain("one"),
    signal_chain("two"),
    signal_chain("three"),
    embedded=False,
)
_add("a workflow that is retried", start(w.trying_again, retry_policy=RetryPolicy(maximum_attempts=5)))

# Other runs
_add("a child", start(w.parent))
_add("two children", start(w.two_children))
_add("a child that fails", start(w.failing_child))
_add("a child that continues as new", start(w.chained_child))
_add("a grandchild", start(w.grandparent))
_add("a child that is told", start(w.told_child))
_add("a child that is terminated with its parent", start(w.leaving, "TERMINATE"), wait(5))
_add("a child that is cancelled with its parent", start(w.leaving, "REQUEST_CANCEL"), wait(5))
_add("a child that is left", start(w.leaving, "ABANDON"), wait(5), left_open=1)
_add("a parent that is cancelled", start(w.waiting_parent), cancel())
_add("another run that is told", start(w.listening, 2, id="listener"), start(w.telling))
_add("another run that is not there", start(w.telling))
_add("another run that is cancelled", start(w.cleaning, id="other"), start(w.stopping))
_add("ten runs at once", *[start(w.sequence, 1, id=f"w{n}") for n in range(10)], embedded=False)

# Operations
_add("paused and resumed", start(w.paying_each, 2), pause(), signal("one"), signal("two"), wait(5), resume())
_add("reset to its start", start(w.paying_each, 1), signal("one"), reset(first=True))
_add("reset while it is open", start(w.paying_each, 2), signal("one"), reset(), signal("two"))
_add("reset of a chain", start(w.counting_down, 1), reset(3, first=True))
_add("forked", start(w.paying_each, 2), signal("one"), fork("copy"), signal("two"), signal("three", "copy"))
_add("deleted", start(w.sequence, 1), delete())
_add("deleted while it is open", start(w.listening, 1), delete())
_add("kept for a while", start(w.sequence, 1), wait(2 * HOUR), worker={"retention": timedelta(hours=1)})
_add("labelled", start(w.labelled))
_add("labelled from the start", start(w.sequence, 1, search_attributes=[w.customer.value_set("acme")]))
_add("drawing", start(w.drawing))
_add("patched", start(w.patched_one))
_add("pinned to a build", start(w.sequence, 2), worker={"build_id": "one"})
_add("nothing is kept in memory", start(w.sequence, 3), worker={"max_cached_workflows": 0})

# Ids
_add(
    "an id that is taken", start(w.listening, 1), expect_code("RF5101", start(w.nothing, "x")), signal("one")
)
_add(
    "an id that is used once",
    start(w.nothing, "x"),
    expect_code("RF5101", start(w.sequence, 1, **_NEVER_TWICE)),
)
_add("an id that is used again", start(w.nothing, "x"), start(w.sequence, 1))
_add(
    "one that takes the place of another",
    start(w.listening, 1),
    start(w.nothing, "x", id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING),
)
