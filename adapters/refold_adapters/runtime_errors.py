"""Errors of the client and the worker (RF51xx); those of stores are in ``store_errors``."""

from __future__ import annotations

from typing import ClassVar

from refold import RefoldError

CODES: dict[str, str] = {
    "RF5101": "A run of that workflow id stands in the way",
    "RF5102": "There is no such run",
    "RF5103": "The run is closed",
    "RF5104": "The code of the workflow is not known here",
    "RF5105": "No worker here knows the activity",
    "RF5106": "The run is parked",
    "RF5107": "The run has killed its worker again and again",
    "RF5108": "The worker has been shut down",
    "RF5109": "The workflow did not complete",
    "RF5110": "There is no activity here",
    "RF5111": "Two things have the same name",
    "RF5112": "An activity cannot run in another process",
    "RF5113": "An option of the worker is not acceptable",
    "RF5114": "A query of a list has no meaning",
    "RF5115": "A run cannot begin anew at that turn",
    "RF5116": "A turn of a workflow does not come back",
    "RF5120": "The worker of an attempt was lost, and the activity may not begin again",
    "RF5121": "There is no such activity",
    "RF5122": "The process of an attempt died",
    "RF5130": "The handler of the update failed",
    "RF5131": "The update was refused",
    "RF5132": "There is no such update",
    "RF5133": "The run closed before the update was finished",
    "RF5134": "The query was refused, as the run stands",
    "RF5135": "The options of the start contradict each other",
    "RF5136": "What is sent is no signal or update",
}


class ExecutionError(RefoldError):
    """Base of the errors of client and worker."""

    known_codes: ClassVar[dict[str, str]] = CODES


class WorkflowAlreadyStartedError(ExecutionError):
    """A run of that workflow id is open, or closed and not to be repeated (RF5101); ``run_id`` names it."""

    def __init__(self, workflow_id: str, run_id: str, status: str, *, other_kind: bool = False) -> None:
        super().__init__(
            "RF5101",
            f"workflow {workflow_id!r} has a run already ({run_id}, {status})",
            why="workflows and stand-alone activities share their ids, and neither takes or terminates what is of the other kind"
            if other_kind
            else "one workflow id has at most one open run, and the reuse policy may forbid another after it",
            fix="choose another id, or end that run first"
            if other_kind
            else "take the handle of that run, choose another id, or pass another id_reuse_policy or id_conflict_policy",
        )
        self.workflow_id = workflow_id
        self.run_id = run_id


class WorkflowNotFoundError(ExecutionError):
    """There is no such run (RF5102)."""

    def __init__(self, workflow_id: str, run_id: str | None = None, *, deleted: bool = False) -> None:
        run = "" if run_id is None else f" with run id {run_id!r}"
        super().__init__(
            "RF5102",
            f"there is no workflow {workflow_id!r}{run}",
            why="it was deleted" if deleted else "it was never started in this store, or was deleted",
            fix="check the id and the store; `refold list` shows what is there",
        )


class WorkflowClosedError(ExecutionError):
    """A message came to a closed run (RF5103)."""

    def __init__(self, workflow_id: str, run_id: str, status: str) -> None:
        super().__init__(
            "RF5103",
            f"workflow {workflow_id!r} is closed (run {run_id}, {status})",
            why="a closed run takes no messages",
            fix="start a new run, or look at its result",
        )
        self.run_id = run_id


class UnknownTypeError(ExecutionError):
    """A workflow or activity is not known where it is needed (RF5104, RF5105)."""


class WorkflowParkedError(ExecutionError):
    """The run cannot go on until its code is mended (RF5106); ``reason`` is what the worker recorded."""

    def __init__(self, workflow_id: str, run_id: str, reason: str) -> None:
        super().__init__(
            "RF5106",
            f"workflow {workflow_id!r} (run {run_id}) is parked",
            why=f"its last turn could not be made: {reason}",
            fix="mend the code and restart the worker: the run goes on from where it was",
        )
        self.reason = reason


class WorkerStoppedError(ExecutionError):
    """The worker was shut down before it could do it (RF5108)."""

    def __init__(self) -> None:
        super().__init__(
            "RF5108",
            "the worker has been shut down",
            why="it takes no more work",
            fix="start another one on the same store",
        )


