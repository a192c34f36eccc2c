"""What a house writes: where it belongs, who may change what, and that it is on its way when it is acknowledged."""

import time
from dataclasses import replace

import orjson
import pytest

from connectors.gateway import access, keeping, linking, outgoing
from connectors.gateway.access import Reader
from connectors.gateway.records import Deletion, Item, Live, Place, Source
from connectors.gateway.store import HOUSE_ACCOUNT
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.definitions import resource_types
from fhir_profiles.problems import Problem
from tests.connectors.gateway.conftest import BASE, ids, issue, observation

PATIENT = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.test"
OTHER = "p-baaaaaaaaaaaaaaaaaaaaaaaaa@hub.test"
HERS = PATIENT.partition("@")[0]
HOUSE, COLLEAGUE = "praxis@hub.test", "klinik@hub.test"
FAR = 4_000_000_000
LAB, VITALS = INDEX["lab"], INDEX["vitals"]
VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]


def places(name="s"):
    return [Place(category, "set", f"{name}{category}", category, 1) for category in range(16)]


def permit(store, patient=PATIENT, name="s"):
    store.set_destinations(patient, places(name))


@pytest.fixture
def nurse(house, database, store):
    """A nurse of the house, who may write; the patient permits it."""
    store.set_state(HOUSE_ACCOUNT, HOUSE)
    store.confirm([PATIENT], int(time.time()), FAR)
    permit(store)
    house.headers["Authorization"] = f"Bearer {token(database)}"
    return house


def token(database, writes=True):
    return access.issue_token(database, Reader("Nurse Ada", "assistant", "TREAT", writes), 600)


def about(reference=f"Patient/{HERS}", **members):
    return observation(subject={"reference": reference}, **members)


def queue(store):
    """What is on its way: patient, category's stream, resource, version, whether it deletes."""
    with store.database.read() as connection:
        rows = connection.execute(outgoing.outgoing.select().order_by(outgoing.outgoing.c.id)).all()
    return [(row.patient, row.category, row.resource, row.version, row.deletes) for row in rows]


def foreign(store, id_="o1", author=COLLEAGUE, stream="c1", shown=True, owner=PATIENT):
    """Something that another author wrote about the patient."""
    resource = about(f"Patient/{owner.partition('@')[0]}", id=id_)
    source = Source(owner, "set-c", stream, 1, 1, author, f"b-{id_}-{stream}")
    store.put_many([Item(orjson.dumps(resource), resource, source)])
    if shown:
        store.set_live(owner, [Live(stream, 1, FAR, frozenset({"TREAT"}))])


# --- where it belongs


def test_what_is_about_a_patient_who_permits_it_is_found_at_once_and_on_its_way(nurse, store):
    """Created, read, found; the row that goes out has the very same bytes."""
    answer = nurse.post("Observation", about())
    assert answer.status_code == 201
    id_ = answer.json["id"]
    assert ids(nurse.get(f"Observation?patient={HERS}&code=8867-4")) == [id_]
    assert queue(store) == [(PATIENT, LAB, id_, 1, False)]
    with store.database.read() as connection:
        body = connection.execute(outgoing.outgoing.select()).one().body
    assert body == nurse.get(f"Observation/{id_}").data


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Organization", "name": "x"},
        {"resourceType": "Patient"},
        about("Patient/4711"),
        about("Group/1"),
        about("#p", contained=[{"resourceType": "Patient", "id": "p"}]),
    ],
    ids=["nobody", "a patient of the house", "about her", "a group", "contained"],
)
def test_what_is_about_nobody_at_obhut_stays_in_the_house(nurse, store, resource):
    """It is stored and found like in any FHIR server, and nothing of it leaves."""
    answer = nurse.post(resource["resourceType"], resource)
    assert answer.status_code == 201
    assert ids(nurse.get(f"{resource['resourceType']}?_id={answer.json['id']}")) == [answer.json["id"]]
    assert queue(store) == []


