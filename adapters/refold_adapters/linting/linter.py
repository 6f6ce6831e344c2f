"""The lint: from the workflows of the given files to all that they call.

One rule: each function is checked once, by the shortest way there, so each mistake is told once.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from refold_adapters.linting.checking import Checker, Mistake
from refold_adapters.linting.program import Program
from refold_adapters.linting.resolving import Function, Resolver
from refold_adapters.linting.roots import roots_of
from refold_adapters.linting.rules import RULES, Finding, Step
from refold_adapters.linting.walking import Body

_NOQA = re.compile(r"#\s*noqa(?!\w)(?::\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?", re.IGNORECASE)
#: Folders that hold what others wrote, or what tools made.
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "_build", "venv"})
_PLACED = ast.expr | ast.stmt | ast.ExceptHandler
_SIMPLE = (
    ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return | ast.Raise | ast.Assert | ast.Delete
)


@frozen
class Report:
    """What came of it: the findings, and how much was looked at."""

    findings: Sequence[Finding]
    files: int
    workflows: int


def lint(paths: Iterable[Path], folders: Sequence[Path]) -> Report:
    """Check all workflows in some files and folders; ``folders`` are where their imports are looked up."""
    program = Program(list(folders))
    files = list(dict.fromkeys(path.absolute() for given in paths for path in files_in(given)))
    modules = [module for path in files if (module := program.load(path)) is not None]
    checker = Checker(Resolver(program))
    roots = [root for module in modules for root in roots_of(module, checker.resolver)]
    findings = [*_unreadable(files, program), *_findings(roots, checker)]
    order = sorted(dict.fromkeys(findings), key=lambda each: (each.file, each.line, each.column, each.code))
    return Report(order, len(files), len({id(root.owner or root.node) for root in roots}))


def files_in(path: Path) -> Iterator[Path]:
    """A file itself, or the Python files below a folder."""
    if not path.is_dir():
        yield path
        return
    for inner in sorted(path.iterdir()):
        if inner.is_dir():
            if inner.name not in _PASSED_OVER and not inner.name.startswith("."):
                yield from files_in(inner)
        elif inner.suffix == ".py":
            yield inner


def _unreadable(files: Sequence[Path], program: Program) -> Iterator[Finding]:
    for path in files:
        if path in program.broken:
            why, line, column = program.broken[path]
            rule = RULES["RFL001"]
            yield Finding(program.shown(path), line, column, rule.code, f"cannot be parsed: {why}", rule.fix)


def _findings(roots: Sequence[Function], checker: Checker) -> Iterator[Finding]:
    seen: set[ast.AST] = set()
    pending: deque[tuple[Function, tuple[Step, ...]]] = deque((root, ()) for root in roots)
    while pending:
        function, path = pending.popleft()
        if function.node in seen or isinstance(function.node, ast.AsyncFunctionDef):
            continue
        seen.add(function.node)
        body = checker.body(function)
        for mistake in checker.mistakes(body):
            if not _is_allowed(mistake, body):
                yield _finding(mistake, function, path)
        for brought, line in checker.brought_in(body):
            pending.append((brought, (*path, Step(function.title, function.module.name, line))))


def _finding(mistake: Mistake, function: Function, path: tuple[Step, ...]) -> Finding:
    line, column = _place(mistake.node)
    own = (*path, Step(function.title, function.module.name, line)) if path else ()
    return Finding(function.module.name, line, column, mistake.code, mistake.message, mistake.fix, own)


def _place(node: ast.AST) -> tuple[int, int]:
    """Line and column, both from 1."""
    return getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1


def _is_allowed(mistake: Mistake, body: Body) -> bool:
    """Whether a comment says so, on the first or the last line of it or of the simple statement that it stands in."""
    nodes = [mistake.node, *(each for each in body.above(mistake.node) if isinstance(each, _SIMPLE))]
    numbers = {node.lineno for node in nodes if isinstance(node, _PLACED)}
    numbers |= {node.end_lineno or 1 for node in nodes if isinstance(node, ast.expr | _SIMPLE)}
    lines = body.scope.module.lines
    return any(_allows(lines[number - 1], mistake.code) for number in numbers if number <= len(lines))


def _allows(line: str, code: str) -> bool:
    noqa = _NOQA.search(line)
    return noqa is not None and (noqa["codes"] is None or code in re.split(r"[,\s]+", noqa["codes"].upper()))
