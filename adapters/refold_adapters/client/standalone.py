"""Stand-alone activities: one activity, started by a client, without a workflow of the user's.

One rule: a stand-alone activity is a run of a built-in workflow, so that whatever holds for runs (crashes, policies of ids, listing,
retention) holds for it; there is no second machinery.  Its id and those of workflows are of one space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, cast, overload

import attrs

from refold import (
    Activity,
    ActivityError,
    ActivityOptions,
    RetryPolicy,
    SearchAttributePair,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from refold.events import WorkflowExecutionStarted
from refold.ids import checked_id
from refold.payloads import Plain, encode
from refold.value import Value
from refold_adapters.built_in import STANDALONE_ACTIVITY, standalone_options
from refold_adapters.client.activity_handles import ActivityHandle
from refold_adapters.client.finding import Finder
from refold_adapters.client.handles import WorkflowHandle
from refold_adapters.operating.inspection import read_history
from refold_adapters.ports import RunRow, RunStatus, TaskRow
from refold_adapters.runtime_errors import (
    ActivityNotFoundError,
    WorkflowAlreadyStartedError,
    WorkflowFailedError,
)
from refold_adapters.turns.results import Ending, reason_in_words

if TYPE_CHECKING:
    from refold_adapters.client.client import Client

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class ActivityKeywords(TypedDict, total=False):
    """The options of a stand-alone activity: those of :class:`ActivityOptions`, which replace the declared ones, and of its start."""

    task_queue: str
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy
    at_most_once: bool
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    request_id: str | None
    start_delay: timedelta | None
    memo: Mapping[str, Any] | None
    search_attributes: Iterable[SearchAttributePair]
    headers: Mapping[str, Any] | None


#: Those that say how the run is started; the others are of the activity.
_OF_THE_START = frozenset(
    {
        "id_reuse_policy",
        "id_conflict_policy",
        "request_id",
        "start_delay",
        "memo",
        "search_attributes",
        "headers",
    }
)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StandaloneActivityDescription(Value):
    """A stand-alone activity as it stands."""

    run: RunRow
    #: This, the arguments and the options are known once a worker has begun it.
    activity_type: str
    input: list[Plain]
    options: ActivityOptions
    #: The attempt that is open, running or waiting for its time: its number, last failure, heartbeat, pause.
    attempt: TaskRow | None
    #: Why it is parked, such as an activity that nobody knows; or None.
    parked: str | None

    @property
    def status(self) -> RunStatus:
        """Whether it runs, or how it ended."""
        return self.run.status


class StandaloneActivityHandle(Generic[R_co]):
    """One stand-alone activity, or the latest one of its id; made by ``client.start_activity`` and ``client.get_activity_handle``."""

    def __init__(
        self, client: Client, id: str, run_id: str | None, result_type: Any, activity_type: str = ""
    ) -> None:
        self._client = client
        self._run = WorkflowHandle[Any](client, id, run_id, result_type)
        self._activity_type = activity_type
        self.id = id
        self.run_id = run_id

    def __repr__(self) -> str:
        return f"<stand-alone activity {self.id}>"

    def result(self, *, timeout: timedelta | None = None) -> R_co:
        """Wait for the activity to end and return its result.

        Raises :class:`ActivityError` if it failed for good, was cancelled or terminated, with that as its cause; ``TimeoutError`` after
        ``timeout``; :class:`WorkflowParkedError` (RF5106) if the worker of its queue does not know the activity.
        """
        future, run_id = self._run.watch()
        try:
            ending = future.result(None if timeout is None else timeout.total_seconds())
        finally:
            self._run.unwatch(run_id, future)
        result: R_co = self.take_result(ending)
        return result

    @property
    def run(self) -> WorkflowHandle[Any]:
        """The run that the activity is: pauses it, deletes it, has its history."""
        return self._run

    def take_result(self, ending: Ending) -> Any:
        """The result of an ended activity, as its type; raises as :meth:`result` does."""
        try:
            return self._run.take_result(ending)
        except WorkflowFailedError as error:
            failure = self._failure(error)
            raise failure from failure.cause

    def _failure(self, error: WorkflowFailedError) -> ActivityError:
        """What ended it, as an activity of a workflow would tell it."""
        cause = error.cause
        if isinstance(cause, ActivityError):
            cause.activity_id = self.id
            return cause
        text = f"the stand-alone activity {self.id!r} did not complete: {error.status}"
        failure = ActivityError(
            text, activity_type=self._activity_type, activity_id=self.id, retry_state=None
        )
        failure.__cause__ = cause
        return failure

    def describe(self) -> StandaloneActivityDescription:
        """The activity as it stands; raises :class:`ActivityNotFoundError` (RF5121) where the id is that of a workflow."""
        row = self._row()
        name, plain, options = self._begun(row)
        tasks = self._client.store.list_tasks(row.run_id)
        return StandaloneActivityDescription(
            run=row,
            activity_type=name,
            input=plain,
            options=ActivityOptions.from_plain(options),
            attempt=next(iter(tasks), None),
            parked=reason_in_words(row.parked),
        )

    def _begun(self, row: RunRow) -> tuple[str, list[Plain], dict[str, Plain]]:
        """Its name, arguments and options, which its history has once a worker has begun it."""
        for event in read_history(self._client.store, row.run_id):
            if isinstance(event, WorkflowExecutionStarted):
                name, plain, options = event.input
                return name, plain, options
        return self._activity_type, [], {}

    def _row(self) -> RunRow:
        row = self._client.row(self.id, self.run_id)
        if row.workflow_type != STANDALONE_ACTIVITY:
            raise ActivityNotFoundError(f"stand-alone activity {self.id!r}")
        return row

    def cancel(self, reason: str = "", *, request_id: str | None = None) -> None:
        """Ask the activity to stop; its code is told, and may end as it likes.  One that has not begun ends cancelled."""
        self._run.cancel(reason, request_id=request_id)

    def terminate(self, reason: str = "", *, request_id: str | None = None) -> None:
        """End it at once; the outcome of an attempt that runs counts for nothing.

        It learns of it at once if it runs in this process on the same store, else from its next recorded heartbeat.
        """
        self._run.terminate(reason, request_id=request_id)

    def open_attempt(self) -> ActivityHandle:
        """The handle of the attempt that is open, to complete, fail, pause or change it; raises RF5121 if there is none."""
        row = self._row()
        for task in self._client.store.list_tasks(row.run_id):
            return ActivityHandle(self._client, row.workflow_id, row.run_id, str(task.seq), None)
        raise ActivityNotFoundError(f"an open attempt of stand-alone activity {self.id!r}")


class StandaloneActivities(Finder):
    """The part of a client that starts activities by themselves, and finds them."""

    @property
    def _itself(self) -> Client:
        return cast("Client", self)  # the only class that this is a part of

    @overload
    def start_activity(
        self, activity: Activity[..., R], *args: Any, id: str, **options: Unpack[ActivityKeywords]
    ) -> StandaloneActivityHandle[R]: ...
    @overload
    def start_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        result_type: type[R],
        **options: Unpack[ActivityKeywords],
    ) -> StandaloneActivityHandle[R]: ...
    @overload
    def start_activity(
        self, activity: str, *args: Any, id: str, **options: Unpack[ActivityKeywords]
    ) -> StandaloneActivityHandle[Any]: ...
    def start_activity(
        self, activity: Any, *args: Any, id: str, result_type: Any = Any, **options: Any
    ) -> StandaloneActivityHandle[Any]:
        """Start an activity without a workflow, durably, and return its handle.

        It runs on ``task_queue`` (else the declared one, else ``"default"``), on any worker that knows it.  Policies of ids and a
        repeated ``request_id`` are as for :meth:`Client.start`.  Raises :class:`WorkflowAlreadyStartedError` (RF5101) where they allow
        no other of that id, :class:`PayloadError` (RF13xx) for arguments that cannot be stored or do not fit, and
        :class:`DefinitionError` (RF1004) for what is no option.
        """
        of_start = {name: options.pop(name) for name in [*options] if name in _OF_THE_START}
        name, declared, plain = _named(activity, args)
        chosen = declared.changed(options)
        client = self._itself
        type_ = result_type if isinstance(activity, str) else activity.result_type
        run = client.start(
            STANDALONE_ACTIVITY,
            name,
            plain,
            standalone_options(chosen),
            id=id,
            task_queue=chosen.task_queue or "default",
            **of_start,
        )
        if of_start.get("id_conflict_policy") is WorkflowIDConflictPolicy.USE_EXISTING:
            row = client.row(id, run.run_id)
            if row.workflow_type != STANDALONE_ACTIVITY:
                raise WorkflowAlreadyStartedError(id, row.run_id, row.status.value, other_kind=True)
        return StandaloneActivityHandle(client, id, run.run_id, type_, name)

    @overload
    def execute_activity(
        self,
        activity: Activity[..., R],
        *args: Any,
        id: str,
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> R: ...
    @overload
    def execute_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        result_type: type[R],
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> R: ...
    @overload
    def execute_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> Any: ...
    def execute_activity(
        self, activity: Any, *args: Any, id: str, timeout: timedelta | None = None, **options: Any
    ) -> Any:
        """Start an activity and return its result; options as for :meth:`start_activity`, raises as that and as ``result`` do.

        After ``timeout`` nobody waits any more (``TimeoutError``), but the activity goes on.
        """
        return self.start_activity(activity, *args, id=id, **options).result(timeout=timeout)

    def get_activity_handle(
        self, id: str, run_id: str | None = None, *, activity: Activity[..., R] | None = None
    ) -> StandaloneActivityHandle[R]:
        """The handle of a stand-alone activity; nothing is looked up yet.  The result is of the type that ``activity`` declares."""
        result_type = Any if activity is None else activity.result_type
        name = "" if activity is None else activity.name
        return StandaloneActivityHandle(
            self._itself, checked_id(id, "activity id"), run_id, result_type, name
        )

    def list_activities(self, query: str = "", **conditions: Any) -> Iterator[RunRow]:
        """Stand-alone activities, newest first; conditions as for :meth:`Client.list`, which leaves them out."""
        return self.list(query, workflow_type=STANDALONE_ACTIVITY, **conditions)

    def count_activities(self, query: str = "", **conditions: Any) -> int:
        """How many stand-alone activities there are; conditions as for :meth:`Client.list`."""
        return self.count(query, workflow_type=STANDALONE_ACTIVITY, **conditions)


def _named(
    activity: Activity[..., Any] | str, args: tuple[Any, ...]
) -> tuple[str, ActivityOptions, list[Plain]]:
    """Name, declared options and stored arguments; of an activity at hand, checked against its signature and types."""
    if isinstance(activity, str):
        return checked_id(activity, "activity name"), ActivityOptions(), [encode(value) for value in args]
    plain = [encode(value) for value in activity(*args).args]
    activity.decode_input(plain)
    return activity.name, activity.default_options, plain
