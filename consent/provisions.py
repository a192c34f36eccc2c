"""The provisions of a FHIR Consent, R4 or R5, in the plain form of `consent.policy`.

Whatever may limit a rule and is not understood is refused, with path and remedy: leaving it out would widen the rule.
https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
"""

from collections.abc import Mapping
from typing import Any

from consent import categories
from consent.dates import period
from consent.facts import CONFIDENTIALITY_SYSTEM, SENSITIVITY_SYSTEM, coding_text, reference_text
from consent.policy import MEANINGS, READ_DEPTH, WRITE_DEPTH
from consent.purposes import DATA_ACTIONS, PROJECT_SYSTEM, PURPOSE_SYSTEM, known
from fhir_profiles.problems import Problem

ACTION_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentaction"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
URI_SYSTEM = "urn:ietf:rfc:3986"
"""Of a profile, by its URL."""
OPT_IN_SYSTEM = "http://fhir.de/ConsentManagement/CodeSystem/TemplateType"
OPT_IN_CODE = "CONSENT-OPT-IN"

_NEUTRAL_ROLES = frozenset({"IRCP", "PRCP", "GRANTEE"})
"""Roles that say no more than "to whom this applies"; any other role is a condition on the recipient."""

_BARE_SYSTEMS = (
    PURPOSE_SYSTEM,
    PROJECT_SYSTEM,
    ACTION_SYSTEM,
    CONFIDENTIALITY_SYSTEM,
    SENSITIVITY_SYSTEM,
    categories.SYSTEM,
    RESOURCE_TYPES,
    "http://hl7.org/fhir/fhir-types",
    URI_SYSTEM,
)
"""Systems whose codes stand alone in plain form; all others keep their system: `system|code`."""

_READ = frozenset({"type", "period", "dataPeriod", "actor", "data", "provision", "resourceType", "documentType"})
_CODED = ("action", "securityLabel", "purpose", "class", "code")
_HARMLESS = frozenset({"id", "extension"})


def rule(provision: Any, path: str, level: int) -> dict[str, Any]:
    """One provision and those below it. `level` counts from 1 at the root. Raises `Problem(unprocessable)`."""
    given = mapping(provision, path)
    for element in given:
        if element not in _READ | _HARMLESS and element not in _CODED and not element.startswith("_"):
            raise refused(f"{path}.{element}", "This may limit the rule and is not understood; remove it.")
    plain: dict[str, Any] = {}
    if "type" in given:
        if given["type"] not in ("permit", "deny"):
            raise refused(f"{path}.type", "The type is permit or deny.")
        plain["type"] = given["type"]
    for element in ("period", "dataPeriod"):
        if element in given:
            plain[element] = dates(given[element], f"{path}.{element}")
    plain |= _actors(given, path)
    plain |= _coded(given, path)
    if "data" in given:
        plain["data"] = [_data(one, f"{path}.data[{i}]") for i, one in enumerate(entries(given, "data", path))]
    if "provision" in given:
        nested = entries(given, "provision", path)
        plain["provision"] = (
            [{"type": "deny"}]  # what lies deeper is not read, and nothing unread may permit
            if level == READ_DEPTH
            else [rule(one, f"{path}.provision[{i}]", level + 1) for i, one in enumerate(nested)]
        )
    return plain


def _coded(given: Mapping[str, Any], path: str) -> dict[str, list[str]]:
    plain = {
        element: _codes(entries(given, element, path), f"{path}.{element}") for element in _CODED if element in given
    }
    split = [element for element in ("class", "resourceType", "documentType") if element in given]
    if len(split) > 1:
        raise refused(
            f"{path}.{split[1]}", f"Together with {split[0]} both would have to match; write a provision each."
        )
    for element in split:  # R5 split the class of R4
        plain["class"] = _codes(entries(given, element, path), f"{path}.{element}")
    if not DATA_ACTIONS.issuperset(plain.get("action", [])):
        raise refused(f"{path}.action", "This action is not known; use access, collect, use, disclose or correct.")
    if not all("|" in code or known(code) for code in plain.get("purpose", [])):
        raise refused(f"{path}.purpose", "This purpose is not known; use a code of v3-ActReason.")
    return plain


def _codes(concepts: list[Any], path: str) -> list[str]:
    found = []
    for i, concept in enumerate(concepts):
        given = codings(concept, f"{path}[{i}]")
        if not given:
            raise refused(f"{path}[{i}]", "Text alone cannot be decided on; add a coding.")
        found += [_code(coding, f"{path}[{i}]") for coding in given]
    return found


