"""A patient's files: each a checked resource about her, in the outbox; or none of them, and a sentence."""

import base64
import json

import pytest

from connectors.patient import documents
from connectors.patient.client import Client
from connectors.patient.documents import MAX_FILE
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.connectors.wire import keep_keys
from tests.consent import world

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


@pytest.fixture
def client(tmp_path):
    """Her client on disk; nothing here speaks to a hub."""
    patient = world.client()
    keep_keys(tmp_path / "account", patient.me, patient.hub)
    opened = Client.open(tmp_path / "account", lambda: world.START)
    yield opened
    opened.close()


def waiting(client):
    """What lies in the outbox: category, handle, resource."""
    query = "SELECT category, handle, lines FROM outbox ORDER BY id"
    return [(category, handle, json.loads(lines)) for category, handle, lines in client.db.execute(query)]


def local(client):
    return client.account.partition("@")[0]


def write(path, value):
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value, indent=2).encode())
    return path


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}} | members


def test_a_document_becomes_a_document_reference(client, tmp_path):
    """With the file inside, its name as the title, in the category documents."""
    (added,) = documents.add(client, [write(tmp_path / "Brief.pdf", PDF)])
    ((category, handle, resource),) = waiting(client)
    assert (added.type, added.category, handle) == ("DocumentReference", "documents", f"DocumentReference/{added.id}")
    assert category == 10
    assert resource["subject"] == {"reference": f"Patient/{local(client)}"}
    attachment = resource["content"][0]["attachment"]
    assert (attachment["contentType"], attachment["title"]) == ("application/pdf", "Brief.pdf")
    assert base64.b64decode(attachment["data"]) == PDF
    resources.check(resource)


def test_a_large_document_goes_in_too(client, tmp_path):
    """5 MB: more than an envelope holds."""
    (added,) = documents.add(client, [write(tmp_path / "scan.png", b"\x89PNG\r\n\x1a\n" + bytes(5_000_000))])
    assert added.size > 6_000_000
    assert client.outbox.waiting == 1


def test_a_resource_goes_in_as_it_is(client, tmp_path):
    """Id and subject are put in where they are missing, its digits stay; its category is what it says of itself."""
    bare = (
        b'{"resourceType": "Observation",\n "status": "final", "code": {"text": "x"},"valueQuantity": {"value": 7.50}}'
    )
    whole = observation(id="w1", subject={"reference": f"Patient/{local(client)}"}, category=[{"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}])  # fmt: skip
    added = documents.add(client, [write(tmp_path / "a.json", bare), write(tmp_path / "b.json", whole)])
    first, second = waiting(client)
    assert first[2]["subject"] == {"reference": f"Patient/{local(client)}"}
    assert first[2]["id"] == added[0].id
    assert second[2] == whole
    assert [(one.type, one.category) for one in added] == [("Observation", "lab"), ("Observation", "vitals")]
    raw = client.db.execute("SELECT lines FROM outbox ORDER BY id LIMIT 1").fetchone()[0]
    assert b"7.50" in raw
    assert b"\n" not in raw


def test_the_same_file_again_is_the_same_resource(client, tmp_path):
    """It takes its own place: the id comes from the patient and the bytes."""
    first = documents.add(client, [write(tmp_path / "a.pdf", PDF), write(tmp_path / "b.json", observation())])
    again = documents.add(client, [write(tmp_path / "copy.pdf", PDF), write(tmp_path / "c.json", observation())])
    assert [one.id for one in first] == [one.id for one in again]
    assert len({one.id for one in first}) == 2


def test_what_is_about_nobody_stays_so(client, tmp_path):
    """A Device or an Organization has no patient to name."""
    documents.add(client, [write(tmp_path / "a.json", {"resourceType": "Organization", "name": "Praxis"})])
    assert set(waiting(client)[0][2]) == {"resourceType", "name", "id"}


def test_her_own_patient_resource_has_her_id(client, tmp_path):
    """It is given where it is missing."""
    documents.add(client, [write(tmp_path / "me.json", {"resourceType": "Patient", "birthDate": "1970-01-01"})])
    assert waiting(client)[0][2]["id"] == local(client)


BAD = {
    "another's": ("a.json", observation(subject={"reference": "Patient/somebody"}), "about somebody else"),
    "another patient": ("a.json", {"resourceType": "Patient", "id": "x"}, "about somebody else"),
    "not R4": ("a.json", observation(status="maybe"), "Observation.status"),
    "no such type": ("a.json", {"resourceType": "Observations"}, "no resource type"),
    "no JSON": ("a.json", b"{", "no JSON"),
    "no resource": ("a.json", [], "no object with a resourceType"),
    "a Bundle": ("a.json", {"resourceType": "Bundle", "type": "collection"}, "one a file"),
    "nothing": ("a.pdf", b"", "empty"),
    "an archive": ("a.zip", b"PK\x03\x04\0\0", "save it as a PDF"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_and_none_of_the_others_goes_in(client, tmp_path, case):
    """The sentence names the file and what to do; the outbox is as before."""
    name, content, expected = BAD[case]
    good, bad = write(tmp_path / "good.pdf", PDF), write(tmp_path / f"bad-{name}", content)
    with pytest.raises(Problem) as caught:
        documents.add(client, [good, bad, good])
    assert str(bad) in caught.value.detail
    assert expected in caught.value.detail
    assert "nothing was added" in caught.value.detail
    assert client.outbox.waiting == 0


def test_a_file_that_is_not_there_or_too_large_is_named(client, tmp_path):
    """Neither is read."""
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(MAX_FILE + 1)
    for path, expected in ((tmp_path / "none.pdf", "No such file"), (large, "split it"), (tmp_path, "cannot be read")):
        with pytest.raises(Problem, match=expected) as caught:
            documents.add(client, [path])
        assert str(path) in caught.value.detail


def test_the_largest_document_fits_into_an_object(client, tmp_path):
    """What the size allows can be put."""
    with (tmp_path / "a.pdf").open("wb") as file:
        file.write(b"%PDF-")
        file.truncate(MAX_FILE)
    (added,) = documents.add(client, [tmp_path / "a.pdf"])
    assert added.type == "DocumentReference"
