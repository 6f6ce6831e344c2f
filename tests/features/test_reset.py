"""Runs begin anew at a turn, and go on as copies, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold.events import ActivityTaskScheduled, WorkflowExecutionStarted
from refold_adapters import ExecutionError, ResetReapplyExcludeType, RunStatus
from tests.features.operating import charge, drawing, passes, seen, turnstile
from tests.runtime.conftest import MakeEngine

SECONDS = timedelta(seconds=10)


def test_a_reset_run_makes_its_turn_anew_and_hears_later_signals_again(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 3, id="gate")
    for name in ("ann", "bob", "eve"):
        old.signal(passes, name)
    expected = ["charged ann", "charged bob", "charged eve"]
    assert expected == old.result(timeout=SECONDS)
    second = [event for event in old.history() if isinstance(event, ActivityTaskScheduled)][1]

    new = old.reset(event_id=second.event_id, reason="charge again")
    assert expected == new.result(timeout=SECONDS)
    assert new.run_id != old.run_id
    began = new.history()[0]
    assert isinstance(began, WorkflowExecutionStarted)
    assert (new.run_id, old.run_id) == (began.run_id, began.random_seed)
    assert RunStatus.COMPLETED == old.describe().run.status


def test_an_open_run_that_is_reset_is_terminated_and_loses_no_signal(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    old.pause()
    old.signal(passes, "bob")  # accepted and not yet heard
    new = old.reset(first=True)
    assert ["charged ann", "charged bob"] == new.result(timeout=SECONDS)
    assert RunStatus.TERMINATED == old.describe().run.status
    assert new.run_id == engine.handle("gate").describe().run.run_id


def test_a_reset_may_leave_later_signals_out(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    new = old.reset(first=True, reapply_exclude=[ResetReapplyExcludeType.SIGNAL])
    new.signal(passes, "bob")
    new.signal(passes, "eve")
    assert ["charged bob", "charged eve"] == new.result(timeout=SECONDS)


def test_hazard_18_a_reset_run_draws_what_it_drew_before(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[drawing])
    old = engine.start(drawing, 2, id="urn")
    old.signal(passes, "one")
    old.signal(passes, "two")
    drawn = old.result(timeout=SECONDS)
    again = old.reset().result(timeout=SECONDS)
    assert drawn == again
    copy = old.fork("urn-2", first=True)
    copy.signal(passes, "one")
    copy.signal(passes, "two")
    assert drawn == copy.result(timeout=SECONDS)


def test_a_fork_goes_on_beside_the_run_that_it_copies(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    while not old.query(seen):
        old.describe()
    copy = old.fork("gate-2")
    copy.signal(passes, "bob")
    old.signal(passes, "eve")
    assert ["charged ann", "charged bob"] == copy.result(timeout=SECONDS)
    assert ["charged ann", "charged eve"] == old.result(timeout=SECONDS)


def test_a_fork_may_have_another_input(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 5, id="gate")
    old.signal(passes, "ann")
    while not old.query(seen):
        old.describe()
    assert ["charged ann"] == old.fork("short", 1).result(timeout=SECONDS)
    assert old.describe().run.closed_at is None


def test_a_reset_to_a_turn_that_is_not_there_is_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    with pytest.raises(ExecutionError, match="RF5115"):
        handle.reset(event_id=999)
    assert handle.describe().run.closed_at is None
