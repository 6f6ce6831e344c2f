"""Variables that outlive a run: those of modules and classes that some function changes.

One rule: a variable that only the import of its module sets is a constant, whatever its type.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

from attrs import frozen

from refold_adapters.linting.program import Module
from refold_adapters.linting.resolving import Class, External, Function, Instance, Resolver
from refold_adapters.linting.rules import words
from refold_adapters.linting.scopes import Defined, Given, Imported, Itself, Scope
from refold_adapters.linting.walking import Body, body_of

_CHANGES = words(
    "append extend insert remove pop popitem clear update setdefault add discard sort reverse appendleft popleft extendleft rotate "
    "difference_update intersection_update symmetric_difference_update subtract move_to_end"
)
_CONTAINERS = frozenset(
    {
        *(f"builtins.{name}()" for name in ("list", "dict", "set", "bytearray")),
        *(f"collections.{name}()" for name in ("deque", "defaultdict", "OrderedDict", "Counter", "ChainMap")),
        *("weakref.WeakKeyDictionary()", "weakref.WeakValueDictionary()"),
    }
)
_DISPLAYS = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp


@frozen
class Variable:
    """A variable of a module."""

    module: Module
    name: str


@frozen
class Change:
    """A place where a variable that outlives the run is changed; ``site`` is the node of the variable there."""

    site: ast.AST
    what: str
    variable: Variable | None


Changed: TypeAlias = dict[Variable, str]


class Variables:
    """Knows the variables of modules, and which functions change them."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._changed: dict[Module, Changed] = {}

    def variable(self, node: ast.AST, scope: Scope) -> Variable | None:
        """The variable of a module that an expression names."""
        match node:
            case ast.Name(id=name):
                return self._named(name, scope)
            case ast.Attribute(value=value, attr=name):
                module = self._resolver.value(value, scope)
                return (
                    self._named(name, self._resolver.scope_of(module)) if isinstance(module, Module) else None
                )
            case _:
                return None

    def _named(self, name: str, scope: Scope, depth: int = 10) -> Variable | None:
        found = self._resolver.found(name, scope)
        if found is None or found[1].parent is not None:
            return None
        for binding in found[0]:
            if isinstance(binding, Imported) and binding.name is not None and depth:
                module = self._resolver.program.imported(binding.module, binding.level, found[1].module)
                if module is not None:
                    return self._named(binding.name, self._resolver.scope_of(module), depth - 1)
            if not isinstance(binding, Given):
                return None
        return Variable(found[1].module, name)

    def changes(self, body: Body) -> Iterator[Change]:
        """Where a function changes variables that outlive the run."""
        scope = body.scope
        for node in body.nodes:
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in scope.of_module:
                    yield Change(node, name, Variable(scope.module, name))
                case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                    yield from self._change(value, scope, of_container=True)
                case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
                    yield from self._change(value, scope, of_container=False)
                    if isinstance(self._resolver.value(value, scope), Class):
                        yield Change(node, ast.unparse(node), None)
                case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _CHANGES:
                    yield from self._change(value, scope, of_container=True)
                case ast.Call(func=ast.Name(id="next"), args=[iterator, *_]):
                    if self.variable(iterator, scope) is not None:
                        yield from self._change(iterator, scope, of_container=False)
                case _:
                    pass

    def _change(self, node: ast.expr, scope: Scope, *, of_container: bool) -> Iterator[Change]:
        variable = self.variable(node, scope)
        if variable is not None:
            if not of_container or self._is_container(node, scope):
                yield Change(node, ast.unparse(node), variable)
        elif of_container and isinstance(node, ast.Attribute) and self._is_of_class(node, scope):
            yield Change(node, f"{ast.unparse(node)}, which all objects of its class share", None)

    def _is_container(self, node: ast.expr, scope: Scope) -> bool:
        variable = self.variable(node, scope)
        if variable is None:
            return False
        where = self._resolver.scope_of(variable.module)
        return any(
            isinstance(each, Given) and self._is_shared_value(each, where)
            for each in where.names[variable.name]
        )

    def _is_shared_value(self, given: Given, scope: Scope) -> bool:
        if given.value is None or isinstance(given.value, _DISPLAYS):
            return given.value is not None
        value = self._resolver.value(given.value, scope)
        return isinstance(value, External) and value.name in _CONTAINERS

    def _is_of_class(self, node: ast.Attribute, scope: Scope) -> bool:
        """Whether an attribute is a container that the class has and the object has not."""
        of = self._resolver.value(node.value, scope)
        if not isinstance(of, Instance | Class):
            return False
        cls = of.of if isinstance(of, Instance) else of
        if isinstance(of, Instance) and any(True for _ in self._resolver.set_on_object(cls, node.attr)):
            return False
        return any(
            isinstance(each, Given) and self._is_shared_value(each, found.around)
            for found in self._resolver.lineage(cls)
            for each in self._resolver.members(found.node).get(node.attr, [])
        )

    def reads(self, body: Body) -> Iterator[tuple[ast.AST, str, str]]:
        """Where a function reads variables of modules that functions change: the place, the variable, and who changes it."""
        for node in body.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                variable = self.variable(node, body.scope)
                if variable is not None:
                    who = self.changed_in(variable.module).get(variable)
                    if who is not None:
                        yield node, ast.unparse(node), who

    def changed_in(self, module: Module) -> Changed:
        """The variables of a module that functions in it change, and which functions do."""
        if module not in self._changed:
            self._changed[module] = {}
            for function in _functions_in(module, self._resolver):
                body = body_of(function.node, self._resolver.inside(function), self._resolver)
                for change in self.changes(body):
                    if change.variable is not None:
                        self._changed[module].setdefault(change.variable, function.title)
        return self._changed[module]


def _functions_in(module: Module, resolver: Resolver) -> Iterator[Function]:
    """Every function and method of a module that does not stand in another function."""
    scope = resolver.scope_of(module)
    for bindings in scope.names.values():
        for binding in bindings:
            match binding:
                case Defined(node=ast.ClassDef() as node):
                    yield from resolver.methods(Class(node, scope), Class(node, scope))
                case Defined(node=node):
                    yield Function(node, scope, None)  # type: ignore[arg-type]
                case Itself() | Imported() | Given():
                    pass
