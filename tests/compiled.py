"""Routes and statements, compiled once a process: each test has apps and engines of its own, and all are alike."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

MOST = 2000
"""As many statements are kept of each kind of database."""

_compile_route = Rule._compile_builder
_routes: dict[tuple[Any, ...], Callable[..., Any]] = {}
_statements: defaultdict[type, Any] = defaultdict(lambda: LRUCache(MOST))


def _route(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    """What builds the URL of a rule: it takes the converters from the rule that it is given."""
    if rule.defaults:
        return _compile_route(rule, append_unknown)
    key = (*rule._trace, append_unknown)
    if key not in _routes:
        _routes[key] = _compile_route(rule, append_unknown)
    return _routes[key]


def once() -> None:
    """From now on, in this process and its forks."""
    Rule._compile_builder = _route
    Engine._compiled_cache = property(lambda engine: _statements[type(engine.dialect)], lambda *_: None)
    # Statements are kept by the dialect that compiled them, and each engine has one of its own.
    DefaultDialect.__eq__ = lambda one, other: type(one) is type(other)
    DefaultDialect.__hash__ = lambda one: hash(type(one))
