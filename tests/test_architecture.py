"""The laws that can be read off the source: what the kernel may touch, who may import whom, how large things get.

Each rule is a function in ``source_rules``.  Here it is held against the real packages, and against small samples that it must
refuse or accept: a check that cannot fail would be worse than none.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import refold
from tests import source_rules as rules

ROOT = Path(__file__).parent.parent
KERNEL = rules.modules_under(ROOT / "kernel" / "refold")
ADAPTERS = rules.modules_under(ROOT / "adapters" / "refold_adapters")
EXAMPLES = rules.modules_under(ROOT / "examples")

#: The kernel reads no clock, randomness, environment, file, socket, thread, event loop or log: it cannot import them.
KERNEL_MAY_IMPORT = (
    *(
        "__future__",
        "base64",
        "collections",
        "collections.abc",
        "contextlib",
        "contextvars",
        "dataclasses",
        "datetime",
    ),
    *(
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "inspect",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "types",
    ),
    *("typing", "uuid", "attr", "attrs", "refold"),
    *("sys", "weakref"),  # for one module and one attribute each, see below
)

#: Where a module may use a little of something that the rest of the kernel must not touch.
KERNEL_MAY_USE = {
    "sys": {"refold.source": ("_getframe",)},  # the line that yielded: a hint for people, never compared
    "weakref": {
        "refold.unyielded": ("ref",)
    },  # an effect that was made and dropped is not to be kept alive by the watch
}

#: A clock, a source of randomness or a global order of the process by another door.
KERNEL_MUST_NOT_NAME = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid.uuid8", "uuid.getnode"),
)
KERNEL_MUST_NOT_CALL = ("id", "hash", "open", "print", "input", "breakpoint")

#: Ways to run or load what is not source code of ours.
NOBODY_MAY_IMPORT = ("pickle", "marshal", "shelve", "dill", "cloudpickle")
NOBODY_MAY_CALL = ("eval", "exec", "__import__")

#: The order of the kernel: a module may import those before it.  A row is one idea; so is the step to the next row.
LAYERS = (
    *("errors", "ids", "flags", "value", "source"),
    *("scalars", "typed", "payloads", "failures", "prng", "policies", "search_attributes", "child_options"),
    *(
        "events.base",
        "events.inbox",
        "events.lifetime",
        "events.others",
        "events.steps",
        "events",
        "messages",
        "shapes",
        "codec",
    ),
    *("state", "evolve", "carry", "decide", "divergence"),
    *(
        "unyielded",
        "effects",
        "waits",
        "inbound",
        "declare",
        "others",
        "author",
        "methods",
        "class_form",
        "saga",
    ),
    *(
        "tape",
        "branches",
        "outcomes",
        "children",
        "bugs",
        "handlers",
        "combine",
        "scheduler",
        "mail",
        "updates",
    ),
    *("own_run", "performers", "closing", "interpreter", "leaving"),
    *("waiting", "replaying", "execution"),
)

#: Modules of the kernel that adapters may name beside ``refold`` itself: vocabularies too long for one namespace.
PUBLIC_SUBMODULES = (
    *("carry", "child_options", "codec", "events", "failures", "ids", "messages", "payloads", "policies"),
    *("search_attributes", "value"),
)

#: The order of the runtime: folders and modules, each row of which may import its own and those before it.
ROWS = (
    ("clocks", "random_ids", "runtime_errors", "store_errors", "subscribers"),
    ("ports",),
    ("memory", "contract", "sql"),
    ("hosting",),
    ("sqlite", "postgres", "stores"),
    ("built_in", "fast_codec", "registry"),
    ("activities",),
    ("turns",),
    ("operating",),
    ("waiting",),
    ("worker",),
    ("client",),
    ("engine", "simulation", "linting"),
    ("cli",),
    ("testing",),
)

LINES_MAX = 450
FUNCTION_LINES_MAX = 70


def public_names(name: str) -> tuple[str, ...]:
    module = importlib.import_module(name)
    return tuple(getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]))


def public_submodules() -> dict[str, tuple[str, ...]]:
    known = {module.name for module in KERNEL}
    return {
        name: public_names(name) for name in (f"refold.{part}" for part in PUBLIC_SUBMODULES) if name in known
    }


def of(*groups: list[rules.Module]) -> pytest.MarkDecorator:
    modules = [module for group in groups for module in group]
    return pytest.mark.parametrize("module", modules, ids=lambda module: module.name)


def test_the_packages_were_found() -> None:
    assert {"refold", "refold.errors", "refold.events.base"} <= {module.name for module in KERNEL}
    assert "refold_adapters" in {module.name for module in ADAPTERS}
    assert "examples.hello" in {module.name for module in EXAMPLES}


# --- law 1: the kernel is pure -------------------------------------------------------------------------------------------


@of(KERNEL)
def test_the_kernel_imports_only_what_is_listed(module: rules.Module) -> None:
    assert [] == rules.imports_outside(module, KERNEL_MAY_IMPORT)


@of(KERNEL)
def test_the_kernel_uses_no_more_of_the_interpreter_than_is_listed(module: rules.Module) -> None:
    assert [] == [
        problem
        for name, allowed in KERNEL_MAY_USE.items()
        for problem in rules.uses_beyond(module, name, allowed)
    ]


@of(KERNEL)
def test_the_kernel_names_no_clock_and_no_identity(module: rules.Module) -> None:
    assert [] == rules.forbidden_names(module, KERNEL_MUST_NOT_CALL, KERNEL_MUST_NOT_NAME)


@of(KERNEL)
def test_the_kernel_iterates_no_set(module: rules.Module) -> None:
    assert [] == rules.iterated_sets(module)


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "from os import path",
        "import collections, asyncio",
        "from json.decoder import JSONDecoder\nimport random",
        "def f():\n    import logging",
        "from . import clocks",
        "import refold_adapters",
    ],
)
def test_an_import_that_is_not_listed_is_found(text: str) -> None:
    assert 1 == len(rules.imports_outside(rules.parse(text), KERNEL_MAY_IMPORT))


def test_listed_imports_pass() -> None:
    text = "from collections.abc import Mapping\nimport attrs\nfrom attrs.filters import include\nimport refold.ids"

    assert [] == rules.imports_outside(rules.parse(text), KERNEL_MAY_IMPORT)


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("refold.source", "import sys\nsys._getframe(1)", 0),
        ("refold.source", "from sys import _getframe", 0),
        ("refold.source", "import sys as s\ns.exit()", 1),
        ("refold.source", "from sys import argv", 1),
        ("refold.ids", "import sys", 1),
        ("refold.ids", "from sys import _getframe", 1),
    ],
)
def test_sys_is_for_one_module_and_one_attribute(name: str, text: str, count: int) -> None:
    assert count == len(rules.uses_beyond(rules.parse(text, name), "sys", KERNEL_MAY_USE["sys"]))


@pytest.mark.parametrize(
    "text",
    [
        "import datetime as dt\ndt.datetime.now()",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import date as d\nd.today()",
        "from datetime import datetime\nfield(factory=datetime.now)",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid7()",
        "key = id(object())",
        "sorted([], key=hash)",
        "class A:\n    def f(self, other):\n        return id(other)",
        "def f(x):\n    with open(x) as file:\n        print(file)",
    ],
)
def test_clocks_and_identities_are_found(text: str) -> None:
    assert [] != rules.forbidden_names(rules.parse(text), KERNEL_MUST_NOT_CALL, KERNEL_MUST_NOT_NAME)


@pytest.mark.parametrize(
    "text",
    [
        "from uuid import UUID, uuid5",
        "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
        "def uuid4():\n    return uuid4_for(1)",
        "def f(id):\n    return [id]",
        "class A:\n    id: int\n    def f(self):\n        return self.id",
        "def f(x):\n    return x.open(), x.hash",
    ],
)
def test_names_that_only_look_like_clocks_and_identities_pass(text: str) -> None:
    assert [] == rules.forbidden_names(rules.parse(text), KERNEL_MUST_NOT_CALL, KERNEL_MUST_NOT_NAME)


@pytest.mark.parametrize(
    "text",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "[x for x in frozenset(y)]",
        "[x for x in {a for a in y}]",
        "names = {1}\nfor x in names: pass",
        "names: set[int] = f()\nlist(names)",
        "def f(names: frozenset[str] | None):\n    return tuple(names)",
        "class A:\n    names: Final[set[int]]\n    def f(self):\n        yield from self.names",
        "def f(names: 'set[int]'):\n    return ','.join(names)",
        "list(a.keys() - b.keys())",
        "for x in set(a) | b: pass",
        "for x in a.union(b): pass",
        "f(*{1, 2})",
        "first, second = {1, 2}",
        "next(iter({1, 2}))",
        "waiting = set()\nwaiting.pop()",
    ],
)
def test_the_order_of_a_set_is_found_where_it_shows(text: str) -> None:
    assert [] != rules.iterated_sets(rules.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "for x in {1: 2}: pass",
        "for x in sorted({1, 2}): pass",
        "names = {1}\n2 in names and len(names)",
        "for x in a.keys(): pass",
        "total = a - b\nfor x in total: pass",
        "names: dict[str, set[int]] = {}\nfor x in names: pass",
        "waiting = []\nwaiting.pop()",
    ],
)
def test_sets_whose_order_does_not_show_pass(text: str) -> None:
    assert [] == rules.iterated_sets(rules.parse(text))


# --- who may import whom ---------------------------------------------------------------------------------------------------


@of(KERNEL)
def test_the_kernel_does_not_know_the_adapters(module: rules.Module) -> None:
    assert [] == [
        module.at(i.node, i.module) for i in rules.imports_of(module) if i.root == "refold_adapters"
    ]


@of(KERNEL)
def test_a_kernel_module_imports_only_what_stands_before_it(module: rules.Module) -> None:
    assert [] == rules.against_layers(module, LAYERS, "refold", {module.name for module in KERNEL})


def test_each_layer_exists() -> None:
    assert [] == [layer for layer in LAYERS if f"refold.{layer}" not in {module.name for module in KERNEL}]


@of(ADAPTERS)
def test_a_module_of_the_runtime_imports_only_its_own_row_and_those_before_it(module: rules.Module) -> None:
    assert [] == rules.against_rows(module, ROWS, "refold_adapters")


def test_all_that_stands_in_a_row_exists() -> None:
    there = {part for module in ADAPTERS for part in module.name.split(".")[1:2]}

    assert there == {name for row in ROWS for name in row}


@of(ADAPTERS, EXAMPLES)
def test_others_use_only_public_names_of_the_kernel(module: rules.Module) -> None:
    assert [] == rules.private_imports(module, "refold", refold.__all__, public_submodules())


@of(EXAMPLES)
def test_examples_use_only_public_names_of_the_runtime(module: rules.Module) -> None:
    submodules = {"refold_adapters.testing": public_names("refold_adapters.testing")}

    assert [] == rules.private_imports(module, "refold_adapters", public_names("refold_adapters"), submodules)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from p.low import x", 0),
        ("from p import low", 0),
        ("import attrs", 0),
        ("if TYPE_CHECKING:\n    from p.high import x", 0),
        ("from p.high import x", 1),
        ("from p import high", 1),
        ("import p.high", 1),
        ("from p.middle import x", 1),
        ("from p import name_from_the_face", 1),
        ("def f():\n    from p.high import x", 1),
    ],
)
def test_an_import_against_the_layers_is_found(text: str, count: int) -> None:
    known = {"p", "p.low", "p.middle", "p.high"}

    assert count == len(
        rules.against_layers(rules.parse(text, "p.middle"), ("low", "middle", "high"), "p", known)
    )


def test_a_module_without_a_layer_is_found() -> None:
    assert 1 == len(rules.against_layers(rules.parse("", "p.new"), ("low",), "p", {"p.new"}))


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("p.middle.a", "from p.low import x", 0),
        ("p.middle.a", "from p import low", 0),
        ("p.middle.a", "from p.middle.b import x", 0),
        ("p.middle.a", "from p.beside.b import x", 0),
        ("p.middle.a", "import attrs", 0),
        ("p.middle.a", "if TYPE_CHECKING:\n    from p.high.c import x", 0),
        ("p", "from p.high import x", 0),
        ("p.middle.a", "from p.high.c import x", 1),
        ("p.middle", "import p.high.c", 1),
        ("p.middle.a", "from p import high", 1),
        ("p.middle.a", "from p import name_from_the_face", 1),
        ("p.middle.a", "def f():\n    from p.high import x", 1),
        ("p.new", "", 1),
    ],
)
def test_an_import_from_a_later_row_is_found(name: str, text: str, count: int) -> None:
    rows = (("low",), ("middle", "beside"), ("high",))

    assert count == len(rules.against_rows(rules.parse(text, name), rows, "p"))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from p import Public", 0),
        ("import p\np.Public()", 0),
        ("from p import words", 0),
        ("from p.words import Word", 0),
        ("from q import anything", 0),
        ("from p import Private", 1),
        ("from p import inner", 1),
        ("from p.inner import Public", 1),
        ("import p.inner", 1),
        ("import p\np.inner.f()", 1),
        ("from p.words import hidden", 1),
    ],
)
def test_an_import_of_what_is_not_public_is_found(text: str, count: int) -> None:
    assert count == len(rules.private_imports(rules.parse(text), "p", ("Public",), {"p.words": ("Word",)}))


# --- for all our code --------------------------------------------------------------------------------------------------------


@of(KERNEL, ADAPTERS)
def test_nothing_is_unpickled_or_evaluated(module: rules.Module) -> None:
    assert [] == [
        module.at(i.node, i.module) for i in rules.imports_of(module) if i.root in NOBODY_MAY_IMPORT
    ]
    assert [] == rules.forbidden_names(module, NOBODY_MAY_CALL, ())


@pytest.mark.parametrize("text", ["eval('1')", "f = exec", "__import__('os')"])
def test_evaluation_is_found(text: str) -> None:
    assert 1 == len(rules.forbidden_names(rules.parse(text), NOBODY_MAY_CALL, ()))


@of(KERNEL, ADAPTERS)
def test_modules_and_functions_are_short(module: rules.Module) -> None:
    assert [] == rules.too_long(module, lines_max=LINES_MAX, function_lines_max=FUNCTION_LINES_MAX)


def test_long_modules_and_functions_are_found() -> None:
    long_function = "def f():\n" + "    pass\n" * 5

    assert 1 == len(rules.too_long(rules.parse(long_function), lines_max=6, function_lines_max=5))
    assert 1 == len(rules.too_long(rules.parse(long_function), lines_max=5, function_lines_max=6))
    assert 0 == len(rules.too_long(rules.parse(long_function), lines_max=6, function_lines_max=6))
