"""Places where the order of a set shows: it differs between processes, as the hashes of strings do.

One rule: a set is what can be seen to be one, by displays, calls, operators and annotations.  ``sorted``, ``len``, ``in`` and the like do
not show the order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from refold_adapters.linting.resolving import Class, External, Function, Instance, Resolver
from refold_adapters.linting.scopes import Given, Scope
from refold_adapters.linting.walking import Body

_TYPES = frozenset(
    f"{module}.{name}"
    for module, names in {
        "builtins": ("set", "frozenset"),
        "typing": ("Set", "FrozenSet", "AbstractSet", "MutableSet"),
        "collections.abc": ("Set", "MutableSet"),
    }.items()
    for name in names
)
_GIVEN_SETS = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_OPERATORS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)
_SHOWS = frozenset(
    f"builtins.{name}"
    for name in ("list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter", "str", "repr")
) | {"collections.deque", "builtins.dict.fromkeys", "random.choice"}
_HIDES = frozenset(
    f"builtins.{name}" for name in ("sorted", "set", "frozenset", "len", "min", "max", "any", "all", "sum")
)
_SHOWS_METHODS = frozenset({"join", "extend", "extendleft"})
_DEPTH_MAX = 20


class Sets:
    """Knows which expressions are sets."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._depth = 0

    def is_set(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an expression is a set, as far as can be seen."""
        if self._depth > _DEPTH_MAX:
            return False
        self._depth += 1
        try:
            return self._is_set(node, scope)
        finally:
            self._depth -= 1

    def _is_set(self, node: ast.expr, scope: Scope) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _GIVEN_SETS:
                return self.is_set(value, scope)
            case ast.Call(func=func) | ast.YieldFrom(value=ast.Call(func=func)):
                callee = self._resolver.value(func, scope)
                if isinstance(callee, External):
                    return isinstance(node, ast.Call) and callee.name in (
                        "builtins.set",
                        "builtins.frozenset",
                    )
                return isinstance(callee, Function) and self._is_said(callee.node.returns, callee.around)
            case ast.BinOp(op=op, left=left, right=right) if isinstance(op, _OPERATORS):
                return any(self.is_set(side, scope) or _is_view(side) for side in (left, right))
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_set(body, scope) or self.is_set(orelse, scope)
            case ast.BoolOp(values=values):
                return any(self.is_set(value, scope) for value in values)
            case ast.NamedExpr(value=value):
                return self.is_set(value, scope)
            case ast.Name(id=name):
                return self._is_name(name, scope)
            case ast.Attribute(value=value, attr=attr):
                return self._is_attribute(value, attr, scope)
            case _:
                return False

    def _is_name(self, name: str, scope: Scope) -> bool:
        found = self._resolver.found(name, scope)
        if found is None:
            return False
        bindings = [each for each in found[0] if not isinstance(each, Given) or each.value or each.annotation]
        if not bindings or len(bindings) < len(found[0]):
            return any(self._says(each, found[1]) for each in bindings)
        return all(self._says(each, found[1]) or self._gives(each, found[1]) for each in bindings)

    def _is_attribute(self, value: ast.expr, attr: str, scope: Scope) -> bool:
        of = self._resolver.value(value, scope)
        if not isinstance(of, Instance | Class):
            return False
        cls = of.of if isinstance(of, Instance) else of
        for found in self._resolver.lineage(cls):
            for each in self._resolver.members(found.node).get(attr, []):
                return self._says(each, found.around) or self._gives(each, found.around)
        given = list(self._resolver.set_on_object(cls, attr))
        if any(each.annotation is not None for each, _ in given):
            return any(self._says(*each) for each in given)
        return bool(given) and all(self._gives(*each) for each in given)

    def _says(self, binding: object, scope: Scope) -> bool:
        return isinstance(binding, Given) and self._is_said(binding.annotation, scope)

    def _gives(self, binding: object, scope: Scope) -> bool:
        return isinstance(binding, Given) and binding.value is not None and self.is_set(binding.value, scope)

    def _is_said(self, annotation: ast.expr | None, scope: Scope) -> bool:
        """Whether an annotation says that something is a set, or a workflow that returns one."""
        match annotation:
            case ast.Constant(value=str(text)):
                try:
                    return self._is_said(ast.parse(text, mode="eval").body, scope)
                except SyntaxError:
                    return False
            case ast.BinOp(left=left, right=right):
                return self._is_said(left, scope) or self._is_said(right, scope)
            case ast.Subscript(value=value, slice=inner):
                named = self._resolver.value(value, scope)
                name = named.name if isinstance(named, External) else ""
                if name in ("refold.Workflow", "typing.Optional", "typing.Final", "typing.ClassVar"):
                    return self._is_said(inner, scope)
                return name in _TYPES
            case ast.Name() | ast.Attribute():
                named = self._resolver.value(annotation, scope)
                return isinstance(named, External) and named.name in _TYPES
            case _:
                return False


def _is_view(node: ast.expr) -> bool:
    """``d.keys()`` and ``d.items()`` are in order, but what set operators make of them is not."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


def shown_orders(body: Body, resolver: Resolver, sets: Sets) -> Iterator[ast.expr]:
    """Expressions that are sets and stand where the order of their elements shows."""
    for node in body.nodes:
        for shown in _shown_by(node, body, resolver):
            if sets.is_set(shown, body.scope):
                yield shown
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="pop"), args=[]) if sets.is_set(
                value, body.scope
            ):
                yield value
            case _:
                pass


def _shown_by(node: ast.AST, body: Body, resolver: Resolver) -> list[ast.expr]:
    match node:
        case ast.For(iter=it) | ast.AsyncFor(iter=it):
            return [it]
        case ast.comprehension(iter=it):
            return [] if _is_hidden(node, body, resolver) else [it]
        case ast.YieldFrom(value=it) | ast.Starred(value=it, ctx=ast.Load()):
            return [] if isinstance(body.parents.get(node), ast.Set) else [it]
        case ast.FormattedValue(value=value):
            return [value]
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value):
            return [value]
        case ast.Call(func=func, args=args):
            callee = resolver.value(func, body.scope)
            if isinstance(callee, External) and callee.name in _SHOWS:
                return [] if _is_hidden(node, body, resolver) else list(args)
            if isinstance(func, ast.Attribute) and func.attr in _SHOWS_METHODS:
                return list(args)
            return []
        case _:
            return []


def _is_hidden(node: ast.AST, body: Body, resolver: Resolver) -> bool:
    """Whether what goes through in some order is given at once to something that does not show it."""
    comprehension = body.parents.get(node) if isinstance(node, ast.comprehension) else node
    if isinstance(comprehension, ast.SetComp):
        return True
    if not isinstance(comprehension, ast.GeneratorExp | ast.ListComp | ast.Call):
        return False
    match body.parents.get(comprehension):
        case ast.Call(func=func, args=[first, *_]) if first is comprehension:
            callee = resolver.value(func, body.scope)
            return isinstance(callee, External) and callee.name in _HIDES
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[inside]):
            return inside is comprehension
        case _:
            return False
