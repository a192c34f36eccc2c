"""What a hub reads from another: chains and envelopes byte for byte, withdrawals first, only what is granted there."""

import pytest
from sqlalchemy import delete, update

from consent import envelope, messages, statements, steps
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes, unb64
from consent.vault import Terms
from fhir_profiles.problems import Problem
from hub import copies, peer_feed
from hub.models import envelopes, feed
from hub.models import permits as permits_table
from hub.peer_models import endings
from hub.relay import introduce
from hub.replicas import Replicas, read_link
from hub.store import chains, directory
from hub.store import peers as store
from tests.consent import world
from tests.consent.world import DOMAIN
from tests.hub.peering.federation import OTHER
from tests.hub.people import ACTIVITY, TRACES, VITALS, problem

DAY = 86400


def rows(town, table):
    with town.hub.db.read() as conn:
        return conn.execute(table.select()).all()


def test_a_patient_of_one_hub_shares_with_a_hospital_of_another(both_hubs):
    """The directory, the chains, the bundle and the envelopes arrive; withheld categories do not."""
    a, b = both_hubs.a, both_hubs.b
    patient, hospital, mine, _ = both_hubs.shared((VITALS, ACTIVITY))
    assert [e["account"] for e in a.get("/v1/directory", patient.me).json["organisations"]] == [hospital.account]
    written = [patient.write(patient.me, mine, category) for category in (VITALS, TRACES, ACTIVITY, VITALS)]
    both_hubs.read()
    assert b.envelopes(hospital) == [written[0], written[2], written[3]]
    chain = patient.hub.record.relations[hospital.account]
    events = b.feed(hospital)
    assert [unb64(event["frame"]) for event in events if event.get("kind") == "rel"] == chain.frames
    (bundle,) = (unb64(event["blob"]) for event in events if "blob" in event)
    assert bundle == patient.hub.blobs[chain.links[1].body["lst"]]
    frames = {bytes(row.frame): bytes(row.stamp) for row in rows(a, envelopes)}
    assert {bytes(row.frame): bytes(row.stamp) for row in rows(b, envelopes)}.items() <= frames.items()


def test_the_fhir_directory_tells_organisations_of_all_hubs_apart(hubs):
    """Two of one name at two hubs: two resources, each found by its id and by its account."""
    own, other = hubs.a.organisation("klinik", "Klinik A"), hubs.hospital()
    person = hubs.a.person()
    for who, ident in ((own, "klinik"), (other, f"klinik.{OTHER}")):
        found = hubs.a.get(f"/fhir/Organization/{ident}", person).json
        assert (found["id"], found["identifier"][0]["value"]) == (ident, who.account)
        (entry,) = hubs.a.get("/fhir/Endpoint", person, organization=f"Organization/{ident}").json["entry"]
        assert entry["resource"]["managingOrganization"]["reference"] == f"Organization/{ident}"


def test_reading_again_changes_nothing(both_hubs):
    """A crash before the cursor moved reads the same pages once more."""
    patient, hospital, mine, _ = both_hubs.shared()
    written = [patient.write(patient.me, mine) for _ in range(3)]
    both_hubs.read()
    with both_hubs.b.hub.db.write() as tx:
        store.put_cursors(tx, DOMAIN, dict.fromkeys(store.FEEDS, ""))
    before = both_hubs.b.dump()
    both_hubs.read(both_hubs.b)
    after = both_hubs.b.dump()
    assert {name for name in before if before[name] != after[name]} <= {"peers", "nonces"}
    assert both_hubs.b.envelopes(hospital) == written


def test_patients_whose_envelopes_mix_are_each_taken_in_at_once(both_hubs):
    """Two write in turn, as they do at a busy hub: on a page each is one transaction, and keeps the order."""
    a, b = both_hubs.a, both_hubs.b
    one, hospital, mine, _ = both_hubs.shared()
    other = a.patient()
    theirs = other.permit(other.me)
    other.grant(hospital, {VITALS})
    both_hubs.read()
    written = [(p, p.write(p.me, to)) for _ in range(3) for p, to in ((one, mine), (other, theirs))]
    both_hubs.read(b)
    told = [row for row in rows(b, feed) if row.what == "envelope"]
    assert sorted((row.acc, row.first, row.last) for row in told) == sorted((p.me.account, 1, 3) for p in (one, other))
    assert b.envelopes(hospital) == [bid for who in (one, other) for p, bid in written if p is who]