@pytest.mark.parametrize("known", [True, False])
def test_without_a_permit_nothing_is_written_about_an_obhut_patient(nurse, store, known):
    """Refused with the remedy; a patient whose data are here and one whom nobody knows get the same words."""
    store.set_destinations(PATIENT, [])
    foreign(store)
    name = HERS if known else "p-caaaaaaaaaaaaaaaaaaaaaaaaa"
    answers = [
        nurse.post("Observation", about(f"Patient/{name}")),
        nurse.put("Observation/new", about(f"Patient/{name}", id="new")),
        nurse.put(f"Patient/{name}", {"resourceType": "Patient", "id": name}),
    ]
    for answer in answers:
        assert (answer.status_code, issue(answer)["code"]) == (403, "forbidden")
        assert issue(answer)["diagnostics"].endswith("obhut patient permit --to praxis@hub.test")
    assert len({answer.data for answer in answers}) == 1
    assert queue(store) == []


def test_a_token_for_reading_writes_nothing(nurse, database, store):
    """Every way of writing is refused; reading in a batch goes on."""
    nurse.headers["Authorization"] = f"Bearer {token(database, writes=False)}"
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"resource": about(), "request": {"method": "POST", "url": "Observation"}},
            {"request": {"method": "GET", "url": "Observation?_id=x"}},
        ],
    }
    assert nurse.post("Observation", about()).status_code == 403
    assert nurse.put("Observation/a", about(id="a")).status_code == 403
    assert nurse.delete("Observation/a").status_code == 403
    assert [each["response"]["status"][:3] for each in nurse.post("", bundle).json["entry"]] == ["403", "200"]
    assert nurse.post("", bundle | {"type": "transaction"}).status_code == 403
    assert queue(store) == []


# --- own ones


def test_an_update_is_a_new_version_on_its_way_and_a_deletion_takes_it_back(nurse, store):
    """If-Match holds; the newest version is found; a deleted one is gone; all of it goes out in order."""
    id_ = nurse.post("Observation", about()).json["id"]
    newer = about(id=id_, valueQuantity={"value": 99, "unit": "/min"})
    assert nurse.put(f"Observation/{id_}", newer, If_Match='W/"7"').status_code == 412
    answer = nurse.put(f"Observation/{id_}", newer, If_Match='W/"1"')
    assert (answer.status_code, answer.json["meta"]["versionId"], answer.headers["ETag"]) == (200, "2", 'W/"2"')
    assert ids(nurse.get(f"Observation?patient={HERS}&value-quantity=99")) == [id_]
    assert nurse.delete(f"Observation/{id_}").status_code == 204
    assert nurse.get(f"Observation/{id_}").status_code == 410
    assert nurse.delete(f"Observation/{id_}").status_code == 204
    assert ids(nurse.get(f"Observation?patient={HERS}")) == []
    assert queue(store) == [
        (PATIENT, LAB, id_, 1, False), (PATIENT, LAB, id_, 2, False), (PATIENT, LAB, id_, 2, True)
    ]  # fmt: skip


def test_a_changed_category_moves_the_resource(nurse, store):
    """Taken back in the old stream, written in the new one, in this order."""
    id_ = nurse.put("Observation/bp", about(id="bp")).json["id"]
    assert nurse.put("Observation/bp", about(id="bp", category=VITAL)).status_code == 200
    assert queue(store) == [
        (PATIENT, LAB, id_, 1, False), (PATIENT, LAB, id_, 1, True), (PATIENT, VITALS, id_, 2, False)
    ]  # fmt: skip
    assert ids(nurse.get(f"Observation?patient={HERS}")) == [id_]


def test_a_resource_about_the_wrong_patient_moves_to_the_right_one(nurse, store):
    """Taken back from the one, written for the other; into the house it goes the same way."""
    permit(store, OTHER, "t")
    nurse.put("Observation/bp", about(id="bp"))
    nurse.put("Observation/bp", about(f"Patient/{OTHER.partition('@')[0]}", id="bp"))
    nurse.put("Observation/bp", about("Patient/4711", id="bp"))
    assert queue(store) == [
        (PATIENT, LAB, "bp", 1, False), (PATIENT, LAB, "bp", 1, True),
        (OTHER, LAB, "bp", 2, False), (OTHER, LAB, "bp", 2, True),
    ]  # fmt: skip
    assert ids(nurse.get("Observation?patient=4711")) == ["bp"]
    assert nurse.get("Observation/bp").json["meta"]["versionId"] == "3"


