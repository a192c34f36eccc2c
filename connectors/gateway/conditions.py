"""Criteria of a search as conditions on index tables: exactly `fhir_profiles.search.matches`, in SQL.

A value is taken apart into how it is compared and what with. The first shapes the statement, the second fills its
parameters, so that a statement is built once for all searches of one shape.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, and_, false, literal_column, or_, select, true
from sqlalchemy import Text as TextType
from sqlalchemy.sql import FromClause, operators
from sqlalchemy.sql.elements import BinaryExpression, Grouping

from connectors.gateway.indexing import LONGEST, WHOLE, fit
from connectors.gateway.models import index_date, index_quantity, index_text
from fhir_profiles.problems import Problem
from fhir_profiles.search import (
    OWN_COLUMNS,
    Criterion,
    Dates,
    Identifier,
    Missing,
    Number,
    Reference,
    Text,
    Token,
    Uri,
    fold,
)

LAST = "\U0010ffff"
"""The last code point: what begins with a text lies before the text and this."""

INSTANT = 1000
"""Microseconds that an instant with milliseconds lasts."""

IN_A_ROW = 100
"""So many conditions stand side by side."""

FEW = 10
"""So many values are looked up for each row that is led to; of more it is quicker to find all that fit."""

How = tuple[Hashable, ...]
Condition = ColumnElement[bool]
Operands = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A criterion without what it is compared with; `hows` and `widths` (number of operands): one for each value."""

    param: str
    kind: str
    negated: bool
    hows: tuple[How, ...]
    widths: tuple[int, ...]


def part(criterion: Criterion) -> tuple[Part, list[tuple[Any, ...]]]:
    """A criterion taken apart: its shape, and the operands of each of its values."""
    hows, operands = zip(*map(_read, criterion.values), strict=True)
    widths = tuple(len(each) for each in operands)
    return Part(criterion.param, criterion.kind, criterion.negated, hows, widths), list(operands)


def _read(value: Any) -> tuple[How, tuple[Any, ...]]:
    match value:
        case Token(system=system, code=code) | Identifier(system=system, code=code):
            given = [fit(each) for each in (code, system) if each is not None]
            return (type(value).__name__, code is not None, system is not None), tuple(given)
        case Text(how="exact", text=text):
            return ("Text", "exact"), (fit(fold(text)), fit(text))
        case Text(how="contains", text=text):
            escaped = _short(text).replace("/", "//").replace("%", "/%").replace("_", "/_")
            return ("Text", "contains"), (f"%{escaped}%",)
        case Text(text=text):
            return ("Text", "start"), (_short(text), text + LAST)
        case Reference(url=str(url)):
            return ("Reference", "url"), (fit(url), WHOLE)
        case Reference(type=None, id=id_):
            return ("Reference", "id"), (fit(id_), WHOLE)
        case Reference(type=type_, id=id_):
            return ("Reference", "type"), (fit(id_), type_)
        case Uri(uri=uri, below=True):
            return ("Uri", "below"), (_short(uri), uri + LAST)
        case Uri(uri=uri):
            return ("Uri", "same"), (fit(uri),)
        case Missing(missing=missing):
            return ("Missing", missing), ()
    return _read_range(value)


def _short(text: str) -> str:
    """A part of a text to look for, no longer than what the index holds. Raises `Problem(invalid)`."""
    if len(text.encode()) > LONGEST:
        raise Problem("invalid", f"a text to search for may have {LONGEST} bytes")
    return text


def _read_range(value: Any) -> tuple[How, tuple[Any, ...]]:
    match value:
        case Dates(prefix=prefix, low=low, high=high):
            return ("Dates", prefix), (low, high)
        case Number(prefix=prefix, value=number, low=low, high=high, system=system, code=code):
            units = [fit(each) for each in (code, system) if each is not None]
            return ("Number", prefix, code is not None, system is not None), (number, low, high, *units)
    raise TypeError("no value of a search")


def table_of(kind: str) -> FromClause:
    """The index table of a type of search parameter."""
    if kind == "date":
        return index_date
    return index_quantity if kind in {"quantity", "number"} else index_text


def word(name: str) -> ColumnElement[str]:
    """A name out of HL7's definitions, written into the statement, so that plans are made for it."""
    return literal_column(f"'{name}'", TextType())


def fits(table: FromClause, how: How, operands: Operands) -> Condition:
    """Whether an index row, of the right parameter, fits a value."""
    columns = table.c
    match how:
        case ("Token" | "Identifier", with_code, with_system):
            wanted = [name for name, given in (("value", with_code), ("qualifier", with_system)) if given]
            return and_(true(), *(columns[name] == operand for name, operand in zip(wanted, operands, strict=True)))
        case ("Text", "contains"):
            return columns.value.like(operands[0], escape="/")
        case ("Text", "exact") | ("Reference", "url" | "type"):
            return and_(columns.value == operands[0], columns.qualifier == operands[1])
        case ("Reference", "id"):
            return and_(columns.value == operands[0], columns.qualifier != operands[1])
        case ("Text", "start") | ("Uri", "below"):
            return and_(columns.value >= operands[0], columns.value < operands[1])
        case ("Uri", "same"):
            return and_(columns.value == operands[0])
        case ("Dates", str(prefix)):
            return _dated(prefix, operands, columns.low, columns.high)
        case ("Number", str(prefix), with_code, with_system):
            return and_(
                _numbered(prefix, operands, columns.low, columns.high),
                _unit(table, operands[3:], bool(with_system)) if with_code else true(),
            )
    return false()


