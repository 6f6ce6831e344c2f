"""A changed workflow is caught in the very turn where it first does something else, and an unchanged one never is.

Each workflow of the examples, and of the samples beside them, is recorded in many runs and then changed in every small way
(``mutants``).  What a change does to a run is found out by telling the changed code what the run was told (``telling``), and replay
must say the same: the same turn, or nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from refold import (
    DefinitionError,
    Divergence,
    Execution,
    InputPolicy,
    NondeterminismError,
    RefoldError,
    WorkflowDefinition,
)
from refold import events as ev
from refold import messages as ms
from tests.mutants import Mutant, count_of_mutants, mutants_of, unchanged, without_yields
from tests.recordings import SAMPLES, Recording, ending, recordings, sample_named
from tests.replaying import replay_all, write_all
from tests.telling import Difference, first_difference

ROOT = Path(__file__).parents[1]
NAMES = [sample.definition.name for sample in SAMPLES]
HASH_SEEDS = range(8)

each_workflow = pytest.mark.parametrize("name", NAMES)


@cache
def mutants(name: str) -> tuple[Mutant, ...]:
    return tuple(mutants_of(sample_named(name).definition))


def caught(
    definition: WorkflowDefinition[..., Any], recording: Recording, policy: InputPolicy = InputPolicy.STRICT
) -> tuple[Difference | None, tuple[str, ...]]:
    """In which turn a replay fails, and how; and what it warned of where it does not."""
    try:
        with Execution.load(definition, recording.history, input_policy=policy) as loaded:
            return None, loaded.warnings
    except NondeterminismError as error:
        return Difference(cast(Divergence, error.divergence).turn), ()
    except RefoldError as error:
        return Difference(_turn_of(definition, recording), error.code), ()


def _turn_of(definition: WorkflowDefinition[..., Any], recording: Recording) -> int:
    """The first turn that cannot be replayed."""
    for turn in range(1, len(recording.steps) + 1):
        try:
            Execution.load(definition, recording.prefix(turn)).close()
        except RefoldError:
            return turn
    raise AssertionError("every prefix replays, but the whole does not")


def agree(expected: Difference | None, actual: Difference | None) -> bool:
    """Whether a replay says what was expected; code that fails may be stopped earlier in the same turn, by what it asks for."""
    if expected is None or actual is None:
        return expected is actual
    return expected.turn == actual.turn and (actual.code is None or expected.code == actual.code)


# Changed code -----------------------------------------------------------------------------------------------------------


@each_workflow
def test_a_mutant_is_caught_in_the_turn_where_it_first_does_something_else(name: str) -> None:
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    for mutant in mutants(name):
        for recording in recordings(name):
            expected = first_difference(mutant.definition, recording)
            actual, _ = caught(mutant.definition, recording)
            seen[str(mutant)] += expected is not None
            if not agree(expected, actual):
                wrong.append(
                    f"{mutant}, run {recording.seed}: expected {expected}, found {actual}\n{mutant.text}"
                )

    assert [] == wrong
    assert len(seen) * 2 / 3 <= sum(1 for count in seen.values() if count), "few mutants can be seen at all"


@each_workflow
def test_a_mutant_passes_with_a_warning_where_only_inputs_differ(name: str) -> None:
    wrong: list[str] = []
    warned = 0
    for mutant in mutants(name):
        for recording in recordings(name):
            strict = first_difference(mutant.definition, recording)
            expected = first_difference(mutant.definition, recording, inputs=False)
            actual, warnings = caught(mutant.definition, recording, InputPolicy.WARN)
            if not agree(expected, actual) or (expected is None and bool(warnings) != (strict is not None)):
                wrong.append(
                    f"{mutant}, run {recording.seed}: expected {expected}, found {actual}\n{mutant.text}"
                )
            elif warnings:
                warned += 1
                assert strict is not None
                assert f", turn {strict.turn}, event " in warnings[0]

    assert [] == wrong
    assert warned > 0


@each_workflow
def test_a_forgotten_yield_from_is_an_error_in_the_turn_where_it_is_forgotten(name: str) -> None:
    forgotten = [mutant for mutant in mutants(name) if mutant.kind == "forget yield from"]
    for mutant in forgotten:
        outcomes: list[Difference] = []
        for recording in recordings(name):
            seen = first_difference(mutant.definition, recording)
            noticed = first_difference(mutant.definition, recording, watch=True)
            assert seen is None or (noticed is not None and noticed.turn <= seen.turn)
            outcomes += [] if noticed is None else [noticed]
        assert {"RF1101"} == {each.code for each in outcomes}, f"{mutant}\n{mutant.text}"


@each_workflow
def test_a_workflow_without_a_single_yield_cannot_be_defined(name: str) -> None:
    with pytest.raises(DefinitionError, match="RF1001"):
        without_yields(sample_named(name).definition)


def test_there_are_mutants_of_all_sorts() -> None:
    kinds = {mutant.kind for name in NAMES for mutant in mutants(name)}

    assert 500 <= sum(count_of_mutants(sample.definition) for sample in SAMPLES)
    assert kinds >= {
        *(
            "drop a command",
            "drop yield from",
            "swap",
            "do it twice",
            "add before",
            "add at the end",
            "empty body",
        ),
        *(
            "rename",
            "call another",
            "rename the signal",
            "rename the update",
            "change an argument",
            "another variable",
        ),
        *("change a duration", "change the result", "one round less", "one round more", "loop once"),
        *("reorder", "all_of to first_of", "first_of to all_of", "remove try", "swap cases", "negate"),
    }


# Unchanged code ---------------------------------------------------------------------------------------------------------


@each_workflow
def test_every_prefix_of_a_history_replays(name: str) -> None:
    for definition in (sample_named(name).definition, unchanged(sample_named(name).definition)):
        for recording in recordings(name):
            for prefix in recording.prefixes():
                Execution.load(definition, prefix).close()


@each_workflow
def test_telling_unchanged_code_the_same_makes_no_difference(name: str) -> None:
    again = unchanged(sample_named(name).definition)

    assert [] == [run.seed for run in recordings(name) if first_difference(again, run) is not None]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A folder of histories that this process recorded, and how many turns they have."""
    folder = tmp_path_factory.mktemp("histories")
    return folder, write_all(folder)