def test_what_cannot_be_taken_back_is_not_deleted_in_secret(nurse, store):
    """After the end of the permit readers would keep what the house says is deleted: so it says no."""
    nurse.put("Observation/bp", about(id="bp"))
    store.set_destinations(PATIENT, [])
    assert nurse.delete("Observation/bp").status_code == 403
    assert nurse.put("Observation/bp", about("Patient/4711", id="bp")).status_code == 403
    assert nurse.get("Observation/bp").status_code == 200


def test_own_writing_is_shown_whatever_is_confirmed(nurse):
    """The house's own documentation does not vanish because a hub is away, nor for another purpose."""
    nurse.put("Observation/bp", about(id="bp"))
    assert ids(nurse.get("Observation")) == ["bp"]
    assert [(each.patient, each.number) for each in access.pending_reports(nurse_store(nurse).database)] == [
        (PATIENT, 1)
    ]


def nurse_store(api):
    return api.client.application.extensions["gateway"].store


# --- others'


def test_what_another_author_wrote_is_not_changed(nurse, store):
    """Neither updated nor deleted, alone or in a transaction."""
    foreign(store)
    before = nurse.get("Observation/o1").data
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": about(id="o1"), "request": {"method": "PUT", "url": "Observation/o1"}}],
    }
    for answer in (
        nurse.put("Observation/o1", about(id="o1")),
        nurse.put("Observation/o1", about("Patient/4711", id="o1")),
        nurse.delete("Observation/o1"),
        nurse.post("", bundle),
    ):
        assert (answer.status_code, issue(answer)["code"]) == (403, "forbidden")
    assert nurse.get("Observation/o1").data == before
    assert queue(store) == []


@pytest.mark.parametrize("own", [False, True])
def test_an_id_of_two_patients_is_written_for_neither(nurse, store, own):
    """No write under it, and no condition, meets another patient's resource; what is the house's own is written."""
    store.confirm([OTHER], int(time.time()), FAR)
    if own:
        nurse.put("Observation/o1", about("Patient/4711", id="o1"))
    foreign(store)
    foreign(store, owner=OTHER, stream="c2")
    status = 200 if own else 409
    assert nurse.put("Observation/o1", about("Patient/4711", id="o1")).status_code == status
    condition = f"_id=o1&patient={HERS}"
    answer = nurse.post("Observation", about("Patient/4711"), If_None_Exist=condition)
    assert (answer.status_code, "Location" in answer.headers) == (409, False)
    entry = {
        "fullUrl": "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059",
        "resource": about("Patient/4711", derivedFrom=[{"reference": f"Observation?{condition}"}]),
        "request": {"method": "POST", "url": "Observation"},
    }
    assert nurse.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status_code == 409
    assert nurse.delete("Observation/o1").status_code == (204 if own else 409)
    for owner in (PATIENT, OTHER):
        assert ids(nurse.get(f"Observation?patient={owner.partition('@')[0]}")) == ["o1"]


def test_an_id_that_stands_for_something_hidden_is_as_good_as_any(nurse, store):
    """An upsert does not tell whether somebody unseen has that id, and changes nothing of theirs."""
    foreign(store, shown=False)
    hidden = nurse.put("Observation/o1", about(id="o1"))
    absent = nurse.put("Observation/o2", about(id="o2"))
    assert (hidden.status_code, absent.status_code) == (201, 201)
    assert nurse.delete("Observation/o3").status_code == 204
    assert nurse.get("Observation/o1").json["meta"]["versionId"] == "1"


def test_a_conditional_create_sees_what_the_person_sees(nurse, store):
    """A visible match is the answer, whoever wrote it; a hidden one does not count."""
    foreign(store, shown=False)
    first = nurse.post("Observation", about(), If_None_Exist=f"patient={HERS}&code=8867-4")
    assert first.status_code == 201
    again = nurse.post("Observation", about(), If_None_Exist=f"patient={HERS}&code=8867-4")
    assert (again.status_code, again.json["id"]) == (200, first.json["id"])


