"""Where workflow code begins: functions and classes declared with ``@workflow``.

One rule: what is declared is a root wherever it stands in the file, also in a function; what only might be a workflow is none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from refold_adapters.linting.program import Module
from refold_adapters.linting.resolving import WORKFLOW, Class, External, Function, Resolver
from refold_adapters.linting.scopes import FunctionNode, Scope, own_nodes

_PARTS = frozenset(f"{WORKFLOW}.{part}" for part in ("run", "init", "signal", "update", "query"))


def roots_of(module: Module, resolver: Resolver) -> Iterator[Function]:
    """The functions of a module that refold calls itself."""
    yield from _roots_in(module.tree, resolver.scope_of(module), None, resolver)


def _roots_in(
    node: ast.AST, scope: Scope, owner: ast.ClassDef | None, resolver: Resolver
) -> Iterator[Function]:
    for each in own_nodes(node):
        match each:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = Function(each, scope, owner)
                if owner is None and resolver.is_workflow(function):
                    yield function
                yield from _roots_in(each, resolver.inside(function), None, resolver)
            case ast.ClassDef() if WORKFLOW in resolver.decorators(each, scope):
                yield from _roots_of_class(Class(each, scope), resolver)
            case ast.ClassDef():
                yield from _roots_in(each, scope, each, resolver)
            case ast.Call(func=ast.Name() | ast.Attribute() | ast.Call(), args=[ast.Name() as target]):
                made = resolver.value(each.func, scope)
                function_given = resolver.value(target, scope)
                if (
                    isinstance(made, External)
                    and made.name in (WORKFLOW, f"{WORKFLOW}()")
                    and isinstance(function_given, Function)
                ):
                    yield function_given
            case _:
                pass


def _roots_of_class(cls: Class, resolver: Resolver) -> Iterator[Function]:
    """The methods that refold calls, also inherited ones, and what runs when an object is made."""
    seen: list[str] = []
    for found in resolver.lineage(cls):
        for method in resolver.methods(found, cls):
            name = method.node.name
            if name not in seen and (
                name in ("__init__", "__post_init__") or _is_part(method.node, found.around, resolver)
            ):
                seen.append(name)
                yield method


def _is_part(node: FunctionNode, around: Scope, resolver: Resolver) -> bool:
    if not _PARTS.isdisjoint(resolver.decorators(node, around)):
        return True
    return any(isinstance(each, ast.Attribute) and each.attr == "validator" for each in node.decorator_list)
