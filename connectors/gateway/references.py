"""References to what the reader may not see: they are not shown, and nothing is found by them.

A reference that leads nowhere would tell that there is something. So in what other authors wrote, one to a resource of
the patient's record is left out unless its target is visible too, whether it is withheld or was never there. Who took
part and where (practitioners, organisations, places) is kept: these stand at most once in a house, and seldom here.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, bindparam, or_, select, tuple_

from connectors.gateway.conditions import Part, fits, word
from connectors.gateway.indexing import PATIENT_PARAMETERS, WHOLE
from connectors.gateway.models import index_text, resources
from connectors.gateway.records import Stored
from connectors.gateway.visibility import Scope, shown
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

Target = tuple[str, str, str]
"""Owner, type, id."""

_REFERENCE = re.compile(rb'"reference"\s*:\s*"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})["/]')


# --- in what is answered ------------------------------------------------------------------------------------------


def without_hidden(connection: Connection, rows: Sequence[Stored], scope: Scope) -> list[Stored]:
    """The rows without references that lead to nothing visible; what the reader's house wrote is as it wrote it."""
    named = [set(_targets(row, scope)) for row in rows]
    wanted = set().union(*named)
    hidden = wanted - _visible(connection, wanted, scope) if wanted else wanted
    return [_without(row, gone) if (gone := each & hidden) else row for row, each in zip(rows, named, strict=True)]


def _targets(row: Stored, scope: Scope) -> Iterator[Target]:
    if row.owner in ("", scope.own) or row.author == scope.house:
        return
    for type_, id_ in _REFERENCE.findall(row.body):
        if (kind := type_.decode()) not in PARTIES:
            yield row.owner, kind, id_.decode()


_SEEN = select(resources.c.owner, resources.c.type, resources.c.id).where(
    tuple_(resources.c.owner, resources.c.type, resources.c.id).in_(bindparam("targets", expanding=True)),
    resources.c.deleted.is_(False),
    shown(resources),
)


def _visible(connection: Connection, targets: Collection[Target], scope: Scope) -> set[Target]:
    found = connection.execute(_SEEN, {"targets": sorted(targets)} | scope.parameters())
    return {(owner, type_, id_) for owner, type_, id_ in found}


def _without(row: Stored, hidden: Collection[Target]) -> Stored:
    gone = {f"{type_}/{id_}" for _, type_, id_ in hidden}
    resource = parse(row.body, max_bytes=len(row.body))
    found = _pruned(resource, gone, None)
    try:
        check(found)
    except Problem:  # it was required
        found = _pruned(resource, gone, {"extension": [UNKNOWN]})
    return replace(row, body=dump(found))


def _pruned(value: Any, gone: Collection[str], instead: dict[str, Any] | None) -> Any:
    if isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str) and text.partition("/_history/")[0] in gone:
            return instead
        members = {name: _pruned(each, gone, instead) for name, each in value.items()}
        return {name: each for name, each in members.items() if each is not None} or None
    if isinstance(value, list):
        return [each for one in value if (each := _pruned(one, gone, instead)) is not None] or None
    return value


# --- in what is asked ---------------------------------------------------------------------------------------------


def check_query(query: search.Query) -> None:
    """Raises `Problem(not-supported)` for a question about references whose answer would tell of hidden ones."""
    for criterion in query.criteria:
        if _is_elsewhere(criterion.kind, criterion.param) and any(
            isinstance(value, search.Missing | search.Identifier) for value in criterion.values
        ):
            raise Problem("not-supported", "Of references only a search by the resource they lead to is served here.")
    if any(_is_elsewhere(sort.kind, sort.param) for sort in query.sort):
        raise Problem("not-supported", "An order by references is not served here.")


def leads(row: FromClause, type_: str, part: Part, operands: Sequence[Sequence[Any]]) -> ColumnElement[bool] | None:
    """For a criterion by what a reference leads to: that this is shown, or that the house wrote the reference."""
    if not _is_elsewhere(part.kind, part.param):
        return None
    named, target = index_text.alias("named"), resources.alias("target")
    seen = select(target.c.rid).where(
        target.c.type == named.c.qualifier, target.c.id == named.c.value, target.c.owner == row.c.owner,
        target.c.deleted.is_(False), shown(target),
    )  # fmt: skip
    fitting = or_(*(fits(named, how, each) for how, each in zip(part.hows, operands, strict=True)))
    by_others = (
        select(named.c.rid)
        .where(named.c.param == word(f"{type_}.{part.param}"), named.c.rid == row.c.rid, fitting)
        .where(or_(named.c.qualifier.in_(sorted({*PARTIES, WHOLE})), seen.correlate_except(target).exists()))
    )
    return or_(row.c.owner == "", row.c.author == bindparam("v_house"), by_others.correlate_except(named).exists())


def _is_elsewhere(kind: str, param: str) -> bool:
    return kind == "reference" and param not in PATIENT_PARAMETERS
