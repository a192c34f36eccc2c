"""What a resource is found by: rows for a search index, taken with HL7's search parameters.

Parameters whose expression or type is outside what `paths` and the tables below know are not offered at all.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from fhir_profiles import dates, definitions, paths
from fhir_profiles.dates import BERLIN

OWN_COLUMNS: Final = frozenset({"_id", "_lastUpdated"})
"""Parameters of every resource's own row: a store has them as columns, `index_values` gives no rows for them."""

_SPECIAL_VALUES = "http://terminology.hl7.org/CodeSystem/special-values"
_CURRENCIES = "urn:iso:std:iso:4217"
_MARKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class IndexValue:
    """One row of the index. Which members are set depends on `kind`, the type of the search parameter:

    token      `system`, `code`, `text` (folded display or text)
    string     `text` (folded), `exact`
    date       `low`, `high`: integers, microseconds UTC, half-open
    quantity   `low`, `high`: floats, equal but for ranges and comparators; `system`, `code`, `exact` (the unit)
    number     `low`, `high`
    reference  `system` (resource type), `code` (id); `exact`: the whole reference where it is not `Type/id`;
               an identifier alone is a row of kind `identifier` with `system` and `code`
    uri        `exact`
    """

    param: str
    kind: str
    system: str | None = None
    code: str | None = None
    text: str | None = None
    exact: str | None = None
    low: float | int | None = None
    high: float | int | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter as offered at a resource type; `targets` is empty where a reference may lead anywhere."""

    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    nodes: tuple[paths.Node, ...]


Rows = Iterator[IndexValue]
Take = Callable[[str, Any, paths.Node, tzinfo], Rows]


def fold(text: str) -> str:
    """Text for comparing: no case, no diacritics (ü is u, ß is ss), compatibility forms alike, single spaces."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))
    return _MARKS.sub(" ", unicodedata.normalize("NFKD", bare.casefold())).strip()


@cache
def parameters(resource_type: str) -> Mapping[str, Parameter]:
    """The search parameters that are offered at a resource type, by their code."""
    table = definitions.search_parameters()
    offered = {}
    for code, definition in {**table["Resource"], **table.get(resource_type, {})}.items():
        kind = definition["type"]
        try:
            nodes = paths.compile_path(definition["expression"], resource_type)
        except paths.UnsupportedError:
            continue
        known = tuple(node for node in nodes if node.type in _TAKE.get(kind, {}))
        if known:
            targets = tuple(definition.get("target", ()))
            offered[code] = Parameter(code, kind, definition["expression"], targets, known)
    return MappingProxyType(offered)


def index_values(
    resource: Mapping[str, Any], only: frozenset[str] | None = None, zone: tzinfo = BERLIN
) -> list[IndexValue]:
    """The index rows of a checked resource, each once, for all offered parameters or for `only` some.

    `zone` is where days begin that have none. There are no rows for `OWN_COLUMNS`.
    """
    found: dict[IndexValue, None] = {}
    for code, kind, nodes in _plan(resource["resourceType"], only):
        for node in nodes:
            take = _TAKE[kind][node.type]
            for value in node.get(resource):
                for row in take(code, value, node, zone):
                    found[row] = None
    return list(found)


def own_values(resource: Mapping[str, Any], zone: tzinfo = BERLIN) -> list[IndexValue]:
    """The rows of `OWN_COLUMNS` as the resource itself states them; a store has its own truth for them."""
    known = parameters(resource["resourceType"])
    return [
        row
        for code in sorted(OWN_COLUMNS)
        for node in known[code].nodes
        for value in node.get(resource)
        for row in _TAKE[known[code].type][node.type](code, value, node, zone)
    ]


@cache
def _plan(resource_type: str, only: frozenset[str] | None) -> list[tuple[str, str, tuple[paths.Node, ...]]]:
    return [
        (code, parameter.type, parameter.nodes)
        for code, parameter in parameters(resource_type).items()
        if code not in OWN_COLUMNS and (only is None or code in only)
    ]


def _date(param: str, value: Any, node: paths.Node, zone: tzinfo) -> Rows:
    span = dates.span_of(value, node.type, zone)
    if span is not None:
        yield IndexValue(param, "date", low=span[0], high=span[1])


@cache
def _implied_system(path: str) -> Mapping[str, str]:
    """The systems of a `code` element's codes, by its required binding."""
    element = definitions.types()[path.partition(".")[0]]["elements"].get(path)
    listed = definitions.codes().get(element.get("binding", "")) if element else None
    return {code: system for system, codes in (listed or {}).items() for code in codes}


def _code(param: str, value: Any, node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "token", _implied_system(node.path).get(value), value)


