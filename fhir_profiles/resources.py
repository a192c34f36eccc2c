"""The door: `parse` bytes of a resource, `check` it against HL7's definitions, take a typed `model` of it.

A resource travels as a plain dictionary; decimals keep their digits as `decimal.Decimal`
(https://hl7.org/fhir/R4/json.html#decimal). Bodies themselves are stored and spliced verbatim.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

import orjson

from fhir_profiles import definitions, structure
from fhir_profiles.problems import MAX_ISSUES, Issue, Problem

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_NUMBER = 400

_STRUCTURAL = frozenset({"structure", "required"})


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read a resource from the bytes of its JSON form; it is not yet checked.

    Raises `Problem`: `too-large`, or `invalid` for what is no JSON in UTF-8, has a byte order mark, a name twice in an
    object, `NaN` or `Infinity`, half a surrogate, more than 64 levels, or is no object with a `resourceType`.
    """
    if len(data) > max_bytes:
        raise Problem("too-large", f"a resource may have {max_bytes} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        raise Problem("invalid", "the body begins with a byte order mark")
    try:
        text = data.decode("utf-8")
        resource = json.loads(
            text, object_pairs_hook=_members, parse_float=_decimal, parse_int=_integer, parse_constant=_refuse
        )
    except UnicodeDecodeError:
        raise Problem("invalid", "the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Problem("invalid", f"the body is no JSON: line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise Problem("invalid", str(error)) from None
    except RecursionError:
        raise Problem("invalid", f"the body has more than {MAX_DEPTH} levels") from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _deeper_than(resource, MAX_DEPTH):
        raise Problem("invalid", f"the body has more than {MAX_DEPTH} levels")
    if "\\ud" in text or "\\uD" in text or "\\Ud" in text:
        _refuse_surrogates(resource)
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise Problem("invalid", "the body is no object with a resourceType")
    return resource


def dump(resource: Any) -> bytes:
    """The JSON form of a resource in UTF-8; a `Decimal` is written digit for digit."""
    return orjson.dumps(resource, default=_raw)


def check(resource: dict[str, Any]) -> None:
    """Check a resource against HL7's definition of its type in FHIR R4.

    Raises `Problem` (`structure` or `value`) with all findings, at most 50, each with the FHIRPath of its place and
    none with the value found there. Not checked: profiles, extensible bindings, terminologies that HL7 does not list
    (media types, currencies, UCUM), and whether a reference leads to something.
    """
    try:
        found = structure.check_resource(resource, [])
    except RecursionError:
        raise Problem("structure", f"the resource has more than {MAX_DEPTH} levels") from None
    if found:
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        root = name if isinstance(name, str) and name in definitions.resource_types() else "Resource"
        raise _problem(root, found)


def model(resource: dict[str, Any]) -> Any:
    """The resource as a typed model of `fhir.resources` (R4B, the nearest it has to R4), after `check`.

    Raises `Problem`: what `check` raises, `not-supported` where R4B has not this type of R4, `value` where the model
    refuses what the check took.
    """
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - takes a second; only who wants models pays
    from pydantic import ValidationError  # noqa: PLC0415

    check(resource)
    try:
        model_class = get_fhir_model_class(resource["resourceType"])
    except ValueError:
        raise Problem("not-supported", "there is no model of this resource type") from None
    try:
        return model_class.model_validate(resource)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Problem("value", "the model refuses a value", expression=place) from None


def _problem(root: str, found: Iterable[tuple[str, str, str]]) -> Problem:
    issues = [Issue(code, detail, root + path) for path, code, detail in found]
    first = issues[0]
    code = "structure" if first.code in _STRUCTURAL else "value"
    return Problem(code, f"{first.expression} {first.detail}", expression=first.expression, issues=issues[:MAX_ISSUES])


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return members


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER:
        raise ValueError("a number has too many digits")
    return Decimal(text)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= 18 else _decimal(text)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [child for each in level for child in _children(each) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_surrogates(resource: Any) -> None:
    try:
        json.dumps(resource, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise Problem("invalid", "the body has half a surrogate") from None


def _raw(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        sign_digits_exponent = value.as_tuple()
        plain = -MAX_NUMBER <= int(sign_digits_exponent.exponent) <= 0
        return orjson.Fragment(format(value, "f") if plain else str(value))
    raise TypeError("no JSON value")
