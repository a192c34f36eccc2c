"""References to what the reader may not see: they are not shown, and nothing is found by them.

A reference that leads nowhere would tell that there is something. So in what other authors wrote, one to a resource of
the patient's record is left out unless its target is visible too, whether it is withheld or was never there. So is one
that would lead elsewhere, because the house itself has a resource of that id. Who took part and where (practitioners,
organisations, places) is kept: these stand at most once in a house, and seldom here.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, bindparam, or_, select, tuple_

from connectors.gateway.conditions import Part, any_of, fits, word
from connectors.gateway.indexing import PATIENT_PARAMETERS, WHOLE
from connectors.gateway.models import index_text, resources
from connectors.gateway.records import Stored
from connectors.gateway.visibility import Scope, own, shown
from fhir_profiles import search
from fhir_profiles.problems import Problem
from fhir_profiles.resources import check, dump, parse

PARTIES = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "Organization", "OrganizationAffiliation", "HealthcareService"}
    | {"Location", "Endpoint"}
)
"""Types of which a reference says who or where, and nothing of what is known about the patient."""

UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
"""Where a reference is required and none can be shown: https://hl7.org/fhir/R4/extension-data-absent-reason.html"""

AT_ONCE = 5000
"""So many targets are looked up at once: a database takes so many values in a statement."""

Target = tuple[str, str, str]
"""Owner, type, id."""

_REFERENCE = re.compile(rb'"(?:reference|url)"\s*:\s*"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})["/#]')
_LOCAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:[/#].*)?")


# --- in what is answered ------------------------------------------------------------------------------------------


def without_hidden(connection: Connection, rows: Sequence[Stored], scope: Scope) -> list[Stored]:
    """The rows without references that lead to nothing visible; what the reader's house wrote is as it wrote it."""
    named = [set(_targets(row, scope)) for row in rows]
    wanted = set().union(*named)
    hidden = wanted - _led_to(connection, wanted, scope) if wanted else wanted
    return [_without(row, gone) if (gone := each & hidden) else row for row, each in zip(rows, named, strict=True)]


def _targets(row: Stored, scope: Scope) -> Iterator[Target]:
    if row.author in ("", scope.house) or (scope.own and row.owner == scope.own):
        return
    within = _entries(row) if row.type == "Bundle" else frozenset()
    for type_, id_ in _read(row.body):
        if type_ not in PARTIES and f"{type_}/{id_}" not in within:
            yield row.owner, type_, id_


def _read(body: bytes) -> Iterator[tuple[str, str]]:
    """Type and id of each reference to this server, and of each address of an attachment here."""
    if b"\\" not in body:
        yield from ((type_.decode(), id_.decode()) for type_, id_ in _REFERENCE.findall(body))
        return
    found: list[str] = []  # JSON may spell a slash in several ways
    _pruned(parse(body, max_bytes=len(body)), found.append, None)
    yield from (match.groups() for text in found if (match := _LOCAL.fullmatch(text)))  # type: ignore[misc]


def _entries(row: Stored) -> frozenset[str]:
    """What a Bundle holds itself: to that its references lead first, https://hl7.org/fhir/R4/bundle.html#references."""
    entries = parse(row.body, max_bytes=len(row.body)).get("entry", [])
    held = (each.get("resource", {}) for each in entries)
    return frozenset(f"{each.get('resourceType')}/{each.get('id')}" for each in held)


_SEEN = select(resources.c.owner, resources.c.type, resources.c.id).where(
    tuple_(resources.c.owner, resources.c.type, resources.c.id).in_(bindparam("targets", expanding=True)),
    resources.c.deleted.is_(False),
    shown(resources),
)


_OWN = select(resources.c.owner, resources.c.type, resources.c.id).where(
    tuple_(resources.c.type, resources.c.id).in_(bindparam("targets", expanding=True)),
    resources.c.deleted.is_(False),
    own(resources),
)


def _led_to(connection: Connection, targets: Collection[Target], scope: Scope) -> set[Target]:
    """The targets that are visible, and whose addresses do not lead to what the house itself has."""
    seen = _found(connection, _SEEN, targets, scope)
    owned = _found(connection, _OWN, {target[1:] for target in seen}, scope)
    taken = {target[1:] for target in owned}
    return {target for target in seen if target in owned or target[1:] not in taken}


def _found(
    connection: Connection, statement: Select[Any], targets: Collection[tuple[str, ...]], scope: Scope
) -> set[Target]:
    found: set[Target] = set()
    ordered = sorted(targets)
    for start in range(0, len(ordered), AT_ONCE):
        some = {"targets": ordered[start : start + AT_ONCE]}
        rows = connection.execute(statement, some | scope.parameters())
        found |= {(owner, type_, id_) for owner, type_, id_ in rows}
    return found


def _without(row: Stored, hidden: Collection[Target]) -> Stored:
    gone = {f"{type_}/{id_}" for _, type_, id_ in hidden}
    resource = parse(row.body, max_bytes=len(row.body))

    def is_gone(text: str) -> bool:
        match = _LOCAL.fullmatch(text)
        return match is not None and f"{match[1]}/{match[2]}" in gone

    names: list[str] = []
    found = _pruned(resource, is_gone, names)
    for required in _needed(found, sorted(set(names))):
        found = _pruned(resource, is_gone, None, required)
        if _holds(found):
            break
    return replace(row, body=dump(found))


def _needed(found: Any, names: Sequence[str]) -> Iterator[frozenset[str]]:
    """Elements in which something has to stand for what was left out: none, else one of them, at worst all."""
    if not _holds(found):
        yield from (frozenset({name}) for name in names)
        yield frozenset(names)


def _holds(resource: dict[str, Any]) -> bool:
    try:
        check(resource)
    except Problem:
        return False
    return True


def _pruned(
    value: Any,
    is_gone: Callable[[str], object],
    names: list[str] | None,
    required: Collection[str] = (),
    name: str = "",
) -> Any:
    """The value without the references that are gone; `names` learns in which elements they stood.

    In a `required` element one that says that it is unknown stands for all of them.
    """
    if isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str) and is_gone(text):
            if names is not None:
                names.append(name)
            return {"extension": [UNKNOWN]} if name in required else None
        members = {key: _pruned(each, is_gone, names, required, key) for key, each in value.items()}
        if isinstance(url := members.get("url"), str) and is_gone(url):  # of an attachment
            del members["url"]
        return {key: each for key, each in members.items() if each is not None} or None
    if isinstance(value, list):
        found: list[Any] = []
        for one in value:
            each = _pruned(one, is_gone, names, required, name)
            if (each is not None or one is None) and not (each == {"extension": [UNKNOWN]} and each in found):
                found.append(each)
        return found if any(each is not None for each in found) else None
    return value