def _code(coding: Mapping[str, Any], path: str) -> str:
    code, system = coding.get("code"), coding.get("system")
    if not isinstance(code, str) or not code:
        raise refused(path, "A coding needs a code.")
    if system == categories.SYSTEM and code not in categories.INDEX:
        raise refused(path, f"A category is one of {', '.join(categories.NAMES)}.")
    return code if system in _BARE_SYSTEMS else coding_text(coding)


def _actors(given: Mapping[str, Any], path: str) -> dict[str, list[str]]:
    """Actors and their roles. Roles are ANDed with all actors, so they have to be the same for each."""
    if "actor" not in given:
        return {}
    actors: list[str] = []
    roles: set[frozenset[str]] = set()
    for i, one in enumerate(entries(given, "actor", path)):
        place = f"{path}.actor[{i}]"
        actor = mapping(one, place)
        codes = {text(coding, "code", f"{place}.role") for coding in codings(actor.get("role", {}), f"{place}.role")}
        roles.add(frozenset(codes - _NEUTRAL_ROLES))
        actors.append(reference(actor.get("reference"), f"{place}.reference"))
    if len(roles) > 1:
        raise refused(f"{path}.actor", "These actors have different roles; write a provision for each role.")
    wanted = sorted(roles.pop())
    return {"actor": actors, "role": wanted} if wanted else {"actor": actors}


def _data(one: Any, path: str) -> list[str]:
    given = mapping(one, path)
    if given.get("meaning") not in MEANINGS:
        raise refused(f"{path}.meaning", f"The meaning is one of {', '.join(MEANINGS)}.")
    return [given["meaning"], reference(given.get("reference"), f"{path}.reference")]


def check_tree(plain: Mapping[str, Any], path: str, level: int = 1) -> None:
    """What is asked of rules written here: each an exception to the one above, three deep at most.

    Raises `Problem(unprocessable)`.
    """
    if level > WRITE_DEPTH:
        raise refused(path, f"Rules go {WRITE_DEPTH} deep at most; write separate Consents instead.")
    for i, child in enumerate(plain.get("provision", [])):
        place = f"{path}.provision[{i}]"
        if (child.get("type") or plain["type"]) == plain["type"]:
            raise refused(f"{place}.type", "A nested rule is an exception: state the opposite type of the rule above.")
        check_tree(child, place, level + 1)


def dates(value: Any, path: str) -> dict[str, str]:
    """A Period as start and end. Raises `Problem(unprocessable)` also where it ends before it begins."""
    given = mapping(value, path)
    edges = {edge: text(given, edge, path) for edge in ("start", "end") if edge in given}
    try:
        start, end = period(edges.get("start"), edges.get("end"))
    except Problem as problem:
        raise refused(path, problem.detail) from problem
    if start >= end:
        raise refused(path, "The period ends before it begins; correct the dates.")
    return edges


def reference(value: Any, path: str) -> str:
    """A Reference as text (`consent.facts.reference_text`)."""
    found = reference_text(mapping(value, path))
    if found is None:
        raise refused(
            path, "Name the party or thing by a reference or an identifier, not by text or inside the Consent."
        )
    return found


def codings(concept: Any, path: str) -> list[Mapping[str, Any]]:
    """The codings of a CodeableConcept, or the Coding itself."""
    given = mapping(concept, path)
    if "coding" in given:
        return [mapping(one, f"{path}.coding") for one in entries(given, "coding", path)]
    return [given] if "code" in given else []


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    """An object, or a `Problem`."""
    if not isinstance(value, Mapping):
        raise refused(path, "An object is expected here.")
    return value


def entries(holder: Mapping[str, Any], element: str, path: str = "") -> list[Any]:
    """A list; absent is empty. An empty one is refused: it would say "no limit" where a limit was meant."""
    value = holder.get(element)
    if element in holder and (not isinstance(value, list) or not value):
        raise refused(f"{path}.{element}".lstrip("."), "A list with at least one entry is expected here, or nothing.")
    return value or []


def text(holder: Mapping[str, Any], element: str, path: str = "") -> str:
    """A text that is not empty."""
    value = holder.get(element)
    if not isinstance(value, str) or not value:
        raise refused(f"{path}.{element}".lstrip("."), "This element is needed, as a text.")
    return value


def refused(path: str, remedy: str) -> Problem:
    """The `Problem` of a Consent that cannot be taken: `path` below Consent, and what to do about it."""
    return Problem("unprocessable", remedy, expression=f"Consent.{path}")
