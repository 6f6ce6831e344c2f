"""Changed programs: one that differs in a single place, as an edit to a workflow would make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import attrs

from property_tests.programs import Act, Gather, Node, Seq, Step, Timer, Within
from property_tests.running import ACTIVITIES


def numbered(program: Step) -> Step:
    """The program with a label of its own for each activity."""
    labels = count()
    return _mapped(
        program, lambda step: attrs.evolve(step, label=next(labels)) if isinstance(step, Act) else step
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
    """All programs with one step dropped, two neighbours swapped, an activity renamed, or an argument or a duration changed."""
    match step:
        case Act(name, label):
            names = list(ACTIVITIES)
            yield Act(names[(names.index(name) + 1) % len(names)], label)
            yield Act(name, label + 1)
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
