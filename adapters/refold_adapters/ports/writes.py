"""What a store is asked to put where, and under which condition: one class a write."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.value import Value
from refold_adapters.ports.rows import Properties, RunStatus


@attrs.frozen(kw_only=True, eq=False, repr=False)
class OpenSession(Value):
    """Begin a session; answers ``Opened`` with a token larger than any before."""

    identity: str
    process: str
    lease_us: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RenewSession(Value):
    """Prolong a lease to ``now + lease_us``; ``Fenced`` if the session is gone or has expired and been expelled."""

    token: int
    lease_us: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CloseSession(Value):
    """End a session: its runs and tasks belong to nobody again: ``Done``, or ``Fenced`` if it is gone already.

    Also used to expel a session that was found dead.
    With ``only_expired`` it is done only if the lease has run out by the store's clock (``Refused`` otherwise).
    Runs of an expelled session count one takeover when they are next claimed; ``graceful`` says that none is to be counted.
    """

    token: int
    only_expired: bool = False
    graceful: bool = False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateRun(Value):
    """Create a run with its first message, unless a run of that workflow id stands in the way.

    ``Created``, or ``Exists`` with the run in the way: the latest run of the workflow id, if it is open or its status is listed
    in ``blocked_by``.  Before that, a run of the workflow id that was created with the same ``request_id``, or under the same
    ``run_id``, is reported as ``Exists(same_request=True)``: the reply to an earlier try was lost.  (A run id that another
    workflow id has is ``Exists`` too.)  Both hold of a deleted run as long as its tombstone stands; otherwise it is as if it had
    never been.
    With ``instead_of``, a closed run of the chain that began with that run does not stand in the way, whatever its status.
    ``owner`` may name the session that will run it (0: none); ``Fenced`` if that session is gone.
    ``ready_at`` is when its first turn is due, unless a message that ``wakes`` it comes first; a time in the past means at once.
    ``ends_at`` is when it is to be ended, whatever its code does, also where no session ever claims it: see ``Store.list_ending``.
    """

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    #: The ``StartWorkflow`` message, encoded; becomes the first inbox message.  None where the same batch commits the
    #: first turn of the run, which then holds it.
    message: bytes | None
    request_id: str = ""
    blocked_by: Sequence[RunStatus] = ()
    instead_of: str | None = None
    owner: int = 0
    ready_at: int = 0
    #: The build that alone may run it; None for any.
    build_id: str | None = None
    properties: Properties | None = None
    #: The run that its chain of continue-as-new and retry began with; empty if it is the first itself.
    first_run_id: str = ""
    ends_at: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class AcceptMessage(Value):
    """Put a message into the inbox of a run: of ``run_id``, or of the open (else latest) run of ``workflow_id``.

    ``Accepted``; ``NotFound`` (also where ``run_id`` is a run of another workflow id; an empty one fits all); ``Closed``.
    A ``request_id`` that the inbox of the run still holds is accepted without effect.
    With ``first_run_id`` the run found must belong to the chain that began with that run, or it is ``NotFound``.
    With ``answers`` it is the answer to that command of ``run_id``: where that run is closed or gone and an open one stands for it
    (``CopyRun.stands_for``) up to that command, the message is for the open one.
    A message to a run whose first turn is not due yet waits with it, unless it ``wakes`` the run.  One that ``ends`` its run makes it one
    of ``Store.list_ending`` at once.
    """

    workflow_id: str
    data: bytes
    run_id: str | None = None
    request_id: str = ""
    first_run_id: str | None = None
    answers: int | None = None
    wakes: bool = False
    ends: bool = False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class NewTask(Value):
    """An activity task to be created by a turn; ``claimed`` if the committing session runs it at once."""

    seq: int
    activity_type: str
    task_queue: str
    data: bytes
    claimed: bool = False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelTask(Value):
    """A cancel request for a task: one that no session holds is removed and ``report`` put into the inbox instead.

    A task that is not there any more is left alone: its outcome is in the inbox already.
    """

    seq: int
    report: bytes


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Closing(Value):
    """That a turn closes its run."""

    status: RunStatus
    event: bytes


@attrs.frozen(kw_only=True, eq=False, repr=False)
class NextRun(Value):
    """The run that follows one that a turn closes: it is created whatever else its workflow id has, and begins with these messages.

    Its own message and ``messages``, in this order, are its inbox; all are due when ``creation`` says.
    """

    creation: CreateRun
    messages: Sequence[bytes] = ()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Relay(Value):
    """What a turn does to another run, in the same commit: create it, or put a message into its inbox.

    ``done`` is put into the inbox of the run whose turn it is where the write is answered with ``Created`` or ``Accepted``, ``failed``
    where it is answered otherwise; None puts nothing, and so does a run that is closed.
    """

    write: CreateRun | AcceptMessage
    done: bytes | None = None
    failed: bytes | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CommitTurn(Value):
    """Append one turn and all that follows from it.

    ``Committed``; ``NotFound``; ``Fenced`` (the session is gone, or does not own the run); ``Stale`` (the run is not at
    ``turn - 1``, or is closed, unless the last turn carries this very ``turn_token``: then the reply to an earlier try was lost
    and it is ``Committed``); ``Unseen`` (the turn closes the run while its inbox holds messages that are not in ``consumed``);
    ``Exists`` (the run id of ``next`` is taken, by a run or its tombstone);
    ``Gone`` (a task in ``finished`` is no longer held by the session in that attempt).
    Conditions are checked in this order (a dead session before an unknown run), before anything is changed.  ``token`` 0 is an
    administrative turn: ownership is not checked.  Closing deletes the run's tasks, timers and inbox, its owner and its parking.
    A run that nobody owns is claimed by the commit.  A committed turn is progress: it sets the takeovers to 0.
    A paused run is not claimable, whatever it has in its inbox, but for its timer ``DEADLINE``; its tasks are not claimable either, and
    those that are held stay held.  A turn of a session is ``Stale`` where the run is paused before its first.
    An administrative turn that names a build takes the run from its owner, who may not serve that build.
    When all else is done, ``next`` is created and the ``relays`` are carried out in order, each by the rules of its own write; what
    one of them is answered refuses nothing.  So what runs do to each other lies in the commit of the turn that asked for it: it is
    done exactly once, there is nothing to send again after a crash, and a repeated commit repeats nothing.
    """

    token: int
    run_id: str
    turn: int
    turn_token: str
    first_event_id: int
    event_count: int
    #: The events of the turn, encoded, as one blob.
    data: bytes
    #: Ids of the inbox messages that the turn took.
    consumed: Sequence[int] = ()
    #: ``(seq, attempt)`` of tasks whose outcome the turn records straight from the session that ran them.
    finished: Sequence[tuple[int, int]] = ()
    #: ``seq`` of tasks whose time is up: they are removed, whoever holds them.
    dropped_tasks: Sequence[int] = ()
    tasks: Sequence[NewTask] = ()
    cancel_tasks: Sequence[CancelTask] = ()
    #: ``(seq, fire_at)``; a timer that has the number already is moved.
    timers: Sequence[tuple[int, int]] = ()
    removed_timers: Sequence[int] = ()
    closing: Closing | None = None
    #: What is noted of the run from now on; None leaves it as it is.
    properties: Properties | None = None
    #: Whether the run is paused from now on; None leaves it as it is.
    paused: bool | None = None
    #: The build that alone may run it from now on, empty for any; None leaves it as it is.
    build_id: str | None = None
    #: Only with ``closing``.
    next: NextRun | None = None
    relays: Sequence[Relay] = ()


@attrs.frozen(eq=False, repr=False)
class Refusal(Value):
    """Why the message with that id was refused (opaque); kept for its sender, who asks with ``Store.find_refusal``.

    A store keeps at least those of the last ``REFUSALS_KEPT`` message ids of a run, also when it is closed.
    """

    message_id: int
    data: bytes


#: The number of the timer that is a run's deadline: it is due also while the run is paused.
DEADLINE = 0
#: For how many of the last message ids of a run refusals are kept.
REFUSALS_KEPT = 1000


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ConsumeMessages(Value):
    """Take inbox messages and timers off an owned run without a turn, as they had been heard before: ``Done`` or ``Fenced``."""

    token: int
    run_id: str
    message_ids: Sequence[int]
    timers: Sequence[int] = ()
    #: ``(seq, attempt)`` of tasks whose outcome changes nothing.
    finished: Sequence[tuple[int, int]] = ()
    #: Which of the messages were refused.
    refusals: Sequence[Refusal] = ()
    #: ``(seq, fire_at)`` of timers that are put in place of those that are taken off.
    new_timers: Sequence[tuple[int, int]] = ()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClaimRuns(Value):
    """Claim up to ``limit`` open runs that have work and are not parked, of these queues: ``ReadyRuns``, or ``Fenced``.

    Work is an inbox message, or a timer that is due; of a paused run, only its timer ``DEADLINE``.  Claimable are runs of nobody, of
    the session itself, and of sessions whose lease has run out (those count a takeover).  Fewest takeovers first, then the longest ready.
    ``exclude`` names runs that the session is already working on.
    """

    token: int
    task_queues: Sequence[str]
    limit: int
    exclude: Sequence[str] = ()
    #: Builds whose runs the session can run, beside those that any may run.
    builds: Sequence[str] = ()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClaimTasks(Value):
    """Claim up to ``limit`` tasks of these queues: ``ClaimedTasks``, or ``Fenced``.

    Claimable are tasks that are visible, held by no living session, and not paused, nor their run; the longest visible first.
    """

    token: int
    task_queues: Sequence[str]
    #: The activity types the session can run; None for any.
    activity_types: Sequence[str] | None
    limit: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RetryTask(Value):
    """Give a task back for another attempt: ``Done``, ``Fenced``, ``Gone``, or ``Refused`` where it was asked to stop.

    ``Gone``, here and below: the session does not hold the task in that attempt.  A ``token`` of 0, here and below, is somebody
    outside of every session: who holds the task is not checked, only the attempt.  ``heartbeat`` None keeps the details on record.
    """

    token: int
    run_id: str
    seq: int
    attempt: int
    next_attempt: int
    visible_at: int
    failure: bytes | None
    heartbeat: bytes | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FinishTask(Value):
    """Remove a task and put its outcome into the run's inbox: ``Done``, ``Fenced`` or ``Gone``."""

    token: int
    run_id: str
    seq: int
    attempt: int
    message: bytes
    #: Whom the task was seen with (0: nobody); ``Gone`` if that has changed since.  None does not ask.
    holder: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Heartbeat(Value):
    """Record heartbeat details of an attempt: ``Beat``, ``Fenced`` or ``Gone``."""

    token: int
    run_id: str
    seq: int
    attempt: int
    details: bytes


