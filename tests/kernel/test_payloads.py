"""Values as plain data and back: every type that can be stored, every value that cannot, and what is said of a misfit."""

from __future__ import annotations

import decimal
import enum
import json
from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import attrs
import pytest

from refold import Execution, PayloadError, Signal, Workflow, activity, workflow
from refold.codec import decode_events, encode_events
from refold.events import HistoryEvent
from refold.messages import CompleteActivity, SignalWorkflow, StartWorkflow
from refold.payloads import INTEGER_DIGITS_MAX, NESTING_MAX, PAYLOAD_BYTES_MAX, decode, decoder, encode

T = TypeVar("T")
K = TypeVar("K")


class Colour(enum.Enum):
    RED = "r"
    PAIR = (1, ("a", 2))
    NONE = None


class Level(enum.IntEnum):
    LOW = 1


class Size(enum.StrEnum):
    S = "s"


class Status(str, enum.Enum):
    OPEN = "open"

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        return cls.OPEN if value == "opened" else None


class Flags(enum.Flag):
    A = 1
    B = 2


@attrs.frozen
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Item:
    sku: str
    count: int = 1
    _note: str | None = None
    price: Decimal = Decimal(0)
    label: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "label", f"{self.count} {self.sku}")


@attrs.define
class Order:
    items: list[Item]
    pair: tuple[int, str]
    path: tuple[str, ...] = ()
    nested: dict[str, list[Point]] = attrs.Factory(dict)
    when: datetime | None = None
    either: int | str = 0
    status: Status = Status.OPEN
    anything: Any = None
    point: Point | Item | None = None


@attrs.define
class Node:
    name: str
    children: list[Node] = attrs.Factory(list)
    parent: Optional[Node] = None  # noqa: UP045 - both spellings are read


@attrs.frozen
class Positive:
    number: int = attrs.field(validator=attrs.validators.gt(0))


@dataclass
class Address:
    street: str
    lines: list[str] = field(default_factory=list)
    hash_: int = field(default=0, init=False)


@dataclass
class Person(Address):
    name: str = ""
    address: Address | None = None


@attrs.frozen
class Box(Generic[T]):
    content: T
    more: list[T] = attrs.Factory(list)


@attrs.frozen
class Two(Generic[K, T]):
    left: Box[K]
    right: dict[str, T]


@attrs.frozen
class Unresolved:
    value: NoSuchType  # type: ignore[name-defined]  # noqa: F821


class Place(NamedTuple):
    at: datetime
    name: str = "here"


class Options(TypedDict):
    retries: int
    timeout: NotRequired[timedelta]


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Ratio(float):
    pass


class Plain:
    pass


UserId = NewType("UserId", int)
NOON = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
ELSEWHERE = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))