def _plain_token(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "token", None, str(value))


def _boolean(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "token", _SPECIAL_VALUES, "true" if value else "false")


def _coding(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    display = value.get("display")
    yield IndexValue(param, "token", value.get("system"), value.get("code"), fold(display) if display else None)


def _concept(param: str, value: Any, node: paths.Node, zone: tzinfo) -> Rows:
    for coding in value.get("coding", ()):
        yield from _coding(param, coding, node, zone)
    if "text" in value:
        yield IndexValue(param, "token", text=fold(value["text"]))


def _identifier(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    label = value.get("type", {}).get("text")
    if "value" in value or "system" in value:
        yield IndexValue(param, "token", value.get("system"), value.get("value"), fold(label) if label else None)


def _contact(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    if "value" in value:
        yield IndexValue(param, "token", None, value["value"])


def _string(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "string", text=fold(value), exact=value)


def _parts(*names: str) -> Take:
    def take(param: str, value: Any, node: paths.Node, zone: tzinfo) -> Rows:
        for name in names:
            part = value.get(name, ())
            for text in (part,) if isinstance(part, str) else part:
                if text is not None:
                    yield from _string(param, text, node, zone)

    return take


def _reference(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    literal = value.get("reference", "#")
    if literal[0] != "#":
        yield _reference_row(param, literal)
    identifier = value.get("identifier")
    if isinstance(identifier, dict) and "value" in identifier:
        yield IndexValue(param, "identifier", identifier.get("system"), identifier["value"])


def _reference_row(param: str, literal: str) -> IndexValue:
    kind, ident = paths.target(literal)
    local = kind is not None and literal.startswith(f"{kind}/")
    return IndexValue(param, "reference", kind, ident, exact=None if local else literal)


def _canonical(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "reference", exact=value)
    if "|" in value:
        yield IndexValue(param, "reference", exact=value.partition("|")[0])


def _uri(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "uri", exact=value)


def _limits(quantity: Any) -> tuple[float, float] | None:
    """The range of a quantity: its value twice, or open to one side where a comparator says so."""
    value = quantity.get("value")
    if not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    below, above = math.nextafter(number, -math.inf), math.nextafter(number, math.inf)
    ranges = {
        "<": (-math.inf, below),
        "<=": (-math.inf, number),
        ">=": (number, math.inf),
        ">": (above, math.inf),
    }
    return ranges.get(quantity.get("comparator"), (number, number))


def _quantity(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    limits = _limits(value)
    if limits is not None:
        yield IndexValue(
            param,
            "quantity",
            value.get("system"),
            value.get("code"),
            exact=value.get("unit"),
            low=limits[0],
            high=limits[1],
        )


def _money(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    limits = _limits(value)
    if limits is not None:
        yield IndexValue(param, "quantity", _CURRENCIES, value.get("currency"), low=limits[0], high=limits[1])


def _range(kind: str) -> Take:
    def take(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
        low, high = value.get("low", {}), value.get("high", {})
        first, last = _limits(low), _limits(high)
        if first is not None or last is not None:
            unit = low or high
            yield IndexValue(
                param,
                kind,
                unit.get("system") if kind == "quantity" else None,
                unit.get("code") if kind == "quantity" else None,
                exact=unit.get("unit") if kind == "quantity" else None,
                low=first[0] if first else -math.inf,
                high=last[1] if last else math.inf,
            )

    return take


def _number(param: str, value: Any, _node: paths.Node, _: tzinfo) -> Rows:
    yield IndexValue(param, "number", low=float(value), high=float(value))


_NAME = _parts("text", "family", "given", "prefix", "suffix")
_ADDRESS = _parts("text", "line", "city", "district", "state", "postalCode", "country")

_TAKE: Final[Mapping[str, Mapping[str, Take]]] = {
    "date": dict.fromkeys(("date", "dateTime", "instant", "Period", "Timing"), _date),
    "number": {
        **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), _number),
        "Range": _range("number"),
    },
    "quantity": {
        **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _quantity),
        "Money": _money,
        "Range": _range("quantity"),
    },
    "reference": {"Reference": _reference, "canonical": _canonical, "uri": _canonical},
    "string": {"string": _string, "markdown": _string, "HumanName": _NAME, "Address": _ADDRESS},
    "token": {
        "boolean": _boolean,
        "code": _code,
        "Coding": _coding,
        "CodeableConcept": _concept,
        "ContactPoint": _contact,
        "Identifier": _identifier,
        **dict.fromkeys(("id", "string", "uri", "canonical"), _plain_token),
    },
    "uri": dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), _uri),
}
