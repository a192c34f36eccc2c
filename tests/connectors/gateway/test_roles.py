"""The law at the gateway: what no consent opens to a role or a kind of house is neither seen there nor written."""

import pytest

from connectors.gateway import access, keeping
from connectors.gateway.access import HOUSE_TYPE, Reader
from connectors.gateway.own_entry import AGAIN_SECONDS, OwnEntry
from connectors.gateway.records import Live
from connectors.gateway.store import HOUSE_ACCOUNT
from consent import floor
from consent.categories import INDEX
from fhir_profiles.problems import Problem
from tests.connectors.gateway.conftest import ids, issue, link
from tests.connectors.gateway.test_visibility import FAR, LOCAL, PATIENT, item, own, written
from tests.connectors.gateway.test_writing import HERS, HOUSE, about, permit

VITALS, SHOTS = INDEX["vitals"], INDEX["immunizations"]


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the predicate is the one of `test_visibility`."""
    return f"sqlite:///{tmp_path / 'record.sqlite'}"


@pytest.fixture
def granted(store):
    """Of a patient two streams are granted and confirmed: in one are vitals, in the other immunizations."""
    store.set_state(HOUSE_ACCOUNT, HOUSE)
    store.confirm([PATIENT], 0, FAR)
    store.put_many([item(f"b{n}", f"o{n}", stream=("vitals", "shots")[n % 2]) for n in range(6)])
    live = [("vitals", VITALS), ("shots", SHOTS)]
    store.set_live(PATIENT, [Live(name, 1, FAR, frozenset({"TREAT"}), category=what) for name, what in live])


@pytest.fixture
def as_(house, database):
    """The gateway, asked by a person in a role, who may write."""

    def become(role):
        token = access.issue_token(database, Reader("Ada", role, "TREAT", writes=True), 600)
        house.headers["Authorization"] = f"Bearer {token}"
        return house

    return become


@pytest.mark.parametrize(
    ("type_", "role", "seen"),
    [
        ("practice", "physician", {"o0", "o1", "o2", "o3", "o4", "o5"}),
        ("practice", "practitioner", {"o0", "o1", "o2", "o3", "o4", "o5"}),
        ("practice", "physiotherapist", {"o0", "o2", "o4"}),
        ("hospital", " Physiotherapist", {"o0", "o2", "o4"}),
        ("payer", "practitioner", set()),
        ("payer", "physician", set()),
        ("practice", "payer", set()),
    ],
)
def test_a_role_sees_what_the_law_opens_to_it_and_to_its_house(granted, as_, store, type_, role, seen):
    """Of the person's role and the house's kind each has to be open; whatever was granted."""
    store.set_state(HOUSE_TYPE, type_)
    assert set(ids(as_(role).get(f"Observation?patient={LOCAL}"))) == seen
    assert as_(role).get("Observation/o1").status_code == (200 if "o1" in seen else 404)


def test_a_link_to_the_next_page_is_good_for_what_its_holder_may_see(granted, as_):
    """A physician's link in a physiotherapist's hands shows what that one may see, from that place on."""
    following = link(as_("physician").get(f"Observation?patient={LOCAL}&_sort=_id&_count=2"), "next")
    assert ids(as_("physician").get(following)) == ["o2", "o3"]
    assert ids(as_("physiotherapist").get(following)) == ["o2", "o4"]


def test_a_stream_of_unknown_category_is_closed_to_whom_anything_is_closed(granted, as_, store):
    """As after an update of the gateway, until the inbox has run."""
    store.set_live(PATIENT, [Live("vitals", 1, FAR, frozenset({"TREAT"}))])
    assert ids(as_("physiotherapist").get("Observation")) == []
    assert len(ids(as_("physician").get("Observation"))) == 3


def test_what_is_closed_is_not_taken_over(granted, store):
    """It is as if it were not there."""
    with pytest.raises(Problem) as refused:
        keeping.keep(store, Reader("Ada", "physiotherapist", "TREAT"), "Observation", "o1", "for the files")
    assert refused.value.code == "not-found"
    keeping.keep(store, Reader("Ada", "physician", "TREAT"), "Observation", "o1", "for the files")


def test_what_the_house_wrote_itself_is_its_own_record(granted, as_, store):
    """The law is about the patient's record: the house's documentation is open to all of the house."""
    written(store, own("w1", "mine", 1, stream="shots"), 1)
    assert set(ids(as_("physiotherapist").get("Observation"))) == {"o0", "o2", "o4", "mine"}


@pytest.mark.parametrize("patient", [HERS, "p-zzzzzzzzzzzzzzzzzzzzzzzzza"])
def test_a_role_does_not_write_what_the_law_closes_to_it(granted, as_, store, patient):
    """Whoever the patient is, so that nothing is told of her; in the house's own record anybody writes."""
    permit(store)
    reference = f"Patient/{patient}"
    for answer in (
        as_("nurse").post("Observation", about(reference)), as_("nurse").put("Observation/n", about(reference, id="n")),
    ):  # fmt: skip
        assert answer.status_code == 403
        assert "By law nobody in this role may create" in issue(answer)["diagnostics"]
    assert as_("nurse").post("Observation", about("Patient/local")).status_code == 201


def test_each_act_is_asked_of_the_law_by_itself(granted, as_, store):
    """What a physician wrote a nurse neither changes nor deletes; a physician does."""
    permit(store)
    assert as_("physician").put("Observation/bp", about(id="bp")).status_code == 201
    changed = as_("nurse").put("Observation/bp", about(id="bp"))
    assert (changed.status_code, "may update" in changed.text) == (403, True)
    deleted = as_("nurse").delete("Observation/bp")
    assert (deleted.status_code, "may delete" in deleted.text) == (403, True)
    assert as_("physician").delete("Observation/bp").status_code == 204


def test_a_pharmacy_writes_medication_and_no_findings(granted, as_, store):
    """By the kind of the house, whatever the person calls herself."""
    permit(store)
    store.set_state(HOUSE_TYPE, "pharmacy")
    dispensed = {
        "resourceType": "MedicationDispense", "status": "completed", "subject": {"reference": f"Patient/{HERS}"},
        "medicationCodeableConcept": {"text": "Ibuprofen"},
    }  # fmt: skip
    assert as_("practitioner").post("MedicationDispense", dispensed).status_code == 201
    assert as_("physician").post("Observation", about()).status_code == 403


def test_the_gateway_asks_the_directory_what_it_is(store, clock):
    """At the start and each hour; what is not in the directory any more stays what it was."""

    class Hub:
        def __init__(self):
            self.entries = [{"account": "x-praxis@hub.test", "type": "payer"}, {"account": HOUSE, "type": "pharmacy"}]
            self.asked = 0

        def directory(self, query):
            self.asked += 1
            return self.entries

    hub, entry = Hub(), OwnEntry(store, HOUSE, clock)
    entry.refresh(hub)
    entry.refresh(hub)
    assert (store.state(HOUSE_TYPE), hub.asked) == ("pharmacy", 1)
    hub.entries = []
    clock.advance(AGAIN_SECONDS)
    entry.refresh(hub)
    assert (store.state(HOUSE_TYPE), hub.asked) == ("pharmacy", 2)


def test_every_role_of_a_kind_of_house_is_one_of_the_table():
    """A word that the table does not know would bind nobody."""
    kinds = ("hospital", "emergency", "pharmacy", "payer", "public-health", "occupational")
    assert all(floor.roles(kind, "") <= floor.ROLES and floor.roles(kind, "") for kind in kinds)
    assert floor.roles("practice", "") == floor.roles("care", "") == frozenset()
