"""https://hl7.org/fhir/R4/http.html: read, create, update, delete, and what goes wrong."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.gateway import fhir_api
from fhir_profiles import search
from fhir_profiles.definitions import resource_types
from fhir_profiles.logs import JsonLines
from tests.connectors.gateway.conftest import BASE, FHIR_JSON, ids, issue, observation
from tests.fhir_profiles.examples import least

CREATED = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}'


def test_what_was_created_is_read(api):
    """A created resource has a place, a version and a time, and reads back the same bytes."""
    created = api.post("Patient", {"resourceType": "Patient", "birthDate": "1970-01-01"})
    assert created.status_code == 201
    assert created.headers["Location"] == f"{BASE}/Patient/{created.json['id']}"
    read = api.get(f"Patient/{created.json['id']}")
    assert read.data == created.data
    assert read.content_type == FHIR_JSON
    assert read.headers["ETag"] == created.headers["ETag"] == 'W/"1"'
    assert read.headers["Last-Modified"].endswith("GMT")
    assert read.json["meta"]["versionId"] == "1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read.json["meta"]["lastUpdated"])


@pytest.mark.parametrize("digits", [b"1.50", b"0.000", b"-0.10", b"12345678901234567890.5"])
def test_a_decimal_keeps_its_digits(api, digits):
    """1.50 stays 1.50."""
    created = api.post("Observation", CREATED % digits)
    assert b'"value":' + digits + b"}" in api.get(f"Observation/{created.json['id']}").data


def test_the_id_of_a_created_resource_is_the_servers(api):
    """An id that the client sends with POST is not taken over."""
    assert api.post("Patient", {"resourceType": "Patient", "id": "mine"}).json["id"] != "mine"


@pytest.mark.parametrize(
    ("prefer", "length"), [("return=minimal", 0), ("return=representation", None), ("return=OperationOutcome", None)]
)
def test_prefer_chooses_what_a_write_answers(api, prefer, length):
    """`Prefer: return` is honoured."""
    answer = api.post("Patient", {"resourceType": "Patient"}, Prefer=prefer)
    assert answer.status_code == 201
    if length == 0:
        assert answer.data == b""
    else:
        assert answer.json["resourceType"] == {"return=representation": "Patient"}.get(prefer, "OperationOutcome")


def test_an_unchanged_resource_is_not_sent_again(api):
    """If-None-Match with the version that is there answers 304 without a body."""
    place = f"Patient/{api.post('Patient', {'resourceType': 'Patient'}).json['id']}"
    same = api.get(place, If_None_Match='W/"1"')
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", 'W/"1"')
    assert api.get(place, If_None_Match='W/"2"').status_code == 200


def test_an_update_makes_the_next_version(api):
    """PUT replaces, counts the version on, and search finds the new content only."""
    api.put("Patient/a", {"resourceType": "Patient", "id": "a", "gender": "male"})
    updated = api.put("Patient/a", {"resourceType": "Patient", "id": "a", "gender": "female"}, If_Match='W/"1"')
    assert (updated.status_code, updated.headers["ETag"]) == (200, 'W/"2"')
    assert ids(api.get("Patient?gender=female")) == ["a"]
    assert ids(api.get("Patient?gender=male")) == []


def test_an_update_of_what_has_changed_is_refused(api):
    """If-Match with an older version, or for what is not there, answers 412 and changes nothing."""
    patient = {"resourceType": "Patient", "id": "a"}
    assert api.put("Patient/a", patient, If_Match='W/"1"').status_code == 412
    api.put("Patient/a", patient)
    api.put("Patient/a", patient | {"active": True})
    refused = api.put("Patient/a", patient, If_Match='W/"1"')
    assert (refused.status_code, issue(refused)["code"]) == (412, "conflict")
    assert api.get("Patient/a").json["active"] is True


def test_an_update_that_must_create_replaces_nothing(api):
    """If-None-Match of any version, or of the one that is there, answers 412; what was deleted is not there."""
    patient = {"resourceType": "Patient", "id": "a"}
    assert api.put("Patient/a", patient, If_None_Match="*").status_code == 201
    for tags in ("*", 'W/"7", W/"1"'):
        refused = api.put("Patient/a", patient | {"active": True}, If_None_Match=tags)
        assert (refused.status_code, issue(refused)["code"]) == (412, "conflict")
    assert "active" not in api.get("Patient/a").json
    assert api.put("Patient/a", patient, If_None_Match='W/"7"').status_code == 200
    api.delete("Patient/a")
    assert api.put("Patient/a", patient, If_None_Match="*").status_code == 201


def test_an_update_under_a_new_id_creates(api):
    """PUT to an id that was never there creates under it."""
    assert api.put("Patient/new", {"resourceType": "Patient", "id": "new"}).status_code == 201
    assert api.get("Patient/new").status_code == 200


@pytest.mark.parametrize("patient", [{"resourceType": "Patient", "id": "b"}, {"resourceType": "Patient"}])
def test_an_update_names_its_id_twice(api, patient):
    """The id of the address and of the resource must be the same."""
    assert api.put("Patient/a", patient).status_code == 400


def test_what_was_deleted_is_gone(api):
    """DELETE: 410 on read, in no search, twice the same; PUT brings the id back with the next version."""
    api.put("Patient/a", {"resourceType": "Patient", "id": "a", "active": True})
    assert api.delete("Patient/a").status_code == 204
    assert api.delete("Patient/a").status_code == 204
    assert issue(api.get("Patient/a"))["code"] == "deleted"
    assert api.get("Patient/a").status_code == 410
    assert ids(api.get("Patient")) == ids(api.get("Patient?active=true")) == []
    assert api.put("Patient/a", {"resourceType": "Patient", "id": "a"}).headers["ETag"] == 'W/"3"'


def test_a_conditional_create_finds_what_is_there(api):
    """If-None-Exist: one match answers 200 with it, several 412, none creates."""
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    first = api.post("Patient", patient, If_None_Exist="identifier=urn:x|1")
    second = api.post("Patient", patient, If_None_Exist="identifier=urn:x|1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    api.post("Patient", patient)
    several = api.post("Patient", patient, If_None_Exist="identifier=urn:x|1")
    assert (several.status_code, issue(several)["code"]) == (412, "multiple-matches")


def test_a_condition_must_name_something(api):
    """An empty If-None-Exist would mean any resource."""
    assert api.post("Patient", {"resourceType": "Patient"}, If_None_Exist="").status_code == 400


def test_of_eight_conditional_creates_at_once_one_creates(api):
    """No race makes duplicates."""
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}

    def create(_):
        return api.post("Patient", patient, If_None_Exist="identifier=urn:x|1").status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(create, range(8))) == [200] * 7 + [201]


def test_of_eight_updates_of_one_version_one_counts(api):
    """If-Match is checked and written in one step."""
    api.put("Patient/a", {"resourceType": "Patient", "id": "a"})

    def update(_):
        return api.put("Patient/a", {"resourceType": "Patient", "id": "a"}, If_Match='W/"1"').status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(update, range(8))) == [200] + [412] * 7


def test_many_writers_never_meet_a_locked_database(api):
    """Sixteen writers at once: every write is acknowledged."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: api.post("Observation", observation()).status_code, range(64)))
    assert answers == [201] * 64
    assert api.get("Observation?_summary=count").json["total"] == 64


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"{", "invalid"),
        (b"[]", "invalid"),
        (b"\xff", "invalid"),
        (b'{"resourceType":"Patient","resourceType":"Patient"}', "invalid"),
        (b'{"resourceType":"Observation","status":"final","code":{"text":"x"}}', "invalid"),
        (b'{"resourceType":"Patient","gender":"banana"}', None),
        (b'{"resourceType":"Patient","nam":"x"}', "structure"),
        (b'{"resourceType":"Patient","birthDate":"1970-02-30"}', None),
    ],
)
def test_what_is_no_resource_of_the_type_is_refused(api, body, code):
    """Wrong JSON, another type, unknown members and forbidden values answer 400 and store nothing."""
    answer = api.post("Patient", body)
    assert answer.status_code == 400
    assert code in {None, issue(answer)["code"]}
    assert b"banana" not in answer.data
    assert ids(api.get("Patient")) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "Patient/none", 404, "not-found"),
        ("get", "Nothing/1", 404, "not-found"),
        ("get", "Nothing", 404, "not-found"),
        ("get", "Patient/1/_history/1", 404, "not-found"),
        ("get", "Patient/1/$everything", 404, "not-found"),
        ("delete", "Patient", 405, "not-supported"),
        ("delete", "metadata", 405, "not-supported"),
    ],
)
def test_what_is_not_served_says_so(api, method, path, status, code):
    """404 and 405 are OperationOutcomes too, and 405 names what is served."""
    answer = getattr(api, method)(path)
    assert (answer.status_code, issue(answer)["code"]) == (status, code)
    assert ("Allow" in answer.headers) == (status == 405)


