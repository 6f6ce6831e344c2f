"""Changes workflows on purpose, by their syntax tree, the way people change them by mistake.

``mutants_of`` gives a definition for every small change that can be made to a workflow and to the generator functions beside it:
a command dropped, swapped, called twice or renamed, an argument or a duration changed, branches reordered, loops cut short...
Nothing here says whether a change can be seen in a history; that is for ``test_divergence`` to find out.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from types import FunctionType
from typing import Any, TypeAlias

import attrs

from refold import Activity, Signal, Update, WorkflowDefinition, activity, sleep

#: A loop without a wait in it is stopped after this many rounds: a changed loop may never end.
ROUNDS_MAX = 2_000

_COMBINATORS = {
    "all_of": ("first_of", "all_settled"),
    "all_settled": ("all_of",),
    "first_of": ("all_of",),
    "any_of": ("first_of",),
}
_TIMED = {"sleep": 0, "with_timeout": 1}
#: Calls of functions and classes whose arguments end in commands, failures or results.
_TELLING = (
    *("execute_activity", "ApplicationError", "side_effect", "patched"),
    *("start_child_workflow", "execute_child_workflow", "external_workflow", "continue_as_new"),
)
#: Methods of whose arguments the same holds.
_TELLING_METHODS = ("signal", "cancel", "local", "value_set")


@attrs.frozen
class Mutant:
    """One changed workflow."""

    kind: str
    #: Where the change is, in the file of the workflow.
    line: int
    #: What the changed functions look like.
    text: str = attrs.field(repr=False)
    definition: WorkflowDefinition[..., Any] = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.kind} in line {self.line}"


#: Changes the copy of a node, given its parent's copy.
Change: TypeAlias = Callable[[Any, ast.AST], None]


@attrs.frozen
class _Edit:
    kind: str
    node: ast.AST
    change: Change


class EndlessLoop(Exception):
    """A changed loop would never end."""


class _Rounds:
    """Counts the rounds of loops."""

    def __init__(self) -> None:
        self.left = ROUNDS_MAX

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.left = ROUNDS_MAX
            raise EndlessLoop


def mutants_of(definition: WorkflowDefinition[..., Any]) -> Iterator[Mutant]:
    """Every mutant of a workflow."""
    names = vars(sys.modules[definition.fn.__module__])
    source = ast.Module(_generator_functions(definition), [])
    for edit in _edits(source.body, names):
        changed = _changed(source, edit)
        line = getattr(edit.node, "lineno", 0)
        yield Mutant(edit.kind, line, ast.unparse(changed), _made(changed, definition))


def count_of_mutants(definition: WorkflowDefinition[..., Any]) -> int:
    """How many mutants a workflow has."""
    names = vars(sys.modules[definition.fn.__module__])
    return sum(1 for _ in _edits(_generator_functions(definition), names))


def without_yields(definition: WorkflowDefinition[..., Any]) -> WorkflowDefinition[..., Any]:
    """The workflow with nothing left in it: to define it is an error."""
    function = _generator_functions(definition)[0]
    for each in ast.walk(function):
        if isinstance(each, ast.FunctionDef) and (each is function or each.name == "run"):
            each.body = [ast.Pass()]
    return _made(ast.Module([function], []), definition)


def unchanged(definition: WorkflowDefinition[..., Any]) -> WorkflowDefinition[..., Any]:
    """The same workflow, taken apart and put together like a mutant, but without a change."""
    return _made(ast.Module(_generator_functions(definition), []), definition)


def _made(tree: ast.Module, definition: WorkflowDefinition[..., Any]) -> WorkflowDefinition[..., Any]:
    """The workflow of some changed functions, in the namespace of its module."""
    module = sys.modules[definition.fn.__module__]
    future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
    whole = ast.fix_missing_locations(ast.Module([future, *tree.body], []))
    namespace = {**vars(module), **_helpers(vars(module))}
    exec(compile(whole, module.__file__ or "?", "exec", dont_inherit=True), namespace)
    made: Any = namespace[_name_at_top(definition)]
    whole_definition: WorkflowDefinition[..., Any] = made.run if isinstance(made, type) else made
    return whole_definition


def _name_at_top(definition: WorkflowDefinition[..., Any]) -> str:
    """The name of the function, or of the class."""
    return definition.fn.__qualname__.partition(".")[0]


def _generator_functions(definition: WorkflowDefinition[..., Any]) -> list[ast.stmt]:
    """The workflow, a function or a class, and those generator functions of its module that it calls, directly or not."""
    module = sys.modules[definition.fn.__module__]
    at_top = {
        node.name: node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and _waits(node))
    }
    wanted = [_name_at_top(definition)]
    for name in wanted:
        called = [node.id for node in ast.walk(at_top[name]) if isinstance(node, ast.Name)]
        wanted += [each for each in called if each in at_top and each not in wanted]
    return [at_top[name] for name in wanted]


def _waits(node: ast.AST) -> bool:
    """Whether a node holds a ``yield from`` of its own."""
    inner = list(ast.iter_child_nodes(node))
    for each in inner:
        if isinstance(each, ast.YieldFrom):
            return True
        if not isinstance(each, ast.FunctionDef | ast.Lambda):
            inner.extend(ast.iter_child_nodes(each))
    return isinstance(node, ast.YieldFrom)


# Making the change ------------------------------------------------------------------------------------------------------


def _changed(source: ast.Module, edit: _Edit) -> ast.Module:
    tree = copy.deepcopy(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for old, new in zip(ast.walk(source), ast.walk(tree), strict=True):
        if old is edit.node:
            edit.change(new, parents[new])
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            node.body.insert(0, ast.Expr(_call("_count_rounds")))
    return tree


def _replace(new: Callable[[Any], ast.AST | Sequence[ast.stmt]]) -> Change:
    """A change that puts something in the place of a node."""

    def change(node: Any, parent: ast.AST) -> None:
        made = new(node)
        for field, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, field, made)
            elif isinstance(value, list) and node in value:
                at = value.index(node)
                value[at : at + 1] = made if isinstance(made, list) else [made]

    return change


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _none(_: object = None) -> ast.Constant:
    return ast.Constant(None)


def _helpers(names: dict[str, Any]) -> dict[str, Any]:
    """What changed code calls: nothing of it is in the module, so that nothing is in its way."""
    others = {f"_other_{n}": _renamed(each) for n, each in names.items() if isinstance(each, Activity)}
    others |= {
        f"_other_{n}": Signal(f"{each.name}-2", each.type)
        for n, each in names.items()
        if isinstance(each, Signal)
    }
    return {
        **others,
        **{
            f"_other_{n}": Update(f"{each.name}-2", each.type, result_type=each.result_type)
            for n, each in names.items()
            if isinstance(each, Update)
        },
        "_extra": lambda: sleep(timedelta(minutes=7)),
        "_count_rounds": _Rounds(),
        "_longer": lambda duration: duration + timedelta(seconds=1),
        "_shorter_loop": lambda items: list(items)[:-1],
        "_longer_loop": lambda items: [*(kept := list(items)), *kept[-1:]],
    }


def _renamed(each: Activity[..., Any]) -> Activity[..., Any]:
    return activity(name=f"{each.name}_2")(each.fn)


# Finding what can be changed --------------------------------------------------------------------------------------------


def _edits(functions: Sequence[ast.stmt], names: dict[str, Any]) -> Iterator[_Edit]:
    validators = set(_validators(functions))
    silent = {
        inner
        for function in functions
        for node in ast.walk(function)
        if _is_side_effect(node) or node in validators
        for inner in ast.walk(node)
    }
    for function in functions:
        local = _local_names(function)
        for node in ast.walk(function):
            if node in silent:
                continue  # what a side effect computes is taken from the history, and so is what a validator let pass
            match node:
                case ast.FunctionDef():
                    yield from _of_function(node)
                case ast.YieldFrom():
                    yield _Edit("drop a command", node, _replace(_none))
                    if isinstance(node.value, ast.Call):
                        yield _Edit("drop yield from", node, _replace(lambda found: found.value))
                case ast.Expr(value=ast.YieldFrom(value=ast.Call() as call)) if not _calls_generator(
                    call, names
                ):
                    yield _Edit("forget yield from", node.value, _replace(lambda found: found.value))
                case ast.Call():
                    yield from _of_call(node, names, local)
                case ast.For():
                    yield _Edit(
                        "one round less", node.iter, _replace(lambda found: _call("_shorter_loop", found))
                    )
                    yield _Edit(
                        "one round more", node.iter, _replace(lambda found: _call("_longer_loop", found))
                    )
                case ast.While():
                    yield _Edit(
                        "loop once", node, _replace(lambda found: [ast.If(found.test, found.body, [])])
                    )
                case ast.Try():
                    yield _Edit(
                        "remove try",
                        node,
                        _replace(lambda found: [*found.body, *found.orelse, *found.finalbody]),
                    )
                case ast.If():
                    yield _Edit("negate", node.test, _replace(lambda found: ast.UnaryOp(ast.Not(), found)))
                case ast.Match():
                    yield _Edit("swap cases", node, _swap_cases)
                case ast.Return(value=ast.expr() as value):
                    yield _Edit(
                        "change the result", value, _replace(lambda found: ast.List([found], ast.Load()))
                    )
                case _:
                    pass
            yield from _of_statements(node)


def _is_side_effect(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "side_effect"


def _validators(functions: Sequence[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """What decides on updates: given as ``validator=``, or decorated as one."""
    nodes = [node for function in functions for node in ast.walk(function)]
    named = [
        node.value.id
        for node in nodes
        if isinstance(node, ast.keyword) and node.arg == "validator" and isinstance(node.value, ast.Name)
    ]
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            decorators = [each.attr for each in node.decorator_list if isinstance(each, ast.Attribute)]
            if node.name in named or "validator" in decorators:
                yield node


def _local_names(function: ast.AST) -> list[str]:
    """Variables that hold values: parameters, and what is assigned."""
    found = [
        node.arg if isinstance(node, ast.arg) else node.id
        for node in ast.walk(function)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]
    return list(dict.fromkeys(found))


def _of_function(node: ast.FunctionDef) -> Iterator[_Edit]:
    if not _waits(node):
        return

    def empty(found: Any, _: ast.AST) -> None:
        found.body = [ast.Return(_none()), ast.Expr(ast.YieldFrom(_call("_extra")))]

    def append(found: Any, _: ast.AST) -> None:
        at = len(found.body) - isinstance(found.body[-1], ast.Return | ast.Raise)
        found.body.insert(at, ast.Expr(ast.YieldFrom(_call("_extra"))))

    yield _Edit("empty body", node, empty)
    yield _Edit("add at the end", node, append)


def _of_statements(node: ast.AST) -> Iterator[_Edit]:
    """Changes of the statements of a block that wait."""
    for field, block in ast.iter_fields(node):
        if not isinstance(block, list) or not any(isinstance(each, ast.stmt) for each in block):
            continue
        for at, statement in enumerate(block):
            if isinstance(statement, ast.FunctionDef) or not _waits(statement):
                continue
            yield _Edit(
                "add before", statement, _replace(lambda s: [ast.Expr(ast.YieldFrom(_call("_extra"))), s])
            )
            if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign):
                yield _Edit("do it twice", statement, _replace(lambda s: [s, copy.deepcopy(s)]))
            if (
                at + 1 < len(block)
                and _waits(block[at + 1])
                and not isinstance(block[at + 1], ast.FunctionDef)
            ):
                yield _Edit("swap", node, _swapping(field, at))


def _swapping(field: str, at: int) -> Change:
    def change(node: Any, _: ast.AST) -> None:
        block = getattr(node, field)
        block[at], block[at + 1] = block[at + 1], block[at]

    return change


def _swap_cases(node: Any, _: ast.AST) -> None:
    first, second = node.cases[0], node.cases[1]
    first.body, second.body = second.body, first.body


def _of_call(node: ast.Call, names: dict[str, Any], local: Sequence[str]) -> Iterator[_Edit]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    called = names.get(name)
    if isinstance(called, Activity):
        yield _Edit("rename", node.func, _replace(lambda _: ast.Name(f"_other_{name}", ast.Load())))
        others = [n for n, each in names.items() if isinstance(each, Activity) and n != name]
        for other in others[:2]:
            yield _Edit(
                "call another", node.func, _replace(lambda _, other=other: ast.Name(other, ast.Load()))
            )
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        signal = node.func.value.id
        if isinstance(names.get(signal), Signal | Update):
            yield _Edit(
                "rename the signal" if isinstance(names[signal], Signal) else "rename the update",
                node.func.value,
                _replace(lambda _: ast.Name(f"_other_{signal}", ast.Load())),
            )
    if name in _COMBINATORS:
        for other in _COMBINATORS[name]:
            yield _Edit(
                f"{name} to {other}", node.func, _replace(lambda _, other=other: ast.Name(other, ast.Load()))
            )
        yield _Edit("reorder", node, _reorder)
    if name == "shield":
        yield _Edit("unshield", node, _replace(lambda found: found.args[0]))
    if name in _TIMED:
        yield _Edit(
            "change a duration", node.args[_TIMED[name]], _replace(lambda found: _call("_longer", found))
        )
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    telling = name in _TELLING or method in _TELLING_METHODS
    if isinstance(called, Activity | WorkflowDefinition) or telling or _calls_generator(node, names):
        yield from _of_arguments(node, local)
    for keyword in node.keywords:
        if keyword.arg == "timeout":
            yield _Edit("change a duration", keyword.value, _replace(lambda found: _call("_longer", found)))
        if name in _TELLING and isinstance(keyword.value, ast.Constant):
            yield _Edit("change an argument", keyword.value, _replace(_other_value))


def _calls_generator(node: ast.Call, names: dict[str, Any]) -> bool:
    """Whether a plain generator function is called: what that makes is no effect, so nobody can tell when it is forgotten."""
    called = names.get(node.func.id) if isinstance(node.func, ast.Name) else None
    return isinstance(called, FunctionType) and inspect.isgeneratorfunction(called)


def _reorder(node: Any, _: ast.AST) -> None:
    node.args = [
        ast.Starred(_call("reversed", _call("list", each.value)), ast.Load())
        if isinstance(each, ast.Starred)
        else each
        for each in reversed(node.args)
    ]


def _of_arguments(node: ast.Call, local: Sequence[str]) -> Iterator[_Edit]:
    for argument in node.args:
        if isinstance(argument, ast.Starred | ast.Lambda):
            continue
        yield _Edit("change an argument", argument, _replace(_other_value))
        if isinstance(argument, ast.Name):
            others = [each for each in local if each != argument.id]
            for other in others[:2]:
                yield _Edit(
                    "another variable", argument, _replace(lambda _, other=other: ast.Name(other, ast.Load()))
                )


def _other_value(value: ast.expr) -> ast.expr:
    match value:
        case ast.Constant(value=bool(flag)):
            return ast.Constant(not flag)
        case ast.Constant(value=int(number)):
            return ast.Constant(number + 1)
        case ast.Constant(value=str()) | ast.JoinedStr():
            return ast.BinOp(value, ast.Add(), ast.Constant(" or so"))
        case _:
            return ast.List([value], ast.Load())
