"""Entries of the access log as FHIR R4 AuditEvents, by the patterns of IHE BALP (https://profiles.ihe.net/ITI/BALP/).

A release or a refusal by the hub is a decision on consent (`IHE.BasicAudit.AuthZconsent`); reads, writes and what she
signs are RESTful events with her as the patient. A gateway's report does not say by which interaction somebody looked,
so it is a `read`; addresses of networks are kept nowhere, so a party is named by its hub's domain.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from connectors.patient.access_log import Entry
from connectors.patient.log_words import basis, what
from consent import identifiers
from consent.purposes import known, system_of

PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
AUTHZ = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST = "http://hl7.org/fhir/restful-interaction"
TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ACCOUNT = "https://fhir.obhut.org/NamingSystem/account"
GRANT = "https://fhir.obhut.org/NamingSystem/grant"

SECURITY = DCM, "110113", "Security Alert"
CONSENT_DECIDED = AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent"
ATTRIBUTES = DCM, "110137", "User Security Attributes Changed"
EMERGENCY = DCM, "110127", "Emergency Override Started"
SIGN_IN = DCM, "110114", "User Authentication"
LOGIN = DCM, "110122", "Login"
RESTFUL = TYPE, "rest", "Restful Operation"
OBJECT = TYPE, "object", "Object"
Code = tuple[str, str, str]

_READ = RESTFUL, (REST, "read", "read"), "R"
_CREATE = RESTFUL, (REST, "create", "create"), "C"
_UPDATE = RESTFUL, (REST, "update", "update"), "U"
_KINDS: dict[str, tuple[Code, Code, str]] = {
    "release": (SECURITY, CONSENT_DECIDED, "E"), "refusal": (SECURITY, CONSENT_DECIDED, "E"),
    "emergency": (SECURITY, EMERGENCY, "E"), "read": _READ, "read-unreadable": _READ, "deposit": _CREATE,
    "message": _CREATE, "objection": _CREATE, "vault": _READ, "sign-in": (SIGN_IN, LOGIN, "E"),
    "recover": (SIGN_IN, LOGIN, "E"), "client": (SIGN_IN, LOGIN, "E"), "passphrase": (SECURITY, ATTRIBUTES, "U"),
    "swept": (OBJECT, ("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "destroy", "Destroy/Delete"), "D"),
}  # fmt: skip
"""Action of an entry → type, subtype, action of the event."""
_CONSENTS = {"grant": _CREATE, "permit": _CREATE, "end": _UPDATE, "unpermit": _UPDATE, "open": _CREATE}
"""Statements that are about a Consent; all others change who can sign or open."""
_OTHER = SECURITY, ATTRIBUTES, "U"


def bundle(entries: Iterable[Entry], account: str) -> dict[str, Any]:
    """A Bundle (collection) of the AuditEvents of these entries of a patient's log."""
    events = [audit_event(entry, account) for entry in entries]
    found = [{"fullUrl": f"https://{_domain(account)}/fhir/AuditEvent/{one['id']}", "resource": one} for one in events]
    return {"resourceType": "Bundle", "type": "collection", "entry": found}


def audit_event(entry: Entry, account: str) -> dict[str, Any]:
    """The AuditEvent (plain R4) of one entry."""
    type_, subtype, action = _kind(entry)
    event: dict[str, Any] = {
        "resourceType": "AuditEvent", "id": f"{identifiers.account(account).local}-{entry.seq}",
        "type": _coding(type_), "subtype": [_coding(subtype)], "action": action,
        "recorded": datetime.fromtimestamp(entry.at, UTC).isoformat().replace("+00:00", "Z"),
        "outcome": "8" if entry.action == "refusal" else "0",
    }  # fmt: skip
    if profile := _profile(entry, account):
        event["meta"] = {"profile": [PROFILE + profile]}
    if reason := _reason(entry, account):
        event["outcomeDesc"] = reason
    if purposes := _purposes(entry):
        event["purposeOfEvent"] = purposes
    event["agent"] = _agents(entry, account)
    event["source"] = {
        "site": _domain(account), "observer": {"display": _domain(account)},
        "type": [_coding(("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server"))],
    }  # fmt: skip
    return event | {"entity": _entities(entry, account)}


def _kind(entry: Entry) -> tuple[Code, Code, str]:
    if entry.action == "statement":
        return _CONSENTS.get(str(entry.detail.get("typ")), _OTHER)
    if entry.action == "deposit" and entry.detail.get("deletes") == entry.detail.get("count"):
        return RESTFUL, (REST, "delete", "delete"), "D"
    return _KINDS.get(entry.action, _OTHER)


