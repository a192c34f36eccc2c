"""The values of a search argument, read by the type of its parameter (https://hl7.org/fhir/R4/search.html#ptypes).

All readers raise `ValueError` for a text that is none.
"""

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation

from fhir_profiles import dates, paths
from fhir_profiles.definitions import resource_types
from fhir_profiles.index import fold

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Token:
    """`system` is `None` where any fits and "" where none may stand; `code` is `None` where only the system counts."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """`how` is start, contains (both on folded text) or exact (as given)."""

    how: str
    text: str


@dataclass(frozen=True, slots=True)
class Dates:
    """A prefix and a half-open range of microseconds UTC, to be compared by `dates.compare`."""

    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number or quantity: `low` ≤ x < `high` is its implied precision (or a tenth around it for `ap`).

    `system` and `code` are `None` where any fits; without a system the code may be the human unit as well.
    """

    prefix: str
    value: float
    low: float
    high: float
    system: str | None = None
    code: str | None = None

    def fits(self, low: float, high: float) -> bool:
        """Whether a value from `low` to `high` (both included) fits."""
        inside = self.low <= low and high < self.high
        tests = {
            "eq": inside,
            "ne": not inside,
            "gt": high > self.value,
            "lt": low < self.value,
            "ge": high >= self.value,
            "le": low <= self.value,
            "sa": low > self.value,
            "eb": high < self.value,
            "ap": low <= self.high and high >= self.low,
        }
        return tests[self.prefix]


@dataclass(frozen=True, slots=True)
class Reference:
    """A local resource by id, of any type where `type` is `None`; or anything by its whole `url`."""

    type: str | None
    id: str | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Identifier:
    """A reference's identifier (`:identifier`), with system and code as in `Token`."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI, or with `below` all that begin with it."""

    uri: str
    below: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether the parameter must have no value (`:missing=true`) or some."""

    missing: bool


Value = Token | Text | Dates | Number | Reference | Identifier | Uri | Missing


@dataclass(frozen=True, slots=True)
class Scene:
    """What a value's meaning hangs on: the server's base (with its last slash), the zone of days, the time for `ap`."""

    base: str | None
    zone: tzinfo
    now: datetime


def split(text: str, sign: str) -> list[str]:
    r"""The parts of a text at a sign that no backslash escapes; the escapes stay."""
    if "\0" in text:
        raise ValueError("a NUL")
    return [each.replace("\0", "\\\\") for each in re.split(rf"(?<!\\){re.escape(sign)}", text.replace("\\\\", "\0"))]


def unescaped(text: str) -> str:
    r"""A text without the escapes `\,` `\|` `\$` and `\\`."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def read_value(kind: str, modifier: str, text: str, scene: Scene) -> Value:
    """Read one value (escapes still in it) of a parameter's type under a modifier ("" for none)."""
    if not text:
        raise ValueError("empty")
    if modifier == "missing":
        if text not in {"true", "false"}:
            raise ValueError("not a boolean")
        return Missing(text == "true")
    match kind:
        case "token":
            return Text("contains", fold(unescaped(text))) if modifier == "text" else Token(*_token(text))
        case "string":
            plain = unescaped(text)
            return Text("exact", plain) if modifier == "exact" else Text(modifier or "start", fold(plain))
        case "date":
            return _dates(text, scene)
        case "number" | "quantity":
            return _number(text, with_unit=kind == "quantity")
        case "reference":
            return (
                Identifier(*_token(text))
                if modifier == "identifier"
                else _reference(unescaped(text), modifier, scene.base)
            )
        case "uri":
            return Uri(unescaped(text), below=modifier == "below")
    raise ValueError("not a type of search parameter")


def _token(text: str) -> tuple[str | None, str | None]:
    parts = [unescaped(each) for each in split(text, "|")]
    if len(parts) == 1:
        return None, parts[0]
    if len(parts) > 2 or parts == ["", ""]:
        raise ValueError("not a token")
    return parts[0], parts[1] or None


def _prefixed(text: str) -> tuple[str, str]:
    found = _PREFIXED.fullmatch(text)
    if found is None:
        raise ValueError("empty")
    return found[1] or "eq", found[2]


def _dates(text: str, scene: Scene) -> Dates:
    prefix, rest = _prefixed(text)
    span = dates.span(rest.replace(" ", "+"), scene.zone)  # a plus that the client did not escape arrives as a space
    return Dates(prefix, *(dates.widened(span, scene.now) if prefix == "ap" else span))


def _number(text: str, *, with_unit: bool) -> Number:
    parts = [unescaped(each) for each in split(text, "|")]
    if len(parts) != 1 and not (with_unit and len(parts) == 3 and parts[2]):
        raise ValueError("not a number, or number|system|code")
    prefix, rest = _prefixed(parts[0])
    if not _NUMBER.fullmatch(rest):
        raise ValueError("not a number")
    value, half = _precision(rest)
    if prefix == "ap":
        half = max(abs(value) / 10, half)
    system, code = (parts[1] or None, parts[2]) if len(parts) == 3 else (None, None)
    return Number(prefix, float(value), float(value - half), float(value + half), system, code)


def _precision(text: str) -> tuple[Decimal, Decimal]:
    """A number and half a unit of its last digit; `1e2` counts tens, as in the specification's example (95 to 105)."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    exponent = int(value.as_tuple().exponent)
    return value, Decimal(5).scaleb(exponent - 1 if exponent <= 0 else exponent - 2)


def _reference(text: str, resource_type: str, base: str | None) -> Reference:
    if base and text.startswith(base):
        text = text[len(base) :]
    kind, ident = paths.target(text)
    if kind is not None and text.startswith(f"{kind}/"):
        if resource_type and resource_type != kind:
            raise ValueError("two types")
        return Reference(kind, ident)
    if _ID.fullmatch(text) and text not in resource_types():
        return Reference(resource_type or None, text)
    if ":" not in text or resource_type:
        raise ValueError("not a reference")
    return Reference(None, None, text)
