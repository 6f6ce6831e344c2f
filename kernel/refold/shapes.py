"""How a class of events, messages or failures is laid out as plain data.

One rule: what a class declares is the only description of its stored form.  Names, defaults and types are read from the class
once, at its first use, and everything here follows from them.  Text and bytes are not known here: ``codec`` has them.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter, ne
from types import NoneType, UnionType
from typing import Any, Union, cast

import attrs

from refold.failures import Failure, RetryState, TimeoutType
from refold.value import Value

#: Fields of text that hold a value of an enum, under whatever class they stand.
_CHOICES: dict[str, tuple[str, ...]] = {
    "timeout_type": tuple(choice.value for choice in TimeoutType),
    "retry_state": tuple(choice.value for choice in RetryState),
}
_SAID = {
    int: "an integer",
    str: "text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    NoneType: "null",
    float: "a number with a fraction",
}
#: Combinations of types that are remembered for one class: more than sound data has, and few enough to keep.
_CHECKED_MAX = 256


class _Missing:
    """Stands for a field that was not in the data and has no default."""


_MISSING = _Missing()


@attrs.frozen(eq=False, repr=False)
class _Field(Value):
    name: str
    default: Any
    #: The types of decoded JSON that it takes; empty where it takes any.
    types: tuple[type, ...]
    #: Makes the value out of decoded JSON, where that takes more than to look at its type.
    convert: Callable[[Any], Any] | None


@attrs.frozen(eq=False, repr=False)
class Shape:
    """The layout of one class; :func:`shape_of` has it."""

    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    #: The values of all fields of an object, in declared order.
    items: Callable[[Any], tuple[Any, ...]]
    #: Every field with its default, or with a mark that is of no type of JSON where it has none.
    template: dict[str, Any]
    #: Makes an object of the values of all fields as decoded JSON; raises ``ValueError`` for what is inside of them.
    build: Callable[..., Any]
    fields: tuple[_Field, ...]
    #: Combinations of the types of all values that were found to be right.
    checked: dict[tuple[type, ...], bool] = attrs.field(factory=dict[tuple[type, ...], bool])

    def sparse(self, value: Any, record: dict[str, Any]) -> dict[str, Any]:
        """``record`` with the fields of ``value`` added, in declared order, without those that have their default."""
        items = self.items(value)
        record.update(compress(zip(self.names, items, strict=True), map(ne, items, self.defaults)))
        return record

    def read(self, record: dict[str, Any]) -> Any:
        """The object that ``record`` is the sparse form of; raises ``ValueError``, saying which field is wrong and how."""
        values = {**self.template, **record}
        self.check(values)
        return self.build(*values.values())

    def check(self, values: dict[str, Any]) -> None:
        """Raise ``ValueError`` unless these are all fields and no other, each of a right type."""
        if len(values) > len(self.names):
            raise ValueError(f"this version knows no field {list(values)[len(self.names)]!r:.80}")
        for field, value in zip(self.fields, values.values(), strict=True):
            if value is _MISSING:
                raise ValueError(f"the field {field.name!r} is missing")
            if field.types and type(value) not in field.types and value is not field.default:
                wanted = " or ".join(_SAID[type_] for type_ in field.types)
                raise ValueError(f"the field {field.name!r} is {_SAID[type(value)]} where {wanted} is due")
        if len(self.checked) < _CHECKED_MAX:
            self.checked[tuple(map(type, values.values()))] = True


_SHAPES: dict[type[Any], Shape] = {}


def shape_of(cls: type[Any]) -> Shape:
    """The layout of a class of attrs whose fields are plain data or failures."""
    shape = _SHAPES.get(cls)
    if shape is None:
        shape = _SHAPES[cls] = _shape_of(cls)
    return shape


def _shape_of(cls: type[Any]) -> Shape:
    hints = typing.get_type_hints(cls)
    fields = tuple(_field(field.name, field.default, hints[field.name]) for field in attrs.fields(cls))
    names = tuple(field.name for field in fields)
    get = attrgetter(*names)
    return Shape(
        names=names,
        defaults=tuple(field.default for field in fields),
        items=get if len(names) > 1 else lambda value: (get(value),),
        template={
            field.name: _MISSING if field.default is attrs.NOTHING else field.default for field in fields
        },
        build=_builder(cls, fields),
        fields=fields,
    )


def _field(name: str, default: Any, hint: Any) -> _Field:
    types: list[type] = []
    convert: Callable[[Any], Any] | None = None
    for option in typing.get_args(hint) if typing.get_origin(hint) in (Union, UnionType) else (hint,):
        if option is Any:
            return _Field(name, default, (), None)
        if option is Failure:
            types.append(dict)
            convert = failure_of_plain
        elif typing.get_origin(option) is dict:
            types.append(dict)
        elif typing.get_origin(option) is not None:
            types.append(list)
            (item,) = typing.get_args(option)
            convert = None if item is Any else _all(item)
        else:
            types.append(option)
    if name in _CHOICES:
        convert = _one_of(_CHOICES[name])
    return _Field(name, default, tuple(types), convert)


def _all(type_: type) -> Callable[[Sequence[Any]], Sequence[Any]]:
    def convert(items: Sequence[Any]) -> Sequence[Any]:
        for item in items:
            if type(item) is not type_:
                raise ValueError(f"it holds {_SAID[type(item)]} where {_SAID[type_]} is due")
        return items

    return convert


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r:.80} is none of {', '.join(choices)}")
        return text

    return convert


def failure_of_plain(plain: Any) -> Any:
    """The failure that ``plain`` is the sparse form of; raises ``ValueError``."""
    if type(plain) is not dict:
        raise ValueError(f"a failure is an object, not {_SAID[type(plain)]}")
    return shape_of(Failure).read(cast(dict[str, Any], plain))


def _builder(cls: type[Any], fields: tuple[_Field, ...]) -> Callable[..., Any]:
    """A constructor that takes all values, by position.

    A frozen class sets each of its slots through ``object.__setattr__``, which takes longer than all the rest of decoding.  So
    the values go into an object of a subclass that is not frozen, and that then becomes one of the class itself, before
    anyone has seen it.
    """
    thawed = cast(
        Callable[..., Any],
        attrs.make_class(
            cls.__name__,
            {field.name: attrs.field() for field in fields},
            bases=(cls,),
            class_body={"__setattr__": object.__setattr__, "__delattr__": object.__delattr__},
            frozen=False,
            slots=True,
            weakref_slot=False,
            eq=False,
            repr=False,
            on_setattr=None,
        ),
    )

    def build(*values: Any) -> Any:
        built = thawed(*values)
        built.__class__ = cls
        return built

    conversions = [
        (index, field.name, field.convert) for index, field in enumerate(fields) if field.convert is not None
    ]

    def convert_and_build(*values: Any) -> Any:
        converted = list(values)
        for index, name, convert in conversions:
            if converted[index] is not None:
                try:
                    converted[index] = convert(converted[index])
                except ValueError as error:
                    raise ValueError(f"in the field {name!r}, {error}") from None
        return build(*converted)

    return convert_and_build if conversions else build