def _decides(entry: Entry) -> bool:
    return _kind(entry)[1] == CONSENT_DECIDED


def _profile(entry: Entry, account: str) -> str:
    if entry.actor == account:
        return ""  # the patterns are about others
    if _decides(entry):
        return "AuthZconsent"
    return {"R": "PatientRead", "C": "PatientCreate", "D": "PatientDelete", "U": "PatientUpdate"}.get(
        _kind(entry)[2] if _kind(entry)[0] == RESTFUL else "", ""
    )


def _reason(entry: Entry, account: str) -> str:
    if entry.action == "refusal":
        why = str(entry.detail.get("reason", ""))
        return "No consent of the patient permits it." if why == "consent" else f"The deposit was refused: {why}."
    return basis(entry, account, "en") if entry.action in ("release", "read") and entry.actor != account else ""


def _purposes(entry: Entry) -> list[dict[str, Any]]:
    return [
        {"coding": [{"system": system_of(purpose), "code": purpose}]}
        for purpose in entry.purpose.split(",")
        if known(purpose)
    ]


def _agents(entry: Entry, account: str) -> list[dict[str, Any]]:
    """Who asked: the device, the person where she is known, the organisation; and the hub."""
    home = _domain(account)
    client, server, hub = (
        ((DCM, "110150", "Application"), None, ("http://terminology.hl7.org/CodeSystem/extra-security-role-type",
         "authserver", "authorization server"))
        if _decides(entry)
        else (*_ends(_kind(entry)[2]), None)
    )  # fmt: skip
    device = f"{entry.actor}/{entry.device}" if entry.device else entry.actor
    agents = [_agent(client, _identified(device), False) | _network(_domain(entry.actor))]
    user = {"display": entry.person} if entry.person else _identified(entry.actor)
    role = [{"text": entry.role}] if entry.role else []
    agents.append(
        _agent((PARTICIPATION, *_user(_kind(entry)[2])), user, True)
        | ({"name": entry.person} if entry.person else {})
        | ({"role": role} if role else {})
    )
    if entry.actor != account:
        provider = "http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider"
        agents.append(_agent(provider, _identified(entry.actor, entry.name), False))
    if server is not None:
        agents.append(_agent(server, {"display": home}, False) | _network(home))
    if hub is not None:
        agents.append(_agent(hub, {"display": home}, False))
    return agents


def _user(action: str) -> tuple[str, str]:
    return ("AUT", "author (originator)") if action in "CUD" else ("IRCP", "information recipient")


def _ends(action: str) -> tuple[Code, Code]:
    """What client and server are: data flow to who reads, and from who writes."""
    source, destination = (DCM, "110153", "Source Role ID"), (DCM, "110152", "Destination Role ID")
    return (destination, source) if action == "R" else (source, destination)


def _entities(entry: Entry, account: str) -> list[dict[str, Any]]:
    person, patient = (ENTITY, "1", "Person"), (ROLE, "1", "Patient")
    local = identifiers.account(account).local
    reference = {"reference": f"Patient/{local}", "identifier": {"system": ACCOUNT, "value": account}}
    found = [{"what": reference, "type": _coding(person), "role": _coding(patient)}]
    consents = [_consent(grant["grant"]) for grant in entry.basis]
    if _decides(entry):
        return found + (consents or [_consent("")])
    data = {
        "what": {"display": what(entry, "en") or str(entry.detail.get("typ", entry.action))},
        "type": _coding((ENTITY, "2", "System Object")),
        "role": _coding((ROLE, "4", "Domain Resource")),
    }
    return [*found, data, *consents]


def _consent(gid: str) -> dict[str, Any]:
    what_: dict[str, Any] = (
        {"identifier": {"system": GRANT, "value": gid}} if gid else {"display": "no consent in force"}
    )
    return {"what": what_, "type": _coding(("http://hl7.org/fhir/resource-types", "Consent", "Consent"))}


def _agent(type_: Code, who: dict[str, Any], requestor: bool) -> dict[str, Any]:
    return {"type": {"coding": [_coding(type_)]}, "who": who, "requestor": requestor}


def _identified(value: str, name: str = "") -> dict[str, Any]:
    return {"identifier": {"system": ACCOUNT, "value": value}} | ({"display": name} if name else {})


def _network(domain: str) -> dict[str, Any]:
    return {"network": {"address": domain, "type": "1"}}


def _domain(actor: str) -> str:
    return identifiers.account(actor).domain if "@" in actor else actor


def _coding(code: Code) -> dict[str, Any]:
    return {"system": code[0], "code": code[1], "display": code[2]}
