"""The nodes of a function that run when it runs, each with what it stands in.

One rule: what runs at another time is left out: annotations, the bodies of functions and classes in it, and what ``side_effect`` is given,
which runs once and is recorded.  A lambda counts as running: whoever is given it calls it in workflow code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from attrs import field, frozen

from refold_adapters.linting.resolving import External, Resolver
from refold_adapters.linting.scopes import FunctionNode, Scope

SIDE_EFFECT = "refold.side_effect"


@frozen(eq=False)
class Body:
    """The nodes of one function, in order, and the parent of each."""

    function: FunctionNode
    scope: Scope
    nodes: list[ast.AST] = field(factory=list[ast.AST])
    parents: dict[ast.AST, ast.AST] = field(factory=dict[ast.AST, ast.AST])

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, innermost first."""
        at = self.parents.get(node)
        while at is not None:
            yield at
            at = self.parents.get(at)


def body_of(function: FunctionNode, scope: Scope, resolver: Resolver) -> Body:
    """The body of a function."""
    body = Body(function, scope)
    pending: list[ast.AST] = list(reversed(function.body))
    while pending:
        node = pending.pop()
        body.nodes.append(node)
        children = list(_children(node, scope, resolver))
        for child in children:
            body.parents[child] = node
        pending.extend(reversed(children))
    return body


def _children(node: ast.AST, scope: Scope, resolver: Resolver) -> Iterator[ast.AST]:
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            yield from node.decorator_list
            yield from args.defaults
            yield from (default for default in args.kw_defaults if default is not None)
        case ast.ClassDef():
            yield from node.decorator_list
        case ast.AnnAssign(target=target, value=value):
            yield target
            if value is not None:
                yield value
        case ast.ExceptHandler():
            yield from node.body  # to name an exception is to use nothing else of its module
        case ast.Lambda(args=args, body=inner):
            yield from args.defaults
            yield inner
        case ast.Call(func=func) if resolver.value(func, scope) == External(SIDE_EFFECT):
            yield func
        case _:
            yield from ast.iter_child_nodes(node)
