"""Which Obhut patient a Patient of the house is: two ids, one person, in whatever is written and asked."""

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from connectors.gateway.indexing import PATIENT_PARAMETERS
from connectors.gateway.models import confirmations, linked_patients
from consent import identifiers
from consent.identifiers import Account
from consent.primitives import Rejected
from fhir_profiles import bundles
from fhir_profiles.problems import Problem
from fhir_profiles.search import Criterion, Query, Reference
from fhir_profiles.values import Value

_PATIENT = re.compile(r"(?:(https?://.+)/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_ANY_HUB = "hub.invalid"


@dataclass(frozen=True, slots=True)
class Link:
    """A Patient of the house (`local`, its id) and the account of the same person; `at` in seconds since 1970."""

    local: str
    patient: str
    at: int


def is_obhut(name: str) -> bool:
    """Whether an id of a Patient is the name of an Obhut patient, at whatever hub."""
    try:
        return identifiers.account(f"{name}@{_ANY_HUB}").is_person
    except Rejected:
        return False


def link(connection: Connection, local: str, patient: Account) -> None:
    """Note that the house's Patient is this one. Raises `Problem(conflict)` where it is linked to another."""
    known = connection.execute(select(linked_patients.c.patient).where(linked_patients.c.local == local)).scalar()
    if known == str(patient):
        return
    if known is not None:
        raise Problem("conflict", "this Patient is linked to another card: `obhut gateway unlink` first")
    row = {"local": local, "name": patient.local, "patient": str(patient), "at": int(time.time())}
    connection.execute(insert(linked_patients), row)


def unlink(connection: Connection, local: str) -> None:
    """Forget a link: what was sent stays where it is. Raises `Problem(not-found)`."""
    if not connection.execute(delete(linked_patients).where(linked_patients.c.local == local)).rowcount:
        raise Problem("not-found", "this Patient is not linked: `obhut gateway links` lists those that are")


def links(connection: Connection) -> list[Link]:
    """All links, by the house's ids."""
    columns = linked_patients.c
    query = select(columns.local, columns.patient, columns.at).order_by(columns.local)
    return [Link(*row) for row in connection.execute(query)]


# In what is written


def renamed(connection: Connection, resource: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The resource with each reference to a linked Patient naming her as all her readers do.

    So do references to Obhut patients by this server's address, or to a version of theirs.
    """
    found = {text: match for text in _references(resource) if (match := _PATIENT.fullmatch(text))}
    named = {text: match[2] for text, match in found.items() if match[1] in (None, base_url)}
    known = _names(connection, set(named.values()))
    places = {text: f"Patient/{known.get(id_, id_)}" for text, id_ in named.items() if is_obhut(known.get(id_, id_))}
    places = {text: place for text, place in places.items() if text != place}
    if not places:
        return resource
    changed: dict[str, Any] = bundles.resolved(resource, places, lambda condition: condition)
    return changed


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    if not ids:
        return {}
    columns = linked_patients.c
    rows = connection.execute(select(columns.local, columns.name).where(columns.local.in_(ids)))
    return {row.local: row.name for row in rows}


# In what is asked


def widened(connection: Connection, query: Query) -> Query:
    """The search with both ids of a linked patient wherever it names one of them."""
    ids = {_patient(criterion, value) for criterion in query.criteria for value in criterion.values} - {None}
    same = _same(connection, [id_ for id_ in ids if id_ is not None]) if ids else {}
    if not same:
        return query
    return replace(query, criteria=tuple(_both(criterion, same) for criterion in query.criteria))


def _patient(criterion: Criterion, value: Value) -> str | None:
    """The id of the Patient that a value names."""
    if not isinstance(value, Reference) or value.url is not None:
        return None
    named = value.type == "Patient" or (value.type is None and criterion.param in PATIENT_PARAMETERS)
    return value.id if named else None


def asked_about(connection: Connection, query: Query) -> set[str]:
    """The accounts of the Obhut patients whom a search names, and who have to do with the house."""
    ids = {_patient(criterion, value) for criterion in query.criteria for value in criterion.values}
    return {acc for id_ in ids if id_ is not None and is_obhut(id_) for acc in known_as(connection, id_)}


def known_as(connection: Connection, name: str) -> list[str]:
    """The account of an Obhut patient who has, or had, to do with the house, by her id; of others none."""
    patient = confirmations.c.patient
    return list(connection.execute(select(patient).where(patient.startswith(f"{name}@", autoescape=True))).scalars())


def _same(connection: Connection, ids: Collection[str]) -> dict[str, set[str]]:
    """Id → all ids of the same person."""
    columns = linked_patients.c
    names = select(columns.name).where(or_(columns.local.in_(ids), columns.name.in_(ids)))
    rows = connection.execute(select(columns.local, columns.name).where(columns.name.in_(names))).all()
    people: dict[str, set[str]] = {}
    for local, name in rows:
        people.setdefault(name, {name}).add(local)
    return {id_: person for person in people.values() for id_ in person}


def _both(criterion: Criterion, same: dict[str, set[str]]) -> Criterion:
    values = list(criterion.values)
    for value in criterion.values:
        id_ = _patient(criterion, value)
        if id_ is not None and isinstance(value, Reference):
            values += [replace(value, id=other) for other in sorted(same.get(id_, {id_}) - {id_})]
    return replace(criterion, values=tuple(dict.fromkeys(values)))
