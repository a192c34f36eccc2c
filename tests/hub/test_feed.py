"""The feed: who gets what, in which order, from when on, and that nothing is released that is not granted now."""

import threading
import time
from contextlib import ExitStack

import pytest

from consent import envelope, heads, messages, steps
from consent.primitives import b64, random_bytes, unb64
from consent.vault import Terms
from fhir_profiles.problems import Problem
from hub import rights
from hub.auth import Caller
from hub.bell import PLACES_EACH
from hub.release import Cursor, release
from hub.store import feed as store
from hub.store.feed import Notice
from tests.hub.people import ACTIVITY, TRACES, VITALS, problem

DAY = 86400


def bids(frames):
    return [envelope.parse(frame).bid for frame in frames]


def test_the_patient_sees_everything_and_a_reader_what_is_granted(towns):
    """Envelopes of granted categories reach the counterpart, in order; of withheld ones, only the patient."""
    patient, practice, other = towns.patient(), towns.organisation("praxis"), towns.organisation("klinik")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS, ACTIVITY})
    written = [patient.write(patient.me, mine, category) for category in (VITALS, TRACES, ACTIVITY, VITALS)]
    assert towns.envelopes(patient.me) == written
    assert towns.envelopes(practice) == [written[0], written[2], written[3]]
    assert {event["acc"] for event in towns.feed(other)} == {other.account}


def test_a_new_grant_brings_what_was_written_before(towns):
    """Whole grants are backfilled; grants from now on bring only what comes."""
    patient, early, late = towns.patient(), towns.organisation("praxis"), towns.organisation("klinik")
    mine = patient.permit(patient.me)
    before = [patient.write(patient.me, mine) for _ in range(3)]
    patient.grant(early, {VITALS})
    patient.grant(late, {VITALS}, whole=False)
    after = patient.write(patient.me, mine)
    assert towns.envelopes(early) == [*before, after]
    assert towns.envelopes(late) == [after]


def test_a_withdrawal_stops_the_release_at_its_commit(towns):
    """What was announced and not fetched yet is not given out any more; a new grant brings it again."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    gid = patient.grant(practice, {VITALS})
    written = patient.write(patient.me, mine)
    patient.withdraw(practice, gid)
    assert towns.envelopes(practice) == []
    patient.grant(practice, {VITALS})
    assert towns.envelopes(practice) == [written]


def test_a_grant_ends_by_the_hubs_clock(town, clock):
    """After `until` nothing is released, without any statement; extended, it goes on."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    gid = patient.grant(practice, {VITALS}, until=town.now + DAY)
    written = patient.write(patient.me, mine)
    clock.advance(DAY)
    patient.now = town.now
    assert town.envelopes(practice) == []
    patient.settle()
    patient.grant(practice, {VITALS}, gid=None)
    assert town.envelopes(practice) == [written]
    assert gid in patient.hub.record.relations[practice.account].grants


def test_a_grant_that_begins_later_opens_then(towns, clock):
    """Before `nb` nothing, from then on everything it covers, without any statement."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.meet(practice)
    terms = Terms(
        practice.account,
        frozenset({VITALS}),
        True,
        True,
        ("TREAT",),
        towns.now + DAY,
        towns.now + 9 * DAY,
        b"{}",
        random_bytes(16),
    )
    patient.vault = patient.vault.with_terms("A" * 22, terms)
    patient.post(steps.grant(patient.hub.record, patient.vault, "A" * 22, terms, patient.me.signer, towns.now))
    written = patient.write(patient.me, mine)
    before = towns.feed(practice)
    assert [event["type"] for event in before if event["type"] != "statement"] == []
    cursor = towns.get("/v1/feed", practice).json["next"]
    clock.advance(DAY)
    assert towns.envelopes(practice, cursor) == [written]
    assert towns.envelopes(practice, towns.get("/v1/feed", practice, after=cursor).json["next"]) == []


@pytest.mark.parametrize(("purpose", "count"), [("TREAT", 1), ("ETREAT", 1), ("HRESCH", 0), ("HMARKT", 0), ("X", 0)])
def test_the_purpose_must_lie_within_the_grants(town, purpose, count):
    """Treatment covers emergency treatment, never research."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    patient.write(patient.me, mine)
    assert len(town.envelopes(practice, purpose=purpose)) == count


