"""Canonical JSON: one spelling for a value, so that signatures need no re-serialising (PROTOCOL.md 1.2).

Objects, arrays, strings and integers; nothing else. `parse` reads, writes again and compares the bytes.
"""

import json
import re
from typing import Any, NoReturn

from consent.primitives import broken

Value = dict[str, Any] | list[Any] | str | int

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 6
_KEY = re.compile(r"[a-z][a-z0-9_]{0,15}")
_STRING = re.compile(r"[ !#-\[\]-~]*")


def dump(value: Value) -> bytes:
    """The canonical bytes of a value. Raises `Rejected(broken, canon)` for what has none."""
    _check(value, 1, None)
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode("ascii")


def parse(data: bytes) -> dict[str, Any]:
    """Read canonical bytes of an object. Raises `Rejected(broken, canon)` at any other spelling."""
    try:
        value = json.loads(data.decode("ascii"), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise broken("canon") from None
    if not isinstance(value, dict) or dump(value) != data:
        raise broken("canon")
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _check(value: object, depth: int, parent: str | None) -> None:
    """`parent` is the key under which `value` stands; the keys of `cite` are account names."""
    if isinstance(value, str):
        if not _STRING.fullmatch(value):
            raise broken("canon")
    elif isinstance(value, bool):
        raise broken("canon")
    elif isinstance(value, int):
        if not 0 <= value <= MAX_INTEGER:
            raise broken("canon")
    elif isinstance(value, dict):
        _check_depth(depth)
        for key, member in value.items():
            if not isinstance(key, str) or not (_STRING if parent == "cite" else _KEY).fullmatch(key):
                raise broken("canon")
            _check(member, depth + 1, key)
    elif isinstance(value, list):
        _check_depth(depth)
        for member in value:
            _check(member, depth + 1, None)
    else:
        raise broken("canon")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise broken("canon")
