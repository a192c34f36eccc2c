"""What stops, and where: each way in which access ends or narrows, held against each door that could still be open.

Two hubs, three houses, all by one clock. A row is a patient of her own, who writes w1, w2 and w3 (vitals) and l1 (lab),
grants both to a practice at her hub, a clinic at the other and, for emergencies, a department; then something changes,
and every door is read right after. What a hub releases is told by asking for the whole feed anew.
"""

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from connectors.entries import Entry
from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.patient import access_log, closing, enrolment, restrictions, sharing
from connectors.patient import emergency as decided
from consent.identifiers import account
from fhir_profiles.search import parse
from tests.conftest import Clock
from tests.consent.world import DAY, START
from tests.hub import people
from tests.hub.peering.federation import federation
from tests.journeys.sharing import weight
from tests.journeys.test_emergency import DOCTOR, LAB, SPAN, Department
from tests.journeys.test_restrictions import permission

VITALS = people.VITALS
ALL, NOTHING = "l1 w1 w2 w3", ""
DOORS = ("hub", "peer", "search", "next page", "read", "total", "kept", "clinic", "emergency")
# fmt: off
TABLE = {
    #               hub:     peer:    search:     next page: read:       total: kept:    clinic:     emergency:
    #               what it releases  at the practice's gateway                          its search  who declared one
    "nothing yet": (ALL,     ALL,     ALL,        "w2 w3",   ALL,        4,     ALL,     ALL,        ALL),
    "withdrawn":   (NOTHING, NOTHING, NOTHING,    NOTHING,   NOTHING,    0,     NOTHING, NOTHING,    NOTHING),
    "expired":     (NOTHING, NOTHING, NOTHING,    NOTHING,   NOTHING,    0,     NOTHING, NOTHING,    NOTHING),
    "narrowed":    ("l1",    "l1",    "l1",       NOTHING,   "l1",       1,     "l1",    "l1",       NOTHING),
    "closed":      (NOTHING, NOTHING, NOTHING,    NOTHING,   NOTHING,    0,     NOTHING, NOTHING,    NOTHING),
    # A hub cannot tell entries apart; and what is hidden from all who read by a grant is not from an emergency.
    "rule added":  (ALL,     ALL,     "l1 w1 w2", "w2",      "l1 w1 w2", 3,     ALL,     "l1 w1 w2", ALL),
}
# fmt: on


def lab(client):
    return weight(client, 1).replace(b'"w1"', b'"l1"').replace(b"vital-signs", b"laboratory")


class Desk(Department):
    """A house's gateway with its FHIR server, asked by a doctor."""

    def __init__(self, folder, town, name, type_):
        super().__init__(folder, (town, town.hub.config.base_url), name, type_)
        database = f"sqlite:///{folder / name / 'record.db'}"
        config = Config(database=database, hub_url="http://hub.test", keystore="keys")
        self.app = create_app(config, clock=town.clock)
        reader = Reader(DOCTOR.person, DOCTOR.role, "TREAT")
        token = access.issue_token(self.store.database, reader, 365 * DAY, town.clock())
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, url):
        """What its server answers once it has taken in what is new."""
        self.inbox.catch_up()
        return self.app.test_client().get(url, headers=self.headers)

    def found(self, patient):
        return names(self.get(f"/fhir/Observation?patient={account(patient).local}&_sort=_id"))

    def kept(self, patient):
        """What is in its record of the patient, shown or not; without keys of hers there is nothing."""
        found = self.store.search(parse("Observation", [("patient", account(patient).local), ("_sort", "_id")])).matches
        assert bool(found) == bool(self.keys.held(patient))
        return " ".join(one.id for one in found)

    def released(self, client):
        """What its hub gives out of the patient, by category in the order of writing."""
        streams, cursor, found = access_log._streams(client), "", defaultdict(list)
        while True:
            page = self.inbox.hub.feed(cursor)
            for event in page["events"]:
                if event["type"] == "envelope" and event["acc"] == client.account:
                    found[streams[event["str"]]].append(event)
            if not page["events"]:
                written = {"lab": ["l1"], "vitals": ["w1", "w2", "w3"]}
                return " ".join(name for what in sorted(found) for name in written[what][: len(found[what])])
            cursor = page["next"]

    def close(self):
        self.app.extensions["gateway"].store.database.close()
        self.inbox.hub.close()
        self.store.database.close()


