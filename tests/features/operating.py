"""What the tests of operating runs share: a workflow that waits for passes and charges once for each."""

from __future__ import annotations

from refold import (
    Query,
    SearchAttributeKey,
    Signal,
    Workflow,
    activity,
    info,
    sleep,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    workflow,
)

passes = Signal("pass", str)
seen = Query("seen", list)
customer = SearchAttributeKey.keyword("Customer")
amount = SearchAttributeKey.int("Amount")


@activity
def charge(name: str) -> str:
    """Answers with what it was asked for."""
    return f"charged {name}"


@workflow
def turnstile(wanted: int) -> Workflow[list[str]]:
    """Lets so many pass, charging each."""
    done: list[str] = []
    yield from seen.answer(lambda: list(done))
    while len(done) < wanted:
        name = yield from passes.receive()
        done.append((yield from charge(name)))
    return done


@workflow
def drawing(wanted: int) -> Workflow[list[str]]:
    """Draws an id for each pass."""
    drawn: list[str] = []
    yield from seen.answer(lambda: list(drawn))
    while len(drawn) < wanted:
        yield from passes.receive()
        drawn.append(str((yield from uuid4())))
    return drawn


@workflow
def labelled(name: str) -> Workflow[str]:
    """Labels itself while it runs."""
    yield from upsert_search_attributes(customer.value_set(name), amount.value_set(3))
    yield from upsert_memo({"note": f"for {name}"})
    yield from passes.receive()
    yield from upsert_search_attributes(amount.value_unset())
    yield from passes.receive()
    return name


@workflow
def napping() -> Workflow[str]:
    """Sleeps for an hour."""
    from datetime import timedelta

    yield from sleep(timedelta(hours=1))
    return "rested"


@workflow
def build_of() -> Workflow[str | None]:
    """Says which build it is pinned to, after a pass."""
    yield from passes.receive()
    return (yield from info()).build_id
