"""What the scenarios run: small workflows with every feature, and activities that write down what they have done.

One rule: an outcome depends on what was sent, never on when a process was killed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    ParentClosePolicy,
    Query,
    RetryPolicy,
    Saga,
    SearchAttributeKey,
    Signal,
    TimeoutError,
    Update,
    Workflow,
    activity,
    all_handlers_finished,
    all_of,
    all_settled,
    any_of,
    cancel,
    continue_as_new,
    execute_activity,
    execute_child_workflow,
    external_workflow,
    first_of,
    info,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold_adapters import activity_context
from tests.crash_matrix.ledger import Effect, Ledger

MINUTE = timedelta(minutes=1)
AT_ONCE = RetryPolicy(initial_interval=timedelta(0))
OFTEN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=20)

#: Where activities write down what they have done; each process opens its own.
ledger: Ledger | None = None


def done() -> None:
    """Write down that this attempt has done its work."""
    about = activity_context().info
    assert ledger is not None
    ledger.effect(
        Effect(about.workflow_id, about.run_id, about.activity_id, about.activity_type, about.attempt)
    )


# Activities ---------------------------------------------------------------------------------------------------------------


@activity(retry_policy=AT_ONCE)
def charge(what: str) -> str:
    done()
    return f"charged {what}"


@activity(retry_policy=AT_ONCE)
def undo(what: str) -> str:
    done()
    return f"undone {what}"


@activity(retry_policy=OFTEN)
def flaky(fails: int) -> int:
    """Fails so many times; a crash may cost it an attempt more."""
    done()
    if activity_context().info.attempt <= fails:
        raise ApplicationError("not yet", type="NotYet")
    return fails


@activity
def broken() -> None:
    done()
    raise ApplicationError("it never works", type="Broken", non_retryable=True)


@activity(retry_policy=AT_ONCE, heartbeat_timeout=MINUTE)
def copying(pages: int) -> int:
    """Tells how far it is."""
    context = activity_context()
    page = int(context.last_heartbeat_details[0]) if context.last_heartbeat_details else 0
    while page < pages:
        page += 1
        context.heartbeat(page)
    done()
    return page


@activity(retry_policy=AT_ONCE)
def asking() -> str:
    """Is answered from outside."""
    done()
    activity_context().complete_async()


@activity(at_most_once=True)
def paying(what: str) -> str:
    done()
    return f"paid {what}"


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED, retry_policy=AT_ONCE)
def lasting() -> str:
    """Is answered from outside, or called off."""
    done()
    activity_context().complete_async()


ACTIVITIES = [charge, undo, flaky, broken, copying, asking, paying, lasting]

# Messages -----------------------------------------------------------------------------------------------------------------

note = Signal("note", str)
stop = Signal("stop")
price = Update("price", int, result_type=int)
charged = Update("charged", str, result_type=str)
heard_of = Query("heard_of", list)
customer = SearchAttributeKey.keyword("Customer")
amount = SearchAttributeKey.int("Amount")


# Workflows of one run -------------------------------------------------------------------------------------------------------


@workflow
def sequence(count: int) -> Workflow[list[str]]:
    results: list[str] = []
    for number in range(count):
        results.append((yield from charge(str(number))))
    return results


@workflow
def nothing(text: str) -> Workflow[str]:
    yield from info()
    return text


@workflow
def parallel(count: int) -> Workflow[list[str]]:
    return list((yield from all_of(*[charge(str(number)) for number in range(count)])))


@workflow
def settled() -> Workflow[list[Any]]:
    outcomes = yield from all_settled(charge("one"), broken(), flaky(1))
    return [each.value for each in outcomes]


@workflow
def fastest() -> Workflow[str]:
    yield from any_of(broken(), charge("second"))
    return "one has"


@workflow
def retrying(fails: int) -> Workflow[int]:
    return (yield from flaky(fails))


@workflow
def seldom_retrying(fails: int) -> Workflow[int]:
    seldom = RetryPolicy(initial_interval=timedelta(hours=1))
    return (yield from flaky.options(retry_policy=seldom)(fails))


@workflow
def failing() -> Workflow[str]:
    yield from charge("first")
    yield from broken()
    return "never"


@workflow
def forgiving() -> Workflow[str]:
    try:
        yield from broken()
    except ActivityError as error:
        return str(error.cause)
    return "never"


@workflow
def napping(naps: int) -> Workflow[int]:
    for number in range(naps):
        yield from sleep(MINUTE * (number + 1))
    return naps


@workflow
def naps_and_steps() -> Workflow[list[str]]:
    found = [(yield from charge("before"))]
    yield from sleep(MINUTE)
    found.append((yield from charge("after")))
    return found


@workflow
def racing() -> Workflow[str]:
    index, value = yield from first_of(note.receive(), sleep(timedelta(hours=1)))
    return f"{index} {value}"


@workflow
def limited() -> Workflow[str]:
    try:
        yield from with_timeout(note.receive(), MINUTE)
    except TimeoutError:
        return (yield from charge("late"))
    return "in time"


@workflow
def listening(count: int) -> Workflow[list[str]]:
    heard: list[str] = []
    yield from heard_of.answer(lambda: list(heard))
    while len(heard) < count:
        heard.append((yield from note.receive()))
    return heard


@workflow
def paying_each(count: int) -> Workflow[list[str]]:
    found: list[str] = []
    while len(found) < count:
        found.append((yield from charge((yield from note.receive()))))
    return found


@workflow
def handling() -> Workflow[list[str]]:
    """Handlers that do something, until it is told to stop."""
    found: list[str] = []
    stopped = False

    def on_note(text: str) -> Workflow[None]:
        found.append((yield from charge(text)))

    def on_stop() -> None:
        nonlocal stopped
        stopped = True

    yield from note.handle(on_note)
    yield from stop.handle(on_stop)
    yield from wait_until(lambda: stopped)
    yield from all_handlers_finished()
    return sorted(found)


@workflow
def pricing() -> Workflow[list[Any]]:
    """Answers updates until it is told to stop."""
    found: list[Any] = []

    def on_price(number: int) -> int:
        found.append(number)
        return 2 * number

    def on_charged(what: str) -> Workflow[str]:
        answer = yield from charge(what)
        found.append(answer)
        return answer

    yield from price.handle(on_price, validator=_positive)
    yield from charged.handle(on_charged)
    yield from stop.receive()
    yield from all_handlers_finished()
    return found


def _positive(number: int) -> None:
    if number <= 0:
        raise ApplicationError(f"{number} is not positive", type="NotPositive")


@workflow
def booking() -> Workflow[str]:
    """A saga that fails after two steps."""
    saga = Saga()
    try:
        yield from saga.do(charge("hotel"), undo=lambda _: undo("hotel"))
        yield from saga.do(charge("flight"), undo=lambda _: undo("flight"))
        yield from broken()
    except ActivityError:
        yield from saga.compensate()
    return "undone"


@workflow
def cleaning() -> Workflow[str]:
    """Cleans up when it is asked to stop."""
    try:
        yield from sleep(timedelta(days=1))
    except CancelledError:
        yield from shield(undo("everything"))
        raise
    return "never"


@workflow
def stubborn() -> Workflow[str]:
    """Is asked to stop, and completes."""
    try:
        yield from note.receive()
    except CancelledError:
        return (yield from charge("nevertheless"))
    return "never"


@workflow
def copier(pages: int) -> Workflow[int]:
    return (yield from copying(pages))


@workflow
def asker() -> Workflow[str]:
    return (yield from asking())


@workflow
def patient() -> Workflow[str]:
    """Waits for an activity that is called off from outside."""
    try:
        return (yield from lasting())
    except ActivityError as error:
        return f"called off: {type(error.cause).__name__}"


@workflow
def local_steps(count: int) -> Workflow[list[str]]:
    found: list[str] = []
    for number in range(count):
        found.append((yield from charge.local(str(number))))
    return found


@workflow
def local_and_not() -> Workflow[list[str]]:
    return list((yield from all_of(charge.local("here"), charge("there"))))


@workflow
def payer() -> Workflow[str]:
    """Pays at most once: where nobody knows whether it has, it is told so."""
    try:
        return (yield from paying("once"))
    except ActivityError:
        return "unknown"


@workflow
def labelled() -> Workflow[str]:
    yield from upsert_search_attributes(customer.value_set("acme"), amount.value_set(3))
    yield from upsert_memo({"note": "for acme"})
    yield from charge("labelled")
    yield from upsert_search_attributes(amount.value_unset())
    return "labelled"


@workflow
def drawing() -> Workflow[bool]:
    """Draws before and after a step: what is drawn is the same in every process."""
    dice = yield from random()
    before = dice.randrange(1_000)
    tag = yield from uuid4()
    noted = yield from side_effect(lambda: 7, result_type=int)
    yield from charge("drawn")
    return noted == 7 and before < 1_000 and len(str(tag)) == 36


@workflow
def patched_one() -> Workflow[str]:
    if (yield from patched("new")):
        yield from charge("new")
    return "patched"


@workflow
def background() -> Workflow[str]:
    handle = yield from start(_beside())
    yield from note.receive()
    yield from cancel(handle)
    yield from sleep(MINUTE)
    return (yield from charge("in front"))


def _beside() -> Workflow[None]:
    try:
        while True:
            yield from sleep(timedelta(hours=5))
    except CancelledError:
        yield from shield(undo("beside"))
        raise


@workflow
def elsewhere() -> Workflow[str]:
    """Calls an activity by name."""
    return (yield from execute_activity("charge", "by name", result_type=str))


# Workflows of several runs --------------------------------------------------------------------------------------------------


@workflow
def counting_down(left: int) -> Workflow[str]:
    yield from charge(str(left))
    if left:
        yield from continue_as_new(left - 1)
    return "done"


@workflow
def relaying(left: int, heard: list[str]) -> Workflow[list[str]]:
    """Hears one note a run, and goes on as new."""
    heard = [*heard, (yield from note.receive())]
    if left > 1:
        yield from continue_as_new(left - 1, heard)
    return heard


@workflow
def trying_again() -> Workflow[str]:
    """Fails in its first run, and is tried again as a whole."""
    attempt = (yield from info()).attempt
    yield from charge(f"run {attempt}")
    if attempt < 3:
        raise ApplicationError("not yet", type="NotYet")
    return "at last"


@workflow
def child(name: str) -> Workflow[str]:
    return (yield from charge(name))


@workflow
def parent() -> Workflow[str]:
    return (yield from execute_child_workflow(child, "child", id="child"))


@workflow
def waiting_parent() -> Workflow[str]:
    return (yield from execute_child_workflow(cleaning, id="child"))


@workflow
def two_children() -> Workflow[list[str]]:
    return list(
        (
            yield from all_of(
                execute_child_workflow(child, "one", id="one"), execute_child_workflow(child, "two", id="two")
            )
        )
    )


@workflow
def failing_child() -> Workflow[str]:
    try:
        yield from execute_child_workflow(failing, id="child")
    except ChildWorkflowError:
        return "it failed"
    return "never"


@workflow
def chained_child() -> Workflow[str]:
    return (yield from execute_child_workflow(counting_down, 2, id="child"))


@workflow
def grandparent() -> Workflow[str]:
    return (yield from execute_child_workflow(parent, id="parent"))


@workflow
def leaving(policy: str) -> Workflow[str]:
    """Ends before its child does."""
    how = ParentClosePolicy(policy)
    yield from start_child_workflow(stubborn, id="child", parent_close_policy=how)
    return "left"


@workflow
def telling() -> Workflow[str]:
    """Tells another run, twice, with a step in between."""
    other = external_workflow("listener")
    yield from other.signal(note, "first")
    yield from charge("between")
    yield from other.signal(note, "second")
    return "told"


@workflow
def stopping() -> Workflow[str]:
    yield from external_workflow("other").cancel()
    return "stopped"


@workflow
def told_child() -> Workflow[list[str]]:
    handle = yield from start_child_workflow(listening, 2, id="child")
    yield from handle.signal(note, "one")
    yield from handle.signal(note, "two")
    return (yield from handle)


WORKFLOWS = [each for each in list(globals().values()) if type(each).__name__ == "WorkflowDefinition"]
