"""Messages to other runs: sent, received, refused, taken back, and never to oneself."""

from __future__ import annotations

from typing import Any

import pytest

from refold import (
    DefinitionError,
    ExternalWorkflowError,
    NondeterminismError,
    Workflow,
    all_of,
    external_workflow,
    first_of,
    workflow,
)
from refold import events as ev
from refold.messages import (
    ReportCancelDelivered,
    ReportCancelFailed,
    ReportSignalDelivered,
    ReportSignalFailed,
)
from tests.kernel.driving import cancel_asked, drive, signalled
from tests.kernel.parts import approval, nudge

UNKNOWN = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"


@workflow
def sends(run_id: str | None) -> Workflow[str]:
    other = external_workflow("w-2", run_id)
    try:
        yield from other.signal(approval, "yes")
        yield from other.cancel("enough")
    except ExternalWorkflowError as error:
        return f"{error.workflow_id} {error.run_id} {error.reason}"
    return "both"


def test_another_run_is_signalled_and_asked_to_stop() -> None:
    with drive(sends, None) as run:
        (sent,) = run.execution.outstanding
        assert isinstance(sent, ev.SignalExternalWorkflowExecutionInitiated)
        assert ("w-2", None, "approval", ["yes"], False, None) == (
            sent.workflow_id,
            sent.run_id,
            sent.signal_name,
            sent.input,
            sent.child_workflow_only,
            sent.child_seq,
        )
        assert "test_other_runs.py" in sent.source
        run.turn(ReportSignalDelivered(seq=1, run_id="r-9"))
        (asked,) = run.execution.outstanding
        assert isinstance(asked, ev.RequestCancelExternalWorkflowExecutionInitiated)
        assert ("w-2", "enough") == (asked.workflow_id, asked.reason)
        assert ["cancel request to reach workflow 'w-2' (seq 2)"] == run.waits
        run.turn(ReportCancelDelivered(seq=2))
        assert "both" == run.result


@pytest.mark.parametrize("run_id", [None, "r-9"])
def test_a_signal_that_reaches_no_run_raises(run_id: str | None) -> None:
    with drive(sends, run_id) as run:
        run.turn(ReportSignalFailed(seq=1, cause=UNKNOWN))
        assert f"w-2 {run_id} {UNKNOWN}" == run.result


def test_a_cancel_request_that_reaches_no_run_raises() -> None:
    with drive(sends, None) as run:
        run.turn(ReportSignalDelivered(seq=1))
        run.turn(ReportCancelFailed(seq=2, cause=UNKNOWN))
        assert f"w-2 None {UNKNOWN}" == run.result


def test_the_error_has_a_code_says_what_was_sent_and_fails_the_run() -> None:
    @workflow
    def fails() -> Workflow[None]:
        yield from external_workflow("w-2", "r-2").signal("raw", 5)

    with drive(fails) as run:
        run.turn(ReportSignalFailed(seq=1, cause=UNKNOWN))
        assert (
            f"RF1115: signal 'raw' did not reach workflow 'w-2', run 'r-2': {UNKNOWN}; a message reaches only a run that is open,"
            " so check the id, or send it from a client that starts the run with it"
        ) == run.failure.message
        assert "external_workflow" == run.failure.kind


def test_a_run_may_message_an_earlier_run_of_its_own_id_but_not_itself() -> None:
    @workflow
    def selfish() -> Workflow[list[str]]:
        said = []
        for effect in (
            external_workflow("w-1").signal(nudge),
            external_workflow("w-1", "r-1").signal(nudge),
            external_workflow("w-1").cancel(),
        ):
            try:
                yield from effect
            except DefinitionError as error:
                said.append(error.code)
        yield from external_workflow("w-1", "r-0").signal(nudge)
        return said

    with drive(selfish) as run:
        run.turn(ReportSignalDelivered(seq=1))
        assert ["RF1114"] * 3 == run.result


@pytest.mark.parametrize(
    "call",
    [
        lambda: external_workflow(""),
        lambda: external_workflow("w", ""),
        lambda: external_workflow("w").signal(""),
    ],
)
def test_an_id_that_cannot_be_is_refused_where_it_is_given(call: Any) -> None:
    with pytest.raises(DefinitionError, match="RF1003"):
        call()


@workflow
def races(how: str) -> Workflow[int]:
    other = external_workflow("w-2")
    step = other.signal(approval, "yes") if how == "signal" else other.cancel()
    (index, _) = yield from first_of(step, nudge.receive())
    yield from approval.receive()
    return index


@pytest.mark.parametrize("how", ["signal", "cancel"])
def test_hazard_29_what_was_asked_of_another_run_and_given_up_in_one_turn_is_not_sent(how: str) -> None:
    with drive(races, how, beside=[signalled(nudge)]) as run:
        assert () == run.execution.outstanding
        assert ["ExternalWorkflowCommandCanceled"] == run.kinds[-1:]
        run.signal(approval, "yes")
        assert 1 == run.result


@pytest.mark.parametrize("how", ["signal", "cancel"])
def test_what_has_left_is_not_taken_back_and_its_outcome_is_ignored(how: str) -> None:
    with drive(races, how) as run:
        run.signal(nudge)
        assert 1 == len(run.execution.outstanding)
        run.turn(
            ReportSignalFailed(seq=1, cause="x") if how == "signal" else ReportCancelFailed(seq=1, cause="x")
        )
        run.signal(approval, "yes")
        assert 1 == run.result


def test_a_cancel_that_comes_with_the_outcome_of_a_signal() -> None:
    with drive(races, "signal") as run:
        run.turn(cancel_asked(), ReportSignalDelivered(seq=1))
        assert "ExternalWorkflowCommandCanceled" not in run.kinds
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_a_message_to_another_address_is_a_divergence() -> None:
    to = ["w-2"]

    @workflow
    def changed() -> Workflow[None]:
        yield from all_of(external_workflow(to[0]).signal(nudge), external_workflow("w-3").cancel())

    with drive(changed, recheck=False) as run:
        history = list(run.history)
    to[0] = "w-9"
    with pytest.raises(
        NondeterminismError, match="They differ in workflow_id: history has 'w-2', the code 'w-9'"
    ):
        run.execution.load(changed, history)
