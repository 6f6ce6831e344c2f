"""One function: what is wrong in it, and which functions it brings into play.

One rule: a function counts as called where it is named, unless it is an activity: what workflow code calls, or gives to others to call,
runs in the workflow.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from attrs import frozen

from refold_adapters.linting.effects import Effects, lost_effects
from refold_adapters.linting.names import Verdict, verdict_on
from refold_adapters.linting.resolving import Class, External, Function, Instance, Resolver, Value
from refold_adapters.linting.rules import RULES
from refold_adapters.linting.sets import Sets, shown_orders
from refold_adapters.linting.stops import stopping_mistakes
from refold_adapters.linting.variables import Variables
from refold_adapters.linting.walking import Body, body_of

#: Methods that Python calls when an object is made.
_MADE_BY = ("__new__", "__init__", "__post_init__", "__attrs_pre_init__", "__attrs_post_init__")
_SEEDED = "random.Random()."


@frozen(eq=False)
class Mistake:
    """Something wrong at a node."""

    node: ast.AST
    code: str
    message: str
    fix: str


class Checker:
    """Checks functions of one program."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.effects = Effects(resolver)
        self._sets = Sets(resolver)
        self._variables = Variables(resolver)

    def body(self, function: Function) -> Body:
        """What runs when a function runs."""
        return body_of(function.node, self.resolver.inside(function), self.resolver)

    def mistakes(self, body: Body) -> Iterator[Mistake]:
        """What is wrong in a function."""
        yield from self._names(body)
        for node in body.nodes:
            if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
                yield _mistake(node, "RFL302", "awaits: there is no event loop in a workflow")
        for shown in shown_orders(body, self.resolver, self._sets):
            yield _mistake(shown, "RFL401", f"depends on the order of a set: {_short(shown)}")
        yield from self._outliving(body)
        for node, message in lost_effects(body, self.effects):
            yield _mistake(node, "RFL501", message)
        for node, code, message in stopping_mistakes(body, self.resolver):
            yield _mistake(node, code, message)

    # Names from elsewhere -------------------------------------------------------------------------------------------

    def _names(self, body: Body) -> Iterator[Mistake]:
        told: list[ast.AST] = []
        for node in reversed(
            body.nodes
        ):  # `subprocess.run(...)` is told, and not also `subprocess.run(...).stdout.read()`
            if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
                continue
            found = self._verdict(node, body)
            if found is not None and not any(inner in told for inner in _chain(node)):
                told.append(node)
                verdict, message = found
                yield Mistake(node, verdict.code, message, verdict.fix)

    def _verdict(self, node: ast.Name | ast.Attribute, body: Body) -> tuple[Verdict, str] | None:
        value = self.resolver.value(node, body.scope)
        call = body.parents.get(node)
        arguments = (
            len(call.args) + len(call.keywords) if isinstance(call, ast.Call) and call.func is node else None
        )
        if (
            isinstance(value, Function)
            and isinstance(value.node, ast.AsyncFunctionDef)
            and arguments is not None
        ):
            if self.resolver.is_activity(value):
                return None
            verdict = Verdict("RFL302", RULES["RFL302"].fix)
            return (
                verdict,
                f"calls a coroutine function, {value.title}(): there is no event loop in a workflow",
            )
        if not isinstance(value, External):
            return None
        if value.name.startswith(_SEEDED) and isinstance(node, ast.Attribute):
            if self._variables.variable(node.value, body.scope) is None:
                return None
            message = f"draws from {ast.unparse(node.value)}, which all runs share"
            return Verdict("RFL102", RULES["RFL102"].fix), message
        found = verdict_on(value.name, arguments)
        if found is None:
            return None
        called = "()" if arguments is not None else ""
        name = value.name.removeprefix("builtins.")
        return found, f"{_VERBS[found.code]} {name}{called}"

    # Variables ------------------------------------------------------------------------------------------------------

    def _outliving(self, body: Body) -> Iterator[Mistake]:
        sites: list[ast.AST] = []
        for change in self._variables.changes(body):
            sites.append(change.site)
            yield _mistake(change.site, "RFL402", f"changes a variable that outlives the run: {change.what}")
        for site, name, who in self._variables.reads(body):
            if site not in sites:
                yield _mistake(site, "RFL402", f"reads {name}, which {who}() changes")

    # What else runs -------------------------------------------------------------------------------------------------

    def brought_in(self, body: Body) -> Iterator[tuple[Function, int]]:
        """Functions that run because this one does, and the lines that say so."""
        for node in body.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                value = self.resolver.value(node, body.scope)
                parent = body.parents.get(node)
                called = isinstance(parent, ast.Call) and parent.func is node
                for function in self._run_by(value, called=called):
                    if not self.resolver.is_activity(function):
                        yield function, node.lineno
            elif isinstance(node, ast.With):
                for item in node.items:
                    yield from self._methods(item.context_expr, ("__enter__", "__exit__"), body)
            elif isinstance(node, ast.For):
                yield from self._methods(node.iter, ("__iter__", "__next__"), body)

    def _run_by(self, value: Value | None, *, called: bool) -> Iterator[Function]:
        match value:
            case Function():
                yield value
            case Class() if called:
                for name in _MADE_BY:
                    made = self.resolver.in_class(value, name)
                    if isinstance(made, Function):
                        yield made
            case Instance() if called:
                call = self.resolver.in_class(value.of, "__call__")
                if isinstance(call, Function):
                    yield call
            case _:
                pass

    def _methods(self, node: ast.expr, names: tuple[str, ...], body: Body) -> Iterator[tuple[Function, int]]:
        value = self.resolver.value(node, body.scope)
        if isinstance(value, Instance):
            for name in names:
                method = self.resolver.in_class(value.of, name)
                if isinstance(method, Function):
                    yield method, node.lineno


_VERBS = {
    "RFL101": "reads a clock:",
    "RFL102": "draws random numbers:",
    "RFL103": "reads the environment of the process:",
    "RFL104": "differs from process to process:",
    "RFL201": "touches files:",
    "RFL202": "uses the network or a database:",
    "RFL203": "starts or controls processes:",
    "RFL204": "prints or logs:",
    "RFL301": "uses threads:",
    "RFL302": "uses an event loop:",
    "RFL402": "uses a variable that outlives the run:",
}


def _mistake(node: ast.AST, code: str, message: str) -> Mistake:
    return Mistake(node, code, message, RULES[code].fix)


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """What an attribute is asked of, and so on inwards."""
    at: ast.expr | None = node
    while at is not None:
        at = at.value if isinstance(at, ast.Attribute) else at.func if isinstance(at, ast.Call) else None
        if at is not None:
            yield at


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 40 else f"{text[:37]}..."
