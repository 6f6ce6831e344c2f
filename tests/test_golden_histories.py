"""Histories that are kept for good replay, and between them hold every kind of event: what is stored by one version is read by all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refold import Execution, WorkflowDefinition, fold
from refold import events as ev
from refold.codec import decode_events, encode_events
from refold_adapters.fast_codec import event_decoder
from tests.golden_runs import GOLDEN, WORKFLOWS
from tests.kernel.samples import GOLDEN as KERNEL_GOLDEN
from tests.kernel.samples import SAMPLES

DEFINITIONS: dict[str, WorkflowDefinition[..., Any]] = {each.name: each for each in WORKFLOWS}
#: Runs through a client and a worker, and runs that were driven by hand.
REAL = sorted(GOLDEN.glob("*/*.jsonl"))
DRIVEN = sorted(KERNEL_GOLDEN.glob("*/*.jsonl"))
#: What is recorded behind the end of a run, and not by the kernel.
LATE = {"MessageUndelivered"}


def history_in(path: Path) -> list[ev.HistoryEvent]:
    return decode_events(path.read_bytes().removesuffix(b"\n"))


def definition_of(history: list[ev.HistoryEvent]) -> WorkflowDefinition[..., Any]:
    began = history[0]
    assert isinstance(began, ev.WorkflowExecutionStarted)
    return DEFINITIONS[began.workflow_type]


def kinds_in(paths: list[Path]) -> set[str]:
    return {type(event).__name__ for path in paths for event in history_in(path)}


@pytest.mark.parametrize("paths", [REAL, DRIVEN], ids=["by a worker", "by hand"])
def test_every_kind_of_event_is_in_a_history_that_is_kept(paths: list[Path]) -> None:
    behind = LATE if paths is DRIVEN else set[str]()
    assert set(ev.event_kinds()) - behind == kinds_in(paths)


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_history_that_is_kept_replays_and_is_written_the_same(path: Path) -> None:
    stored = path.read_bytes().removesuffix(b"\n")
    history = decode_events(stored)
    assert fold(history) == Execution.replay(definition_of(history), history)
    assert stored == encode_events(history)
    assert history == list(event_decoder()(stored))


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_history_that_is_kept_replays_from_each_of_its_turns(path: Path) -> None:
    history = history_in(path)
    for turn in range(1, history[-1].turn + 1):
        prefix = [event for event in history if event.turn <= turn]
        with Execution.load(definition_of(history), prefix) as loaded:
            assert (fold(prefix), ()) == (loaded.state, loaded.warnings)


def test_what_is_kept_holds_every_marker_and_every_way_to_go_on() -> None:
    """Kinds alone would not tell: these are events whose fields stand for capabilities of their own."""
    events = [event for path in [*REAL, *DRIVEN] for event in history_in(path)]
    markers = {event.marker_name for event in events if isinstance(event, ev.MarkerRecorded)}
    began = [event for event in events if isinstance(event, ev.WorkflowExecutionStarted)]
    failed = [event for event in events if isinstance(event, ev.WorkflowExecutionFailed)]
    scheduled = [event for event in events if isinstance(event, ev.ActivityTaskScheduled)]
    updates = [event for event in events if isinstance(event, ev.WorkflowExecutionUpdateCompleted)]
    assert {ev.PATCH_MARKER, ev.SIDE_EFFECT_MARKER, ev.HISTORY_SIZE_MARKER} == markers
    assert any(event.attempt == 3 and event.last_failure is not None for event in began), "a retried run"
    assert any(event.random_seed not in (None, event.run_id) for event in began), "a run that was reset"
    assert any(event.parent_workflow_id == "family" for event in began), "a child"
    assert any(event.continued_run_id is not None and event.attempt == 1 for event in began), (
        "a run of a chain"
    )
    assert {True, False} == {event.new_run_id is not None for event in failed}
    assert any((event.options or {}).get("local") for event in scheduled), "a local activity"
    assert {True, False} == {event.failure is None for event in updates}


def test_every_sample_of_the_kernel_is_kept() -> None:
    names = {path.stem.replace("-", " ") for path in DRIVEN}
    assert set(SAMPLES) == names
