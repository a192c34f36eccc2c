"""The house's audit: what was done here with patients' data, as AuditEvents in its own record (`connectors.balp`).

Reads and takings over become events before they are told to the patient, declared emergencies once they are answered,
decisions when a consent begins or ceases to count; what is written, and what is refused, when it happens. Nothing tells
that something is withheld: a search that found nothing is the same event whether there was something or not, and of an
emergency it is not told what it opened.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from connectors import balp
from connectors.balp import Kind
from connectors.gateway import access, emergency
from connectors.gateway.access import Reader, ReadReport
from connectors.gateway.change import Change
from connectors.gateway.emergency import ANSWERED, WAITING, Emergency
from connectors.gateway.models import resources
from connectors.gateway.records import instant, microseconds
from connectors.gateway.store import Store
from consent.identifiers import new_id
from consent.purposes import BREAK_THE_GLASS
from consent.relations import Grant
from fhir_profiles.capability import Served
from fhir_profiles.problems import Problem
from fhir_profiles.resources import dump
from fhir_profiles.search import parameters

TYPE = "AuditEvent"
PROFILES = tuple(
    balp.PROFILE + kind.profile
    for kind in (balp.DECISION, balp.READ, balp.QUERY, balp.CREATE, balp.UPDATE, balp.DELETE)
)
WRITES = {"create": balp.CREATE, "update": balp.UPDATE, "delete": balp.DELETE}
ENDED = "This consent does not count any more."
RECENT_SECONDS = 7 * 24 * 3600
UNREACHED = "The patient's hub could not be reached."


def check_reader(reader: Reader | None, type_: str) -> None:
    """Raises `Problem(forbidden)` where somebody asks for the audit who may not."""
    if type_ == TYPE and reader is not None and not reader.audits:
        raise Problem(
            "forbidden", "This token is not for the audit: `obhut gateway token create --audit` makes one that is."
        )


def check_writer(reader: Reader | None, type_: str) -> None:
    """Raises `Problem(forbidden)` where somebody would write into the audit: the gateway alone does."""
    if type_ == TYPE and reader is not None:
        raise Problem("forbidden", "The gateway alone writes the audit.")


def served() -> Served:
    """How the audit stands in the CapabilityStatement."""
    said = (
        "What this house did with patients' data: decisions, reads, writes, refusals, emergencies. For who may audit."
    )
    features = {"conditionalRead": "not-match", "versioning": "versioned", "documentation": said}
    return Served(TYPE, ("read", "search-type"), tuple(parameters(TYPE)), PROFILES, features)


# --- when it happens ----------------------------------------------------------------------------------------------


def written(change: Change, reader: Reader, house: str, patient: str, action: str, address: str, now: int) -> None:
    """Note, in the transaction that does so, that something of a patient was written, changed or deleted."""
    kind = WRITES[action]
    entities = [balp.patient(patient), balp.data({"reference": address})]
    _add(change, balp.event(
        _name(new_id()), kind, now, house, _agents(kind, house, reader.person, reader.role), entities,
        profile=kind.profile, purposes=[reader.purpose],
    ))  # fmt: skip


@contextmanager
def refusals(
    store: Store, reader: Reader | None, action: str, type_: str, clock: Callable[[], float]
) -> Iterator[None]:
    """Note what is refused to a person of the house within the block."""
    try:
        yield
    except Problem as problem:
        if reader is not None and problem.code == "forbidden":
            kind = WRITES[action]
            agents = _agents(kind, store.house, reader.person, reader.role)
            event = balp.event(
                _name(new_id()), kind, int(clock()), store.house, agents, [balp.data({"display": type_})],
                outcome=balp.REFUSED, why=problem.detail, purposes=[reader.purpose],
            )  # fmt: skip
            with store.change() as change:
                _add(change, event)
        raise


# --- afterwards ---------------------------------------------------------------------------------------------------


def take(store: Store, house: str, now: int) -> None:
    """Make events of the reads that are none yet, and of declared emergencies."""
    while reports := access.unaudited_reports(store.database):
        with store.change() as change:
            for report in reports:
                _add(change, _read(report, house))
            access.mark_audited(change.connection, [report.id for report in reports])
    declared = [one for one in emergency.all_declared(store.database) if one.at > now - RECENT_SECONDS]
    _put(store, [_declared(one, house) for one in declared if one.state != WAITING])


def decided(store: Store, house: str, patient: str, counting: Sequence[Grant], over: Sequence[Grant], now: int) -> None:
    """Note which consents of a patient count, and which are over.

    Each is noted once, by its grant: that she signed it anew, perhaps to hide something, is not told. That one is over
    is noted of those that had counted here.
    """
    begun = {_name("begun", grant.gid): grant for grant in counting}
    ended = {_name("ended", grant.gid): grant for grant in over}
    counted = _present(store, [_name("begun", grant.gid) for grant in over])
    events = [_decision(id_, house, patient, grant, balp.DONE, now) for id_, grant in begun.items()]
    events += [
        _decision(id_, house, patient, grant, balp.REFUSED, now)
        for id_, grant in ended.items()
        if _name("begun", grant.gid) in counted
    ]
    _put(store, events)


def _read(report: ReadReport, house: str) -> dict[str, Any]:
    path, asked, _ = report.address.partition("?")
    kind = balp.TAKEN_OVER if report.kept else balp.QUERY if asked else balp.READ
    what = balp.query(report.address) if asked else balp.data({"reference": path} if path else {"display": report.what})
    detail = [{"type": "number", "valueString": str(report.number)}]
    return balp.event(
        _name(new_id()), kind, report.at, house, _agents(kind, house, report.person, report.role),
        [balp.patient(report.patient), what | {"detail": detail}],
        profile=kind.profile, why=report.kept, purposes=[report.stated or report.purpose],
    )  # fmt: skip


def _declared(one: Emergency, house: str) -> dict[str, Any]:
    reached = one.state == ANSWERED
    reason = balp.data({"display": one.code}) | {"detail": [{"type": "reason", "valueString": one.text}]}
    return balp.event(
        _name("emergency", one.rnd), balp.EMERGENCY, one.at, house,
        _agents(balp.EMERGENCY, house, one.person, one.role), [balp.patient_named(one.name), reason],
        outcome=balp.DONE if reached else balp.REFUSED, why="" if reached else UNREACHED, purposes=[BREAK_THE_GLASS],
    )  # fmt: skip


def _decision(id_: str, house: str, patient: str, grant: Grant, outcome: str, now: int) -> dict[str, Any]:
    kind = balp.DECISION
    return balp.event(
        id_, kind, now, house, _agents(kind, house, "", ""), [balp.patient(patient), balp.consent(grant.gid)],
        profile=kind.profile, outcome=outcome, why="" if outcome == balp.DONE else ENDED, purposes=grant.purposes,
    )  # fmt: skip


def _agents(kind: Kind, house: str, person: str, role: str) -> list[dict[str, Any]]:
    """Who asked: the house's software, the person, the house; and the gateway, which is the house's too."""
    who = {"display": person} if person else balp.identified(house)
    return [
        balp.client(kind, house), balp.user(kind, who, person, role), balp.provider(house), balp.server(kind, house),
    ]  # fmt: skip


# --- into the record ----------------------------------------------------------------------------------------------


def _name(*parts: str) -> str:
    """An id as FHIR allows it."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _put(store: Store, events: Sequence[dict[str, Any]]) -> None:
    """Put those into the record that are not there."""
    here = _present(store, [event["id"] for event in events])
    fresh = [event for event in events if event["id"] not in here]
    if fresh:
        with store.change() as change:
            for event in fresh:
                _add(change, event)


def _present(store: Store, ids: Sequence[str]) -> set[str]:
    if not ids:
        return set()
    row = resources.c
    query = select(row.id).where(row.type == TYPE, row.owner == "", row.id.in_(ids))
    with store.database.read() as connection:
        return set(connection.execute(query).scalars())


def _add(change: Change, event: dict[str, Any]) -> None:
    at = microseconds()
    meta = event.get("meta", {}) | {"versionId": "1", "lastUpdated": instant(at)}
    resource = {"resourceType": TYPE, "id": event["id"], "meta": meta} | event | {"meta": meta}
    change.add(resource, dump(resource), 1, at)