def test_a_widened_grant_brings_what_it_newly_covers(town):
    """An amendment announces the streams it adds."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    gid = patient.grant(practice, {VITALS})
    old = patient.write(patient.me, mine, ACTIVITY)
    cursor = town.get("/v1/feed", practice).json["next"]
    patient.grant(practice, {VITALS, ACTIVITY}, gid=gid)
    assert town.envelopes(practice, cursor) == [old]


def test_statements_come_with_their_bundles_to_the_counterpart_only(town):
    """Relation statements in order, the bundle inline; the patient's own devices get them bare."""
    patient, practice = town.patient(), town.organisation("praxis")
    patient.grant(practice, {VITALS})
    chain = patient.hub.record.relations[practice.account]
    events = [e for e in town.feed(practice) if e.get("kind") == "rel"]
    assert [unb64(e["frame"]) for e in events] == chain.frames
    (bundle,) = (unb64(e["blob"]) for e in events if "blob" in e)
    assert bundle == patient.hub.blobs[chain.links[1].body["lst"]]
    assert not any("blob" in e for e in town.feed(patient.me))


def test_counterparts_hear_of_the_patients_account(town):
    """A removed device is told to all who deal with her; an organisation's own statements only to itself."""
    patient, practice = town.patient(), town.organisation("praxis")
    patient.meet(practice)
    other = patient.me.other_device()
    patient.post(patient.account("device", other.device_body("client")))
    told = [e for e in town.feed(practice) if e.get("kind") == "acct" and e["acc"] == patient.me.account]
    assert [e["seq"] for e in told] == [patient.hub.record.account.last]
    assert {e["acc"] for e in town.feed(patient.me)} == {patient.me.account}


def test_only_filters_kinds_of_events(town):
    """A client that wants chains alone gets chains alone."""
    patient = town.patient()
    patient.write(patient.me, patient.permit(patient.me))
    assert {e["type"] for e in town.feed(patient.me, only="statement,message")} == {"statement"}
    assert {e["type"] for e in town.feed(patient.me, only="envelope")} == {"envelope"}
    assert town.get("/v1/feed", patient.me, only="nonsense").status_code == 400


def test_pages_of_any_size_give_the_same_events_once(town):
    """A cursor within a range goes on within it."""
    patient = town.patient()
    mine = patient.permit(patient.me)
    frames = patient.seal(patient.me, mine, 23)
    town.deposit(patient.me, *frames[:20])
    town.deposit(patient.me, *frames[20:])
    whole = town.feed(patient.me)
    for limit in (1, 7, 19, 20, 21):
        assert town.feed(patient.me, limit=limit) == whole
    assert town.envelopes(patient.me, limit=3) == bids(frames)


def test_a_page_is_bounded_in_bytes(town, monkeypatch):
    """Large envelopes come in several pages, at least one in each."""
    monkeypatch.setattr("hub.release.PAGE_BYTES", 5000)
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    lines = [b'{"resourceType":"Observation","x":"' + b"y" * 3000 + b'"}']
    written = [patient.write(patient.me, mine, VITALS, lines) for _ in range(4)]
    patient.grant(practice, {VITALS})
    page = town.get("/v1/feed", practice, only="envelope").json
    assert len(page["events"]) == 1
    assert town.envelopes(practice, only="envelope") == written


def test_envelopes_come_with_the_permits_of_their_sets(town):
    """The permit frame travels beside, once a set and page."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    patient.write(patient.me, mine)
    permit = patient.hub.record.relations[patient.me.account].permits[mine].frame.raw
    assert town.get("/v1/feed", practice).json["permits"] == {mine: b64(permit)}
    assert town.get(f"/v1/permits/{patient.me.account}/{mine}", practice).json["frame"] == b64(permit)


def test_each_release_is_logged_once_a_poll_and_stream(towns):
    """The patient sees who was given how much, by device and purpose."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    towns.deposit(patient.me, *patient.seal(patient.me, mine, 5))
    towns.envelopes(practice)
    entries = towns.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    (entry,) = [e for e in entries if e["action"] == "release"]
    assert (entry["actor"], entry["device"], entry["purpose"]) == (practice.account, practice.device, "TREAT")
    detail = {"set": mine, "stream": patient.stream(mine), "count": 5, "from": 1, "to": 5}
    assert entry["detail"] == detail