def test_a_grant_brings_what_was_written_before_in_order(both_hubs):
    """From now on first, then the whole: earlier envelopes come later, and the stream is given anew in its order."""
    patient, hospital, mine, _ = both_hubs.shared()
    patient.write(patient.me, mine, ACTIVITY)
    late = both_hubs.b.organisation("praxis-b")
    both_hubs.read()
    early = [patient.write(patient.me, mine) for _ in range(2)]
    patient.grant(late, {VITALS}, whole=False)
    after = patient.write(patient.me, mine)
    both_hubs.read()
    assert both_hubs.b.envelopes(late) == [after]
    patient.grant(late, {VITALS})
    both_hubs.read()
    assert both_hubs.b.envelopes(late) == [*early, after]
    assert both_hubs.b.envelopes(hospital) == [*early, after]


def test_a_withdrawal_goes_ahead_of_all_else_and_takes_the_copies_away(both_hubs):
    """The first page is the `end`, though statements and envelopes came before it; then nothing is left."""
    a, b = both_hubs.a, both_hubs.b
    patient, hospital, mine, gid = both_hubs.shared()
    written = patient.write(patient.me, mine)
    both_hubs.read()
    assert b.envelopes(hospital) == [written]
    other = a.patient()
    theirs = other.permit(other.me)
    other.grant(hospital, {VITALS})
    kept = other.write(other.me, theirs)
    patient.write(patient.me, mine)
    patient.post(steps.end(patient.hub.record, hospital.account, gid, patient.me.signer, a.now))
    pull = both_hubs.pull(b)
    assert pull.step(0)
    assert rows(b, envelopes) == []
    stream = patient.stream(mine)
    assert b.get(f"/v1/streams/{patient.me.account}/{stream}", hospital).status_code == 404
    both_hubs.read(b)
    assert b.envelopes(hospital) == [kept]
    assert patient.me.account not in {row.acc for row in rows(b, envelopes)}


def test_a_narrower_grant_takes_away_what_it_leaves_out(hubs):
    """Copies of a stream that is no longer covered are deleted; a wider grant brings them again."""
    patient, hospital, mine, gid = hubs.shared((VITALS, ACTIVITY))
    vitals, activity = patient.write(patient.me, mine), patient.write(patient.me, mine, ACTIVITY)
    hubs.read()
    patient.grant(hospital, {VITALS}, gid=gid)
    hubs.read()
    assert len(rows(hubs.b, envelopes)) == 1
    assert hubs.b.envelopes(hospital) == [vitals]
    patient.grant(hospital, {VITALS, ACTIVITY}, gid=gid)
    hubs.read()
    assert sorted(hubs.b.envelopes(hospital)) == sorted([vitals, activity])


def test_copies_go_when_a_grant_is_over_and_its_hub_has_said_nothing_else(hubs, clock):
    """By the time that the home hub has confirmed: an extension that is under way is not overtaken."""
    patient, hospital, mine, _ = hubs.shared(until=hubs.a.now + 1000)
    written = patient.write(patient.me, mine)
    hubs.read()
    assert [tuple(row) for row in rows(hubs.b, endings)] == [(patient.me.account, hubs.a.now + 1000)]
    clock.advance(990)
    hubs.read(hubs.b)
    clock.advance(10)
    patient.now = hubs.a.now
    hubs.pull(hubs.b).keep_up()
    assert hubs.b.envelopes(hospital) == []
    assert len(rows(hubs.b, envelopes)) == 1
    hubs.read(hubs.b)
    hubs.pull(hubs.b).keep_up()
    assert rows(hubs.b, envelopes) == []
    assert rows(hubs.b, endings) == []
    patient.settle()
    patient.grant(hospital, {VITALS})
    hubs.read()
    assert hubs.b.envelopes(hospital) == [written]


