"""What keeps a run from being stopped or put out of memory.

One rule: a request to stop is a ``CancelledError`` at a ``yield``, and a run is put out of memory by closing its generator there.  Blocks
without a ``yield`` in them see neither, and are none of this module's business.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from refold_adapters.linting.resolving import External, Resolver
from refold_adapters.linting.scopes import Scope, own_nodes
from refold_adapters.linting.walking import Body

_ALL = frozenset({"builtins.BaseException", "builtins.GeneratorExit"})
_YIELDS = ast.Yield | ast.YieldFrom | ast.Await


def stopping_mistakes(body: Body, resolver: Resolver) -> Iterator[tuple[ast.AST, str, str]]:
    """Places, codes and messages."""
    for node in body.nodes:
        match node:
            case ast.Try() | ast.TryStar():
                yield from _of_finally(node)
                if _has_yield(node.body):
                    for handler in node.handlers:
                        yield from _of_handler(handler, body.scope, resolver)
            case ast.With(items=items, body=inner) if _has_yield(inner):
                for item in items:
                    if _suppresses_all(item.context_expr, body.scope, resolver):
                        yield item.context_expr, "RFL503", "suppresses a request to stop"
            case _:
                pass


def _of_finally(node: ast.Try | ast.TryStar) -> Iterator[tuple[ast.AST, str, str]]:
    for each in _below(node.finalbody):
        if isinstance(each, _YIELDS):
            yield each, "RFL502", "yields in `finally`, which also runs when the run is put out of memory"
        elif isinstance(each, ast.Return) and _has_yield(node.body):
            yield each, "RFL503", "returns from `finally`, which swallows a request to stop"


def _of_handler(
    handler: ast.ExceptHandler, scope: Scope, resolver: Resolver
) -> Iterator[tuple[ast.AST, str, str]]:
    caught = _caught(handler.type, scope, resolver)
    if caught is None:
        return
    yields = [each for each in _below(handler.body) if isinstance(each, _YIELDS)]
    if yields:
        yield (
            yields[0],
            "RFL502",
            f"yields under `{caught}`, which also runs when the run is put out of memory",
        )
    elif not any(isinstance(each, ast.Raise) for each in _below(handler.body)):
        yield handler, "RFL503", f"`{caught}` swallows a request to stop"


def _caught(kind: ast.expr | None, scope: Scope, resolver: Resolver) -> str | None:
    """How a handler catches everything, if it does."""
    if kind is None:
        return "except:"
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    for each in kinds:
        value = resolver.value(each, scope)
        if isinstance(value, External) and value.name in _ALL:
            return f"except {ast.unparse(each)}"
    return None


def _suppresses_all(node: ast.expr, scope: Scope, resolver: Resolver) -> bool:
    if not isinstance(node, ast.Call) or resolver.value(node.func, scope) != External("contextlib.suppress"):
        return False
    return any(_caught(kind, scope, resolver) is not None for kind in node.args)


def _has_yield(statements: Sequence[ast.stmt]) -> bool:
    return any(isinstance(each, _YIELDS) for each in _below(statements))


def _below(statements: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Nodes that run as part of some statements."""
    block = ast.Module(body=list(statements), type_ignores=[])
    return own_nodes(block)
