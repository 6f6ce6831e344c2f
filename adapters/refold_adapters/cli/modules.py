"""The user's code: workflows, activities, signals and queries, as they are found in modules.

One rule: whatever is an attribute of a named module counts, also what it imported from elsewhere, and nothing else does.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeVar

import attrs

from refold import Activity, Query, Signal, Update, WorkflowDefinition
from refold_adapters.cli.errors import CliError
from refold_adapters.cli.texts import shortened

T = TypeVar("T")


@attrs.frozen
class Code:
    """What some modules hold."""

    modules: Sequence[str]
    workflows: Sequence[WorkflowDefinition[..., Any]] = ()
    activities: Sequence[Activity[..., Any]] = ()
    signals: Sequence[Signal[Any]] = ()
    queries: Sequence[Query[Any]] = ()
    updates: Sequence[Update[Any, Any]] = ()

    def workflow(self, name: str) -> WorkflowDefinition[..., Any] | None:
        """The workflow of that name, if it is there."""
        return _named(self.workflows, name)

    def signal(self, name: str) -> Signal[Any] | None:
        """The signal of that name, if it is there and means one thing."""
        found = [signal for signal in self.signals if signal.name == name]
        return found[0] if len(found) == 1 else None

    def update(self, name: str) -> Update[Any, Any] | None:
        """The update of that name, if it is there and means one thing."""
        found = [update for update in self.updates if update.name == name]
        return found[0] if len(found) == 1 else None


def load_code(modules: Iterable[str]) -> Code:
    """Import modules and look through their attributes; raises RF5204."""
    names = tuple(dict.fromkeys(name for name in modules if name))
    values = [value for name in names for value in vars(import_module(name)).values()]
    return Code(
        names,
        workflows=_distinct(values, WorkflowDefinition),
        activities=_without_copies(_distinct(values, Activity)),
        signals=_distinct(values, Signal),
        queries=_distinct(values, Query),
        updates=_distinct(values, Update),
    )


def need_workflows(code: Code, what: str) -> Code:
    """The code itself; raises RF5206 where it holds no workflow."""
    if code.workflows:
        return code
    where = f"in {', '.join(code.modules)} no workflow was found" if code.modules else "no module was named"
    raise CliError(
        "RF5206",
        f"{what} needs the code of workflows, and {where}",
        why="it takes workflows and activities from the attributes of modules",
        fix="name the modules that define or import them: -m shop.orders (or set REFOLD_MODULES)",
    )


def import_module(name: str) -> ModuleType:
    """A module, found from the current folder too; raises RF5204 with the line that failed."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    if name.endswith(".py") or "/" in name or "\\" in name:
        guess = name.replace("\\", "/").removeprefix("./").removesuffix(".py").strip("/").replace("/", ".")
        _cannot_import(name, "it is a path, and modules are named with dots", f"write {guess}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            _cannot_import(
                name,
                f"there is no module {missing!r} on the path or in {here}",
                "check the name and the folder",
            )
        _cannot_import(
            name, f"it imports {missing!r}, which is not installed", f"install {missing}", _last_line(error)
        )
    except (Exception, SystemExit) as error:
        _cannot_import(
            name, f"it raised {type(error).__name__}: {error}", "mend the module", _last_line(error)
        )


def find_target(target: str, modules: Sequence[str]) -> tuple[WorkflowDefinition[..., Any], Code]:
    """The workflow that ``module:name`` means, or a name in the given modules, with all the code; raises RF5205, RF5206."""
    module, colon, name = target.rpartition(":")
    if not colon:
        code = need_workflows(load_code(modules), f"{shortened(target)!r}")
        return _definition(name, code, None), code
    if not module or not name:
        raise _no_workflow(target, "it has the form module:workflow", Code(()))
    code = load_code((module, *modules))
    return _definition(name, code, import_module(module)), code


def _definition(name: str, code: Code, module: ModuleType | None) -> WorkflowDefinition[..., Any]:
    attribute: object = None if module is None else getattr(module, name, None)
    for definition in code.workflows:
        if definition is attribute:
            return definition
    found = code.workflow(name)
    if found is not None:
        return found
    where = module.__name__ if module is not None else ", ".join(code.modules)
    why = f"{where} has no workflow of that name"
    if attribute is not None:
        why = f"in {where} it is a {type(attribute).__name__}; a workflow is declared with @workflow"
    raise _no_workflow(name, why, code)


def _no_workflow(name: str, why: str, code: Code) -> CliError:
    known = [workflow.name for workflow in code.workflows]
    close = difflib.get_close_matches(name, known, n=1)
    return CliError(
        "RF5205",
        f"{shortened(name)!r} is no workflow",
        why=f"{why}; workflows found: {', '.join(known) or 'none'}",
        fix=f"did you mean {close[0]!r}?"
        if close
        else "write module:workflow, or -m module and the workflow's name",
    )


def _cannot_import(name: str, why: str, fix: str, where: str | None = None) -> NoReturn:
    raise CliError("RF5204", f"module {shortened(name)!r} cannot be imported", why=why, fix=fix, where=where)


def _last_line(error: BaseException) -> str | None:
    """Where it went wrong, in code that is not refold's own."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    places: list[str] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("refold", "refold_adapters", "importlib"):
            places.append(f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}")
    return places[-1] if places else None


def _named(values: Iterable[WorkflowDefinition[..., Any]], name: str) -> WorkflowDefinition[..., Any] | None:
    return next((value for value in values if value.name == name), None)


def _distinct(values: Iterable[object], kind: type[T]) -> list[T]:
    """The objects of a kind, each once, however many modules have it."""
    found: list[T] = []
    for value in values:
        if isinstance(value, kind) and not any(value is known for known in found):
            found.append(value)
    return found


def _without_copies(activities: Sequence[Activity[..., Any]]) -> list[Activity[..., Any]]:
    """Activities without those that are others with other options: a worker runs the function, not its options."""
    kept: list[Activity[..., Any]] = []
    for activity in activities:
        if not any(activity.name == known.name and activity.fn is known.fn for known in kept):
            kept.append(activity)
    return kept
