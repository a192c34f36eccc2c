"""Canonical JSON: one spelling for a value, so that signatures need no re-serialising (PROTOCOL.md 1.2).

Objects, arrays, strings and integers; nothing else. `parse` reads, writes again and compares the bytes.
"""

import re
from typing import Any

import orjson

from consent.primitives import broken

Value = dict[str, Any] | list[Any] | str | int

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 6
_KEY = re.compile(r"[a-z][a-z0-9_]{0,15}").fullmatch
_STRING = re.compile(r"[ !#-\[\]-~]*").fullmatch


def dump(value: Value) -> bytes:
    """The canonical bytes of a value. Raises `Rejected(broken, canon)` for what has none."""
    _check(value, 1, None)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def parse(data: bytes) -> dict[str, Any]:
    """Read canonical bytes of an object. Raises `Rejected(broken, canon)` at any other spelling."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise broken("canon") from None
    if not isinstance(value, dict) or dump(value) != data:
        raise broken("canon")
    return value


def _check(value: Any, depth: int, parent: str | None) -> None:
    """`parent` is the key under which `value` stands; the keys of `cite` are account names.

    By exact type, the most frequent first: `True` is no integer here, and what has a spelling of its own has none.
    """
    kind = type(value)
    if kind is str:
        if not _STRING(value):
            raise broken("canon")
    elif kind is int:
        if not 0 <= value <= MAX_INTEGER:
            raise broken("canon")
    elif kind is dict:
        _check_depth(depth)
        fits = _STRING if parent == "cite" else _KEY
        for key, member in value.items():
            if type(key) is not str or not fits(key):
                raise broken("canon")
            _check(member, depth + 1, key)
    elif kind is list:
        _check_depth(depth)
        for member in value:
            _check(member, depth + 1, None)
    else:
        raise broken("canon")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise broken("canon")
