"""Plain data as values of declared types: containers, classes and unions.

One rule: what a workflow sees of a stored value is part of the replay contract, so it is decided here and not by a library whose
next release may see it differently.  Data that does not fit is refused with the path to what is wrong.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, Union

import attrs

from refold.scalars import SCALARS, Misfit, Reader, anything, enum_reader, literal_reader, need, refuse
from refold.value import Value

_LISTS = (
    list,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_NONE = type(None)

_READERS: dict[Any, Reader] = dict(SCALARS)


def reader_of(type_: Any) -> Reader:
    """The function that reads plain data as ``type_``; it raises :class:`Misfit`.

    A type that no data can be read as gives a reader that says so: what is declared and never used does no harm.
    """
    try:
        reader = _READERS.get(type_)
    except TypeError:  # Annotated with something that has no hash
        return _make(type_)
    if reader is None:
        reader = _make(type_)
        if not _has_union(type_):
            _READERS[type_] = reader
    return reader


def _has_union(type_: Any) -> bool:
    """Whether the order of a union plays a part: `A | B` equals `B | A`, so neither may be found under the other's name."""
    return typing.get_origin(type_) in (Union, types.UnionType) or any(
        map(_has_union, typing.get_args(type_))
    )


def _make(type_: Any) -> Reader:
    origin = typing.get_origin(type_)
    args = typing.get_args(type_)
    base = origin or type_
    if type_ is Any or type_ is object or isinstance(type_, TypeVar):
        return anything
    if origin is typing.Annotated:
        return reader_of(args[0])
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return literal_reader(args)
    if isinstance(type_, typing.NewType):
        return reader_of(type_.__supertype__)
    if hasattr(type_, "__value__"):
        return _alias(type_)
    if base in _LISTS:
        return _list(args[0] if args else Any)
    if base in _DICTS:
        return _dict(*(args or (str, Any)))
    if base is tuple:
        return _tuple(args if origin else (Any, ...))
    reader = _class_reader(base, args) if isinstance(base, type) else None
    return reader or _nothing(type_)


def _class_reader(cls: Any, args: tuple[Any, ...]) -> Reader | None:
    if issubclass(cls, Enum):
        return enum_reader(cls)
    if tuple in cls.__mro__ and hasattr(cls, "_fields"):
        return _named_tuple(cls)
    if typing.is_typeddict(cls):
        return _Class(cls, args, _typed_dict_fields(cls))
    if attrs.has(cls):
        return _Class(cls, args, _attrs_fields(cls))
    if dataclasses.is_dataclass(cls):
        return _Class(cls, args, _dataclass_fields(cls))
    if is_pydantic(cls):
        return _pydantic_reader(cls)
    return None


def is_pydantic(cls: Any) -> bool:
    """Whether a class is a model of Pydantic 2, which is known by what it can do: the kernel does not import it."""
    return hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_validate_json")


def _pydantic_reader(cls: Any) -> Reader:
    """A model reads its own data, strictly: as elsewhere, nothing is converted that was not written like this."""

    def read(plain: Any) -> Any:
        try:
            return cls.model_validate_json(json.dumps(plain), strict=True)
        except ValueError as error:  # of which Pydantic's ValidationError is one
            raise Misfit(f"{cls.__qualname__} refuses it: {' '.join(str(error).split()):.200}") from error

    return read


def _alias(alias: Any) -> Reader:
    """What the `type` statement of Python 3.12 makes; it is looked into when it is used, because it may hold itself."""

    def read(plain: Any) -> Any:
        return reader_of(alias.__value__)(plain)

    return read


def _nothing(type_: Any) -> Reader:
    return lambda _: refuse(f"no data can be read as {name_of(type_)}")


def name_of(type_: Any) -> str:
    """A type as people write it."""
    if isinstance(type_, type) and not typing.get_args(type_):
        return type_.__qualname__
    return str(type_).replace("typing.", "")


# Containers -----------------------------------------------------------------------------------------------------------


def _list(item_type: Any) -> Reader:
    reader = reader_of(item_type)
    return lambda plain: _items(need(plain, list), reader)


def _items(plain: list[Any], reader: Reader) -> list[Any]:
    items: list[Any] = []
    try:
        for item in plain:
            items.append(reader(item))  # noqa: PERF401 - the number of items read says which one is wrong
    except Misfit as error:
        raise error.under(f"[{len(items)}]") from None
    return items


def _tuple(args: tuple[Any, ...]) -> Reader:
    if args and args[-1] is Ellipsis:
        reader = reader_of(args[0])
        return lambda plain: tuple(_items(need(plain, list), reader))
    readers = [reader_of(arg) for arg in args]
    return lambda plain: tuple(_fields_in_order(need(plain, list), readers, len(readers)))


def _named_tuple(cls: Any) -> Reader:
    hints = typing.get_type_hints(cls)
    readers = [reader_of(hints.get(name, Any)) for name in cls._fields]
    count_min = len(readers) - len(cls._field_defaults)
    return lambda plain: cls(*_fields_in_order(need(plain, list), readers, count_min))


def _fields_in_order(plain: list[Any], readers: list[Reader], count_min: int) -> list[Any]:
    if not count_min <= len(plain) <= len(readers):
        refuse(
            f"expected {count_min if count_min == len(readers) else f'{count_min} to {len(readers)}'} items, found {len(plain)}"
        )
    values: list[Any] = []
    try:
        for reader, item in zip(readers, plain, strict=False):
            values.append(reader(item))
    except Misfit as error:
        raise error.under(f"[{len(values)}]") from None
    return values


