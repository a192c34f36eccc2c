"""What a house sees of its patients: what is granted now, and of anything else not even that it is there."""

import re
import time
from dataclasses import replace

import orjson
import pytest
from sqlalchemy import select

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.confirmation import CONFIRMED_SECONDS
from connectors.gateway.links import PAGE
from connectors.gateway.models import index_date, index_quantity, index_text, resources
from connectors.gateway.records import Deletion, Item, Live, Source
from connectors.gateway.store import HOUSE_ACCOUNT
from fhir_profiles import resources as fhir
from tests.connectors.gateway.conftest import BASE, ids, issue, link, observation

PATIENT = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.test"
OTHER = "p-bbbbbbbbbbbbbbbbbbbbbbbbba@hub.test"
LOCAL = PATIENT.partition("@")[0]
HOUSE = "praxis@hub.test"
FAR = 4_000_000_000


def source(bid, owner=PATIENT, stream="s1", epoch=1, author=PATIENT, handle=""):
    return Source(owner, "set", stream, 1, epoch, author, bid, handle)


def item(bid, id_, **kept):
    local = kept.get("owner", PATIENT).partition("@")[0]
    resource = observation(id=id_, subject={"reference": f"Patient/{local}"})
    return Item(orjson.dumps(resource, option=orjson.OPT_INDENT_2), resource, source(bid, **kept))


def live(stream="s1", from_epoch=1, until=FAR, purposes=("TREAT",)):
    return Live(stream, from_epoch, until, frozenset(purposes))


def confirm(store, at):
    store.confirm([PATIENT, OTHER], at, at + CONFIRMED_SECONDS)


@pytest.fixture(autouse=True)
def _confirmed(store):
    """The home hub confirmed both patients just now."""
    confirm(store, int(time.time()))


@pytest.fixture
def doctor(house, database):
    """A doctor of the house, who reads for treatment."""
    house.headers["Authorization"] = f"Bearer {token(database)}"
    return house


def token(database, purpose="TREAT", seconds=60):
    return access.issue_token(database, Reader("Dr. Ada Beispiel", "practitioner", purpose), seconds)


def test_what_is_granted_is_found_and_read(doctor, store):
    """Bodies come as they were sealed, byte for byte."""
    made = item("b1", "o1")
    store.put_many([made])
    store.set_live(PATIENT, [live()])
    assert doctor.get("Observation/o1").data == made.body
    found = doctor.get(f"Observation?patient={LOCAL}&code=8867-4")
    assert ids(found) == ["o1"]
    assert made.body in found.data


@pytest.mark.parametrize(
    ("grants", "age"),
    [
        ([], 0),
        ([live(stream="s2")], 0),
        ([live(from_epoch=2)], 0),
        ([live(until=int(time.time()) - 1)], 0),
        ([live(purposes=("HRESCH",))], 0),
        ([live()], 901),
        ([live()], -3600),
    ],
    ids=["none", "stream", "epoch", "over", "purpose", "unconfirmed", "confirmed by a clock that was set back since"],
)
def test_hidden_absent_and_unknown_look_the_same(doctor, store, grants, age):
    """By no byte, ids and clock apart, does an answer tell that there is something it does not show."""
    store.put_many([item(f"b{number}", f"o{number}") for number in range(3)])
    store.set_live(PATIENT, grants)
    confirm(store, int(time.time()) - age)
    unknown = "p-zzzzzzzzzzzzzzzzzzzzzzzzzz"

    def answers(patient, id_):
        questions = [
            f"Observation/{id_}",
            f"Observation?patient={patient}",
            f"Observation?patient={patient}&code=8867-4&date=ge2020",
            f"Observation?patient={patient}&_total=accurate&_count=1",
            f"Observation?patient={patient}&_summary=count",
            f"Observation?patient={patient}&_sort=-code",
            f"Observation?_id={id_}",
            f"Observation?subject:missing=false&_id={id_}",
            f"Patient/{patient}",
        ]
        for question in questions:
            answer = doctor.get(question)
            headers = {name: value for name, value in answer.headers.items() if name != "Date"}
            yield answer.status_code, headers, answer.data.replace(patient.encode(), b"P").replace(id_.encode(), b"I")

    assert list(answers(LOCAL, "o1")) == list(answers(unknown, "oz"))
    assert {(each.patient, each.number) for each in access.pending_reports(store.database)} == {(PATIENT, 0)}


