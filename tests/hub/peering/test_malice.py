"""A peer that means harm: it holds up nobody else's patients, and puts nothing that is not its own."""

import pytest

from consent import envelope, steps
from consent.primitives import b64, unb64
from fhir_profiles.problems import Problem
from hub import peer_client, peer_feed, pushing
from hub.store import forwards
from tests.hub.peering.federation import OTHER
from tests.hub.peering.test_freshness import last
from tests.hub.people import VITALS
from tests.hub.test_console import opened

THIRD = "hub-c.example.org"


@pytest.mark.parametrize("name", ["acc", "pos", "permits"])
def test_a_page_that_is_not_understood_is_the_peers_own_fault(hubs, monkeypatch, name):
    """A name, a position or a permit of no shape is `busy`: tried again, while the threads of other peers go on."""
    patient, _, mine, _ = hubs.shared()
    hubs.read()
    patient.write(patient.me, mine)
    post = peer_client.PeerClient.post

    def change(*request):
        answer = post(*request)
        if answer["kind"] == "envelopes" and name == "permits":
            answer["permits"] = {mine: "AAAA"}
        elif answer["kind"] == "envelopes":
            answer["events"][0][name] = {"acc": "p-x@hub", "pos": 2**63}[name]
        return answer

    monkeypatch.setattr(peer_client.PeerClient, "post", change)
    with pytest.raises(Problem, match="busy"):
        hubs.read(hubs.b)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"type": "dental"}, ("Klinik", "service", "")),
        ({"type": "dental-laboratory"}, ("Klinik", "service", "")),
        ({"type": ["hospital"]}, ("Klinik", "service", "")),
        ({"part_of": "no account"}, ("Klinik", "hospital", "")),
        ({"part_of": "p-" + "a" * 26 + "@" + OTHER}, ("Klinik", "hospital", "")),
        ({"part_of": 7, "title": " Klinik am Ring "}, ("Klinik am Ring", "hospital", "")),
        ({"title": " "}, None),
        ({"title": "Kli\0nik"}, None),
        ({"title": "x" * 2000}, None),
        (None, None),
        ("Klinik", None),
    ],
)  # fmt: skip
def test_what_a_peer_says_of_an_organisation_counts_as_far_as_it_is_understood(both_hubs, monkeypatch, said, shown):
    """A type of a newer hub, a part of nothing, no title: its chain arrives all the same, and every page is shown."""
    link_event = peer_feed.link_event

    def change(*request):
        event = link_event(*request)
        if "organisation" in event:
            event["organisation"] = event["organisation"] | said if isinstance(said, dict) else said
        return event

    monkeypatch.setattr(peer_feed, "link_event", change)
    own, hospital = both_hubs.a.organisation("praxis"), both_hubs.hospital()
    assert both_hubs.a.get(f"/v1/chains/acct/{hospital.account}", own).status_code == 200
    listed = both_hubs.a.get("/v1/directory", own).json["organisations"]
    found = [(one["name"], one["type"], one["part_of"]) for one in listed if one["account"] == hospital.account]
    assert found == ([shown] if shown else [])
    assert both_hubs.a.get("/fhir/Organization", own).json["total"] == len(listed)
    assert opened(both_hubs.a)[1].status_code == 200


@pytest.mark.parametrize("status", [10**30, 0, "x"])
def test_an_answer_with_a_status_that_is_none_is_not_understood(status):
    """So no peer ends the thread that gives to it."""
    with pytest.raises(Problem, match="busy"):
        pushing.understood(lambda: pushing._result({"status": status}))


def test_a_peer_brings_nothing_for_patients_at_home_elsewhere(both_hubs):
    """Statements go to the patient's own hub and nowhere else, though her chains are held here."""
    patient, hospital, _, gid = both_hubs.shared()
    both_hubs.read()
    end = steps.end(patient.hub.record, hospital.account, gid, patient.me.signer, patient.now)
    client = both_hubs.line.client(both_hubs.a.hub)(OTHER)
    before = both_hubs.b.dump()
    with pytest.raises(Problem, match="not-found"):
        client.post("/v1/peer/statements", {"statements": [{"frame": b64(end.frame)}]})
    after = both_hubs.b.dump()
    assert {name for name in before if before[name] != after[name]} <= {"nonces"}


