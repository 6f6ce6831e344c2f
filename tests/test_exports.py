"""The public face: what the two packages promise is there, there is nothing else, and each name is in the reference."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import refold
import refold_adapters
from refold import events, messages
from refold_adapters import ports, simulation, testing

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
PACKAGES = pytest.mark.parametrize(
    "package", [refold, refold_adapters, simulation, testing], ids=lambda package: package.__name__
)

_DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)(?!module)\w+:: (?P<name>[\w.]+)", re.MULTILINE)


def documented_names(text: str) -> set[str]:
    """The full names that a page of the reference documents by a directive; a mention in prose does not count."""
    return {match["name"] for match in _DIRECTIVE.finditer(text)}


def undeclared_names(module: ModuleType) -> set[str]:
    """Names that a user would find on the module and that it does not promise; submodules are reached by their own path."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name not in module.__all__
        and not isinstance(value, ModuleType)
        and value is not annotations
    }


@PACKAGES
def test_every_promised_name_exists_once(package: ModuleType) -> None:
    assert [] == [name for name in package.__all__ if not hasattr(package, name)]
    assert sorted(set(package.__all__)) == sorted(package.__all__)


@PACKAGES
def test_there_is_no_public_name_beside_the_promised_ones(package: ModuleType) -> None:
    assert [] == sorted(undeclared_names(package))


@PACKAGES
def test_every_promised_name_is_in_the_reference(package: ModuleType) -> None:
    documented = {
        name for page in REFERENCE.glob("*.md") for name in documented_names(page.read_text("utf-8"))
    }
    promised = {f"{package.__name__}.{name}" for name in package.__all__ if not name.startswith("__")}

    assert [] == sorted(promised - documented)


@PACKAGES
def test_the_reference_documents_only_promised_names_of_the_package_itself(package: ModuleType) -> None:
    documented = {
        name for page in REFERENCE.glob("*.md") for name in documented_names(page.read_text("utf-8"))
    }
    of_package = {name for name in documented if name.rpartition(".")[0] == package.__name__}

    assert [] == sorted(name for name in of_package if name.rpartition(".")[2] not in package.__all__)


def test_every_kind_of_event_and_message_is_in_the_reference() -> None:
    documented = {
        name for page in REFERENCE.glob("*.md") for name in documented_names(page.read_text("utf-8"))
    }
    kinds = [f"refold.events.{name}" for name in events.event_kinds()]
    kinds += [f"refold.messages.{name}" for name in messages.MESSAGES]

    assert [] == [kind for kind in kinds if kind not in documented]


def test_everything_that_a_store_is_given_or_answers_with_is_in_the_reference() -> None:
    documented = {
        name.rpartition(".")[2]
        for page in REFERENCE.glob("*.md")
        for name in documented_names(page.read_text("utf-8"))
        if name.rpartition(".")[0] in ("refold_adapters", "refold_adapters.ports")
    }

    assert [] == [name for name in ports.__all__ if name not in documented]


@PACKAGES
def test_every_promised_function_and_class_says_what_it_promises(package: ModuleType) -> None:
    values = {name: getattr(package, name) for name in package.__all__}
    silent = [
        name
        for name, value in values.items()
        if (isinstance(value, type) or inspect.isroutine(value)) and not (value.__doc__ or "").strip()
    ]

    assert [] == silent


def test_a_name_that_is_not_promised_is_found() -> None:
    module = ModuleType("sample")
    module.__dict__.update(
        __all__=["kept"], kept=1, stray=2, _private=3, submodule=ModuleType("sample.submodule")
    )

    assert {"stray"} == undeclared_names(module)


def test_only_directives_document_a_name() -> None:
    page = "About `refold.all_of`.\n\n.. autofunction:: refold.sleep\n.. automodule:: refold.events\n"

    assert {"refold.sleep"} == documented_names(page)
