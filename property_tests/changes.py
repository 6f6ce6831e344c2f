"""Changed programs: one that differs in a single place, as an edit to a workflow would make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import attrs

from property_tests.programs import (
    Act,
    Finally,
    Gather,
    Node,
    Receive,
    Seq,
    Shielded,
    Step,
    Sub,
    Timer,
    Within,
    parts,
)
from property_tests.running import ACTIVITIES


def numbered(program: Step) -> Step:
    """The program with a label of its own for each activity."""
    labels = count()
    return _mapped(
        program, lambda step: attrs.evolve(step, label=next(labels)) if isinstance(step, Act) else step
    )


def watched(program: Step, how: str) -> Step:
    """The program with each of its combinators watched, ``closely`` or ``loosely``."""
    return _mapped(
        program, lambda step: attrs.evolve(step, watched=how) if isinstance(step, Gather) else step
    )


def with_signals_taken_in_branches(program: Step) -> Step:
    """The program with each receive in a branch or a frame of its own, so that what is taken is told of at once."""
    return _mapped(program, lambda step: Sub(step, bare=False) if isinstance(step, Receive) else step)


def with_plain_shields(program: Step) -> Step:
    """The program with more shields, and only simple steps in them: a ``CancelledError`` in one can only come from outside."""
    return _mapped(program, _plainly_shielded)


def _plainly_shielded(step: Step) -> Step:
    if not isinstance(step, Shielded | Within | Finally | Sub):
        return step
    waits = [part for part in parts(step) if isinstance(part, Act | Timer | Receive)]
    return Shielded(
        Seq(tuple(each for each in waits[:3] if not (isinstance(each, Act) and each.name == "patient")))
    )


def replaced(program: Step, change: Callable[[Step], Step]) -> Iterator[Step]:
    """All programs with one step of one sequence replaced by what ``change`` makes of it."""
    for steps, rebuild in _sequences(program):
        for index, step in enumerate(steps):
            yield rebuild((*steps[:index], change(step), *steps[index + 1 :]))


def _sequences(step: Step) -> Iterator[tuple[tuple[Step, ...], Callable[[tuple[Step, ...]], Step]]]:
    """All sequences of a program, each with a function that puts another in its place."""
    if isinstance(step, Seq):
        yield step.steps, Seq
    for field in attrs.fields(type(step)):
        yield from _inner_sequences(step, field.name)


def _inner_sequences(
    step: Step, name: str
) -> Iterator[tuple[tuple[Step, ...], Callable[[tuple[Step, ...]], Step]]]:
    value = getattr(step, name)
    if isinstance(value, Node):
        for steps, rebuild in _sequences(value):  # type: ignore[arg-type]
            yield steps, lambda new, rebuild=rebuild: attrs.evolve(step, **{name: rebuild(new)})
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            if isinstance(item, Node):
                for steps, rebuild in _sequences(item):  # type: ignore[arg-type]
                    yield (
                        steps,
                        lambda new, rebuild=rebuild, index=index: attrs.evolve(
                            step, **{name: (*value[:index], rebuild(new), *value[index + 1 :])}
                        ),
                    )


def _mapped(step: Step, change: Callable[[Step], Step]) -> Step:
    fields = {
        field.name: _mapped_value(getattr(step, field.name), change) for field in attrs.fields(type(step))
    }
    return change(type(step)(**fields))


def _mapped_value(value: Any, change: Callable[[Step], Step]) -> Any:
    if isinstance(value, Node):
        return _mapped(value, change)  # type: ignore[arg-type]
    if isinstance(value, tuple):
        return tuple(_mapped_value(item, change) for item in value)
    return value


def mutants(step: Step) -> Iterator[Step]:
    """All programs that differ in one place, as an edit would make them.

    A step is dropped, two neighbours are swapped, an activity is renamed or given a branch of its own, an argument or a duration changes.
    """
    match step:
        case Act(name, label):
            names = list(ACTIVITIES)
            yield attrs.evolve(step, name=names[(names.index(name) + 1) % len(names)])
            yield attrs.evolve(step, label=label + 1)
            yield Sub(step, bare=True)
        case Timer(seconds):
            yield Timer(seconds + 1)
        case Within(seconds, inner):
            yield Within(seconds + 1, inner)
        case Seq(steps) | Gather(_, steps):
            for index in range(len(steps)):
                if len(steps) > 1:
                    yield attrs.evolve(step, steps=steps[:index] + steps[index + 1 :])
                if index:
                    swapped = (steps[index], steps[index - 1])
                    yield attrs.evolve(step, steps=steps[: index - 1] + swapped + steps[index + 1 :])
        case _:
            pass
    for field in attrs.fields(type(step)):
        for changed in _changed(getattr(step, field.name)):
            yield attrs.evolve(step, **{field.name: changed})


def _changed(value: Any) -> Iterator[Any]:
    """A field of a step, changed in one place."""
    if isinstance(value, Node):
        yield from mutants(value)  # type: ignore[arg-type]
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            for changed in _changed(item):
                yield (*value[:index], changed, *value[index + 1 :])