#: A value, the type it is declared as, and its plain form.
ZOO: list[tuple[Any, Any, Any]] = [
    (None, None, None),
    (None, type(None), None),
    (True, bool, True),
    (0, int, 0),
    (-(2**63), int, -(2**63)),
    (2**63, int, 2**63),
    (10**INTEGER_DIGITS_MAX - 1, int, 10**INTEGER_DIGITS_MAX - 1),
    (1 - 10**INTEGER_DIGITS_MAX, int, 1 - 10**INTEGER_DIGITS_MAX),
    (0.0, float, 0.0),
    (1.7976931348623157e308, float, 1.7976931348623157e308),
    (5e-324, float, 5e-324),
    ("", str, ""),
    ("Zoë \U0001f44b \x00", str, "Zoë \U0001f44b \x00"),
    ("x" * 1025, str, "x" * 1025),
    ([], list[int], []),
    ([1, [2]], list[Any], [1, [2]]),
    ([1], list, [1]),
    ((1, 2), tuple[int, ...], [1, 2]),
    ((1, "a"), tuple[int, str], [1, "a"]),
    ((), tuple[()], []),
    ((1, None), tuple, [1, None]),
    ({}, dict[str, int], {}),
    ({"a": {"b": 1}}, dict[str, dict[str, int]], {"a": {"b": 1}}),
    ({"a": 1}, dict, {"a": 1}),
    ({Size.S: 1, Status.OPEN: 2}, dict[Size | Status, int], {"s": 1, "open": 2}),
    ([1], Sequence[int], [1]),
    ([1], MutableSequence[int], [1]),
    ([1], Collection[int], [1]),
    ([1], Iterable[int], [1]),
    ({"a": 1}, Mapping[str, int], {"a": 1}),
    ({"a": 1}, MutableMapping[str, int], {"a": 1}),
    (NOON, datetime, "2024-02-29T12:00:00.000001+00:00"),
    (ELSEWHERE, datetime, "2024-02-29T12:00:00+05:45"),
    (date(2024, 2, 29), date, "2024-02-29"),
    (time(1, 2, 3, 4), time, "01:02:03.000004"),
    (time(1, tzinfo=UTC), time, "01:00:00+00:00"),
    (timedelta(days=-1, microseconds=1), timedelta, -86_399_999_999),
    (timedelta.max, timedelta, 86_399_999_999_999_999_999),
    (timedelta.min, timedelta, -86_399_999_913_600_000_000),
    (Decimal("1.50"), Decimal, "1.50"),
    (Decimal("-0"), Decimal, "-0"),
    (Decimal("1E+500"), Decimal, "1E+500"),
    (UUID(int=5), UUID, "00000000-0000-0000-0000-000000000005"),
    (b"", bytes, ""),
    (b"\x00\xff", bytes, "AP8="),
    (Colour.RED, Colour, "r"),
    (Colour.PAIR, Colour, [1, ["a", 2]]),
    (Colour.NONE, Colour, None),
    (Level.LOW, Level, 1),
    (Size.S, Size, "s"),
    (Status.OPEN, Status, "open"),
    (Flags.A | Flags.B, Flags, 3),
    (Point(1, 2), Point, {"x": 1, "y": 2}),
    (
        Item("a", 2, "n", Decimal("1.5")),
        Item,
        {"sku": "a", "count": 2, "_note": "n", "price": "1.5"},
    ),
    (
        Order([Item("a")], (1, "b"), ("p", "q"), {"k": [Point(1)]}, NOON, "s", Status.OPEN, [None], Point(3)),
        Order,
        {
            "items": [{"sku": "a", "count": 1, "_note": None, "price": "0"}],
            "pair": [1, "b"],
            "path": ["p", "q"],
            "nested": {"k": [{"x": 1, "y": 0}]},
            "when": "2024-02-29T12:00:00.000001+00:00",
            "either": "s",
            "status": "open",
            "anything": [None],
            "point": {"x": 3, "y": 0},
        },
    ),
    (
        Node("a", [Node("b", [], Node("c"))]),
        Node,
        {
            "name": "a",
            "children": [
                {"name": "b", "children": [], "parent": {"name": "c", "children": [], "parent": None}}
            ],
            "parent": None,
        },
    ),
    (
        Person("s", ["l"], "n", Address("t")),
        Person,
        {"street": "s", "lines": ["l"], "name": "n", "address": {"street": "t", "lines": []}},
    ),
    (Box(NOON, [NOON]), Box[datetime], {"content": NOON.isoformat(), "more": [NOON.isoformat()]}),
    (Box([1]), Box, {"content": [1], "more": []}),
    (
        Two(Box(b"x"), {"d": date(2024, 1, 1)}),
        Two[bytes, date],
        {"left": {"content": "eA==", "more": []}, "right": {"d": "2024-01-01"}},
    ),
    (Place(NOON), Place, [NOON.isoformat(), "here"]),
    ({"retries": 1}, Options, {"retries": 1}),
    ({"retries": 1, "timeout": timedelta(1)}, Options, {"retries": 1, "timeout": 86_400_000_000}),
    (UserId(4), UserId, 4),
    ("a", Literal["a", 1], "a"),
    (Size.S, Literal[Size.S], "s"),
    (4, Annotated[int, "positive"], 4),
    (4, Annotated[int, ["has no hash"]], 4),
    ([4], list[Annotated[int, ["has no hash"]]], [4]),
    (None, int | None, None),
    (1, int | None, 1),
    (1, Union[str, int], 1),  # noqa: UP007 - both spellings are read
    (1, float | int, 1),
    (True, int | bool, True),
    (NOON, datetime | date, NOON.isoformat()),
    (date(2024, 1, 1), datetime | date, "2024-01-01"),
    (Size.S, str | Size, "s"),
    ("other", str | Size, "other"),
    ([], list[int] | list[str], []),
    (Point(1), Point | dict[str, int], {"x": 1, "y": 0}),
    ({"z": 1}, Point | dict[str, int], {"z": 1}),
    (Box(1), Box[int] | Box[str], {"content": 1, "more": []}),
    ([1, "a", None], list[int | str | None], [1, "a", None]),
    ({"a": [1, 2.5, None]}, Any, {"a": [1, 2.5, None]}),
    ([1], object, [1]),
    ([1], T, [1]),
]
NAMES = [f"{number}-{type(value).__name__}" for number, (value, _, _) in enumerate(ZOO)]