def test_outside_of_fhir_there_is_nothing(api):
    """An unknown path of the server answers 404 as an OperationOutcome."""
    assert issue(api.client.get("/admin"))["code"] == "not-found"


@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/html", "application/fhir+json; fhirVersion=5.0"])
def test_a_format_that_is_not_served_is_refused(api, accept):
    """Only FHIR JSON of R4: 406."""
    assert api.get("Patient", Accept=accept).status_code == 406


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "text/html, application/fhir+json;q=0.5", "application/fhir+json; fhirVersion=4.0"],
)
def test_every_name_of_fhir_json_is_taken(api, accept):
    """What includes FHIR JSON is answered with it."""
    assert api.get("Patient", Accept=accept).content_type == FHIR_JSON


@pytest.mark.parametrize(("wanted", "status"), [("json", 200), ("application/fhir%2Bjson", 200), ("xml", 406)])
def test_format_in_the_address_goes_before_the_header(api, wanted, status):
    """`_format` overrides Accept."""
    assert api.get(f"Patient?_format={wanted}", Accept="text/html").status_code == status


def test_media_types_are_read_without_case(api):
    """RFC 9110, 8.3.1: in a body's type, in `Accept` and in `_format`."""
    kind = "Application/FHIR+JSON; fhirVersion=4.0"
    assert api.post("Patient", {"resourceType": "Patient"}, Content_Type=kind, Accept=kind).status_code == 201
    assert api.get("Patient?_format=JSON").status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/fhir+xml", "application/json; charset=latin-1", ""])
