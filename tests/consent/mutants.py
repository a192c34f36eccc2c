"""The code of `consent` with one thing taken out: a refusal that is not raised, a condition that is not asked.

Only the code object of one function is exchanged, in memory, so that everybody who holds the function runs the mutant.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One thing taken out of one function. `name` tells which, as it stands in the source; `code` compiles the rest."""

    module: ModuleType
    function: str
    name: str
    code: Callable[[], CodeType]
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
    target.__code__ = mutant.code()
    try:
        yield
    finally:
        target.__code__ = original


def without_refusals(module: ModuleType) -> Iterator[Mutant]:
    """Every `raise broken(…)`, `raise stale(…)` and `raise Rejected(…)` taken out, one after another."""
    for number, node, function in _within_functions(module, ast.Raise):
        if isinstance(node.exc, ast.Call):
            code = partial(_code, module, function, ast.Raise, number, _nothing)
            yield Mutant(module, function, f"{ast.unparse(node)} ({node.lineno})", code, _reason(node.exc))


def without_conditions(module: ModuleType) -> Iterator[Mutant]:
    """Every operand of `and` and `or` taken out, one after another."""
    for number, node, function in _within_functions(module, ast.BoolOp):
        for place, operand in enumerate(node.values):
            code = partial(_code, module, function, ast.BoolOp, number, partial(_others, place=place))
            name = f"[{ast.unparse(operand)}] of {ast.unparse(node)} ({node.lineno})"
            yield Mutant(module, function, name, code)


def _nothing(_: ast.Raise) -> ast.Pass:
    return ast.Pass()


def _others(node: ast.BoolOp, place: int) -> ast.expr:
    rest = node.values[:place] + node.values[place + 1 :]
    return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _tree(module: ModuleType) -> ast.Module:
    assert module.__file__
    return ast.parse(Path(module.__file__).read_text(), module.__file__)


def _nodes(tree: ast.AST, kind: type[Any]) -> list[Any]:
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def _within_functions(module: ModuleType, kind: type[Any]) -> Iterator[tuple[int, Any, str]]:
    """The nodes of a kind, each with its number and its function, which is one of the module or of a class."""
    tree = _tree(module)
    functions = dict(_functions(tree))
    for number, node in enumerate(_nodes(tree, kind)):
        if functions[node] and "<locals>" not in functions[node]:
            yield number, node, functions[node]


def _functions(tree: ast.AST, prefix: str = "", function: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Each node with the name of the innermost function that it stands in, `""` for none."""
    for child in ast.iter_child_nodes(tree):
        own, inside = function, prefix
        if isinstance(child, ast.ClassDef):
            inside = f"{prefix}{child.name}."
        elif isinstance(child, ast.FunctionDef):
            own = f"{prefix}{child.name}"
            inside = f"{own}.<locals>."
        yield child, own
        yield from _functions(child, inside, own)


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


def _code(
    module: ModuleType, function: str, kind: type[Any], number: int, instead: Callable[[Any], ast.AST]
) -> CodeType:  # fmt: skip
    """The code of a function where something else stands instead of one node of its module."""
    tree = _tree(module)
    victim = _nodes(tree, kind)[number]
    _replace(tree, victim, ast.copy_location(instead(victim), victim))
    code = _find(compile(ast.fix_missing_locations(tree), module.__file__ or "", "exec"), function)
    assert code is not None
    return code


def _find(code: CodeType, name: str) -> CodeType | None:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_qualname == name:
                return const
            found = _find(const, name)
            if found is not None:
                return found
    return None
