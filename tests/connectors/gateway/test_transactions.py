"""https://hl7.org/fhir/R4/http.html#transaction: whole or not at all; a batch entry by entry."""

import pytest

from connectors.gateway import fhir_api
from tests.connectors.gateway.conftest import BASE, ids, issue, observation

NARRATIVE = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="urn:uuid:{0}">x</a></div>'
PATIENT = "61ebe359-bfdc-4613-8bf2-c5e300945f0a"
READING = "88f151c0-a954-468a-88bd-5ae15c08e059"


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method, url, resource=None, name=None, **request):
    made = {"request": {"method": method, "url": url} | request}
    if resource is not None:
        made["resource"] = resource
    if name is not None:
        made["fullUrl"] = f"urn:uuid:{name}"
    return made


def about(reference):
    return observation(subject={"reference": reference})


def statuses(answer):
    assert answer.status_code == 200, answer.text
    return [each["response"]["status"].split()[0] for each in answer.json["entry"]]


def test_entries_refer_to_each_other_whatever_their_order(api):
    """urn:uuid references lead to the resources that the entries became, in references and narrative."""
    reading = about(f"urn:uuid:{PATIENT}") | {"text": {"status": "generated", "div": NARRATIVE.format(PATIENT)}}
    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", reading, READING),
            entry("POST", "Patient", {"resourceType": "Patient"}, PATIENT),
        ),
    )
    assert answer.json["type"] == "transaction-response"
    assert statuses(answer) == ["201", "201"]
    [observation_, patient] = [each["response"]["location"].removeprefix(f"{BASE}/") for each in answer.json["entry"]]
    stored = api.get(observation_).json
    assert stored["subject"]["reference"] == patient
    assert f'href="{patient}"' in stored["text"]["div"]
    assert ids(api.get(f"Observation?patient={patient}")) == [observation_.split("/")[1]]


@pytest.mark.parametrize(
    "broken",
    [
        entry("POST", "Observation", observation(status="zzz")),
        entry("POST", "Observation", about("urn:uuid:00000000-0000-4000-8000-000000000000")),
        entry("POST", "Observation", about("Patient?identifier=urn:x|none")),
        entry("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"}, ifMatch='W/"7"'),
        entry("PUT", "Patient/a", {"resourceType": "Patient", "id": "b"}),
        entry("POST", "Patient", {"resourceType": "Observation"}),
        entry("GET", "Patient/none"),
        entry("PATCH", "Patient/a", {"resourceType": "Binary", "contentType": "x"}),
        entry("DELETE", "Patient?name=x"),
        entry("POST", "Nothing", {"resourceType": "Patient"}),
    ],
)
def test_one_entry_that_fails_undoes_all_and_is_named(api, broken):
    """Nothing of a refused transaction is stored, and the error says which entry it was."""
    answer = api.post("", bundle(entry("POST", "Patient", {"resourceType": "Patient"}), broken))
    assert 400 <= answer.status_code < 500
    assert issue(answer)["expression"][0].startswith("Bundle.entry[1]")
    assert ids(api.get("Patient")) == ids(api.get("Observation")) == []


def test_a_path_leads_into_the_entry(api):
    """An error within a resource names the entry and the element."""
    answer = api.post("", bundle(entry("POST", "Observation", observation(status="zzz"))))
    assert issue(answer)["expression"] == ["Bundle.entry[0].resource.status"]


def test_a_transaction_deletes_creates_updates_and_reads_in_this_order(api):
    """The order of the specification, whatever the order of the entries; a read sees what was written."""
    api.put("Patient/old", {"resourceType": "Patient", "id": "old"})
    answer = api.post(
        "",
        bundle(
            entry("GET", "Patient?_summary=count"),
            entry("GET", "Patient/new"),
            entry("PUT", "Patient/new", {"resourceType": "Patient", "id": "new"}),
            entry("POST", "Patient", {"resourceType": "Patient"}),
            entry("DELETE", "Patient/old"),
        ),
    )
    assert statuses(answer) == ["200", "200", "201", "201", "204"]
    assert answer.json["entry"][0]["resource"]["total"] == 2
    assert answer.json["entry"][1]["resource"]["id"] == "new"
    assert api.get("Patient/old").status_code == 410


def test_a_resource_is_changed_once(api):
    """Two entries that change the same resource are refused."""
    patient = entry("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"})
    assert api.post("", bundle(patient, patient)).status_code == 400


