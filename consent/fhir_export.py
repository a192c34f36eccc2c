"""A consent in plain form as a FHIR Consent: R4, and R5 where its shape can say the same.

What is written is read back as the same form (`consent.fhir_consent.read`), for R5 as rules that decide the same.
https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/R5/consent.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from consent import categories
from consent.facts import ACCOUNT_SYSTEM, CONFIDENTIALITY_SYSTEM, SENSITIVITY_SYSTEM
from consent.identifiers import account
from consent.items import CONFIDENTIALITY
from consent.policy import compile as compile_policy
from consent.primitives import Rejected
from consent.provisions import (
    ACTION_SYSTEM,
    OPT_IN_CODE,
    OPT_IN_SYSTEM,
    RESOURCE_TYPES,
    URI_SYSTEM,
    check_tree,
    entries,
    mapping,
    refused,
    text,
)
from consent.purposes import system_of

_SCOPE = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
_DOCUMENT = {"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}
_RULES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_RECIPIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
VERIFIED_BY = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Consent.verification.verifiedBy"
"""R5's `Consent.verification.verifiedBy` in R4 (https://hl7.org/fhir/versions.html#extensions)."""
_ACTIONS = frozenset({"access", "collect", "use", "disclose", "correct"})
_WRITTEN = frozenset(
    {"id", "status", "dateTime", "patient", "policy", "controller", "performer", "verification", "source", "template"}
    | {"legal", "provision"}
)
_ROOT_OF_R5 = frozenset({"type", "period", "actor", "provision"})


def write(form: Mapping[str, Any]) -> dict[str, Any]:
    """The R4 Consent of a plain form; one without an id is given it by whoever keeps it.

    Raises `Problem(unprocessable)` with path and remedy for what R4 cannot say, and as `consent.policy.compile` for
    what is no plain form.
    """
    _check(form)
    sources = _sources(form)
    if len(sources) > 1:
        raise refused("source", "R4 has room for one source; keep the one that was signed.")
    opens = form.get("template") == "OPT-IN" or form["provision"]["type"] == "permit"
    consent: dict[str, Any] = {
        "resourceType": "Consent",
        "id": form.get("id") or [],
        "status": text(form, "status"),
        "scope": {"coding": [_SCOPE]},
        "category": _categories(form.get("template") == "OPT-IN"),
        "patient": party(form["patient"], "patient"),
        "dateTime": text(form, "dateTime"),
        "performer": _parties(form, "performer"),
        "organization": _parties(form, "controller"),
        **(sources[0] if sources else {}),
        "policy": [{"uri": uri} for uri in form.get("policy", [])],
        "policyRule": {"coding": [{"system": _RULES, "code": "OPTIN" if opens else "OPTOUT"}]},
        "verification": _verifications(form),
        "provision": _provision(form["provision"], "provision"),
    }
    return {element: value for element, value in consent.items() if value != []}


def write_r5(form: Mapping[str, Any]) -> dict[str, Any]:
    """The R5 Consent of a plain form. Raises as `write`.

    R5 knows the day on which it was recorded, not the time, and no conditions on its root but party and period. A
    permit with others is written as the list of one permission; a refusal with others has no place there.
    """
    _check(form)
    root, listed = form["provision"], form.get("template") == "OPT-IN"
    if root.keys() - _ROOT_OF_R5 or "role" in root:
        if root["type"] == "deny":
            raise refused("provision", "R5 cannot limit a refusal on the root; write it as an exception to a permit.")
        root, listed = {"type": "deny", "provision": [root]}, True
    policies = form.get("policy", [])
    if len(policies) > 1:
        raise refused("policy", "R5 has room for one policy; write a Consent for each.")
    sources = _sources(form)
    consent: dict[str, Any] = {
        "resourceType": "Consent",
        "id": form.get("id") or [],
        "status": text(form, "status"),
        "category": _categories(listed),
        "subject": party(form["patient"], "patient"),
        "date": text(form, "dateTime")[:10],
        "period": dict(root.get("period", {})) or [],
        "grantor": _parties(form, "performer"),
        "grantee": [party(one, f"provision.actor[{i}]") for i, one in enumerate(root.get("actor", []))],
        "controller": _parties(form, "controller"),
        "sourceAttachment": [one["sourceAttachment"] for one in sources if "sourceAttachment" in one],
        "sourceReference": [one["sourceReference"] for one in sources if "sourceReference" in one],
        "policyBasis": {"url": policies[0]} if policies else [],
        "verification": _verifications(form),
        "decision": root["type"],
        "provision": _below(root, "provision"),
    }
    for one in consent["verification"]:
        for extension in one.pop("extension", []):
            one["verifiedBy"] = extension["valueReference"]
        if "verificationDate" in one:
            one["verificationDate"] = [one["verificationDate"]]
    return {element: value for element, value in consent.items() if value != []}


def _check(form: Mapping[str, Any]) -> None:
    for element in form:
        if element not in _WRITTEN:
            raise refused(element, "This has no place in a FHIR Consent; state policy and controller for a lineage.")
    if mapping(form.get("provision", {}), "provision").get("type") is None:
        raise refused("provision.type", "State permit or deny on the root.")
    compile_policy({**form, "id": form.get("id") or "not given yet"})
    check_tree(form["provision"], "provision")
    text(form, "patient")


