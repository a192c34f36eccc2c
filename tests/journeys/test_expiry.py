"""A grant that ends by itself while the patient is away: hub, gateway and her client, all by one clock of the test."""

from datetime import UTC, datetime

import pytest
from werkzeug.serving import make_server

from connectors.entries import Entry
from connectors.gateway import keystore, schema
from connectors.gateway.database import Database
from connectors.gateway.inbox import Inbox
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from connectors.patient import enrolment, sharing
from connectors.patient.overview import lines, overview
from consent import steps
from consent.identifiers import account
from consent.pending import pending_since
from fhir_profiles.search import parse
from hub.store import directory
from hub.store.hashing import digest
from tests.consent.world import DAY, START
from tests.hub import people
from tests.journeys.test_sharing import VITALS, weight
from tests.serving import serving

END = datetime.fromtimestamp(START + 10 * DAY, UTC).date().isoformat()


@pytest.fixture
def town(tmp_path, clock):
    """A hub of which the test holds the clock, and its address."""
    clock.now = START
    made = people.build(f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path / "hub", clock)
    with serving(make_server("127.0.0.1", 0, made.app, threaded=True)) as server:
        yield made, f"http://127.0.0.1:{server.server_port}"
    made.hub.db.close()


class House:
    """A practice's gateway, by the same clock."""

    def __init__(self, tmp_path, town, name, type_="practice"):
        made, url = town
        with made.hub.db.write() as tx:
            directory.admit(tx, f"{name}@{made.domain}", name, type_, digest(name))
        home = tmp_path / name
        self.keys, _ = keystore.enrol(home / "keys", home / "root", url, name, name, made.clock)
        database = Database(f"sqlite:///{home / 'record.db'}")
        schema.make(database)
        self.clock, self.store = made.clock, Store(database)
        self.inbox = Inbox(self.keys, self.store, clock=made.clock)

    def found(self, patient):
        self.inbox.catch_up()
        query = parse("Observation", [("patient", account(patient).local), ("_count", "100")])
        return {one.id for one in self.store.search(query, Scope(("TREAT",), int(self.clock()))).matches}


@pytest.fixture
def ada(tmp_path, town):
    client, _ = enrolment.enrol(tmp_path / "ada", town[1], town[0].clock)
    yield client
    client.close()


@pytest.fixture
def houses(tmp_path, town):
    made = [House(tmp_path, town, name) for name in ("praxis", "klinik")]
    yield made
    for one in made:
        one.inbox.hub.close()
        one.store.database.close()


def write(client, number):
    client.outbox.put([Entry(client.account, VITALS, [weight(client, number)])])
    client.flush()


def test_a_grant_that_expired_while_she_was_away_is_rotated_by_her_next_command(ada, houses, clock):
    """Hub and gateway stop at the second; `show` says since when a rotation is pending; `settle` ends that."""
    short, long = houses
    sharing.grant(ada, short.keys.keyring.account, {VITALS}, end=END)
    sharing.grant(ada, long.keys.keyring.account, {VITALS})
    write(ada, 1)
    assert short.found(ada.account) == long.found(ada.account) == {"w1"}
    (until,) = [g.until for oth, g, _ in sharing.granted(ada) if oth == short.keys.keyring.account]
    assert pending_since(ada.record, until - 1) is None

    clock.now = until
    assert short.found(ada.account) == set()
    assert short.keys.held(ada.account) == set()
    assert long.found(ada.account) == {"w1"}
    clock.advance(8 * DAY)
    write(ada, 2)  # others write on in the old epoch: the hub alone keeps the expired one out
    assert short.found(ada.account) == set()
    assert long.found(ada.account) == {"w1", "w2"}

    ada.sync()
    told = overview(ada)
    assert told["rotation_pending_since"] == until
    assert any("more than seven days" in line for line in lines(told, ada.now))
    epochs = {set_id: state.current for set_id, state in ada.record.sets.items()}
    assert ada.settle() > 0
    assert overview(ada)["rotation_pending_since"] is None
    assert all(state.current == epochs[set_id] + 1 for set_id, state in ada.record.sets.items())
    write(ada, 3)
    assert short.found(ada.account) == set()
    assert long.found(ada.account) == {"w1", "w2", "w3"}


def test_a_withdrawal_is_pending_since_its_second(ada, houses, clock):
    """Where the rotation did not follow at once, it is said since when."""
    sharing.grant(ada, houses[0].keys.keyring.account, {VITALS})
    clock.advance(DAY)
    (grant,) = [g for _, g, _ in sharing.granted(ada)]
    ada.post([steps.end(ada.record, houses[0].keys.keyring.account, grant.gid, ada.keyring.signer, ada.now)])
    clock.advance(DAY)
    assert pending_since(ada.record, ada.now) == START + DAY
    ada.settle()
    assert pending_since(ada.record, ada.now) is None
