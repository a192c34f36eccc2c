"""Resources to start from, and hypothesis strategies for valid ones and for their mutations."""

import copy
from datetime import UTC
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from fhir_profiles import definitions

OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/heartrate"]},
    "identifier": [{"system": "urn:example", "value": "v1"}],
    "status": "final",
    "category": [
        {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"},
            ]
        }
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}], "text": "Puls"},
    "subject": {"reference": "Patient/p-1"},
    "effectiveDateTime": "2024-03-05T10:15:30+01:00",
    "valueQuantity": {
        "value": Decimal("72.0"),
        "unit": "/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    },
    "device": {"reference": "Device/d-1"},
}

PATIENT = {
    "resourceType": "Patient",
    "id": "p-1",
    "identifier": [{"system": "http://fhir.de/sid/gkv/kvid-10", "value": "A123456780"}],
    "name": [{"use": "official", "family": "Groß-Müller", "given": ["Jürgen", "Émile"]}],
    "telecom": [{"system": "phone", "value": "+49 231 555"}],
    "gender": "male",
    "birthDate": "1970-02-28",
    "deceasedBoolean": False,
    "address": [{"line": ["Hauptstraße 1"], "city": "Köln", "postalCode": "50667"}],
}

DEVICE = {
    "resourceType": "Device",
    "id": "d-1",
    "manufacturer": "Uhrwerk",
    "deviceName": [{"name": "Uhr", "type": "user-friendly-name"}],
    "patient": {"reference": "Patient/p-1"},
}

texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
ids = st.from_regex(r"[A-Za-z0-9\-.]{1,12}", fullmatch=True)
uris = st.builds("http://example.org/{}".format, st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True))
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999, max_value=9999)
days = st.dates().map(str)
instants = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0).isoformat())


