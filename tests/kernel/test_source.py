"""Lines of the user's code: found by frame, shortened, and only looked up for people."""

from __future__ import annotations

import _thread
import inspect
import threading
from types import FunctionType, GeneratorType
from typing import Any

import pytest

from refold import Workflow, all_of, shield, sleep, source, start, with_timeout, workflow
from refold import events as ev
from tests.kernel.driving import drive
from tests.kernel.parts import HOUR, MINUTE, Steps, charge, nudge, reserve


def _here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_place_is_the_last_two_parts_of_its_path_its_line_and_its_function() -> None:
    code = compile("def f():\n    pass\n", "C:\\work\\package\\module.py", "exec")
    assert "package/module.py:1 in <module>" == source.describe(code, None)
    assert "package/module.py:7 in <module>" == source.describe(code, 7)


def test_the_calling_site_is_the_nearest_frame_that_is_not_of_refold() -> None:
    place = str(source.calling_site())
    assert place.startswith(f"kernel/test_source.py:{_here() - 1} in test_the_calling_site")


def test_where_all_frames_are_of_refold_there_is_no_calling_site() -> None:
    found: list[Any] = []
    done = threading.Event()
    code = compile("found.append(source.calling_site())\ndone.set()", "made_up.py", "exec")
    # A thread of which this function is the first frame, and which passes for a function of refold.
    function = FunctionType(
        code, {"__name__": "refold.made_up", "source": source, "found": found, "done": done}
    )
    _thread.start_new_thread(function, ())
    assert done.wait(timeout=30)
    assert [None] == found


def test_an_instruction_outside_of_any_line_has_no_line_and_its_site_shows_the_first_line_of_the_code() -> (
    None
):
    code = _here.__code__
    assert source.line_of(code, -2) is None
    assert source.line_of(code, 10**6) is None
    assert f"kernel/test_source.py:{code.co_firstlineno} in _here" == str(source.Site(code, 10**6))


def test_the_chain_of_a_generator_ends_where_something_else_is_delegated_to() -> None:
    def inner() -> Any:
        yield from [1, 2]

    def outer() -> Any:
        yield from inner()

    generator = outer()
    next(generator)
    names = [each.gi_code.co_name for each in source.chain(generator)]
    assert ["outer", "inner"] == names
    assert isinstance(generator, GeneratorType)
    assert 2 == len(source.user_frames(generator))
    assert source.user_frames(generator)[-1] == source.yield_site(generator)
    generator.close()
    assert [] == source.user_frames(generator)
    assert "" == source.yield_site(generator)
    assert [] == list(source.chain([1, 2]))


def test_the_frames_of_an_error_are_the_users_outermost_first() -> None:
    def fails() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here") as raised:
        fails()
    frames = source.traceback_frames(raised.value)
    assert 2 == len(frames)
    assert frames[-1].endswith(".fails")
    assert [] == source.traceback_frames(ValueError("never raised"))


def test_every_command_carries_the_line_that_yielded_it_and_nothing_compares_it() -> None:
    lines: dict[str, int] = {}

    @workflow
    def commands() -> Workflow[str]:
        def child() -> Steps:
            lines["child"] = _here() + 1
            yield from sleep(HOUR)

        lines["activity"] = _here() + 1
        yield from charge(1)
        lines["group"] = _here() + 1
        yield from all_of(reserve("x"), shield(charge(2)), child(), with_timeout(nudge.receive(), MINUTE))
        return "done"

    with drive(commands) as run:
        run.complete("charge", 1)
        recorded = [
            event for event in run.history if isinstance(event, ev.ActivityTaskScheduled | ev.TimerStarted)
        ]
        assert [
            lines["activity"],
            lines["group"],  # the two activities are steps of the combinator
            lines["group"],
            lines["child"],
            lines["group"],  # the timer of with_timeout, where no code of the user's is below
        ] == [int(event.source.partition(":")[2].partition(" ")[0]) for event in recorded]


def test_a_withdrawn_timer_carries_the_line_that_waited_for_it() -> None:
    @workflow
    def cancels() -> Workflow[str]:
        handle = yield from start(with_timeout(nudge.receive(), MINUTE))
        return str((yield from handle))

    with drive(cancels) as run:
        turn = run.signal(nudge)
        (withdrawn,) = [event for event in turn.events if isinstance(event, ev.TimerCanceled)]
        assert withdrawn.source.startswith("kernel/test_source.py:")
        assert withdrawn.source.endswith(".cancels")