@pytest.mark.parametrize(("value", "type_", "plain"), ZOO, ids=NAMES)
def test_a_value_has_one_plain_form_and_comes_back_from_it(
    value: object, type_: object, plain: object
) -> None:
    stored = encode(value)
    again = decode(json.loads(json.dumps(stored)), type_)

    assert (json.dumps(plain), plain) == (json.dumps(stored), stored)
    assert (type(value), value, repr(value)) == (type(again), again, repr(again))


@pytest.mark.parametrize("text", ["NaN", "sNaN123", "-Infinity", "Infinity"])
def test_a_decimal_that_is_no_number_is_kept_as_it_is(text: str) -> None:
    value = Decimal(text)

    assert text == encode(value)
    assert repr(value) == repr(decode(text, Decimal))


def test_an_author_s_decimal_context_does_not_change_what_is_read() -> None:
    with decimal.localcontext(prec=2) as context:
        context.traps[decimal.InvalidOperation] = False

        assert Decimal("1.2345") == decode("1.2345", Decimal)
        with pytest.raises(PayloadError, match="'one' is not a decimal number"):
            decode("one", Decimal)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Text("a"), "a"),
        (Text("ä"), "ä"),
        (Number(2), 2),
        (Ratio(0.5), 0.5),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        ((1, (2,)), [1, [2]]),
        ({Text("k"): Text("v")}, {"k": "v"}),
        ([Point(1), NOON], [{"x": 1, "y": 0}, NOON.isoformat()]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_derives_from_a_plain_type_is_stored_as_that(value: object, plain: object) -> None:
    stored = encode(value)

    def kinds(plain: Any) -> Any:
        if isinstance(plain, list):
            return [kinds(item) for item in plain]
        return (
            {kinds(k): kinds(v) for k, v in plain.items()}
            if isinstance(plain, dict)
            else (type(plain), plain)
        )

    assert kinds(plain) == kinds(stored)


def test_a_field_is_stored_by_what_it_holds_not_by_what_it_is_declared_as() -> None:
    assert {"content": {"x": 1, "y": 0}, "more": []} == encode(Box[object](Point(1)))


# --- what cannot be stored -----------------------------------------------------------------------------------------------


def nested(depth: int, kind: type[Any] = list) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if kind is dict else kind([value])
    return value


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


REFUSED: dict[str, tuple[Any, str]] = {
    "NaN": (float("nan"), "the float nan is not a number that JSON has"),
    "infinity": (float("inf"), "the float inf is not a number that JSON has"),
    "negative infinity inside": (
        [0.5, float("-inf")],
        "the float -inf is not a number that JSON has (at $[1])",
    ),
    "half a surrogate pair": ("a\ud800", "the text 'a\\ud800' holds a lone surrogate"),
    "half a surrogate pair in a long text": ("x" * 2000 + "\udfff", "holds a lone surrogate"),
    "half a surrogate pair in a key": ({"k": {"\ud800": 1}}, "holds a lone surrogate (at $.k)"),
    "an integer as a key": ({1: 2}, "the key 1 is int, not text (JSON would merge 1 and '1')"),
    "None as a key": ({"a": {None: 2}}, "the key None is NoneType, not text"),
    "a tuple as a key": ({(1, 2): 2}, "the key (1, 2) is tuple, not text"),
    "an enum of numbers as a key": ({Level.LOW: 2}, "the key <Level.LOW: 1> is Level, not text"),
    "two keys that are stored alike": ({Colour.RED: 1, "r": 2}, "two keys are stored as 'r'"),
    "a set": ({1, 2}, "set is not a type that can be stored"),
    "a frozenset": (frozenset(), "frozenset is not a type that can be stored"),
    "an integer of 4,301 digits": (10**4300, "an integer of more than 4300 digits"),
    "a negative integer of 4,301 digits": ([-(10**4300)], "an integer of more than 4300 digits (at $[0])"),
    "nesting to 65 levels": (nested(65), "it is nested deeper than 64 levels (at $[0]"),
    "nesting to 65 levels in objects": (nested(65, dict), "it is nested deeper than 64 levels (at $.a.a"),
    "nesting to 65 levels in tuples": (nested(65, tuple), "it is nested deeper than 64 levels (at $[0]"),
    "a list that holds itself": (endless(), "it is nested deeper than 64 levels"),
    "an object of some class": ([{"a": Plain()}], "Plain is not a type that can be stored (at $[0].a)"),
    "a class": (Point, "type is not a type that can be stored"),
    "a function": (nested, "function is not a type that can be stored"),
    "a generator": ((i for i in ()), "generator is not a type that can be stored"),
    "an iterator": (iter([]), "list_iterator is not a type that can be stored"),
    "a range": (range(3), "range is not a type that can be stored"),
    "a deque": (deque([1]), "deque is not a type that can be stored"),
    "a bytearray": (bytearray(b"x"), "bytearray is not a type that can be stored"),
    "an exception": (ValueError("x"), "ValueError is not a type that can be stored"),
    "a naive datetime": (datetime(2024, 1, 1), "the datetime 2024-01-01T00:00:00 has no time zone"),  # noqa: DTZ001
    "a field of a field": (
        Order([Item("a", count=float("nan"))], (1, "b")),  # type: ignore[arg-type]
        "the float nan is not a number that JSON has (at $.items[0].count)",
    ),
}


@pytest.mark.parametrize(("value", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused_where_it_is_made(value: object, said: str) -> None:
    with pytest.raises(PayloadError) as caught:
        encode(value)

    assert "RF1301" == caught.value.code
    assert said in caught.value.what


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_nesting_to_64_levels_is_stored(kind: type[Any]) -> None:
    assert json.dumps(nested(NESTING_MAX, list if kind is tuple else kind)) == json.dumps(
        encode(nested(NESTING_MAX, kind))
    )


@pytest.mark.parametrize(
    ("make", "overhead"),
    [
        (lambda size: "x" * size, 2),
        (lambda size: ["x" * (size - 4)], 0),
        (lambda size: {"k": "x" * (size - 8)}, 0),
        (lambda size: "\U0001f44b" * (size // 4) + "x" * (size % 4), 2),
        (lambda size: "\n" * (size // 2) + "x" * (size % 2), 2),
    ],
    ids=["text", "list", "object", "four bytes a character", "escapes"],
)
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_limit_of_a_payload_holds_to_the_byte(make: Any, overhead: int, over: int) -> None:
    value = make(PAYLOAD_BYTES_MAX - overhead + over)

    if over <= 0:
        assert value == encode(value)
        return
    with pytest.raises(PayloadError) as caught:
        encode(value)
    assert "RF1303" == caught.value.code
    assert "takes 2,097,153 bytes; the limit is 2,097,152" in caught.value.what


# --- what does not fit ---------------------------------------------------------------------------------------------------

MISFITS: list[tuple[Any, Any, str]] = [
    (1, None, "expected null, found an integer"),
    (True, int, "expected an integer, found true or false"),
    (1.0, int, "expected an integer, found a number with a fraction"),
    ("1", int, "expected an integer, found text"),
    (1, bool, "expected true or false, found an integer"),
    (1, str, "expected text, found an integer"),
    (None, str, "expected text, found null"),
    ("1", float, "expected a number with a fraction, found text"),
    (True, float, "expected a number with a fraction, found true or false"),
    (10**400, float, "the integer is too large for a float"),
    ("abc", list[str], "expected a list, found text"),
    ({"a": 1}, list[str], "expected a list, found an object"),
    ("abc", list, "expected a list, found text"),
    ("abc", Sequence[str], "expected a list, found text"),
    ("abc", tuple[str, ...], "expected a list, found text"),
    ("abc", tuple[str, str, str], "expected a list, found text"),
    ([1], tuple[int, int], "expected 2 items, found 1"),
    ([1, 2, 3], tuple[int, int], "expected 2 items, found 3"),
    ([1], tuple[()], "expected 0 items, found 1"),
    ([1, "b"], tuple[int, int], "expected an integer, found text (at $[1])"),
    ([1, "b"], tuple[int, ...], "expected an integer, found text (at $[1])"),
    ([["a", 1]], dict[str, int], "expected an object, found a list"),
    ({"a": {"b": None}}, dict[str, dict[str, int]], "expected an integer, found null (at $.a.b)"),
    ({"q": 1}, dict[Colour, int], "'q' is no Colour (at $.q)"),
    ([[1], ["b"]], list[list[int]], "expected an integer, found text (at $[1][0])"),
    ("2024-02-29T12:00:00", datetime, "'2024-02-29T12:00:00' is not a date and time with a time zone"),
    ("2023-02-29", date, "'2023-02-29' is not a date"),
    (5, date, "expected text, found an integer"),
    ("25:00", time, "'25:00' is not a time of day"),
    (1.5, timedelta, "expected an integer, found a number with a fraction"),
    (10**30, timedelta, "the duration is longer than a timedelta can be"),
    (1.5, Decimal, "expected text, found a number with a fraction"),
    ("1,5", Decimal, "'1,5' is not a decimal number"),
    ("x" * 100, UUID, f"'{'x' * 59} is not a UUID"),
    ("A", bytes, "'A' is not base64"),
    ("AP8=\n", bytes, "is not base64"),
    ("ÿÿÿÿ", bytes, "is not base64"),
    ("g", Colour, "'g' is no Colour"),
    (["r"], Colour, "['r'] is no Colour"),
    (True, Level, "True is no Level"),
    (1.0, Level, "1.0 is no Level"),
    (4, Flags, "4 is no Flags"),
    (True, Literal[1], "True is none of 1"),
    ("c", Literal["a", Size.S], "'c' is none of 'a', 's'"),
    ([], Point, "expected an object, found a list"),
    ("abc", Point, "expected an object, found text"),
    ({}, Point, "the field 'x' of Point is missing"),
    (
        {"items": [{"sku": "a"}, {"sku": 5}], "pair": [1, "b"]},
        Order,
        "expected text, found an integer (at $.items[1].sku)",
    ),
    (
        {"items": [], "pair": [1, "b"], "nested": {"k": [{}]}},
        Order,
        "the field 'x' of Point is missing (at $.nested.k[0])",
    ),
    (
        {"name": "a", "children": [{"name": "b", "parent": {}}]},
        Node,
        "the field 'name' of Node is missing (at $.children[0].parent)",
    ),
    ({"street": "s", "lines": "l"}, Address, "expected a list, found text (at $.lines)"),
    ({"content": 1}, Box[str], "expected text, found an integer (at $.content)"),
    ({"number": 0}, Positive, "Positive refused the data: 'number' must be > 0: 0"),
    (
        {"value": 1},
        Unresolved,
        "the annotations of Unresolved cannot be resolved: name 'NoSuchType' is not defined",
    ),
    ([], Place, "expected 1 to 2 items, found 0"),
    ([NOON.isoformat(), 1], Place, "expected text, found an integer (at $[1])"),
    ({}, Options, "the field 'retries' of Options is missing"),
    ({"retries": "1"}, Options, "expected an integer, found text (at $.retries)"),
    (1.5, int | str, "it fits no member of the union (int: expected an integer, found a number"),
    (
        [{"x": "1"}],
        list[Point | None],
        "list[tests.kernel.test_payloads.Point | None]: expected an integer, found text (at $[0].x)",
    ),
    ("2024-01-01", str | date, "it may be str or date, which are stored alike"),
    (5, timedelta | int, "it may be timedelta or int, which are stored alike"),
    ([1], set[int], "no data can be read as set[int]"),
    (1, complex, "no data can be read as complex"),
    (1, Plain, "no data can be read as Plain"),
    (1, "Point", "no data can be read as Point"),
    ([1], list[Plain], "no data can be read as Plain (at $[0])"),
]


@pytest.mark.parametrize(
    ("plain", "type_", "said"), MISFITS, ids=[str(number) for number in range(len(MISFITS))]
)
def test_data_that_does_not_fit_is_refused_with_the_path(plain: object, type_: object, said: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode(plain, type_)

    assert "RF1302" == caught.value.code
    assert said in caught.value.what


def test_the_error_of_a_misfit_shows_the_type_and_the_beginning_of_the_data() -> None:
    with pytest.raises(PayloadError) as caught:
        decode([{"x": "ä" * 50}], tuple[Point, ...])

    assert (
        "stored data does not fit tuple[tests.kernel.test_payloads.Point, ...]: expected an integer"
        in caught.value.what
    )
    assert 'the data is [{"x": "\\u00e4' in caught.value.why
    assert caught.value.why.endswith("...")


def test_an_error_of_a_validator_is_the_cause() -> None:
    with pytest.raises(PayloadError) as caught:
        decode({"number": 0}, Positive)

    assert isinstance(caught.value.__cause__, ValueError)


def test_names_that_a_class_does_not_know_are_passed_over() -> None:
    assert Point(1) == decode({"x": 1, "z": 2}, Point)
    assert {"retries": 1} == decode({"retries": 1, "z": 2}, Options)


def test_of_two_classes_the_one_that_knows_more_of_the_data_is_meant() -> None:
    @attrs.frozen
    class Point3:
        x: int
        y: int = 0
        z: int = 0

    for union in (Point | Point3, Point3 | Point):
        assert Point3(1, 0, 2) == decode({"x": 1, "y": 0, "z": 2}, union)
        with pytest.raises(PayloadError, match="which are stored alike"):
            decode({"x": 1}, union)


def test_an_enum_may_know_an_old_value() -> None:
    assert Status.OPEN is decode("opened", Status)


def test_an_alias_is_looked_into_when_it_is_used() -> None:
    class Tree:
        """What ``type Tree = list[Tree]`` makes, on a Python that has it."""

    tree: Any = Tree()
    tree.__value__ = list[tree]

    assert [[], [[]]] == decode([[], [[]]], tree)
    with pytest.raises(PayloadError, match=r"expected a list, found an integer \(at \$\[1\]\[0\]\)"):
        decode([[], [5]], tree)


def test_plain_data_needs_no_decoder() -> None:
    assert decoder(Any) is None
    assert decoder(object) is None


def test_a_decoder_decodes() -> None:
    decode_point = decoder(Point)

    assert decode_point is not None
    assert Point(1) == decode_point({"x": 1})


# --- the first run and the replay ---------------------------------------------------------------------------------------

seen: list[Any] = []
carried: Any = None


def replayed(value: Any, type_: Any) -> None:
    """Pass a value in as argument, signal and result of an activity, and look at it on the first run and on replay."""

    def step(item: Any) -> Any: ...

    step.__annotations__ = {"item": type_, "return": type_}
    activity_of_type = activity(step)
    signal: Any = Signal("signal", type_)

    def zoo(item: Any) -> Workflow[Any]:
        seen.append(item)
        result = yield from activity_of_type(item)
        seen.append(result)
        seen.append((yield from signal.receive()))
        return result

    zoo.__annotations__ = {"item": type_, "return": Workflow[Any]}
    definition = workflow(zoo)
    seen.clear()
    history: list[HistoryEvent] = []
    with Execution.load(definition, []) as first:
        plain = definition.encode_input(value)
        start = StartWorkflow(workflow_id="w", run_id="r", workflow_type="zoo", input=plain)
        history += first.turn(start, at=1).events
        history += first.turn(CompleteActivity(seq=1, result=encode(value)), at=2).events
        history += first.turn(SignalWorkflow(signal_name="signal", input=signal.encode(value)), at=3).events
    assert first.state.status.name == "COMPLETED"
    first_run = list(seen)
    seen.clear()
    with Execution.load(definition, decode_events(encode_events(history))):
        pass

    assert [(type(value), repr(value))] * 3 == [(type(item), repr(item)) for item in first_run]
    assert [(type(value), repr(value))] * 3 == [(type(item), repr(item)) for item in seen]


DECLARED = [case for case in ZOO if case[1] not in (None, T, Iterable[int])]


@pytest.mark.parametrize(
    ("value", "type_"), [case[:2] for case in DECLARED], ids=[type(case[0]).__name__ for case in DECLARED]
)
def test_hazard_48_a_workflow_sees_the_same_value_on_the_first_run_and_on_replay(
    value: object, type_: object
) -> None:
    replayed(value, type_)


def test_without_a_type_a_tuple_is_a_list_both_times() -> None:
    with pytest.raises(AssertionError, match="list"):
        replayed((1, 2), Any)