class WorkflowFailedError(ExecutionError):
    """The workflow did not complete (RF5109): ``__cause__`` is the failure it ended with."""

    def __init__(self, workflow_id: str, run_id: str, status: str, cause: BaseException | None) -> None:
        super().__init__(
            "RF5109",
            f"workflow {workflow_id!r} ended {status} (run {run_id})"
            + (f": {cause}" if cause is not None else ""),
            why="that is how its code, or whoever terminated it, ended it",
            fix="look at the cause and the history (`refold show`)",
        )
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.status = status
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException | None:
        """The failure the workflow ended with."""
        return self.__cause__


class WorkflowUpdateFailedError(ExecutionError):
    """The handler of an update failed (RF5130), or the update was refused: ``__cause__`` is the failure."""

    def __init__(self, workflow_id: str, update_id: str, cause: BaseException) -> None:
        super().__init__(
            "RF5130",
            f"update {update_id!r} of workflow {workflow_id!r} failed: {cause}",
            why="its handler raised, or the end of the run cut it off",
            fix="look at the cause",
        )
        self.workflow_id = workflow_id
        self.update_id = update_id
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException | None:
        """What the handler, or the validator, raised."""
        return self.__cause__


class WorkflowUpdateRejectedError(WorkflowUpdateFailedError):
    """An update was refused (RF5131): its validator raised ``__cause__``, or there is no handler.  It has left no trace."""

    def __init__(self, workflow_id: str, update_id: str, cause: BaseException) -> None:
        ExecutionError.__init__(
            self,
            "RF5131",
            f"workflow {workflow_id!r} refused update {update_id!r}: {cause}",
            why="its validator raised, or it has no handler of that name at this point",
            fix="send what the validator lets pass, or send it later; the run is as it was",
        )
        self.workflow_id = workflow_id
        self.update_id = update_id
        self.__cause__ = cause


class WorkflowUpdateNotFoundError(ExecutionError):
    """The run knows no update of that id (RF5132)."""

    def __init__(self, workflow_id: str, run_id: str, update_id: str) -> None:
        super().__init__(
            "RF5132",
            f"workflow {workflow_id!r} (run {run_id}) knows no update {update_id!r}",
            why="it was never sent to this run, or it was refused",
            fix="check the id and the run, or send it again",
        )


class WorkflowUpdateUnfinishedError(ExecutionError):
    """The run ended before it took the update, or before the handler of the update ended (RF5133); ``accepted`` says which."""

    def __init__(self, workflow_id: str, run_id: str, update_id: str, status: str, *, accepted: bool) -> None:
        what = "finished" if accepted else "taken"
        super().__init__(
            "RF5133",
            f"workflow {workflow_id!r} (run {run_id}) ended {status} before update {update_id!r} was {what}",
            why="its handler was still at work" if accepted else "the run was closing when the update came",
            fix="let the workflow wait for all_handlers_finished() before it returns"
            if accepted
            else "send it to the run that is open now, if there is one",
        )
        self.accepted = accepted


class WorkflowQueryRejectedError(ExecutionError):
    """A query was not asked, as the caller does not want an answer from a run in this status (RF5134)."""

    def __init__(self, workflow_id: str, run_id: str, status: str, condition: str) -> None:
        super().__init__(
            "RF5134",
            f"workflow {workflow_id!r} was not asked: it is {status} (run {run_id})",
            why=f"the query came with reject_condition={condition}",
            fix="ask without the condition, or ask another run",
        )
        self.status = status


class WorkerLostError(ExecutionError):
    """An activity may not be begun again after a worker was lost with an attempt in hand (RF5120)."""

    def __init__(self, attempt: int) -> None:
        super().__init__(
            "RF5120",
            f"the worker that ran attempt {attempt} was lost, and nobody knows how far it came",
            why="the activity is at_most_once, or has had its maximum of attempts",
            fix="find out by the idempotency key whether it was done, or allow more attempts",
        )


class ActivityNotFoundError(ExecutionError):
    """There is no such activity, or it is over (RF5121)."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "RF5121",
            f"there is no open attempt of {what}",
            why="it has an outcome already, it timed out, another attempt has taken its place, or its run is closed",
            fix="look at the run with describe(); the outcome that counts stands in its history",
        )