def _categories(listed: bool) -> list[dict[str, Any]]:
    marker = [{"coding": [{"system": OPT_IN_SYSTEM, "code": OPT_IN_CODE}]}] if listed else []
    return [{"coding": [_DOCUMENT]}, *marker]


def _provision(plain: Mapping[str, Any], path: str) -> dict[str, Any]:
    written: dict[str, Any] = {"type": plain["type"]}
    if "period" in plain:
        written["period"] = dict(plain["period"])
    if "actor" in plain:
        written["actor"] = list(_actors(plain, path))
    elif "role" in plain:
        raise refused(f"{path}.role", "FHIR asks for a party beside each role; name the actors.")
    for element in ("action", "code"):
        if element in plain:
            written[element] = [{"coding": [_coding(element, code)]} for code in plain[element]]
    for element in ("securityLabel", "purpose", "class"):
        if element in plain:
            written[element] = [_coding(element, code) for code in plain[element]]
    if "dataPeriod" in plain:
        written["dataPeriod"] = dict(plain["dataPeriod"])
    if "data" in plain:
        written["data"] = [
            {"meaning": meaning, "reference": party(reference, f"{path}.data[{i}]")}
            for i, (meaning, reference) in enumerate(plain["data"])
        ]
    if "provision" in plain:
        written["provision"] = [
            _provision(child, f"{path}.provision[{i}]") for i, child in enumerate(plain["provision"])
        ]
    return written


def _r5(plain: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """R5 splits the class into two elements that are ANDed: types and other classes get a provision each."""
    written = _provision({element: plain[element] for element in plain if element != "provision"}, path)
    del written["type"]
    nested = [one for i, child in enumerate(plain.get("provision", [])) for one in _r5(child, f"{path}.provision[{i}]")]
    classes = written.pop("class", [])
    types = [coding for coding in classes if coding.get("system") == RESOURCE_TYPES]
    others = [coding for coding in classes if coding.get("system") != RESOURCE_TYPES]
    below = {"provision": nested} if nested else {}
    if not classes:
        yield written | below
    if types:
        yield written | {"resourceType": types} | below
    if others:
        yield written | {"documentType": others} | below


def _below(plain: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    return [one for i, child in enumerate(plain.get("provision", [])) for one in _r5(child, f"{path}.provision[{i}]")]


def _actors(plain: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    codings = [{"code": role} for role in plain.get("role", [])] or [_RECIPIENT]
    for i, name in enumerate(plain["actor"]):
        yield {"role": {"coding": codings}, "reference": party(name, f"{path}.actor[{i}]")}


def _coding(element: str, code: str) -> dict[str, str]:
    system, _, rest = code.rpartition("|")
    if system:
        return {"system": system, "code": rest}
    found = _system(element, code)
    return {"system": found, "code": code} if found else {"code": code}


def _system(element: str, code: str) -> str:
    """The system of a code that stands alone in plain form."""
    if element == "purpose":
        return system_of(code)
    if element == "securityLabel":
        return CONFIDENTIALITY_SYSTEM if code in CONFIDENTIALITY else SENSITIVITY_SYSTEM
    if element == "action":
        return ACTION_SYSTEM if code in _ACTIONS else ""
    if element == "class":
        if code in categories.INDEX:
            return categories.SYSTEM
        return RESOURCE_TYPES if code in categories.BY_TYPE else URI_SYSTEM if ":" in code else ""
    return ""


def party(name: Any, path: str) -> dict[str, Any]:
    """A Reference whose text (`consent.facts.reference_text`) is `name`. A person's name is her `Patient.id`.

    Raises `Problem(unprocessable)` for what is no reference.
    """
    if not isinstance(name, str) or not name or name.startswith("#") or "/_history/" in name:
        raise refused(path, "Name the party or thing by an account, a reference or an identifier.")
    try:
        parsed = account(name)
    except Rejected:
        system, _, value = name.rpartition("|")
        if system:
            return {"identifier": {"system": system, "value": value}}
        return {"reference": name} if "/" in name or ":" in name else {"identifier": {"value": name}}
    found: dict[str, Any] = {"identifier": {"system": ACCOUNT_SYSTEM, "value": str(parsed)}}
    return {"reference": f"Patient/{parsed.local}"} | found if parsed.is_person else found


def _parties(form: Mapping[str, Any], element: str) -> list[dict[str, Any]]:
    return [party(one, f"{element}[{i}]") for i, one in enumerate(form.get(element, []))]


def _verifications(form: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_verification(one, f"verification[{i}]") for i, one in enumerate(entries(form, "verification"))]


def _verification(given: Any, path: str) -> dict[str, Any]:
    one = mapping(given, path)
    if not isinstance(one.get("verified"), bool):
        raise refused(f"{path}.verified", "Say true or false.")
    written: dict[str, Any] = {"verified": one["verified"]}
    if "with" in one:
        written["verifiedWith"] = party(one["with"], f"{path}.with")
    if "by" in one:
        written["extension"] = [{"url": VERIFIED_BY, "valueReference": party(one["by"], f"{path}.by")}]
    return written | ({"verificationDate": text(one, "date", path)} if "date" in one else {})


def _sources(form: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_source(one, f"source[{i}]") for i, one in enumerate(entries(form, "source"))]


def _source(given: Any, path: str) -> dict[str, Any]:
    one = mapping(given, path)
    if "reference" in one:
        return {"sourceReference": party(one["reference"], f"{path}.reference")}
    return {"sourceAttachment": dict(mapping(one.get("attachment"), f"{path}.attachment"))}