def test_copies_of_whom_no_ending_is_known_are_looked_through_at_the_start(hubs, clock):
    """Those that an earlier version kept: by the first turn of a relay."""
    patient, _, mine, _ = hubs.shared(until=hubs.a.now + 1000)
    patient.write(patient.me, mine)
    hubs.read()
    with hubs.b.hub.db.write() as tx:
        tx.conn.execute(endings.delete())
    clock.advance(1001)
    hubs.read(hubs.b)
    hubs.pull(hubs.b).keep_up()
    assert rows(hubs.b, envelopes) == []


def test_a_grant_that_begins_later_opens_then_at_the_other_hub(hubs, clock):
    """Nothing is brought before `nb`; then all it covers."""
    patient, hospital, mine, gid = hubs.shared()
    patient.withdraw(hospital, gid)
    begins = hubs.a.now + DAY
    terms = Terms(
        hospital.account, frozenset({VITALS}), True, True, ("TREAT",), begins, begins + DAY, b"{}", random_bytes(16)
    )
    patient.vault = patient.vault.with_terms("A" * 22, terms)
    patient.post(steps.grant(patient.hub.record, patient.vault, "A" * 22, terms, patient.me.signer, hubs.a.now))
    written = patient.write(patient.me, mine)
    hubs.read()
    assert rows(hubs.b, envelopes) == []
    clock.advance(DAY)
    hubs.read()
    assert hubs.b.envelopes(hospital) == [written]


@pytest.mark.parametrize("ahead", [-2, 2])
@pytest.mark.parametrize("wait", [0, 100])
def test_a_grant_begins_by_each_hubs_clock_and_nothing_is_lost(hubs, clock, ahead, wait):
    """What is brought when it begins at the patient's hub is released at the other one in that second of its own."""
    patient, hospital, mine, gid = hubs.shared()
    patient.withdraw(hospital, gid)
    hubs.b.clock.ahead = ahead
    written = [patient.write(patient.me, mine)]
    begins = hubs.a.now + wait
    patient.grant(hospital, {VITALS}, nb=begins)
    hubs.read()
    clock.now = patient.now = begins
    written.append(patient.write(patient.me, mine))
    hubs.read()
    assert hubs.b.envelopes(hospital) == (written if ahead > 0 else [])
    cursor = hubs.b.get("/v1/feed", hospital).json["next"]
    clock.advance(2)
    hubs.read()
    assert hubs.b.envelopes(hospital, cursor) == ([] if ahead > 0 else written)


def test_a_hospital_of_another_hub_rotates_its_reading_key(hubs):
    """The patient's hub hears of it, and takes grants only to the new key."""
    patient, hospital, _, _ = hubs.shared()
    hospital.rotate(hubs.b.now)
    answer = hubs.b.post("/v1/statements", {"statements": [{"frame": b64(hospital.frames[-1])}]}, hospital)
    assert answer.status_code == 200
    hubs.read()
    (entry,) = hubs.a.get("/v1/directory", patient.me).json["organisations"]
    assert entry["reading_key"] == hospital.state.reading_key()


# --- a hub that lies ----------------------------------------------------------------------------------------------


def test_a_link_that_does_not_hold_stops_the_release_until_the_chain_is_whole_again(both_hubs):
    """Nothing of that patient is released meanwhile, other patients' are; asked for anew, it goes on."""
    patient, hospital, mine, gid = both_hubs.shared()
    other = both_hubs.a.patient()
    theirs = other.permit(other.me)
    other.grant(hospital, {VITALS})
    both_hubs.read()
    patient.grant(hospital, {VITALS}, gid=gid, until=patient.now + DAY)
    written, free = patient.write(patient.me, mine), other.write(other.me, theirs)
    frame = patient.hub.record.relations[hospital.account].frames[-1]
    forged = read_link({"frame": b64(frame[:-1] + bytes([frame[-1] ^ 1]))})
    replicas = both_hubs.pull(both_hubs.b).replicas
    replicas.take([forged], DOMAIN)
    both_hubs.read(both_hubs.b)
    assert both_hubs.b.envelopes(hospital) == [free]
    assert (
        problem(both_hubs.b.get(f"/v1/streams/{patient.me.account}/{patient.stream(mine)}", hospital))["status"] == 503
    )
    both_hubs.pull(both_hubs.b).keep_up()
    assert both_hubs.b.envelopes(hospital) == [free, written]