def test_a_device_that_is_none_is_refused_by_itself(both_hubs):
    """A name longer than any device's is that message's fault on either database, not the whole batch's."""
    patient, hospital, _, _ = both_hubs.shared()
    client = both_hubs.line.client(both_hubs.b.hub)("hub-a.example.org")
    item = {
        "ref": "r", "from": hospital.account, "device": "d" * 100, "to": patient.me.account, "frame": "AAAA", "fp": "",
    }  # fmt: skip
    assert client.post("/v1/peer/messages", {"items": [item]})["results"] == [{"status": 400}]


def test_what_a_silence_held_back_takes_nothing_from_who_reads_behind(both_hubs, clock):
    """Another device of the account, with an older cursor, still gets what was announced before the silence."""
    a, b = both_hubs.a, both_hubs.b
    patient, hospital, mine, _ = both_hubs.shared()
    both_hubs.read()
    behind = last(b, hospital)
    first = [patient.write(patient.me, mine) for _ in range(3)]
    both_hubs.read(b)
    cursor = last(b, hospital, behind)
    second = [patient.write(patient.me, mine) for _ in range(2)]
    both_hubs.read(b)
    clock.advance(61)
    assert b.envelopes(hospital, cursor) == []
    patient.now = a.now
    both_hubs.read(b)
    assert b.envelopes(hospital, cursor) == second
    assert b.envelopes(hospital, behind) == [*first, *second]


def test_a_peer_that_numbers_its_envelopes_far_apart_holds_up_nobody(both_hubs, monkeypatch):
    """Between one position and the next there may be any number of others: who reads passes over them in one step."""
    patient, hospital, mine, _ = both_hubs.shared()
    both_hubs.read()
    bids = [patient.write(patient.me, mine) for _ in range(4)]
    post = peer_client.PeerClient.post

    def change(*request):
        answer = post(*request)
        for event in answer["events"] if answer["kind"] == "envelopes" else ():
            event["pos"] = 1 + (event["pos"] - 1) * 10**15
        return answer

    monkeypatch.setattr(peer_client.PeerClient, "post", change)
    both_hubs.read(both_hubs.b)
    assert both_hubs.b.envelopes(hospital) == bids
    events, cursor = [], ""
    for _ in bids:
        page = both_hubs.b.get(f"/v1/feed?only=envelope&limit=1&after={cursor}", hospital).json
        events, cursor = [*events, *page["events"]], page["next"]
    assert bids_of(events) == bids
    (stream,) = {event["str"] for event in events}
    page = both_hubs.b.get(f"/v1/streams/{patient.me.account}/{stream}?limit=2&after=1", hospital).json
    assert bids_of(page["envelopes"]) == bids[1:3]


def bids_of(events):
    """The ids of the envelopes in a page."""
    return [envelope.parse(unb64(event["frame"])).bid for event in events]


def test_a_peer_that_takes_no_entries_of_logs_holds_up_nobody_elses_patients(both_hubs, monkeypatch):
    """What could not be told to a patient's log is not released; the other patients' goes on, and hers afterwards."""
    patient, hospital, mine, _ = both_hubs.shared()
    neighbour = both_hubs.b.patient()
    neighbour.grant(hospital, {VITALS})
    theirs = neighbour.permit(neighbour.me)
    both_hubs.read()
    here, there = neighbour.write(neighbour.me, theirs), patient.write(patient.me, mine)
    with monkeypatch.context() as patch:
        patch.setattr(forwards, "MAX_WAITING", forwards.ROOM)
        with both_hubs.b.hub.db.write(patient.me.account) as tx:
            forwards.put(tx, forwards.MESSAGE, "waits", b"{}")
        both_hubs.read(both_hubs.b)
        assert both_hubs.b.envelopes(hospital) == [here]
        cursor = last(both_hubs.b, hospital)
    assert both_hubs.b.envelopes(hospital, cursor) == [there]