def test_whoever_asks_for_a_patient_and_is_shown_nothing_is_noted_all_the_same(doctor, store):
    """Once for a question, whether something is withheld or there is nothing; not of those nobody here deals with."""
    store.put_many([item("b1", "o1"), item("b2", "x1", owner=OTHER)])
    store.set_live(OTHER, [live()])
    for type_ in ("Observation", "Condition"):
        doctor.get(f"{type_}?patient={LOCAL}")
    doctor.get(f"Condition?patient={OTHER.partition('@')[0]}&_summary=count")
    doctor.get(f"Patient/{LOCAL}")
    doctor.get(f"Observation?patient=p-{'c' * 26}")
    doctor.get(f"Observation?patient={LOCAL},{OTHER.partition('@')[0]}")
    told = [(each.patient, each.what, each.number) for each in access.pending_reports(store.database)]
    assert told == [
        (PATIENT, "Observation", 0), (PATIENT, "Condition", 0), (OTHER, "Condition", 0), (PATIENT, "Patient", 0),
        (PATIENT, "Observation", 0), (OTHER, "Observation", 1),
    ]  # fmt: skip


def test_a_resource_may_refer_to_any_number_of_others(doctor, store):
    """More than a database takes values in one statement: those that are shown stay, all others go."""
    members = [{"reference": f"Observation/{id_}"} for id_ in ("o2", *(f"x{number}" for number in range(22_000)))]
    resource = observation(id="o1", subject={"reference": f"Patient/{LOCAL}"}, hasMember=members)
    store.put_many([Item(orjson.dumps(resource), resource, source("b1")), item("b2", "o2")])
    store.set_live(PATIENT, [live()])
    assert doctor.get("Observation/o1").json["hasMember"] == [{"reference": "Observation/o2"}]


def test_a_page_counts_only_what_is_visible(doctor, store):
    """Totals, pages and links are of what is shown, though as much lies hidden between."""
    store.put_many([item(f"b{n}", f"o{n}", stream="s1" if n % 2 else "s2") for n in range(10)])
    store.set_live(PATIENT, [live()])
    page = doctor.get(f"Observation?patient={LOCAL}&_count=3&_total=accurate")
    assert page.json["total"] == 5
    rest = doctor.get(link(page, "next"))
    assert sorted(ids(page) + ids(rest)) == ["o1", "o3", "o5", "o7", "o9"]
    assert link(rest, "next") is None


def test_a_link_to_a_page_shows_no_more_once_the_grant_is_gone(doctor, store):
    """The next page is decided when it is asked for."""
    store.put_many([item(f"b{number}", f"o{number}") for number in range(4)])
    store.set_live(PATIENT, [live()])
    following = link(doctor.get(f"Observation?patient={LOCAL}&_count=2"), "next")
    assert PAGE in following
    store.set_live(PATIENT, [])
    assert ids(doctor.get(following)) == []


