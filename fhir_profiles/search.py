"""Search semantics without storage: parse a query, and say which resources it fits (https://hl7.org/fhir/R4/search.html).

What a resource is found by comes from `index`; a store translates a `Query` into its own language, and `matches` is the
plain truth that its answers are tested against.

Decisions where the specification leaves them open:
- an unknown parameter or modifier is refused (400), unless the request says `Prefer: handling=lenient`;
- tokens are compared with case; strings without case and diacritics; `:exact` compares code points;
- a date without zone lies in Europe/Berlin, or in the zone that the caller names;
- `gt lt ge le sa eb` of a number take the number as exact, `eq ne` with its implied precision, `ap` a tenth around it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from fhir_profiles import dates, index
from fhir_profiles.dates import BERLIN
from fhir_profiles.definitions import resource_types
from fhir_profiles.index import OWN_COLUMNS, IndexValue, Parameter, fold, index_values, parameters
from fhir_profiles.problems import Problem
from fhir_profiles.values import (
    Dates,
    Identifier,
    Missing,
    Number,
    Reference,
    Scene,
    Text,
    Token,
    Uri,
    Value,
    read_value,
    split,
)

__all__ = [
    "OWN_COLUMNS",
    "Criterion",
    "Dates",
    "Identifier",
    "IndexValue",
    "Missing",
    "Number",
    "Parameter",
    "Query",
    "Reference",
    "Sort",
    "Text",
    "Token",
    "Uri",
    "fold",
    "index_values",
    "matches",
    "parameters",
    "parse",
    "satisfies",
]

MODIFIERS: Final[Mapping[str, frozenset[str]]] = {
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "reference": frozenset({"missing", "identifier"}),
    "string": frozenset({"missing", "exact", "contains"}),
    "token": frozenset({"missing", "not", "text"}),
    "uri": frozenset({"missing", "below"}),
}
"""The modifiers served for each type of parameter; references take the name of a resource type as well."""

MAX_COUNT = 1000
MAX_CRITERIA = 50
MAX_VALUES = 1000
MAX_SORT = 10
_TOTALS = frozenset({"none", "estimate", "accurate"})
_UNSORTED = frozenset({"reference"})


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a query: fits if one of `values` does; with `negated`, if none does (`:not`)."""

    param: str
    kind: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of the order: a parameter of the type, or `_id` and `_lastUpdated`."""

    param: str
    kind: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A search at one resource type: all criteria must fit.

    `count` is the wanted size of a page (0: only the total), `total` one of none, estimate, accurate; both `None` where
    the client leaves it to the server. `used` are the arguments understood, as given, for the `self` link.
    """

    type: str
    criteria: tuple[Criterion, ...]
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    total: str | None = None
    used: tuple[tuple[str, str], ...] = ()


def parse(
    resource_type: str,
    args: Iterable[tuple[str, str]],
    *,
    offered: Collection[str] | None = None,
    other: Collection[str] = ("_format", "_pretty"),
    lenient: bool = False,
    base: str | None = None,
    zone: tzinfo = BERLIN,
    now: datetime | None = None,
) -> Query:
    """Understand the arguments of a search, names and values as in the URL but decoded.

    `offered`: the parameters that the server serves (all that `parameters` knows if not given); `other`: names that are
    the server's own (a cursor, the format); `lenient`: an unknown parameter or modifier is left out and not `used`;
    `base`: the server's FHIR base, below which absolute references are local.
    Raises `Problem`: `not-supported` for an unknown type, parameter or modifier, `invalid` for a value that is none,
    `too-large` for too many of them.
    """
    if resource_type not in resource_types():
        raise Problem("not-supported", "there is no such resource type in FHIR R4")
    known = {
        code: each
        for code, each in parameters(resource_type).items()
        if offered is None or code in {*offered, *OWN_COLUMNS}
    }
    scene = Scene(base.rstrip("/") + "/" if base else None, zone, now or datetime.now(UTC))
    criteria: list[Criterion] = []
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    total: str | None = None
    used: list[tuple[str, str]] = []
    for name, text in args:
        if name in other:
            continue
        try:
            if name == "_count":
                count = _count(text)
            elif name == "_total":
                total = _total(text)
            elif name == "_sort":
                sort = tuple(_sort(known, text))
            else:
                criteria.append(_criterion(known, scene, name, text))
        except Problem as problem:
            if lenient and problem.code == "not-supported":
                continue
            raise
        used.append((name, text))
    if len(criteria) > MAX_CRITERIA:
        raise Problem("too-large", f"a search may have {MAX_CRITERIA} criteria")
    if sum(len(criterion.values) for criterion in criteria) > MAX_VALUES:
        raise Problem("too-large", f"the criteria of a search may have {MAX_VALUES} values")
    return Query(resource_type, tuple(criteria), sort, count, total, tuple(used))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Problem("invalid", "_count must be a number from 0")
    return min(int(text), MAX_COUNT)


