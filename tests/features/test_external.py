"""Messages from one run to another, end to end: delivered with the sender's turn, once, or refused with the reason."""

from __future__ import annotations

import pytest

from refold import (
    CancelledError,
    Signal,
    Workflow,
    activity,
    continue_as_new,
    external_workflow,
    workflow,
)
from refold.errors import RefoldError
from refold_adapters import RunStatus, Worker, WorkflowFailedError
from refold_adapters.ports import Store
from tests.features.running import SOON, MakeEngine, kinds

news = Signal("news", str)


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def listener(count: int) -> Workflow[list[str]]:
    heard: list[str] = []
    while len(heard) < count:
        heard.append((yield from news.receive()))
    return heard


@workflow
def moving_on(count: int) -> Workflow[list[str]]:
    """Hears one signal in a run of its own, and the others in the next ones."""
    heard = yield from news.receive()
    if count > 1:
        yield from continue_as_new(count - 1)
    return [heard]


@workflow
def sender(to: str, texts: list[str]) -> Workflow[str]:
    for text in texts:
        try:
            yield from external_workflow(to).signal(news, text)
        except RefoldError as error:
            return error.code
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "told"


@workflow
def ender(to: str) -> Workflow[str]:
    try:
        yield from external_workflow(to).cancel("enough")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "asked"


WORKFLOWS = [listener, moving_on, sender, ender]


def test_a_signal_to_another_run_is_delivered_once_and_its_sender_is_told(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    to = engine.start(listener, 2, id="to")
    handle = engine.start(sender, "to", ["one", "two"], id="from")
    assert "told" == handle.result(timeout=SOON)
    assert ["one", "two"] == to.result(timeout=SOON)
    assert 2 == kinds(handle).count("ExternalWorkflowExecutionSignaled")
    assert ["from", "from"] == [
        event.external_workflow_id  # type: ignore[attr-defined]
        for event in to.history()
        if type(event).__name__ == "WorkflowExecutionSignaled"
    ]


@pytest.mark.parametrize("how", ["unknown", "closed"])
def test_a_signal_to_a_run_that_is_not_there_raises_in_its_sender(make_engine: MakeEngine, how: str):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    if how == "closed":
        assert [] == engine.run(listener, 0, id="to")
    handle = engine.start(sender, "to", ["one"], id="from")
    assert "told" != handle.result(timeout=SOON)
    assert "SignalExternalWorkflowExecutionFailed" in kinds(handle)


def test_a_cancel_request_to_another_run_arrives_and_its_sender_is_told(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    to = engine.start(listener, 2, id="to")
    assert "asked" == engine.run(ender, "to", id="from")
    with pytest.raises(WorkflowFailedError) as caught:
        to.result(timeout=SOON)
    assert CancelledError is type(caught.value.__cause__)
    assert RunStatus.CANCELED is engine.row("to", None).status


def test_a_cancel_request_to_a_run_that_is_not_there_raises_in_its_sender(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    assert "asked" != engine.run(ender, "nobody", id="from")


def test_signals_by_workflow_id_reach_whichever_run_is_open_at_that_moment(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    texts = [str(number) for number in range(5)]
    to = engine.start(moving_on, 5, id="to")
    assert "told" == engine.run(sender, "to", texts, id="from")
    assert ["4"] == to.result(timeout=SOON)


def test_a_message_reaches_a_run_that_another_worker_has(make_engine: MakeEngine, store: Store):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    other = Worker(store, workflows=[listener], task_queue="others")
    other.start()
    try:
        to = engine.start(listener, 1, id="to", task_queue="others")
        assert "told" == engine.run(sender, "to", ["across"], id="from")
        assert ["across"] == to.result(timeout=SOON)
    finally:
        other.shutdown()
