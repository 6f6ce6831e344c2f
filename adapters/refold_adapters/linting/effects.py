"""Effects that are made and never yielded: a forgotten ``yield from``.

One rule: an effect is a value, and may be kept, returned, collected or handed on.  Only where nothing of that happens, or where it is used
as if it were its own answer, is it told.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from refold_adapters.linting.resolving import External, Function, Resolver, Value
from refold_adapters.linting.rules import words
from refold_adapters.linting.scopes import Given, Scope, own_nodes
from refold_adapters.linting.walking import Body

_MADE_BY_FUNCTIONS = words(
    "all_handlers_finished all_of all_settled any_of cancel continue_as_new deprecate_patch execute_activity execute_child_workflow "
    "first_of info log now patched random shield side_effect sleep start start_child_workflow upsert_memo "
    "upsert_search_attributes uuid4 wait_until with_timeout"
)
_MADE_BY_METHODS = re.compile(
    r"refold\.(Signal\(\)\.(receive|handle)|Update\(\)\.handle|Query\(\)\.answer|Saga\(\)\.(do|compensate)"
    r"|external_workflow\(\)\.(signal|cancel)|workflow\(\)(\(\))?|activity\(\)(\.local)?)"
)
#: What may be asked of an effect that was not yielded.
_COMPARED = (ast.Is, ast.IsNot)


class Effects:
    """Knows which calls make effects."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._helpers: dict[ast.AST, bool] = {}

    def made(self, node: ast.AST, scope: Scope) -> str | None:
        """The name of what is called, where the call makes an effect or a generator of effects."""
        if not isinstance(node, ast.Call):
            return None
        callee = self._resolver.value(node.func, scope)
        return ast.unparse(node.func) if self._makes(callee) else None

    def _makes(self, callee: Value | None) -> bool:
        match callee:
            case External(name=name):
                package, _, last = name.rpartition(".")
                if package == "refold" and last in _MADE_BY_FUNCTIONS:
                    return True
                return _MADE_BY_METHODS.fullmatch(name) is not None
            case Function():
                return self.is_step(callee)
            case _:
                return False

    def makes_generator(self, node: ast.AST, scope: Scope) -> bool:
        """Whether a call gives a generator of effects, which is no effect itself."""
        callee = self._resolver.value(node.func, scope) if isinstance(node, ast.Call) else None
        return isinstance(callee, Function) and not (
            self._resolver.is_activity(callee) or self._resolver.is_workflow(callee)
        )

    def is_step(self, function: Function) -> bool:
        """Whether what a call of it gives is to be yielded: an activity, a workflow, or a generator of effects."""
        if function.node not in self._helpers:
            self._helpers[function.node] = False  # unless something else than its own recursion says so
            self._helpers[function.node] = (
                self._resolver.is_activity(function)
                or self._resolver.is_workflow(function)
                or self._yields_effects(function)
            )
        return self._helpers[function.node]

    def _yields_effects(self, function: Function) -> bool:
        scope = self._resolver.inside(function)
        yields = [node for node in own_nodes(function.node) if isinstance(node, ast.Yield | ast.YieldFrom)]
        if not yields:
            return False
        if self._resolver.decorators(function.node, function.around):
            return False  # such as @contextmanager, which makes something else of it
        returns = self._resolver.object_of(function.node.returns, function.around)
        if isinstance(returns, External) and returns.name == "refold.Workflow()":
            return True
        kind = function.node.returns.value if isinstance(function.node.returns, ast.Subscript) else None
        if self._resolver.value(kind, function.around) == External("refold.Workflow"):
            return True
        return any(node.value is not None and self.made(node.value, scope) for node in yields)


def lost_effects(body: Body, effects: Effects) -> Iterator[tuple[ast.AST, str]]:
    """Where effects are made and lost, or used as if they were answers."""
    scope = body.scope
    used = _names_used(body)
    for node in body.nodes:
        name = effects.made(node, scope)
        if name is None:
            continue
        parent = body.parents.get(node)
        match parent:
            case ast.Expr():
                yield node, f"{name}(...) is made and not yielded"
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                uses = used.get(target, [])
                if not uses:
                    yield node, f"{name}(...) is made and not yielded"
                elif _bound_once(target, scope):
                    yield from (
                        (use, f"{target} is the effect {name}(...), not its answer")
                        for use in uses
                        if _as_answer(use, body)
                    )
            case ast.Yield() if effects.makes_generator(node, scope):
                yield parent, f"{name}(...) is a generator, and yielded as a value"
            case ast.Await():
                yield parent, f"{name}(...) is awaited"
            case _ if _as_answer(node, body):
                yield node, f"{name}(...) is used as if it were its answer"
            case _:
                pass


def _bound_once(name: str, scope: Scope) -> bool:
    bindings = scope.names.get(name, [])
    return len(bindings) == 1 and isinstance(bindings[0], Given)


def _names_used(body: Body) -> dict[str, list[ast.Name]]:
    """Where names are read in a function, also in the functions in it."""
    used: dict[str, list[ast.Name]] = {}
    for node in ast.walk(body.function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.setdefault(node.id, []).append(node)
    return used


def _as_answer(node: ast.AST, body: Body) -> bool:
    """Whether an effect stands where only its answer makes sense."""
    match body.parents.get(node):
        case ast.BinOp() | ast.UnaryOp() | ast.FormattedValue() | ast.AugAssign():
            return True
        case ast.Attribute(value=value, attr=attr):
            return value is node and not attr.startswith("__")
        case ast.Subscript(value=value):
            return value is node
        case ast.Compare(ops=ops):
            return not any(isinstance(op, _COMPARED) for op in ops)
        case (
            ast.If(test=test)
            | ast.While(test=test)
            | ast.IfExp(test=test)
            | ast.Assert(test=test)
            | ast.comprehension(iter=test)
        ):
            return test is node
        case ast.For(iter=it) | ast.Match(subject=it):
            return it is node
        case ast.Return():
            return False
        case _:
            return False