def _total(text: str) -> str:
    if text not in _TOTALS:
        raise Problem("invalid", "_total must be none, estimate or accurate")
    return text


def _sort(known: Mapping[str, Parameter], text: str) -> Iterator[Sort]:
    keys = text.split(",")
    if len(keys) > MAX_SORT:
        raise Problem("too-large", f"an order may have {MAX_SORT} parameters")
    for key in keys:
        name = key.removeprefix("-")
        parameter = known.get(name)
        if parameter is None or parameter.type in _UNSORTED:
            raise Problem("not-supported", "sorting by this parameter is not served here")
        yield Sort(name, parameter.type, key.startswith("-"))


def _criterion(known: Mapping[str, Parameter], scene: Scene, name: str, text: str) -> Criterion:
    code, _, modifier = name.partition(":")
    parameter = known.get(code)
    if parameter is None:
        raise Problem("not-supported", f"this search parameter is not served here: {_shown(code)}")
    kind = parameter.type
    typed = kind == "reference" and modifier in resource_types()
    if modifier and not typed and modifier not in MODIFIERS[kind]:
        raise Problem("not-supported", f"this modifier or chain of {code} is not served here")
    try:
        values = tuple(dict.fromkeys(read_value(kind, modifier, each, scene) for each in split(text, ",")))
    except ValueError:
        raise Problem("invalid", f"a value of {code} cannot be understood as {kind}") from None
    return Criterion(code, kind, values, negated=modifier == "not")


def _shown(code: str) -> str:
    """A name from the outside as far as it may stand in an error: a search parameter's form, and short."""
    return code if len(code) <= 64 and code.replace("-", "").replace("_", "").isalnum() else "(no name of a parameter)"


def matches(resource: Mapping[str, Any], query: Query, zone: tzinfo = BERLIN) -> bool:
    """Whether a checked resource is of the query's type and fits all its criteria."""
    if resource["resourceType"] != query.type:
        return False
    wanted = frozenset(criterion.param for criterion in query.criteria)
    rows = [*index_values(resource, wanted, zone), *index.own_values(resource, zone)]
    return all(
        satisfies([row for row in rows if row.param == criterion.param], criterion) for criterion in query.criteria
    )


def satisfies(rows: Collection[IndexValue], criterion: Criterion) -> bool:
    """Whether the index rows of one parameter fit a criterion on it."""
    fits = any(_fits(rows, value) for value in criterion.values)
    return fits != criterion.negated


def _fits(rows: Collection[IndexValue], value: Value) -> bool:
    if isinstance(value, Missing):
        return value.missing == (not rows)
    return any(_fits_row(row, value) for row in rows)


def _fits_row(row: IndexValue, value: Value) -> bool:
    match value:
        case Token():
            return row.kind == "token" and _fits_token(row, value)
        case Text():
            return _fits_text(row, value)
        case Dates():
            return dates.compare(value.prefix, (value.low, value.high), (int(row.low or 0), int(row.high or 0)))
        case Number():
            return _fits_number(row, value)
        case Reference():
            return row.kind == "reference" and _fits_reference(row, value)
        case Identifier():
            return row.kind == "identifier" and _fits_token(row, Token(value.system, value.code))
        case Uri():
            return row.exact is not None and (
                row.exact.startswith(value.uri) if value.below else row.exact == value.uri
            )
        case _:
            return False


def _fits_token(row: IndexValue, token: Token) -> bool:
    """`system` is `None` for any and "" for none."""
    if token.code is not None and row.code != token.code:
        return False
    return token.system is None or (row.system or "") == token.system


def _fits_text(row: IndexValue, text: Text) -> bool:
    if text.how == "exact":
        return row.exact == text.text
    if row.text is None:
        return False
    return text.text in row.text if text.how == "contains" else row.text.startswith(text.text)


def _fits_number(row: IndexValue, number: Number) -> bool:
    if number.code is not None and number.code not in {row.code, *((row.exact,) if number.system is None else ())}:
        return False
    if number.system is not None and (row.system or "") != number.system:
        return False
    if row.low is None or row.high is None:
        return False
    return number.fits(row.low, row.high)


def _fits_reference(row: IndexValue, reference: Reference) -> bool:
    if reference.url is not None:
        return row.exact == reference.url
    if row.exact is not None:
        return False
    return row.code == reference.id and reference.type in {None, row.system}