def test_another_media_type_is_not_taken(api, kind):
    """A body must say that it is JSON in UTF-8: 415."""
    assert api.post("Patient", {"resourceType": "Patient"}, Content_Type=kind).status_code == 415


def test_a_body_that_is_too_large_is_refused(api):
    """413 with an OperationOutcome."""
    answer = api.post("Patient", b" " * 1_000_001)
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


def test_a_defect_says_nothing(api, monkeypatch, caplog):
    """An internal error answers 500; neither answer nor log quotes what it stumbled over."""
    monkeypatch.setattr(fhir_api, "served", lambda _: (_ for _ in ()).throw(KeyError("Frau Muster")))
    answer = api.get("Patient/1")
    assert (answer.status_code, issue(answer)["code"]) == (500, "exception")
    assert b"Muster" not in answer.data
    (line,) = [JsonLines().format(record) for record in caplog.records if record.name == "obhut.gateway"]
    assert '"error": "KeyError"' in line
    assert "Muster" not in line + caplog.text


def test_the_capability_statement_is_true(api):
    """It lists every type of R4 with what the routes serve, and only search parameters that are understood."""
    statement = api.get("metadata").json
    assert statement["fhirVersion"] == "4.0.1"
    rest = statement["rest"][0]
    assert {each["code"] for each in rest["interaction"]} == {"transaction", "batch"}
    assert {each["type"] for each in rest["resource"]} == resource_types()
    for each in rest["resource"]:
        interactions = {interaction["code"] for interaction in each["interaction"]}
        assert interactions == {"read", "search-type", "create", "update", "delete"}
        assert {parameter["name"] for parameter in each["searchParam"]} == set(search.parameters(each["type"]))


def test_every_type_is_created_found_and_read(api):
    """The least of each type of R4 gets a place, is found by its id, and reads back the same bytes."""
    for type_ in sorted(resource_types()):
        created = api.post(type_, least(type_))
        assert created.status_code == 201, created.text
        assert ids(api.get(f"{type_}?_id={created.json['id']}")) == [created.json["id"]]
        assert api.get(f"{type_}/{created.json['id']}").data == created.data


def test_it_is_ready_when_the_database_answers(api):
    """/readyz and /healthz."""
    assert api.client.get("/readyz").status_code == api.client.get("/healthz").status_code == 200
