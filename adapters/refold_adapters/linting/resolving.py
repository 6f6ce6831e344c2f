"""What an expression stands for: a function or class of the code that is read, an object of such a class, or a name from elsewhere.

One rule: what cannot be told for sure is nothing (None), so that nobody is accused of what only might be.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from attrs import frozen

from refold_adapters.linting.program import Module, Program
from refold_adapters.linting.scopes import (
    Binding,
    Defined,
    FunctionNode,
    Given,
    Imported,
    Itself,
    Names,
    Scope,
    bindings_in,
    function_scope,
    module_scope,
    own_nodes,
    the_binding,
)

#: How far names are followed that stand for other names.
_DEPTH_MAX = 40
ACTIVITY = "refold.activity()"
WORKFLOW = "refold.workflow"
#: Calls of these on an activity give an activity.
_COPIES = (f"{ACTIVITY}.options()", f"{ACTIVITY}.running()", f"{ACTIVITY}()")
_PROPERTIES = frozenset({"property", "functools.cached_property"})


@frozen
class External:
    """A name of the standard library, of a package or of Python itself; ``()`` in it is a call."""

    name: str


@frozen(eq=False)
class Function:
    """A function of the code that is read, with the scope around it; of a method, the class that was asked for it."""

    node: FunctionNode
    around: Scope
    owner: ast.ClassDef | None

    @property
    def module(self) -> Module:
        """Where it stands."""
        return self.around.module

    @property
    def title(self) -> str:
        """As it is shown to people."""
        return self.node.name if self.owner is None else f"{self.owner.name}.{self.node.name}"


@frozen(eq=False)
class Class:
    """A class of the code that is read."""

    node: ast.ClassDef
    around: Scope


@frozen(eq=False)
class Instance:
    """An object of a class of the code that is read."""

    of: Class


Value: TypeAlias = External | Function | Class | Instance | Module


class Resolver:
    """Says what expressions stand for; it remembers scopes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._modules: dict[Module, Scope] = {}
        self._functions: dict[FunctionNode, Scope] = {}
        self._members: dict[ast.ClassDef, Names] = {}
        self._depth = 0

    # Scopes ---------------------------------------------------------------------------------------------------------

    def scope_of(self, module: Module) -> Scope:
        """The scope of a module."""
        if module not in self._modules:
            self._modules[module] = module_scope(module)
        return self._modules[module]

    def inside(self, function: Function) -> Scope:
        """The scope of a function."""
        if function.node not in self._functions:
            self._functions[function.node] = function_scope(function.node, function.around, function.owner)
        return self._functions[function.node]

    def found(self, name: str, scope: Scope) -> tuple[list[Binding], Scope] | None:
        """What binds a name, and where; None for names that are built in."""
        at: Scope | None = scope
        while at is not None:
            if name in at.of_module:
                at = at.outermost
            if name in at.names:
                return at.names[name], at
            at = at.parent
        return None

    # Expressions ----------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None, scope: Scope) -> Value | None:
        """What an expression stands for."""
        if node is None or self._depth > _DEPTH_MAX:
            return None
        self._depth += 1
        try:
            return self._value(node, scope)
        finally:
            self._depth -= 1

    def _value(self, node: ast.expr, scope: Scope) -> Value | None:
        match node:
            case ast.Name(id=name):
                return self.named(name, scope)
            case ast.Attribute(value=inner, attr=name):
                return self.member(self.value(inner, scope), name)
            case ast.Call(func=inner):
                return self._called(self.value(inner, scope))
            case ast.NamedExpr(value=inner):
                return self.value(inner, scope)
            case ast.BinOp(left=inner, op=ast.Div()):
                path = self.value(inner, scope)  # what may be of a path stays one
                return path if isinstance(path, External) and path.name.startswith("pathlib.") else None
            case ast.Subscript(value=inner):
                generic = self.value(inner, scope)  # a type of types, such as `Signal[int]`
                return None if isinstance(generic, External) and "()" in generic.name else generic
            case ast.YieldFrom(value=ast.Call(func=inner)) | ast.Yield(value=ast.Call(func=inner)):
                return self._answer(self.value(inner, scope))
            case _:
                return None

    def named(self, name: str, scope: Scope) -> Value | None:
        """What a name stands for."""
        found = self.found(name, scope)
        if found is not None:
            binding = the_binding(found[0])
            return None if binding is None else self._bound(binding, found[1])
        for star in scope.outermost.stars:
            module = self.program.imported(star.module, star.level, scope.module)
            if module is None and not star.level and not hasattr(builtins, name):
                return External(f"{star.module}.{name}")
            if module is not None and name in self.scope_of(module).names:
                return self.named(name, self.scope_of(module))
        return External(f"builtins.{name}")

    def _bound(self, binding: Binding, scope: Scope) -> Value | None:
        match binding:
            case Imported(module=module, name=name, level=level):
                return self._imported(module, name, level, scope)
            case Defined(node=ast.ClassDef() as node):
                return Class(node, scope)
            case Defined(node=node):
                return Function(node, scope, None)  # type: ignore[arg-type]
            case Itself(node=owner):
                return Instance(Class(owner, scope.parent or scope))
            case Given(annotation=None, value=value):
                return self.value(value, scope)
            case Given(annotation=annotation):
                return self.object_of(annotation, scope)

    def _imported(self, module: str, name: str | None, level: int, scope: Scope) -> Value | None:
        found = self.program.imported(module, level, scope.module)
        if name is None:
            return found or External(module)
        if found is not None and name in self.scope_of(found).names:
            self._depth += 1  # modules may import each other
            try:
                return self.named(name, self.scope_of(found)) if self._depth < _DEPTH_MAX else None
            finally:
                self._depth -= 1
        inner = self.program.imported(f"{module}.{name}" if module else name, level, scope.module)
        if inner is not None:
            return inner
        return None if found is not None or level else External(f"{module}.{name}")

    def member(self, of: Value | None, name: str) -> Value | None:
        """What an attribute stands for."""
        match of:
            case External():
                return External(f"{of.name}.{name}")
            case Module():
                scope = self.scope_of(of)
                if name in scope.names:
                    return self.named(name, scope)
                return self.program.below(of, name)
            case Function():
                return External(f"{ACTIVITY}.{name}") if self.is_activity(of) else None
            case Class():
                return self.in_class(of, name)
            case Instance():
                return self.in_class(of.of, name) or self._of_object(of.of, name)
            case _:
                return None

    def _called(self, callee: Value | None) -> Value | None:
        match callee:
            case External(name=name):
                called = f"{name}()"
                return External(ACTIVITY if called in _COPIES else called)
            case Class():
                return Instance(callee)
            case Function() if not self.is_activity(callee) and not _yields(callee.node):
                return self.object_of(callee.node.returns, callee.around)
            case _:
                return None

    def _answer(self, callee: Value | None) -> Value | None:
        """What a workflow is answered that yields from the call of a function: what its annotation says."""
        if not isinstance(callee, Function):
            return None
        returns = callee.node.returns
        if isinstance(returns, ast.Constant) and isinstance(returns.value, str):
            returns = _parsed(returns.value)
        if _yields(callee.node):
            returns = returns.slice if isinstance(returns, ast.Subscript) else None
        return self.object_of(returns, callee.around)

    def object_of(self, annotation: ast.expr | None, scope: Scope) -> Value | None:
        """An object of the type that an annotation names."""
        match annotation:
            case ast.Constant(value=str(text)):
                return self.object_of(_parsed(text), scope)
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                return self.object_of(left, scope)
            case ast.Subscript(value=ast.Name(id="Optional" | "Annotated" | "Final"), slice=inner):
                return self.object_of(inner.elts[0] if isinstance(inner, ast.Tuple) else inner, scope)
            case ast.Subscript(value=inner):
                return self.object_of(inner, scope)
            case ast.Name() | ast.Attribute():
                kind = self.value(annotation, scope)
                if isinstance(kind, External):
                    return External(f"{kind.name}()")
                return Instance(kind) if isinstance(kind, Class) else None
            case _:
                return None

    # Classes --------------------------------------------------------------------------------------------------------

    def members(self, node: ast.ClassDef) -> Names:
        """What the body of a class binds."""
        if node not in self._members:
            self._members[node] = bindings_in(node)
        return self._members[node]

    def lineage(self, cls: Class) -> Iterator[Class]:
        """A class and those of its bases that are among the code that is read."""
        pending, seen = [cls], list[ast.ClassDef]()
        while pending:
            found = pending.pop(0)
            if found.node in seen:
                continue
            seen.append(found.node)
            yield found
            bases = [self.value(base, found.around) for base in found.node.bases]
            pending.extend(base for base in bases if isinstance(base, Class))

    def in_class(self, cls: Class, name: str) -> Value | None:
        """What a class or its bases have under a name; methods belong to the class that was asked."""
        for found in self.lineage(cls):
            binding = the_binding(self.members(found.node).get(name, []))
            if isinstance(binding, Defined) and not isinstance(binding.node, ast.ClassDef):
                return Function(binding.node, found.around, cls.node)
            if binding is not None:
                return self._bound(binding, found.around)
        return None

    def _of_object(self, cls: Class, name: str) -> Value | None:
        """What methods set an attribute of ``self`` to, where they all set it to one thing."""
        given = list(self.set_on_object(cls, name))
        if len(given) == 1:
            return self._bound(*given[0])
        bases = [self.value(base, cls.around) for base in cls.node.bases]
        external = [base for base in bases if isinstance(base, External)]
        return External(f"{external[0].name}().{name}") if external and not given else None

    def set_on_object(self, cls: Class, name: str) -> Iterator[tuple[Given, Scope]]:
        """The assignments to an attribute of ``self`` in the methods of a class and its bases."""
        for found in self.lineage(cls):
            for method in self.methods(found, cls):
                parameters = [*method.node.args.posonlyargs, *method.node.args.args]
                itself = parameters[0].arg if parameters else ""
                for target, binding in _assigned(method.node):
                    match target:
                        case ast.Attribute(value=ast.Name(id=base), attr=attr) if (base, attr) == (
                            itself,
                            name,
                        ):
                            yield binding, self.inside(method)
                        case _:
                            pass

    def methods(self, cls: Class, owner: Class) -> list[Function]:
        """The methods that stand in a class, as those of ``owner``."""
        return [
            Function(node, cls.around, owner.node)
            for node in own_nodes(cls.node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    # Declarations ---------------------------------------------------------------------------------------------------

    def decorators(self, node: FunctionNode | ast.ClassDef, around: Scope) -> Sequence[str]:
        """The names of the decorators from elsewhere, without their arguments."""
        plain = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
        found = [self.value(each, around) for each in plain]
        return [each.name for each in found if isinstance(each, External)]

    def is_activity(self, function: Function) -> bool:
        """Whether a worker runs it, and calling it only makes an effect."""
        return ACTIVITY.removesuffix("()") in self.decorators(function.node, function.around)

    def is_workflow(self, function: Function) -> bool:
        """Whether it is declared as a workflow."""
        return WORKFLOW in self.decorators(function.node, function.around)

    def is_property(self, function: Function) -> bool:
        """Whether it is called by asking for it."""
        return not _PROPERTIES.isdisjoint(
            name.removeprefix("builtins.") for name in self.decorators(function.node, function.around)
        )


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _assigned(node: FunctionNode) -> Iterator[tuple[ast.expr, Given]]:
    for each in own_nodes(node):
        if isinstance(each, ast.Assign):
            for target in each.targets:
                yield target, Given(each.value)
        elif isinstance(each, ast.AnnAssign):
            yield each.target, Given(each.value, each.annotation)


def _yields(node: FunctionNode) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in own_nodes(node))
