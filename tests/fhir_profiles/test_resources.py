"""The door: what is parsed, what is refused, and that no digit is lost."""

import copy
import subprocess
import sys
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.fhir_profiles.examples import DEVICE, OBSERVATION, PATIENT


def observation(**changes):
    """The example with members changed; `...` removes one."""
    changed = copy.deepcopy(OBSERVATION) | changes
    return {name: value for name, value in changed.items() if value is not ...}


def findings(resource):
    """(place, text) of all that the check finds."""
    try:
        resources.check(resource)
    except Problem as problem:
        return [(issue.expression, issue.detail) for issue in problem.issues]
    return []


@pytest.mark.parametrize("resource", [OBSERVATION, PATIENT, DEVICE])
def test_the_examples_are_accepted(resource):
    """A valid resource has no finding."""
    assert findings(resource) == []


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({"status": "banana"}, "Observation.status", "must be one of: amended"),
        ({"status": ...}, "Observation.status", "is missing"),
        ({"dataAbsentReason": {"text": "x"}}, "Observation", "obs-6"),
        ({"component": [{"code": OBSERVATION["code"]}]}, "Observation", "obs-7"),
        ({"valueQuantity": {"value": 1, "code": "mg"}}, "Observation.valueQuantity", "qty-3"),
        ({"valueQuantity": {"value": "72"}}, "Observation.valueQuantity.value", "must be a decimal, not a string"),
        ({"valueQuantity": {"value": True}}, "Observation.valueQuantity.value", "must be a decimal, not a boolean"),
        ({"valueString": "x"}, "Observation", "one type of a choice"),
        ({"valueUri": "x"}, "Observation.valueUri", "is no element"),
        ({"value": "x"}, "Observation.value", "is no element"),
        ({"subject": {"reference": "Medication/1"}}, "Observation.subject.reference", "must lead to: Device"),
        ({"subject": {"reference": "x"}}, "Observation.subject.reference", "must be Type/id"),
        ({"subject": {"reference": "Banana/1"}}, "Observation.subject.reference", "must be Type/id"),
        ({"subject": {"type": "Medication", "display": "x"}}, "Observation.subject.type", "must lead to"),
        ({"subject": {"reference": "#x"}}, "Observation", "ref-1"),
        ({"subject": {}}, "Observation.subject", "ele-1"),
        ({"subject": {"id": "x"}}, "Observation.subject", "ele-1"),
        ({"subject": None}, "Observation.subject", "null"),
        ({"subject": [{"reference": "Patient/1"}]}, "Observation.subject", "must be an object"),
        ({"category": {"text": "x"}}, "Observation.category", "must be an array"),
        ({"category": []}, "Observation.category", "must not be empty"),
        ({"category": [None]}, "Observation.category[0]", "null"),
        ({"effectiveDateTime": "2023-02-29"}, "Observation.effectiveDateTime", "no calendar"),
        ({"effectiveDateTime": "2023-02-01T10:00:00"}, "Observation.effectiveDateTime", "not written as a dateTime"),
        ({"effectiveDateTime": "2023-02-01\n"}, "Observation.effectiveDateTime", "not written as a dateTime"),
        ({"id": "ü"}, "Observation.id", "not written as a id"),
        ({"bodySite": {"text": ""}}, "Observation.bodySite.text", "text of 1"),
        ({"bodySite": {"text": "\x00"}}, "Observation.bodySite.text", "control characters"),
        ({"bodySite": {"text": "\ud800"}}, "Observation.bodySite.text", "control characters"),
        ({"referenceRange": [{"age": {"low": {"value": 1}}}]}, "Observation.referenceRange[0]", "obs-3"),
        ({"extension": [{"url": "http://x"}]}, "Observation.extension[0]", "ext-1"),
        ({"extension": [{"valueString": "x"}]}, "Observation.extension[0].url", "is missing"),
        ({"_status": {"valueString": "x"}}, "Observation._status.valueString", "is no element"),
        ({"_subject": {"id": "x"}}, "Observation._subject", "is no element"),
        ({"a b": 1}, "Observation", "no name of FHIR"),
        ({"text": {"status": "generated", "div": "<div><script/></div>"}}, "Observation.text.div", "txt-1"),
        ({"contained": [{"resourceType": "Banana"}]}, "Observation.contained[0].resourceType", "of FHIR R4"),
        ({"contained": [PATIENT]}, "Observation.contained", "dom-3"),
        (
            {"contained": [{"resourceType": "Patient", "contained": [PATIENT]}]},
            "Observation.contained[0]",
            "dom-2",
        ),
        (
            {"contained": [{"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}]},
            "Observation.contained[0].meta",
            "dom-4",
        ),
    ],
)
def test_a_wrong_element_is_refused_with_its_place_and_rule(changes, place, text):
    """Each finding names the FHIRPath and what is wanted there."""
    found = findings(observation(**changes))
    assert any(at == place and text in detail for at, detail in found), found


@pytest.mark.parametrize(
    ("base", "changes", "place", "text"),
    [
        (PATIENT, {"gender": "banana"}, "Patient.gender", "must be one of: female, male, other, unknown"),
        (PATIENT, {"contact": [{}]}, "Patient.contact[0]", "ele-1"),
        (PATIENT, {"contact": [{"gender": "male"}]}, "Patient.contact[0]", "pat-1"),
        (PATIENT, {"multipleBirthInteger": Decimal("1.0")}, "Patient.multipleBirthInteger", "whole number"),
        (PATIENT, {"multipleBirthInteger": 2**31}, "Patient.multipleBirthInteger", "whole number"),
        (PATIENT, {"photo": [{"data": "YWJj"}]}, "Patient.photo[0]", "att-1"),
        (PATIENT, {"photo": [{"contentType": "a/b", "data": "YWJ"}]}, "Patient.photo[0].data", "base64"),
        (PATIENT, {"telecom": [{"value": "1"}]}, "Patient.telecom[0]", "cpt-2"),
        (
            PATIENT,
            {"name": [{"period": {"start": "2024-02-02", "end": "2024-01-01"}}]},
            "Patient.name[0].period",
            "per-1",
        ),
        (PATIENT, {"name": [{"given": ["a", None]}]}, "Patient.name[0].given[1]", "null"),
        (PATIENT, {"account": {"reference": "x"}}, "Patient.account", "is no element"),
        (DEVICE, {"deviceName": [{"name": "x"}]}, "Device.deviceName[0].type", "is missing"),
        (DEVICE, {"resourceType": "SubscriptionStatus"}, "Resource.resourceType", "of FHIR R4"),
    ],
)
def test_the_other_types_are_checked_alike(base, changes, place, text):
    """Patients and devices, and types that later versions added."""
    found = findings(copy.deepcopy(base) | changes)
    assert any(at == place and text in detail for at, detail in found), found


def test_an_element_that_others_added_to_meta_is_refused():
    """`Meta` is HL7's: what adapted definitions add does not pass."""
    assert findings(observation(meta={"author": {"reference": "Patient/1"}}))


def test_a_null_in_an_array_is_right_where_its_extension_fills_the_place():
    """https://hl7.org/fhir/R4/json.html#null: values and extensions stand in step."""
    extension = {"extension": [{"url": "http://x", "valueCode": "unknown"}]}
    name = {"given": ["a", None], "_given": [None, extension]}
    assert findings(copy.deepcopy(PATIENT) | {"name": [name]}) == []
    assert findings(copy.deepcopy(PATIENT) | {"name": [name | {"_given": [extension, None]}]})


def test_a_required_primitive_may_have_extensions_only():
    """A `_status` stands for a status that cannot be given."""
    absent = {"extension": [{"url": "http://x", "valueCode": "unknown"}]}
    assert findings(observation(status=..., _status=absent)) == []


def test_contained_resources_that_are_referred_to_are_accepted():
    """ref-1 and dom-3 hold together."""
    contained = {"resourceType": "Patient", "id": "a"}
    assert findings(observation(contained=[contained], subject={"reference": "#a"})) == []


def test_resources_in_a_bundle_are_roots_of_their_own():
    """A fragment in an entry does not lead into another entry."""
    inner = observation(subject={"reference": "#a"}, contained=[{"resourceType": "Patient", "id": "a"}])
    other = observation(subject={"reference": "#a"})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}, {"resource": other}]}
    assert [place for place, _ in findings(bundle)] == ["Bundle.entry[1].resource"]


