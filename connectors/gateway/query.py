"""A search as one indexed statement, page by page.

Two shapes. When the search is about one patient and goes by date, one criterion leads: its index rows of that patient
lie together in the order of time, so that a page is read off the index and the other criteria are looked up row by
row. Otherwise the database chooses its way from all criteria to the resources, which are then sorted.

A page begins behind the sort keys of the last resource of the page before, never at an offset: what is inserted or
removed meanwhile moves nothing. Statements are built once for all searches that differ in their values only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.sql import FromClause

from connectors.gateway.conditions import LAST, Condition, Part, beside, fits, on, part, table_of, word
from connectors.gateway.indexing import MAIN_DATE
from connectors.gateway.models import index_date, index_text, resources, spans, stored_columns
from connectors.gateway.references import leads
from connectors.gateway.visibility import Scope, visible
from fhir_profiles.search import Criterion, Query, Reference, Sort, Token

PAGE_SIZE = 20
"""Resources on a page unless `_count` says otherwise."""

What = Literal["page", "some", "numbers"]
After = tuple[Any, ...]
Key = tuple[ColumnElement[Any], bool]  # what is sorted by, and whether descending

_TELLING = {"identifier": 0, "code": 1, "combo-code": 2, "patient": 7, "subject": 8, "category": 9, "status": 10}
_USUAL = 5
_LARGEST = 1.7e308
_FAR = 2**62


@dataclass(frozen=True, slots=True)
class Shape:
    """A search without its values. `leader`: place of the criterion that leads; `scoped`: not all is visible."""

    type: str
    parts: tuple[Part, ...]
    sort: tuple[Sort, ...]
    leader: int | None
    patient: bool
    scoped: bool
    what: What
    following: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with its parameters. A row ends with `keys` sort keys."""

    statement: Select[Any]
    parameters: dict[str, Any] = field(repr=False)
    keys: int


def page(query: Query, scope: Scope | None, size: int, after: After | None) -> Prepared:
    """Up to `size` rows of `resources` and sort keys, beginning behind the keys `after`."""
    prepared = _prepared(query, scope, "page", after)
    prepared.parameters["size"] = size
    return prepared


def some(query: Query, scope: Scope | None, size: int) -> Prepared:
    """Up to `size` matching rows of `resources`, in no particular order."""
    prepared = _prepared(query, scope, "some", None)
    prepared.parameters["size"] = size
    return prepared


def numbers(query: Query, scope: Scope | None) -> Prepared:
    """How many match, by owner."""
    return _prepared(query, scope, "numbers", None)


def _prepared(query: Query, scope: Scope | None, what: What, after: After | None) -> Prepared:
    patient = next((found for found in map(_patient, query.criteria) if found is not None), None)
    by_date = len(query.sort) == 0 or (len(query.sort) == 1 and query.sort[0].param == MAIN_DATE)
    leader = _leader(query.criteria) if what == "page" and patient is not None and by_date else None
    parts, parameters = [], {} if scope is None else scope.parameters()
    for number, criterion in enumerate(query.criteria):
        shape, operands = part(criterion)
        parts.append(shape)
        for place, each in enumerate(operands):
            parameters |= {_slot(number, place, index): operand for index, operand in enumerate(each)}
    if patient is not None:
        parameters["patient"] = patient
    parameters |= {f"after{place}": key for place, key in enumerate(after or ())}
    sort = query.sort if what == "page" else ()
    shape_ = Shape(
        query.type, tuple(parts), sort, leader, patient is not None, scope is not None, what, after is not None
    )
    statement, keys = _statement(shape_)
    return Prepared(statement, parameters, keys)


def _slot(criterion: int, value: int, operand: int) -> str:
    return f"c{criterion}_{value}_{operand}"


# Which shape


def _patient(criterion: Criterion) -> str | None:
    """The one patient that a criterion names."""
    if criterion.negated or len(criterion.values) != 1:
        return None
    match criterion.values[0]:
        case Reference(type="Patient", id=id_, url=None) if criterion.param in {"patient", "subject"}:
            return id_
        case Reference(type=None, id=id_, url=None) if criterion.param == "patient":
            return id_
    return None


def _leader(criteria: tuple[Criterion, ...]) -> int | None:
    """The criterion that usually leaves the fewest resources, of those whose rows are in the order of time."""
    places = [place for place, criterion in enumerate(criteria) if _can_lead(criterion)]
    return min(places, key=lambda place: _TELLING.get(criteria[place].param, _USUAL), default=None)


def _can_lead(criterion: Criterion) -> bool:
    if criterion.negated or len(criterion.values) != 1 or criterion.param.startswith("_"):
        return False
    match criterion.values[0]:
        case Token(code=str()) | Reference(url=None):
            return True
    return False


# The statement of a shape


@lru_cache(maxsize=2000)
def _statement(shape: Shape) -> tuple[Select[Any], int]:
    if shape.what == "numbers":
        counted = select(resources.c.owner, func.count()).where(*_conditions(shape)).group_by(resources.c.owner)
        return counted, 0
    if shape.what == "some":
        return select(*stored_columns).where(*_conditions(shape)).limit(bindparam("size")), 0
    statement, keys = _sorted(shape) if shape.leader is None else _led(shape, shape.leader)
    if shape.following:
        statement = statement.where(_behind(keys))
    order = [key.desc() if descending else key.asc() for key, descending in keys]
    columns = [key.label(f"key{place}") for place, (key, _) in enumerate(keys)]
    return statement.add_columns(*columns).order_by(*order).limit(bindparam("size")), len(keys)


