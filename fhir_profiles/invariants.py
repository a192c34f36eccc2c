"""HL7's invariants that matter most, as functions: `None` where they hold (keys as in the definitions of R4).

The generic rules (ele-1, ref-1, dom-2 to dom-5, txt-1, txt-2) are in `structure` and `narrative`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

Object = Mapping[str, Any]
Holds = Callable[[Object], bool]

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"


def has(value: Object, name: str) -> bool:
    """Whether an element is there, be it a primitive or one that has only extensions, a choice or none."""
    return name in value or "_" + name in value


def has_choice(value: Object, name: str) -> bool:
    """Whether one of the types of a choice element `name[x]` is there."""
    size = len(name)
    return any(
        (key.startswith(name) and key[size : size + 1].isupper())
        or (key.startswith("_" + name) and key[size + 1 : size + 2].isupper())
        for key in value
    )


def _objects(value: Any) -> Iterable[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


def _concept_has(value: Object, name: str, system: str, codes: tuple[str, ...]) -> bool:
    concept = value.get(name)
    codings = _objects(concept.get("coding")) if isinstance(concept, dict) else ()
    return any(coding.get("system") == _TERMINOLOGY + system and coding.get("code") in codes for coding in codings)


def moment(text: Any) -> datetime | None:
    """The instant of a dateTime with a zone; `None` for one that names a longer time (a day, a month, a year)."""
    if not isinstance(text, str) or len(text) < 20:
        return None
    try:
        return datetime.fromisoformat(text.replace(":60", ":59", 1) if text[16:19] == ":60" else text)
    except ValueError:
        return None


def in_order(start: Any, end: Any) -> bool:
    """Whether start ≤ end, or where their precision leaves it open."""
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    first, last = moment(start), moment(end)
    if first is not None and last is not None:
        return first <= last
    known = min(len(start), len(end), 10)
    return start[:known] <= end[:known] or (first is None) != (last is None)


def _codings(concept: Any) -> set[tuple[Any, Any]]:
    codings = _objects(concept.get("coding")) if isinstance(concept, dict) else ()
    return {(coding.get("system"), coding.get("code")) for coding in codings if isinstance(coding.get("code"), str)}


def _obs_7(value: Object) -> bool:
    if "component" not in value or not has_choice(value, "value"):
        return True
    own = _codings(value.get("code"))
    return not any(own & _codings(component.get("code")) for component in _objects(value["component"]))


def _number(value: Any) -> Decimal | None:
    number = value.get("value") if isinstance(value, dict) else None
    return Decimal(str(number)) if isinstance(number, int | float | Decimal) else None


def _rng_2(value: Object) -> bool:
    low, high = value.get("low"), value.get("high")
    first, last = _number(low), _number(high)
    if first is None or last is None or not isinstance(low, dict) or not isinstance(high, dict):
        return True
    return low.get("code") != high.get("code") or first <= last


def _ext_1(value: Object) -> bool:
    return ("extension" in value) != has_choice(value, "value")


def _org_home(name: str) -> Holds:
    return lambda value: all(each.get("use") != "home" for each in _objects(value.get(name)))


def _bdl_3(value: Object) -> bool:
    wanted = value.get("type") in {"batch", "transaction", "history"}
    return all(("request" in entry) == wanted for entry in _objects(value.get("entry")))


def _bdl_4(value: Object) -> bool:
    wanted = value.get("type") in {"batch-response", "transaction-response", "history"}
    return all(("response" in entry) == wanted for entry in _objects(value.get("entry")))


def _bdl_7(value: Object) -> bool:
    if value.get("type") == "history":
        return True
    seen: set[tuple[Any, Any]] = set()
    for entry in _objects(value.get("entry")):
        resource = entry.get("resource")
        meta = resource.get("meta") if isinstance(resource, dict) else None
        key = (str(entry.get("fullUrl")), str(meta.get("versionId")) if isinstance(meta, dict) else None)
        if "fullUrl" in entry and key in seen:
            return False
        seen.add(key)
    return True


def _first_is(resource_type: str) -> Callable[[Object], bool]:
    def check(value: Object) -> bool:
        entry = next(iter(_objects(value.get("entry"))), {})
        resource = entry.get("resource")
        return isinstance(resource, dict) and resource.get("resourceType") == resource_type

    return check


def _bdl_9(value: Object) -> bool:
    identifier = value.get("identifier")
    return isinstance(identifier, dict) and "system" in identifier and "value" in identifier


def _any(*names: str) -> Holds:
    return lambda value: any(has(value, name) for name in names)


def _not_both(first: str, second: str) -> Holds:
    return lambda value: not (has(value, first) and has(value, second))


def _with(name: str, other: str) -> Holds:
    return lambda value: not has(value, name) or has(value, other)


def _when(kind: str, holds: Holds) -> Holds:
    return lambda value: value.get("type") != kind or holds(value)


def _con_4(value: Object) -> bool:
    past = ("resolved", "remission", "inactive")
    return not has_choice(value, "abatement") or _concept_has(value, "clinicalStatus", "condition-clinical", past)


def _con_5(value: Object) -> bool:
    wrong = _concept_has(value, "verificationStatus", "condition-ver-status", ("entered-in-error",))
    return not (wrong and "clinicalStatus" in value)


def _ait(value: Object) -> bool:
    return _concept_has(value, "verificationStatus", "allergyintolerance-verification", ("entered-in-error",))


_QUANTITY: Final[tuple[tuple[str, str, Holds], ...]] = (
    ("qty-3", "a code for the unit needs its system", lambda value: "code" not in value or has(value, "system")),
)

INVARIANTS: Final[Mapping[str, tuple[tuple[str, str, Holds], ...]]] = {
    "AllergyIntolerance": (
        ("ait-1", "a clinicalStatus is needed", lambda value: _ait(value) or "clinicalStatus" in value),
        (
            "ait-2",
            "entered in error has no clinicalStatus",
            lambda value: not (_ait(value) and "clinicalStatus" in value),
        ),
    ),
    "Attachment": (("att-1", "data need their contentType", _with("data", "contentType")),),
    "AuditEvent.entity": (("sev-1", "either a name or a query", _not_both("name", "query")),),
    "Bundle": (
        (
            "bdl-1",
            "only a searchset or history has a total",
            lambda value: not has(value, "total") or value.get("type") in {"searchset", "history"},
        ),
        (
            "bdl-2",
            "only a searchset has entry.search",
            lambda value: (
                value.get("type") == "searchset" or all("search" not in entry for entry in _objects(value.get("entry")))
            ),
        ),
        ("bdl-3", "each entry of a batch, transaction or history has a request, no other has one", _bdl_3),
        ("bdl-4", "each entry of a response or history has a response, no other has one", _bdl_4),
        ("bdl-7", "a fullUrl may stand once for each version", _bdl_7),
        ("bdl-9", "a document has an identifier with system and value", _when("document", _bdl_9)),
        ("bdl-10", "a document has a timestamp", _when("document", lambda value: "timestamp" in value)),
        ("bdl-11", "a document begins with a Composition", _when("document", _first_is("Composition"))),
        ("bdl-12", "a message begins with a MessageHeader", _when("message", _first_is("MessageHeader"))),
    ),
    "Bundle.entry": (
        ("bdl-5", "an entry holds a resource, request or response", _any("resource", "request", "response")),
        ("bdl-8", "fullUrl names no version", lambda value: "/_history/" not in str(value.get("fullUrl", ""))),
    ),
    "Composition.section": (
        ("cmp-1", "a section holds text, entries or sections", _any("text", "entry", "section")),
        ("cmp-2", "an emptyReason only where there are no entries", _not_both("emptyReason", "entry")),
    ),
    "Condition": (
        ("con-4", "an abatement needs clinicalStatus resolved, remission or inactive", _con_4),
        ("con-5", "entered in error has no clinicalStatus", _con_5),
    ),
    "Condition.evidence": (("con-2", "a code or a detail is needed", _any("code", "detail")),),
    "Condition.stage": (("con-1", "a summary or an assessment is needed", _any("summary", "assessment")),),
    "Consent": (("ppc-1", "a policy or a policyRule is needed", _any("policy", "policyRule")),),
    "ContactPoint": (("cpt-2", "a value needs its system", _with("value", "system")),),
    "Extension": (("ext-1", "either a value or extensions", _ext_1),),
    "List": (("lst-1", "an emptyReason only where there are no entries", _not_both("emptyReason", "entry")),),
    "Observation": (
        (
            "obs-6",
            "dataAbsentReason only where there is no value",
            lambda value: "dataAbsentReason" not in value or not has_choice(value, "value"),
        ),
        ("obs-7", "a value belongs at the top or in the component with the same code", _obs_7),
    ),
    "Observation.referenceRange": (("obs-3", "low, high or text is needed", _any("low", "high", "text")),),
    "Organization": (
        ("org-1", "an identifier or a name is needed", _any("identifier", "name")),
        ("org-2", "an organization has no home address", _org_home("address")),
        ("org-3", "an organization has no home telecom", _org_home("telecom")),
    ),
    "Patient.contact": (
        (
            "pat-1",
            "a name, telecom, address or organization is needed",
            _any("name", "telecom", "address", "organization"),
        ),
    ),
    "Period": (("per-1", "start must not be after end", lambda value: in_order(value.get("start"), value.get("end"))),),
    "Range": (("rng-2", "low must not be more than high", _rng_2),),
    "Ratio": (
        (
            "rat-1",
            "numerator and denominator both, or an extension alone",
            lambda value: (
                ("numerator" in value) == ("denominator" in value) and ("numerator" in value or "extension" in value)
            ),
        ),
    ),
    "Timing.repeat": (
        ("tim-1", "a duration needs its unit", _with("duration", "durationUnit")),
        ("tim-2", "a period needs its unit", _with("period", "periodUnit")),
        ("tim-6", "periodMax needs period", _with("periodMax", "period")),
        ("tim-7", "durationMax needs duration", _with("durationMax", "duration")),
        ("tim-8", "countMax needs count", _with("countMax", "count")),
        ("tim-9", "an offset needs when", _with("offset", "when")),
        ("tim-10", "either timeOfDay or when", _not_both("timeOfDay", "when")),
    ),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _QUANTITY),
}