def test_a_waiting_feed_is_woken_by_a_commit(towns):
    """A long poll answers when something was committed for its account."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    cursor = towns.get("/v1/feed", practice).json["next"]
    towns.token(practice)
    got = []
    waiting = threading.Thread(
        target=lambda: got.append(towns.get("/v1/feed", practice, after=cursor, wait=25).json["events"])
    )
    waiting.start()
    while towns.hub.bell.count == 0:
        time.sleep(0.005)
    (written,) = patient.seal(patient.me, mine, 1)
    towns.deposit(patient.me, written)
    waiting.join(20)
    assert [unb64(event["frame"]) for event in got[0]] == [written]


def test_a_removed_device_gets_nothing_though_its_token_still_lives(town):
    """Each request, and each release, asks the account's chain."""
    patient, practice = town.patient(), town.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    patient.write(patient.me, mine)
    token = town.token(practice)
    frame = practice.add("undevice", {"dev": practice.device}, town.now)
    answer = town.post("/v1/statements", {"statements": [{"frame": b64(frame)}]}, token=token)
    assert answer.status_code == 200
    assert town.get("/v1/feed", token=token).status_code == 401
    caller = Caller(practice.account, practice.device, "gateway", frozenset())
    with town.app.test_request_context(), pytest.raises(Problem, match="unauthenticated"):
        release(town.hub, caller, patient.me.account, [], "TREAT")


def test_more_waiters_than_places_are_sent_away(town):
    """Beyond the cap: 503 with Retry-After, at once."""
    person = town.person()
    cursor = town.get("/v1/feed", person).json["next"]
    with ExitStack() as places:
        for number in range(town.hub.config.waiters):
            places.enter_context(town.hub.bell.listen(f"account-{number}", 1))
        answer = town.get("/v1/feed", person, after=cursor, wait=25)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert town.get("/v1/feed", person, after=cursor, wait=1).json["events"] == []


def test_one_account_cannot_take_all_places(town):
    """It is sent away beyond its own cap, and the others wait on; what ended makes room again."""
    person, other = town.person(), town.person()
    cursors = {who.account: town.get("/v1/feed", who).json["next"] for who in (person, other)}
    with ExitStack() as places:
        for _ in range(PLACES_EACH):
            places.enter_context(town.hub.bell.listen(person.account, 1))
        assert town.get("/v1/feed", person, after=cursors[person.account], wait=25).status_code == 503
        assert town.get("/v1/feed", other, after=cursors[other.account], wait=1).status_code == 200
    assert town.get("/v1/feed", person, after=cursors[person.account], wait=1).status_code == 200


@pytest.mark.parametrize("cursor", ["x", "1.2", "1.2.3.4", "-1.0.0", "1.2.x", "9" * 30 + ".0.0", "١.٢.٣"])
def test_a_cursor_of_nobody_is_refused(town, cursor):
    """Only what was given out is a cursor."""
    answer = town.get("/v1/feed", town.person(), after=cursor)
    assert (answer.status_code, problem(answer)["type"]) == (400, "urn:obhut:problem:invalid")


@pytest.fixture
def sealing(town):
    """A patient who shares with a practice, and has a device that may only seal."""
    patient, practice = town.patient(), town.organisation("praxis")
    writer = patient.me.other_device()
    patient.post(patient.account("device", writer.device_body("writer")))
    town.keys[writer.device] = type(writer.sign).generate()
    frame = messages.register(
        writer.sign, acc=writer.account, dev=writer.device, token_key=town.keys[writer.device].public, at=town.now
    )
    assert town.post("/v1/clients", {"frame": b64(frame)}).status_code == 201
    patient.grant(practice, {VITALS})
    return patient, practice, writer