def test_a_conditional_create_within_a_transaction(api):
    """ifNoneExist: what is there is taken, and references lead to it; two entries that ask the same get the same."""
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    asked = entry("POST", "Patient", patient, PATIENT, ifNoneExist="identifier=urn:x|1")
    again = entry("POST", "Patient", patient, ifNoneExist="identifier=urn:x|1")
    first = api.post("", bundle(asked, again))
    second = api.post("", bundle(asked, entry("POST", "Observation", about(f"urn:uuid:{PATIENT}"))))
    assert (statuses(first), statuses(second)) == (["201", "200"], ["200", "201"])
    assert len({each["response"]["location"] for each in [*first.json["entry"], second.json["entry"][0]]}) == 1
    [patient_id] = ids(api.get("Patient"))
    assert second.json["entry"][1]["resource"]["subject"]["reference"] == f"Patient/{patient_id}"


def test_a_conditional_reference_finds_what_is_there_or_comes_with_it(api):
    """`Patient?identifier=…` becomes the reference to the one that it finds, new ones included."""
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    reading = entry("POST", "Observation", about("Patient?identifier=urn:x|1"))
    answer = api.post("", bundle(reading, entry("POST", "Patient", patient)))
    assert statuses(answer) == ["201", "201"]
    [patient_id] = ids(api.get("Patient"))
    assert answer.json["entry"][0]["resource"]["subject"]["reference"] == f"Patient/{patient_id}"


def test_a_batch_goes_entry_by_entry(api):
    """One that fails has its own OperationOutcome; the others are done."""
    answer = api.post(
        "",
        bundle(
            entry("POST", "Patient", {"resourceType": "Patient"}),
            entry("POST", "Observation", observation(status="zzz")),
            entry("GET", "Patient/none"),
            {"resource": {"resourceType": "Patient"}},
            entry("GET", "Patient?_summary=count"),
            kind="batch",
        ),
    )
    assert answer.json["type"] == "batch-response"
    assert statuses(answer) == ["201", "400", "404", "400", "200"]
    outcome = answer.json["entry"][1]["response"]["outcome"]
    assert outcome["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert answer.json["entry"][4]["resource"]["total"] == 1


@pytest.mark.parametrize(
    "url", ["Patient/a/_history/1", "Patient/a/_history", "Patient/_history", "Patient/$everything"]
)
def test_what_is_not_served_within_a_bundle_is_not_taken_for_something_else(api, url):
    """A version that is asked for is not answered with the newest one, in a batch as in a transaction."""
    api.put("Patient/a", {"resourceType": "Patient", "id": "a"})
    answer = api.post("", bundle(entry("GET", url), kind="batch"))
    assert statuses(answer) == ["400"]
    outcome = answer.json["entry"][0]["response"]["outcome"]["issue"][0]
    assert (outcome["code"], outcome["expression"]) == ("not-supported", ["Bundle.entry[0].request.url"])
    assert issue(api.post("", bundle(entry("GET", url))))["code"] == "not-supported"


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": "x"},
    ],
)
def test_only_bundles_of_requests_are_processed(api, body):
    """Anything else at the base is refused."""
    assert api.post("", body).status_code == 400


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_empty_bundle_does_nothing(api, kind):
    """No entries in, none out."""
    assert api.post("", {"resourceType": "Bundle", "type": kind}).json == {
        "resourceType": "Bundle",
        "type": f"{kind}-response",
    }


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_may_say_at_which_version_it_is_not_wanted(api, kind):
    """`ifNoneMatch`: a read of what is known already answers 304, a write of what must not be there 412."""
    patient = {"resourceType": "Patient", "id": "a"}
    api.put("Patient/a", patient)
    read = api.post("", bundle(entry("GET", "Patient/a", ifNoneMatch='W/"1"'), kind=kind))
    assert statuses(read) == ["304"]
    assert "resource" not in read.json["entry"][0]
    refused = api.post("", bundle(entry("PUT", "Patient/a", patient, ifNoneMatch="*"), kind=kind))
    assert statuses(refused) == ["412"] if kind == "batch" else refused.status_code == 412
    assert api.get("Patient/a").headers["ETag"] == 'W/"1"'


def test_a_defect_in_a_batch_is_its_entrys(api, monkeypatch):
    """Else who is not told that the first entry was written would write it again."""
    monkeypatch.setattr(fhir_api, "read", lambda *_, **__: (_ for _ in ()).throw(KeyError("Frau Muster")))
    entries = entry("POST", "Patient", {"resourceType": "Patient"}), entry("GET", "Patient/1")
    answer = api.post("", bundle(*entries, kind="batch"))
    assert statuses(answer) == ["201", "500"]
    assert b"Muster" not in answer.data


def test_prefer_minimal_leaves_the_bodies_out(api):
    """A loader of many resources need not get them back."""
    made = bundle(entry("POST", "Patient", {"resourceType": "Patient"}))
    assert "resource" not in api.post("", made, Prefer="return=minimal").json["entry"][0]
