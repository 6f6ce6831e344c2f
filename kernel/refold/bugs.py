"""What becomes of an error that leaves workflow code: a failure, or a bug.

One rule: a failure is an outcome and is recorded; any other error is taken for a bug, is never recorded, and fails the turn, so that the
run waits for mended code.
"""

from __future__ import annotations

from typing import Any, cast

from refold import source
from refold.declare import WorkflowDefinition
from refold.errors import RefoldError, WorkflowTaskError
from refold.failures import CancelledError, Failure, FailureError, failure_of


def task_error(code: str, what: str, *, why: str, fix: str, error: BaseException) -> WorkflowTaskError:
    """An error for a bug in workflow code, with the user's frames."""
    frames = tuple(source.traceback_frames(error))
    found = WorkflowTaskError(code, what, why=why, fix=fix, where=frames[-1] if frames else None)
    found.frames = frames
    return found


def recorded_failure(definition: WorkflowDefinition[..., Any], who: str, error: BaseException) -> Failure:
    """The failure to record for an error that left ``who``; raises :class:`WorkflowTaskError` (RF1110) if it is a bug."""
    if _is_failure(definition, error):
        return failure_of(error)
    if isinstance(error, RefoldError):
        raise error
    raise task_error(
        "RF1110",
        f"{who} raised {type(error).__name__}: {error}",
        why="an error that is not a failure is taken for a bug: the run is not failed, it waits for mended code",
        fix="mend the code and restart the worker; to fail the run, raise ApplicationError or list the type in"
        " failure_exception_types",
        error=error,
    ) from error


def _is_failure(definition: WorkflowDefinition[..., Any], error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(_is_failure(definition, inner) for inner in group.exceptions)
    return isinstance(error, (FailureError, CancelledError, *definition.failure_exception_types))
