"""Rules about source code, as functions from a parsed module to what is wrong with it.

One rule: nothing here is imported or run, only read, so a forbidden import is found even where it would fail or hide in a
branch.  Which modules a rule applies to is said in ``test_architecture``.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen


@frozen
class Module:
    """One parsed file, under the dotted name by which it is imported."""

    name: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    def at(self, node: ast.AST, problem: str) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 1)}: {problem}"


@frozen
class Import:
    """One imported name: ``from module import name``, or ``import module`` with ``name`` None."""

    module: str
    name: str | None
    node: ast.stmt
    type_only: bool

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


def parse(text: str, name: str = "sample") -> Module:
    return Module(name, text, ast.parse(text))


def modules_under(root: Path) -> list[Module]:
    """Every module of the package at ``root``, in order of name."""
    found: list[Module] = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text("utf-8")
        found.append(Module(name, text, ast.parse(text, str(path))))
    return found


# --- imports -------------------------------------------------------------------------------------------------------------


def imports_of(module: Module) -> Iterator[Import]:
    """Every import, wherever it stands; ``type_only`` for those under ``if TYPE_CHECKING``."""
    type_only = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, node, id(node) in type_only)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import("." * node.level + (node.module or ""), alias.name, node, id(node) in type_only)


def imports_outside(module: Module, allowed: Collection[str]) -> list[str]:
    """Imports of modules that are not in ``allowed``; a bare package name there allows all below it."""
    return [
        module.at(found.node, f"imports {found.module or '.'}, which is not on the list")
        for found in imports_of(module)
        if found.module not in allowed and found.root not in allowed
    ]


def uses_beyond(module: Module, restricted: str, allowed: Mapping[str, Collection[str]]) -> list[str]:
    """Uses of the module ``restricted``, but for the attributes that ``allowed`` gives this very module."""
    mine = allowed.get(module.name, ())
    problems: list[str] = []
    for found in imports_of(module):
        if found.module == restricted and (module.name not in allowed or found.name not in (None, *mine)):
            problems.append(module.at(found.node, f"imports {restricted} where it is not allowed"))
    aliases = _aliases(module)
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Attribute)
            and _dotted(node.value, aliases) == restricted
            and node.attr not in mine
        ):
            problems.append(module.at(node, f"uses {restricted}.{node.attr}"))
    return problems


def against_layers(module: Module, layers: Sequence[str], package: str, known: Collection[str]) -> list[str]:
    """Imports of a module of ``package`` that does not stand before this one in ``layers`` (names without the package).

    An import for type checkers only makes no dependency at run time and may point anywhere.
    """
    if module.name == package:
        return []  # the public face stands above all layers
    own = module.name.removeprefix(f"{package}.")
    if own not in layers:
        return [module.at(module.tree, f"{own} has no place in the list of layers")]
    below = {f"{package}.{layer}" for layer in layers[: layers.index(own)]}
    problems: list[str] = []
    for found in imports_of(module):
        if found.type_only or found.root != package:
            continue
        nested = f"{found.module}.{found.name}"
        target = nested if nested in known else found.module
        if target not in below:
            problems.append(module.at(found.node, f"imports {target}, which is not below it"))
    return problems


def against_rows(module: Module, rows: Sequence[Collection[str]], package: str) -> list[str]:
    """Imports of a module of ``package`` from a later row than its own; a row names folders and modules of the package.

    Within a row all may know each other.  An import for type checkers only may point anywhere.
    """
    places = {name: place for place, names in enumerate(rows) for name in names}
    if module.name == package:
        return []  # the public face stands above all rows
    own = module.name.split(".")[1]
    if own not in places:
        return [module.at(module.tree, f"{own} has no place in the list of rows")]
    problems: list[str] = []
    for found in imports_of(module):
        if found.type_only or found.root != package:
            continue
        path = f"{found.module}.{found.name}".split(".")
        if places.get(path[1], len(rows)) > places[own]:
            problems.append(module.at(found.node, f"imports {path[1]}, which is above it"))
    return problems


def private_imports(
    module: Module, package: str, public: Collection[str], submodules: Mapping[str, Collection[str]]
) -> list[str]:
    """Imports from ``package`` of more than its ``public`` names and the public names of the listed ``submodules``."""
    problems: list[str] = []
    for found in imports_of(module):
        if found.root != package:
            continue
        if found.module == package:
            fine = found.name is None or found.name in public or f"{package}.{found.name}" in submodules
        else:
            fine = found.module in submodules and (
                found.name is None or found.name in submodules[found.module]
            )
        if not fine:
            what = found.module if found.name is None else f"{found.module}.{found.name}"
            problems.append(module.at(found.node, f"imports {what}, which is not public"))
    aliases = _aliases(module)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Attribute) or _dotted(node.value, aliases) != package:
            continue
        if node.attr not in public and f"{package}.{node.attr}" not in submodules:
            problems.append(module.at(node, f"uses {package}.{node.attr}, which is not public"))
    return problems


# --- names that must not be used -------------------------------------------------------------------------------------------


def forbidden_names(module: Module, builtins: Collection[str], dotted: Collection[str]) -> list[str]:
    """References, called or not, to built-in functions and to members of modules that are forbidden."""
    problems = [
        module.at(found.node, f"imports {found.module}.{found.name}")
        for found in imports_of(module)
        if f"{found.module}.{found.name}" in dotted
    ]
    aliases = _aliases(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and _dotted(node, aliases) in dotted:
            problems.append(module.at(node, f"uses {_dotted(node, aliases)}"))
    problems += [
        module.at(node, f"uses {node.id}()") for node in _free_names(module.tree) if node.id in builtins
    ]
    return problems


def _aliases(module: Module) -> dict[str, str]:
    """What each imported local name stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                names[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return aliases.get(node.id)
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value, aliases)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def _free_names(tree: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[ast.Name]:
    """Names that are read and bound in no enclosing scope: the built-in ones."""
    bound |= _bound_in(tree)
    pending = list(ast.iter_child_nodes(tree))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _free_names(node, bound)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in bound:
            yield node
        pending.extend(ast.iter_child_nodes(node))


def _bound_in(scope: ast.AST) -> frozenset[str]:
    """What a module or function binds itself; class bodies bind nothing that a method could read by its bare name."""
    bound: set[str] = set()
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(bound)


# --- sets --------------------------------------------------------------------------------------------------------------------

_SET_TYPES = frozenset({"set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"})
_SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)
_ORDERED_BY = frozenset({"list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter", "deque"})
_ORDERED_BY_METHOD = frozenset({"join", "extend", "fromkeys"})


