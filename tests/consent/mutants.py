"""The code of `consent` with one thing taken out: a refusal that is not raised, a condition that is not asked.

Only the code object of one function is exchanged, in memory, so that everybody who holds the function runs the mutant.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One thing taken out of one function. `name` tells which, as it stands in the source."""

    module: ModuleType
    function: str
    code: CodeType
    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.module.__name__.removeprefix('consent.')}.{self.function}: {self.name}"


@contextmanager
def running(mutant: Mutant) -> Iterator[None]:
    """Within this the mutant runs in the function's place."""
    target: Any = mutant.module
    for part in mutant.function.split("."):
        target = target.__dict__[part]
    target = target.fget if isinstance(target, property) else target
    assert isinstance(target, FunctionType)
    original = target.__code__
    target.__code__ = mutant.code
    try:
        yield
    finally:
        target.__code__ = original


def without_refusals(module: ModuleType) -> Iterator[Mutant]:
    """Every `raise broken(…)`, `raise stale(…)` and `raise Rejected(…)` taken out, one after another."""
    tree = _tree(module)
    for number, node in enumerate(_nodes(tree, ast.Raise)):
        if isinstance(node.exc, ast.Call):
            twin = deepcopy(tree)
            victim = list(_nodes(twin, ast.Raise))[number]
            _replace(twin, victim, ast.copy_location(ast.Pass(), victim))
            yield from _made(module, tree, twin, node, ast.unparse(node), _reason(node.exc))


def without_conditions(module: ModuleType) -> Iterator[Mutant]:
    """Every operand of `and` and `or` taken out, one after another."""
    tree = _tree(module)
    for number, node in enumerate(_nodes(tree, ast.BoolOp)):
        for operand in range(len(node.values)):
            twin = deepcopy(tree)
            victim = list(_nodes(twin, ast.BoolOp))[number]
            rest = [value for place, value in enumerate(victim.values) if place != operand]
            new = rest[0] if len(rest) == 1 else ast.BoolOp(victim.op, rest)
            _replace(twin, victim, ast.copy_location(new, victim))
            yield from _made(module, tree, twin, node, f"[{ast.unparse(node.values[operand])}] of {ast.unparse(node)}")


def _tree(module: ModuleType) -> ast.Module:
    assert module.__file__
    return ast.parse(Path(module.__file__).read_text(), module.__file__)


def _nodes(tree: ast.AST, kind: type[Any]) -> Iterator[Any]:
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def _reason(call: ast.Call) -> str:
    words = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return words[-1] if words else "stale"


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                for place, item in enumerate(value):
                    if item is old:
                        value[place] = new


def _made(
    module: ModuleType, tree: ast.Module, twin: ast.Module, node: ast.AST, name: str, reason: str = ""
) -> Iterator[Mutant]:
    function = _function_of(tree, node)
    code = _find(compile(ast.fix_missing_locations(twin), module.__file__ or "", "exec"), function)
    if code is not None and "<locals>" not in function:
        yield Mutant(module, function, code, f"{name} ({getattr(node, 'lineno', 0)})", reason)


def _function_of(tree: ast.AST, node: ast.AST, prefix: str = "") -> str:
    for child in ast.iter_child_nodes(tree):
        if node in ast.walk(child):
            if isinstance(child, ast.ClassDef):
                return _function_of(child, node, f"{prefix}{child.name}.")
            if isinstance(child, ast.FunctionDef):
                inner = _function_of(child, node, f"{prefix}{child.name}.<locals>.")
                return inner or f"{prefix}{child.name}"
            return _function_of(child, node, prefix)
    return ""


def _find(code: CodeType, name: str) -> CodeType | None:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_qualname == name:
                return const
            found = _find(const, name)
            if found is not None:
                return found
    return None