@pytest.mark.parametrize("seed", HASH_SEEDS)
def test_every_prefix_replays_in_other_processes_to_the_same_bytes(
    seed: int, recorded: tuple[Path, int]
) -> None:
    folder, turns = recorded
    zones = ("UTC", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu")
    done = subprocess.run(
        [sys.executable, "-m", "tests.replaying", str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": str(seed),
            "TZ": zones[seed % 4],
            "LC_ALL": ("C", "C.UTF-8")[seed % 2],
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (0, f"{turns}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_a_replay_in_another_process_notices_a_history_that_is_not_its_own(tmp_path: Path) -> None:
    write_all(tmp_path)
    approvals = sorted(tmp_path.glob("approve *"))
    approvals[0].write_bytes(approvals[1].read_bytes())

    with pytest.raises(AssertionError, match="approve"):
        replay_all(tmp_path)


# The recordings themselves ----------------------------------------------------------------------------------------------


def test_the_recorded_runs_end_in_every_way() -> None:
    endings = {name: {ending(recording) for recording in recordings(name)} for name in NAMES}

    assert {"Completed", "Canceled"} <= set.intersection(*endings.values())
    assert {
        *("Completed", "Canceled", "Failed: Invalid", "Failed: NotApproved", "Failed: ApprovalTimedOut"),
        *("Failed: No", "Failed: Closed", "Failed: timeout"),
    } <= endings["process_order"]
    assert "ContinuedAsNew" in endings["ledger"]


def test_the_recorded_runs_interleave_what_can_be_interleaved() -> None:
    steps = [
        set(map(type, step.messages)) for name in NAMES for run in recordings(name) for step in run.steps
    ]
    repeated = [
        message
        for name in NAMES
        for run in recordings(name)
        for message, count in Counter(str(m) for step in run.steps for m in step.messages).items()
        if count > 1
    ]

    for together in (
        {ms.SignalWorkflow, ms.CompleteActivity},
        {ms.SignalWorkflow, ms.FireTimer},
        {ms.CancelWorkflow, ms.CompleteActivity},
        {ms.CompleteActivity, ms.FireTimer},
        {ms.CompleteActivity, ms.FailActivity},
        {ms.StartWorkflow, ms.SignalWorkflow},
        {ms.StartWorkflow, ms.CancelWorkflow},
    ):
        assert any(together <= kinds for kinds in steps), together
    assert len(repeated) > 20
    kinds = {type(event) for name in NAMES for run in recordings(name) for event in run.history}
    assert kinds >= {
        *(
            ev.StartChildWorkflowExecutionFailed,
            ev.ChildWorkflowExecutionCompleted,
            ev.ChildWorkflowExecutionFailed,
        ),
        *(ev.ExternalWorkflowExecutionSignaled, ev.SignalExternalWorkflowExecutionFailed),
        *(ev.ExternalWorkflowExecutionCancelRequested, ev.WorkflowExecutionUpdateCompleted),
        *(ev.WorkflowPropertiesModified, ev.UpsertWorkflowSearchAttributes),
    }
    assert any(
        isinstance(e, ev.ActivityTaskCanceled)
        for name in NAMES
        for run in recordings(name)
        for e in run.history
    )
