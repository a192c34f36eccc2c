"""A patient and a practice over a real hub: asked, granted, withdrawn, from now on, joined, recovered."""

import json
import time
from datetime import UTC, datetime

import pytest

from connectors.entries import Entry
from connectors.gateway.enrolment import send_request
from connectors.gateway.visibility import Scope
from connectors.patient import access_log, enrolment, sharing
from consent.categories import INDEX
from consent.dates import ZONE
from consent.identifiers import account
from consent.owed import owed
from fhir_profiles.problems import Problem
from fhir_profiles.search import parse
from tests.journeys.sharing import found, weight, write

VITALS, ACTIVITY = INDEX["vitals"], INDEX["activity"]
PASSPHRASE = "wolke anker tulpe besen kiesel laterne"


@pytest.fixture
def patient(tmp_path, hub):
    """An enrolled patient: her client and the code of her recovery sheet."""
    client, code = enrolment.enrol(tmp_path / "patient", hub.url)
    yield client, code
    client.close()


@pytest.fixture
def client(patient):
    return patient[0]


def test_a_request_is_granted_in_part_and_read_verbatim(client, practice):
    """Asked for two categories, granted one: the practice finds those resources, byte for byte, and no others."""
    write(client, 1, 2)
    wanted = frozenset({VITALS, ACTIVITY})
    send_request(practice.keys, enrolment.card(client), wanted, ("TREAT",), "")
    client.sync()
    (request,) = sharing.requests(client)
    assert (request.sender, request.asks.categories) == (practice.account, wanted)
    assert found(practice, client) == set()
    sharing.grant(client, practice.account, {VITALS}, request=request)
    assert sharing.requests(client) == []
    assert found(practice, client) == {"w1", "w2"}
    stored = practice.store.read("Observation", "w1", Scope(("TREAT",), int(datetime.now(UTC).timestamp())))
    assert stored.body == weight(client, 1)


def test_what_is_written_later_arrives(client, practice):
    """A grant is for what comes, too."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    write(client, 2)
    assert found(practice, client) == {"w1", "w2"}


def test_from_now_on_does_not_open_the_past(client, practice):
    """What was written before a grant from now on stays closed, by rule and by key; so does what is older."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS}, whole=False)
    write(client, 2, day=datetime.now(ZONE).date().isoformat())
    write(client, 3)
    assert found(practice, client) == {"w2"}
    own = next(s for s in client.record.sets if client.record.author(s) == client.account)
    assert {epoch for set_id, epoch, _ in practice.keys.held(client.account) if set_id == own} == {2}


def test_a_withdrawal_ends_the_reading_and_the_keys(client, practice):
    """After a withdrawal nothing is found, nothing later opens, and the seeds are gone."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS})
    assert found(practice, client) == {"w1"}
    sharing.withdraw(client, practice.account)
    write(client, 2)
    assert found(practice, client) == set()
    assert practice.keys.held(client.account) == set()
    assert owed(client.record, client.vault, client.now) is None


def test_the_others_read_on_through_a_rotation(client, practice, practices):
    """A withdrawal from one practice rotates the keys; the other one misses nothing."""
    other = practices("praxis-b")
    for one in (practice, other):
        sharing.grant(client, one.account, {VITALS})
    write(client, 1)
    sharing.withdraw(client, practice.account)
    write(client, 2)
    assert found(other, client) == {"w1", "w2"}
    assert found(practice, client) == set()


def test_a_grant_again_brings_everything_back(client, practice):
    """A new whole grant after a withdrawal opens what is there."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS})
    assert found(practice, client) == {"w1"}
    sharing.withdraw(client, practice.account)
    assert found(practice, client) == set()
    sharing.grant(client, practice.account, {VITALS})
    assert found(practice, client) == {"w1"}


def test_a_refusal_reaches_the_practice_and_leaves_no_trace_in_chains(client, practice):
    """No is a sealed message; there is no relation afterwards."""
    send_request(practice.keys, enrolment.card(client), frozenset({VITALS}), ("TREAT",), "")
    client.sync()
    (request,) = sharing.requests(client)
    sharing.refuse(client, request)
    assert sharing.requests(client) == []
    assert practice.account not in client.record.relations
    practice.inbox.catch_up()
    ((sender,),) = practice.keys.db.execute("SELECT sender FROM messages").fetchall()
    assert sender == client.account