# --- transactions


def test_a_transaction_is_written_whole_where_each_part_belongs(nurse, store):
    """Entries refer to each other across the border of the house; what is about the patient goes out."""
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059",
                "resource": {"resourceType": "Practitioner"},
                "request": {"method": "POST", "url": "Practitioner"},
            },
            {
                "resource": about(performer=[{"reference": "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"}]),
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }
    answer = nurse.post("", bundle)
    assert [each["response"]["status"] for each in answer.json["entry"]] == ["201 Created", "201 Created"]
    [practitioner, reading] = [each["response"]["location"].removeprefix(f"{BASE}/") for each in answer.json["entry"]]
    assert nurse.get(reading).json["performer"][0]["reference"] == practitioner
    assert [(row[0], row[2]) for row in queue(store)] == [(PATIENT, reading.partition("/")[2])]


def test_a_transaction_with_a_part_that_may_not_be_written_writes_nothing(nurse, store):
    """All or nothing, also for what would have stayed in the house."""
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": {"resourceType": "Organization", "id": "k", "name": "x"},
             "request": {"method": "PUT", "url": "Organization/k"}},
            {"resource": about("Patient/p-caaaaaaaaaaaaaaaaaaaaaaaaa"),
             "request": {"method": "POST", "url": "Observation"}},
        ],
    }  # fmt: skip
    answer = nurse.post("", bundle)
    assert (answer.status_code, issue(answer)["expression"]) == (403, ["Bundle.entry[1]"])
    assert nurse.get("Organization/k").status_code == 404
    assert queue(store) == []


# --- linked patients


def linked(store, local="4711", patient=PATIENT):
    with store.database.write() as connection:
        linking.link(connection, local, account(patient))


def test_a_linked_patient_is_written_about_and_found_by_either_id(nurse, store):
    """What names the house's Patient is stored and sent as the patient's; a search by one id finds both."""
    nurse.put("Patient/4711", {"resourceType": "Patient", "id": "4711"})
    nurse.put("Observation/before", about("Patient/4711", id="before"))
    linked(store)
    answer = nurse.put("Observation/after", about("Patient/4711", id="after"))
    assert answer.json["subject"]["reference"] == f"Patient/{HERS}"
    assert [row[2] for row in queue(store)] == ["after"]
    for question in ("patient=4711", f"patient={HERS}", "subject=Patient/4711", f"subject=Patient/{HERS}&code=8867-4"):
        assert sorted(ids(nurse.get(f"Observation?{question}"))) == ["after", "before"], question
    page = nurse.get("Observation?patient=4711&_count=1")
    following = next(each["url"] for each in page.json["link"] if each["relation"] == "next")
    assert sorted(ids(page) + ids(nurse.get(following))) == ["after", "before"]
    assert nurse.get("Patient/4711").status_code == 200


def test_a_linked_patient_without_a_permit_is_refused_like_any(nurse, store):
    """The link says who she is; what may be written she says."""
    linked(store)
    store.set_destinations(PATIENT, [])
    assert nurse.post("Observation", about("Patient/4711")).status_code == 403


def test_other_patients_of_the_house_are_nothing_to_a_link(nurse, store):
    """A search and a write about somebody else go as before."""
    linked(store)
    nurse.put("Observation/x", about("Patient/4712", id="x"))
    assert ids(nurse.get("Observation?patient=4711")) == []
    assert ids(nurse.get("Observation?patient=4712")) == ["x"]
    assert queue(store) == []


def test_references_by_this_servers_address_mean_the_same(nurse, store):
    """Absolute or of a version: what goes out names the patient as all her readers do."""
    for number, reference in enumerate((f"{BASE}/Patient/{HERS}", f"Patient/{HERS}/_history/3")):
        answer = nurse.put(f"Observation/a{number}", about(reference, id=f"a{number}"))
        assert answer.json["subject"]["reference"] == f"Patient/{HERS}"
    assert len(queue(store)) == 2


