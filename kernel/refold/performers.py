"""How each effect is carried out: one function an effect, in one table.

A performer is given the run, the waiter that the answer is for, the branch that yielded, and the effect.  It answers at once with a
value, or notes what the waiter waits for and answers ``WAITING``.  A :class:`DefinitionError` it raises is raised in the workflow, at
the line that yielded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from refold import children, own_run
from refold import events as ev
from refold.author import Handle
from refold.branches import WAITING, Branch, Gathering, Slot, Thrown, Waiter
from refold.bugs import task_error
from refold.combine import cancel_branch, result_of, settle
from refold.effects import AskPatch, Effect, RecordMarker, ScheduleActivity, StartTimer
from refold.errors import DefinitionError, RefoldError, WorkflowTaskError
from refold.mail import add_handler, receive
from refold.payloads import encode
from refold.policies import DELAY_US_MAX, instant
from refold.prng import Random, seed_for, uuid4_for
from refold.scheduler import PERFORMERS, Scheduler
from refold.source import yield_site
from refold.tape import encoded
from refold.unyielded import MAKER, ReadOnly
from refold.updates import add_update_handler
from refold.waits import (
    AnswerQuery,
    CancelStep,
    Combine,
    DrawRandom,
    DrawUuid,
    Group,
    HandleSignal,
    HandleUpdate,
    Join,
    Log,
    Now,
    ReceiveSignal,
    Routine,
    Shield,
    Start,
    Step,
    WaitCondition,
    WaitHandlers,
)

_MICROSECOND = timedelta(microseconds=1)
#: How deep steps may be nested in steps: combinators and branches, each counted.
DEPTH_MAX = 100
#: The last instant that the calendar of ``datetime`` has, in microseconds since the epoch.
_CALENDAR_END_US = 253_402_300_799_999_999


# Commands -------------------------------------------------------------------------------------------------------------


def _schedule_activity(run: Scheduler, waiter: Waiter, branch: Branch, effect: ScheduleActivity[Any]) -> Any:
    activity = effect.activity
    event: Any = run.tape.recorded_activity(branch.id, activity.name, effect.args)
    if event is None:
        fields: dict[str, Any] = {
            "seq": run.ledger.last_seq + 1,
            "branch": branch.id,
            "activity_type": activity.name,
            "input": encoded(effect.args),
        }
        if activity.options:
            fields["options"] = activity.options
        event = run.tape.record(ev.ActivityTaskScheduled, fields, lambda: run.yield_site(branch))
    waiter.wait = event
    waiter.decode = activity.decode
    run.waits[event.seq] = waiter
    return WAITING


def _start_timer(run: Scheduler, waiter: Waiter, branch: Branch, effect: StartTimer) -> Any:
    delay = min(effect.duration // _MICROSECOND, DELAY_US_MAX)
    fields = {
        "seq": run.ledger.last_seq + 1,
        "branch": branch.id,
        "fire_at": min(run.tape.at + delay, _CALENDAR_END_US),
    }
    event = run.tape.record(ev.TimerStarted, fields, lambda: run.yield_site(branch))
    waiter.wait = event
    run.waits[event.seq] = waiter
    return WAITING


def _record_marker(run: Scheduler, waiter: Waiter, branch: Branch, effect: RecordMarker[Any]) -> Any:
    fields: dict[str, Any] = {
        "seq": run.ledger.last_seq + 1,
        "branch": branch.id,
        "marker_name": effect.marker_name,
    }
    if run.tape.history is None:
        fields["value"] = _computed(effect)
    event = run.tape.record(ev.MarkerRecorded, fields, lambda: run.yield_site(branch))
    return event.value if effect.decode is None else effect.decode(event.value)


def _computed(effect: RecordMarker[Any]) -> Any:
    token = MAKER.set(ReadOnly("a side effect"))
    try:
        return encode(effect.compute())
    except Exception as error:
        # The workflow must not catch it: nothing would be recorded, and a replay does not compute.
        raise task_error(
            "RF1110",
            f"a side effect failed with {type(error).__name__}: {error.what if isinstance(error, RefoldError) else error}",
            why="its value is recorded and its failure cannot be, so it must not fail",
            fix="do what may fail in an activity",
            error=error,
        ) from error
    finally:
        MAKER.reset(token)


def _ask_patch(run: Scheduler, waiter: Waiter, branch: Branch, effect: AskPatch) -> bool:
    answer = run.patches.get(effect.patch_id)
    if answer is None:
        if run.tape.history is not None:
            answer = run.tape.patch_recorded(effect.patch_id)
        else:
            answer = True
            if effect.patch_id not in run.ledger.patches:  # else older code asked, where this code did not
                fields = {
                    "marker_name": ev.PATCH_MARKER,
                    "branch": branch.id,
                    "patch_id": effect.patch_id,
                    "deprecated": effect.deprecated,
                }
                run.tape.record(ev.MarkerRecorded, fields, lambda: run.yield_site(branch))
        run.patches[effect.patch_id] = answer
    return answer or effect.deprecated


# Waits ----------------------------------------------------------------------------------------------------------------


def _wait_condition(run: Scheduler, waiter: Waiter, branch: Branch, effect: WaitCondition) -> Any:
    waiter.wait = effect
    run.conditions.append((waiter, effect.predicate))
    return WAITING


def _wait_handlers(run: Scheduler, waiter: Waiter, branch: Branch, effect: WaitHandlers) -> Any:
    if branch.handler:
        raise DefinitionError(
            "RF1117",
            "all_handlers_finished() was yielded in a handler",
            why="it would wait for itself, for ever",
            fix="wait in the workflow, before it returns",
            where=yield_site(branch.generator),
        )
    waiter.wait = effect
    run.conditions.append((waiter, lambda: not run.handling))
    return WAITING


def _answer_query(run: Scheduler, waiter: Waiter, branch: Branch, effect: AnswerQuery) -> None:
    run.queries[effect.name] = effect


# Combinators ----------------------------------------------------------------------------------------------------------


def _group(run: Scheduler, waiter: Waiter, branch: Branch, effect: Group[Any]) -> Any:
    return _gather(run, waiter, branch, effect.steps, Gathering(effect.how, waiter, len(effect.steps)))


def _shield(run: Scheduler, waiter: Waiter, branch: Branch, effect: Shield[Any]) -> Any:
    return _gather(run, waiter, branch, effect.steps, Gathering(Combine.ONE, waiter, 1, shielded=True))


def _routine(run: Scheduler, waiter: Waiter, branch: Branch, effect: Routine[Any]) -> Any:
    """A workflow that was yielded as it is: as with ``yield from``, requests to cancel are for the code inside."""
    gathering = Gathering(Combine.ONE, waiter, 1)
    answer = _gather(run, waiter, branch, (effect,), gathering)
    child = gathering.slots[0].child
    assert child is not None
    child.cancels, branch.cancels = branch.cancels, 0
    return answer


def _gather(
    run: Scheduler, waiter: Waiter, branch: Branch, steps: tuple[Step[Any], ...], gathering: Gathering
) -> Any:
    waiter.wait = gathering
    if isinstance(waiter, Slot):
        waiter.inner = gathering
    _check_depth(gathering.depth, branch)
    for index, step in enumerate(steps):
        if gathering.decided:  # a step was answered at once: those that follow are not begun
            gathering.left -= len(steps) - index
            if run.recorder is not None:
                run.recorder.forgive()
            break
        slot = Slot(gathering, index, branch)
        gathering.slots.append(slot)
        _begin(run, slot, branch, step)
    gathering.starting = False
    if gathering.left > 0:
        return WAITING
    waiter.wait = None
    value, error = result_of(gathering)
    if error is not None:
        raise Thrown(error)
    return value


def _begin(run: Scheduler, slot: Slot, branch: Branch, step: Any) -> None:
    """Begin one step of a gathering: an effect where it stands, anything else as a branch of its own."""
    if isinstance(step, Handle) or (isinstance(step, Effect) and not isinstance(step, Routine)):
        try:
            value = _perform(run, slot, branch, step)
        except WorkflowTaskError:
            raise
        except DefinitionError as mistake:
            settle(run, slot, None, mistake, queued=False)
        except Thrown as thrown:
            settle(run, slot, None, thrown.error, queued=False)
        else:
            if value is not WAITING:
                settle(run, slot, value, None, queued=False)
    else:
        child = run.spawn(_generator(step), branch)
        child.depth = slot.depth + 1
        child.slot = slot
        child.joined = True
        slot.child = child
        slot.wait = child
        run.notify(run.resume, child)


def _perform(run: Scheduler, slot: Slot, branch: Branch, step: Any) -> Any:
    if isinstance(step, Handle):
        return _join_branch(run, slot, branch, step.branch)
    return PERFORMERS[step.__class__](run, slot, branch, step)


def _check_depth(depth: int, branch: Branch) -> None:
    if depth > DEPTH_MAX:
        raise WorkflowTaskError(
            "RF1105",
            f"steps are nested {depth} deep; the limit is {DEPTH_MAX}",
            why="cancelling works its way down the steps, and Python's own limit depends on the caller's stack",
            fix="use a loop, or fewer steps inside steps",
            where=yield_site(branch.generator),
        )


def _generator(step: Any) -> Generator[Effect[Any], object, Any]:
    return cast(
        "Generator[Effect[Any], object, Any]", step if isinstance(step, Generator) else step.__iter__()
    )


def _start(run: Scheduler, waiter: Waiter, branch: Branch, effect: Start[Any]) -> Handle[Any]:
    child = run.spawn(_generator(effect.steps[0]), branch)
    _check_depth(child.depth, branch)
    run.notify(run.resume, child)
    return Handle(child)


def _join(run: Scheduler, waiter: Waiter, branch: Branch, effect: Join[Any]) -> Any:
    return _join_branch(run, waiter, branch, effect.branch)


def _join_branch(run: Scheduler, waiter: Waiter, branch: Branch, handle: object) -> Any:
    target = _own(run, branch, handle)
    target.joined = True
    if not target.ended:
        if target.joiners is None:
            target.joiners = []
        target.joiners.append(waiter)
        waiter.wait = target
        return WAITING
    if target.error is not None:
        raise Thrown(target.error)
    return target.value


def _cancel_step(run: Scheduler, waiter: Waiter, branch: Branch, effect: CancelStep) -> None:
    cancel_branch(run, _own(run, branch, effect.branch))


def _own(run: Scheduler, branch: Branch, target: object) -> Branch:
    """The branch behind a handle, if it is of this run."""
    root = target
    while isinstance(root, Branch) and root.parent is not None:
        root = root.parent
    if isinstance(target, Branch) and root is run.main:
        return target
    raise DefinitionError(
        "RF1109",
        "a handle of another run was used",
        why="a handle stands for a step that this run has started",
        fix="pass results or ids between runs, not handles",
        where=yield_site(branch.generator),
    )


# Small questions ------------------------------------------------------------------------------------------------------


def _now(run: Scheduler, waiter: Waiter, branch: Branch, effect: Now) -> datetime:
    return instant(run.tape.at)


def _random(run: Scheduler, waiter: Waiter, branch: Branch, effect: DrawRandom) -> Random:
    run.draws += 1
    return Random(seed_for(_seed(run), run.draws))


def _uuid(run: Scheduler, waiter: Waiter, branch: Branch, effect: DrawUuid) -> UUID:
    run.draws += 1
    return uuid4_for(_seed(run), run.draws)


def _seed(run: Scheduler) -> str:
    started = run.ledger.started
    assert started is not None
    return started.random_seed or started.run_id


def _log(run: Scheduler, waiter: Waiter, branch: Branch, effect: Log) -> None:
    if run.recorder is not None:
        run.logs.append(effect)


_TABLE: dict[type[Effect[Any]], Callable[..., Any]] = {
    ScheduleActivity: _schedule_activity,
    StartTimer: _start_timer,
    RecordMarker: _record_marker,
    AskPatch: _ask_patch,
    ReceiveSignal: receive,
    HandleSignal: add_handler,
    HandleUpdate: add_update_handler,
    WaitCondition: _wait_condition,
    WaitHandlers: _wait_handlers,
    AnswerQuery: _answer_query,
    Group: _group,
    Shield: _shield,
    Routine: _routine,
    Start: _start,
    Join: _join,
    CancelStep: _cancel_step,
    Now: _now,
    DrawRandom: _random,
    DrawUuid: _uuid,
    Log: _log,
}


def register_performers() -> None:
    """Tell the scheduler how each effect is carried out; it does not import this module, which uses it."""
    PERFORMERS.update(_TABLE)
    PERFORMERS.update(children.PERFORM)
    PERFORMERS.update(own_run.PERFORM)
