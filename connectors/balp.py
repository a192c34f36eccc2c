"""AuditEvents by the patterns of IHE BALP (https://profiles.ihe.net/ITI/BALP/): what patient and house tell alike.

A decision on consent is `IHE.BasicAudit.AuthZconsent`; reads, writes and what is signed are RESTful events with her as
the patient. Addresses of networks are kept nowhere, so a party is named by its domain.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
DONE, REFUSED = "0", "8"
"""Outcomes: success, serious failure."""

Code = tuple[str, str, str]
"""System, code, display."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What happened: type, subtype, and action (C, R, U, D or E) of the event."""

    type: Code
    subtype: Code
    action: str

    @property
    def decides(self) -> bool:
        """Whether it is a decision on consent."""
        return self.subtype == _DECIDED

    @property
    def profile(self) -> str:
        """The pattern's name; empty where there is none."""
        if self.decides:
            return "AuthZconsent"
        return f"Patient{_PATTERNS[self.action]}" if self.type == _RESTFUL else ""


_SECURITY = DCM, "110113", "Security Alert"
_DECIDED = AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent"
_RESTFUL = TYPE, "rest", "Restful Operation"
_OBJECT = TYPE, "object", "Object"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_PATTERNS = {"R": "Read", "C": "Create", "D": "Delete", "U": "Update", "E": "Query"}
"""Action → how the pattern of a RESTful event is called."""
_SIGN_IN = DCM, "110114", "User Authentication"

DECISION = Kind(_SECURITY, _DECIDED, "E")
EMERGENCY = Kind(_SECURITY, (DCM, "110127", "Emergency Override Started"), "E")
RIGHTS_CHANGED = Kind(_SECURITY, (DCM, "110137", "User Security Attributes Changed"), "U")
LOGIN = Kind(_SIGN_IN, (DCM, "110122", "Login"), "E")
READ = Kind(_RESTFUL, (REST, "read", "read"), "R")
CREATE = Kind(_RESTFUL, (REST, "create", "create"), "C")
UPDATE = Kind(_RESTFUL, (REST, "update", "update"), "U")
DELETE = Kind(_RESTFUL, (REST, "delete", "delete"), "D")
QUERY = Kind(_RESTFUL, (REST, "search", "search"), "E")
SWEPT = Kind(_OBJECT, (_LIFECYCLE, "destroy", "Destroy/Delete"), "D")
TAKEN_OVER = Kind(_OBJECT, (_LIFECYCLE, "receive", "Receive/Retain Record Lifecycle Event"), "C")


def event(
    id_: str, kind: Kind, at: int, site: str, agents: list[dict[str, Any]], entities: list[dict[str, Any]], *,
    profile: str = "", outcome: str = DONE, why: str = "", purposes: Iterable[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """One AuditEvent (plain R4). `at` in Unix seconds; `site`: whose record it is; `why`: `outcomeDesc`."""
    made: dict[str, Any] = {
        "resourceType": "AuditEvent", "id": id_, "type": _coding(kind.type), "subtype": [_coding(kind.subtype)],
        "action": kind.action, "recorded": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
        "outcome": outcome,
    }  # fmt: skip
    if profile:
        made["meta"] = {"profile": [PROFILE + profile]}
    if why:
        made["outcomeDesc"] = why
    if codes := [purpose for purpose in purposes if known(purpose)]:
        made["purposeOfEvent"] = [{"coding": [{"system": system_of(code), "code": code}]} for code in codes]
    made["agent"] = agents
    made["source"] = {
        "site": site, "observer": {"display": site},
        "type": [_coding(("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server"))],
    }  # fmt: skip
    return made | {"entity": entities}


# --- agents -------------------------------------------------------------------------------------------------------


def client(kind: Kind, account: str, device: str = "") -> dict[str, Any]:
    """The program that asked, by its account and device."""
    type_ = (DCM, "110150", "Application") if kind.decides else _ends(kind.action)[0]
    return _agent(type_, identified(f"{account}/{device}" if device else account), False) | _network(domain(account))


def user(kind: Kind, who: dict[str, Any], name: str = "", role: str = "") -> dict[str, Any]:
    """On whose behalf: author of what is written, recipient of what is read."""
    acts = ("AUT", "author (originator)") if kind.action in "CUD" else ("IRCP", "information recipient")
    made = _agent((PARTICIPATION, *acts), who, True)
    return made | ({"name": name} if name else {}) | ({"role": [{"text": role}]} if role else {})


def provider(account: str, name: str = "") -> dict[str, Any]:
    """The organisation for which somebody acted."""
    type_ = "http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider"
    return _agent(type_, identified(account, name), False)


def server(kind: Kind, site: str) -> dict[str, Any]:
    """Who answered; of a decision, who decided."""
    if kind.decides:
        authorizer = "http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver"
        return _agent((*authorizer, "authorization server"), {"display": site}, False)
    return _agent(_ends(kind.action)[1], {"display": site}, False) | _network(domain(site))


def _ends(action: str) -> tuple[Code, Code]:
    """What client and server are: data flow to who reads, and from who writes."""
    source, destination = (DCM, "110153", "Source Role ID"), (DCM, "110152", "Destination Role ID")
    return (destination, source) if action == "R" else (source, destination)


def _agent(type_: Code, who: dict[str, Any], requestor: bool) -> dict[str, Any]:
    return {"type": {"coding": [_coding(type_)]}, "who": who, "requestor": requestor}


def _network(address: str) -> dict[str, Any]:
    return {"network": {"address": address, "type": "1"}}


# --- entities -----------------------------------------------------------------------------------------------------


def patient(account: str) -> dict[str, Any]:
    """The patient whom it is about."""
    return _patient(identifiers.account(account).local, {"identifier": _identifier(account)})


def patient_named(name: str) -> dict[str, Any]:
    """The patient by her id, as somebody named her."""
    return _patient(name, {})


def _patient(name: str, more: dict[str, Any]) -> dict[str, Any]:
    person, role = (ENTITY, "1", "Person"), (ROLE, "1", "Patient")
    return {"what": {"reference": f"Patient/{name}"} | more, "type": _coding(person), "role": _coding(role)}


def query(address: str) -> dict[str, Any]:
    """A search, as it was asked: the address below the FHIR base."""
    object_, role = (ENTITY, "2", "System Object"), (ROLE, "24", "Query")
    return {"type": _coding(object_), "role": _coding(role), "query": b64encode(address.encode()).decode()}


def data(what: dict[str, Any]) -> dict[str, Any]:
    """What was read or written."""
    object_, role = (ENTITY, "2", "System Object"), (ROLE, "4", "Domain Resource")
    return {"what": what, "type": _coding(object_), "role": _coding(role)}


def consent(gid: str = "") -> dict[str, Any]:
    """The consent on which it rests, by the grant; without one it is said that there is none."""
    what: dict[str, Any] = (
        {"identifier": {"system": GRANT, "value": gid}} if gid else {"display": "no consent in force"}
    )
    return {"what": what, "type": _coding(("http://hl7.org/fhir/resource-types", "Consent", "Consent"))}


def identified(account: str, name: str = "") -> dict[str, Any]:
    """A Reference to a party by its account, or an account's device."""
    return {"identifier": _identifier(account)} | ({"display": name} if name else {})


def domain(account: str) -> str:
    """The domain of an account; a hub is named by its own."""
    return identifiers.account(account).domain if "@" in account else account


def _identifier(account: str) -> dict[str, str]:
    return {"system": ACCOUNT, "value": account}


def _coding(code: Code) -> dict[str, Any]:
    return {"system": code[0], "code": code[1], "display": code[2]}