def _operands(shape: Shape, criterion: int) -> list[list[BindParameter[Any]]]:
    """The parameters of a criterion's values, named by their places."""
    kind = BigInteger() if shape.parts[criterion].kind == "date" else None
    return [
        [bindparam(_slot(criterion, value, operand), type_=kind) for operand in range(width)]
        for value, width in enumerate(shape.parts[criterion].widths)
    ]


def _conditions(shape: Shape, leader: FromClause | None = None) -> Iterator[Condition]:
    yield resources.c.type == word(shape.type)
    yield resources.c.deleted.is_(False)
    if shape.scoped:
        yield visible(resources)
    patient: BindParameter[str] | None = bindparam("patient") if shape.patient else None
    for number, each in enumerate(shape.parts):
        if leader is None:
            yield on(resources, shape.type, each, _operands(shape, number), patient)
        elif number != shape.leader:
            yield beside(leader, resources, shape.type, each, _operands(shape, number), patient)
        leading = leads(resources, shape.type, each, _operands(shape, number), patient) if shape.scoped else None
        if leading is not None:
            yield leading


def _led(shape: Shape, leader: int) -> tuple[Select[Any], list[Key]]:
    row, twin = index_text.alias("leader"), index_text.alias("twin")
    how, [operands] = shape.parts[leader].hows[0], _operands(shape, leader)
    # One resource may have one code in two systems: of such rows the first counts.
    same = [twin.c[name] == row.c[name] for name in ("param", "value", "patient", "low", "rid")]
    doubled = select(twin.c.rid).where(*same, twin.c.qualifier < row.c.qualifier, fits(twin, how, operands))
    statement = (
        select(*stored_columns)
        .join_from(row, resources, resources.c.rid == row.c.rid)
        .where(
            row.c.param == word(f"{shape.type}.{shape.parts[leader].param}"),
            row.c.patient == bindparam("patient"),
            fits(row, how, operands),
            ~doubled.offset(0).exists(),
            *_bounds(shape, row),
            *_conditions(shape, row),
        )
    )
    descending = not shape.sort or shape.sort[0].descending
    return statement, [(row.c.low, descending), (row.c.rid, descending)]


def _bounds(shape: Shape, row: FromClause) -> Iterator[Condition]:
    """How far the scan goes in time: never short of what a criterion fits, which is looked up besides."""
    for number, each in enumerate(shape.parts):
        if each.param != MAIN_DATE or each.negated or len(each.hows) != 1 or each.hows[0][0] != "Dates":
            continue
        prefix, [[low, high]] = each.hows[0][1], _operands(shape, number)
        ends_after = {"eq": low, "gt": high, "ge": low, "sa": high, "ap": low}
        begins_before = {"eq": high, "lt": low, "le": high, "eb": low, "ap": high}
        if prefix in ends_after:
            longest = select(spans.c.span).where(spans.c.type == word(shape.type)).scalar_subquery()
            yield row.c.low >= ends_after[str(prefix)] - func.coalesce(longest, 0)
        if prefix in begins_before:
            yield row.c.low < begins_before[str(prefix)]


def _sorted(shape: Shape) -> tuple[Select[Any], list[Key]]:
    statement = select(*stored_columns).where(*_conditions(shape))
    keys: list[Key] = []
    for sort in shape.sort:
        statement, key = _sort_key(statement, shape.type, sort)
        keys.append((key, sort.descending))
    keys.append((resources.c.rid, bool(keys) and keys[0][1]))
    return statement, keys


def _sort_key(statement: Select[Any], type_: str, sort: Sort) -> tuple[Select[Any], ColumnElement[Any]]:
    """What is sorted by: a resource's least value, or descending its greatest; it comes last where it has none.

    The clinical date is an end of its row: without one a resource counts as older than all others.
    """
    own = {"_id": resources.c.id, "_lastUpdated": resources.c.updated, MAIN_DATE: resources.c.low}
    if sort.param in own:
        return statement, own[sort.param]
    table = table_of(sort.kind)
    column = table.c.value if table is index_text else table.c.low
    best = (func.max(column) if sort.descending else func.min(column)).label("best")
    values = (
        select(table.c.rid, best).where(table.c.param == word(f"{type_}.{sort.param}")).group_by(table.c.rid).subquery()
    )
    end: Any = _FAR if table is index_date else _LARGEST
    if table is index_text:
        none: Any = "" if sort.descending else LAST
    else:
        none = -end if sort.descending else end
    return statement.outerjoin(values, values.c.rid == resources.c.rid), func.coalesce(values.c.best, none)


def _behind(keys: list[Key]) -> Condition:
    places = [bindparam(f"after{place}", type_=key.type) for place, (key, _) in enumerate(keys)]
    if all(descending == keys[0][1] for _, descending in keys):
        row, place = tuple_(*(key for key, _ in keys)), tuple_(*places)
        return row < place if keys[0][1] else row > place
    ways = []
    for number, (key, descending) in enumerate(keys):
        same = [keys[earlier][0] == places[earlier] for earlier in range(number)]
        ways.append(and_(*same, key < places[number] if descending else key > places[number]))
    return or_(*ways)