def test_an_envelope_that_was_changed_is_not_kept(hubs, caplog):
    """A changed frame, a changed stamp: said, and left out; the next good one is kept."""
    patient, hospital, mine, _ = hubs.shared()
    hubs.read()
    for _ in range(2):
        patient.write(patient.me, mine)
    good = patient.write(patient.me, mine)
    with hubs.a.hub.db.write() as tx:
        for pos, column in ((1, "frame"), (2, "stamp")):
            row = tx.conn.execute(envelopes.select().where(envelopes.c.pos == pos)).one()
            changed = bytes(getattr(row, column))[:-1] + bytes([getattr(row, column)[-1] ^ 1])
            tx.conn.execute(update(envelopes).where(envelopes.c.pos == pos).values(**{column: changed}))
    hubs.read()
    assert hubs.b.envelopes(hospital) == [good]
    said = [record.fields for record in caplog.records if getattr(record, "fields", {}).get("kind") == "envelope"]
    assert [fields["reason"] for fields in said] == ["stamp", "stamp"]


def test_a_hub_gives_only_what_is_at_home_there(hubs):
    """Statements of this hub's own accounts are not taken from another, however well they are signed."""
    hospital = hubs.b.organisation("klinik")
    hubs.read()
    hospital.rotate(hubs.b.now)
    before = hubs.b.dump()
    link = read_link({"frame": b64(hospital.frames[-1])})
    Replicas(hubs.b.hub, hubs.line.client(hubs.b.hub)).take([link], DOMAIN)
    assert hubs.b.dump() == before


def test_an_account_of_another_hub_cannot_come_in_here(hubs):
    """Its device registers no key here, and nobody signs in to it or recovers it, though its chain is held."""
    hospital = hubs.b.organisation("klinik")
    hubs.read()
    key = SigningKey.generate()
    frame = messages.register(
        hospital.sign, acc=hospital.account, dev=hospital.device, token_key=key.public, at=hubs.a.now
    )
    assert hubs.a.post("/v1/clients", {"frame": b64(frame)}).status_code == 401
    for path, name in (("/v1/sign-in", "key"), ("/v1/recover", "token")):
        assert hubs.a.post(path, {"account": hospital.account, name: "A" * 43}).status_code == 401


def test_only_the_peers_own_patients_are_released_to_it_and_only_to_it(hubs):
    """A hub is told of what its accounts may have, never of what came from another hub, and of strangers nothing."""
    patient, hospital, mine, _ = hubs.shared()
    patient.write(patient.me, mine)
    hubs.read()
    with hubs.b.hub.db.read() as conn:
        told = {row.recipient for row in conn.execute(feed.select().where(feed.c.acc == patient.me.account))}
    assert told == {hospital.account}
    stranger = hubs.a.patient()
    client = hubs.line.client(hubs.b.hub)(DOMAIN)
    for kind, oth in (("acct", ""), ("rel", f"/{hospital.account}"), ("set", f"/{mine}")):
        with pytest.raises(Problem) as caught:
            client.get(f"/v1/peer/chains/{kind}/{stranger.me.account}{oth}")
        assert caught.value.code == "not-found"
    assert client.get(f"/v1/peer/chains/acct/{stranger.me.account}?fp={stranger.me.state.fingerprint}")["links"]
    assert OTHER in ties(hubs.a, stranger.me.account)
    assert OTHER not in ties(hubs.a, hubs.a.patient().me.account)


def ties(town, acc):
    with town.hub.db.read() as conn:
        return chains.ties_of(conn, acc)


