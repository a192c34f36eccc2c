"""Two hubs as programs: a patient of one, a hospital of the other, from the card to the withdrawal; one hub killed."""

import os
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from connectors.gateway.enrolment import send_request
from connectors.local_database import open_database
from connectors.outbox import Entry, Outbox
from connectors.patient import enrolment, permits, sharing
from consent.categories import INDEX
from consent.sealing import Destination
from fhir_profiles.problems import Problem
from tests.journeys.conftest import PATIENCE_SECONDS, Practice, RunningHub, free_port
from tests.journeys.sharing import found, weight, write

VITALS = INDEX["vitals"]
OTHER = "hub-b.obhut.example"


@pytest.fixture
def hubs(tmp_path, database_url, other_url):
    """Two hubs that know each other, each from the block that the other printed."""
    port = free_port(1)
    made = RunningHub(tmp_path / "a", database_url, port=port), RunningHub(tmp_path / "b", other_url, OTHER, port + 1)
    for one, other in (made, made[::-1]):
        one.know(other)
    for one in made:
        one.start()
    yield made
    for one in made:
        one.kill()


@pytest.fixture
def client(tmp_path, hubs):
    """A patient of the first hub."""
    made, _ = enrolment.enrol(tmp_path / "patient", hubs[0].url)
    yield made
    made.close()


@pytest.fixture
def hospital(tmp_path, hubs):
    """The gateway of a hospital of the second hub."""
    made = Practice(tmp_path, hubs[1], "klinik")
    yield made
    made.close()


def until(condition):
    """Wait until something is so: what goes between hubs takes its time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return value


def requests(client):
    client.sync()
    return sharing.requests(client)


def copies(hub: RunningHub) -> int:
    """How many envelopes a hub holds."""
    engine = create_engine(hub.database)
    with engine.connect() as conn:
        count = conn.execute(text("SELECT count(*) FROM envelopes")).scalar_one()
    engine.dispose()
    return int(count)


def outbox(client, hospital, set_id) -> Outbox:
    """The outbox of the hospital's gateway, for vitals of the patient."""
    keys = client.vault.sets[set_id]
    epoch = client.record.sets[set_id].epochs[-1]
    index = keys.index(VITALS)
    to = Destination(client.account, keys.ids[index], epoch.number, epoch.publics[index])
    ring = hospital.keys.keyring
    db = open_database(hospital.directory / "outbox.db", "")
    keys_of_hubs = hospital.inbox.hub_keys.key
    return Outbox(db, ring.author, ring.handle_key, lambda *_: to, lambda _: None, time.time, keys_of_hubs)


def test_a_hospital_of_another_hub_asks_reads_writes_and_is_shut_out(hubs, client, hospital):
    """By card; her hub's stamp comes back; she sees who looked; after the withdrawal nothing is left anywhere."""
    write(client, 1, 2)
    send_request(hospital.keys, enrolment.card(client), frozenset({VITALS}), ("TREAT",), "")
    (request,) = until(lambda: requests(client))
    assert request.sender == hospital.account
    sharing.grant(client, hospital.account, {VITALS}, request=request)
    until(lambda: found(hospital, client) == {"w1", "w2"})
    sender = outbox(client, hospital, permits.permit(client, hospital.account))
    sender.put([Entry(client.account, VITALS, [weight(client, 3)])])
    until(lambda: sent(sender, hospital))
    until(lambda: found(hospital, client) == {"w1", "w2", "w3"})
    until(lambda: {"release", "deposit"} <= done_by(client, hospital.account))
    permits.unpermit(client, hospital.account)
    sharing.withdraw(client, hospital.account)
    write(client, 4)
    until(lambda: copies(hubs[1]) == 0)
    until(lambda: found(hospital, client) <= {"w3"})


def sent(sender, hospital):
    """Whether the patient's hub has stamped all there is; as long as the own hub does not know of the permit, not."""
    try:
        sender.send(hospital.inbox.hub)
    except Problem as problem:
        if problem.extra.get("reason") not in ("unknown", "no-permit"):
            raise
    return sender.waiting == 0


def done_by(client, who):
    """What the patient's log tells of somebody."""
    return {entry["action"] for entry in client.hub.log(client.account) if entry["actor"] == who}


def test_a_hub_that_was_killed_gets_all_afterwards_in_order_and_once(hubs, client, hospital):
    """kill -9 of the reader's hub and its relay while the patient writes on; then everything arrives."""
    until(lambda: met(client, hospital))
    write(client, *range(5))
    until(lambda: len(found(hospital, client)) == 5)
    hubs[1].kill()
    write(client, *range(5, 25))
    hubs[1].start()
    until(lambda: len(found(hospital, client)) == 25)
    engine = create_engine(hubs[1].database)
    with engine.connect() as conn:
        held = conn.execute(text("SELECT stream, pos FROM envelopes ORDER BY stream, pos")).all()
    engine.dispose()
    assert [pos for _, pos in held] == list(range(1, len(held) + 1))


def met(client, hospital):
    """Granted, as soon as the patient's hub knows the hospital."""
    try:
        return sharing.grant(client, hospital.account, {VITALS})
    except Problem as problem:
        if problem.code != "not-found":
            raise
    return None


def test_a_relay_that_dies_is_started_anew(hubs, client, hospital):
    """The hub goes on serving, and the next relay reads where the last one stopped."""
    until(lambda: met(client, hospital))
    first = relay(hubs[1])
    os.kill(first, signal.SIGKILL)
    write(client, 1)
    until(lambda: found(hospital, client) == {"w1"})
    assert relay(hubs[1]) != first


def relay(hub):
    """The process that keeps up with the peers: the only grandchild of the server."""
    return until(lambda: next((grand for child in children(hub.process.pid) for grand in children(child)), None))


def children(pid):
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []
