"""Two hubs as programs: a patient of one, a hospital of the other, from the card to the withdrawal; one hub killed."""

import base64
import json
import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from connectors.gateway.enrolment import send_request
from connectors.gateway.visibility import Scope
from connectors.local_database import open_database
from connectors.outbox import Entry, Outbox
from connectors.patient import enrolment, permits, sharing
from connectors.patient.reading import Reading
from consent.categories import INDEX
from consent.identifiers import account
from consent.sealing import Destination
from fhir_profiles import resources
from fhir_profiles.documents import Document, document_reference
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.journeys.conftest import OTHER, PATIENCE_SECONDS, Practice, RunningHub, obhut
from tests.journeys.sharing import found, weight, write
from tests.ports import free_port

VITALS, DOCUMENTS = INDEX["vitals"], INDEX["documents"]
TODAY = "2026-11-02T08:00:00+01:00"


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


def outbox(client, hospital, set_id, category=VITALS) -> Outbox:
    """The outbox of the hospital's gateway, for one category of the patient."""
    keys = client.vault.sets[set_id]
    epoch = client.record.sets[set_id].epochs[-1]
    index = keys.index(category)
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
    return taken(sender, hospital) and sender.waiting == 0


def done_by(client, who):
    """What the patient's log tells of somebody."""
    return {entry["action"] for entry in client.hub.log(client.account)[0] if entry["actor"] == who}


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


def met(client, hospital, categories=frozenset({VITALS})):
    """Granted, as soon as the patient's hub knows the hospital."""
    try:
        return sharing.grant(client, hospital.account, set(categories))
    except Problem as problem:
        if problem.code != "not-found":
            raise
    return None


@pytest.fixture
def practice(tmp_path, hubs):
    """The gateway of a practice of the patient's hub."""
    made = Practice(tmp_path, hubs[0], "praxis")
    yield made
    made.close()


def test_large_documents_go_both_ways(hubs, client, hospital, practice, tmp_path):
    """The hospital's to the patient and a practice at her hub, hers to the hospital; its hub is killed on the way."""
    until(lambda: met(client, hospital, {DOCUMENTS}))
    sharing.grant(client, practice.account, {DOCUMENTS})
    sender = outbox(client, hospital, permits.permit(client, hospital.account), DOCUMENTS)
    letter, image = (random.Random(seed).randbytes(3 * 1024 * 1024) for seed in (1, 2))
    about = account(client.account).local
    written = document_reference(Document(letter, "application/pdf", "Brief", TODAY, TODAY), about, "letter")
    sender.put([Entry(client.account, DOCUMENTS, [resources.dump(written)])])
    until(lambda: taken(sender, hospital))
    hubs[1].kill()
    hubs[1].start()
    until(lambda: sent(sender, hospital))
    with closing(Reading(tmp_path / "patient", client)) as reading:
        reading.refresh()
        assert [content(one.body) for one in reading.read("DocumentReference")] == [letter]
    assert documents(practice) == [letter]
    file = tmp_path / "image.pdf"
    file.write_bytes(b"%PDF-1.7\n" + image)
    done = obhut("patient", "add", str(file), "--account", str(tmp_path / "patient"))
    assert done.returncode == 0, done.stderr
    until(lambda: sorted(map(len, documents(hospital))) == [len(letter), len(image) + 9])
    assert set(documents(hospital)) == {letter, file.read_bytes()}


def taken(sender, hospital):
    """Whether the own hub has taken what there is, be it stamped already or not."""
    try:
        sender.send(hospital.inbox.hub)
    except Problem as problem:
        if problem.extra.get("reason") not in ("unknown", "no-permit"):
            raise
        return False
    return True


def documents(gateway):
    """The files that a gateway's record shows."""
    gateway.inbox.catch_up()
    scope = Scope(("TREAT",), int(time.time()))
    return [content(match.body) for match in gateway.store.search(parse("DocumentReference", []), scope).matches]


def content(body):
    """The file in a DocumentReference."""
    return base64.b64decode(json.loads(body)["content"][0]["attachment"]["data"])


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