def some(**members: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has some of the members, at least one."""
    return st.fixed_dictionaries({}, optional=members).filter(bool)


codings = some(system=uris, code=ids, display=texts, userSelected=st.booleans())
concepts = some(coding=st.lists(codings, min_size=1, max_size=2), text=texts)
quantities = st.fixed_dictionaries(
    {"system": uris},
    optional={"value": decimals, "unit": texts, "code": ids, "comparator": st.sampled_from(["<", ">="])},
)
periods = st.builds(lambda start: {"start": start}, instants)
identifiers = some(use=st.sampled_from(["usual", "official"]), system=uris, value=texts, type=concepts)


def references(*types: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda name, ident: {"reference": f"{name}/{ident}"}, st.sampled_from(types), ids)


def many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=2)


def merged(*strategies: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*strategies).map(lambda parts: {name: value for part in parts for name, value in part.items()})


def choice(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """At most one of the members."""
    return st.one_of(
        st.just({}), *(st.builds(lambda value, n=name: {n: value}, each) for name, each in members.items())
    )


observations = merged(
    st.fixed_dictionaries(
        {
            "resourceType": st.just("Observation"),
            "status": st.sampled_from(["final", "amended", "registered"]),
            "code": concepts,
        },
        optional={
            "id": ids,
            "identifier": many(identifiers),
            "category": many(concepts),
            "subject": references("Patient", "Group", "Device", "Location"),
            "issued": instants,
            "performer": many(references("Patient", "Practitioner")),
            "note": many(st.fixed_dictionaries({"text": texts}, optional={"authorString": texts, "time": instants})),
            "interpretation": many(concepts),
            "referenceRange": many(st.fixed_dictionaries({"text": texts}, optional={"appliesTo": many(concepts)})),
            "_status": st.just({"extension": [{"url": "http://example.org/x", "valueString": "y"}]}),
        },
    ),
    choice(effectiveDateTime=instants | days, effectivePeriod=periods, effectiveInstant=instants),
    choice(
        valueQuantity=quantities,
        valueCodeableConcept=concepts,
        valueString=texts,
        valueBoolean=st.booleans(),
        valueInteger=st.integers(-100, 100),
        valueRange=some(low=quantities),
        valuePeriod=periods,
        valueSampledData=st.builds(
            lambda origin, period, data: {"origin": origin, "period": period, "dimensions": 1, "data": data},
            st.just({"value": 0, "unit": "mV"}),
            st.decimals(1, 10, places=1),
            st.just("1 2 3 E"),
        ),
    ),
)
patients = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "id": ids,
        "active": st.booleans(),
        "identifier": many(identifiers),
        "name": many(some(use=st.just("official"), family=texts, given=many(texts), period=periods)),
        "telecom": many(st.fixed_dictionaries({"system": st.sampled_from(["phone", "email"]), "value": texts})),
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "birthDate": days,
        "address": many(some(line=many(texts), city=texts, country=texts)),
        "multipleBirthInteger": st.integers(1, 5),
        "contact": many(st.fixed_dictionaries({"name": st.builds(lambda t: {"text": t}, texts)})),
        "generalPractitioner": many(references("Organization", "Practitioner")),
        "link": many(
            st.fixed_dictionaries({"other": references("Patient"), "type": st.sampled_from(["refer", "seealso"])})
        ),
        "extension": many(st.builds(lambda url, text: {"url": url, "valueString": text}, uris, texts)),
    },
)
devices = st.fixed_dictionaries(
    {"resourceType": st.just("Device")},
    optional={
        "id": ids,
        "identifier": many(identifiers),
        "status": st.sampled_from(["active", "inactive"]),
        "manufacturer": texts,
        "serialNumber": texts,
        "deviceName": many(st.fixed_dictionaries({"name": texts, "type": st.just("model-name")})),
        "type": concepts,
        "version": many(st.fixed_dictionaries({"value": texts})),
        "patient": references("Patient"),
        "expirationDate": instants | days,
    },
)
resources = observations | patients | devices

junk = st.sampled_from(
    [
        None,
        "",
        "x y",
        " ",
        1,
        -1,
        1.5,
        True,
        [],
        {},
        [None],
        [{}],
        [[]],
        ["x"],
        {"a": 1},
        "2024-02-30",
        {"reference": "x"},
    ]
).map(copy.deepcopy)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid resource with one to three places broken: removed, renamed, replaced, doubled or added to."""
    resource = copy.deepcopy(draw(resources))
    for _ in range(draw(st.integers(1, 3))):
        _break(draw, resource)
    return resource


def _break(draw: st.DrawFn, resource: dict[str, Any]) -> None:
    place: Any = resource
    while True:
        inner = [
            each for each in (place.values() if isinstance(place, dict) else place) if isinstance(each, dict | list)
        ]
        if not inner or draw(st.booleans()):
            break
        place = draw(st.sampled_from(inner))
    keys = [key for key in place if key != "resourceType"] if isinstance(place, dict) else list(range(len(place)))
    how = draw(st.sampled_from(["remove", "replace", "wrap", "add", "rename"]))
    if not keys or how == "add":
        if isinstance(place, dict):
            name = draw(
                st.sampled_from(["value", "status", "extension", "valueString", "_status", "id", "period", "x"])
            )
            place[name] = draw(junk)
        else:
            place.append(draw(junk))
        return
    key = draw(st.sampled_from(keys))
    if how == "remove":
        del place[key]
    elif how == "replace":
        place[key] = draw(junk)
    elif how == "wrap":
        place[key] = [place[key]]
    elif isinstance(place, dict):
        place[key + "s"] = place.pop(key)


PRIMITIVES = {
    "base64Binary": "eA==", "boolean": True, "canonical": "urn:example:x", "code": "x", "date": "2026-01-31",
    "dateTime": "2026-01-31", "decimal": 1, "id": "x", "instant": "2026-01-31T08:00:00Z", "integer": 1, "markdown": "x",
    "positiveInt": 1, "string": "x", "time": "08:00:00", "unsignedInt": 1, "uri": "urn:example:x", "url": "urn:x:y",
}  # fmt: skip

SHORTEST = {
    "Attachment": {"title": "x"}, "CodeableConcept": {"text": "x"}, "Coding": {"code": "x"}, "Money": {"value": 1},
    "Period": {"start": "2026-01-31"}, "Quantity": {"unit": "x"},
}  # fmt: skip
ACTIVE = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
BY_INVARIANTS = {
    "AllergyIntolerance": {"clinicalStatus": {"coding": [ACTIVE]}}, "Consent": {"policyRule": {"text": "x"}},
    "Organization": {"name": "x"},
}  # fmt: skip


def least(type_: str) -> dict[str, Any]:
    """A resource of a type with no more than what HL7's definitions ask for."""
    return {"resourceType": type_} | _required(type_) | BY_INVARIANTS.get(type_, {})


def _required(path: str) -> dict[str, Any]:
    elements = definitions.types()[path.partition(".")[0]]["elements"]
    children = {name: one for name, one in elements.items() if name.rpartition(".")[0] == path}
    return dict(_member(name, one) for name, one in children.items() if one["min"])


def _member(path: str, element: definitions.Element) -> tuple[str, Any]:
    name, (type_, *targets) = path.rpartition(".")[2], element["types"][0]
    value = _value(path, type_, targets, element.get("binding", ""))
    name = name.replace("[x]", type_[0].upper() + type_[1:])
    return name, value if element["max"] == 1 else [value] * element["min"]


def _value(path: str, type_: str, targets: list[str], binding: str) -> Any:
    if type_ in PRIMITIVES:
        codes = definitions.codes().get(binding)
        return next(iter(next(iter(codes.values())))) if codes else PRIMITIVES[type_]
    if type_ == "Reference":
        return {"reference": f"{next(iter(targets), 'Patient')}/x"}
    if type_ == "Resource":
        return least("Basic")
    if type_ in ("BackboneElement", "Element"):
        return _required(path) or {"id": "x"}
    return _required(type_) or SHORTEST.get(type_, {"value": "x"})