@attrs.frozen(kw_only=True, eq=False, repr=False)
class DetachTask(Value):
    """Leave a held attempt to somebody outside, whom no lease binds: ``Done``, ``Fenced`` or ``Gone``.

    ``check_at`` is put among the run's timers under the number ``check``: when somebody should look whether its time is up.
    """

    token: int
    run_id: str
    seq: int
    attempt: int
    check: int
    check_at: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ChangeTask(Value):
    """Change a task from outside, whoever holds it: ``Done``, or ``Gone`` if it is not there.  What is None stays as it is.

    ``attempt`` and ``visible_at`` are for tasks that nobody holds; of a held one they are left alone.
    """

    run_id: str
    seq: int
    paused: bool | None = None
    attempt: int | None = None
    visible_at: int | None = None
    options: bytes | None = None
    task_queue: str | None = None
    forget_heartbeat: bool = False
    #: Whoever holds it is asked to stop, and learns of it by a heartbeat; it is not given back for another attempt.
    cancel_requested: bool = False
    #: As for ``FinishTask``.
    holder: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ParkRun(Value):
    """Take an open run that the session owns out of the claimable ones, with a reason: ``Done`` or ``Fenced``.

    The session gives the run up.  Messages are still accepted.  ``kind`` and ``line`` are what the run is then found by.
    """

    token: int
    run_id: str
    reason: bytes
    kind: str | None = None
    line: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UnparkRuns(Value):
    """Make parked runs claimable again: those listed, or all of the queues if ``run_ids`` is None: ``Done``.

    Their takeovers are forgotten, for they are to be tried afresh.
    """

    task_queues: Sequence[str] = ()
    run_ids: Sequence[str] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReleaseRuns(Value):
    """Give up runs that the session owns (eviction, drain): ``Done``, or ``Fenced``.  Runs it does not own are left alone."""

    token: int
    run_ids: Sequence[str]