def test_a_purpose_is_covered_by_the_one_above_it(house, store, database):
    """A grant for treatment covers emergency treatment, not research."""
    store.put_many([item("b1", "o1")])
    store.set_live(PATIENT, [live()])
    for purpose, found in (("ETREAT", ["o1"]), ("HRESCH", [])):
        house.headers["Authorization"] = f"Bearer {token(database, purpose)}"
        assert ids(house.get("Observation")) == found


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic eDp5", "Bearer "])
def test_without_a_valid_token_nothing_is_answered(house, header):
    """401 for every question but what is served."""
    headers = {} if header is None else {"Authorization": header}
    for path in ("Patient", "Patient/1", "Patient?_page=x"):
        answer = house.get(path, **headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert house.post("", {}, **headers).status_code == 401
    assert house.get("metadata", **headers).status_code == 200


def test_a_token_expires_and_can_be_taken_away(house, database):
    """After its time, or with its person, a token is nothing; the database does not hold it."""
    kept = token(database)
    house.headers["Authorization"] = f"Bearer {kept}"
    assert house.get("Patient").status_code == 200
    assert access.reader_of(database, kept, now=time.time() + 61) is None
    assert access.revoke_tokens(database, "Dr. Ada Beispiel") == 1
    assert house.get("Patient").status_code == 401


def test_every_read_is_noted_for_the_patient(doctor, store):
    """Who, for what, when, which type and how many; a count too; house-local resources are nobody's."""
    with store.change() as change:
        local = observation(id="local")
        change.add(local, orjson.dumps(local), 1, 0)
    store.put_many([item("b1", "o1"), item("b2", "o2"), item("b3", "x1", owner=OTHER)])
    store.set_live(PATIENT, [live()])
    store.set_live(OTHER, [live()])
    doctor.get("Observation/o1")
    doctor.get("Observation")
    doctor.get(f"Observation?patient={LOCAL}&_summary=count")
    doctor.get("Observation?code=none")
    reports = access.pending_reports(store.database)
    assert [(each.patient, each.what, each.number) for each in reports] == [
        (PATIENT, "Observation", 1),
        (PATIENT, "Observation", 2),
        (OTHER, "Observation", 1),
        (PATIENT, "Observation", 2),
    ]
    assert {(each.person, each.role, each.purpose) for each in reports} == {
        ("Dr. Ada Beispiel", "practitioner", "TREAT")
    }
    assert all(abs(each.at - time.time()) < 60 for each in reports)
    access.forget_reports(store.database, [each.id for each in reports[:3]])
    assert [each.id for each in access.pending_reports(store.database)] == [reports[3].id]


def test_an_envelope_is_taken_once(store):
    """Delivered again, alone or with others, it adds nothing; the cursor moves with it."""
    assert store.put_many([item("b1", "o1"), item("b1", "o2")], {"cursor": "7"}) == 2
    assert store.put_many([item("b1", "o1"), item("b2", "o3")], {"cursor": "8"}) == 1
    assert store.state("cursor") == "8"
    assert number_of(store, resources) == 3


def test_a_later_envelope_replaces_by_handle_and_by_id(doctor, store):
    """The same author replaces what it wrote; the old one delivered again does not come back."""
    store.set_live(PATIENT, [live()])
    store.put_many([item("b1", "o1", handle="h1"), item("b2", "o2")])
    store.put_many([item("b3", "o9", handle="h1"), item("b4", "o2")])
    store.put_many([item("b1", "o1", handle="h1")])
    assert sorted(ids(doctor.get("Observation"))) == ["o2", "o9"]
    store.put_many([Deletion(source("b5", handle="h1"))])
    assert ids(doctor.get("Observation")) == ["o2"]
    assert ids(doctor.get(f"Observation?patient={LOCAL}&code=8867-4")) == ["o2"]


def test_what_moved_to_another_handle_stays_when_the_first_is_replaced(doctor, store):
    """Told by another day of an export, as one made in another zone does, it is not the first day's any more."""
    store.set_live(PATIENT, [live()])
    for bid, id_, handle in (("b1", "o1", "h1"), ("b2", "o1", "h2"), ("b3", "o3", "h1")):
        store.put_many([item(bid, id_, handle=handle)])
    assert sorted(ids(doctor.get("Observation"))) == ["o1", "o3"]


def test_within_one_delivery_the_last_counts(doctor, store):
    """Envelopes of one page of the feed replace each other as if they came one by one."""
    store.set_live(PATIENT, [live()])
    store.put_many([item("b1", "o1", handle="h1"), item("b2", "o2", handle="h1"), item("b3", "o2")])
    assert ids(doctor.get("Observation")) == ["o2"]
    assert number_of(store, resources) == 1


def test_nobody_shadows_what_another_author_wrote(doctor, store):
    """Of two authors with one id the first has it, among what is visible; the other's is not lost."""
    mine, foreign = item("b1", "o1"), item("b2", "o1", stream="s2", author="evil@hub.test")
    store.put_many([mine, foreign])
    store.set_live(PATIENT, [live(), live("s2")])
    assert doctor.get("Observation/o1").data == mine.body
    assert ids(doctor.get("Observation")) == ["o1"]
    store.set_live(PATIENT, [live("s2")])
    assert doctor.get("Observation/o1").data == foreign.body


@pytest.fixture
def both(doctor, store):
    """Two patients have granted the house what is theirs; both records hold an `Observation/o1`."""
    store.put_many([item("b1", "o1"), item("b2", "o1", owner=OTHER), item("b3", "o2", owner=OTHER)])
    store.set_live(PATIENT, [live()])
    store.set_live(OTHER, [live()])
    return doctor


def test_an_id_of_two_patients_is_read_of_neither(both, store):
    """Rather than to show one's for the other's: 409, and nobody is told of a read; either is found by its patient."""
    answer = both.get("Observation/o1")
    assert (answer.status_code, issue(answer)["code"]) == (409, "conflict")
    assert access.pending_reports(store.database) == []
    for patient in (PATIENT, OTHER):
        [entry] = both.get(f"Observation?_id=o1&patient={patient.partition('@')[0]}").json["entry"]
        assert entry["resource"]["subject"]["reference"] == f"Patient/{patient.partition('@')[0]}"


def test_the_full_url_of_a_match_never_leads_to_another_patients(both):
    """Where two have one id each has a name of its own, always the same; bdl-7 holds."""
    found = both.get("Observation").json
    fhir.check(found)
    urls = {
        (each["resource"]["subject"]["reference"], each["resource"]["id"]): each["fullUrl"] for each in found["entry"]
    }
    hers = f"Patient/{OTHER.partition('@')[0]}"
    assert urls[hers, "o2"] == f"{BASE}/Observation/o2"
    assert urls[hers, "o1"].startswith("urn:uuid:")
    [again] = both.get(f"Observation?_id=o1&patient={hers}").json["entry"]
    assert again["fullUrl"] == urls[hers, "o1"]


def test_a_hidden_namesake_changes_no_address(both, store):
    """Of what is withheld not even the id shows."""
    store.set_live(OTHER, [])
    assert both.get("Observation/o1").json["subject"]["reference"] == f"Patient/{LOCAL}"
    [entry] = both.get("Observation").json["entry"]
    assert entry["fullUrl"] == f"{BASE}/Observation/o1"


def test_an_id_of_the_house_stays_its_own_whoever_else_uses_it(both, store):
    """Read under its address; a patient's with the same id has another."""
    with store.change() as change:
        local = observation(id="o2", subject={"reference": "Patient/4711"})
        change.add(local, orjson.dumps(local), 1, 0)
    assert both.get("Observation/o2").json["subject"]["reference"] == "Patient/4711"
    urls = {each["resource"]["subject"]["reference"]: each["fullUrl"]
            for each in both.get("Observation?_id=o2").json["entry"]}  # fmt: skip
    assert urls["Patient/4711"] == f"{BASE}/Observation/o2"
    assert urls[f"Patient/{OTHER.partition('@')[0]}"].startswith("urn:uuid:")


def test_a_reference_never_leads_to_what_the_house_has_under_the_same_id(doctor, store):
    """In a patient's resource it is left out, as one to what is hidden; else it leads where it should."""
    panel = observation(id="o1", subject={"reference": f"Patient/{LOCAL}"}, hasMember=[{"reference": "Observation/o2"}])
    store.put_many([Item(orjson.dumps(panel), panel, source("b1")), item("b2", "o2")])
    store.set_live(PATIENT, [live()])
    assert doctor.get("Observation/o1").json["hasMember"] == [{"reference": "Observation/o2"}]
    with store.change() as change:
        local = observation(id="o2", subject={"reference": "Patient/4711"})
        change.add(local, orjson.dumps(local), 1, 0)
    assert "hasMember" not in doctor.get("Observation/o1").json
    assert doctor.get("Observation/o2").json["subject"]["reference"] == "Patient/4711"


def test_what_the_house_deleted_hides_nothing_that_came_since(doctor, store):
    """Read as it is found: a granted resource has the id now."""
    with store.change() as change:
        local = observation(id="o1", subject={"reference": "Patient/4711"})
        change.add(local, orjson.dumps(local), 1, 0)
    with store.change() as change:
        change.bury(change.find_own("Observation", "o1", HOUSE), 1, 2)
    assert doctor.get("Observation/o1").status_code == 410
    store.put_many([item("b1", "o1")])
    store.set_live(PATIENT, [live()])
    assert ids(doctor.get("Observation?_id=o1")) == ["o1"]
    assert doctor.get("Observation/o1").status_code == 200


def test_a_purge_leaves_nothing_but_what_the_house_wrote(doctor, store, database_url):
    """Resources, index rows and grants of the streams go in one step; the house keeps its own as house-local."""
    store.put_many(
        [item("b1", "o1"), item("b2", "o2", stream="s2"), item("b3", "o3", author=HOUSE), item("b4", "x", owner=OTHER)]
    )
    store.set_live(PATIENT, [live(), live("s2")])
    store.set_live(OTHER, [live()])
    assert store.purge(PATIENT, ["s1"], keep_author=HOUSE) == 1
    assert sorted(ids(doctor.get("Observation"))) == ["o2", "o3", "x"]
    assert store.purge(PATIENT, keep_author=HOUSE) == 1
    assert sorted(ids(doctor.get("Observation"))) == ["o3", "x"]
    rids = set(rows_of(store, resources.c.rid))
    assert len(rids) == 2
    for table in (index_text, index_date, index_quantity):
        assert set(rows_of(store, table.c.rid)) == rids


def test_what_was_purged_can_come_again(doctor, store):
    """A new grant delivers old envelopes anew; those that the house wrote are here already."""
    store.put_many([item("b1", "o1"), item("b2", "o2", author=HOUSE)])
    store.purge(PATIENT, keep_author=HOUSE)
    assert store.put_many([item("b1", "o1"), item("b2", "o2", author=HOUSE)]) == 1
    store.set_live(PATIENT, [live()])
    assert sorted(ids(doctor.get("Observation"))) == ["o1", "o2"]


def test_a_confirmation_brings_streams_back(doctor, store):
    """Heard again of the home hub, the gateway answers again."""
    store.put_many([item("b1", "o1")])
    store.set_live(PATIENT, [live()])
    confirm(store, int(time.time()) - 901)
    assert ids(doctor.get("Observation")) == []
    confirm(store, int(time.time()))
    assert ids(doctor.get("Observation")) == ["o1"]


def test_a_failure_between_takes_nothing(store):
    """Resources and cursor are one transaction: an item that cannot be indexed takes all with it."""
    broken = Item(b"{}", {"resourceType": "Observation"}, source("b2"))
    with pytest.raises(KeyError):
        store.put_many([item("b1", "o1"), broken], {"cursor": "7"})
    assert store.state("cursor") is None
    assert number_of(store, resources) == 0


def test_nothing_shows_content_by_repr():
    """A log line of a stored resource cannot leak it."""
    assert not re.search("8867|o1", repr(item("b1", "o1")))


def rows_of(store, column):
    with store.database.read() as connection:
        return connection.execute(select(column)).scalars().all()


def number_of(store, table):
    return len(rows_of(store, table.c.rid))


# --- what the house wrote comes back


def own(bid, id_, version, handle="h", stream="s1", owner=PATIENT, **members):
    local = owner.partition("@")[0]
    meta = {"versionId": str(version)}
    resource = observation(id=id_, meta=meta, subject={"reference": f"Patient/{local}"}, **members)
    return Item(orjson.dumps(resource), resource, own_source(bid, handle, stream, owner))


def own_source(bid, handle="h", stream="s1", owner=PATIENT):
    return Source(owner, "set", stream, 1, 1, HOUSE, bid, handle, own=True)


def written(store, item_, version):
    """As the house writes it: here before it is anywhere else."""
    source_ = replace(item_.source, bid="", handle="")
    with store.change() as change:
        change.add(item_.resource, item_.body, version, 0, source_)


def versions(store):
    with store.database.read() as connection:
        rows = connection.execute(select(resources.c.rid, resources.c.id, resources.c.version, resources.c.deleted))
        return sorted(tuple(row) for row in rows)


def test_what_the_house_wrote_is_not_doubled_when_it_comes_back(store):
    """The same row, the same version, the same place among the pages."""
    made = own("b1", "o1", 1)
    written(store, made, 1)
    before = versions(store)
    assert store.put_many([made]) == 0
    assert versions(store) == before


def test_an_older_version_that_comes_back_does_not_replace_a_newer_one(store):
    """The house has written on meanwhile."""
    written(store, own("", "o1", 2), 2)
    store.put_many([own("b1", "o1", 1)])
    ((_, _, version, deleted),) = versions(store)
    assert (version, deleted) == (2, False)


def test_a_deletion_that_comes_back_does_not_take_what_was_written_since(store):
    """Deleted, and written again under the same id: the deletion on its way back means the old one."""
    first = own("b1", "o1", 1)
    written(store, first, 1)
    store.put_many([first])
    with store.change() as change:
        change.bury(change.find_own("Observation", "o1", HOUSE), 1, 2)
    with store.change() as change:
        third = own("", "o1", 3, handle="")
        change.replace(change.find_own("Observation", "o1", HOUSE), third.resource, third.body, 3, 2, third.source)
    store.put_many([Deletion(own_source("b2"))])
    ((_, _, version, deleted),) = versions(store)
    assert (version, deleted) == (3, False)


def test_a_lost_record_is_learnt_again_from_the_feed(doctor, store):
    """Versions, a move to another stream and a deletion come out as they were."""
    store.put_many([own("b1", "o1", 1), own("b2", "o1", 2), own("b3", "o2", 1, handle="k")])
    store.put_many([Deletion(own_source("b4")), own("b5", "o1", 3, handle="m", stream="s2"), own("b6", "o3", 1, "n")])
    store.put_many([Deletion(own_source("b7", "k"))])
    found = {id_: (version, deleted) for _, id_, version, deleted in versions(store)}
    assert found == {"o1": (3, False), "o2": (1, True), "o3": (1, False)}
    store.set_state(HOUSE_ACCOUNT, HOUSE)
    assert sorted(ids(doctor.get("Observation"))) == ["o1", "o3"]
    assert doctor.get("Observation/o1").headers["ETag"] == 'W/"3"'


def test_the_version_of_another_author_is_the_one_it_gave(doctor, store):
    """The ETag is that of the body, where the body says one."""
    resource = observation(id="o1", meta={"versionId": "7"}, subject={"reference": f"Patient/{LOCAL}"})
    store.put_many([Item(orjson.dumps(resource), resource, source("b1"))])
    store.set_live(PATIENT, [live()])
    assert doctor.get("Observation/o1").headers["ETag"] == 'W/"7"'


def test_a_newer_version_in_another_stream_takes_the_place_of_the_older(doctor, store):
    """Permitted anew, an author writes on in a new set: its readers find the newest, once; another author's stays."""

    def version(bid, number, stream, author=HOUSE):
        resource = observation(id="o1", meta={"versionId": str(number)}, subject={"reference": f"Patient/{LOCAL}"})
        return Item(orjson.dumps(resource), resource, source(bid, stream=stream, author=author))

    store.set_live(PATIENT, [live(), live("s2"), live("s3")])
    store.put_many([version("b1", 1, "s1"), version("b2", 2, "s2"), version("b3", 1, "s3", "evil@hub.test")])
    assert ids(doctor.get("Observation")) == ["o1"]
    assert doctor.get("Observation/o1").headers["ETag"] == 'W/"2"'
    assert number_of(store, resources) == 2
