"""Which names a module, a class or a function binds, and to what.

One rule: what a name is bound to is told as it stands in the source; what that means is for ``resolving``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

from attrs import define, field, frozen

from refold_adapters.linting.program import Module

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@frozen(eq=False)
class Imported:
    """Bound by an import: of a module, or of a name in one."""

    module: str
    name: str | None
    level: int


@frozen(eq=False)
class Defined:
    """Bound by ``def`` or ``class``."""

    node: FunctionNode | ast.ClassDef


@frozen(eq=False)
class Given:
    """Bound by an assignment, or as a parameter: with a value or a type where they are told."""

    value: ast.expr | None = None
    annotation: ast.expr | None = None


@frozen(eq=False)
class Itself:
    """Bound to an object of the class around: ``self``."""

    node: ast.ClassDef


Binding: TypeAlias = Imported | Defined | Given | Itself
Names: TypeAlias = dict[str, list[Binding]]


@define(eq=False)
class Scope:
    """The names of a module or of a function, and the scope around it."""

    module: Module
    names: Names
    parent: Scope | None = None
    #: What ``global`` says is of the module.
    of_module: frozenset[str] = frozenset()
    #: Modules of which all names were imported.
    stars: list[Imported] = field(factory=list[Imported])

    @property
    def outermost(self) -> Scope:
        """The scope of the module."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All below a module, class or function but what is in the functions and classes in it; those themselves are given."""
    pending: list[ast.AST] = list(reversed(_body(node)))
    while pending:
        found = pending.pop()
        yield found
        if isinstance(found, _FUNCTIONS | ast.ClassDef):
            continue
        pending.extend(reversed(list(ast.iter_child_nodes(found))))


def _body(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Module | ast.ClassDef | _FUNCTIONS):
        return list(node.body)
    return list(ast.iter_child_nodes(node))


def module_scope(module: Module) -> Scope:
    """The names of a module."""
    stars = [
        Imported(node.module or "", None, node.level)
        for node in own_nodes(module.tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    return Scope(module, bindings_in(module.tree), stars=stars)


def function_scope(node: FunctionNode, around: Scope, owner: ast.ClassDef | None) -> Scope:
    """The names of a function; the first parameter of a method of ``owner`` is of that type."""
    names = bindings_in(node)
    parameters = node.args
    every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    for parameter in every:
        names.setdefault(parameter.arg, []).append(Given(None, parameter.annotation))
    for variadic in (parameters.vararg, parameters.kwarg):
        if variadic is not None:
            names.setdefault(variadic.arg, []).append(Given())
    decorators = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
    if owner is not None and every and "staticmethod" not in decorators:
        first = Defined(owner) if "classmethod" in decorators else Itself(owner)
        names[every[0].arg] = [first]
    declared = {name for each in own_nodes(node) if isinstance(each, ast.Global) for name in each.names}
    for name in declared:
        names.pop(name, None)
    return Scope(around.module, names, around, frozenset(declared))


def bindings_in(node: ast.AST) -> Names:
    """What the statements of a module, class or function bind."""
    names: Names = {}
    for found in own_nodes(node):
        for name, binding in _bound_by(found):
            names.setdefault(name, []).append(binding)
    return names


def _bound_by(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, Defined(node)
        case ast.Import(names=names):
            for alias in names:
                name = alias.name.partition(".")[0]
                yield alias.asname or name, Imported(alias.name if alias.asname else name, None, 0)
        case ast.ImportFrom(module=module, names=names, level=level):
            for alias in names:
                if alias.name != "*":
                    yield alias.asname or alias.name, Imported(module or "", alias.name, level)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, Given(value)
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            yield name, Given(value, annotation)
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, Given(value)
        case ast.withitem(optional_vars=ast.Name(id=name), context_expr=value):
            yield name, Given(value)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name, Given()
        case _:
            for name in _bound_otherwise(node):
                yield name, Given()


def _bound_otherwise(node: ast.AST) -> Iterator[str]:
    """Names bound to what is not told: by loops, patterns, handlers and unpacking, and parameters of lambdas."""
    match node:
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
            yield from _names_in(target)
        case ast.Tuple(ctx=ast.Store()) | ast.List(ctx=ast.Store()):
            yield from _names_in(node)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.arg(arg=name):
            yield name
        case _:
            pass


def _names_in(target: ast.AST) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def the_binding(bindings: list[Binding]) -> Binding | None:
    """The one thing that a name stands for; None where that depends on the way taken."""
    told = [each for each in bindings if not _is_none(each)]
    if len(told) == 1:
        return told[0]
    if all(isinstance(each, Defined) for each in told):
        return told[-1] if told else None  # the last of several overloads
    for each in told:
        if isinstance(each, Given) and each.annotation is not None:
            return Given(None, each.annotation)
    first = told[0]
    if isinstance(first, Imported) and all(
        isinstance(each, Imported) and (each.module, each.name) == (first.module, first.name) for each in told
    ):
        return first
    return None


def _is_none(binding: Binding) -> bool:
    return (
        isinstance(binding, Given)
        and binding.annotation is None
        and isinstance(binding.value, ast.Constant)
        and binding.value.value is None
    )
