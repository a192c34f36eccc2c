"""CapabilityStatement: built from what the caller really serves, and nothing else.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_profiles.definitions import VERSION
from fhir_profiles.search import parameters

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


@dataclass(frozen=True, slots=True)
class Served:
    """One resource type as served.

    `interactions`: codes such as `read`, `vread`, `search-type`, `create`; `search`: the codes of the search parameters
    (their types come from HL7's definitions; a code that is not offered by `search.parameters` raises `KeyError`).
    `features`: further members of `rest.resource`, such as `versioning`, `conditionalCreate`, `readHistory`.
    """

    type: str
    interactions: tuple[str, ...]
    search: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    features: Mapping[str, Any] | None = None


def statement(
    *,
    url: str,
    software: str,
    version: str,
    date: datetime,
    types: Iterable[Served],
    kind: str = "instance",
    description: str | None = None,
    interactions: Iterable[str] = (),
    formats: Iterable[str] = ("application/fhir+json", "json"),
    security: Mapping[str, Any] | None = None,
    operations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The CapabilityStatement of the server at a FHIR base.

    `date`: when what is served last changed, aware; `interactions`: of the whole system (`transaction`, `batch`);
    `security`: `rest.security` as it stands in the statement; `operations`: name → canonical URL of its definition.
    """
    rest: dict[str, Any] = {"mode": "server"}
    if security:
        rest["security"] = dict(security)
    resources = [_resource(served) for served in sorted(types, key=lambda served: served.type)]
    if resources:
        rest["resource"] = resources
    system = [{"code": code} for code in interactions]
    if system:
        rest["interaction"] = system
    if operations:
        rest["operation"] = [{"name": name, "definition": definition} for name, definition in operations.items()]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date.isoformat(timespec="seconds"),
        "kind": kind,
        "software": {"name": software, "version": version},
        "implementation": {"description": description or software, "url": url},
        "fhirVersion": VERSION,
        "format": list(formats),
        "rest": [rest],
    }


def smart(token_endpoint: str, description: str) -> dict[str, Any]:
    """`rest.security` of a server whose clients sign in by SMART, which names its token endpoint.

    http://hl7.org/fhir/R4/valueset-restful-security-service.html, and the extension of
    https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html that older clients read.
    """
    return {
        "extension": [
            {"url": OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_endpoint}]},
        ],
        "service": [{"coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}], "text": "SMART-on-FHIR"}],
        "description": description,
    }


def _resource(served: Served) -> dict[str, Any]:
    members: dict[str, Any] = {"type": served.type}
    if served.profiles:
        members["supportedProfile"] = list(served.profiles)
    members["interaction"] = [{"code": code} for code in served.interactions]
    members |= served.features or {}
    known = parameters(served.type)
    if served.search:
        members["searchParam"] = [{"name": code, "type": known[code].type} for code in sorted(served.search)]
    return members