def _dated(prefix: str, operands: Operands, low: ColumnElement[int], high: ColumnElement[int]) -> Condition:
    """`fhir_profiles.dates.compare` on two columns."""
    first, last = operands
    inside = and_(low >= first, high <= last)
    tests: dict[str, Condition] = {
        "eq": inside,
        "ne": ~inside,
        "gt": high > last,
        "lt": low < first,
        "ge": or_(high > last, inside),
        "le": or_(low < first, inside),
        "sa": low >= last,
        "eb": high <= first,
        "ap": and_(low < last, high > first),
    }
    return tests[prefix]


def _numbered(prefix: str, operands: Operands, low: ColumnElement[float], high: ColumnElement[float]) -> Condition:
    """`fhir_profiles.values.Number.fits` on two columns."""
    value, first, last = operands[:3]
    inside = and_(low >= first, high < last)
    tests: dict[str, Condition] = {
        "eq": inside,
        "ne": ~inside,
        "gt": high > value,
        "lt": low < value,
        "ge": high >= value,
        "le": low <= value,
        "sa": low > value,
        "eb": high < value,
        "ap": and_(low <= last, high >= first),
    }
    return tests[prefix]


def _unit(table: FromClause, operands: Operands, with_system: bool) -> Condition:
    if with_system:
        return and_(table.c.code == operands[0], table.c.system == operands[1])
    return or_(table.c.code == operands[0], table.c.unit == operands[0])


def any_of(conditions: Sequence[Condition]) -> Condition:
    """One of many: in groups within groups, because SQLite takes no deeper expression than a thousand in a row."""
    if len(conditions) <= IN_A_ROW:
        return or_(*conditions)
    half = len(conditions) // 2
    first, second = Grouping(any_of(conditions[:half])), Grouping(any_of(conditions[half:]))
    return BinaryExpression(first, second, operators.or_, type_=Boolean())


def on(row: FromClause, type_: str, shape: Part, operands: Sequence[Operands], patient: Any = None) -> Condition:
    """A criterion as a condition on the resource `row`, by all resources that fit; of one patient only, if named."""
    parts = []
    for how, each in zip(shape.hows, operands, strict=True):
        if shape.param in OWN_COLUMNS:
            parts.append(_own(row, how, each))
        elif how[0] == "Missing":
            present = row.c.rid.in_(_present(type_, shape))
            parts.append(~present if how[1] else present)
        else:
            parts.append(row.c.rid.in_(_rids(type_, shape, how, each, patient)))
    return ~any_of(parts) if shape.negated else any_of(parts)


def beside(
    leader: FromClause, row: FromClause, type_: str, shape: Part, operands: Sequence[Operands], patient: Any
) -> Condition:
    """The same, looked up for one row of the text index at a time where that is possible and the values are few.

    All text rows of a resource repeat its patient and date, so that the place of the one looked for is known.
    """
    few = len(shape.hows) <= FEW
    if not few or shape.param in OWN_COLUMNS or any(how[0] not in _LOOKED_UP for how in shape.hows):
        return on(row, type_, shape, operands, patient)
    table = table_of(shape.kind)
    parts = []
    for how, each in zip(shape.hows, operands, strict=True):
        same = [table.c.param == word(_name(type_, shape, how)), fits(table, how, each), table.c.rid == leader.c.rid]
        if table is index_text:
            same += [table.c.patient == leader.c.patient, table.c.low == leader.c.low]
        # OFFSET 0 keeps PostgreSQL from turning the look-up into a join over all that fits.
        parts.append(select(table.c.rid).where(*same).offset(0).exists())
    return ~any_of(parts) if shape.negated else any_of(parts)


_LOOKED_UP = frozenset({"Token", "Identifier", "Reference", "Dates", "Number"})


def _rids(type_: str, shape: Part, how: How, operands: Operands, patient: Any) -> Select[tuple[int]]:
    table = table_of(shape.kind)
    found = select(table.c.rid).where(table.c.param == word(_name(type_, shape, how)), fits(table, how, operands))
    return found.where(table.c.patient == patient) if patient is not None and table is index_text else found


def _present(type_: str, shape: Part) -> Select[tuple[int]]:
    table = table_of(shape.kind)
    name = f"{type_}.{shape.param}"
    names = [name, f"{name}:text", f"{name}:identifier"] if table is index_text else [name]
    return select(table.c.rid).where(or_(*(table.c.param == word(each) for each in names)))


def _name(type_: str, shape: Part, how: How) -> str:
    name = f"{type_}.{shape.param}"
    if how[0] == "Identifier":
        return f"{name}:identifier"
    return f"{name}:text" if how[0] == "Text" and shape.kind == "token" else name


def _own(row: FromClause, how: How, operands: Operands) -> Condition:
    """A value of `_id` or `_lastUpdated`, which are columns of the resource."""
    match how:
        case ("Missing", missing):
            return false() if missing else true()
        case ("Token", True, with_system):
            # An id has no system: only `|id` and `id` can fit.
            return and_(row.c.id == operands[0], operands[1] == "") if with_system else row.c.id == operands[0]
        case ("Dates", str(prefix)):
            return _dated(prefix, operands, row.c.updated, row.c.updated + INSTANT)
    return false()