def iterated_sets(module: Module) -> list[str]:
    """Places where the order of a set shows: it differs between processes, as the hashes of strings do.

    What is a set is judged by what can be seen: displays, calls, operators, annotations, and the names these were given
    anywhere in the module.  ``sorted``, ``len``, ``in`` and the like do not show the order.
    """
    names = _names_of_sets(module.tree)
    return [
        module.at(node, f"depends on the order of a set: {ast.unparse(node)}")
        for node in _ordered(module.tree, names)
    ]


def _names_of_sets(tree: ast.Module) -> frozenset[str]:
    """Variables, fields and parameters that are annotated as sets or were given one."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _says_set(node.annotation):
            names.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and _says_set(node.annotation):
            names.update(_target_names([node.target]))
        elif isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
            names.update(_target_names(node.targets))
        elif isinstance(node, ast.NamedExpr) and _is_set(node.value, frozenset()):
            names.update(_target_names([node.target]))
    return frozenset(names)


def _target_names(targets: Sequence[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, ast.Attribute):
            yield target.attr


def _says_set(annotation: ast.expr | None) -> bool:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.BinOp):
        return _says_set(annotation.left) or _says_set(annotation.right)
    if isinstance(annotation, ast.Subscript):
        inner = (
            annotation.slice
            if ast.unparse(annotation.value).endswith(("Final", "Optional", "ClassVar"))
            else None
        )
        return _says_set(inner) or _says_set(annotation.value)
    last = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", None)
    return last in _SET_TYPES


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr=attr, value=value)):
            return attr in _SET_METHODS or (attr == "copy" and _is_set(value, names))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
        case ast.BinOp(op=op, left=left, right=right) if isinstance(op, _SET_OPERATORS):
            return any(_is_set(side, names) or _is_view(side) for side in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, names) or _is_set(orelse, names)
        case ast.BoolOp(values=values):
            return any(_is_set(value, names) for value in values)
        case ast.NamedExpr(value=value):
            return _is_set(value, names)
        case _:
            return False


def _is_view(node: ast.expr) -> bool:
    """``d.keys()`` and ``d.items()`` are ordered, but what set operators make of them is not."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


def _ordered(tree: ast.Module, names: frozenset[str]) -> Iterator[ast.expr]:
    """Expressions that are sets and stand where the order of their elements shows."""
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=it) | ast.AsyncFor(iter=it) | ast.comprehension(iter=it):
                shown = [it]
            case ast.YieldFrom(value=it) | ast.Starred(value=it):
                shown = [it]
            case ast.Assign(targets=[ast.Tuple() | ast.List(), *_], value=it):
                shown = [it]
            case ast.Call(func=ast.Name(id=name), args=args) if name in _ORDERED_BY:
                shown = args
            case ast.Call(func=ast.Attribute(attr=name), args=args) if name in _ORDERED_BY_METHOD:
                shown = args
            case ast.Call(func=ast.Attribute(attr="pop", value=it), args=[]):
                shown = [it]
            case _:
                continue
        yield from (it for it in shown if _is_set(it, names))


# --- sizes -------------------------------------------------------------------------------------------------------------------


def too_long(module: Module, *, lines_max: int, function_lines_max: int) -> list[str]:
    """Modules and functions with more lines than a reader should have to hold in mind."""
    lines = module.text.count("\n")
    problems = [f"{module.name}: {lines} lines, more than {lines_max}"] if lines > lines_max else []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > function_lines_max:
                problems.append(
                    module.at(node, f"{node.name} has {size} lines, more than {function_lines_max}")
                )
    return problems