def test_a_peer_seen_for_the_first_time_is_told_of_all_organisations(hubs):
    """Those that joined before; once, so that a restart tells nothing again."""
    hospital = hubs.b.organisation("klinik", "Klinik", "hospital")
    with hubs.b.hub.db.write() as tx:
        tx.conn.execute(delete(feed).where(feed.c.recipient == DOMAIN))
        directory.admit(tx, hospital.account, "Klinik", "hospital", "x", f"verbund@{OTHER}")
    introduce(hubs.b.hub)
    hubs.read(hubs.a)
    (entry,) = hubs.a.get("/v1/directory", hubs.a.person()).json["organisations"]
    assert (entry["account"], entry["name"], entry["type"]) == (hospital.account, "Klinik", "hospital")
    assert entry["part_of"] == f"verbund@{OTHER}"
    assert entry["fingerprint"] == hospital.state.fingerprint
    before = hubs.b.dump()
    introduce(hubs.b.hub)
    assert hubs.b.dump() == before


def test_a_home_hub_that_was_restored_numbers_anew(hubs):
    """Its positions count: what stands elsewhere now is moved, and nothing is missing or there twice."""
    patient, hospital, mine, _ = hubs.shared()
    first = patient.write(patient.me, mine)
    hubs.read()
    second = patient.write(patient.me, mine)
    given = []
    for row in rows(hubs.a, envelopes):
        frame, stamp = envelope.parse(bytes(row.frame)), envelope.parse_stamp(bytes(row.stamp))
        given.append(copies.Given(row.acc, mine, 3 - row.pos, frame, stamp))
    permits = {mine: bytes(rows(hubs.a, permits_table)[0].frame)}
    given.sort(key=lambda one: one.pos)
    copies.take(hubs.b.hub, hubs.pull(hubs.b).replicas, given, permits, DOMAIN)
    assert {(row.pos, row.bid) for row in rows(hubs.b, envelopes)} == {(1, second), (2, first)}
    assert sorted(set(hubs.b.envelopes(hospital))) == sorted([first, second])


def test_an_account_of_a_known_hub_is_asked_for_there_and_nowhere_else(hubs):
    """Another hub that offers one under that name, or under ours, is not believed."""
    stranger = world.person(hubs.a.now, "hub-c.example.org")
    replicas = hubs.pull(hubs.b).replicas
    links = [read_link({"frame": b64(frame)}) for frame in stranger.frames]
    replicas.take(links, DOMAIN)
    assert ties(hubs.b, stranger.account) == [stranger.account]
    other = world.person(hubs.a.now, "hub-d.example.org")
    hubs.b.hub.peers["hub-d.example.org"] = hubs.b.hub.peers[DOMAIN]
    replicas.take([read_link({"frame": b64(frame)}) for frame in other.frames], DOMAIN)
    assert ties(hubs.b, other.account) == []


def test_what_a_chain_builds_on_and_nobody_gives_puts_it_in_doubt(hubs):
    """A statement that cites a position that does not exist: in doubt, and the rest of the page is taken."""
    patient, hospital, _, gid = hubs.shared()
    hubs.read()
    relation = patient.hub.record.relations[hospital.account]
    cite = {patient.me.account: (999, relation.head[1])}
    frame = statements.sign(
        patient.me.sign, kind="rel", acc=patient.me.account, oth=hospital.account, head=relation.head,
        iat=patient.now, typ="end", by=patient.me.signer.by, cite=cite, body={"gid": gid},
    )  # fmt: skip
    hubs.pull(hubs.b).replicas.take([read_link({"frame": b64(frame)})], DOMAIN)
    with hubs.b.hub.db.read() as conn:
        assert store.all_doubts(conn) == [("rel", patient.me.account, hospital.account)]
    hubs.pull(hubs.b).keep_up()
    with hubs.b.hub.db.read() as conn:
        assert store.all_doubts(conn) == []


def test_a_long_chain_comes_in_parts(hubs, monkeypatch):
    """Whatever fits into one answer: the rest is asked for."""
    monkeypatch.setattr(peer_feed, "MAX_LINKS", 2)
    hubs.read()
    person, hospital = hubs.a.person(), hubs.b.organisation("klinik")
    for _ in range(4):
        person.rotate(hubs.a.now)
        hubs.a.post("/v1/statements", {"statements": [{"frame": b64(person.frames[-1])}]}, person)
    answer = hubs.b.get(f"/v1/chains/acct/{person.account}", hospital, fp=person.state.fingerprint)
    assert [unb64(frame) for frame in answer.json["frames"]] == person.frames