def test_all_findings_are_told_at_once_and_bounded():
    """One answer holds them all, at most fifty, in the order of the resource."""
    found = findings(observation(status="x", category=[{}] * 100))
    assert found[0][0] == "Observation.status"
    assert len(found) == 50


def test_no_finding_repeats_the_value_it_found():
    """Errors and logs never carry content."""
    with pytest.raises(Problem) as caught:
        resources.check(observation(status="geheim-1", subject={"reference": "geheim-2"}, bodySite="geheim-3"))
    assert "geheim" not in str(caught.value.details()) + str(caught.value.outcome()) + repr(caught.value)


def test_structure_and_value_are_told_apart():
    """The code says whether the form or a value is wrong."""
    with pytest.raises(Problem) as structure:
        resources.check(observation(x=1))
    with pytest.raises(Problem) as value:
        resources.check(observation(status="x"))
    assert (structure.value.code, value.value.code) == ("structure", "value")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"resourceType":1}',
        b'\xef\xbb\xbf{"resourceType":"Patient"}',
        b'{"resourceType":"Patient","id":"\xff"}',
        b'{"resourceType":"Patient","id":"a","id":"b"}',
        b'{"resourceType":"Patient","a":{"b":1,"b":1}}',
        b'{"resourceType":"Patient","a":NaN}',
        b'{"resourceType":"Patient","a":-Infinity}',
        b'{"resourceType":"Patient","a":"\\ud800"}',
        b'{"resourceType":"Patient","a":' + b"9" * 500 + b"}",
        b'{"resourceType":"Patient","a":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"resourceType":"Patient","a":' + b"[" * 100_000,
        b'{"resourceType":"Patient"} x',
    ],
)
def test_what_is_no_strict_json_of_a_resource_is_refused(data):
    """One clear error for each, never another exception."""
    with pytest.raises(Problem) as caught:
        resources.parse(data)
    assert caught.value.code == "invalid"


