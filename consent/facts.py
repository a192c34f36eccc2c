"""What a decision may know of a FHIR resource: type, category, labels, codes, clinical date, authors, references.

Read once when a resource is opened or indexed, so that no decision has to look into the resource again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consent import categories
from consent.dates import FOREVER, interval
from consent.items import CONFIDENTIALITY, Item, item
from fhir_profiles.problems import Problem

ACCOUNT_SYSTEM = "urn:obhut:account"
CONFIDENTIALITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

_RANK = "ULMNRV"
_CODED = ("code", "category", "type", "vaccineCode", "medicationCodeableConcept", "class")
_DATED = (  # in this order: when it was, before when it was written down
    "effective", "performed", "occurrence", "onset", "occurred", "period", "started", "serviced", "collected",
    "authoredOn", "recordedDate", "dateAsserted", "whenHandedOver", "whenPrepared", "assertedDate", "date", "recorded",
    "sent", "authored", "created", "issued",
)  # fmt: skip
_SUFFIXES = ("", "DateTime", "Period", "Instant", "Date")
_AUTHORS = ("author", "performer", "recorder", "asserter", "requester", "informationSource", "sender", "source")


def facts(resource: Mapping[str, Any], authors: Iterable[str] = ()) -> Item:
    """The facts of an R4 resource; `authors` adds whom the envelope names. Raises `Problem` for what is no R4 type."""
    kind = str(resource.get("resourceType"))
    level, sensitivity, labelled = _labels(resource)
    profiles = _texts(_mapping(resource.get("meta")).get("profile"))
    classes = [kind, categories.name(resource), *(profile for profile in profiles if ":" in profile)]
    references = frozenset(_references(resource))
    # A bare code could be the name of a category: its author would move it to where another rule holds.
    classes += [coding_text(coding) for coding in _codings(resource.get("type")) if _text(coding.get("system"))]
    return item(
        ref=f"{kind}/{resource.get('id', '')}",
        classes=classes,
        confidentiality=level,
        sensitivity=sensitivity,
        labelled=labelled,
        codes=frozenset(_codes(resource)),
        clinical=_clinical(resource),
        authors=frozenset(_authors(resource)).union(authors),
        related=references,
        depends=references,
    )


def reference_text(reference: Mapping[str, Any]) -> str | None:
    """A Reference as text: an Obhut account as its address, else `Type/id`, a URL or `system|value`; None if none."""
    identifier = _mapping(reference.get("identifier"))
    value, literal = identifier.get("value"), reference.get("reference")
    if identifier.get("system") == ACCOUNT_SYSTEM and isinstance(value, str):
        return value
    if isinstance(literal, str) and literal and not literal.startswith("#"):
        return literal.partition("/_history/")[0]
    if isinstance(value, str) and value:
        return f"{identifier['system']}|{value}" if isinstance(identifier.get("system"), str) else value
    return None


def coding_text(coding: Mapping[str, Any]) -> str:
    """A Coding as `system|code`, or its bare code; what is no text is left out."""
    system, code = _text(coding.get("system")), _text(coding.get("code"))
    return f"{system}|{code}" if system else code


def _labels(resource: Mapping[str, Any]) -> tuple[str | None, list[str], bool]:
    """The highest confidentiality, the sensitivity, and whether every label could be read."""
    levels, sensitivity, readable = [], [], True
    for coding in _list(_mapping(resource.get("meta")).get("security")):
        code, system = coding.get("code"), coding.get("system")
        if not isinstance(code, str):
            readable = False
        elif system in (CONFIDENTIALITY_SYSTEM, None) and code in CONFIDENTIALITY:
            levels.append(code)
        elif system == CONFIDENTIALITY_SYSTEM:
            readable = False
        elif system in (SENSITIVITY_SYSTEM, None):
            sensitivity.append(code)
    return max(levels, key=_RANK.index, default=None), sensitivity, readable


def _codes(resource: Mapping[str, Any]) -> Iterator[str]:
    concepts = [resource.get(element) for element in _CODED]
    concepts += [component.get("code") for component in _list(resource.get("component"))]
    for concept in concepts:
        for coding in _codings(concept):
            yield coding_text(coding)
            yield _text(coding.get("code"))


def _clinical(resource: Mapping[str, Any]) -> tuple[int, int] | None:
    for element in _DATED:
        for suffix in _SUFFIXES:
            value = resource.get(element + suffix)
            if value is None:
                continue
            try:
                return _span(value)
            except Problem:
                return None  # a date of R4 that no clock shows, such as one in the year 9999
    return None


def _span(value: Any) -> tuple[int, int] | None:
    if isinstance(value, str):
        return interval(value)
    start, end = _mapping(value).get("start"), _mapping(value).get("end")
    if not isinstance(start, str):
        return None  # it ended some day, but nobody says when it began
    return interval(start)[0], interval(end)[1] if isinstance(end, str) else FOREVER


def _authors(resource: Mapping[str, Any]) -> Iterator[str]:
    for element in _AUTHORS:
        value = resource.get(element)
        for one in [value] if isinstance(value, Mapping) else _list(value):
            actor = one.get("actor")
            text = reference_text(actor if isinstance(actor, Mapping) else one)
            if text is not None:
                yield text


def _references(value: Any, element: str = "") -> Iterator[str]:
    """Every reference in the resource but to the patient herself: all resources have that one."""
    if isinstance(value, Mapping):
        if "reference" in value or "identifier" in value:
            text = reference_text(value)
            if text is not None and element not in {"subject", "patient"}:
                yield text
        for name, inner in value.items():
            yield from _references(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, element)


def _codings(concept: Any) -> Iterator[Mapping[str, Any]]:
    """The codings of a CodeableConcept, a list of them, or a Coding."""
    for one in concept if isinstance(concept, list) else [concept]:
        if isinstance(one, Mapping):
            yield from _list(one.get("coding")) if "coding" in one else [one] if "code" in one else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
