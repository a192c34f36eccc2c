"""Entries of the access log as FHIR R4 AuditEvents (`connectors.balp`).

A release or a refusal by the hub is a decision on consent. A gateway's report does not say by which interaction
somebody looked, so it is a `read`.
"""

from collections.abc import Iterable
from typing import Any

from connectors import balp
from connectors.balp import Kind
from connectors.patient.access_log import HEALTH_LINK, Entry
from connectors.patient.log_words import basis, what
from consent import identifiers

_KINDS: dict[str, Kind] = {
    "release": balp.DECISION, "refusal": balp.DECISION, "emergency": balp.EMERGENCY, "read": balp.READ,
    "read-unreadable": balp.READ, "deposit": balp.CREATE, "message": balp.CREATE, "objection": balp.CREATE,
    "vault": balp.READ, "log": balp.READ, "sign-in": balp.LOGIN, "recover": balp.LOGIN, "client": balp.LOGIN,
    "passphrase": balp.RIGHTS_CHANGED, "swept": balp.SWEPT,
}  # fmt: skip
"""Action of an entry → what it is as an event."""
_LINKS = {"made": balp.CREATE, "opened": balp.READ, "wrong": balp.READ, "revoked": balp.DELETE}
"""What happened to a health link → what it is as an event."""
_CONSENTS = {
    "grant": balp.CREATE, "permit": balp.CREATE, "end": balp.UPDATE, "unpermit": balp.UPDATE, "open": balp.CREATE
}  # fmt: skip
"""Statements that are about a Consent; all others change who can sign or open."""


def bundle(entries: Iterable[Entry], account: str) -> dict[str, Any]:
    """A Bundle (collection) of the AuditEvents of these entries of a patient's log."""
    events = [audit_event(entry, account) for entry in entries]
    base = f"https://{balp.domain(account)}/fhir/AuditEvent"
    found = [{"fullUrl": f"{base}/{one['id']}", "resource": one} for one in events]
    return {"resourceType": "Bundle", "type": "collection", "entry": found}


def audit_event(entry: Entry, account: str) -> dict[str, Any]:
    """The AuditEvent (plain R4) of one entry."""
    kind = _kind(entry)
    return balp.event(
        f"{identifiers.account(account).local}-{entry.seq}", kind, entry.at, balp.domain(account),
        _agents(entry, kind, account), _entities(entry, kind, account),
        profile="" if entry.actor == account else kind.profile,  # the patterns are about others
        outcome=balp.REFUSED if _refused(entry) else balp.DONE,
        why=_reason(entry, account), purposes=entry.purpose.split(","),
    )  # fmt: skip


def _kind(entry: Entry) -> Kind:
    if entry.action == "statement":
        return _CONSENTS.get(str(entry.detail.get("typ")), balp.RIGHTS_CHANGED)
    if entry.action == HEALTH_LINK:
        return _LINKS.get(str(entry.detail.get("what")), balp.RIGHTS_CHANGED)
    if entry.action == "deposit" and entry.detail.get("deletes") == entry.detail.get("count"):
        return balp.DELETE
    return _KINDS.get(entry.action, balp.RIGHTS_CHANGED)


def _refused(entry: Entry) -> bool:
    return entry.action == "refusal" or (entry.action == HEALTH_LINK and entry.detail.get("what") == "wrong")


def _reason(entry: Entry, account: str) -> str:
    if entry.action == "refusal":
        why = str(entry.detail.get("reason", ""))
        return "No consent of the patient permits it." if why == "consent" else f"The deposit was refused: {why}."
    return basis(entry, account, "en") if entry.action in ("release", "read") and entry.actor != account else ""


def _agents(entry: Entry, kind: Kind, account: str) -> list[dict[str, Any]]:
    """Who asked: the device, the person where she is known, the organisation; and the hub."""
    user = {"display": entry.person} if entry.person else balp.identified(entry.actor)
    return [
        balp.client(kind, entry.actor, entry.device),
        balp.user(kind, user, entry.person, entry.role),
        *([balp.provider(entry.actor, entry.name)] if entry.actor != account else []),
        balp.server(kind, balp.domain(account)),
    ]


def _entities(entry: Entry, kind: Kind, account: str) -> list[dict[str, Any]]:
    patient, consents = balp.patient(account), [balp.consent(grant["grant"]) for grant in entry.basis]
    if kind.decides:
        return [patient, *(consents or [balp.consent()])]
    told = what(entry, "en") or str(entry.detail.get("typ", entry.action))
    return [patient, balp.data({"display": told}), *consents]