def test_a_writer_is_given_nothing(town, sealing):
    """A device that may only seal reads no feed, stream, vault or log, and nothing of whom the account shares with."""
    patient, practice, writer = sealing
    mine = patient.permit(patient.me)
    acc = patient.me.account
    bundle = patient.hub.record.relations[practice.account].links[-1].body["lst"]
    assert town.get(f"/v1/bundles/{acc}/{bundle}", patient.me).status_code == 200
    assert [
        town.get(path, writer).status_code
        for path in (
            "/v1/feed", f"/v1/streams/{acc}/{patient.stream(mine)}", f"/v1/log/{acc}", f"/v1/bundles/{acc}/{bundle}",
            f"/v1/relations/{acc}", f"/v1/sets/{acc}",
        )
    ] == [403] * 6  # fmt: skip
    for path in (f"/v1/vault/{acc}", f"/v1/chains/rel/{acc}/{practice.account}"):
        assert town.get(path, writer).status_code == 404
    assert places(town, writer, ["rel", acc, practice.account]) == []


def test_a_writer_reads_what_it_seals_by(town, sealing):
    """The account's chain, those of its set and its own relation, where the permit stands, and their heads."""
    patient, _, writer = sealing
    mine = patient.permit(patient.me)
    acc = patient.me.account
    for path in (f"acct/{acc}", f"set/{acc}/{mine}", f"rel/{acc}/{acc}"):
        assert town.get(f"/v1/chains/{path}", writer).status_code == 200
    assert town.get(f"/v1/permits/{acc}/{mine}", writer).status_code == 200
    assert len(places(town, writer, ["acct", acc, ""], ["set", acc, mine], ["rel", acc, acc])) == 3
    results = town.deposit(writer, patient.seal(writer, mine, 1)[0]).json["results"]
    assert results[0]["status"] == 201


def places(town, who, *chains):
    """The heads that somebody is told of these chains."""
    body = {"nonce": b64(bytes(16)), "chains": list(chains)}
    frames = town.post("/v1/heads", body, who).json["frames"]
    return [place for frame in frames for place in heads.parse(unb64(frame)).heads]


def test_no_row_hides_behind_a_cursor_while_transactions_overlap(towns, monkeypatch):
    """A transaction that began earlier and commits later is still read: the cursor waits for it."""
    monkeypatch.setattr(rights, "holds_keys", lambda *_: True)  # one reader is told of the messages of two accounts
    first, second = towns.person(), towns.person()
    reader = towns.person()
    towns.token(reader)
    start = towns.get("/v1/feed", reader).json["next"]
    said = threading.Barrier(2)

    def write(name, who, hold):
        with towns.hub.db.write(who.account) as tx:
            store.add_message(tx, name, who.account, b"x")
            store.announce(tx, [reader.account], [Notice("message", name)])
            if hold:
                said.wait(20)  # its number is taken
                said.wait(20)  # the other one, if the database lets it, has committed

    early = threading.Thread(target=write, args=("early", first, True))
    late = threading.Thread(target=write, args=("late", second, False))
    early.start()
    said.wait(20)
    late.start()
    late.join(20 if towns.hub.db.postgresql else 0.05)
    assert towns.get("/v1/feed", reader, after=start).json["events"] == []
    said.wait(20)
    early.join(20)
    late.join(20)
    assert [e["id"] for e in towns.feed(reader, start)] == ["early", "late"]


def test_cursors_never_go_back():
    """A cursor reads back as it was written, and orders as numbers."""
    for cursor in (Cursor(), Cursor(1, 2, 3), Cursor(10**15, 0, 1)):
        assert Cursor.parse(str(cursor)) == cursor


def test_a_grant_for_research_alone_is_delivered(town):
    """Who asks for no purpose in particular gets what any grant is for; who asks for treatment does not."""
    patient, institute = town.patient(), town.organisation("institut")
    own = patient.permit(patient.me)
    bid = patient.write(patient.me, own, VITALS, [b'{"resourceType":"Observation"}'])
    patient.grant(institute, {VITALS}, purposes=("HRESCH",))
    assert town.envelopes(institute, purpose="TREAT") == []
    assert town.envelopes(institute) == [bid]
