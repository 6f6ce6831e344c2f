"""Workflows changed on purpose, one small change each: what the kernel must notice.

The function is parsed from its own file, changed, and compiled again with its own lines, so that reports can be checked to the line.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any


def without_each_yield(function: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], int]]:
    """The function with one ``yield from`` of its own forgotten, and the line of it; log lines included."""
    tree, line = _parsed(function)
    count = sum(isinstance(node, ast.YieldFrom) for node in ast.walk(tree))
    for index in range(count):
        changed = copy.deepcopy(tree)
        forgetter = _Forgetter(index)
        forgetter.visit(changed)
        yield _compiled(changed, function, line), forgetter.line + line - 1


class _Forgetter(ast.NodeTransformer):
    def __init__(self, index: int) -> None:
        self.left = index
        self.line = 0

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        self.left -= 1
        if self.left == -1:
            self.line = node.lineno
            return node.value
        return node


def _parsed(function: Callable[..., Any]) -> tuple[ast.FunctionDef, int]:
    lines, first = inspect.getsourcelines(function)
    definition = ast.parse(textwrap.dedent("".join(lines))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    return definition, first


def _compiled(definition: ast.FunctionDef, function: Callable[..., Any], first: int) -> Callable[..., Any]:
    module = ast.Module(body=[definition], type_ignores=[])
    ast.increment_lineno(module, first - 1)
    ast.fix_missing_locations(module)
    namespace = dict(function.__globals__)
    exec(compile(module, function.__code__.co_filename, "exec", dont_inherit=True, flags=_FUTURE), namespace)
    changed: Callable[..., Any] = namespace[function.__name__]
    return changed


#: Annotations are text in these files, and must stay so.
_FUTURE = __import__("__future__").annotations.compiler_flag
