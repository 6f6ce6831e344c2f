"""Values: what events, messages, effects and the writes of a store are.

Two values are equal if they are of one class and all that they hold is equal.  attrs would write that, and how a value is shown, for
each class anew, and Python would compile it at every import: a fifth of the time of ``import refold``.  Here it is written once, for
classes that are made by ``attrs.frozen(eq=False, repr=False)``.
"""

from __future__ import annotations

from typing import Any


class Value:
    """Base of values: compared and hashed by class and fields, and shown with their fields."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _compared(self))

    def __hash__(self) -> int:
        # For whoever keeps values in a set; the kernel itself never does (law 1).
        return (self.__class__, *(getattr(self, name) for name in _compared(self))).__hash__()

    def __repr__(self) -> str:
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in _fields(self) if field.repr)
        return f"{self.__class__.__qualname__.rsplit('>.', 1)[-1]}({', '.join(shown)})"


def _fields(value: Any) -> Any:
    return value.__attrs_attrs__


def _compared(value: Any) -> list[str]:
    return [field.name for field in _fields(value) if field.eq]