def _dict(key_type: Any, value_type: Any) -> Reader:
    key_reader, value_reader = reader_of(key_type), reader_of(value_type)

    def read(plain: Any) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in need(plain, dict).items():
            try:
                result[key_reader(key)] = value_reader(value)
            except Misfit as error:
                raise error.under(f".{key}") from None
        return result

    return read


# Unions ---------------------------------------------------------------------------------------------------------------


def _union(members: tuple[Any, ...]) -> Reader:
    """Reads as the one member that the data fits; where there are several, as the one that says most about it."""
    readers = [(member, reader_of(member)) for member in members]

    def read(plain: Any) -> Any:
        fits: list[tuple[int, Any, Any]] = []
        problems: list[tuple[Any, Misfit]] = []
        for member, reader in readers:
            try:
                fits.append((_precedence(member, reader, plain), member, reader(plain)))
            except Misfit as error:
                if member is not _NONE:
                    problems.append((member, error))
        if not fits:
            if len(problems) == 1:
                raise problems[0][1]
            said = "; ".join(f"{name_of(member)}: {error}" for member, error in problems)
            refuse(f"it fits no member of the union ({said})")
        best = max(rank for rank, _, _ in fits)
        (first, value), *others = [(member, value) for rank, member, value in fits if rank == best]
        for member, other in others:
            if type(other) is not type(value) or other != value:
                refuse(f"it may be {name_of(first)} or {name_of(member)}, which are stored alike")
        return value

    return read


def _precedence(member: Any, reader: Reader, plain: Any) -> int:
    """An enum says more than its values, a class more than a dict, more so if it knows more of the data; int more than float."""
    base = typing.get_origin(member) or member
    if base is Literal or (isinstance(base, type) and issubclass(base, Enum)):
        return 3
    if isinstance(reader, _Class):
        return 4 + reader.overlap(need(plain, dict))
    return 1 if base is float else 2


# Classes --------------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False, repr=False)
class _ClassField(Value):
    argument: str
    reader: Reader
    required: bool


class _Class:
    """Reads an object as an instance of a class; its fields are found when the first is read, so a class may hold itself.

    Names that the class does not know are passed over: a sender may be newer.
    """

    def __init__(self, cls: Any, args: tuple[Any, ...], names: dict[str, tuple[str, bool]]) -> None:
        self.cls = cls
        self.args = args
        #: Each name in the data, with the argument it is given as and whether it must be there.
        self.names = names
        self.fields: dict[str, _ClassField] | None = None

    def __call__(self, plain: Any) -> Any:
        fields = self.fields
        if fields is None:
            fields = self.fields = self._resolved()
        data = need(plain, dict)
        arguments: dict[str, Any] = {}
        for name, field in fields.items():
            if name in data:
                try:
                    arguments[field.argument] = field.reader(data[name])
                except Misfit as error:
                    raise error.under(f".{name}") from None
            elif field.required:
                refuse(f"the field {name!r} of {self.cls.__qualname__} is missing")
        try:
            return self.cls(**arguments)
        except Exception as error:  # validators and the like are the author's
            raise Misfit(f"{self.cls.__qualname__} refused the data: {error}") from error

    def _resolved(self) -> dict[str, _ClassField]:
        try:
            hints = typing.get_type_hints(self.cls)
            marked = typing.get_type_hints(self.cls, include_extras=True)
        except NameError as error:
            raise Misfit(f"the annotations of {self.cls.__qualname__} cannot be resolved: {error}") from error
        parameters = dict(zip(getattr(self.cls, "__parameters__", ()), self.args, strict=False))
        fields: dict[str, _ClassField] = {}
        for name, (argument, required) in self.names.items():
            reader = reader_of(_substituted(hints.get(name, Any), parameters))
            fields[name] = _ClassField(argument, reader, _is_required(marked.get(name), required))
        return fields

    def overlap(self, plain: dict[str, Any]) -> int:
        """How many names of the data the class knows."""
        return sum(name in plain for name in self.names)


def _substituted(hint: Any, parameters: Mapping[Any, Any]) -> Any:
    """The type of a field of a generic class, with the parameters that were given to the class."""
    if isinstance(hint, TypeVar):
        return parameters.get(hint, Any)
    free = getattr(hint, "__parameters__", ())
    if not free or isinstance(hint, type):
        return hint
    return hint[tuple(parameters.get(parameter, Any) for parameter in free)]


def _attrs_fields(cls: Any) -> dict[str, tuple[str, bool]]:
    return {
        field.name: (field.alias, field.default is attrs.NOTHING) for field in attrs.fields(cls) if field.init
    }


def _dataclass_fields(cls: Any) -> dict[str, tuple[str, bool]]:
    missing = dataclasses.MISSING
    return {
        field.name: (field.name, field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(cls)
        if field.init
    }


def _typed_dict_fields(cls: Any) -> dict[str, tuple[str, bool]]:
    return {name: (name, name in cls.__required_keys__) for name in cls.__annotations__}


def _is_required(hint: Any, required: bool) -> bool:
    """What ``Required`` and ``NotRequired`` say; the class itself does not see them where annotations are text."""
    origin = typing.get_origin(hint)
    if origin is typing.NotRequired:
        return False
    return required or origin is typing.Required
