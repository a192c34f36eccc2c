"""Checks of the primitive types' values (https://hl7.org/fhir/R4/datatypes.html#primitive)."""

import math
import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from fhir_profiles import definitions, narrative

Finding = tuple[str, str, str]
"""Path below the value that was checked, FHIR issue type, sentence."""

Check = Callable[[Any, list[str]], list[Finding] | None]
"""Checks a JSON value and answers with its findings or `None`.

The list collects the fragments to which the value refers: `#id` in a Reference, `uri#id` in a uri or canonical.
"""

MAX_STRING = 1024 * 1024
MAX_MAGNITUDE = 308

NULL: list[Finding] = [("", "structure", "null stands for nothing; leave the element out")]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_WHITE = re.compile(r"[ \t\r\n]+")
_WHOLE = {"integer": (-(2**31), 2**31 - 1), "unsignedInt": (0, 2**31 - 1), "positiveInt": (1, 2**31 - 1)}
_WITH_DAY = frozenset({"date", "dateTime", "instant"})
_MAY_BE_FRAGMENT = frozenset({"canonical", "uri", "url"})


@cache
def check_of(name: str) -> Check:
    """The check of a primitive type by its name."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in _WHOLE:
        return _whole(name, *_WHOLE[name])
    pattern = re.compile(definitions.regexes()[name], re.ASCII)
    if name in _WITH_DAY:
        return _with_day(name, pattern)
    return _text(name, pattern, may_be_fragment=name in _MAY_BE_FRAGMENT)


def one_of(codes: frozenset[str]) -> Check:
    """The check of a `code` with a required binding."""
    listed = ", ".join(sorted(codes)[:60]) + (", …" if len(codes) > 60 else "")
    foreign: list[Finding] = [("", "code-invalid", f"must be one of: {listed}")]

    def check(value: Any, _: list[str]) -> list[Finding] | None:
        if type(value) is not str:
            return _wrong(value, "code")
        return None if value in codes else foreign

    return check


def _wrong(value: Any, name: str) -> list[Finding]:
    if value is None:
        return NULL
    kind = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}.get(type(value), "a number")
    return [("", "structure", f"must be a {name}, not {kind}")]


def _boolean(value: Any, _: list[str]) -> list[Finding] | None:
    return None if value is True or value is False else _wrong(value, "boolean")


def _decimal(value: Any, _: list[str]) -> list[Finding] | None:
    kind = type(value)
    if kind is Decimal:
        fits = value.is_finite() and (value == 0 or abs(value.adjusted()) <= MAX_MAGNITUDE)
    elif kind is float:
        fits = math.isfinite(value)
    elif kind is int:
        fits = abs(value) < 10**MAX_MAGNITUDE
    else:
        return _wrong(value, "decimal")
    return None if fits else [("", "value", "is out of the range of a decimal")]


def _whole(name: str, low: int, high: int) -> Check:
    outside: list[Finding] = [("", "value", f"must be a whole number from {low} to {high}")]

    def check(value: Any, _: list[str]) -> list[Finding] | None:
        if type(value) is not int:
            return outside if type(value) in {float, Decimal} else _wrong(value, name)
        return None if low <= value <= high else outside

    return check


def _string(value: Any, _: list[str]) -> list[Finding] | None:
    if type(value) is not str:
        return _wrong(value, "string")
    if value and len(value) <= MAX_STRING and (value.isprintable() or not _CONTROL.search(value)):
        return None
    return [("", "value", "must be a text of 1 to 1048576 characters without control characters")]


def _base64(value: Any, _: list[str]) -> list[Finding] | None:
    if type(value) is not str:
        return _wrong(value, "base64Binary")
    bare = _WHITE.sub("", value)
    fits = bare and len(bare) % 4 == 0 and _BASE64.fullmatch(bare)
    return None if fits else [("", "value", "must be base64")]


def _text(name: str, pattern: re.Pattern[str], *, may_be_fragment: bool) -> Check:
    unfit: list[Finding] = [("", "value", f"is not written as a {name}")]
    matches = pattern.fullmatch

    def check(value: Any, fragments: list[str]) -> list[Finding] | None:
        if type(value) is not str:
            return _wrong(value, name)
        if not value or not matches(value) or (not value.isprintable() and _CONTROL.search(value)):
            return unfit
        if may_be_fragment and value[0] == "#":
            fragments.append("uri" + value)
        return None

    return check


def _with_day(name: str, pattern: re.Pattern[str]) -> Check:
    unfit: list[Finding] = [("", "value", f"is not written as a {name}")]
    matches = pattern.fullmatch

    def check(value: Any, _: list[str]) -> list[Finding] | None:
        if type(value) is not str:
            return _wrong(value, name)
        if not matches(value):
            return unfit
        if value[8:10] > "28" and int(value[8:10]) > monthrange(int(value[:4]), int(value[5:7]))[1]:
            return [("", "value", "is a day that no calendar has")]
        return None

    return check


def _xhtml(value: Any, _: list[str]) -> list[Finding] | None:
    if type(value) is not str:
        return _wrong(value, "xhtml")
    found = narrative.finding(value)
    return None if found is None else [("", "invariant", found)]


_SPECIAL: dict[str, Check] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "decimal": _decimal,
    "markdown": _string,
    "string": _string,
    "xhtml": _xhtml,
}