# --- in what is asked ---------------------------------------------------------------------------------------------


def check_query(query: search.Query) -> None:
    """Raises `Problem(not-supported)` for a question about references whose answer would tell of hidden ones."""
    if query.type == "AuditEvent":
        return  # the house's own, which nothing hidden is in
    if any(map(_tells, query.criteria)):
        raise Problem("not-supported", "Of references only a search by the resource they lead to is served here.")
    if any(_is_elsewhere(sort.kind, sort.param) for sort in query.sort):
        raise Problem("not-supported", "An order by references is not served here.")


def without_refused(query: search.Query) -> search.Query:
    """The search without the criteria that `check_query` refuses: for a client that wants the others obeyed."""
    if query.type == "AuditEvent":
        return query
    refused = {f"{each.param}:{how}" for each in query.criteria if _tells(each) for how in ("missing", "identifier")}
    criteria = tuple(each for each in query.criteria if not _tells(each))
    return replace(query, criteria=criteria, used=tuple(each for each in query.used if each[0] not in refused))


def _tells(criterion: search.Criterion) -> bool:
    """Whether it asks if there is a reference, or for one by its identifier."""
    return _is_elsewhere(criterion.kind, criterion.param) and any(
        isinstance(value, search.Missing | search.Identifier) for value in criterion.values
    )


def leads(
    row: FromClause, type_: str, part: Part, operands: Sequence[Sequence[Any]], patient: Any
) -> ColumnElement[bool] | None:
    """For a criterion by what a reference leads to: that this is shown, or that the house wrote the reference."""
    if not _is_elsewhere(part.kind, part.param):
        return None
    named, referrer, target = index_text.alias("named"), resources.alias("referrer"), resources.alias("target")
    seen = select(target.c.rid).where(
        target.c.type == named.c.qualifier, target.c.id == named.c.value, target.c.owner == referrer.c.owner,
        target.c.deleted.is_(False), shown(target),
    )  # fmt: skip
    fitting = any_of([fits(named, how, each) for how, each in zip(part.hows, operands, strict=True)])
    by_others = (
        select(named.c.rid)
        .join_from(named, referrer, referrer.c.rid == named.c.rid)
        .where(named.c.param == word(f"{type_}.{part.param}"), fitting)
        .where(or_(named.c.qualifier.in_(sorted({*PARTIES, WHOLE})), seen.correlate_except(target).exists()))
    )
    if patient is not None:
        by_others = by_others.where(named.c.patient == patient)
    return or_(own(row), row.c.rid.in_(by_others))


def _is_elsewhere(kind: str, param: str) -> bool:
    return kind == "reference" and param not in PATIENT_PARAMETERS