def names(answer):
    assert answer.status_code == 200, answer.text
    return " ".join(entry["resource"]["id"] for entry in answer.json.get("entry", []))


class Scene:
    """Hubs and houses, and the rows that were asked for already."""

    def __init__(self, folder, hubs, clock):
        self.folder, self.hubs, self.clock, self.rows = folder, hubs, clock, {}
        self.practice = Desk(folder, hubs.a, "praxis", "practice")
        self.er = Desk(folder, hubs.a, "notaufnahme", "emergency")
        self.clinic = Desk(folder, hubs.b, "klinik", "hospital")
        hubs.read()

    def row(self, change):
        """What all doors show after a change."""
        if change not in self.rows:
            self.rows[change] = dict(zip(DOORS, self._doors(change), strict=True))
        return self.rows[change]

    def _doors(self, change):
        client, _ = enrolment.enrol(self.folder / change, self.hubs.a.hub.config.base_url, self.clock)
        client.outbox.put([Entry(client.account, VITALS, [weight(client, number)]) for number in (1, 2, 3)])
        client.outbox.put([Entry(client.account, LAB, [lab(client)])])
        client.flush()
        end = datetime.fromtimestamp(self.clock.now + 10 * DAY, UTC).date().isoformat()
        for house in (self.practice, self.clinic):
            sharing.grant(client, house.account, {VITALS, LAB}, end=end)
        decided.allow(client, self.er.account, {VITALS, LAB}, [DOCTOR.role], SPAN)
        self.hubs.read()
        for house in (self.practice, self.clinic):
            assert house.found(client.account) == ALL
        self.er.declare(client.account)
        assert self.er.found(client.account) == ALL
        name = account(client.account).local
        begun = self.practice.get(f"/fhir/Observation?patient={name}&_sort=_id&_count=2").json
        (following,) = [link["url"] for link in begun["link"] if link["relation"] == "next"]
        CHANGES[change](self, client)
        yield self.practice.released(client)
        self.hubs.read()
        yield self.clinic.released(client)
        yield self.practice.found(client.account)
        yield names(self.practice.get(following.partition("127.0.0.1:8080")[2]))
        reads = {one: self.practice.get(f"/fhir/Observation/{one}").status_code for one in ALL.split()}
        yield " ".join(one for one, status in reads.items() if status == 200)
        yield self.practice.get(f"/fhir/Observation?patient={name}&_summary=count").json["total"]
        yield self.practice.kept(client.account)
        yield self.clinic.found(client.account)
        yield self.er.found(client.account)
        if not client.record.account.closed:
            closing.close(client)  # its entries would be found by the next row's reads
        client.close()

    def withdraw(self, client):
        for house in (self.practice, self.clinic, self.er):
            sharing.withdraw(client, house.account)

    def expire(self, client):
        self.clock.now = max(grant.until for _, grant, _ in sharing.granted(client) if not grant.emergency)

    def narrow(self, client):
        for house in (self.practice, self.clinic):
            narrow = permission(client, house)
            narrow["provision"]["class"][0]["code"] = "lab"
            restrictions.sign(client, [narrow], house.account)
        decided.allow(client, self.er.account, {LAB}, [DOCTOR.role], SPAN)


CHANGES = {
    "nothing yet": lambda scene, client: None,
    "withdrawn": Scene.withdraw,
    "expired": Scene.expire,
    "narrowed": Scene.narrow,
    "closed": lambda scene, client: closing.close(client),
    "rule added": lambda scene, client: restrictions.hide(client, ["Observation/w3"]),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder, clock = tmp_path_factory.mktemp("stops"), Clock()
    clock.now = START
    databases = f"sqlite:///{folder / 'a.sqlite'}", f"sqlite:///{folder / 'b.sqlite'}"
    with federation(folder, databases, clock) as hubs:
        made = Scene(folder, hubs, clock)
        yield made
        for house in (made.practice, made.er, made.clinic):
            house.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", TABLE)
def test_what_has_stopped_is_shown_by_no_door(scene, change, door):
    """Right after the change, by each door what the table says."""
    assert scene.row(change)[door] == TABLE[change][DOORS.index(door)]