def test_a_body_that_is_too_large_is_refused_before_it_is_read():
    """The limit is the caller's."""
    with pytest.raises(Problem) as caught:
        resources.parse(b" " * 100, max_bytes=99)
    assert caught.value.code == "too-large"


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?", fullmatch=True))
def test_a_decimal_is_written_digit_for_digit(number):
    """Trailing zeros are precision."""
    data = b'{"resourceType":"X","a":' + number.encode() + b"}"
    assert resources.dump(resources.parse(data)) == data or number == "-0"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
def test_what_is_dumped_is_parsed_to_the_same_digits(number):
    """`dump` and `parse` are inverse, exponents included."""
    back = resources.parse(resources.dump({"resourceType": "X", "a": number}))["a"]
    assert Decimal(back) == number
    assert not isinstance(back, Decimal) or back.as_tuple() == number.as_tuple() or number.as_tuple().exponent > 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(
                    ["resourceType", "status", "code", "extension", "url", "valueString", "_status", "coding"]
                ),
                each,
            )
        ),
    )
)
def test_the_check_raises_nothing_but_problems(value):
    """Whatever JSON it gets."""
    for resource in (value, {"resourceType": "Observation", "status": value, "code": value, "_status": value}):
        try:
            resources.check(resource)
        except Problem:
            continue


def test_deep_values_that_were_not_parsed_here_are_refused_too():
    """The check does not overflow the stack."""
    extension = {"url": "x"}
    for _ in range(5000):
        extension = {"url": "x", "extension": [extension]}
    with pytest.raises(Problem):
        resources.check(observation(extension=[extension]))


def test_only_the_model_imports_fhir_resources():
    """A program that checks does not pay for the models."""
    code = (
        "import sys; from fhir_profiles import resources; resources.check({'resourceType': 'Patient'}); "
        "sys.exit('fhir' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_dump_refuses_what_is_no_json():
    """NaN and foreign objects are errors, not text."""
    for value in (Decimal("NaN"), object()):
        with pytest.raises((TypeError, orjson.JSONEncodeError)):
            resources.dump({"a": value})