def test_a_gateway_that_starts_anew_goes_on_where_it_was(client, practice):
    """Chains, seeds and cursor are on disk: after a restart nothing is read twice and nothing is missed."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    practice.open()
    write(client, 2)
    assert found(practice, client) == {"w1", "w2"}


def test_a_second_device_joins_by_passphrase(client, practice, hub, tmp_path):
    """The passphrase opens the vault on another device, which then grants and writes like the first."""
    write(client, 1)
    enrolment.set_passphrase(client, PASSPHRASE)
    second = enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE)
    sharing.grant(second, practice.account, {VITALS})
    write(second, 2)
    assert found(practice, second) == {"w1", "w2"}
    client.sync()
    assert [g.gid for _, g, _ in sharing.granted(client)] == [g.gid for _, g, _ in sharing.granted(second)]


def test_a_wrong_passphrase_opens_nothing(client, hub, tmp_path):
    """Another passphrase is refused by the hub, and no directory is left behind."""
    enrolment.set_passphrase(client, PASSPHRASE)
    with pytest.raises(Problem) as caught:
        enrolment.join(tmp_path / "second", hub.url, client.account, PASSPHRASE + " mond")
    assert caught.value.status in (401, 403, 404)
    assert not (tmp_path / "second" / "keys.json").exists()


def test_the_sheet_recovers_the_account_and_ends_the_lost_device(patient, practice, hub, tmp_path):
    """By the code: new root and device, everything rotated, readers read on; the lost phone can do nothing."""
    lost, code = patient
    write(lost, 1)
    sharing.grant(lost, practice.account, {VITALS})
    fresh, sheet = enrolment.recover(tmp_path / "fresh", hub.url, lost.account, code)
    assert str(sheet) != str(code)
    assert fresh.record.account.reading_key() != lost.record.account.reading_key()
    assert owed(fresh.record, fresh.vault, fresh.now) is None
    assert all(state.current >= 2 for state in fresh.record.sets.values())
    write(fresh, 2)
    assert found(practice, fresh) == {"w1", "w2"}
    with pytest.raises(Problem):
        lost.hub.feed()
    with pytest.raises(Problem):
        enrolment.recover(tmp_path / "again", hub.url, lost.account, code)


def test_a_killed_hub_loses_nothing_that_it_acknowledged(client, practice, hub):
    """kill -9 of the hub between writes: after its start everything acknowledged is there, once."""
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1, 2, 3)
    hub.kill()
    client.outbox.put([Entry(client.account, VITALS, [weight(client, 4)])])
    hub.start()
    client.flush()
    assert found(practice, client) == {"w1", "w2", "w3", "w4"}


def test_the_log_tells_who_read_by_person(client, practice):
    """A read in the practice reaches the patient's log, by name, purpose and number, sealed on the way."""
    from connectors.gateway.access import Reader, report  # noqa: PLC0415

    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    found(practice, client)
    report(practice.store.database, Reader("Dr. Ada", "physician", "TREAT"), "Observation", {client.account: 1})
    assert practice.inbox.report_reads() == 1
    rows = [entry for entry in access_log.entries(client) if entry.action == "read"]
    assert [(row.person, row.actor, row.what, row.number) for row in rows] == [
        ("Dr. Ada", practice.account, "Observation", 1)
    ]
    raw = json.dumps(client.hub.log(client.account)[0])
    assert "Dr. Ada" not in raw


def test_a_card_with_a_wrong_fingerprint_stops_the_first_contact(client, practice):
    """Whoever holds another fingerprint gets what he would get for nobody."""
    card = enrolment.card(client)
    forged = type(card)(card.account, "a" * 32)
    with pytest.raises(Problem) as caught:
        send_request(practice.keys, forged, frozenset({VITALS}), ("TREAT",), "")
    assert caught.value.code == "not-found"


def test_a_resource_about_somebody_else_is_never_shown(client, practice):
    """What a stream carries of another subject, or of another category, stays in quarantine."""
    sharing.grant(client, practice.account, {VITALS})
    foreign = weight(client, 1).replace(account(client.account).local.encode(), b"p-somebodyelse")
    misfiled = weight(client, 2).replace(b"vital-signs", b"laboratory")
    client.outbox.put(Entry(client.account, VITALS, [line]) for line in (foreign, misfiled, weight(client, 3)))
    client.flush()
    assert found(practice, client) == {"w3"}


def test_a_later_envelope_of_the_same_handle_replaces_the_earlier(client, practice):
    """A day that is written again stands once, as last written."""
    sharing.grant(client, practice.account, {VITALS})
    for lines in ([weight(client, 1), weight(client, 2)], [weight(client, 2, "73.00"), weight(client, 3)]):
        client.outbox.put([Entry(client.account, VITALS, lines, "day/2026-10-01")])
        client.flush()
    assert found(practice, client) == {"w2", "w3"}
    now = Scope(("TREAT",), int(datetime.now(UTC).timestamp()))
    assert b'"value":73.00' in practice.store.read("Observation", "w2", now).body


def test_another_purpose_finds_nothing(client, practice):
    """A grant for treatment does not open for research."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS})
    assert found(practice, client) == {"w1"}
    query = parse("Observation", [("patient", account(client.account).local)])
    now = int(datetime.now(UTC).timestamp())
    for purpose, number in (("TREAT", 1), ("HRESCH", 0)):
        assert len(practice.store.search(query, Scope((purpose,), now)).matches) == number


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_wrong_clock_does_not_keep_a_patient_out(hub, practice, tmp_path, hours):
    """A device whose clock is a day off enrols, writes and grants: what it signs goes by the hub's time."""
    client, _ = enrolment.enrol(tmp_path / "skewed", hub.url, lambda: time.time() + hours * 3600)
    sharing.grant(client, practice.account, {VITALS})
    write(client, 1)
    assert found(practice, client) == {"w1"}
    client.close()