def test_the_capability_statement_says_what_is_done(nurse):
    """Every type is read, searched and written, but for the events that the house itself keeps; no more is said."""
    statement = nurse.get("metadata").json
    served = statement["rest"][0]["resource"]
    assert {each["type"] for each in served} == resource_types()
    (events,) = [each for each in served if each["type"] == "AuditEvent"]
    assert {code["code"] for code in events["interaction"]} == {"read", "search-type"}
    for each in served:
        if each is events:
            continue
        assert {code["code"] for code in each["interaction"]} == {"read", "search-type", "create", "update", "delete"}
        assert (each["conditionalCreate"], each["updateCreate"], each["versioning"]) == (True, True, "versioned")
    assert {code["code"] for code in statement["rest"][0]["interaction"]} == {"transaction", "batch"}
    assert "writing" in statement["rest"][0]["security"]["description"]


# --- taken over


def keep(store, id_="o1", reason="treatment rests on it", purpose="TREAT"):
    keeping.keep(store, Reader("Dr. Ben", "physician", purpose), "Observation", id_, reason)


def take_away(store):
    store.set_live(PATIENT, [])
    store.purge(PATIENT, keep_author=HOUSE)


def test_what_was_taken_over_outlives_the_grant_and_is_told(nurse, store):
    """The rest goes; the patient is told who took it over, and why, once."""
    foreign(store)
    foreign(store, "o2", stream="c1")
    keep(store)
    keep(store)
    (told,) = access.pending_reports(store.database)
    assert (told.patient, told.person, told.what, told.kept) == (
        PATIENT, "Dr. Ben", "Observation", "treatment rests on it"
    )  # fmt: skip
    take_away(store)
    assert ids(nurse.get("Observation")) == ["o1"]
    assert nurse.put("Observation/o1", about("Patient/4711", id="o1")).status_code == 403
    assert nurse.delete("Observation/o1").status_code == 403


def test_a_newer_version_takes_the_place_of_what_was_taken_over(nurse, store):
    """Its author goes on writing it: the house keeps the newest that it was granted, and one of it."""
    foreign(store)
    keep(store)
    resource = about(id="o1", valueQuantity={"value": 99, "unit": "/min"})
    source = Source(PATIENT, "set-c", "c1", 1, 1, COLLEAGUE, "b-newer")
    store.put_many([Item(orjson.dumps(resource), resource, source)])
    assert nurse.get("Observation/o1").json["valueQuantity"]["value"] == 99
    take_away(store)
    assert ids(nurse.get("Observation")) == ["o1"]
    assert nurse.get("Observation/o1").json["valueQuantity"]["value"] == 99


def test_what_was_taken_over_stays_where_its_author_deletes_it(nurse, store):
    """The house has acted by it, and must be able to show that."""
    resource = about(id="o1")
    source = Source(PATIENT, "set-c", "c1", 1, 1, COLLEAGUE, "b1", "h1")
    store.put_many([Item(orjson.dumps(resource), resource, source)])
    store.set_live(PATIENT, [Live("c1", 1, FAR, frozenset({"TREAT"}))])
    keep(store)
    store.put_many([Deletion(replace(source, bid="b2"))])
    assert ids(nurse.get("Observation")) == ["o1"]


@pytest.mark.parametrize(
    ("id_", "reason", "purpose", "code"),
    [
        ("o9", "why", "TREAT", "not-found"), ("o1", "why", "HRESCH", "not-found"), ("o1", " ", "TREAT", "value"),
        ("o1", "a\nb", "TREAT", "value"), ("own", "why", "TREAT", "conflict"),
    ],
)  # fmt: skip
def test_only_what_is_seen_and_not_the_houses_own_is_taken_over(nurse, store, id_, reason, purpose, code):
    """And with a reason in one line. Nothing is told otherwise."""
    foreign(store)
    nurse.put("Observation/own", about("Patient/4711", id="own"))
    with pytest.raises(Problem) as caught:
        keep(store, id_, reason, purpose)
    assert caught.value.code == code
    assert access.pending_reports(store.database) == []
